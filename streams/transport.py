"""Transport: each fetched chunk of a partition reaches its agent as one event.

Faust hands records over one by one, which costs more than all our work on them. Here a message carries the records of
one fetch in its value and the last of their offsets as its own. Agents acknowledge chunks in order, so what is
acknowledged is a contiguous prefix of the partition and gaps need no bookkeeping.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar, NamedTuple, cast

from aiokafka import ConsumerRecord, TopicPartition
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

    @property
    def place(self) -> TP:
        """Topic and partition."""
        return TP(self.records[0].topic, self.records[0].partition)


class ChunkConsumer(driver.Consumer):
    """Consumer whose messages are chunks, and that commits only what `acknowledge` was called for."""

    #: Number of the current assignment of partitions; chunks of an older one are not to be handed to anybody.
    assignment_number = 0
    #: The assignment whose chunks may be acknowledged. It lags behind while agents finish what they have in hand.
    _acknowledged_assignment = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._rewinds: dict[TP, int] = {}

    def acknowledge(self, chunk: Chunk) -> None:
        """Note that everything up to the end of the chunk is durable; to be called in offset order.

        Does nothing once the assignment of the chunk is over: somebody else reads these records again.
        """
        if chunk.assignment == self._acknowledged_assignment:
            self._acked[chunk.place].append(chunk.records[-1].offset)

    def ack(self, message: Message) -> bool:  # noqa: ARG002 - Faust's signature
        """Do nothing: Faust also acknowledges what its streams skip around a rebalance, which nobody has processed."""
        return False

    def committed_offset(self, place: TP) -> int | None:
        """Offset from which the group would read on, or `None` when nothing was ever committed."""
        return self._committed_offset[place]

    def rewind(self, place: TP, offset: int) -> None:
        """Read a partition again from an offset; chunks already fetched, of any partition, are fetched again too."""
        self.assignment_number += 1
        self._acknowledged_assignment = self.assignment_number
        self._rewinds[place] = offset

    async def commit_acknowledged(self) -> None:
        """Commit everything that was acknowledged before the call."""
        # While another commit is under way, Faust waits for that one and does nothing.
        while any(self._acked.values()):
            await self.commit()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Begin a new assignment before anybody is told that the old one ended; commit what is finished meanwhile."""
        self.assignment_number += 1
        self._rewinds.clear()
        await super().on_partitions_revoked(revoked)
        await self.commit_acknowledged()
        self._acknowledged_assignment = self.assignment_number

    async def on_stop(self) -> None:
        """Commit before the connection goes."""
        await self.commit_acknowledged()
        await super().on_stop()

    async def perform_seek(self) -> None:
        """Go back to the committed offsets, and to the start where there is none, which the driver leaves out."""
        await super().perform_seek()
        for place in self.assignment():
            if place.partition in cast("ChunkTransport", self.transport).made_anew:
                # What was committed belongs to another log.
                self._committed_offset[place] = None
        fresh = [TopicPartition(*place) for place in self.assignment() if not self._committed_offset[place]]
        if fresh:
            await self._thread.seek_to_beginning(*fresh)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:  # noqa: ASYNC109 - Faust's signature
        """Fetch, and yield one message per partition that has records."""
        fetched, active = await self._wait_next_records(timeout)
        assignment = self.assignment_number
        if fetched is None or self.should_stop:
            return
        if not self.flow_active:
            await self._seek_amid_rebalance()
            return
        if self._rewinds:
            await self._perform_rewinds()
            return
        for tp, records in fetched.items():
            # While a message is handed over a rebalance may begin, which the type checker cannot know.
            if not self.flow_active or self.assignment_number != assignment:  # type: ignore[redundant-expr]
                # What is dropped here is fetched again: rebalances and rewinds end with a seek.
                break
            if records and (active is None or tp in active or tp in self._buffered_partitions):
                yield tp, self._chunk_message(tp, Chunk(assignment, records))

    async def _seek_amid_rebalance(self) -> None:
        try:
            await self.perform_seek()
        except Exception:
            # A rebalance that is still under way ends with a seek of its own. After it nobody would seek again, and
            # the records just dropped would be skipped.
            if self.flow_active:
                raise

    async def _perform_rewinds(self) -> None:
        # No fetch is under way: this is called by the one task that fetches.
        rewinds, self._rewinds = self._rewinds, {}
        await self.perform_seek()
        await self._thread.seek_wait(rewinds)

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
        return newest + 1


class ChunkTransport(driver.Transport):
    """The aiokafka transport with chunks."""

    Consumer: ClassVar[Any] = ChunkConsumer
    #: Partitions of a topic that is not the one whose offsets the group has committed.
    made_anew: frozenset[int] = frozenset()
