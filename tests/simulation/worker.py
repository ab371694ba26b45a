"""A worker without Faust: the real agent behind the real feed, and a consumer that does what `ChunkConsumer` does."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import faust

from streams.agent import Feed
from streams.broker import Outgoing
from streams.coordinator import Batch
from streams.journeys_agent import JourneysAgent
from streams.settings import FlushSettings
from streams.source_clocks import SourceClocks
from streams.topics import DEAD, KEYED, OUTBOX, TOUCHPOINTS
from streams.transport import Chunk
from tests.simulation.broker import Group, Log, Record
from tests.simulation.scheduler import SESSION_TIMEOUT_S, Process, Scheduler
from tests.simulation.tables import WorkerStore
from tests.support.faults import Killed

if TYPE_CHECKING:
    from tests.simulation.world import World

LIVES = {TOUCHPOINTS: "raw-life", KEYED: "first-life", DEAD: "dead-life", OUTBOX: "outbox-life"}
#: Seconds that an agent may take to finish what it has in hand: before partitions go, before the process ends.
_REVOKE_WITHIN_S = 0.6
_FINISH_WITHIN_S = 4.0
_TICK_S = 0.4
_MOST_PATIENT_S = 4.0
_HEARTBEAT_S = 0.5
_COMMIT_S = 0.3
#: How likely new rules have arrived at a tick.
_HEARS = 0.3
_QUIET_AFTER_MS = 30_000


class _NoCeiling:
    """Stands for the guard against floods of dead letters, which asks a broker."""

    async def check(self, *_: object) -> None: ...

    def forget(self) -> None: ...


class WorkerProducer:
    """Implements `streams.broker.ProducerPort` for one process."""

    def __init__(self, process: Process, log: Log) -> None:
        self._process = process
        self._log = log

    async def send(self, records: Sequence[Outgoing]) -> None:
        if records:
            await self._process.call("send", records, self._log.append)

    async def stop(self) -> None: ...


class Consumer:
    """What `streams.transport.ChunkConsumer` does about assignments, acknowledgements and commits."""

    def __init__(self, worker: "Worker", scheduler: Scheduler, group: Group, log: Log) -> None:
        self.assignment_number = 0
        self.generation = 0
        self.partitions: frozenset[int] = frozenset()
        self._acknowledged_assignment = 0
        self._acked: dict[int, int] = {}
        self._committed: dict[int, int] = {}
        self._at: dict[int, int] = {}
        self._rewound: dict[int, int] = {}
        self._member_until = 0.0
        self._committing = asyncio.Lock()
        self.has_acked = asyncio.Event()
        self._worker = worker
        self._scheduler = scheduler
        self._group = group
        self._log = log

    def is_member(self) -> bool:
        return self._scheduler.loop.time() < self._member_until

    def heartbeat(self) -> None:
        if self._group.counts_on(self._worker, self.generation):
            self._member_until = self._scheduler.loop.time() + SESSION_TIMEOUT_S

    def acknowledge(self, chunk: Chunk) -> None:
        if chunk.assignment == self._acknowledged_assignment:
            number = self._log.number_of(*chunk.place)
            self._acked[number] = chunk.records[-1].offset + 1
            if number in self._rewound:
                self._rewound[number] = chunk.records[-1].offset + 1
            self.has_acked.set()

    def committed_offset(self, place: Any) -> int | None:
        return self._committed.get(self._log.number_of(*place))

    def rewind(self, place: Any, offset: int) -> None:
        self.assignment_number += 1
        self._acknowledged_assignment = self.assignment_number
        self._acked.clear()
        self._rewound[self._log.number_of(*place)] = offset
        self._at = {partition: self._committed.get(partition, 0) for partition in self._at} | self._rewound

    async def commit_acknowledged(self) -> None:
        async with self._committing:
            acked = {place: offset for place, offset in self._acked.items() if offset > self._committed.get(place, 0)}
            self._acked.clear()
            if acked:
                await self._worker.process.call(f"commit {acked}", [(self.generation, acked)], self._commit)

    def _commit(self, commits: Sequence[tuple[int, dict[int, int]]]) -> None:
        for generation, offsets in commits:
            if self._group.commit(self._worker, generation, offsets):
                self._committed |= offsets

    def begin_end(self) -> None:
        """Fetch nothing more; what is finished meanwhile may still be acknowledged."""
        self.assignment_number += 1
        self.partitions = frozenset()

    async def end(self) -> None:
        await self.commit_acknowledged()
        self._acknowledged_assignment = self.assignment_number

    def begin(self, partitions: frozenset[int], generation: int) -> None:
        """Read these partitions, in fused mode of both topics."""
        owners, logs = self._log.owners, len(self._log.partitions)
        partitions = frozenset(at for number in partitions for at in range(number, logs, owners))
        self.partitions = partitions
        self.generation = generation
        self._rewound.clear()
        self._committed = {partition: at for partition in partitions if (at := self._group.committed[partition])}
        self._at = {partition: self._committed.get(partition, 0) for partition in partitions}
        self.heartbeat()

    def fetch(self) -> list[Chunk]:
        """A chunk of each partition that has records, in any order."""
        draw = self._scheduler.random
        found = []
        for partition in sorted(self.partitions):
            at = self._at[partition]
            records: list[Record] = self._log.partitions[partition][at : at + draw.choice((1, 2, 3, 6, 20))]
            if records:
                self._at[partition] = at + len(records)
                found.append(Chunk(self.assignment_number, cast("Any", records)))
        draw.shuffle(found)
        return found


class Worker:
    """A process with the journeys agent."""

    def __init__(self, name: str, world: "World") -> None:
        scheduler, group, log, story = world.scheduler, world.group, world.log, world.story

        def died() -> None:
            group.lose(self)
            world.replace(self)

        def paused(seconds: float) -> None:
            group.lose(self)
            self.process.spawn(self._come_back(seconds))

        self.process = Process(scheduler, name, died, paused)
        self._scheduler = scheduler
        self._group = group
        self._log = log
        self._taken = 0
        self._is_ending = False
        self._rebalancing = asyncio.Lock()
        self.consumer = Consumer(self, scheduler, group, log)
        draw = scheduler.random
        max_rows, max_age_s = draw.choice((1, 3, 6, 1_000)), draw.choice((0.2, 1.0, _MOST_PATIENT_S))
        # The most patient also write what comes after a pause; the others do so by rows and age alone.
        flush = FlushSettings(
            max_rows=max_rows, max_age_s=max_age_s, min_pause_s=0.5 if max_age_s == _MOST_PATIENT_S else 3_600
        )
        settings = story.settings.model_copy(update={"flush": flush})
        self.agent = JourneysAgent(
            settings,
            WorkerStore(scheduler, self.process, world.tables, self._owns, self.consumer.is_member),
            WorkerProducer(self.process, log),
        )
        self._published = world.published
        self._learned = 0
        self._learn()
        if story.is_fused:
            # Quiet partitions are told of, but not so often that somebody always has something to commit.
            self.agent._clocks = SourceClocks(0, _QUIET_AFTER_MS, now_ms=lambda: scheduler.loop.time() * 1000)
            self.agent._guard = cast("Any", _NoCeiling())
        self.agent.begin(LIVES, story.partitions, story.keyring)
        self._take = self.agent.coordinator.take
        self.agent.coordinator.take = self._counted  # type: ignore[method-assign]
        self._feed = Feed(cast("faust.App", SimpleNamespace(consumer=self.consumer)), self.agent)

    def start(self) -> None:
        for work in (self._feed.run(self), self._tick(), self._commit(), self._heartbeat()):
            self.process.spawn(self._guarded(work))
        self._group.join(self)

    def _owns(self) -> bool:
        """Whether nobody else can have read what this worker ought to write."""
        return self in self._group.members and self.consumer.generation == self._group.generation

    @property
    def is_idle(self) -> bool:
        return self.agent.coordinator.is_idle and self.agent.is_at_peace and self._learned == len(self._published)

    @property
    def waits_for(self) -> frozenset[int]:
        """Partitions that it was given and has not read anything of: it knows nothing of them yet."""
        return self.agent._to_assign or frozenset()

    async def stop(self) -> None:
        """SIGTERM."""
        self.process.note("told to stop")
        self._feed.close()
        self._is_ending = True
        await self._guarded(self._finish())
        self._group.leave(self)
        if self.process.is_alive:
            self.process.note("stopped")
            self.process.is_alive = False

    async def revoked(self) -> None:
        async with self._rebalancing:
            await self._guarded(self._revoked())

    async def assigned(self, partitions: frozenset[int], generation: int) -> None:
        async with self._rebalancing:
            await self._guarded(self._assigned(partitions, generation))

    def noack(self) -> "Worker":
        """The stream that the feed reads."""
        return self

    async def events(self) -> AsyncIterator[Any]:
        while True:
            await self.process.awake()
            chunks = self.consumer.fetch()
            for chunk in chunks:
                await asyncio.sleep(self._scheduler.delay())
                await self.process.awake()
                yield SimpleNamespace(value=chunk)
            if not chunks:
                await self._log.grown()

    async def _finish(self) -> None:
        await self.process.awake()
        await self.agent.finish(_FINISH_WITHIN_S)
        await self.consumer.commit_acknowledged()
        await self.agent.close()

    async def _revoked(self) -> None:
        await self.process.awake()
        self.process.note("gives up", sorted(self.consumer.partitions))
        self.consumer.begin_end()
        if not self._is_ending:
            await self.agent.revoked(_REVOKE_WITHIN_S)
        await self.consumer.end()
        if not self._is_ending:
            # It may have taken so long that the group went on without it.
            self._group.join(self)

    async def _assigned(self, partitions: frozenset[int], generation: int) -> None:
        await self.process.awake()
        if generation != self._group.generation or self._is_ending:
            return
        await self.agent.assigned(partitions)
        self.consumer.begin(partitions, generation)
        self._log.wake_readers()

    async def _come_back(self, seconds: float) -> None:
        """After a stop the process learns that the group went on without it."""
        await asyncio.sleep(seconds + self._scheduler.random.uniform(0, 0.5))
        if self not in self._group.members and not self._is_ending:
            await self.revoked()

    async def _tick(self) -> None:
        while not self._is_ending:
            await self.process.awake()
            if self._learned < len(self._published) and self._scheduler.random.random() < _HEARS:
                self._learn()
            await self.agent.tick()
            await asyncio.sleep(_TICK_S)

    def _learn(self) -> None:
        """Read what is new on the topic of rules."""
        self.agent.learn(self._published[self._learned :])
        self._learned = len(self._published)

    async def _heartbeat(self) -> None:
        while True:
            await self.process.awake()
            self.consumer.heartbeat()
            await asyncio.sleep(_HEARTBEAT_S)

    async def _commit(self) -> None:
        while not self._is_ending:
            await self.consumer.has_acked.wait()
            self.consumer.has_acked.clear()
            await asyncio.sleep(_COMMIT_S)
            await self.process.awake()
            await self.consumer.commit_acknowledged()

    async def _counted(self, *batches: Batch) -> None:
        """Every record is counted once as what became of it (I13)."""
        await self._take(*batches)
        for batch in batches:
            self._taken += sum(map(len, (batch.admitted, batch.forwarded, batch.misplaced, batch.dead_letters)))
        counts = self.agent.coordinator.counts
        known = sum(
            getattr(counts, name)
            for name in "applied control dead duplicate forwarded misplaced refused superseded too_late".split()
        )
        if known != self._taken:
            self._scheduler.fail("I13: records are not what became of them", f"took {self._taken}, counted {known}")

    async def _guarded(self, work: Any) -> None:
        try:
            await work
        except Killed:
            self.process.die()
        except Exception as error:  # noqa: BLE001 - whatever it is, it would have ended the process
            self._scheduler.mishap(self.process.name, error)
