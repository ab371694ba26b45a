"""The keyed topic in memory, and workers on it that can die: what the log holds, what was acknowledged, what is told.

Nothing here helps the coordinator: chunks come again after a death, everything sent is kept as often as it came, and
every acknowledgement is checked against what is durable at that moment.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec

from processors.admission import owner_partition
from processors.friction.book import Book
from processors.friction.catalogue import default_rules
from processors.history import judged
from processors.identities import home, links_of, resolve
from processors.identity_limits import IdentityLimits
from processors.kinds import ERASE_REQUESTED
from processors.membership import Membership
from processors.person import judge, restore
from processors.settings import CoreSettings
from processors.watermarks import Watermark
from schemas.alerts import AlertIntent
from schemas.identity import IdentityLink, Wake, identifier_of
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
from streams.coordinator import Admitted, Batch, Coordinator, Forward, LogName, News
from streams.identities import Identities
from streams.owner import Owner
from streams.store import StorePort
from tests.support.faults import Faults
from tests.support.memory_store import MemoryStore

Entry = AppliedTouchpoint | Tick | DeadLetter | Forward | Wake
LOG = LogName("journeys-journeys", "touchpoints.keyed", "first-life")
NEVER_TOO_OLD = 10_000 * 86_400_000
RULES = default_rules()
BOOK = Book(RULES)
CORE = CoreSettings()
LIMITS = IdentityLimits()


class Outbox:
    """Records what is sent, as often as it is sent; what is for owners goes into the log."""

    def __init__(self, faults: Faults, log: Mapping[int, list[Entry]]) -> None:
        self.intents: list[AlertIntent] = []
        self.dead_letters: list[DeadLetter] = []
        self.faults = faults
        self.check_tick: Callable[[Tick], None] = lambda _: None
        self._log = log

    async def send(self, news: News) -> None:
        def reach_the_broker(records: Sequence[AlertIntent | DeadLetter | Forward | Wake | Admitted | Tick]) -> None:
            for record in records:
                match record:
                    case AlertIntent():
                        self.intents.append(record)
                    case DeadLetter():
                        self.dead_letters.append(record)
                    case Forward():
                        self._log[owner_partition(record.to, len(self._log))].append(record)
                    case Wake():
                        self._log[owner_partition(record.identifier, len(self._log))].append(record)
                    case Admitted():
                        owner = owner_partition(record.applied.identity_hash, len(self._log))
                        self._log[owner].append(record.applied)
                    case Tick():
                        self.check_tick(record)
                        for entries in self._log.values():
                            entries.append(record)

        ticks = [] if news.tick is None else [news.tick]
        records = [*news.intents, *news.dead_letters, *news.forwards, *news.wakes, *news.misplaced, *ticks]
        if records:
            self.faults.around("send", records, reach_the_broker)

    def open_frictions(self) -> set[str]:
        """Frictions that somebody who keeps a ledger would be told of after all of it."""
        return {alert.intent.friction_id for alert in plan(self.intents, (), lambda _: ("desk",)).due}


class KeyedLog:
    """Partitions of the topic, the group's committed offsets, and the world outside of the worker."""

    def __init__(self, partitions: Mapping[int, Sequence[Entry]], refuses: Callable[[str], bool] = lambda _: False):
        #: What intake wrote; workers add to `partitions` while they work.
        self.written = {partition: list(entries) for partition, entries in partitions.items()}
        self.partitions = {partition: list(entries) for partition, entries in partitions.items()}
        self.committed = dict.fromkeys(partitions, 0)
        self.store = MemoryStore(refuses=lambda row: "origin_offset" in row and refuses(row["id"]))
        self.outbox = Outbox(Faults(), self.partitions)
        self._refuses = refuses

    def append(self, partition: int, entry: Entry) -> None:
        """Have intake write one more."""
        self.written[partition].append(entry)
        self.partitions[partition].append(entry)

    def coordinator(
        self,
        faults: Faults | None = None,
        max_persons: int = 1000,
        limits: IdentityLimits = LIMITS,
        *,
        store: StorePort | None = None,
        is_member: Callable[[], bool] = lambda: True,
    ) -> Coordinator:
        """A new worker's coordinator: it knows what the store knows, and nothing else."""
        self.store.faults = self.outbox.faults = faults or Faults()
        return Coordinator(
            Owner(RULES, CORE, max_persons, 100 * max_persons),
            Identities(store or self.store, limits, {}, max_persons),
            store or self.store,
            self.outbox,
            LOG,
            alert_max_age_ms=NEVER_TOO_OLD,
            wall_clock_ms=lambda: 0,
            is_member=is_member,
        )

    @property
    def entries(self) -> Iterable[Entry]:
        """All that workers read."""
        return (entry for entries in self.partitions.values() for entry in entries)

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
            [entry for _, entry in entries if isinstance(entry, Forward)],
            [entry for _, entry in entries if isinstance(entry, Wake)],
        )

    async def work(
        self, coordinator: Coordinator, chances: random.Random, partitions: Collection[int] | None = None
    ) -> None:
        """Read partitions (default: all) from the committed offsets on, in chunks and with flushes as chances have it.

        Ends when everything in all partitions is done, also what others add meanwhile.
        """
        mine = sorted(self.partitions if partitions is None else partitions)
        durable = await coordinator.assign(mine)
        assert all(durable[LOG.topic, partition] >= self.committed[partition] for partition in mine)
        at = {partition: self.committed[partition] for partition in mine}
        while True:
            left = [partition for partition in mine if at[partition] < len(self.partitions[partition])]
            if left:
                partition = chances.choice(left)
                stop = min(at[partition] + chances.randint(1, 6), len(self.partitions[partition]))
                await coordinator.take(self.batch(partition, at[partition], stop))
                at[partition] = stop
            if not left or chances.random() < 0.4:
                await coordinator.flush()
            if coordinator.is_idle and self.is_done:
                return
            await asyncio.sleep(0)

    async def work_together(self, coordinators: Mapping[Coordinator, Collection[int]], chances: random.Random) -> None:
        """Several workers at once, each on partitions of its own; who goes on at each step of the store is chance."""

        async def pause() -> None:
            for _ in range(chances.randint(0, 4)):
                await asyncio.sleep(0)

        self.store.pause = pause
        async with asyncio.TaskGroup() as workers:
            for coordinator, partitions in coordinators.items():
                workers.create_task(self.work(coordinator, random.Random(chances.random()), partitions))

    @property
    def is_done(self) -> bool:
        """Whether everything in the log is acknowledged."""
        return all(self.committed[partition] == len(entries) for partition, entries in self.partitions.items())

    @property
    def touchpoints(self) -> list[AppliedTouchpoint]:
        """Every copy of every touchpoint in the log that the store takes, without those who asked to be forgotten."""
        return [
            left
            for entries in self.written.values()
            for entry in entries
            if isinstance(entry, AppliedTouchpoint)
            and not self._refuses(entry.touchpoint.id)
            and (left := without_erased(entry, self.erased)) is not None
        ]

    @property
    def erased(self) -> set[str]:
        """Identifiers that the store has as erased."""
        return {row["identifier"] for row in self.store.written["erased_identifiers"]}

    def must_be_dead(self) -> set[Position | TouchpointKey]:
        """What can never be processed: places of undecodable records, keys of touchpoints that the store refuses."""
        return {
            entry.position if isinstance(entry, DeadLetter) else entry.key
            for entry in self.entries
            if isinstance(entry, DeadLetter)
            or (isinstance(entry, AppliedTouchpoint) and self._refuses(entry.touchpoint.id))
        }

    def dead(self) -> set[Position | TouchpointKey]:
        """The same of what was sent to the dead letters."""
        keys = {_place(entry): entry.key for entry in self.entries if isinstance(entry, AppliedTouchpoint)}
        return {keys.get(letter.position, letter.position) for letter in self.outbox.dead_letters}

    def _commit(self, partition: int, stops: Sequence[int]) -> None:
        stored, dead, erased = self.store.touchpoint_keys(), self.dead(), self.erased
        for stop in stops:
            assert stop > self.committed[partition], "offsets never go back"
            for entry in self.partitions[partition][:stop]:
                if isinstance(entry, AppliedTouchpoint):
                    if entry.touchpoint.kind == ERASE_REQUESTED or not erased.isdisjoint(_identifiers(entry)):
                        continue
                    assert entry.key in stored or entry.key in dead, "acknowledged before it was durable"
                elif isinstance(entry, DeadLetter):
                    assert entry.position in dead, "acknowledged before the dead letter was durable"
            self.committed[partition] = stop


def without_erased(applied: AppliedTouchpoint, erased: Collection[str]) -> AppliedTouchpoint | None:
    """What remains of a touchpoint; `None` for an erased person's, and for a request."""
    touchpoint = applied.touchpoint
    if touchpoint.kind == ERASE_REQUESTED or applied.identity_hash in erased:
        return None
    kept = [place for place, identity in enumerate(touchpoint.identities) if identifier_of(identity) not in erased]
    left = tuple(touchpoint.identities[place] for place in kept)
    return msgspec.structs.replace(
        applied,
        touchpoint=msgspec.structs.replace(touchpoint, identities=left),
        rotated=tuple(applied.rotated[place] for place in kept) if applied.rotated else (),
    )


def _identifiers(applied: AppliedTouchpoint) -> set[str]:
    return {identifier_of(identity) for identity in applied.touchpoint.identities}


def expected_store(log: KeyedLog, limits: IdentityLimits = LIMITS) -> tuple[MemoryStore, set[str]]:
    """What the tables must say in the end, computed at once from the whole log, and the frictions that alert."""
    ticks = [[entry for entry in entries if isinstance(entry, Tick)] for _, entries in sorted(log.written.items())]
    return one_look(log.touchpoints, ticks, limits)


def one_look(
    touchpoints: Iterable[AppliedTouchpoint],
    ticks: Sequence[Iterable[Tick]],
    limits: IdentityLimits,
    links: Iterable[IdentityLink] = (),
    book: Book = BOOK,
) -> tuple[MemoryStore, set[str]]:
    """What follows from all touchpoints, the ticks of each partition and more links, and the frictions that alert."""
    touchpoints = list(touchpoints)
    store = MemoryStore()
    alertable: set[str] = set()
    watermarks = [Watermark() for _ in ticks]
    for watermark, told in zip(watermarks, ticks, strict=True):
        for tick in told:
            watermark.apply(tick)
    resolution = resolve([*links, *(link for applied in touchpoints for link in links_of(applied))], limits)
    persons: dict[str, list[AppliedTouchpoint]] = {}
    for applied in touchpoints:
        at_home = home(applied.touchpoint.identities, resolution.placeholders)
        persons.setdefault(resolution.person_key(at_home), []).append(applied)
    for key, all_own in persons.items():
        own = judged(all_own, CORE.history_horizon_ms)
        if not own:
            continue
        partition = owner_partition(key, len(ticks))
        membership = Membership(frozenset(resolution.members(key)), resolution.placeholders, {}, 0)
        state = restore(own[0].touchpoint.tenant, key, own, membership=membership)
        judgement = judge(state, book.rules, watermarks[partition].value or 0, CORE, book.moments)
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
        log[owner_partition(applied.identity_hash, partitions)].append(
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
