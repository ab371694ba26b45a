"""Workers in a group of Apache Kafka: restarted under their own name, doubled, and put out of it while they slept."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.settings import KafkaSettings, Settings
from streams.topics import create_topics
from tests.support.apache_kafka import running_kafka
from tests.support.deadline import wait_until
from tests.support.kafka_records import broker_with_topics
from tests.support.scripted_worker import Behaviour
from tests.support.worker_process import PARTITIONS, Worker, committed_records, owned, send, sent, worker

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with running_kafka(tmp_path_factory.mktemp("kafka")) as port:
        yield port


@pytest.fixture
def kafka(broker: int) -> KafkaSettings:
    settings = KafkaSettings(bootstrap=f"127.0.0.1:{broker}")
    create_topics(Settings(kafka=settings))
    return settings


def named(instance: str | None, group: str, session_s: int = 60) -> dict[str, str]:
    """Environment of a worker that has this long to come back after it went."""
    name = {"JOURNEYS_KAFKA__INSTANCE_ID": instance} if instance else {}
    return {"JOURNEYS_KAFKA__SESSION_TIMEOUT_S": f"{session_s}", "JOURNEYS_GROUP_PREFIX": group, **name}


def share_all(*workers: Worker) -> bool:
    """Whether the last assignments of some workers are all partitions, and each has some."""
    return all(map(owned, workers)) and sorted(partition for one in workers for partition in owned(one)) == list(
        range(PARTITIONS)
    )


@pytest.mark.kafka
def test_a_worker_with_an_instance_id_comes_back_to_its_partitions_and_nobody_else_notices(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    with worker(kafka, Behaviour.DILIGENT, tmp_path / "stays", named("stays", "static")) as stays:
        wait_until(lambda: share_all(stays), seconds=60)
        with worker(kafka, Behaviour.DILIGENT, tmp_path / "goes", named("goes", "static")) as goes:
            wait_until(lambda: share_all(stays, goes), seconds=60)
            assert goes.end(signal.SIGTERM) == 0
        lines = [line for line in stays.lines if not line.startswith("record")]
        with worker(kafka, Behaviour.DILIGENT, tmp_path / "again", named("goes", "static")) as again:
            wait_until(lambda: "ready" in again.lines, seconds=60)
            send(kafka, 40)
            wait_until(lambda: set(stays.records) | set(goes.records) | set(again.records) == sent(kafka), seconds=60)
            assert owned(again) == owned(goes) != []
        assert [line for line in stays.lines if not line.startswith("record")] == lines


@pytest.mark.kafka
def test_without_one_the_others_are_interrupted(kafka: KafkaSettings, tmp_path: Path) -> None:
    with worker(kafka, Behaviour.DILIGENT, tmp_path / "stays", named(None, "dynamic")) as stays:
        with worker(kafka, Behaviour.DILIGENT, tmp_path / "goes", named(None, "dynamic")) as goes:
            wait_until(lambda: share_all(stays, goes), seconds=60)
            assert goes.end(signal.SIGTERM) == 0
        wait_until(lambda: share_all(stays), seconds=60)


@pytest.mark.kafka
def test_of_two_live_workers_with_one_instance_id_the_earlier_one_ends_and_says_why(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    with worker(kafka, Behaviour.DILIGENT, tmp_path / "earlier", named("twin", "twins")) as earlier:
        wait_until(lambda: "ready" in earlier.lines, seconds=60)
        with worker(kafka, Behaviour.DILIGENT, tmp_path / "later", named("twin", "twins")) as later:
            # Told so with its next heartbeat, which comes every 15 s.
            assert earlier.process.wait(60) == 1
            send(kafka, 40)
            wait_until(lambda: set(earlier.records) | set(later.records) == sent(kafka), seconds=60)
            assert later.end(signal.SIGTERM) == 0
        assert "another worker took over the instance id twin-scripted" in (tmp_path / "earlier.log").read_text()


def test_the_embedded_broker_gives_a_restarted_worker_its_partitions_back(tmp_path: Path) -> None:
    with broker_with_topics() as kafka:
        lives: list[Worker] = []
        for life in ("first", "second"):
            send(kafka, 40)
            with worker(kafka, Behaviour.DILIGENT, tmp_path / life, named("only", "journeys", session_s=6)) as only:
                lives.append(only)
                wait_until(lambda: {record for one in lives for record in one.records} == sent(kafka), seconds=60)
                assert only.end(signal.SIGTERM) == 0
            assert committed_records(kafka) == sent(kafka)
        assert not set(lives[0].records) & set(lives[1].records)


@pytest.mark.kafka
def test_a_worker_that_slept_past_its_session_sets_no_offset_back_though_its_group_is_empty(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    send(kafka, 400)
    with worker(kafka, Behaviour.HANDING_OVER, tmp_path / "sleeper") as sleeper:
        wait_until(lambda: set(sleeper.records) == sent(kafka), seconds=60)
        sleeper.process.send_signal(signal.SIGSTOP)
        try:
            with worker(kafka, Behaviour.DILIGENT, tmp_path / "other") as other:
                wait_until(lambda: set(other.records) == sent(kafka), seconds=60)
                send(kafka, 40)
                wait_until(lambda: committed_records(kafka) == sent(kafka), seconds=60)
                assert other.end(signal.SIGTERM) == 0
        finally:
            sleeper.process.send_signal(signal.SIGCONT)
        # It learns that it was put out, acknowledges what it held, as it may when it hands over, and comes back.
        wait_until(lambda: share_all(sleeper) and "revoked" in sleeper.lines[-2:], seconds=60)
        assert committed_records(kafka) == sent(kafka)
