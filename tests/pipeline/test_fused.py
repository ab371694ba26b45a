"""Fused mode from the producer to the tables: it says what the other mode says, and either may follow the other."""

import os
import re
import shutil
import signal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from kafka import KafkaProducer

from schemas.codec import encode
from streams.topics import TOUCHPOINTS
from tests.support.deadline import wait_until
from tests.support.generated import generated
from tests.support.running_stack import Stack, running_stack, without_versions
from tests.support.touchpoints import MONDAY, touchpoint

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1800)]

FUSED = {"JOURNEYS_FUSED": "true"}
WHOSE = "SELECT touchpoint_key, identity_hash, person_key FROM v_touchpoints ORDER BY touchpoint_key"
NAMES = "SELECT identifier, person_key, is_placeholder FROM v_person_identifiers ORDER BY identifier"
READ = """
SELECT topic, sum(next_offset) AS records FROM (
    SELECT topic, partition, max(next_offset) AS next_offset FROM checkpoints GROUP BY topic, partition
) GROUP BY topic ORDER BY topic
"""


def patiently_wait(stack: Stack) -> None:
    stack.run("wait", "--timeout", "600", within_s=660)


def everything(stack: Stack) -> dict[str, Any]:
    return {**without_versions(stack.facts()), "whose": stack.query(WHOSE), "names": stack.query(NAMES)}


def stop_worker(stack: Stack) -> dict[str, int]:
    """What became of the records that it took."""
    process = stack.process("worker")
    os.kill(process["pid"], signal.SIGTERM)
    wait_until(lambda: stack.process("worker")["state"] == "stopped", seconds=60)
    told = [
        line for line in Path(process["log"]).read_text().splitlines() if "records" in line and "superseded" in line
    ]
    return {name: int(number) for name, number in re.findall(r'"?(\w+)"?[=:] ?(\d+)', told[-1])}


@pytest.mark.long
def test_both_modes_say_the_same_of_people_of_many_names_some_of_whom_lie_elsewhere(tmp_path: Path) -> None:
    truth = generated(tmp_path, "--identities", persons=70, events=700, seed=5)
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines(keepends=True)
    Random(5).shuffle(lines)
    # Known to no producer: what carries them is not keyed by what owns it here.
    strongest = sorted(
        identity for person in truth["people"] for identity in person["identities"] if identity.startswith("customer")
    )
    blocked = [identity.partition(":")[2] for identity in strongest[:6]]
    environment = {"JOURNEYS_BLOCKED_IDENTITIES": str(blocked).replace("'", '"')}
    said: list[dict[str, Any]] = []
    for mode in ({}, FUSED):
        folder = tmp_path / f"mode{len(said)}"
        (folder / "data").mkdir(parents=True)
        if said:
            shutil.copy(tmp_path / "mode0" / "data" / "pepper", folder / "data" / "pepper")
        with running_stack(folder, environment={**environment, **mode}) as stack:
            stack.produce(b"".join(lines))
            patiently_wait(stack)
            said.append(everything(stack))
            counts = stop_worker(stack)
            assert (counts["misplaced"] > 0) == (mode == FUSED), counts
            read = {row["topic"]: row["records"] for row in stack.query(READ)}
            assert read.get(TOUCHPOINTS, 0) == (len(lines) if mode == FUSED else 0)
    two_topics, fused = said
    for what in ("names", "whose", *two_topics):
        one, other = ({str(row) for row in said_by[what]} for said_by in (two_topics, fused))
        assert sorted(one ^ other) == [], what
    assert len(two_topics["whose"]) > 1_000
    assert any(row["is_placeholder"] for row in two_topics["names"])
    assert two_topics["frictions"]


def test_an_installation_goes_from_one_mode_to_the_other_and_back_and_loses_nothing(tmp_path: Path) -> None:
    truth = generated(tmp_path, persons=30, events=500)
    lines = list(dict.fromkeys((tmp_path / "events.jsonl").read_bytes().splitlines(keepends=True)))
    assert len(lines) == truth["totals"]["touchpoints"]
    parts = [lines[start::5] for start in range(5)]
    with running_stack(tmp_path) as stack:
        stack.produce(b"".join(parts[0]))
        patiently_wait(stack)
        stop_worker(stack)

        stack.produce(b"".join(parts[1]))
        stack.environment |= FUSED
        stack.up()
        stack.produce(b"".join(parts[2]))
        patiently_wait(stack)
        counts = stop_worker(stack)
        # What intake had passed on is not read again.
        assert counts["duplicate"] == 0
        assert counts["applied"] == len(parts[1]) + len(parts[2])

        stack.produce(b"".join(parts[3]))
        stack.environment = {name: text for name, text in stack.environment.items() if name not in FUSED}
        stack.up()
        patiently_wait(stack)
        # Intake sends on again what was read without it.
        counts = stop_worker(stack)
        assert counts["duplicate"] == len(parts[1]) + len(parts[2])
        assert counts["applied"] == len(parts[3])

        stack.environment |= FUSED
        stack.produce(b"".join(parts[4]))
        stack.up()
        patiently_wait(stack)
        assert stack.value("SELECT count() FROM v_touchpoints") == truth["totals"]["touchpoints"]
        counts = stop_worker(stack)
        assert (counts["duplicate"], counts["applied"]) == (0, len(parts[4]))


def test_where_records_lie_anywhere_it_does_not_begin_and_says_what_to_do(tmp_path: Path) -> None:
    with running_stack(tmp_path) as stack:
        stop_worker(stack)
        producer = KafkaProducer(bootstrap_servers=stack.status()["kafka"])
        for number in range(1, 81):
            who = (f"customer_no:{number}",)
            one = touchpoint("page.viewed", MONDAY, id=f"{number}", identities=who, backfill=True)
            producer.send(TOUCHPOINTS, encode(one), partition=number % 4)
        producer.flush(30)
        producer.close()
        stack.environment |= FUSED
        told = stack.run("worker", code=1).stderr
        assert re.search(r"[678]\d % of the newest records of touchpoints \(\d+ of 80\) do not lie in", told)
        assert "partitioner=murmur2_random" in told
        assert "unset JOURNEYS_FUSED" in told
        assert stack.value("SELECT count() FROM v_touchpoints") == 0
        assert "there is no intake" in stack.run("worker", "--agents", "intake", code=1).stderr
