"""What an agent is, and the loop that feeds agents from Faust streams."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast

import faust
import structlog
from faust.types import TP

from streams.pulse import Pulse
from streams.transport import Chunk, ChunkConsumer, Record
from streams.trials import Trials

_log = structlog.get_logger()


class DecisionNeeded(RuntimeError):
    """The worker cannot go on before a person has decided something; the message says what, and how."""


class Delivery(NamedTuple):
    """Records of one partition, in offset order.

    `acknowledge` says that everything up to the last of the records is durable. It must be called in offset order; it
    does nothing once the partitions were handed out anew. `committed` is the offset from which the group would read
    on, if there is one. `rewind` has the partition read again from an offset, these records included. `is_member` tells
    whether the group is known to count on this worker: as long as it does nobody else has been given the partition. Of
    one that `is_urgent` the acknowledgement is waited for: nothing more will come before it.
    """

    topic: str
    partition: int
    records: Sequence[Record]
    committed: int | None
    acknowledge: Callable[[], None]
    rewind: Callable[[int], None]
    is_member: Callable[[], bool]
    is_urgent: bool = False

    @property
    def next_offset(self) -> int:
        """Offset after the last record."""
        return int(self.records[-1].offset) + 1


class Agent(Protocol):
    """One part of the pipeline: reads topics, makes their effect durable, then acknowledges.

    All methods are called from one event loop. An exception from any of them ends the worker: what can be waited for
    is waited for inside, what cannot be processed is a dead letter.
    """

    name: str
    #: What it reads. Of several topics it is given the same partitions.
    topics: tuple[str, ...]
    #: Beats while the agent waits on purpose, or is at work for long: else the watchdog takes it for stuck.
    pulse: Pulse
    #: While it has so many records in hand it is handed no more; with 1 it is handed one chunk after the other.
    most_in_hand: int

    async def start(self) -> None:
        """Prepare before the first record."""

    async def assigned(self, partitions: frozenset[int]) -> None:
        """These partitions of its topics are ours from now on, and no others. The whole group waits for the return."""

    async def revoked(self, within_s: float) -> None:
        """All partitions are being taken away: finish what is in hand, and drop what is not done within the limit.

        What is acknowledged before the return still counts. The whole group waits for the return.
        """

    async def handle(self, delivery: Delivery) -> None:
        """Take records; may return before they are acknowledged.

        Called again before it has returned, in the order in which records are to be taken, while there are fewer than
        `most_in_hand`; but alone with a delivery that is urgent.
        """

    async def tick(self) -> None:
        """Do what is due by the clock; called a few times a second."""

    async def finish(self, within_s: float) -> None:
        """Make what was taken durable and acknowledge it, or drop it when the limit is over; nothing comes after it."""

    async def close(self) -> None:
        """Let go of connections, whatever state they are in."""


class Feed:
    """Hands the chunks of a Faust stream to an agent, except those of an assignment that ended."""

    def __init__(self, app: faust.App, agent: Agent, trials: Mapping[str, Trials] | None = None) -> None:
        self._app = app
        self._agent = agent
        self._trials = trials or {}
        self._is_closed = False
        #: Records that the agent has in hand, and what tells that they became fewer.
        self._in_hand = 0
        self._got_less = asyncio.Event()
        self._handling: asyncio.TaskGroup | None = None
        #: Records handed over, by topic and partition.
        self.read: Counter[TP] = Counter()

    def close(self) -> None:
        """Hand nothing over any more; what comes is dropped, and read again after the next start."""
        self._is_closed = True

    async def run(self, stream: Any) -> None:
        """Hand over chunk by chunk until the stream ends. Faust acknowledges nothing on its own: see `noack`."""
        try:
            async with asyncio.TaskGroup() as self._handling:
                async for event in stream.noack().events():
                    await self._hand_over(event.value)
        except BaseExceptionGroup as errors:
            # What ended the others is told; they were cancelled.
            raise errors.exceptions[0] from None

    async def _hand_over(self, chunk: Chunk) -> None:
        consumer = cast("ChunkConsumer", self._app.consumer)
        if self._is_closed or chunk.assignment != consumer.assignment_number:
            _log.debug("chunk_dropped", agent=self._agent.name, records=len(chunk.records))
            return
        trials = self._trials.get(chunk.place.topic)
        if trials is None:
            await self._give(chunk, _nothing, is_urgent=False)
        else:
            await trials.hand_over(consumer, chunk, self._give)

    async def _give(self, chunk: Chunk, done: Callable[[], None], *, is_urgent: bool) -> None:
        most = 1 if is_urgent else self._agent.most_in_hand
        while self._in_hand >= most:
            self._got_less.clear()
            await self._got_less.wait()
        assert self._handling is not None, "run() hands over"  # noqa: S101 - a broken promise of ours
        self._in_hand += len(chunk.records)
        handling = self._handling.create_task(self._handle(chunk, done, is_urgent=is_urgent))
        if is_urgent:
            await handling

    async def _handle(self, chunk: Chunk, done: Callable[[], None], *, is_urgent: bool) -> None:
        consumer = cast("ChunkConsumer", self._app.consumer)
        try:
            # Only now: until a task begins an assignment may end, and the next one begin.
            if not self._is_closed and chunk.assignment == consumer.assignment_number:
                self.read[chunk.place] += len(chunk.records)
                await self._agent.handle(_delivery(consumer, chunk, done, is_urgent=is_urgent))
        finally:
            self._in_hand -= len(chunk.records)
            self._got_less.set()


def _nothing() -> None:
    pass


def _delivery(consumer: ChunkConsumer, chunk: Chunk, done: Callable[[], None], *, is_urgent: bool) -> Delivery:
    place = chunk.place

    def acknowledge() -> None:
        consumer.acknowledge(chunk)
        done()

    return Delivery(
        place.topic,
        place.partition,
        chunk.records,
        consumer.committed_offset(place),
        acknowledge,
        lambda offset: consumer.rewind(place, offset),
        consumer.is_member,
        is_urgent,
    )
