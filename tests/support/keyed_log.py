"""The keyed topic in memory, and a worker on it that can die: what the log holds, what was acknowledged, what is told.

Nothing here helps the coordinator: chunks come again after a death, everything sent is kept as often as it came, and
every acknowledgement is checked against what is durable at that moment.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from processors.friction.catalogue import default_rules
from processors.person import judge, restore
from processors.settings import CoreSettings
from processors.watermarks import Watermark
from schemas.alerts import AlertIntent
from schemas.log import DeadLetter, Position
from schemas.outputs import Friction
from schemas.ticks import SourceProgress, Tick
from schemas.touchpoint import AppliedTouchpoint, TouchpointKey
from sinks.alerts.ledger import plan
from sinks.clickhouse.rows import (
    effort_posting_block,
    friction_block,
    journey_block,
    person_block,
    session_block,
)
from streams.coordinator import Admitted, Batch, Coordinator, LogName
from streams.owner import Owner
from tests.support.faults import Faults
from tests.support.memory_store import MemoryStore

Entry = AppliedTouchpoint | Tick | DeadLetter
LOG = LogName("journeys-journeys", "touchpoints.keyed", "first-life")
NEVER_TOO_OLD = 10_000 * 86_400_000
RULES = default_rules()
CORE = CoreSettings()


class Outbox:
    """Records what is sent, as often as it is sent."""

    def __init__(self, faults: Faults) -> None:
        self.intents: list[AlertIntent] = []
        self.dead_letters: list[DeadLetter] = []
        self.faults = faults

    async def send(self, intents: Sequence[AlertIntent], dead_letters: Sequence[DeadLetter]) -> None:
        def reach_the_broker(records: Sequence[AlertIntent | DeadLetter]) -> None:
            self.intents += [record for record in records if isinstance(record, AlertIntent)]
            self.dead_letters += [record for record in records if isinstance(record, DeadLetter)]

        if intents or dead_letters:
            self.faults.around("send", [*intents, *dead_letters], reach_the_broker)

    def open_frictions(self) -> set[str]:
        """Frictions that somebody who keeps a ledger would be told of after all of it."""
        return {alert.intent.friction_id for alert in plan(self.intents, (), lambda _: ("desk",)).due}


class KeyedLog:
    """Partitions of the topic, the group's committed offsets, and the world outside of the worker."""

    def __init__(self, partitions: Mapping[int, Sequence[Entry]], refuses: Callable[[str], bool] = lambda _: False):
        self.partitions = partitions
        self.committed = dict.fromkeys(partitions, 0)
        self.store = MemoryStore(refuses=lambda row: "origin_offset" in row and refuses(row["id"]))
        self.outbox = Outbox(Faults())
        self._refuses = refuses

    def coordinator(self, faults: Faults | None = None, max_persons: int = 1000) -> Coordinator:
        """A new worker's coordinator: it knows what the store knows, and nothing else."""
        self.store.faults = self.outbox.faults = faults or Faults()
        return Coordinator(
            Owner(RULES, CORE, max_persons),
            self.store,
            self.outbox,
            LOG,
            alert_max_age_ms=NEVER_TOO_OLD,
            wall_clock_ms=lambda: 0,
        )

    def batch(self, partition: int, start: int, stop: int) -> Batch:
        """Entries from `start` up to, not including, `stop`."""
        entries = list(enumerate(self.partitions[partition]))[start:stop]

        def acknowledge() -> None:
            self.store.faults.around("acknowledge", [stop], lambda stops: self._commit(partition, stops))

        return Batch(
            partition,
            stop,
            [Admitted(entry, b"raw", b"key") for _, entry in entries if isinstance(entry, AppliedTouchpoint)],
            [entry for _, entry in entries if isinstance(entry, DeadLetter)],
            [(offset, entry) for offset, entry in entries if isinstance(entry, Tick)],
            acknowledge,
        )

    async def work(self, coordinator: Coordinator, chances: random.Random) -> None:
        """Read everything from the committed offsets on, in chunks and with flushes as chances have it."""
        durable = await coordinator.assign(sorted(self.partitions))
        assert all(durable[partition] >= committed for partition, committed in self.committed.items())
        at = dict(self.committed)
        while left := [partition for partition, entries in self.partitions.items() if at[partition] < len(entries)]:
            partition = chances.choice(left)
            stop = min(at[partition] + chances.randint(1, 6), len(self.partitions[partition]))
            await coordinator.take(self.batch(partition, at[partition], stop))
            at[partition] = stop
            if chances.random() < 0.4:
                await coordinator.flush()
        while not coordinator.is_idle:
            await coordinator.flush()

    @property
    def touchpoints(self) -> list[AppliedTouchpoint]:
        """Every copy of every touchpoint in the log that the store takes."""
        return [
            entry
            for entries in self.partitions.values()
            for entry in entries
            if isinstance(entry, AppliedTouchpoint) and not self._refuses(entry.touchpoint.id)
        ]

    def must_be_dead(self) -> set[Position | TouchpointKey]:
        """What can never be processed: places of undecodable records, keys of touchpoints that the store refuses."""
        return {
            entry.position if isinstance(entry, DeadLetter) else entry.key
            for entries in self.partitions.values()
            for entry in entries
            if isinstance(entry, DeadLetter)
            or (isinstance(entry, AppliedTouchpoint) and self._refuses(entry.touchpoint.id))
        }

    def dead(self) -> set[Position | TouchpointKey]:
        """The same of what was sent to the dead letters."""
        entries = [entry for entries in self.partitions.values() for entry in entries]
        keys = {_place(entry): entry.key for entry in entries if isinstance(entry, AppliedTouchpoint)}
        return {keys.get(letter.position, letter.position) for letter in self.outbox.dead_letters}

    def _commit(self, partition: int, stops: Sequence[int]) -> None:
        stored, dead = self.store.touchpoint_keys(), self.dead()
        for stop in stops:
            assert stop > self.committed[partition], "offsets never go back"
            for entry in self.partitions[partition][:stop]:
                if isinstance(entry, AppliedTouchpoint):
                    assert entry.key in stored or entry.key in dead, "acknowledged before it was durable"
                elif isinstance(entry, DeadLetter):
                    assert entry.position in dead, "acknowledged before the dead letter was durable"
            self.committed[partition] = stop


def expected_store(log: KeyedLog) -> tuple[MemoryStore, set[str]]:
    """What the tables must say in the end, computed at once from the whole log, and the frictions that alert."""
    store = MemoryStore()
    alertable: set[str] = set()
    for partition, entries in log.partitions.items():
        watermark = Watermark()
        for entry in entries:
            if isinstance(entry, Tick):
                watermark.apply(entry)
        here = [entry for entry in log.touchpoints if entry in entries]
        for key in {applied.identity_hash for applied in here}:
            own = [applied for applied in here if applied.identity_hash == key]
            state = restore(own[0].touchpoint.tenant, key, own)
            judgement = judge(state, RULES, watermark.value or 0, CORE)
            alertable |= {friction.friction_id for friction in judgement.frictions if friction.is_alertable}
            for block in (
                session_block([(session, 0) for session in judgement.sessions], token_prefix=""),
                journey_block([(journey, 0) for journey in judgement.journeys], token_prefix=""),
                friction_block([(friction, 0) for friction in judgement.frictions], token_prefix=""),
                effort_posting_block([(posting, 0) for posting in judgement.postings], token_prefix=""),
                person_block([(judgement.person, 0, partition)], token_prefix=""),
            ):
                store.take(block)
    return store, alertable


def written_to_log(
    touchpoints: Iterable[AppliedTouchpoint], partitions: int, tick_every: int = 3
) -> dict[int, list[Entry]]:
    """Touchpoints in the order given, on the partitions of their persons, with the ticks that intake would send."""
    log: dict[int, list[Entry]] = {partition: [] for partition in range(partitions)}
    newest = 0
    number = 0
    for number, applied in enumerate(touchpoints):
        home = log[int(applied.identity_hash[:8], 16) % partitions]
        home.append(
            msgspec.structs.replace(
                applied, ingestion_time=applied.event_time, origin_offset=number, origin_partition=0
            )
        )
        newest = max(newest, applied.event_time)
        if number % tick_every == 0:
            for entries in log.values():
                entries.append(Tick((SourceProgress(0, newest),)))
        elif number % tick_every == 1:
            for entries in log.values():
                entries.append(Tick((SourceProgress(0, None, 60_000),)))
    return log


def friction_ids(store: MemoryStore) -> set[str]:
    """Frictions that analysts see."""
    return set(store.live(Friction.__name__.lower()))


def _place(applied: AppliedTouchpoint) -> Position:
    return Position(applied.origin_topic, applied.origin_partition, applied.origin_offset)
