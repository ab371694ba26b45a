"""Workers as processes on a real broker: told to stop, killed, broken, and joined by others. Nothing may be lost."""

import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from streams import watchdog
from streams.settings import KafkaSettings
from tests.support.deadline import wait_until
from tests.support.kafka_records import broker_with_topics
from tests.support.scripted_worker import Behaviour
from tests.support.worker_process import PARTITIONS, committed_records, owned, send, sent, worker

pytestmark = pytest.mark.stack


@pytest.fixture
def kafka() -> Iterator[KafkaSettings]:
    with broker_with_topics() as settings:
        yield settings


def test_told_to_stop_a_worker_commits_what_it_acknowledged_and_ends_with_0(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    send(kafka, 1000)
    with worker(kafka, Behaviour.DILIGENT, tmp_path / "a") as only:
        wait_until(lambda: len(only.records) == 1000, seconds=60)
        assert only.end(signal.SIGTERM) == 0
        assert only.lines[-2:] == ["finished", "closed"]
    assert committed_records(kafka) == set(only.records) == sent(kafka)


def test_what_is_acknowledged_last_of_all_is_committed_too(kafka: KafkaSettings, tmp_path: Path) -> None:
    send(kafka, 400)
    with worker(kafka, Behaviour.HOARDING, tmp_path / "a") as only:
        wait_until(lambda: len(only.records) == 400, seconds=60)
        assert committed_records(kafka) == set()
        assert only.end(signal.SIGINT) == 0
    assert committed_records(kafka) == sent(kafka)


@pytest.mark.parametrize("behaviour", [Behaviour.BREAKING, Behaviour.BREAKING_LATE])
def test_a_worker_that_breaks_ends_with_1_and_commits_nothing_of_it(
    kafka: KafkaSettings, tmp_path: Path, behaviour: Behaviour
) -> None:
    send(kafka, 40)
    with worker(kafka, behaviour, tmp_path / "a") as broken:
        if behaviour is Behaviour.BREAKING_LATE:
            wait_until(lambda: len(broken.records) == 40, seconds=60)
            broken.process.send_signal(signal.SIGTERM)
        # Not by the timer that ends a worker which hangs: that one would let everybody wait for 25 seconds.
        assert broken.process.wait(20) == 1
    assert committed_records(kafka) == set()
    assert "broken on purpose" in (tmp_path / "a.log").read_text()


def test_a_killed_worker_has_committed_nothing_that_it_had_not_done_and_the_next_one_does_the_rest(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    done: set[tuple[int, int]] = set()
    for life in range(2):
        send(kafka, 3000)
        with worker(kafka, Behaviour.DILIGENT, tmp_path / f"{life}") as mortal:
            wait_until(lambda: len(mortal.records) > 1000, seconds=60)
            mortal.end(signal.SIGKILL)
        done |= set(mortal.records)
        assert committed_records(kafka) <= done
    send(kafka, 40)
    with worker(kafka, Behaviour.DILIGENT, tmp_path / "last") as last:
        # The killed ones may have done all they were sent; what came since only this one can do.
        wait_until(lambda: done | set(last.records) == sent(kafka), seconds=60)
        assert last.end(signal.SIGTERM) == 0
    assert committed_records(kafka) == sent(kafka)


def test_what_a_worker_held_when_another_one_joined_is_read_again_though_nothing_was_ever_committed(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    send(kafka, 400)
    with worker(kafka, Behaviour.HOARDING, tmp_path / "a") as first:
        wait_until(lambda: len(first.records) == 400, seconds=60)
        with worker(kafka, Behaviour.HOARDING, tmp_path / "b") as second:
            wait_until(lambda: len(first.records) + len(second.records) == 800, seconds=60)
            assert {len(line.split()) for line in second.lines if line.startswith("assigned")} == {3}
            assert set(first.records[400:]) | set(second.records) == sent(kafka)
            assert first.end(signal.SIGTERM) == 0
        # The second one got all partitions when the first one left; what it held until then it reads again.
    assert committed_records(kafka) >= set(first.records[400:])


def test_what_is_acknowledged_while_partitions_are_taken_away_counts(kafka: KafkaSettings, tmp_path: Path) -> None:
    send(kafka, 400)
    with worker(kafka, Behaviour.HANDING_OVER, tmp_path / "a") as first:
        wait_until(lambda: len(first.records) == 400, seconds=60)
        with worker(kafka, Behaviour.HANDING_OVER, tmp_path / "b") as second:
            wait_until(lambda: any(line.startswith("assigned") for line in second.lines), seconds=60)
            assert committed_records(kafka) == sent(kafka)
            assert second.records == []
            assert len(first.records) == 400


def test_workers_that_come_and_go_and_die_lose_nothing(kafka: KafkaSettings, tmp_path: Path) -> None:
    done: set[tuple[int, int]] = set()
    with worker(kafka, Behaviour.DILIGENT, tmp_path / "stays") as stays:
        for life in range(3):
            with worker(kafka, Behaviour.DILIGENT, tmp_path / f"{life}") as guest:
                send(kafka, 2000)
                wait_until(lambda: any(line.startswith("record") for line in guest.lines), seconds=60)
                guest.end(signal.SIGKILL if life % 2 else signal.SIGTERM)
            done |= set(guest.records)
            assert committed_records(kafka) <= done | set(stays.records)
        wait_until(lambda: done | set(stays.records) == sent(kafka), seconds=90)
        assert stays.end(signal.SIGTERM) == 0
    assert committed_records(kafka) == sent(kafka)


IMPATIENT = {"JOURNEYS_WATCHDOG__STANDSTILL_S": "4", "JOURNEYS_WATCHDOG__SILENCE_S": "600"}


def test_a_worker_whose_event_loop_is_blocked_writes_down_where_and_ends_itself(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    send(kafka, 4)
    limits = {"JOURNEYS_WATCHDOG__STANDSTILL_S": "600", "JOURNEYS_WATCHDOG__SILENCE_S": "5"}
    with worker(kafka, Behaviour.BLOCKING, tmp_path / "a", limits) as blocked:
        assert blocked.process.wait(60) == watchdog.EXIT_CODE
    log = (tmp_path / "a.log").read_text()
    assert "worker: the event loop has been silent for 5 s; ending with code 3" in log
    assert "scripted_worker.py" in log
    assert committed_records(kafka) == set()


def test_a_worker_that_waits_for_what_never_comes_writes_down_where_and_ends_itself(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    send(kafka, 4)
    with worker(kafka, Behaviour.STUCK, tmp_path / "a", IMPATIENT) as stuck:
        assert stuck.process.wait(60) == watchdog.EXIT_CODE
        assert len(stuck.records) == 1
    log = (tmp_path / "a.log").read_text()
    assert re.search(
        r"worker: agent scripted has not moved on from offset 0 of \S+/\d for \d s, while records up to offset 1"
        r" wait; ending with code 3",
        log,
    )
    # The threads' stacks end in the event loop; the task's shows the line that waits.
    assert "create_future()" in log
    assert committed_records(kafka) == set()


def test_the_watchdog_lets_those_alone_that_have_nothing_to_do_that_wait_on_purpose_or_that_own_nothing(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        workers = [
            stack.enter_context(worker(kafka, Behaviour.DILIGENT, tmp_path / f"{number}", IMPATIENT))
            for number in range(PARTITIONS)
        ]
        wait_until(lambda: all(owned(one) for one in workers), seconds=90)
        spare = stack.enter_context(worker(kafka, Behaviour.DILIGENT, tmp_path / "spare", IMPATIENT))
        wait_until(lambda: "ready" in spare.lines, seconds=60)
        send(kafka, 4)
        wait_until(lambda: committed_records(kafka) == sent(kafka), seconds=60)
        # As long as it takes another worker to be found stuck, in a group and topic of the same broker.
        stuck = stack.enter_context(
            worker(kafka, Behaviour.STUCK, tmp_path / "stuck", {**IMPATIENT, "JOURNEYS_GROUP_PREFIX": "other"})
        )
        wait_until(lambda: stuck.process.poll() is not None, seconds=90)
        assert [one.process.poll() for one in [*workers, spare]] == [None] * 5


def test_a_worker_that_gives_signs_of_life_is_let_alone_though_nothing_moves(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    send(kafka, 4)
    with (
        worker(kafka, Behaviour.WAITING, tmp_path / "a", IMPATIENT) as waiting,
        worker(kafka, Behaviour.STUCK, tmp_path / "b", {**IMPATIENT, "JOURNEYS_GROUP_PREFIX": "other"}) as stuck,
    ):
        wait_until(lambda: len(waiting.records) == 1, seconds=60)
        assert stuck.process.wait(90) == watchdog.EXIT_CODE
        assert waiting.process.poll() is None
