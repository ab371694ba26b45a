"""What an agent is, and the one loop that feeds agents from Faust streams."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Protocol

import faust
import structlog

from streams.transport import Chunk, Record

_log = structlog.get_logger()


class Delivery(NamedTuple):
    """Records of one partition, in offset order, and how to acknowledge them.

    `acknowledge` says that everything up to the last of the records is durable. It must be called in offset order; it
    does nothing once the partitions were handed out anew.
    """

    topic: str
    partition: int
    records: Sequence[Record]
    acknowledge: Callable[[], Awaitable[None]]

    @property
    def next_offset(self) -> int:
        """Offset after the last record."""
        return int(self.records[-1].offset) + 1


class Agent(Protocol):
    """One part of the pipeline: reads a topic, makes its effect durable, then acknowledges.

    All methods are called from one event loop. An exception from any of them ends the worker: what can be waited for
    is waited for inside, what cannot be processed is a dead letter.
    """

    name: str
    topic: str

    async def start(self) -> None:
        """Prepare before the first record."""

    async def assigned(self, partitions: frozenset[int]) -> None:
        """Partitions of `topic` are ours from now on, and no others."""

    async def revoked(self) -> None:
        """All partitions were taken away; drop what was not acknowledged."""

    async def handle(self, delivery: Delivery) -> None:
        """Take records; may return before they are acknowledged."""

    async def tick(self) -> None:
        """Do what is due by the clock; called a few times a second."""

    async def stop(self) -> None:
        """Make what was taken durable and acknowledge it, then let go of connections."""


async def feed(app: faust.App, stream: Any, agent: Agent) -> None:
    """Hand every chunk of a stream to the agent, except those of an assignment that ended."""
    unacknowledged = stream.noack()
    async for event in unacknowledged.events():
        chunk: Chunk = event.value
        consumer: Any = app.consumer
        if chunk.assignment != consumer.assignment_number:
            _log.debug("chunk_of_old_assignment", agent=agent.name, records=len(chunk.records))
            continue

        async def acknowledge(event: Any = event, chunk: Chunk = chunk) -> None:
            if chunk.assignment == app.consumer.assignment_number:  # type: ignore[attr-defined]
                await unacknowledged.ack(event)

        first = chunk.records[0]
        await agent.handle(Delivery(first.topic, first.partition, chunk.records, acknowledge))
