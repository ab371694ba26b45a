"""Transport: each fetched chunk of a partition reaches its agent as one event.

Faust hands records over one by one, which costs more than all our work on them. Here a message carries the records of
one fetch in its value and the last of their offsets as its own. Agents acknowledge chunks in order, so what is
acknowledged is a contiguous prefix of the partition and gaps need no bookkeeping.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar, NamedTuple, cast

from aiokafka import ConsumerRecord
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from faust.types.tuples import Message

Record = ConsumerRecord


class Chunk(NamedTuple):
    """Records of one partition in offset order, never empty, and the assignment in which they were fetched.

    Partitions are handed out anew at every rebalance; what was fetched under an older assignment is fetched again
    and must be dropped.
    """

    assignment: int
    records: Sequence[ConsumerRecord]


class ChunkConsumer(driver.Consumer):
    """Consumer whose messages are chunks."""

    #: Number of the current assignment of partitions.
    assignment_number = 0

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Begin a new assignment before anybody is told that the old one ended."""
        self.assignment_number += 1
        await super().on_partitions_revoked(revoked)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:  # noqa: ASYNC109 - Faust's signature
        """Fetch, and yield one message per partition that has records."""
        fetched, active = await self._wait_next_records(timeout)
        assignment = self.assignment_number
        if fetched is None or self.should_stop:
            return
        if not self.flow_active:
            await self.perform_seek()
            return
        for tp, records in fetched.items():
            # While a message is handed over a rebalance may begin, which the type checker cannot know.
            if not self.flow_active or self.assignment_number != assignment:  # type: ignore[redundant-expr]
                # What is dropped here is fetched again: a rebalance ends with a seek to the committed offsets.
                break
            if records and (active is None or tp in active or tp in self._buffered_partitions):
                yield tp, self._chunk_message(tp, Chunk(assignment, records))

    def _chunk_message(self, tp: TP, chunk: Chunk) -> ConsumerMessage:
        last = chunk.records[-1]
        return ConsumerMessage(
            last.topic,
            last.partition,
            last.offset,
            last.timestamp / 1000.0,
            last.timestamp_type,
            [],
            None,
            cast("Any", chunk),
            None,
            0,
            sum(record.serialized_value_size or 0 for record in chunk.records),
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Say nothing: Faust's check for stuck streams expects an event per record and cries at every start."""

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Chunks leave no gaps: offsets between two chunks hold no records."""

    def _new_offset(self, tp: TP) -> int | None:
        acked = self._acked[tp]
        if not acked:
            return None
        newest = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        return newest + 1


class ChunkTransport(driver.Transport):
    """The aiokafka transport with chunks."""

    Consumer: ClassVar[Any] = ChunkConsumer
