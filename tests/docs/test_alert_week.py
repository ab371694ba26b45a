"""A made-up week under the policies that docs/alerts.md compares: few messages, each at its time, nothing left out."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from docs.alert_week import DAY, HOUR, MINUTE, MONDAY, OUTAGE, STANDING, Week, lived, moments, policies
from sinks.alerts.ledger import EntryState
from sinks.alerts.notice import Notice, NoticeKind
from sinks.alerts.policy import DEFAULTS

ALONE = {NoticeKind.OPENED, NoticeKind.UPDATED}


@pytest.fixture(scope="module")
def week() -> Week:
    """The week of a team whose file says nothing of its policy."""
    return lived(policies()["a file with one channel and one route"], moments())


def about(week: Week, rule: str, came_from: str) -> Iterator[Notice]:
    for _, notice in week.rehearsal.sent:
        subject = notice.subjects[0]
        if (subject.rule_id, subject.from_channel or "") == (rule, came_from) and notice.kind is not NoticeKind.DIGEST:
            yield notice


def test_a_week_of_frictions_is_few_messages(week: Week) -> None:
    assert week.frictions > 3_000
    assert week.messages.total() < 60
    assert week.messages[NoticeKind.DIGEST] == 8


def test_no_cause_is_told_more_than_once_in_its_interval(week: Week) -> None:
    for rule, came_from, *_ in (*STANDING, OUTAGE):
        told = [notice.decided_at for notice in about(week, rule, came_from) if notice.kind in ALONE]
        assert all(later - earlier >= DEFAULTS.group_interval for earlier, later in pairwise(told)), rule


def test_the_outage_is_told_within_minutes_and_closed_when_it_is_over(week: Week) -> None:
    first, *_, last = about(week, OUTAGE[0], OUTAGE[1])
    began = MONDAY + 2 * DAY + 10 * HOUR
    assert first.kind is NoticeKind.OPENED
    assert first.decided_at - began < 4 * MINUTE
    assert last.kind is NoticeKind.CLOSED
    assert last.decided_at - began < 3 * HOUR + MINUTE
    assert last.subjects[0].customers > 300


def test_every_friction_of_the_week_is_told_or_says_why_not(week: Week) -> None:
    covered: dict[str, int] = {}
    for notice_id, incident_ids in week.rehearsal.told_of.items():
        if notice_id not in week.rehearsal.superseded:
            for incident_id in incident_ids:
                covered[incident_id] = max(covered.get(incident_id, 0), week.rehearsal.decided_at[notice_id])
    entries = [entry for entry in week.rehearsal.entries.values() if entry.channel]
    assert len(entries) == week.frictions
    untold = [
        entry
        for entry in entries
        if entry.state is EntryState.WAITING and covered.get(entry.incident_id, 0) < entry.joined_at
    ]
    assert untold == []
