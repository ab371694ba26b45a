"""The raw topic beside the keyed one in memory, and workers in fused mode on both, that can die.

Only what producers sent is in it at first: ticks, and what lies elsewhere, come from the workers.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain

from processors.admission import owner_partition
from schemas.log import DeadLetter
from schemas.ticks import SourceProgress, Tick
from schemas.touchpoint import AppliedTouchpoint
from streams.coordinator import Admitted, Batch, Coordinator, LogName
from streams.identities import Identities
from streams.owner import Owner
from streams.topics import TOUCHPOINTS
from tests.support.faults import Faults
from tests.support.keyed_log import CORE, LIMITS, LOG, NEVER_TOO_OLD, RULES, Entry, KeyedLog, one_look
from tests.support.memory_store import MemoryStore

RAW = LogName(LOG.group, TOUCHPOINTS, "raw-life")


class FusedWorker:
    """A coordinator, and what it knows of the time in the raw partitions that it has read."""

    def __init__(self, make: Callable[[Callable[[], Tick | None]], Coordinator]) -> None:
        self._newest: dict[int, int] = {}
        self._told: dict[int, int] = {}
        self.coordinator = make(self._tell_time)

    def note(self, batch: Batch) -> None:
        for admitted in (*batch.admitted, *batch.misplaced):
            known = self._newest.get(batch.partition, admitted.applied.event_time)
            self._newest[batch.partition] = max(known, admitted.applied.event_time)

    def _tell_time(self) -> Tick | None:
        news = {number: newest for number, newest in self._newest.items() if self._told.get(number) != newest}
        self._told |= news
        return Tick(tuple(SourceProgress(*progress) for progress in sorted(news.items()))) if news else None


class FusedLog(KeyedLog):
    """Both topics, with as many partitions."""

    def __init__(self, raw: Mapping[int, Sequence[Entry]], refuses: Callable[[str], bool] = lambda _: False) -> None:
        super().__init__({partition: [] for partition in raw}, refuses)
        self.raw = self.written = {partition: list(entries) for partition, entries in raw.items()}
        self.raw_committed = dict.fromkeys(raw, 0)
        self.outbox.check_tick = self._check_tick

    def worker(self, faults: Faults | None = None) -> FusedWorker:
        """A new worker, which knows what the store knows."""
        self.store.faults = self.outbox.faults = faults or Faults()
        return FusedWorker(
            lambda tell_time: Coordinator(
                Owner(RULES, CORE, 1000, 100_000),
                Identities(self.store, LIMITS, {}, 1000),
                self.store,
                self.outbox,
                LOG,
                alert_max_age_ms=NEVER_TOO_OLD,
                wall_clock_ms=lambda: 0,
                is_member=lambda: True,
                raw=RAW,
                tell_time=tell_time,
            )
        )

    @property
    def entries(self) -> Iterable[Entry]:
        return chain(super().entries, *self.raw.values())

    @property
    def is_done(self) -> bool:
        return super().is_done and all(self.raw_committed[number] == len(rest) for number, rest in self.raw.items())

    def raw_batch(self, partition: int, start: int, stop: int) -> Batch:
        """Entries of a raw partition from `start` up to, not including, `stop`."""
        entries = self.raw[partition][start:stop]
        admitted: list[Admitted] = []
        misplaced: list[Admitted] = []
        for entry in entries:
            if isinstance(entry, AppliedTouchpoint):
                is_here = owner_partition(entry.identity_hash, len(self.raw)) == partition
                (admitted if is_here else misplaced).append(Admitted(entry, b"raw", b"key"))

        def acknowledge() -> None:
            self.store.faults.around("acknowledge", [stop], lambda stops: self._commit_raw(partition, stops))

        dead = [entry for entry in entries if isinstance(entry, DeadLetter)]
        return Batch(partition, stop, admitted, dead, (), acknowledge, is_raw=True, misplaced=misplaced)

    async def work_fused(
        self, worker: FusedWorker, chances: random.Random, partitions: Collection[int] | None = None
    ) -> None:
        """As `work` does, on the same partitions of both topics."""
        coordinator, mine = worker.coordinator, sorted(self.raw if partitions is None else partitions)
        durable = await coordinator.assign(mine)
        at = {(LOG.topic, number): self.committed[number] for number in mine}
        at |= {(RAW.topic, number): self.raw_committed[number] for number in mine}
        assert all(durable[place] >= offset for place, offset in at.items())
        logs = {LOG.topic: self.partitions, RAW.topic: self.raw}
        while True:
            left = [place for place, offset in at.items() if offset < len(logs[place[0]][place[1]])]
            if left:
                topic, partition = place = chances.choice(left)
                stop = min(at[place] + chances.randint(1, 6), len(logs[topic][partition]))
                make = self.raw_batch if topic == RAW.topic else self.batch
                batch = make(partition, at[place], stop)
                await coordinator.take(batch)
                worker.note(batch._replace(admitted=() if topic == LOG.topic else batch.admitted))
                at[place] = stop
            if not left or chances.random() < 0.4:
                await coordinator.flush()
            if coordinator.is_idle and self.is_done:
                return
            await asyncio.sleep(0)

    def expected(self) -> tuple[MemoryStore, set[str]]:
        """What the tables must say, by the ticks that workers told, and the frictions that alert."""
        ticks = [[one for one in entries if isinstance(one, Tick)] for _, entries in sorted(self.partitions.items())]
        return one_look(self.touchpoints, ticks, LIMITS)

    def _is_safe(self, entry: Entry) -> bool:
        """Whether it is in the tables, among the dead letters, or on its way to its owner in the keyed log."""
        if isinstance(entry, DeadLetter):
            return entry.position in self.dead()
        if not isinstance(entry, AppliedTouchpoint):
            return True
        is_written = entry.key in self.store.touchpoint_keys() or entry.key in self.dead()
        return is_written or entry in self.partitions[owner_partition(entry.identity_hash, len(self.raw))]

    def _commit_raw(self, partition: int, stops: Sequence[int]) -> None:
        for stop in stops:
            assert stop > self.raw_committed[partition], "offsets never go back"
            assert all(map(self._is_safe, self.raw[partition][:stop])), "acknowledged before it was durable"
            self.raw_committed[partition] = stop

    def _check_tick(self, tick: Tick) -> None:
        for progress in tick.sources:
            assert progress.watermark is not None
            before = []
            for entry in self.raw[progress.partition]:
                before.append(entry)
                if isinstance(entry, AppliedTouchpoint) and entry.event_time >= progress.watermark:
                    break
            assert all(map(self._is_safe, before)), "a tick overtakes touchpoints that it speaks of"
