"""A worker made of the product's own agents that counts what it reads, and in which something may go wrong on order.

Run as a process, so that it can be killed: `python -m tests.faults.worker SPEC` with a `WorkerSpec` as JSON.
"""

import asyncio
import ctypes
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sinks.clickhouse.eraser import Eraser
from sinks.clickhouse.reader import Reader
from sinks.clickhouse.rows import PreparedBlock
from sinks.clickhouse.writer import RefusedRow
from streams.agent import Agent, Delivery
from streams.alerts_agent import AlertsAgent
from streams.broker import Outgoing, ReliableProducer
from streams.coordinator import Batch
from streams.dead_letters_agent import DeadLettersAgent
from streams.headers import has_wakes, is_tick
from streams.intake_agent import IntakeAgent
from streams.journeys_agent import JourneysAgent
from streams.logs import configure_logs
from streams.pulse import Pulse
from streams.settings import ClickHouseSettings, FlushSettings, KafkaSettings, Settings, parse_address
from streams.store import Store, StorePort, clickhouse_address
from streams.transport import Record
from streams.trials import Journal
from streams.worker import run_worker
from tests.faults.contracts import know_other_times
from tests.faults.spec import Death, Plant, WorkerSpec
from tests.support.faults import Moment

_T = TypeVar("_T")
_OURS = frozenset({"schemas", "processors", "sinks", "streams"})
_LATE_BY_S = 20.0
_GAP_MINUTES = 30.0
_MILLISECOND_IN_MINUTES = 1 / 60_000
#: The bits of a version that count touchpoints and deadlines.
_COUNTS = 2**42 - 1


class Fate:
    """Counts the steps of flushes, and kills the process at the one that is ordered, at its start or later."""

    def __init__(self, death: Death | None, orders: Path) -> None:
        self._death = death
        self._orders = orders
        self._seen = 0

    def comes(self, step: str) -> Moment | None:
        """Note a step; the moment at which the process has to die in it."""
        if self._orders.exists():
            self._death, self._seen = msgspec.json.decode(self._orders.read_bytes(), type=Death), 0
            self._orders.unlink()
        if self._death is None or self._death.step != step:
            return None
        self._seen += 1
        return self._death.moment if self._seen == self._death.occurrence else None

    @staticmethod
    def strikes() -> None:
        """Nothing after this line happens."""
        os.kill(os.getpid(), signal.SIGKILL)


class _Passing:
    """A store that hands everything on to another."""

    def __init__(self, store: StorePort) -> None:
        self._store = store

    async def insert(self, block: PreparedBlock) -> tuple[RefusedRow, ...]:
        return await self._store.insert(block)

    async def read(self, question: Callable[[Reader], _T]) -> _T:
        return await self._store.read(question)

    async def erase(self, work: Callable[[Eraser], _T]) -> _T:
        return await self._store.erase(work)

    def interrupt(self) -> None:
        self._store.interrupt()

    async def close(self) -> None:
        await self._store.close()


class DyingStore(_Passing):
    """Dies before an insert, with half of its rows written, or after it."""

    def __init__(self, store: StorePort, fate: Fate) -> None:
        super().__init__(store)
        self._fate = fate

    async def insert(self, block: PreparedBlock) -> tuple[RefusedRow, ...]:
        moment = self._fate.comes(f"insert {block.table}") if block.rows else None
        if moment is Moment.BEFORE:
            self._fate.strikes()
        if moment is Moment.HALFWAY:
            await self._store.insert(block.part(0, block.rows // 2))
            self._fate.strikes()
        refused = await self._store.insert(block)
        if moment is Moment.AFTER:
            self._fate.strikes()
        return refused


class DyingProducer(ReliableProducer):
    """Dies before the broker has anything, with half of it sent, or when all is acknowledged."""

    def __init__(self, settings: KafkaSettings, pulse: Pulse, fate: Fate) -> None:
        super().__init__(settings, pulse)
        self._fate = fate

    async def send(self, records: Sequence[Outgoing]) -> None:
        moment = self._fate.comes("send") if records else None
        if moment is Moment.BEFORE:
            self._fate.strikes()
        if moment is Moment.HALFWAY:
            await super().send(records[: len(records) // 2])
            self._fate.strikes()
        await super().send(records)
        if moment is Moment.AFTER:
            self._fate.strikes()


class SlowStore(_Passing):
    """Takes its time for every insert."""

    def __init__(self, store: StorePort, seconds: float) -> None:
        super().__init__(store)
        self._seconds = seconds

    async def insert(self, block: PreparedBlock) -> tuple[RefusedRow, ...]:
        if block.rows:
            await asyncio.sleep(self._seconds)
        return await self._store.insert(block)


class BuggyStore(_Passing):
    """Has one of the planted bugs."""

    def __init__(self, store: StorePort, plant: Plant) -> None:
        super().__init__(store)
        self._plant = plant
        self._blocks = 0
        self._late: set[asyncio.Task[Any]] = set()

    async def insert(self, block: PreparedBlock) -> tuple[RefusedRow, ...]:
        is_touchpoints = block.table == "touchpoints" and block.rows > 0
        self._blocks += is_touchpoints
        match self._plant:
            case Plant.COMMIT_BEFORE_WRITE if is_touchpoints:
                self._late.add(asyncio.create_task(self._write_late(block)))
                return ()
            case Plant.ACK_ON_FAILURE if is_touchpoints and self._blocks % 2:
                return ()
            case Plant.DOUBLED_ROW if is_touchpoints:
                await self._store.insert(_a_millisecond_later(block.part(0, 1)))
            case Plant.TOKEN_REUSE if is_touchpoints:
                block = msgspec.structs.replace(block, token="always the same")
            case Plant.LOST_RETRACTION if "is_deleted" in block.column_names:
                block = _without_retractions(block)
            case Plant.STALE_VERSION if block.table == "journeys" and block.rows:
                block = _changed(block, "version", lambda version: version ^ _COUNTS)
            case Plant.DROPPED_DEAD_LETTER if block.table == "dead_letters":
                return ()
        return await self._store.insert(block)

    async def _write_late(self, block: PreparedBlock) -> None:
        await asyncio.sleep(_LATE_BY_S)
        await self._store.insert(block)


def _changed(block: PreparedBlock, name: str, change: Callable[[Any], Any]) -> PreparedBlock:
    columns = [
        [change(value) for value in column] if column_name == name else column
        for column_name, column in zip(block.column_names, block.columns, strict=True)
    ]
    return msgspec.structs.replace(block, columns=tuple(columns), token=f"{block.token}:changed")


def _a_millisecond_later(block: PreparedBlock) -> PreparedBlock:
    return _changed(block, "event_time", lambda time: time + 1)


def _without_retractions(block: PreparedBlock) -> PreparedBlock:
    deleted = block.columns[block.column_names.index("is_deleted")]
    columns = [
        [value for value, is_deleted in zip(column, deleted, strict=True) if not is_deleted] for column in block.columns
    ]
    return msgspec.structs.replace(block, columns=tuple(columns))


class TallyFile:
    """Appends what a worker reads, a line at a time, so that a kill takes nothing along."""

    def __init__(self, path: Path) -> None:
        self._out = path.open("ab", buffering=0)

    def note(self, **what: Any) -> None:
        self._out.write(msgspec.json.encode({"pid": os.getpid(), **what}) + b"\n")


def remember_at_most(results: int) -> None:
    """Have no cache of our functions hold more results: what fills for hours in a worker is full after minutes."""
    small: dict[int, Any] = {}
    for module in [module for name, module in sys.modules.items() if name.partition(".")[0] in _OURS]:
        for name, value in list(vars(module).items()):
            if hasattr(value, "cache_parameters") and (value.cache_parameters()["maxsize"] or 0) > results:
                setattr(module, name, small.setdefault(id(value), lru_cache(results)(value.__wrapped__)))


class _Malloced(ctypes.Structure):
    """`struct mallinfo2` of glibc: https://man7.org/linux/man-pages/man3/mallinfo.3.html."""

    _fields_ = (
        *((name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd")),
        *((name, ctypes.c_size_t) for name in ("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")),
    )


def note_what_is_alive(tally: TallyFile, every_s: float = 5.0) -> None:
    """Note now and then how much is alive: blocks of Python's allocator, and megabytes of what C allocated itself.

    Unlike resident memory it holds nothing that is free and was not given back.
    """
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo is None:
        return
    mallinfo.restype = _Malloced

    def note() -> None:
        while True:
            time.sleep(every_s)
            found = mallinfo()
            megabytes = (found.uordblks + found.hblkhd) / 1_000_000
            tally.note(at=time.monotonic(), blocks=sys.getallocatedblocks(), malloced_mb=megabytes)

    threading.Thread(target=note, name="alive", daemon=True).start()


class CountingJourneys(JourneysAgent):
    """The journeys agent; it notes the touchpoints of every chunk that it takes, and in the end its own counts."""

    def __init__(
        self, settings: Settings, store: StorePort, pulse: Pulse, spec: WorkerSpec, *, fate: Fate, tally: TallyFile
    ) -> None:
        super().__init__(settings, store)
        self.pulse = pulse
        self._producer = DyingProducer(settings.kafka, pulse, fate)
        self._fate = fate
        self._skips = spec.plant is Plant.SKIPPED_RECORD
        self._slice = spec.slice
        # Slices of one chunk come before those of the next.
        self.most_in_hand = 1 if spec.slice else self.most_in_hand
        self._revocations = 0
        self._tally = tally

    async def handle(self, delivery: Delivery) -> None:
        """As the product's, in slices as if less had been fetched, and around deaths when acknowledging."""
        records = _without_one(delivery.records) if self._skips else delivery.records
        acknowledge = delivery.acknowledge
        revocations = self._revocations

        def acknowledge_or_die() -> None:
            moment = self._fate.comes("acknowledge")
            if moment is Moment.BEFORE:
                self._fate.strikes()
            acknowledge()
            if moment is not None:
                self._fate.strikes()

        size = self._slice or len(records)
        for start in range(0, len(records), size):
            if self._revocations != revocations:
                return
            is_last = start + size >= len(records)
            part = records[start : start + size]
            await super().handle(
                delivery._replace(records=part, acknowledge=acknowledge_or_die if is_last else _nothing)
            )

    def _keyed_batch(self, delivery: Delivery) -> Batch:
        return self._noted(super()._keyed_batch(delivery))

    async def _raw_batch(self, delivery: Delivery) -> Batch:
        return self._noted(await super()._raw_batch(delivery))

    def _noted(self, batch: Batch) -> Batch:
        consumed = sum(map(len, (batch.admitted, batch.forwarded, batch.misplaced, batch.dead_letters)))
        self._tally.note(partition=batch.partition, consumed=consumed, fresh=len(batch.admitted))
        return batch

    async def revoked(self, within_s: float) -> None:
        """As the product's; work may have been dropped."""
        self._revocations += 1
        self._tally.note(revoked=True)
        await super().revoked(within_s)

    async def finish(self, within_s: float) -> None:
        """As the product's, then tell the counts."""
        await super().finish(within_s)
        counts = Counter({name: getattr(self.coordinator.counts, name) for name in _BECAME})
        self._tally.note(counts=dict(counts))


def _without_one(records: Sequence[Record]) -> Sequence[Record]:
    """Records without the first touchpoint among them; the last one stays, its offset is what is acknowledged."""
    for index, record in enumerate(records[:-1]):
        if not is_tick(record.headers) and not has_wakes(record.headers):
            return [*records[:index], *records[index + 1 :]]
    return records


def _nothing() -> None:
    """A slice that is not the last acknowledges nothing."""


#: What a touchpoint can become, of what the coordinator counts: ticks and wakes are none, `late` were applied.
_BECAME = "applied duplicate dead control too_late forwarded misplaced refused superseded".split()


def settings_of(spec: WorkerSpec) -> Settings:
    """Settings of a worker."""
    host, port = parse_address(spec.clickhouse, 9000)
    gap = _GAP_MINUTES - (_MILLISECOND_IN_MINUTES if spec.plant is Plant.SESSION_OFF_BY_ONE else 0)
    return Settings(
        data_dir=Path(spec.data_dir),
        kafka=KafkaSettings(
            bootstrap=spec.kafka, session_timeout_s=spec.session_timeout_s, instance_id=spec.instance_id
        ),
        clickhouse=ClickHouseSettings(host=host, port=port, database=spec.database),
        group_prefix=spec.group_prefix,
        flush=FlushSettings(max_rows=1) if spec.slice else FlushSettings(),
        session_gap_minutes=gap,
        alert_routing=Path(spec.alert_routing) if spec.alert_routing else None,
        alert_max_age_days=10_000,
        max_touchpoints=spec.max_touchpoints,
        max_persons=spec.max_persons,
        fused=spec.is_fused,
    )


def agents_of(spec: WorkerSpec, settings: Settings) -> Iterable[Agent]:
    """The agents of a worker."""
    fate, tally = Fate(spec.death, Path(spec.orders)), TallyFile(Path(spec.tally))
    note_what_is_alive(tally)

    def store(pulse: Pulse) -> StorePort:
        made: StorePort = Store(clickhouse_address(settings.clickhouse), pulse)
        if spec.slow_s:
            made = SlowStore(made, spec.slow_s)
        return BuggyStore(made, spec.plant) if spec.plant else made

    for name in spec.agents:
        # The watchdog has to feel the pulse of the stores, as it does where agents make their own.
        pulse = Pulse()
        match name:
            case "intake" if not settings.fused:
                yield IntakeAgent(settings)
            case "journeys":
                dying = DyingStore(store(pulse), fate)
                yield CountingJourneys(settings, dying, pulse, spec, fate=fate, tally=tally)
                dead_letters = DeadLettersAgent(settings, store(pulse := Pulse()))
                dead_letters.pulse = pulse
                yield dead_letters
            case "alerts":
                alerts = AlertsAgent(settings, store(pulse))
                alerts.pulse = pulse
                yield alerts


def main() -> None:
    configure_logs()
    spec = msgspec.json.decode(sys.argv[1], type=WorkerSpec)
    settings = settings_of(spec)
    remember_at_most(spec.max_persons)
    if spec.knows_other_contracts:
        know_other_times()

    def ready() -> None:
        Path(spec.ready).write_text(str(os.getpid()))

    journal = Journal(Store(clickhouse_address(settings.clickhouse))) if spec.keeps_journal else None
    sys.exit(asyncio.run(run_worker(settings, list(agents_of(spec, settings)), ready, journal=journal)))


if __name__ == "__main__":
    main()
