"""People joined and parted by two workers at once, one of which is killed: nothing in the tables shows it."""

import hashlib
import json
import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from schemas.json_form import iso_time
from sinks.clickhouse.questions import ask
from streams.settings import load_settings
from streams.store import reading_address
from tests.support.deadline import wait_until
from tests.support.generated import generated
from tests.support.running_stack import Stack, running_stack
from tests.support.touchpoints import HOUR, MONDAY

pytestmark = [pytest.mark.stack, pytest.mark.long]

PERSONS = 10_000
PAIRS = 1_000
VIEWS = {
    "sessions": "session_id",
    "journeys": "journey_id",
    "frictions": "friction_id",
    "effort_postings": "posting_id",
    "persons": "person_key",
}
PARTITIONS = 4
#: Few touchpoints to a flush: people change hands all the time, and every flush is a place to die at.
FLUSH_ROWS = 100
#: Versions tell how a row came about.
NOT_BUSINESS = ("version",)


def line(**fields: Any) -> bytes:
    times = {name: iso_time(value) for name, value in fields.items() if name == "occurred_at"}
    return json.dumps({"source": "test", "backfill": True, **fields, **times}).encode() + b"\n"


def customer(number: int) -> str:
    return f"customer_no:{number + 10_000}"


def everyday() -> bytes:
    """A call for everybody, for some a redirect and a visit on the web: all deadlines lie days ahead."""
    lines = []
    for number in range(PERSONS):
        who = {"identities": [customer(number)], "topic": "invoice"}
        at = MONDAY + 10 * number
        lines.append(line(id=f"call-{number}", kind="contact.started", channel="phone", occurred_at=at, **who))
        if number % 3 == 0:
            redirect = {"direction": "outbound", "actor": "agent", "redirect_to": "web"}
            kind, channel = "contact.redirected", "phone"
            lines.append(
                line(id=f"sent-{number}", kind=kind, channel=channel, occurred_at=at + HOUR, **redirect, **who)
            )
        if number % 6 == 0:
            lines.append(line(id=f"web-{number}", kind="page.viewed", channel="web", occurred_at=at + 2 * HOUR, **who))
    return b"".join(lines)


def statements(kind: str, pairs: list[tuple[int, int]], at: int) -> bytes:
    return b"".join(
        line(id=f"{kind}-{one}-{other}", kind=kind, occurred_at=at, identities=[customer(one), customer(other)])
        for one, other in pairs
    )


def asked(stack: Stack, sql: str) -> list[tuple[Any, ...]]:
    """Rows of an answer, at once: a command takes longer than a hand-over."""
    return list(ask(reading_address(load_settings(stack.data_dir)), sql).rows)


def business_hash(stack: Stack) -> dict[str, tuple[int, str]]:
    """Of every view the number of rows, and a hash over all of their business columns."""
    found = {}
    for view, order in VIEWS.items():
        rows = asked(stack, f"SELECT * EXCEPT ({', '.join(NOT_BUSINESS)}) FROM v_{view} ORDER BY {order}")
        found[view] = (len(rows), hashlib.sha256(repr(rows).encode()).hexdigest())
    return found


@pytest.mark.long
def test_a_thousand_pairs_joined_and_parted_again_leave_every_view_as_it_was(tmp_path: Path) -> None:
    chances = random.Random(7)
    people = chances.sample(range(PERSONS), 2 * PAIRS)
    pairs = list(zip(people[:PAIRS], people[PAIRS:], strict=True))
    with running_stack(tmp_path) as stack:
        stack.produce(everyday())
        stack.wait()
        before = business_hash(stack)
        assert before["persons"][0] == PERSONS
        assert before["frictions"][0] > PERSONS // 3 - 1

        with stack.foreground("worker", "--agents", "journeys") as second:
            stack.produce(statements("identity.linked", pairs[: PAIRS // 2], MONDAY + 3 * HOUR))
            # In the middle of it, whatever the first worker is at: writing links, handing over, withdrawing.
            wait_until(lambda: merged(stack) > 0, seconds=60)
            stack.kill("worker")
            stack.up()
            stack.produce(statements("identity.linked", pairs[PAIRS // 2 :], MONDAY + 3 * HOUR))
            stack.wait()
            assert second.poll() is None
            assert stack.value("SELECT count() FROM v_persons") == PERSONS - PAIRS
            joined = business_hash(stack)
            assert joined != before
            # Whoever called under both numbers has called twice about one matter.
            assert stack.value("SELECT count() FROM v_frictions") == before["frictions"][0] + PAIRS
            repeats = stack.value("SELECT count() FROM v_frictions WHERE rule_id = 'repeat_contact'")
            assert repeats == PAIRS

            stack.produce(statements("identity.unlinked", pairs, MONDAY + 4 * HOUR))
            stack.wait()
            assert business_hash(stack) == before


def merged(stack: Stack) -> int:
    return len(given_away(stack))


def given_away(stack: Stack) -> list[tuple[str, str]]:
    """Identifiers that belong to another person, each with that one's key."""
    return asked(stack, "SELECT identifier, person_key FROM v_person_identifiers WHERE person_key != identifier")


@pytest.mark.timeout(900)
def test_one_of_two_workers_killed_while_handing_people_over_leaves_every_view_as_one_undisturbed(
    tmp_path: Path,
) -> None:
    generated(tmp_path, "--identities", persons=40, events=600, seed=7)
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines(keepends=True)
    # Shuffled, people meet from the first line to the last.
    random.Random(7).shuffle(lines)
    events = tmp_path / "shuffled.jsonl"
    events.write_bytes(b"".join(lines))
    pepper = tmp_path / "pepper"
    pepper.write_text("the same person keys in both runs\n")
    pepper.chmod(0o600)
    environment = {"JOURNEYS_FLUSH__MAX_ROWS": str(FLUSH_ROWS), "JOURNEYS_PEPPER_FILE": str(pepper)}
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()

    with running_stack(tmp_path / "one", environment=environment) as stack:
        stack.run("produce", str(events))
        stack.wait()
        undisturbed = business_hash(stack)
        changed_hands = given_away(stack)
        assert {partition(identifier) for identifier, _ in changed_hands} == set(range(PARTITIONS))
        assert {partition(person_key) for _, person_key in changed_hands} == set(range(PARTITIONS))

    with running_stack(tmp_path / "two", environment=environment) as stack:
        ready = tmp_path / "ready"
        with stack.foreground("worker", "--agents", "journeys", "--ready-file", str(ready)) as second:
            wait_until(ready.exists, seconds=120)
            worker = stack.process("worker")["pid"]
            with stack.foreground("produce", str(events)) as producing:
                wait_until(lambda: halfway(stack) > 0, seconds=120)
                os.kill(worker, signal.SIGKILL)
                at_death = merged(stack)
                assert producing.wait(120) == 0
            stack.up()
            stack.wait()
            assert second.poll() is None
        assert 0 < at_death < len(changed_hands) == merged(stack)
        assert business_hash(stack) == undisturbed


def partition(identifier: str) -> int:
    """Partition of an identifier's owner."""
    return int(identifier[:8], 16) % PARTITIONS


def halfway(stack: Stack) -> int:
    """Identifiers that belong to somebody else while what was said of them as a person still stands."""
    ((number,),) = asked(
        stack,
        "SELECT count() FROM v_person_identifiers"
        " WHERE person_key != identifier AND identifier IN (SELECT person_key FROM v_persons)",
    )
    return int(number)
