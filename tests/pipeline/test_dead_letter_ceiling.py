"""A producer that sends nothing but garbage: the worker stops, says what to do, and goes on when that was done."""

import re
import time
from collections.abc import Iterator

import pytest
from kafka import KafkaProducer

from schemas.codec import encode
from streams.topics import TOUCHPOINTS
from tests.support.deadline import wait_until
from tests.support.running_stack import Stack, running_stack
from tests.support.touchpoints import touchpoint

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900), pytest.mark.long]

PARTITION = 2
ACCEPTED = re.compile(r"JOURNEYS_DEAD_LETTERS__ACCEPTED=(?P<value>\S+) ")


@pytest.fixture
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("ceiling")) as running:
        yield running


def send(stack: Stack, *values: bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=stack.status()["kafka"], acks="all")
    try:
        for sent in [producer.send(TOUCHPOINTS, value=value, partition=PARTITION) for value in values]:
            sent.get(timeout=30)
    finally:
        producer.close()


def dead_letters(stack: Stack) -> int:
    return int(stack.value(f"SELECT uniqExact(partition, offset) FROM dead_letters WHERE partition = {PARTITION}"))


def test_a_flood_stops_the_worker_whose_next_starts_put_nothing_more_aside_until_somebody_has_decided(
    stack: Stack,
) -> None:
    good = encode(touchpoint("page.viewed", time.time_ns() // 1_000_000, id="after-the-flood"))
    send(stack, good, *([b"garbage"] * 60))
    stack.wait()
    assert dead_letters(stack) == 60

    # Another worker knows of the sixty only from the log.
    stack.kill("worker")
    send(stack, *([b"garbage"] * 60), good)
    for _ in range(3):
        told = stack.run("worker", "--agents", "intake,journeys", code=1)
        assert "Traceback" not in told.stderr
        assert f"too many dead letters in touchpoints/{PARTITION}: 101 in a row, 101 of the last 10,000" in told.stderr
        assert "at offset 101" in told.stderr
        assert "Most common reason: bad_magic (The value does not start with byte 0" in told.stderr
    # What was fetched before the rest came may have been put aside, never more than the ceiling.
    assert 60 <= dead_letters(stack) <= 100

    accepted = ACCEPTED.search(told.stderr)
    assert accepted is not None
    assert accepted["value"] == f"touchpoints/{PARTITION}:122"
    stack.environment["JOURNEYS_DEAD_LETTERS__ACCEPTED"] = accepted["value"]
    stack.up()
    stack.wait()
    assert dead_letters(stack) == 120
    assert stack.value("SELECT count() FROM v_dead_letters") == 120
    assert stack.value("SELECT count() FROM v_touchpoints WHERE id = 'after-the-flood'") == 1

    # It was a decision about those, not about all that is still to come.
    send(stack, *([b"garbage"] * 101))
    wait_until(lambda: stack.process("worker")["state"] == "stopped", seconds=60)
    assert dead_letters(stack) <= 220
