"""A worker that stands still in the middle of a write while others go on: what it writes late does not last.

It stops before a write takes effect, with everything of that write in hand. Somebody else takes its partitions and
reads all there is. Then the first one goes on.
"""

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.ticks import SourceProgress, Tick
from sinks.clickhouse.eraser import Eraser
from sinks.clickhouse.reader import Reader
from sinks.clickhouse.rows import PreparedBlock
from sinks.clickhouse.writer import RefusedRow
from streams.coordinator import Coordinator
from tests.streams.test_erasing import asked, assert_everybody_else_is_as_one_look_has_it
from tests.streams.test_restitching import POOL, assert_as_one_look_has_it, logs, named
from tests.support.keyed_log import Entry, KeyedLog, written_to_log
from tests.support.memory_store import MemoryStore
from tests.support.touchpoints import DAY, HOUR, MONDAY, applied, touchpoint

_T = TypeVar("_T")
_FOR_EVER = 10**9


class StandingStill:
    """The store of a worker that stands still before one of its writes, by their number, until it is told to go on."""

    def __init__(self, store: MemoryStore, at: int) -> None:
        self._store = store
        self._at = at
        self.writes: list[str] = []
        self.is_member = True
        self.stands = asyncio.Event()
        self.go_on = asyncio.Event()

    async def insert(self, block: PreparedBlock) -> tuple[RefusedRow, ...]:
        if block.rows:
            await self._write(block.table)
        return await self._store.insert(block)

    async def erase(self, work: Callable[[Eraser], _T]) -> _T:
        await self._write("erase")
        return await self._store.erase(work)

    async def read(self, question: Callable[[Reader], _T]) -> _T:
        return await self._store.read(question)

    def interrupt(self) -> None: ...

    async def close(self) -> None: ...

    async def _write(self, what: str) -> None:
        assert self.is_member, "who may be none any more writes nothing"
        self.writes.append(what)
        if len(self.writes) > self._at:
            self.is_member = False
            self.stands.set()
            await self.go_on.wait()


async def read_all(log: KeyedLog, coordinator: Coordinator, at: dict[int, int], partitions: Iterable[int]) -> None:
    """Take all there is in some partitions at once, and flush, until nothing more comes."""
    while any(at[partition] < len(log.partitions[partition]) for partition in partitions) or not coordinator.is_idle:
        for partition in partitions:
            stop = len(log.partitions[partition])
            if at[partition] < stop:
                await coordinator.take(log.batch(partition, at[partition], stop))
                at[partition] = stop
        await coordinator.flush()


async def stand_still(log: KeyedLog, at: int, then: Callable[[KeyedLog], Any]) -> list[str]:
    """Work on all of partition 0 that stands still at a write while somebody else does all the rest.

    `then` adds to the log what comes meanwhile. Returns the writes up to that one, or all when there are fewer.
    """
    store = StandingStill(log.store, at)
    first = log.coordinator(store=store, is_member=lambda: store.is_member)
    await first.assign([0])
    flushing = asyncio.create_task(read_all(log, first, dict(log.committed), [0]))
    standing = asyncio.create_task(store.stands.wait())
    await asyncio.wait({flushing, standing}, return_when=asyncio.FIRST_COMPLETED)
    then(log)
    second = log.coordinator()
    await second.assign(log.partitions)
    read_to = dict(log.committed)
    await read_all(log, second, read_to, log.partitions)
    if flushing.done():
        standing.cancel()
        flushing.result()
        return store.writes
    store.go_on.set()
    # It waits for the group by the time that the loop has come round so often.
    for _ in range(100):
        await asyncio.sleep(0)
    assert not flushing.done()
    flushing.cancel()
    await asyncio.wait({flushing})
    unfinished = first.revoke()
    assert unfinished is not None
    await first.make_up_for(unfinished)
    await read_all(log, second, read_to, log.partitions)
    return store.writes


ANNA, MAIL = POOL[0], POOL[3]


def unlinked(log: KeyedLog) -> None:
    log.append(0, named(applied(touchpoint("identity.unlinked", MONDAY + DAY, id="apart")), (ANNA, MAIL)))


def forgotten(log: KeyedLog) -> None:
    asked(log, ANNA)


def one_person() -> KeyedLog:
    """Two identities in partition 0 that belong together."""
    names = [(ANNA, MAIL), (ANNA,), (MAIL,), (MAIL,), (ANNA, POOL[6])]
    told = [
        named(applied(touchpoint("contact.started", MONDAY + at * HOUR, id=f"{at}", channel=channel)), who)
        for at, (who, channel) in enumerate(zip(names, ["web", "phone"] * 3, strict=False))
    ]
    log = KeyedLog(written_to_log(told, partitions=2))
    log.append(0, Tick((SourceProgress(0, MONDAY + 20 * DAY),)))
    return log


WRITES = asyncio.run(stand_still(one_person(), _FOR_EVER, lambda _: None))


def test_there_are_three_flushes_to_stand_still_in() -> None:
    persons = ["sessions", "journeys", "persons", "checkpoints"]
    assert ["touchpoints", "identity_links", *persons, "person_identifiers", *persons, *persons] == WRITES


@pytest.mark.parametrize("at", range(len(WRITES)))
def test_who_was_parted_meanwhile_stays_parted(at: int) -> None:
    log = one_person()
    assert len(asyncio.run(stand_still(log, at, unlinked))) == at + 1
    assert_as_one_look_has_it(log)


@pytest.mark.parametrize("at", range(len(WRITES)))
def test_who_was_forgotten_meanwhile_stays_forgotten(at: int) -> None:
    log = one_person()
    assert len(asyncio.run(stand_still(log, at, forgotten))) == at + 1
    assert_everybody_else_is_as_one_look_has_it(log)


@given(logs(), st.integers(0, 20), st.integers(0, 2**32))
@settings(max_examples=200)
def test_whatever_comes_meanwhile(partitions: dict[int, list[Entry]], at: int, seed: int) -> None:
    """A part of each partition is there at first, the rest comes while the worker stands still."""
    draw = random.Random(seed)
    first = {partition: entries[: draw.randint(0, len(entries))] for partition, entries in partitions.items()}
    log = KeyedLog(first)

    def the_rest(log: KeyedLog) -> None:
        for partition, entries in partitions.items():
            for entry in entries[len(first[partition]) :]:
                log.append(partition, entry)

    asyncio.run(stand_still(log, at, the_rest))
    assert_as_one_look_has_it(log)
