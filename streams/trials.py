"""Trials: find the record that kills workers, and put it aside, so that all others are processed.

Before a worker hands over the first records of a partition, it notes durably that it is about to; the note is taken
back when the worker lives on. So whoever starts next knows that one before it died at the same place. It then hands
over less at a time, one suspect partition after the other, and after every part that went well the suspicion is only
about what is left. Five workers in a row that died quickly make the record a dead letter.

What does not count: a worker that was told to stop, or that ended with a message; one that was still alive ten seconds
later, as it is when it waits for something that is away; and whatever happens while ClickHouse, which keeps the notes,
cannot be reached.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec
import structlog

from schemas.log import DeadLetter, Position
from sinks.clickhouse.records import Attempt
from sinks.clickhouse.rows import attempt_block
from streams.broker import ReliableProducer
from streams.coordinator import LogName
from streams.headers import appended_at, origin_of
from streams.intake import dead_letter_record
from streams.pulse import Pulse
from streams.store import StorePort
from streams.topics import DEAD, KEYED, TOUCHPOINTS
from streams.transport import MOST_FETCHED, Chunk, ChunkConsumer, Record

_log = structlog.get_logger()
#: Deaths in a row after which a record is put aside.
DEATHS: Final = 5
#: A death later than this after the records were handed over was not their fault.
QUICK_S: Final = 10.0
#: Offsets that may be in hand before the first of them is acknowledged: a flush of the journeys agent, and what it is
#: handed while it has less than a whole fetch.
_REACH: Final = 20_000 + 2 * MOST_FETCHED
#: A part of suspect records is this fraction of them; from the third death on it is a single record.
_PARTS: Final = 16
_SINGLY_FROM: Final = 3
_ANSWER_WITHIN_S: Final = 5.0
_LOOK_EVERY_S: Final = 0.02


def part_of(attempt: Attempt, records: Sequence[Record]) -> Sequence[Record]:
    """Records to try at once: the first ones, fewer the more workers died, none beyond what is suspect."""
    start = records[0].offset
    size = 1 if attempt.deaths >= _SINGLY_FROM else -(-(attempt.until_offset - start) // _PARTS)
    stop = min(start + max(size, 1), attempt.until_offset)
    return [record for record in records if record.offset < stop]


def is_guilty(attempt: Attempt, record: Record) -> bool:
    """Whether enough workers died over this record alone."""
    return attempt.deaths >= DEATHS and (attempt.offset, attempt.until_offset) == (record.offset, record.offset + 1)


class Journal:
    """Notes of what workers began with, in ClickHouse, as far as it answers: nobody waits for it."""

    def __init__(self, store: StorePort) -> None:
        self._store = store

    async def last(self, group: str, topic: str) -> dict[int, Attempt] | None:
        """Partition to the last attempt at it; `None` when that is not to be had now."""
        try:
            return await asyncio.wait_for(self.known(group, topic), _ANSWER_WITHIN_S)
        except TimeoutError:
            self._store.interrupt()
            return None

    async def known(self, group: str, topic: str) -> dict[int, Attempt]:
        """The same, waited for."""
        attempts = await self._store.read(lambda reader: reader.load_attempts(group, topic))
        return {attempt.partition: attempt for attempt in attempts}

    async def note(self, *attempts: Attempt) -> bool:
        """Whether the notes are durable."""
        block = attempt_block(attempts, token_prefix="attempt")  # noqa: S106 - no password
        try:
            await asyncio.wait_for(self._store.insert(block), _ANSWER_WITHIN_S)
        except TimeoutError:
            self._store.interrupt()
            return False
        return True

    async def close(self) -> None:
        """Close the connections."""
        await self._store.close()


class Cemetery:
    """Puts records aside that kill workers."""

    def __init__(self, producer: ReliableProducer, incarnations: Mapping[str, str]) -> None:
        self._producer = producer
        self._incarnations = incarnations

    async def bury(self, record: Record) -> None:
        """Return when the record is a dead letter; one of the dead letters themselves stays where it is."""
        here = Position(record.topic, record.partition, record.offset)
        _log.error("record_kills_workers", topic=here.topic, partition=here.partition, offset=here.offset)
        if record.topic == DEAD:
            return
        letter = DeadLetter(
            stage="process",
            reason="kills_the_worker",
            field=None,
            detail=f"{DEATHS} workers in a row died quickly over {here.topic}/{here.partition}/{here.offset}",
            raw=record.value,
            key=record.key,
            position=origin_of(record.headers, TOUCHPOINTS, here) if record.topic == KEYED else here,
            timestamp=appended_at(record.headers, record.timestamp),
        )
        await self._producer.send([dead_letter_record(letter, self._incarnations)])


class Give(Protocol):
    """How records get to the agent."""

    async def __call__(self, chunk: Chunk, done: Callable[[], None], *, is_urgent: bool) -> None:
        """Hand the chunk over; `done` is called when it is acknowledged, which is waited for if it `is_urgent`."""


class _Open(NamedTuple):
    before: Attempt
    noted: Attempt
    since: float
    closed: asyncio.Event


class Trials:
    """The trials of one agent's partitions."""

    def __init__(
        self,
        log: LogName,
        keyed_partitions: int,
        journal: Journal,
        cemetery: Cemetery,
        *,
        in_turn: asyncio.Lock,
        pulse: Pulse,
    ) -> None:
        self._log = log
        self._keyed_partitions = keyed_partitions
        self._journal = journal
        self._cemetery = cemetery
        # Of two suspects that are tried at once nobody could tell which one it was. Shared by all agents of a process.
        self._in_turn = in_turn
        #: The agent's, whose partitions stand still while the journal is waited for.
        self._pulse = pulse
        self._assignment = -1
        self._known: Mapping[int, Attempt] | None = None
        #: Partitions that were begun with, and what is suspect of them still.
        self._begun: dict[int, Attempt | None] = {}
        self._open: dict[int, _Open] = {}

    async def hand_over(self, consumer: ChunkConsumer, chunk: Chunk, give: Give) -> None:
        """Give the chunk to the agent: at once, or part by part while something in it is suspect."""
        if chunk.assignment != self._assignment:
            self._assignment = chunk.assignment
            self._begun.clear()
            self._pulse.beat(_ANSWER_WITHIN_S)
            self._known = await self._journal.last(self._log.group, self._log.topic)
        partition = chunk.place.partition
        records = chunk.records
        if partition not in self._begun:
            suspect = self._suspicion(partition, records[0].offset, consumer.highwater(chunk.place))
            self._begun[partition] = suspect
            if suspect is None and self._known is not None:
                await self._note(self._fresh(partition, records[0].offset))
                await give(chunk, lambda: self._done(partition), is_urgent=False)
                return
        while records and (suspect := self._begun[partition]) is not None:
            if chunk.assignment != consumer.assignment_number:
                return
            if records[0].offset >= suspect.until_offset:
                self._begun[partition] = None
            elif is_guilty(suspect, records[0]):
                await self._cemetery.bury(records[0])
                buried = Chunk(chunk.assignment, records[:1])
                consumer.acknowledge(buried)
                await _committed(consumer, buried)
                self._begun[partition] = None
                records = records[1:]
            else:
                part = Chunk(chunk.assignment, part_of(suspect, records))
                if not await self._try(consumer, part, suspect, give):
                    # It lives, and waits for something.
                    self._begun[partition] = None
                records = records[len(part.records) :]
        if records:
            await give(Chunk(chunk.assignment, records), _nothing, is_urgent=False)

    async def watch(self) -> None:
        """Take back notes of what turned out not to kill quickly; for ever."""
        while True:
            now = time.monotonic()
            await self._take_back(*(n for n, attempt in self._open.items() if now - attempt.since >= QUICK_S))
            await asyncio.sleep(QUICK_S / 20)

    async def end(self) -> None:
        """Take back all notes: the worker lives, and is about to end or to lose its partitions."""
        await self._take_back(*self._open)

    def _suspicion(self, partition: int, offset: int, end: int | None) -> Attempt | None:
        last = (self._known or {}).get(partition)
        if last is None or not last.deaths or (last.topic_incarnation, last.offset) != (self._log.incarnation, offset):
            return None
        _log.warning("worker_died_here", topic=self._log.topic, partition=partition, offset=offset, deaths=last.deaths)
        # What came since is not what the dead worker had in hand.
        return msgspec.structs.replace(last, until_offset=min(last.until_offset, end or last.until_offset))

    def _fresh(self, partition: int, offset: int) -> Attempt:
        last = (self._known or {}).get(partition)
        return Attempt(
            consumer_group=self._log.group,
            topic=self._log.topic,
            partition=partition,
            topic_incarnation=self._log.incarnation,
            keyed_partitions=self._keyed_partitions,
            offset=offset,
            until_offset=offset + _REACH,
            deaths=0,
            recorded_at=0,
            version=last.version if last else 0,
        )

    async def _try(self, consumer: ChunkConsumer, part: Chunk, suspect: Attempt, give: Give) -> bool:
        """Whether the part is processed and committed; False when the worker lives on without that."""
        partition = part.place.partition
        first, last = part.records[0].offset, part.records[-1].offset
        attempt = msgspec.structs.replace(suspect, offset=first)
        is_done = False

        def done() -> None:
            nonlocal is_done
            is_done = True
            self._done(partition)

        async with self._in_turn:
            await self._note(attempt, until=last + 1)
            work = asyncio.ensure_future(give(part, done, is_urgent=True))
            if partition in self._open:
                closed = asyncio.ensure_future(self._open[partition].closed.wait())
                await asyncio.wait({work, closed}, return_when=asyncio.FIRST_COMPLETED)
                if not _failed(work):
                    await closed
                closed.cancel()
            if is_done:
                # Still in turn: a death before the commit would be held against this part.
                await _committed(consumer, part)
        await work
        return is_done

    async def _note(self, before: Attempt, until: int | None = None) -> None:
        """Note that the records are tried, by a worker that may die of it."""
        noted = _newer(before, deaths=before.deaths + 1, until_offset=until or before.until_offset)
        self._pulse.beat(_ANSWER_WITHIN_S)
        if await self._journal.note(noted):
            self._open[before.partition] = _Open(before, noted, time.monotonic(), asyncio.Event())

    async def _take_back(self, *partitions: int) -> None:
        alive = []
        for partition in partitions:
            attempt = self._open[partition]
            self._done(partition)
            before = attempt.before
            alive.append(_newer(attempt.noted, deaths=before.deaths, until_offset=before.until_offset))
        await self._journal.note(*alive)

    def _done(self, partition: int) -> None:
        attempt = self._open.pop(partition, None)
        if attempt is not None:
            attempt.closed.set()


def _newer(attempt: Attempt, *, deaths: int, until_offset: int) -> Attempt:
    now_us = time.time_ns() // 1_000
    return msgspec.structs.replace(
        attempt,
        deaths=deaths,
        until_offset=until_offset,
        recorded_at=now_us // 1_000,
        # Clocks of machines differ; what was read and is replaced must lose.
        version=max(now_us, attempt.version + 1),
    )


async def _committed(consumer: ChunkConsumer, chunk: Chunk) -> None:
    """Return when the chunk is committed, or read by somebody else: a worker that starts must begin after it."""
    stop = chunk.records[-1].offset + 1
    while chunk.assignment == consumer.assignment_number and (consumer.committed_offset(chunk.place) or 0) < stop:
        await consumer.commit_acknowledged()
        await asyncio.sleep(_LOOK_EVERY_S)


def _failed(work: asyncio.Future[None]) -> bool:
    return work.done() and (work.cancelled() or work.exception() is not None)


def _nothing() -> None:
    pass
