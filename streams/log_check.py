"""Holds what a group has read against what the log has, before it reads on: no jump over records goes unnoticed.

Offsets mean something only in the log that they were made for, and only while that log has what they point at. A topic
that was made anew is read from its start. Where records are gone that nobody has read, or persons would change their
owner, the worker does not start before somebody has decided.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

import stamina
import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from schemas.log import DeadLetter, Position
from sinks.clickhouse.records import Attempt
from streams.agent import DecisionNeeded
from streams.broker import ReliableProducer
from streams.coordinator import LogName
from streams.intake import dead_letter_record
from streams.lag import LagUnknown, committed_offsets, end_offsets
from streams.settings import KafkaSettings
from streams.topics import KEYED, client_options

_log = structlog.get_logger()
_Answer = TypeVar("_Answer")
_READ_ALL_AGAIN: Final = "start all workers once more with another JOURNEYS_GROUP_PREFIX, and keep it"


class PartitionState(NamedTuple):
    """What is known of a partition: the group's offset, where the log begins and ends, and the last attempt at it."""

    partition: int
    committed: int | None
    start: int
    end: int
    last: Attempt | None


class Gap(NamedTuple):
    """Records from `start` up to, not including, `stop` are gone, and the group has not read them."""

    partition: int
    start: int
    stop: int


class Findings(NamedTuple):
    """Partitions by what is the matter with them."""

    made_anew: frozenset[int]
    forgotten: frozenset[int]
    gaps: tuple[Gap, ...]
    cut_off: tuple[PartitionState, ...]


def examine(incarnation: str, partitions: Sequence[PartitionState]) -> Findings:
    """What is the matter with the log that has this incarnation now.

    `made_anew`: the offsets belong to another log. `forgotten`: the group had read some, and its offsets are
    gone. `gaps`: retention took what had not been read. `cut_off`: the log ends before what was read.
    """
    known = [state for state in partitions if state.last is not None]
    made_anew = {state.partition for state in known if state.last and state.last.topic_incarnation != incarnation}
    same = [state for state in partitions if state.partition not in made_anew]
    return Findings(
        frozenset(made_anew),
        frozenset(
            state.partition
            for state in same
            if state.last is not None and state.committed is None and state.last.offset > state.start
        ),
        tuple(
            Gap(state.partition, state.committed, state.start)
            for state in same
            if state.committed is not None and state.committed < state.start
        ),
        tuple(state for state in same if state.committed is not None and state.committed > state.end),
    )


class LogCheck:
    """Checks the logs that a worker is about to read."""

    def __init__(
        self,
        kafka: KafkaSettings,
        lives: Mapping[str, str],
        keyed_partitions: int,
        *,
        configured_partitions: int,
        accept_lost: bool,
    ) -> None:
        self._kafka = kafka
        self._lives = lives
        self._keyed_partitions = keyed_partitions
        self._configured_partitions = configured_partitions
        self._accept_lost = accept_lost

    async def passed_on(self, log: LogName, attempts: Mapping[int, Attempt]) -> dict[int, int]:
        """Up to where a group has read a log, as far as its attempts were at the log that is there now."""
        committed = await self._asked(lambda: committed_offsets(self._kafka, log.group, log.topic))
        same = {number for number, last in attempts.items() if last.topic_incarnation == log.incarnation}
        return {number: offset for number, offset in committed.items() if number in same}

    async def check(
        self,
        log: LogName,
        attempts: Mapping[int, Attempt],
        producer: ReliableProducer,
        passed_on: Mapping[int, int] | None = None,
    ) -> frozenset[int]:
        """Partitions that have to be read from their start, because they are not what they were.

        What comes before the offsets that are `passed_on` was read by somebody who made all of it durable.

        Raises:
            DecisionNeeded: somebody has to decide before the group may read on.

        """
        self._hold_owners(attempts.values())
        findings = examine(log.incarnation, await self._states(log, attempts, passed_on or {}))
        if findings.made_anew:
            _log.warning(
                "topic_was_made_anew", group=log.group, topic=log.topic, partitions=sorted(findings.made_anew),
                what="it is read from its start",
            )  # fmt: skip
        if findings.forgotten:
            _log.warning(
                "offsets_were_forgotten", group=log.group, topic=log.topic, partitions=sorted(findings.forgotten),
                what="the broker keeps them a week without a worker; all is read again, nothing counts twice",
            )  # fmt: skip
        if findings.cut_off:
            raise DecisionNeeded(_cut_off(log, findings.cut_off))
        if findings.gaps and not self._accept_lost:
            raise DecisionNeeded(_overtaken(log, findings.gaps))
        if findings.gaps:
            _log.error("records_were_lost", group=log.group, topic=log.topic, ranges=_ranges(log, findings.gaps))
            await producer.send([dead_letter_record(_letter(log, gap), self._lives) for gap in findings.gaps])
        return findings.made_anew

    def _hold_owners(self, attempts: Iterable[Attempt]) -> None:
        before = {attempt.keyed_partitions for attempt in attempts} - {self._keyed_partitions}
        if before:
            known = max(before)
            raise DecisionNeeded(
                f"{KEYED} has {self._keyed_partitions} partitions, and had {known} when it was read before. The number"
                " decides which worker owns a person, also of those in ClickHouse, so it must stay what it was. Nothing"
                f" was read. Stop all workers, delete the topic {KEYED}, run `journeys topics create --partitions"
                f" {known}`, then {_READ_ALL_AGAIN}: what is in the topic touchpoints is read again, and nothing counts"
                " twice"
            )
        if self._configured_partitions != self._keyed_partitions:
            raise DecisionNeeded(
                f"{KEYED} has {self._keyed_partitions} partitions, {self._configured_partitions} are configured. The"
                " number goes into the hashes of identities, so everybody has to know it. Nothing was read. Set"
                f" JOURNEYS_PARTITIONS={self._keyed_partitions} for all workers and commands"
            )

    async def _states(
        self, log: LogName, attempts: Mapping[int, Attempt], passed_on: Mapping[int, int]
    ) -> list[PartitionState]:
        return await self._asked(lambda: _partition_states(self._kafka, log, attempts, passed_on))

    async def _asked(self, question: Callable[[], _Answer]) -> _Answer:
        async for attempt in stamina.retry_context(
            on=(KafkaError, OSError, LagUnknown), attempts=None, timeout=None, wait_initial=0.2, wait_max=15.0
        ):
            with attempt:
                return await asyncio.to_thread(question)
        raise AssertionError("endless")


def _partition_states(
    kafka: KafkaSettings, log: LogName, attempts: Mapping[int, Attempt], passed_on: Mapping[int, int]
) -> list[PartitionState]:
    committed = dict(passed_on)
    for number, offset in committed_offsets(kafka, log.group, log.topic).items():
        committed[number] = max(offset, passed_on.get(number, 0))
    consumer = KafkaConsumer(enable_auto_commit=False, **client_options(kafka))
    try:
        places = [TopicPartition(log.topic, number) for number in consumer.partitions_for_topic(log.topic) or ()]
        starts = {place.partition: offset for place, offset in consumer.beginning_offsets(places).items()}
        ends = {place.partition: offset for place, offset in consumer.end_offsets(places).items()}
    finally:
        consumer.close()
    if any(committed.get(number, 0) > end for number, end in ends.items()):
        # The embedded broker's answer is too low; asking for the real end takes a fetch.
        ends = end_offsets(kafka, log.topic)
    return [
        PartitionState(number, committed.get(number), starts[number], ends[number], attempts.get(number))
        for number in sorted(ends)
    ]


def _ranges(log: LogName, gaps: Sequence[Gap]) -> str:
    return ", ".join(f"{log.topic}/{gap.partition}/{gap.start} to {gap.stop - 1}" for gap in gaps)


def _overtaken(log: LogName, gaps: Sequence[Gap]) -> str:
    count = sum(gap.stop - gap.start for gap in gaps)
    return (
        f"records were deleted before {log.group} had read them: {_ranges(log, gaps)} ({count:,} offsets). The topic's"
        " retention ran out while no worker read it, or somebody deleted them. If there is a copy, send it again. To go"
        " on with what is left, start the worker with JOURNEYS_ACCEPT_LOST_RECORDS=true: each range is noted among the"
        " dead letters (lost_to_retention). Nothing was read or committed"
    )


def _cut_off(log: LogName, states: Sequence[PartitionState]) -> str:
    places = ", ".join(
        f"{log.topic}/{state.partition} ends at {state.end}, {state.committed} was committed" for state in states
    )
    return (
        f"the log ends before what {log.group} has read: {places}. The broker lost the end of its log. What producers"
        f" send now would take offsets that count as read. To have all that is left read again, {_READ_ALL_AGAIN};"
        " nothing counts twice. Nothing was read or committed"
    )


def _letter(log: LogName, gap: Gap) -> DeadLetter:
    return DeadLetter(
        stage="read",
        reason="lost_to_retention",
        field=None,
        detail=f"{log.group} had not read offsets {gap.start} to {gap.stop - 1} when they were deleted",
        raw=None,
        key=None,
        position=Position(log.topic, gap.partition, gap.start),
        timestamp=time.time_ns() // 1_000_000,
    )
