"""What the worker's own code costs in fused mode: records that are there already, through to blocks that nobody takes.

No broker, no ClickHouse and no pauses: chunks of records are handed to the journeys agent, which decodes, admits,
judges and prepares all rows, a flush for every so many. What it sends to the keyed topic comes back to it. So two
versions of the code can be compared on a crowded machine, which the whole path (`bench.pipeline`) does not allow: run
this with the code of either in turn, and compare the least of the CPU seconds. The digest is that of all rows: as long
as nothing but speed was changed, it stays the same.
"""

import argparse
import asyncio
import gc
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeVar, cast

from aiokafka import ConsumerRecord

from bench.load import as_record
from bench.mix import make_mix
from bench.steps import KEYRING, START_MS
from processors.keyring import Keyring
from sinks.clickhouse.eraser import Eraser
from sinks.clickhouse.reader import Reader
from sinks.clickhouse.rows import PreparedBlock
from sinks.clickhouse.tables import CHECKPOINTS
from sinks.clickhouse.writer import RefusedRow
from streams.agent import Delivery
from streams.broker import Outgoing
from streams.journeys_agent import JourneysAgent
from streams.logs import configure_logs
from streams.settings import FlushSettings, Settings
from streams.topics import DEAD, KEYED, OUTBOX, TOUCHPOINTS
from streams.worker import collect_less_often

_T = TypeVar("_T")
_PARTITIONS: Final = 4
_LIVES: Final = {TOUCHPOINTS: "raw", KEYED: "keyed", OUTBOX: "outbox", DEAD: "dead"}
#: All were appended at one moment after the last of them happened, and not so late that they count as history.
_APPENDED_AT: Final = START_MS + 30 * 86_400_000
_LONGER_THAN_ANY_RUN_S: Final = 1e9


class Cost(NamedTuple):
    """CPU seconds for so many records, of them in collections of garbage, and the digest of all rows."""

    records: int
    cpu_s: float
    gc_s: float
    digest: str


class _NothingStored:
    """Answers every question as empty tables do."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        by_key = {"load_links", "load_touchpoints"}
        plain = {"load_deadlines", "load_checkpoints", "load_rule_changes", "load_erased_by", "load_rehomed"}

        def answer(keys: Any = (), *_: object, **__: object) -> Any:
            return {key: [] for key in keys} if name in by_key else [] if name in plain else {}

        return answer


class _Digesting:
    """A store that takes note of rows and keeps none."""

    def __init__(self) -> None:
        self.hash = hashlib.blake2b(digest_size=8)
        self._reader = cast("Reader", _NothingStored())

    async def insert(self, block: PreparedBlock) -> tuple[RefusedRow, ...]:
        # When something was written differs from run to run.
        if block.table != CHECKPOINTS.name:
            self.hash.update(block.token.encode())
        return ()

    async def read(self, question: Callable[[Reader], _T]) -> _T:
        return question(self._reader)

    async def erase(self, work: Callable[[Eraser], _T]) -> _T:
        raise NotImplementedError

    def interrupt(self) -> None: ...

    async def close(self) -> None: ...


class _Returning:
    """A producer whose records for the keyed topic come back."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self._offsets = dict.fromkeys(range(_PARTITIONS), 0)

    async def send(self, records: Sequence[Outgoing]) -> None:
        self.sent += [record for record in records if record.topic == KEYED]

    async def stop(self) -> None: ...

    def take(self) -> Iterator[Delivery]:
        sent, self.sent = self.sent, []
        for partition in range(_PARTITIONS):
            records = []
            for record in sent:
                if record.partition == partition:
                    offset = self._offsets[partition]
                    self._offsets[partition] = offset + 1
                    records.append(_record(record, offset))
            if records:
                yield _delivery(records)


def _record(outgoing: Outgoing, offset: int) -> Any:
    return ConsumerRecord(
        outgoing.topic,
        outgoing.partition,
        offset,
        outgoing.timestamp or _APPENDED_AT,
        1,
        outgoing.key,
        outgoing.value,
        None,
        len(outgoing.key or b""),
        len(outgoing.value or b""),
        tuple(outgoing.headers),
    )


def _delivery(records: Sequence[Any]) -> Delivery:
    return Delivery(
        records[0].topic,
        records[0].partition,
        records,
        None,
        lambda: None,
        lambda _: None,
        lambda: True,
        False,  # noqa: FBT003 - a field of a tuple
    )


def chunks_of(events: int, persons: int, size: int) -> list[Delivery]:
    """The mix of the benchmark as chunks of so many records, in the order of sending."""
    waiting: dict[int, list[Any]] = {number: [] for number in range(_PARTITIONS)}
    offsets = dict.fromkeys(range(_PARTITIONS), 0)
    found = []
    for touchpoint in make_mix(events, persons, seed=1, start=START_MS).touchpoints:
        outgoing = as_record(touchpoint, _PARTITIONS)
        records = waiting[outgoing.partition]
        records.append(_record(outgoing, offsets[outgoing.partition]))
        offsets[outgoing.partition] += 1
        if len(records) == size:
            found.append(_delivery(records))
            waiting[outgoing.partition] = []
    return found + [_delivery(records) for records in waiting.values() if records]


async def replay(deliveries: Sequence[Delivery], flush_rows: int) -> Cost:
    """Everything through a worker that knows nobody yet."""
    settings = Settings(
        fused=True,
        flush=FlushSettings(max_rows=flush_rows, max_age_s=_LONGER_THAN_ANY_RUN_S, min_pause_s=_LONGER_THAN_ANY_RUN_S),
    )
    store, producer = _Digesting(), _Returning()
    agent = JourneysAgent(settings, store, producer)
    agent.begin(_LIVES, _PARTITIONS, Keyring(KEYRING.keys, partitions=_PARTITIONS))
    await agent.assigned(frozenset(range(_PARTITIONS)))
    collections = _Collections()
    gc.callbacks.append(collections)
    began = time.process_time()
    for delivery in deliveries:
        await agent.handle(delivery)
        for own in producer.take():
            await agent.handle(own)
    await agent.coordinator.flush()
    spent = time.process_time() - began
    gc.callbacks.remove(collections)
    return Cost(sum(len(one.records) for one in deliveries), spent, collections.cpu_s, store.hash.hexdigest())


class _Collections:
    def __init__(self) -> None:
        self.cpu_s = 0.0
        self._began = 0.0

    def __call__(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.process_time()
        else:
            self.cpu_s += time.process_time() - self._began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=30_000, help="touchpoints (default: %(default)s)")
    parser.add_argument("--persons", type=int, default=1_200, help="persons (default: %(default)s)")
    parser.add_argument("--chunk", type=int, default=500, help="records in a chunk (default: %(default)s)")
    parser.add_argument("--flush", type=int, default=5_000, help="touchpoints in a flush (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    deliveries = chunks_of(options.events, options.persons, options.chunk)
    configure_logs()
    collect_less_often()
    cost = asyncio.run(replay(deliveries, options.flush))
    if options.json:
        print(json.dumps(cost._asdict()))
        return
    each = 1e6 * cost.cpu_s / cost.records
    print(
        f"{cost.records:,} records, {cost.cpu_s:.3f} s of CPU ({each:.1f} us each, {cost.records / cost.cpu_s:,.0f} a"
        f" CPU-second), {cost.gc_s:.3f} s of them collections, rows {cost.digest}"
    )


if __name__ == "__main__":
    main()
