"""The feed: how many records an agent has in hand, in which order, and of which assignment."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from streams.agent import Agent, Delivery, Feed
from streams.topics import KEYED
from streams.transport import Chunk
from tests.support.deadline import eventually
from tests.support.deliveries import a_record


class Consumer:
    """All that the feed asks of one."""

    assignment_number = 1

    def acknowledge(self, chunk: Chunk) -> None: ...

    def committed_offset(self, _: Any) -> int | None:
        return None

    def rewind(self, place: Any, offset: int) -> None: ...

    def is_member(self) -> bool:
        return True


class Agents:
    """An agent that is done with a delivery when it is told so."""

    name = "patient"

    def __init__(self, most_in_hand: int) -> None:
        self.most_in_hand = most_in_hand
        self.begun: list[int] = []
        self.may_end: dict[int, asyncio.Event] = {}
        self.breaks_at: int | None = None

    async def handle(self, delivery: Delivery) -> None:
        offset = delivery.records[0].offset
        self.begun.append(offset)
        self.may_end[offset] = asyncio.Event()
        await self.may_end[offset].wait()
        if offset == self.breaks_at:
            raise ValueError("broken")


class Stream:
    """Chunks of so many records, each as if it was the next of one partition."""

    def __init__(self, sizes: Sequence[int], assignments: Sequence[int] | None = None) -> None:
        self._chunks = []
        offset = 0
        for size, assignment in zip(sizes, assignments or [1] * len(sizes), strict=True):
            records = [a_record(b"", offset=offset + number, topic=KEYED) for number in range(size)]
            self._chunks.append(Chunk(assignment, records))
            offset += size
        self.ends = asyncio.Event()

    def noack(self) -> "Stream":
        return self

    async def events(self) -> AsyncIterator[Any]:
        for chunk in self._chunks:
            yield SimpleNamespace(value=chunk)
        await self.ends.wait()


class Subject:
    """A feed that runs."""

    def __init__(self, most_in_hand: int, stream: Stream) -> None:
        self.agent, self.consumer, self.stream = Agents(most_in_hand), Consumer(), stream
        self.feed = Feed(cast("Any", SimpleNamespace(consumer=self.consumer)), cast("Agent", self.agent))
        self.running = asyncio.create_task(self.feed.run(stream))

    async def has_begun(self, *offsets: int) -> None:
        """Exactly these, in this order, once nothing moves any more."""
        for _ in range(20):
            await asyncio.sleep(0)
        assert self.agent.begun == list(offsets)

    def end(self, offset: int) -> None:
        self.agent.may_end[offset].set()


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_an_agent_is_handed_more_until_it_has_as_much_in_hand_as_it_wants() -> None:
    async def scenario() -> None:
        subject = Subject(5, Stream([2, 2, 2, 2]))
        # With four records it takes another chunk, with six it does not.
        await subject.has_begun(0, 2, 4)
        subject.end(2)
        await subject.has_begun(0, 2, 4, 6)
        for offset in (0, 4, 6):
            subject.end(offset)
        subject.stream.ends.set()
        await subject.running

    run(scenario)


def test_an_agent_that_wants_one_is_handed_one_chunk_after_the_other() -> None:
    async def scenario() -> None:
        subject = Subject(1, Stream([3, 3]))
        await subject.has_begun(0)
        subject.end(0)
        await subject.has_begun(0, 3)
        subject.end(3)
        subject.stream.ends.set()
        await subject.running

    run(scenario)


def test_what_waits_is_dropped_when_its_assignment_ends() -> None:
    async def scenario() -> None:
        subject = Subject(2, Stream([2, 2, 1, 1], [1, 1, 1, 2]))
        await subject.has_begun(0)
        subject.consumer.assignment_number = 2
        subject.end(0)
        await subject.has_begun(0, 5)
        subject.end(5)
        subject.stream.ends.set()
        await subject.running

    run(scenario)


def test_an_assignment_may_end_after_a_chunk_was_let_through_and_before_it_is_taken() -> None:
    async def scenario() -> None:
        subject = Subject(9, Stream([1, 1]))

        async def next_assignment() -> None:
            subject.consumer.assignment_number = 2

        # Begins after the feed has let the first chunk through, and before the task for it does.
        await asyncio.sleep(0)
        assert subject.agent.begun == []
        await next_assignment()
        await subject.has_begun()
        subject.stream.ends.set()
        await subject.running

    run(scenario)


def test_one_that_breaks_ends_the_feed_with_its_error_whatever_else_is_in_hand() -> None:
    async def scenario() -> None:
        subject = Subject(9, Stream([1, 1, 1]))
        subject.agent.breaks_at = 1
        await subject.has_begun(0, 1, 2)
        subject.end(1)
        await eventually(subject.running.done)
        with pytest.raises(ValueError, match="broken"):
            subject.running.result()

    run(scenario)


def test_a_delivery_that_is_urgent_is_handed_over_alone_and_waited_for() -> None:
    async def scenario() -> None:
        subject = Subject(9, Stream([1]))
        await subject.has_begun(0)
        chunk = Chunk(1, [a_record(b"", offset=7, topic=KEYED)])
        urgent = asyncio.create_task(subject.feed._give(chunk, lambda: None, is_urgent=True))
        await subject.has_begun(0)
        subject.end(0)
        await subject.has_begun(0, 7)
        assert not urgent.done()
        subject.end(7)
        await urgent
        subject.stream.ends.set()
        await subject.running

    run(scenario)
