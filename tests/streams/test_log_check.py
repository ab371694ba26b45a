"""What a group has read against what the log has: every mismatch is recognised, at its exact boundary."""

import asyncio

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from kafka import KafkaProducer

from sinks.clickhouse.records import Attempt
from streams.agent import DecisionNeeded
from streams.broker import ReliableProducer
from streams.coordinator import LogName
from streams.log_check import Gap, LogCheck, PartitionState, examine
from streams.settings import KafkaSettings
from streams.topics import TOUCHPOINTS, incarnations
from tests.streams.test_trials import attempt
from tests.support.kafka_records import broker_with_topics

LIFE = "life-1"


def state(
    committed: int | None, *, start: int = 0, end: int = 1_000, life: str | None = LIFE, partition: int = 0
) -> PartitionState:
    last = None if life is None else msgspec.structs.replace(attempt(0, 5, 10), topic_incarnation=life)
    return PartitionState(partition, committed, start, end, last)


@pytest.mark.parametrize("committed", [0, 500, 1_000])
@pytest.mark.parametrize("life", [LIFE, None])
def test_a_group_whose_offset_lies_in_the_log_reads_on(committed: int, life: str | None) -> None:
    assert examine(LIFE, [state(committed, life=life)]) == (frozenset(), frozenset(), (), ())


@pytest.mark.parametrize(("committed", "gaps"), [(100, ()), (99, (Gap(3, 99, 100),)), (0, (Gap(3, 0, 100),))])
def test_retention_that_overtook_is_a_gap(committed: int, gaps: tuple[Gap, ...]) -> None:
    assert examine(LIFE, [state(committed, start=100, partition=3)]).gaps == gaps


@pytest.mark.parametrize(("committed", "is_cut_off"), [(1_000, False), (1_001, True)])
def test_a_log_that_ends_before_what_was_read_is_cut_off(committed: int, is_cut_off: bool) -> None:
    assert bool(examine(LIFE, [state(committed)]).cut_off) is is_cut_off


@pytest.mark.parametrize("committed", [None, 0, 500, 5_000])
def test_offsets_of_another_log_are_no_gap_and_no_end(committed: int | None) -> None:
    found = examine(LIFE, [state(committed, start=100, life="life-0", partition=2)])
    assert found == (frozenset({2}), frozenset(), (), ())


def test_a_group_without_offsets_that_read_before_has_been_forgotten_and_a_new_one_has_not() -> None:
    """The last attempt began at offset 5, which somebody had committed unless the log began there."""
    states = [
        state(None, start=4, partition=1),
        state(None, start=5, partition=2),
        state(None, start=0, life=None, partition=3),
    ]
    assert examine(LIFE, states) == (frozenset(), frozenset({1}), (), ())


GROUP = "journeys-intake"


async def commit(kafka: KafkaSettings, offset: int) -> None:
    consumer = AIOKafkaConsumer(
        TOUCHPOINTS, bootstrap_servers=kafka.servers, group_id=GROUP, enable_auto_commit=False, session_timeout_ms=6_000
    )
    await consumer.start()
    try:
        await consumer.commit({TopicPartition(TOUCHPOINTS, 0): offset})
    finally:
        await consumer.stop()


@pytest.mark.stack
def test_on_the_embedded_broker_the_real_end_is_known_and_another_log_is_recognised() -> None:
    async def checked(
        kafka: KafkaSettings,
        attempts: dict[int, Attempt],
        partitions: int = 4,
        configured: int = 4,
        others: dict[int, int] | None = None,
    ) -> frozenset[int]:
        lives = incarnations(kafka)
        check = LogCheck(kafka, lives, partitions, configured_partitions=configured, accept_lost=False)
        log = LogName(GROUP, TOUCHPOINTS, lives[TOUCHPOINTS])
        return await check.check(log, attempts, ReliableProducer(kafka), others)

    async def passed_on(kafka: KafkaSettings, attempts: dict[int, Attempt]) -> dict[int, int]:
        lives = incarnations(kafka)
        check = LogCheck(kafka, lives, 4, configured_partitions=4, accept_lost=False)
        return await check.passed_on(LogName(GROUP, TOUCHPOINTS, lives[TOUCHPOINTS]), attempts)

    with broker_with_topics() as kafka:
        producer = KafkaProducer(bootstrap_servers=kafka.servers, acks="all", linger_ms=200)
        for _ in range(10):
            producer.send(TOUCHPOINTS, value=b"x", partition=0)
        producer.flush(30)
        producer.close()
        asyncio.run(commit(kafka, 10))
        # One batch of ten: asked for its end, this broker names the batch's start.
        life = incarnations(kafka)[TOUCHPOINTS]
        same = {0: msgspec.structs.replace(attempt(0, 5, 10), topic_incarnation=life)}
        assert asyncio.run(checked(kafka, {})) == asyncio.run(checked(kafka, same)) == frozenset()
        assert asyncio.run(checked(kafka, {0: attempt(0, 5, 10)})) == {0}
        with pytest.raises(DecisionNeeded, match="has 5 partitions, and had 4 when it was read before"):
            asyncio.run(checked(kafka, same, partitions=5))
        with pytest.raises(DecisionNeeded, match=r"has 4 partitions, 5 are configured.*JOURNEYS_PARTITIONS=4"):
            asyncio.run(checked(kafka, same, configured=5))
        assert asyncio.run(passed_on(kafka, same)) == {0: 10}
        assert asyncio.run(passed_on(kafka, {0: attempt(0, 5, 10)})) == asyncio.run(passed_on(kafka, {})) == {}
        # What somebody else has read counts as read.
        with pytest.raises(DecisionNeeded, match="touchpoints/0 ends at 10, 12 was committed"):
            asyncio.run(checked(kafka, same, others={0: 12}))
        asyncio.run(commit(kafka, 11))
        with pytest.raises(DecisionNeeded, match="touchpoints/0 ends at 10, 11 was committed"):
            asyncio.run(checked(kafka, same))
