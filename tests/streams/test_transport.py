"""The chunk consumer on a real broker: what is committed is what was acknowledged, and what is dropped comes again."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from faust.types import TP
from kafka import KafkaProducer

from streams.agent import Delivery, Feed
from streams.app import build_app, chunk_topic, register_agent
from streams.lag import committed_offsets
from streams.pulse import Pulse
from streams.settings import KafkaSettings, Settings
from streams.topics import TOUCHPOINTS
from streams.transport import _CLOCK, Chunk, ChunkConsumer
from tests.support.deadline import eventually
from tests.support.kafka_records import broker_with_topics

pytestmark = pytest.mark.stack

GROUP = "journeys-collector"


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaSettings]:
    with broker_with_topics() as settings:
        yield settings


class Collector:
    """An agent that keeps its deliveries."""

    name = "collector"
    topics: tuple[str, ...] = (TOUCHPOINTS,)
    most_in_hand = 1

    def __init__(self) -> None:
        self.pulse = Pulse()
        self.deliveries: list[Delivery] = []

    def offsets(self, partition: int) -> list[int]:
        """Offsets delivered, in order, however often."""
        return [
            record.offset
            for delivery in self.deliveries
            if delivery.partition == partition
            for record in delivery.records
        ]

    def last(self, partition: int) -> Delivery:
        """The last delivery of a partition."""
        return [delivery for delivery in self.deliveries if delivery.partition == partition][-1]

    async def start(self) -> None: ...

    async def assigned(self, partitions: frozenset[int]) -> None: ...

    async def revoked(self, within_s: float) -> None: ...

    async def handle(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)

    async def tick(self) -> None: ...

    async def finish(self, within_s: float) -> None: ...

    async def close(self) -> None: ...


class Running:
    """A consumer that runs, and the agent that it feeds."""

    def __init__(self, kafka: KafkaSettings, group: str) -> None:
        self.collector = Collector()
        self.app = build_app(Settings(kafka=kafka, group_prefix=group), self.collector.name)
        self.events: list[Any] = []
        feed = Feed(self.app, self.collector)
        register_agent(self.app, chunk_topic(self.app, TOUCHPOINTS), feed.run)
        self._kafka = kafka
        self._group = f"{group}-{self.collector.name}"

    @property
    def consumer(self) -> ChunkConsumer:
        consumer = self.app.consumer
        assert isinstance(consumer, ChunkConsumer)
        return consumer

    async def send(self, *texts: str, partition: int = 0) -> None:
        def produce() -> None:
            producer = KafkaProducer(bootstrap_servers=self._kafka.servers, acks="all")
            for text in texts:
                producer.send(TOUCHPOINTS, value=text.encode(), partition=partition).get(30)
            producer.close()

        await asyncio.to_thread(produce)

    async def committed(self) -> dict[int, int]:
        await self.consumer.commit_acknowledged()
        return await asyncio.to_thread(committed_offsets, self._kafka, self._group, TOUCHPOINTS)


@asynccontextmanager
async def running(kafka: KafkaSettings, group: str) -> AsyncIterator[Running]:
    subject = Running(kafka, group)
    await subject.app.start()
    try:
        yield subject
    finally:
        await subject.app.stop()


def run(kafka: KafkaSettings, group: str, scenario: Callable[[Running], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with running(kafka, group) as subject:
            await scenario(subject)

    asyncio.run(asyncio.wait_for(whole(), 120))


async def has_read(subject: Running, partition: int, last: int) -> None:
    await eventually(lambda: last in subject.collector.offsets(partition), seconds=60)


async def next_offset(subject: Running, partition: int) -> int:
    """Offset of a marker just sent to the partition, once everything up to it was delivered."""
    marker = uuid.uuid4().hex

    def found() -> list[int]:
        return [
            record.offset
            for delivery in subject.collector.deliveries
            for record in delivery.records
            if record.value == marker.encode()
        ]

    await subject.send(marker, partition=partition)
    await eventually(lambda: bool(found()), seconds=60)
    return found()[0]


def test_a_broker_that_waits_before_it_looks_again_does_not_wait_long(kafka: KafkaSettings) -> None:
    async def scenario(subject: Running) -> None:
        assert subject.consumer._thread._ensure_consumer()._fetcher._fetch_max_wait_ms == 500

    run(kafka, "waits", scenario)


def test_acknowledged_chunks_are_committed_up_to_the_end_of_the_last_one(kafka: KafkaSettings) -> None:
    async def scenario(subject: Running) -> None:
        first = await next_offset(subject, 0)
        await subject.send("a", "b", "c")
        await has_read(subject, 0, first + 3)
        assert await subject.committed() == {}, "nothing was acknowledged yet"
        mine = [delivery for delivery in subject.collector.deliveries if delivery.partition == 0]
        before_last = [delivery for delivery in mine if delivery.next_offset <= first + 1]
        for delivery in before_last:
            delivery.acknowledge()
        assert await subject.committed() == {0: first + 1}
        for delivery in mine:
            delivery.acknowledge()
        assert await subject.committed() == {0: first + 4}

    run(kafka, "ends", scenario)


def test_a_consumer_is_a_member_as_long_as_the_group_answers_and_for_a_session_after_it(kafka: KafkaSettings) -> None:
    async def scenario(subject: Running) -> None:
        await next_offset(subject, 0)
        delivery = subject.collector.last(0)
        assert delivery.is_member()
        coordinator = subject.consumer._thread.coordinator
        heartbeat = coordinator._do_heartbeat
        timeout_s = subject.app.conf.broker_session_timeout

        async def none() -> bool:
            return True

        coordinator._do_heartbeat = none
        before = subject.consumer._thread._member_until
        assert before <= time.clock_gettime(_CLOCK) + timeout_s
        await eventually(lambda: not delivery.is_member(), seconds=60)
        assert time.clock_gettime(_CLOCK) >= before
        coordinator._do_heartbeat = heartbeat
        # The broker gave it up, or it did not: then it takes it for a member again.
        await eventually(subject.consumer.is_member, seconds=60)

    run(kafka, "member", scenario)


def test_offsets_come_in_order_once_and_without_gaps(kafka: KafkaSettings) -> None:
    async def scenario(subject: Running) -> None:
        first = await next_offset(subject, 1)
        for number in range(20):
            await subject.send(f"{number}", partition=1)
        await has_read(subject, 1, first + 20)
        offsets = subject.collector.offsets(1)
        assert offsets == list(range(offsets[0], first + 21))
        assert offsets[0] == 0

    run(kafka, "order", scenario)


def test_a_full_queue_holds_back_all_partitions_and_an_emptied_one_none(kafka: KafkaSettings) -> None:
    """Else the one that found it full would wait for as long as the others keep it filled."""

    async def scenario(subject: Running) -> None:
        firsts = [await next_offset(subject, partition) for partition in (0, 1)]
        full, other = TP(TOUCHPOINTS, 0), TP(TOUCHPOINTS, 1)
        for tp in (full, other):
            subject.consumer.on_buffer_full(tp)
        for number in range(2):
            await subject.send("held back", partition=number)
        subject.consumer.on_buffer_drop(full)
        assert not subject.consumer._has_room.is_set()
        # A round that had begun already may bring what came in it; the next one brings nothing.
        held = [len(subject.collector.offsets(number)) for number in range(2)]
        for number in range(2):
            await subject.send("held back too", partition=number)
        assert [len(subject.collector.offsets(number)) for number in range(2)] == held
        subject.consumer.on_buffer_drop(other)
        for number in range(2):
            await has_read(subject, number, firsts[number] + 2)

    run(kafka, "full", scenario)


def test_a_queue_that_was_full_holds_nothing_back_after_a_rebalance(kafka: KafkaSettings) -> None:
    """The queue is emptied then, and nobody tells that it has room."""

    async def scenario(subject: Running) -> None:
        await next_offset(subject, 0)
        for number in range(4):
            subject.consumer.on_buffer_full(TP(TOUCHPOINTS, number))
        async with running(kafka, "full-no-more") as other:
            await eventually(lambda: subject.consumer.assignment() | other.consumer.assignment() >= every, seconds=60)
            await eventually(lambda: not subject.consumer.assignment() & other.consumer.assignment(), seconds=60)
            await subject.send("after it", partition=next(iter(subject.consumer.assignment())).partition)
            await eventually(lambda: any(came(one) for one in (subject, other)), seconds=60)

    def came(subject: Running) -> bool:
        values = [record.value for delivery in subject.collector.deliveries for record in delivery.records]
        return b"after it" in values

    every = {TP(TOUCHPOINTS, number) for number in range(4)}
    run(kafka, "full-no-more", scenario)


def test_what_faust_acknowledges_on_its_own_is_not_committed(kafka: KafkaSettings) -> None:
    async def scenario(subject: Running) -> None:
        await next_offset(subject, 0)
        # What Faust's streams do with events that they skip around a rebalance.
        for message in list(subject.consumer.unacked):
            message.ack(subject.consumer)
        assert await subject.committed() == {}

    run(kafka, "skips", scenario)


def test_chunks_of_an_assignment_that_is_over_acknowledge_nothing(kafka: KafkaSettings) -> None:
    async def scenario(subject: Running) -> None:
        await next_offset(subject, 0)
        records = subject.collector.last(0).records
        for assignment in (subject.consumer.assignment_number - 1, subject.consumer.assignment_number + 1):
            subject.consumer.acknowledge(Chunk(assignment, records))
        assert await subject.committed() == {}
        subject.consumer.acknowledge(Chunk(subject.consumer.assignment_number, records))
        assert await subject.committed() == {0: records[-1].offset + 1}

    run(kafka, "olds", scenario)


def test_a_seek_goes_back_to_the_start_where_nothing_was_ever_committed(kafka: KafkaSettings) -> None:
    async def scenario(subject: Running) -> None:
        last = await next_offset(subject, 2)
        # What happens to chunks that are dropped amid a rebalance: they have been fetched, and nobody has them.
        await subject.consumer.perform_seek()
        await subject.send("more", partition=2)
        await has_read(subject, 2, last + 1)
        assert subject.collector.offsets(2) == [*range(last + 1), *range(last + 2)]

    run(kafka, "fresh", scenario)


def test_a_seek_goes_back_to_what_was_committed_where_something_was(kafka: KafkaSettings) -> None:
    async def scenario(subject: Running) -> None:
        await next_offset(subject, 3)
        subject.collector.last(3).acknowledge()
        committed = (await subject.committed())[3]
        last = await next_offset(subject, 3)
        subject.collector.deliveries.clear()
        await subject.consumer.perform_seek()
        await subject.send("more", partition=3)
        await has_read(subject, 3, last + 1)
        assert subject.collector.offsets(3) == list(range(committed, last + 2))

    run(kafka, "known", scenario)


def test_a_partition_can_be_rewound_and_the_commit_never_goes_back(kafka: KafkaSettings) -> None:
    async def scenario(subject: Running) -> None:
        last = await next_offset(subject, 0)
        for delivery in subject.collector.deliveries:
            delivery.acknowledge()
        committed = await subject.committed()
        assert committed[0] == last + 1
        old = subject.collector.last(0)
        subject.collector.deliveries.clear()

        old.rewind(1)
        await has_read(subject, 0, last)
        assert subject.collector.offsets(0) == list(range(1, last + 1))
        assert subject.consumer.committed_offset(TP(TOUCHPOINTS, 0)) == last + 1
        for delivery in subject.collector.deliveries:
            assert delivery.committed == last + 1 or delivery.partition != 0
            delivery.acknowledge()
        assert (await subject.committed())[0] == last + 1

        newest = await next_offset(subject, 0)
        old.acknowledge()
        assert (await subject.committed())[0] == last + 1, "a chunk from before the rewind counts no more"
        subject.collector.last(0).acknowledge()
        assert (await subject.committed())[0] == newest + 1

    run(kafka, "rewinds", scenario)


def test_a_partition_can_be_rewound_to_its_very_start(kafka: KafkaSettings) -> None:
    async def scenario(subject: Running) -> None:
        last = await next_offset(subject, 0)
        for delivery in subject.collector.deliveries:
            delivery.acknowledge()
        await subject.committed()
        old = subject.collector.last(0)
        subject.collector.deliveries.clear()
        old.rewind(0)
        await has_read(subject, 0, last)
        assert subject.collector.offsets(0) == list(range(last + 1))

    run(kafka, "restarts", scenario)


def test_partitions_are_rewound_one_after_the_other_and_none_skips_what_it_has_to_read_again(
    kafka: KafkaSettings,
) -> None:
    """What was committed lies beyond what a rewound partition has read again when the next one is rewound."""

    async def scenario(subject: Running) -> None:
        lasts = {partition: await next_offset(subject, partition) for partition in (0, 1)}
        for delivery in subject.collector.deliveries:
            delivery.acknowledge()
        await subject.committed()
        old = {partition: subject.collector.last(partition) for partition in (0, 1)}
        subject.collector.deliveries.clear()
        old[0].rewind(0)
        await has_read(subject, 0, lasts[0])
        # Nothing of it is acknowledged yet, so it is read once more.
        subject.collector.deliveries.clear()
        old[1].rewind(0)
        for partition in (0, 1):
            await has_read(subject, partition, lasts[partition])
            assert subject.collector.offsets(partition) == list(range(lasts[partition] + 1))

        for delivery in subject.collector.deliveries:
            delivery.acknowledge()
        subject.collector.deliveries.clear()
        old[0].rewind(1)
        await has_read(subject, 0, lasts[0])
        assert subject.collector.offsets(1) == [], "what was acknowledged since is not read again"

    run(kafka, "one-after-the-other", scenario)
