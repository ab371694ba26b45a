"""On Apache Kafka: records that are gone, topics that are not the same, counts that changed are never skipped over."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka import KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.structs import OffsetAndMetadata

from schemas.codec import encode
from streams.lag import committed_offsets, end_offsets
from streams.settings import KafkaSettings, Settings
from streams.topics import DEAD, KEYED, OUTBOX, TOUCHPOINTS, admin_client, create_topics
from tests.support.apache_kafka import running_kafka
from tests.support.deadline import wait_until
from tests.support.running_stack import Stack, running_stack
from tests.support.touchpoints import touchpoint

pytestmark = [pytest.mark.stack, pytest.mark.kafka, pytest.mark.timeout(1800), pytest.mark.long]

READERS = {TOUCHPOINTS: "intake", KEYED: "journeys", OUTBOX: "alerts"}


def send(kafka: KafkaSettings, topic: str, *values: bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=kafka.servers, acks="all")
    for value in values:
        producer.send(topic, value=value, partition=0)
    producer.flush(30)
    producer.close()


def a_touchpoint(number: int) -> bytes:
    now = time.time_ns() // 1_000_000
    return encode(touchpoint("page.viewed", now, id=f"{number}", identities=(f"customer_no:{47_000 + number}",)))


def end_workers(stack: Stack) -> None:
    """Told to stop, they leave their groups at once, and are ready for admins."""
    for name in ("worker", "alerts"):
        process = stack.process(name)
        if process["state"] == "running":
            os.kill(process["pid"], signal.SIGTERM)
            wait_until(lambda: stack.process(name)["state"] == "stopped", seconds=60)  # noqa: B023


@contextmanager
def admin(kafka: KafkaSettings) -> Iterator[KafkaAdminClient]:
    client = admin_client(kafka)
    try:
        yield client
    finally:
        client.close()


def set_offset(kafka: KafkaSettings, topic: str, offset: int) -> None:
    with admin(kafka) as client:
        place = TopicPartition(topic, 0)
        client.alter_group_offsets(f"journeys-{READERS[topic]}", {place: OffsetAndMetadata(offset, "", -1)})
    wait_until(lambda: committed_offsets(kafka, f"journeys-{READERS[topic]}", topic)[0] == offset)


def test_nothing_is_skipped_unnoticed(tmp_path: Path) -> None:
    with running_kafka(tmp_path) as port, running_stack(tmp_path, "--kafka", f"127.0.0.1:{port}") as stack:
        kafka = KafkaSettings(bootstrap=f"127.0.0.1:{port}")
        for topic in (KEYED, OUTBOX):
            send(kafka, topic, b"foreign")
        send(kafka, TOUCHPOINTS, *(a_touchpoint(number) for number in range(20)))
        stack.wait()
        wait_until(lambda: committed_offsets(kafka, "journeys-alerts", OUTBOX).get(0) == 1)
        end_workers(stack)

        # Retention overtakes workers that do not run.
        gaps = {}
        for topic in READERS:
            read = committed_offsets(kafka, f"journeys-{READERS[topic]}", topic)[0]
            send(kafka, topic, *[b"foreign"] * 9)
            end = end_offsets(kafka, topic)[0]
            with admin(kafka) as client:
                client.delete_records({TopicPartition(topic, 0): end - 2})
            gaps[topic] = (read, end - 3)
        for topic, reader in READERS.items():
            told = stack.run("worker", "--agents", reader, code=1).stderr
            first, last = gaps[topic]
            assert f"deleted before journeys-{reader} had read them: {topic}/0/{first} to {last}" in told
            assert "JOURNEYS_ACCEPT_LOST_RECORDS=true" in told
            assert "Traceback" not in told
            assert committed_offsets(kafka, f"journeys-{reader}", topic)[0] == first
        stack.environment["JOURNEYS_ACCEPT_LOST_RECORDS"] = "true"
        stack.up()
        stack.wait()
        letters = json.loads(stack.run("dead-letters", "list", "--reason", "lost_to_retention", "--json").stdout)
        assert {letter["place"] for letter in letters} == {f"{topic}/0/{first}" for topic, (first, _) in gaps.items()}
        assert {letter["state"] for letter in letters} == {"open"}
        refused = stack.run("dead-letters", "replay", f"{OUTBOX}/0/{gaps[OUTBOX][0]}", code=1)
        assert "when they were deleted" in refused.stderr
        wait_until(lambda: committed_offsets(kafka, "journeys-alerts", OUTBOX).get(0) == end_offsets(kafka, OUTBOX)[0])
        del stack.environment["JOURNEYS_ACCEPT_LOST_RECORDS"]
        assert stack.value("SELECT count() FROM v_touchpoints") == 20

        # A topic of the same name, at whose offsets something else lies.
        end_workers(stack)
        with admin(kafka) as client:
            client.delete_topics([TOUCHPOINTS])
            wait_until(lambda: TOUCHPOINTS not in client.list_topics())
        create_topics(Settings(kafka=kafka))
        send(kafka, TOUCHPOINTS, *(a_touchpoint(number) for number in range(100, 110)))
        set_offset(kafka, TOUCHPOINTS, 7)
        stack.up()
        stack.wait()
        assert stack.value("SELECT count() FROM v_touchpoints") == 30
        log = Path(stack.process("worker")["log"]).read_text()
        assert [line for line in log.splitlines() if "topic_was_made_anew" in line and "journeys-intake" in line]

        # The log ends before what was read.
        end_workers(stack)
        set_offset(kafka, TOUCHPOINTS, 11)
        told = stack.run("worker", "--agents", "intake", code=1).stderr
        assert f"{TOUCHPOINTS}/0 ends at 10, 11 was committed" in told
        assert "JOURNEYS_GROUP_PREFIX" in told
        set_offset(kafka, TOUCHPOINTS, 10)

        # Persons would change their owner.
        with admin(kafka) as client:
            client.create_partitions({KEYED: 6})
        for agents in ("intake", "journeys"):
            told = stack.run("worker", "--agents", agents, code=1).stderr
            assert "touchpoints.keyed has 6 partitions, and had 4 when it was read before" in told
            assert "journeys topics create --partitions 4" in told
        assert end_offsets(kafka, DEAD)[0] > 0
