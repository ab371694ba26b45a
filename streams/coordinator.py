"""The flush coordinator: decides what is written when, so that a crash anywhere neither loses nor doubles anything.

A flush, in this order: (1) freeze what changed; (2) touchpoints; (3) frictions and their retractions; (4) dead letters
and alert intents, acknowledged by the broker; (5) sessions, journeys, effort, persons; (6) checkpoints; (7) acknowledge
the records in offset order. No step needs a rollback: whatever a crash leaves behind, the replay writes the same rows
with the same versions. Knows neither Faust nor Kafka.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import methodcaller
from typing import Final, NamedTuple, Protocol

import structlog

from processors.diff import FactKind, Retraction
from processors.person import StepResult
from processors.watermarks import Watermark
from schemas.alerts import AlertIntent
from schemas.log import DeadLetter, Position
from schemas.outputs import EffortPosting, Friction, Journey, Person, Session
from schemas.ticks import Tick
from schemas.touchpoint import AppliedTouchpoint
from sinks.clickhouse.records import Checkpoint
from sinks.clickhouse.rows import (
    PreparedBlock,
    checkpoint_block,
    effort_posting_block,
    friction_block,
    journey_block,
    person_block,
    session_block,
    touchpoint_block,
)
from streams.intents import intents_for
from streams.owner import Cold, Owner, PersonChanges
from streams.store import StorePort, refuse_nothing

_log = structlog.get_logger()
#: Persons woken in one flush, by partition: after a long pause deadlines of very many have passed at once.
_MOST_DUE: Final = 5_000


class OutboxPort(Protocol):
    """Where alert intents and dead letters go; returns when the broker has them."""

    async def send(self, intents: Sequence[AlertIntent], dead_letters: Sequence[DeadLetter]) -> None:
        """Send all of them."""


class Admitted(NamedTuple):
    """A touchpoint and the raw bytes that it came from, should the store refuse it."""

    applied: AppliedTouchpoint
    raw: bytes
    key: bytes | None


class Batch(NamedTuple):
    """What one chunk of a partition holds, in log order, ticks with their offset."""

    partition: int
    next_offset: int
    admitted: Sequence[Admitted]
    dead_letters: Sequence[DeadLetter]
    ticks: Sequence[tuple[int, Tick]]
    acknowledge: Callable[[], None]


class LogName(NamedTuple):
    """The log that is read: consumer group, topic, and which life of the topic."""

    group: str
    topic: str
    incarnation: str


class Counts:
    """What became of the records, since the worker began: every one is applied, a duplicate, or a dead letter."""

    __slots__ = ("applied", "dead", "duplicate", "late", "ticks")

    def __init__(self) -> None:
        self.applied = self.late = self.duplicate = self.dead = self.ticks = 0


class Coordinator:
    """Takes batches into the owner, and flushes. Not re-entrant: one call at a time."""

    def __init__(
        self,
        owner: Owner,
        store: StorePort,
        outbox: OutboxPort,
        log: LogName,
        *,
        alert_max_age_ms: int,
        wall_clock_ms: Callable[[], int],
    ) -> None:
        self._owner = owner
        self._store = store
        self._outbox = outbox
        self._log = log
        self._alert_max_age_ms = alert_max_age_ms
        self._wall_clock_ms = wall_clock_ms
        self._watermarks: dict[int, Watermark] = {}
        self._ticked_to: dict[int, int] = {}
        self._batches: list[Batch] = []
        self._touchpoints: list[Admitted] = []
        self._dead_letters: list[DeadLetter] = []
        self.counts = Counts()

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits for a flush: no records, and nobody whose deadline has passed."""
        return not self._batches and not self._owner.has_due(self._reached)

    @property
    def rows(self) -> int:
        """Touchpoints that wait for a flush."""
        return len(self._touchpoints)

    async def assign(self, partitions: Iterable[int]) -> dict[int, int]:
        """Own these partitions and no others, from where their checkpoints stand.

        Returns, by partition, the offset before which everything is durable.
        """
        self.revoke()
        checkpoints = {
            checkpoint.partition: checkpoint
            for checkpoint in await self._store.read(lambda reader: reader.load_checkpoints(self._log.group))
            if (checkpoint.topic, checkpoint.topic_incarnation) == (self._log.topic, self._log.incarnation)
        }
        for partition in partitions:
            self._owner.assign(partition, await self._store.read(methodcaller("load_deadlines", partition)))
            checkpoint = checkpoints.get(partition)
            self._ticked_to[partition] = checkpoint.next_offset if checkpoint else 0
            state = checkpoint.watermark_state if checkpoint else ""
            self._watermarks[partition] = Watermark.restore(state.encode()) if state else Watermark()
        return dict(self._ticked_to)

    def revoke(self) -> None:
        """Own nothing; what was not acknowledged is read again by whoever comes next."""
        self._owner.drop_all()
        self._watermarks.clear()
        self._ticked_to.clear()
        self._batches.clear()
        self._touchpoints.clear()
        self._dead_letters.clear()

    async def take(self, batch: Batch) -> None:
        """Union a batch into its persons; nothing is acknowledged before the next flush.

        Raises:
            RuntimeError: the partition is not assigned. Left out, the batch would be lost at the next acknowledgement.

        """
        watermark = self._watermarks.get(batch.partition)
        if watermark is None:
            raise RuntimeError(f"records of partition {batch.partition}, which is not assigned")
        owners = {admitted.applied.identity_hash for admitted in batch.admitted}
        tenants = {admitted.applied.identity_hash: admitted.applied.touchpoint.tenant for admitted in batch.admitted}
        await self._load(batch.partition, {key: tenants[key] for key in self._owner.missing(owners)})
        for admitted in batch.admitted:
            result = self._owner.apply(batch.partition, admitted.applied)
            if result is StepResult.DUPLICATE:
                self.counts.duplicate += 1
                if not self._owner.holds(admitted.applied):
                    continue
            else:
                self.counts.applied += 1
                self.counts.late += result.is_late
            self._touchpoints.append(admitted)
        for offset, tick in batch.ticks:
            self.counts.ticks += 1
            # A quiet tick adds to what the checkpoint already holds; replaying it would let time run twice.
            if offset >= self._ticked_to[batch.partition]:
                watermark.apply(tick)
                self._ticked_to[batch.partition] = offset + 1
        self.counts.dead += len(batch.dead_letters)
        self._dead_letters += batch.dead_letters
        self._batches.append(batch._replace(admitted=(), dead_letters=(), ticks=()))

    async def flush(self) -> None:
        """Make everything taken so far durable, then acknowledge it."""
        if self.is_idle:
            return
        watermarks = self._reached
        for partition, persons in self._owner.due(watermarks, _MOST_DUE).items():
            missing = self._owner.missing(persons)
            await self._load(partition, {key: persons[key] for key in missing})
            self._owner.wake(persons)

        changes = self._owner.freeze(watermarks)
        prefix = self._token_prefix()
        refused = await self._insert_touchpoints(prefix)
        if refused:
            await self._take_back(refused)
            changes = self._owner.freeze(watermarks)
        facts = _Facts(changes)
        await self._insert(facts.frictions(prefix))
        intents = intents_for(changes, watermarks, self._alert_max_age_ms)
        await self._outbox.send(intents, self._dead_letters)
        for block in (facts.sessions(prefix), facts.journeys(prefix), facts.postings(prefix), facts.persons(prefix)):
            await self._insert(block)
        await self._insert(checkpoint_block(self._checkpoints(watermarks), token_prefix=prefix))

        for batch in self._batches:
            batch.acknowledge()
        self._owner.published(changes)
        _log.debug("flushed", touchpoints=len(self._touchpoints), persons=len(changes), intents=len(intents))
        self._batches.clear()
        self._touchpoints.clear()
        self._dead_letters.clear()

    @property
    def _reached(self) -> dict[int, int | None]:
        return {partition: watermark.value for partition, watermark in self._watermarks.items()}

    async def _load(self, partition: int, tenants: Mapping[str, str]) -> None:
        if not tenants:
            return
        touchpoints = await self._store.read(lambda reader: reader.load_touchpoints(tenants))
        known = [key for key, found in touchpoints.items() if found]
        published = await self._store.read(lambda reader: reader.load_published(known)) if known else {}
        for key in known:
            facts = {FactKind(kind): tuple(ids) for kind, ids in published[key].items()}
            self._owner.load(partition, key, Cold(tenants[key], touchpoints[key], facts))

    async def _insert(self, block: PreparedBlock) -> None:
        refuse_nothing(block.table, await self._store.insert(block))

    async def _insert_touchpoints(self, prefix: str) -> list[Admitted]:
        """Write the touchpoints; returns those that can never be written."""
        ordered = sorted(self._touchpoints, key=lambda admitted: _story_order(admitted.applied))
        block = touchpoint_block([admitted.applied for admitted in ordered], token_prefix=prefix)
        refused = await self._store.insert(block)
        self._dead_letters += [_not_writable(ordered[row.index], row.reason) for row in refused]
        self.counts.applied -= len(refused)
        self.counts.dead += len(refused)
        return [ordered[row.index] for row in refused]

    async def _take_back(self, refused: Iterable[Admitted]) -> None:
        """Read their persons again: what is published must follow from what the store holds."""
        persons = {admitted.applied.identity_hash for admitted in refused}
        for partition, tenants in self._owner.forget(persons).items():
            await self._load(partition, tenants)
            self._owner.wake(tenants)

    @property
    def _next_offsets(self) -> list[tuple[int, int]]:
        reached: dict[int, int] = {}
        for batch in self._batches:
            reached[batch.partition] = max(batch.next_offset, reached.get(batch.partition, 0))
        return sorted(reached.items())

    def _token_prefix(self) -> str:
        places = ",".join(f"{partition}-{offset}" for partition, offset in self._next_offsets)
        return f"{self._log.topic}:{self._log.incarnation}:{places}"

    def _checkpoints(self, watermarks: Mapping[int, int | None]) -> list[Checkpoint]:
        return [
            Checkpoint(
                consumer_group=self._log.group,
                topic=self._log.topic,
                topic_incarnation=self._log.incarnation,
                partition=partition,
                next_offset=next_offset,
                watermark=watermarks[partition],
                watermark_state=self._watermarks[partition].snapshot().decode(),
                written_at=self._wall_clock_ms(),
            )
            for partition, next_offset in self._next_offsets
        ]


def _not_writable(admitted: Admitted, reason: str) -> DeadLetter:
    origin = admitted.applied
    return DeadLetter(
        stage="write",
        reason="not_writable",
        field=None,
        detail=reason,
        raw=admitted.raw,
        key=admitted.key,
        position=Position(origin.origin_topic, origin.origin_partition, origin.origin_offset),
        timestamp=origin.ingestion_time,
    )


def _story_order(applied: AppliedTouchpoint) -> tuple[str, str, int, str, str]:
    return (applied.touchpoint.tenant, applied.identity_hash, *applied.order)


class _Facts:
    """Changes by kind of fact, each with its version."""

    def __init__(self, changes: Iterable[PersonChanges]) -> None:
        self._sessions: list[tuple[Session, int]] = []
        self._journeys: list[tuple[Journey, int]] = []
        self._frictions: list[tuple[Friction, int]] = []
        self._postings: list[tuple[EffortPosting, int]] = []
        self._persons: list[tuple[Person, int, int]] = []
        self._retractions: dict[FactKind, list[tuple[Retraction, int]]] = {kind: [] for kind in FactKind}
        for change in changes:
            for fact in change.upserts:
                match fact:
                    case Session():
                        self._sessions.append((fact, change.version))
                    case Journey():
                        self._journeys.append((fact, change.version))
                    case Friction():
                        self._frictions.append((fact, change.version))
                    case EffortPosting():
                        self._postings.append((fact, change.version))
                    case Person():
                        self._persons.append((fact, change.version, change.partition))
            for retraction in change.retractions:
                self._retractions[retraction.kind].append((retraction, change.version))

    def sessions(self, prefix: str) -> PreparedBlock:
        return session_block(self._sessions, self._retractions[FactKind.SESSION], token_prefix=prefix)

    def journeys(self, prefix: str) -> PreparedBlock:
        return journey_block(self._journeys, self._retractions[FactKind.JOURNEY], token_prefix=prefix)

    def frictions(self, prefix: str) -> PreparedBlock:
        return friction_block(self._frictions, self._retractions[FactKind.FRICTION], token_prefix=prefix)

    def postings(self, prefix: str) -> PreparedBlock:
        return effort_posting_block(self._postings, self._retractions[FactKind.POSTING], token_prefix=prefix)

    def persons(self, prefix: str) -> PreparedBlock:
        return person_block(self._persons, self._retractions[FactKind.PERSON], token_prefix=prefix)
