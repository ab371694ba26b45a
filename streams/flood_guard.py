"""Stops the intake before it puts aside more than the ceiling allows, with a message that says what to do.

What was counted is rebuilt from the log itself: the records before the place where a worker starts are judged again
when the first dead letter comes. So a restart neither forgets the count nor needs a place to keep it, and records that
are good now, because a schema or a key was added, count as good.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import stamina
from kafka.errors import KafkaError

from schemas.codec import Decoded, decode
from schemas.log import REASONS, DeadLetter, Position
from schemas.touchpoint import AppliedTouchpoint
from streams.agent import DecisionNeeded
from streams.ceiling import WINDOW, Ceiling, Excess, Judged, Limits
from streams.lag import LagUnknown, end_offsets
from streams.log_reading import read_range
from streams.settings import Settings
from streams.transport import Record

_SOURCE: Final = "source"

#: What a record is, as the agent that guards itself sees it.
Judge = Callable[[Record, Position], AppliedTouchpoint | DeadLetter]


class FloodGuard:
    """The ceilings of the partitions that a worker reads."""

    def __init__(self, settings: Settings, topic: str, judge: Judge) -> None:
        self._kafka = settings.kafka
        self._settings = settings.dead_letters
        self._topic = topic
        self._judge = judge
        self._ceilings: dict[int, Ceiling] = {}

    def forget(self) -> None:
        """Partitions were handed out anew: others may have read them meanwhile."""
        self._ceilings.clear()

    async def check(self, records: Sequence[Record], are_dead: Sequence[bool]) -> None:
        """Count records of one partition, in their order, before anything is done with them.

        Raises:
            DecisionNeeded: there are more dead letters than allowed.

        """
        first = records[0]
        ceiling = self._ceilings.get(first.partition)
        if ceiling is None:
            if not any(are_dead):
                # What went before matters only once there is something to count.
                return
            ceiling = self._ceilings[first.partition] = Ceiling(self._limits(first.partition))
            ceiling.count(await self._judged_before(first.partition, first.offset))
        judged = (
            self._judged(record) if is_dead else Judged(record.offset)
            for record, is_dead in zip(records, are_dead, strict=True)
        )
        excess = ceiling.passed_by(judged)
        if excess is not None:
            raise DecisionNeeded(await self._explained(first.partition, excess))

    def _limits(self, partition: int) -> Limits:
        settings = self._settings
        counted_from = settings.accepted_offsets.get(f"{self._topic}/{partition}", 0)
        return Limits(settings.most_in_a_row, settings.most_percent, counted_from)

    def _judged(self, record: Record) -> Judged:
        result = self._judge(record, Position(record.topic, record.partition, record.offset))
        if isinstance(result, DeadLetter):
            return Judged(record.offset, result.reason, _producer_of(record))
        return Judged(record.offset)

    async def _judged_before(self, partition: int, offset: int) -> list[Judged]:
        if not offset:
            return []
        async for attempt in stamina.retry_context(
            on=(KafkaError, OSError, LagUnknown), attempts=None, timeout=None, wait_initial=0.2, wait_max=15.0
        ):
            with attempt:
                return await asyncio.to_thread(self._read_and_judge, partition, offset)
        raise AssertionError("endless")

    def _read_and_judge(self, partition: int, offset: int) -> list[Judged]:
        return [
            self._judged(record)
            for record in read_range(self._kafka, self._topic, partition, max(0, offset - WINDOW), offset)
        ]

    async def _explained(self, partition: int, excess: Excess) -> str:
        place = f"{self._topic}/{partition}"
        try:
            end = (await asyncio.to_thread(end_offsets, self._kafka, self._topic))[partition]
        except (KafkaError, OSError, LagUnknown):
            end = excess.offset + 1
        accepted = ",".join(f"{at}:{offset}" for at, offset in {**self._settings.accepted_offsets, place: end}.items())
        from_whom = ", ".join(excess.producers) or "unknown, their records do not say"
        return (
            f"too many dead letters in {place}: {excess.in_a_row} in a row, {excess.in_window} of the last {WINDOW:,}"
            f" records, at offset {excess.offset}. Most common reason: {excess.reason}"
            f" ({REASONS[excess.reason]}) Producers: {from_whom}. Nothing is lost: what is not in"
            " `journeys dead-letters list` yet is still in the topic. Stop or mend the producer. Then, to have what it"
            f" sent until now put aside, start the worker with JOURNEYS_DEAD_LETTERS__ACCEPTED={accepted} . If so many"
            " are to be expected, raise JOURNEYS_DEAD_LETTERS__MOST_IN_A_ROW or JOURNEYS_DEAD_LETTERS__MOST_PERCENT"
            " (0: no ceiling)"
        )


def _producer_of(record: Record) -> str | None:
    """Source of a record that can be read, else what its headers name as its source."""
    decoded = decode(record.value)
    if isinstance(decoded, Decoded):
        return decoded.touchpoint.source
    return next((value.decode("utf-8", "replace")[:100] for name, value in record.headers if name == _SOURCE), None)
