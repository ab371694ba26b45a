"""A log of web sessions goes in; visits and people are those computed from the file itself."""

import csv
import gzip
import io
import json
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

import pytest

from tests.support.logs import log_file
from tests.support.running_stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.logs]

SESSION_GAP_S = 30 * 60
#: Of new devices within any seven days more than this are not believed to be one visitor's.
NEW_DEVICES = 5
DEVICES_WITHIN_S = 7 * 86_400


class Visit(NamedTuple):
    """One line of the log; times are UTC seconds."""

    start: int
    end: int
    visitor: str
    device: str
    session: str


def visits_of_log() -> list[Visit]:
    with gzip.open(log_file("web-sessions/sessions.txt.gz"), "rt", newline="") as file:
        rows = csv.DictReader(io.StringIO(file.read()), delimiter="|", quoting=csv.QUOTE_NONE)
        return sorted(
            Visit(
                _seconds(row["ts_min"]),
                _seconds(row["ts_max"]),
                row["id_visitor"],
                row["dim_device_app_combo"],
                row["id_session"],
            )
            for row in rows
        )


def _seconds(text: str) -> int:
    return int(datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp())


def folded(visits: list[Visit]) -> list[tuple[int, int]]:
    """Start and end of what one visitor's lines become when those that touch, or nearly so, are one."""
    spans: list[tuple[int, int]] = []
    for visit in visits:
        if spans and visit.start - spans[-1][1] <= SESSION_GAP_S:
            spans[-1] = (spans[-1][0], max(spans[-1][1], visit.end))
        else:
            spans.append((visit.start, visit.end))
    return spans


def believed_devices(visits: list[Visit]) -> set[str]:
    """One visitor's devices, but for those that were too many new ones at once when they were first seen."""
    first_seen: dict[str, int] = {}
    for visit in visits:
        first_seen.setdefault(visit.device, visit.start)
    taken: list[str] = []
    for device, start in first_seen.items():
        if sum(start - first_seen[other] < DEVICES_WITHIN_S for other in taken) < NEW_DEVICES:
            taken.append(device)
    return set(taken)


def test_visitors_are_people_and_their_overlapping_sessions_are_one(stack: Stack) -> None:
    log = log_file("web-sessions/sessions.txt.gz")
    summary = json.loads(stack.run("import", str(log), "--mapping", "web-sessions", "--json").stdout)
    assert summary["refused"] == 0
    stack.wait()
    visits = visits_of_log()
    by_visitor: dict[str, list[Visit]] = {}
    for visit in visits:
        by_visitor.setdefault(visit.visitor, []).append(visit)

    # Whose touchpoints are whose: by the session that each belongs to, which the pipeline takes for a mere thread.
    rows = stack.query(
        """
        SELECT thread_id, groupUniqArray(person_key) AS people, any(identities) AS identities
        FROM v_touchpoints GROUP BY thread_id
        """
    )
    person_of_session = {row["thread_id"]: row["people"] for row in rows}
    assert all(len(people) == 1 for people in person_of_session.values())
    people = {visitor: {person_of_session[one.session][0] for one in by_visitor[visitor]} for visitor in by_visitor}
    assert all(len(keys) == 1 for keys in people.values())
    assert len(set.union(*people.values())) == len(by_visitor) == stack.counts()["persons"]

    # The person is named by the smallest hash of its identities: those of the account and of the believed devices.
    hashes = {row["thread_id"]: [text.partition(":")[2] for text in row["identities"]] for row in rows}
    refused = {
        frozenset((row["identifier"], row["other_identifier"]))
        for row in stack.query("SELECT identifier, other_identifier FROM v_identity_review WHERE reason = 'limit'")
    }
    for visitor, own in by_visitor.items():
        believed = believed_devices(own)
        assert {frozenset(hashes[one.session]) for one in own if one.device not in believed} <= refused
        members = {hash_ for one in own for hash_ in hashes[one.session][: 1 + (one.device in believed)]}
        assert len(members) == 1 + len(believed)
        assert people[visitor] == {min(members)}
    unbelieved = [len({one.device for one in own} - believed_devices(own)) for own in by_visitor.values()]
    assert len(refused) == sum(unbelieved) > 0
    assert sum(len(believed_devices(own)) > 1 for own in by_visitor.values()) > 100

    expected = [span for own in by_visitor.values() for span in folded(own)]
    published = stack.query("SELECT toUnixTimestamp(started_at) AS s, toUnixTimestamp(ended_at) AS e FROM v_sessions")
    assert sorted((row["s"], row["e"]) for row in published) == sorted(expected)
    overlapping = sum(later.start <= earlier.end for own in by_visitor.values() for earlier, later in pairwise(own))
    assert overlapping > 100
    assert len(expected) < len(visits) - overlapping / 2
