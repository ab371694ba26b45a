"""A record that kills whoever reads it: after five deaths it is a dead letter, and nothing else is."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka import KafkaProducer

from schemas.codec import encode
from streams.topics import TOUCHPOINTS
from tests.support.deadline import wait_until
from tests.support.processes import REPOSITORY, stopped
from tests.support.running_stack import Stack, running_stack
from tests.support.touchpoints import touchpoint

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

BAIT = "BAIT-in-the-text"
PARTITIONS = 4


@pytest.fixture(params=[pytest.param("intake", marks=pytest.mark.long), "journeys"])
def victim(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with running_stack(tmp_path) as running:
        # Killed it would leave a suspicion behind, if it was just at work.
        os.kill(running.process("worker")["pid"], signal.SIGTERM)
        wait_until(lambda: running.process("worker")["state"] == "stopped", seconds=60)
        yield running


@contextmanager
def fragile_worker(stack: Stack, victim: str, log: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.support.fragile_worker", str(stack.data_dir), victim, BAIT]
    with (
        log.open("w") as out,
        subprocess.Popen(
            command, cwd=REPOSITORY, env=stack.environment, stdout=out, stderr=subprocess.STDOUT, text=True
        ) as process,
        stopped(process),
    ):
        yield process


def of_person(number: int, id_: str, **fields: str) -> bytes:
    now = time.time_ns() // 1_000_000
    return encode(touchpoint("page.viewed", now, id=id_, identities=(f"customer_no:{47_000 + number}",), **fields))


def send(stack: Stack, values: list[bytes]) -> None:
    producer = KafkaProducer(bootstrap_servers=stack.status()["kafka"], acks="all")
    try:
        for number, value in enumerate(values):
            producer.send(TOUCHPOINTS, value=value, partition=number % PARTITIONS)
        producer.flush(30)
    finally:
        producer.close()


def test_after_five_deaths_the_record_is_a_dead_letter_and_everything_else_was_processed_once(
    stack: Stack, victim: str, tmp_path: Path
) -> None:
    deadly = of_person(77, "deadly", text_ref=BAIT)
    harmless = [of_person(number, f"harmless-{number}") for number in range(240)]
    send(stack, [*harmless[:117], deadly, *harmless[117:]])
    for life in range(5):
        with fragile_worker(stack, victim, tmp_path / f"{life}.log") as mortal:
            assert mortal.wait(90) == -signal.SIGKILL, life
    with fragile_worker(stack, victim, tmp_path / "last.log") as survivor:
        stack.wait()
        (letter,) = json.loads(stack.run("dead-letters", "list", "--json").stdout)
        assert (letter["reason"], letter["stage"]) == ("kills_the_worker", "process")
        assert letter["place"] == "touchpoints/1/29"
        shown = json.loads(stack.run("dead-letters", "show", letter["place"], "--json").stdout)
        assert base64.b64decode(shown["raw_base64"]) == deadly
        survivor.send_signal(signal.SIGTERM)
        assert survivor.wait(60) == 0
    rows = stack.query("SELECT id FROM touchpoints")
    assert sorted(row["id"] for row in rows) == sorted(f"harmless-{number}" for number in range(240))
    assert "record_kills_workers" in (tmp_path / "last.log").read_text()


def test_workers_that_are_told_to_stop_accuse_nobody(stack: Stack, tmp_path: Path) -> None:
    send(stack, [of_person(number, f"harmless-{number}") for number in range(40)])
    for life in range(3):
        log = tmp_path / f"{life}.log"
        with fragile_worker(stack, "nobody", log) as worker:
            wait_until(lambda: "ready" in log.read_text(), seconds=120)  # noqa: B023
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(60) == 0
        assert stack.value("SELECT count() FROM attempts FINAL WHERE deaths > 1") == 0
    stack.up()
    stack.wait()
    assert stack.value("SELECT count() FROM v_touchpoints") == 40
    assert stack.value("SELECT count() FROM v_dead_letters") == 0
