"""Sessions at the gap, and against an oracle that looks at every pair."""

import msgspec
import pytest
from hypothesis import given

from processors.settings import CoreSettings, SessionEnd
from schemas.touchpoint import AppliedTouchpoint
from tests.support import oracle
from tests.support.judging import judged
from tests.support.stories import stories
from tests.support.touchpoints import DAY, MINUTE, MONDAY, happened


@pytest.mark.parametrize(("gap", "count"), [(30 * MINUTE, 1), (30 * MINUTE + 1, 2), (0, 1)])
def test_a_gap_of_exactly_30_minutes_still_joins(gap: int, count: int) -> None:
    story = [happened("page.viewed", MONDAY), happened("search.performed", MONDAY + gap)]
    assert len(judged(*story).sessions) == count


@pytest.mark.parametrize(("start", "count"), [(40 * MINUTE, 1), (40 * MINUTE + 1, 2)])
def test_the_gap_runs_from_the_end_of_a_touchpoint(start: int, count: int) -> None:
    story = [
        happened("call.offered", MONDAY, ended_at=MONDAY + 10 * MINUTE),
        happened("page.viewed", MONDAY + start),
    ]
    assert len(judged(*story).sessions) == count


def test_the_gap_runs_from_the_latest_end_not_from_the_last_touchpoint() -> None:
    story = [
        happened("call.offered", MONDAY, ended_at=MONDAY + 60 * MINUTE),
        happened("page.viewed", MONDAY + 5 * MINUTE),
        happened("page.viewed", MONDAY + 90 * MINUTE),
    ]
    (session,) = judged(*story).sessions
    assert (session.started_at, session.ended_at) == (MONDAY, MONDAY + 90 * MINUTE)


def test_sessions_may_end_with_the_beginning_of_touchpoints() -> None:
    story = [
        happened("message.received", MONDAY, channel="email", ended_at=MONDAY + 2 * DAY),
        happened("page.viewed", MONDAY + DAY),
    ]
    assert len(judged(*story).sessions) == 1
    by_start = CoreSettings(session_end=SessionEnd.OCCURRED_AT)
    assert [session.ended_at for session in judged(*story, settings=by_start).sessions] == [MONDAY, MONDAY + DAY]


def test_a_touchpoint_that_ends_before_it_starts_ends_when_it_starts() -> None:
    (session,) = judged(msgspec.structs.replace(happened("call.offered", MONDAY), end_time=MONDAY - DAY)).sessions
    assert session.ended_at == MONDAY


def test_a_session_tells_what_was_in_it() -> None:
    (session,) = judged(
        happened("page.viewed", MONDAY, channel="web"),
        happened("call.offered", MONDAY + MINUTE, channel="phone"),
        happened("page.viewed", MONDAY + 2 * MINUTE, channel="web"),
    ).sessions
    assert (session.touches, session.channels) == (3, ("web", "phone"))
    assert session.first_touchpoint == f"default/test/page.viewed@{MONDAY}"
    assert session.last_touchpoint == f"default/test/page.viewed@{MONDAY + 2 * MINUTE}"


def test_company_acts_are_part_of_sessions_and_probes_are_not() -> None:
    (session,) = judged(
        happened("message.sent", MONDAY, actor="agent", direction="outbound"),
        happened("page.viewed", MONDAY + 20 * MINUTE, probe=True),
        happened("page.viewed", MONDAY + 30 * MINUTE),
    ).sessions
    assert session.touches == 2


@given(stories())
def test_sessions_equal_the_oracle(story: list[AppliedTouchpoint]) -> None:
    sessions = {(one.started_at, one.ended_at, one.touches) for one in judged(*story).sessions}
    assert sessions == oracle.sessions(story)
