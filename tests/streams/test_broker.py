"""The reliable producer against a real broker that is there, not there yet, and gone for a while."""

import asyncio
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from streams.broker import Outgoing, ReliableProducer
from streams.pulse import Pulse
from streams.settings import KafkaSettings, Settings
from streams.topics import DEAD, KEYED, create_topics
from tests.support.deadline import eventually
from tests.support.kafka_records import broker_with_topics
from tests.support.local_broker import free_port, start_broker
from tests.support.processes import stopped
from tests.support.touchpoints import MONDAY

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaSettings]:
    with broker_with_topics() as settings:
        yield settings


def outgoing(number: int, *, partition: int = 0, topic: str = KEYED) -> Outgoing:
    return Outgoing(topic, partition, b"k%d" % number, b"v%d" % number, MONDAY + number, [("n", b"%d" % number)])


def read(kafka: KafkaSettings, topic: str, partition: int, count: int) -> list[Any]:
    consumer = KafkaConsumer(bootstrap_servers=kafka.servers, enable_auto_commit=False, consumer_timeout_ms=10_000)
    try:
        place = TopicPartition(topic, partition)
        consumer.assign([place])
        consumer.seek_to_beginning(place)
        found: list[Any] = []
        for record in consumer:
            found.append((record.key, record.value, record.timestamp, list(record.headers)))
            if len(found) == count:
                break
        return found
    finally:
        consumer.close()


def send(kafka: KafkaSettings, *batches: list[Outgoing]) -> None:
    async def whole() -> None:
        producer = ReliableProducer(kafka)
        for batch in batches:
            await producer.send(batch)
        await producer.stop()

    asyncio.run(asyncio.wait_for(whole(), 120))


def test_records_arrive_in_order_with_key_time_and_headers(kafka: KafkaSettings) -> None:
    send(kafka, [outgoing(number, partition=1) for number in range(3)], [outgoing(3, partition=1)])
    assert read(kafka, KEYED, 1, 4) == [
        (b"k%d" % number, b"v%d" % number, MONDAY + number, [("n", b"%d" % number)]) for number in range(4)
    ]


def test_more_than_one_batch_holds_keeps_its_order(kafka: KafkaSettings) -> None:
    big = [Outgoing(KEYED, 2, b"%d" % number, b"x" * 60_000, MONDAY, []) for number in range(40)]
    send(kafka, big)
    assert [record[0] for record in read(kafka, KEYED, 2, 40)] == [b"%d" % number for number in range(40)]


def test_nothing_to_send_asks_nobody() -> None:
    send(KafkaSettings(bootstrap="127.0.0.1:1"), [])


def test_the_largest_record_that_the_raw_topic_takes_fits_into_the_dead_letters_with_its_headers(
    kafka: KafkaSettings,
) -> None:
    largest = b"x" * 1_048_400
    send(kafka, [Outgoing(DEAD, 0, b"k" * 100, largest, None, [("detail", b"d" * 500)])])
    ((key, value, _, _),) = read(kafka, DEAD, 0, 1)
    assert (key, value) == (b"k" * 100, largest)


def test_a_tombstone_can_be_sent(kafka: KafkaSettings) -> None:
    send(kafka, [Outgoing(KEYED, 3, b"", None, None, [("reason", b"empty_value")])])
    ((_, value, _, headers),) = read(kafka, KEYED, 3, 1)
    assert (value, headers) == (None, [("reason", b"empty_value")])


def test_a_broker_that_is_not_there_yet_is_waited_for() -> None:
    port = free_port()
    kafka = KafkaSettings(bootstrap=f"127.0.0.1:{port}")
    processes: list[subprocess.Popen[str]] = []

    async def whole() -> None:
        producer = ReliableProducer(kafka)
        sending = asyncio.create_task(producer.send([outgoing(1)]))
        done, _ = await asyncio.wait({sending}, timeout=1.0)
        assert not done
        processes.append((await asyncio.to_thread(start_broker, port))[0])
        await asyncio.to_thread(create_topics, Settings(kafka=kafka))
        await sending
        await producer.stop()

    try:
        asyncio.run(asyncio.wait_for(whole(), 120))
        assert len(read(kafka, KEYED, 0, 1)) == 1
    finally:
        for process in processes:
            with stopped(process):
                pass


def test_whoever_stops_waiting_for_a_broker_can_send_again_later(kafka: KafkaSettings) -> None:
    async def whole() -> None:
        pulse = Pulse()
        away = ReliableProducer(KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}"), pulse)
        sending = asyncio.create_task(away.send([outgoing(1)]))
        await eventually(lambda: pulse.retries["kafka"] == 1)
        assert pulse.is_good
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await away.stop()
        again = ReliableProducer(kafka, pulse)
        await again.send([outgoing(7)])
        await again.stop()
        await again.send([outgoing(8)])
        await again.stop()
        assert (pulse.retries["kafka"], pulse.beats) == (1, 1), "what succeeds is no sign of life"

    asyncio.run(asyncio.wait_for(whole(), 120))
    assert [record[0] for record in read(kafka, KEYED, 0, 2)] == [b"k7", b"k8"]
