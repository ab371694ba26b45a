"""The flush coordinator: decides what is written when, so that a crash anywhere neither loses nor doubles anything.

A flush, in this order: (1) touchpoints; (2) links between identities; (3) whose the identifiers are whose links
changed, and freeze what has to be said of persons; (4) frictions and their retractions; (5) alert intents, dead
letters, touchpoints for other owners and wakes, acknowledged by the broker; (6) sessions, journeys, effort, persons;
(7) deletions for people who asked to be forgotten; (8) checkpoints; (9) acknowledge the records in offset order.
No step needs a rollback: whatever a crash leaves behind, the replay writes what is missing. Knows neither Faust nor
Kafka.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from operator import methodcaller
from typing import Final, NamedTuple, Protocol

import structlog

from processors.diff import FactKind, Retraction
from processors.friction.book import Book
from processors.history import REFOLD_REQUESTED, is_too_late
from processors.identities import both, links_of
from processors.kinds import CONTROL_KINDS, ERASE_REQUESTED
from processors.person import StepResult
from processors.watermarks import Watermark
from schemas.alerts import AlertIntent
from schemas.erasure import ErasedIdentifier
from schemas.identity import IdentityLink, LinkKind, Wake, identifier_of
from schemas.log import DeadLetter, Position
from schemas.outputs import EffortPosting, Friction, Journey, Person, Session
from schemas.ticks import Tick
from schemas.touchpoint import AppliedTouchpoint, TouchpointKey
from sinks.clickhouse.records import Checkpoint
from sinks.clickhouse.rows import (
    PreparedBlock,
    checkpoint_block,
    effort_posting_block,
    friction_block,
    identifier_block,
    journey_block,
    link_block,
    person_block,
    session_block,
    touchpoint_block,
)
from streams.cold_persons import load_persons
from streams.erasures import Erasures
from streams.identities import Identities, Standing
from streams.intents import intents_for
from streams.owner import Cold, Owner, PersonChanges
from streams.store import StorePort, refuse_nothing

_log = structlog.get_logger()
_ALL_KINDS: Final = frozenset(LinkKind)
#: Persons woken in one flush, by partition: after a long pause deadlines of very many have passed at once.
_MOST_DUE: Final = 5_000
#: Seconds between two questions whether the group still counts on this worker.
_ASK_AGAIN_S: Final = 0.1
#: From a placeholder to another, to an identifier, to its person: more means that the rows are changing meanwhile.
_MOST_HOPS: Final = 5


class Admitted(NamedTuple):
    """A touchpoint and the raw bytes that it came from, should the store refuse it or another owner need it."""

    applied: AppliedTouchpoint
    raw: bytes
    key: bytes | None


class Forward(NamedTuple):
    """A touchpoint, durable already, on its way to the person whom it belongs to.

    `to` is the identifier whose owner is to look at it; `hops` how often it has been sent on.
    """

    admitted: Admitted
    to: str
    hops: int = 1


class News(NamedTuple):
    """What a flush has to tell others."""

    intents: Sequence[AlertIntent]
    dead_letters: Sequence[DeadLetter]
    forwards: Sequence[Forward]
    wakes: Sequence[Wake]
    misplaced: Sequence[Admitted] = ()
    #: How far event time has come, for all owners: after the touchpoints that it speaks of.
    tick: Tick | None = None


class OutboxPort(Protocol):
    """Where a flush sends what others need; returns when the broker has it."""

    async def send(self, news: News) -> None:
        """Send all of it."""


class Batch(NamedTuple):
    """What one chunk of a partition holds, in log order, ticks with their offset.

    One that `is_raw` comes from the raw topic; what is `misplaced` there belongs to the owner of another partition.
    """

    partition: int
    next_offset: int
    admitted: Sequence[Admitted]
    dead_letters: Sequence[DeadLetter]
    ticks: Sequence[tuple[int, Tick]]
    acknowledge: Callable[[], None]
    forwarded: Sequence[Forward] = ()
    wakes: Sequence[Wake] = ()
    is_raw: bool = False
    misplaced: Sequence[Admitted] = ()


class Unfinished(NamedTuple):
    """What a flush may have written that did not come to its end.

    `rewritten` are identifiers of which something is said in rows that have versions, with their tenants; `named` those
    that rows name in whatever way; `requests` those to forget people.
    """

    rewritten: Mapping[str, str]
    named: frozenset[str]
    requests: Sequence[TouchpointKey]


class LogName(NamedTuple):
    """The log that is read: consumer group, topic, and which life of the topic."""

    group: str
    topic: str
    incarnation: str


class Counts:
    """What became of the records, since the worker began.

    Every touchpoint is applied, a duplicate, a dead letter, a statement about people (`control`), `too_late` to be
    judged unless somebody asks, `forwarded` to another owner, who counts it too, `misplaced` in the raw topic and sent
    to its owner, who counts it too, or `refused` because the person asked to be forgotten. `superseded` were forwarded
    here for a person who did not hold them, as far as was known: they are read from the store.
    """

    __slots__ = (
        "applied",
        "control",
        "dead",
        "duplicate",
        "forwarded",
        "late",
        "misplaced",
        "refused",
        "superseded",
        "ticks",
        "too_late",
        "wakes",
    )

    def __init__(self) -> None:
        self.applied = self.late = self.duplicate = self.dead = self.ticks = 0
        self.control = self.forwarded = self.misplaced = self.refused = self.superseded = 0
        self.too_late = self.wakes = 0


class Coordinator:
    """Takes batches into the owner, and flushes. Not re-entrant: one call at a time."""

    def __init__(
        self,
        owner: Owner,
        identities: Identities,
        store: StorePort,
        outbox: OutboxPort,
        log: LogName,
        *,
        alert_max_age_ms: int,
        wall_clock_ms: Callable[[], int],
        is_member: Callable[[], bool],
        raw: LogName | None = None,
        tell_time: Callable[[], Tick | None] = lambda: None,
    ) -> None:
        """`raw` is the log of touchpoints as producers send them, where it is read too.

        `tell_time` says how far event time has come in it, by what was taken.
        """
        self._owner = owner
        self._identities = identities
        self._store = store
        self._outbox = outbox
        self._log = log
        self._raw = raw
        self._tell_time = tell_time
        self._alert_max_age_ms = alert_max_age_ms
        self._wall_clock_ms = wall_clock_ms
        self._is_member = is_member
        self._moments: tuple[int, ...] = ()
        self._watermarks: dict[int, Watermark] = {}
        self._ticked_to: dict[int, int] = {}
        self._batches: list[Batch] = []
        self._touchpoints: list[Admitted] = []
        self._misplaced: list[Admitted] = []
        self._dead_letters: list[DeadLetter] = []
        self._forwards: list[Forward] = []
        #: With the touchpoint that told it.
        self._links: dict[IdentityLink, TouchpointKey] = {}
        #: Links that others had told already, some of whom may turn out to be no rows.
        self._told_again: list[tuple[IdentityLink, TouchpointKey]] = []
        self._woken: dict[int, dict[Wake, None]] = {}
        self._erasures = Erasures(store, identities, wall_clock_ms)
        #: Of each person the touchpoint that was taken last, which may be why frictions are withdrawn.
        self._arrivals: dict[str, AppliedTouchpoint] = {}
        #: Identifiers that the rows of this flush name.
        self._named: set[str] = set()
        #: Of the flush in hand: whether it may have written anything, and of whom it says something, with tenants.
        self._has_written = False
        self._rewritten: dict[str, str] = {}
        self.counts = Counts()
        #: Identifiers that were asked for: known in `memory`, read from the `store`, or `new`.
        self.lookups = dict.fromkeys(("memory", "store", "new"), 0)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits for a flush: no records, and nobody whose deadline has passed."""
        return not self._batches and not self._owner.has_due(self.watermarks)

    @property
    def holds_records(self) -> bool:
        """Whether records wait for a flush."""
        return bool(self._batches)

    @property
    def rows(self) -> int:
        """Touchpoints that wait for a flush."""
        return len(self._touchpoints) + len(self._misplaced)

    @property
    def persons(self) -> int:
        """Persons in memory."""
        return len(self._owner)

    @property
    def person_touchpoints(self) -> int:
        """Touchpoints of all persons in memory."""
        return self._owner.touchpoints

    @property
    def watermarks(self) -> dict[int, int | None]:
        """Partition to the event time that it has reached (UTC ms), `None` before the first event."""
        return {partition: watermark.value for partition, watermark in self._watermarks.copy().items()}

    async def assign(self, partitions: Collection[int]) -> dict[tuple[str, int], int]:
        """Own these partitions and no others, from where their checkpoints stand.

        Returns, by topic and partition, the offset before which everything is durable.
        """
        self.revoke()
        logs = [self._log] if self._raw is None else [self._log, self._raw]
        lives = {log.topic: log.incarnation for log in logs}
        durable = {(topic, partition): 0 for topic in lives for partition in partitions}
        checkpoints = {}
        for checkpoint in await self._store.read(lambda reader: reader.load_checkpoints(self._log.group)):
            place = checkpoint.topic, checkpoint.partition
            if lives.get(checkpoint.topic) == checkpoint.topic_incarnation and place in durable:
                checkpoints[place], durable[place] = checkpoint, checkpoint.next_offset
        for partition in partitions:
            self._owner.assign(partition, await self._store.read(methodcaller("load_deadlines", partition)))
            await self._hasten(partition)
            own = checkpoints.get((self._log.topic, partition))
            self._ticked_to[partition] = own.next_offset if own else 0
            state = own.watermark_state if own else ""
            self._watermarks[partition] = Watermark.restore(state.encode()) if state else Watermark()
        return durable

    async def use(self, book: Book) -> None:
        """Judge by these rules from the next flush on, also those who were judged before and whom they concern."""
        self._owner.use(book.rules, book.moments)
        self._moments = book.moments
        for partition in self._watermarks:
            await self._hasten(partition)

    async def _hasten(self, partition: int) -> None:
        if self._moments:
            self._owner.hasten(
                partition, await self._store.read(methodcaller("load_outdated", partition, self._moments))
            )

    def revoke(self) -> Unfinished | None:
        """Own nothing; what was not acknowledged is read again by whoever comes next.

        Returns what there is to make up for: what the flush in hand wrote may come after what the next owner writes.
        """
        unfinished = None
        if self._has_written:
            unfinished = Unfinished(self._rewritten.copy(), frozenset(self._named), self._erasures.requests)
        self._owner.drop_all()
        self._identities.clear()
        self._watermarks.clear()
        self._ticked_to.clear()
        self._clear()
        return unfinished

    async def make_up_for(self, unfinished: Unfinished) -> None:
        """Have the owners of all whom an unfinished flush may have spoilt read them again."""
        wakes = [Wake(tenant, identifier, is_first=False) for identifier, tenant in unfinished.rewritten.items()]
        await self._outbox.send(News((), (), (), wakes))
        erased = await self._erasures.noted(unfinished.requests) + await self._erasures.learn(unfinished.named)
        wakes = [Wake(one.tenant, one.identifier, is_first=False) for one in erased]
        await self._outbox.send(News((), (), (), wakes))

    def _clear(self) -> None:
        self._batches.clear()
        self._touchpoints.clear()
        self._misplaced.clear()
        self._dead_letters.clear()
        self._forwards.clear()
        self._links.clear()
        self._told_again.clear()
        self._woken.clear()
        self._arrivals.clear()
        self._erasures.clear()
        self._named.clear()
        self._has_written = False
        self._rewritten.clear()

    async def take(self, *batches: Batch) -> None:
        """Union batches into their persons, in this order; nothing is acknowledged before the next flush.

        Raises:
            RuntimeError: a partition is not assigned. Left out, a batch would be lost at the next acknowledgement.

        """
        tenants: dict[int, dict[str, str]] = {}
        texts: set[str] = set()
        for batch in batches:
            if batch.partition not in self._watermarks:
                raise RuntimeError(f"records of partition {batch.partition}, which is not assigned")
            arrived = [admitted.applied for admitted in batch.admitted]
            named = tenants.setdefault(batch.partition, {})
            named |= {applied.identity_hash: applied.touchpoint.tenant for applied in arrived}
            named |= {forward.to: forward.admitted.applied.touchpoint.tenant for forward in batch.forwarded}
            arrived += [forward.admitted.applied for forward in batch.forwarded]
            # Once for each text that comes, which are far fewer than touchpoints.
            texts.update(*(applied.touchpoint.identities for applied in arrived))
            texts.update(*(applied.rotated for applied in arrived if applied.rotated))
        await self._erasures.learn(
            {one for named in tenants.values() for one in named} | set(map(identifier_of, texts))
        )
        await self._load(tenants)
        for batch in batches:
            self._take_batch(batch)

    def _take_batch(self, batch: Batch) -> None:
        for admitted in batch.admitted:
            self._take(batch.partition, admitted)
        for forward in batch.forwarded:
            self._take_forwarded(batch.partition, forward)
        self.counts.wakes += len(batch.wakes)
        if batch.wakes:
            self._woken.setdefault(batch.partition, {}).update(dict.fromkeys(batch.wakes))
        watermark = self._watermarks[batch.partition]
        for offset, tick in batch.ticks:
            self.counts.ticks += 1
            # A quiet tick adds to what the checkpoint already holds; replaying it would let time run twice.
            if offset >= self._ticked_to[batch.partition]:
                watermark.apply(tick)
                self._ticked_to[batch.partition] = offset + 1
        self.counts.dead += len(batch.dead_letters)
        self._dead_letters += batch.dead_letters
        self.counts.misplaced += len(batch.misplaced)
        self._misplaced += batch.misplaced
        self._batches.append(
            batch._replace(admitted=(), dead_letters=(), ticks=(), forwarded=(), wakes=(), misplaced=())
        )

    def _take(self, partition: int, admitted: Admitted) -> None:
        came = admitted.applied
        kind = came.touchpoint.kind
        if kind == ERASE_REQUESTED:
            self.counts.control += 1
            self._erasures.note_request(came)
            return
        applied = self._erasures.left_of(came)
        if applied is None:
            self.counts.refused += 1
            # Before the request came it may have told, of identities of others, which hashes they had.
            self._take_links(came, {LinkKind.ROTATED})
            return
        if applied is not came:
            admitted = admitted._replace(applied=applied)
        identities = applied.touchpoint.identities
        self._named.update(map(identifier_of, identities))
        if len(identities) > 1 or applied.rotated:
            self._take_links(applied, _ALL_KINDS)
        if kind in CONTROL_KINDS:
            self.counts.control += 1
            self._touchpoints.append(admitted)
            if kind == REFOLD_REQUESTED:
                self._wake(partition, applied.touchpoint.tenant, applied.identity_hash)
            return
        if is_too_late(applied, self._owner.settings.history_horizon_ms):
            self.counts.too_late += 1
            self._touchpoints.append(admitted)
            # Somebody may have asked for it already: by append time, which partitions of the raw topic differ in.
            self._wake(partition, applied.touchpoint.tenant, applied.identity_hash)
            return
        here = applied.identity_hash
        to = self._identities.route(applied, here, is_forwarded=False)
        if to != here:
            self.counts.forwarded += 1
            self._touchpoints.append(admitted)
            self._forwards.append(Forward(admitted, to))
        elif self._apply(partition, here, applied):
            self._touchpoints.append(admitted)

    def _take_links(self, applied: AppliedTouchpoint, kinds: AbstractSet[LinkKind]) -> None:
        for link in links_of(applied):
            ends = {identifier_of(link.identity), identifier_of(link.other)}
            if link.kind in kinds and not any(end in self._erasures for end in ends):
                self._named |= ends
                self._take_link(link, applied.key)

    def _take_link(self, link: IdentityLink, key: TouchpointKey) -> None:
        if self._identities.is_news(link) and link not in self._links:
            self._identities.note(link)
            self._links[link] = key
        else:
            self._told_again.append((link, key))

    def _take_forwarded(self, partition: int, forward: Forward) -> None:
        """A touchpoint that is not this person's is somebody's who is woken after it became durable, and reads it.

        Or this person's after all, who was read before something was known: the touchpoint is durable, so is that.
        """
        applied, here = self._erasures.left_of(forward.admitted.applied), forward.to
        if applied is None or here in self._erasures:
            self.counts.refused += 1
            if here in self._erasures:
                # It is durable under a placeholder, whose owner did not know yet.
                wake = Wake(forward.admitted.applied.touchpoint.tenant, here, is_first=False)
                self._woken.setdefault(partition, {})[wake] = None
            return
        forward = forward._replace(admitted=forward.admitted._replace(applied=applied))
        to = self._identities.route(applied, here, is_forwarded=True)
        if to != here and forward.hops < _MOST_HOPS:
            self.counts.forwarded += 1
            self._forwards.append(forward._replace(to=to, hops=forward.hops + 1))
        elif to == here and here in self._owner and self._owner.is_home_of(here, applied):
            self._apply(partition, here, applied)
        else:
            self.counts.superseded += 1
            self._wake(partition, applied.touchpoint.tenant, here)

    def _wake(self, partition: int, tenant: str, identifier: str) -> None:
        """Have somebody of this partition read again in this flush."""
        self._woken.setdefault(partition, {})[Wake(tenant, identifier, is_first=False)] = None

    def _apply(self, partition: int, person_key: str, applied: AppliedTouchpoint) -> bool:
        """Whether the touchpoint has to be written: it is new, or the copy that counts."""
        result = self._owner.apply(partition, person_key, applied)
        if result is StepResult.DUPLICATE:
            self.counts.duplicate += 1
            return self._owner.holds(person_key, applied)
        self._arrivals[person_key] = applied
        self.counts.applied += 1
        self.counts.late += result.is_late
        return True

    async def flush(self) -> None:
        """Make everything taken so far durable, then acknowledge it."""
        if self.is_idle:
            return
        watermarks = self.watermarks
        due = self._owner.due(watermarks, _MOST_DUE)
        await self._load(due)
        for persons in due.values():
            self._owner.wake(persons)

        prefix = self._token_prefix()
        refused = await self._insert_touchpoints(prefix)
        if refused:
            await self._take_back(refused)
        erased = await self._forget_erased()
        wakes = await self._restitch(prefix)
        wakes += await self._identities.around({one.identifier: one.tenant for one in erased})
        changes = self._owner.freeze(watermarks)
        facts = _Facts(changes)
        self._named |= facts.identifiers
        self._rewritten |= {change.person_key: change.tenant for change in changes}
        await self._insert(facts.frictions(prefix))
        intents = intents_for(changes, watermarks, self._alert_max_age_ms, self._arrivals)
        intents += await self._erasures.withdraw_alerts(erased)
        await self._as_member()
        # Read last: it speaks of what this flush took, which is durable by now or goes before it.
        tick = self._tell_time()
        await self._outbox.send(
            News(intents, self._dead_letters, self._forwards, sorted(set(wakes)), self._misplaced, tick)
        )
        for block in (facts.sessions(prefix), facts.journeys(prefix), facts.postings(prefix), facts.persons(prefix)):
            await self._insert(block)
        await self._erase(erased, prefix)
        await self._insert(checkpoint_block(self._checkpoints(watermarks), token_prefix=prefix))

        # All of it was written by a member then: whoever comes next reads it.
        await self._as_member()
        for batch in self._batches:
            batch.acknowledge()
        self._owner.published(changes)
        self._identities.let_go(self._owner.__contains__)
        _log.debug("flushed", touchpoints=len(self._touchpoints), persons=len(changes), intents=len(intents))
        self._clear()

    async def _load(self, tenants: Mapping[int, Mapping[str, str]]) -> None:
        """Have in memory what is known of identifiers, by partition: whose they are, and who is a person of their own.

        `tenants` is partition to identifier to tenant.
        """
        missing: dict[str, str] = {}
        partitions: dict[str, int] = {}
        for partition, named in tenants.items():
            for identifier, tenant in named.items():
                if (
                    identifier not in self._owner
                    and identifier not in self._erasures
                    and not self._identities.is_elsewhere(identifier)
                ):
                    missing[identifier] = tenant
                    partitions[identifier] = partition
        self.lookups["memory"] += sum(map(len, tenants.values())) - len(missing)
        if missing:
            standings = await self._identities.look_up(missing)
            persons = [standing for standing in standings if standing.person_key == standing.identifier]
            found = await self._read(persons)
            for person_key, cold in found.items():
                self._owner.load(partitions[person_key], person_key, cold)
            new = len(persons) - len(found)
            self.lookups["store"] += len(missing) - new
            self.lookups["new"] += new

    async def _read(self, standings: Iterable[Standing]) -> dict[str, Cold]:
        return await load_persons(self._store, standings, self._owner.settings.history_horizon_ms)

    async def _forget_erased(self) -> list[ErasedIdentifier]:
        """Drop those of the woken who are erased from memory; nobody decides about them any more."""
        woken = {wake.identifier for wakes in self._woken.values() for wake in wakes}
        erased = await self._erasures.learn(woken)
        keys = [one.identifier for one in erased]
        self._owner.forget(keys)
        self._identities.forget(keys)
        return erased

    async def _erase(self, erased: Sequence[ErasedIdentifier], prefix: str) -> None:
        """Delete everything of erased identifiers; wake the owners of those whom this flush named all the same."""
        if erased:
            await self._as_member()
            await self._erasures.erase(erased, prefix)
        late = await self._erasures.learn(self._named)
        if late:
            wakes = [Wake(one.tenant, one.identifier, is_first=False) for one in late]
            await self._outbox.send(News((), (), (), wakes))

    async def _restitch(self, prefix: str) -> list[Wake]:
        """Write new links, decide anew whose the woken identifiers are, and read their persons again.

        Returns whom to wake: everybody whom the new links may concern, and who takes over from a woken one.
        """
        await self._insert(link_block([end for link in self._links for end in both(link)], token_prefix=prefix))
        wakes = await self._identities.affected_by(list(self._links))
        await self._as_member()
        wakes += await self._erasures.obey(prefix)
        for partition, all_woken in self._woken.items():
            woken = [wake for wake in all_woken if wake.identifier not in self._erasures]
            standings, successors, placeholders = await self._identities.decide(woken)
            rows = [standing.row for standing in standings if standing.row is not None and standing.is_news]
            for row in rows:
                self._named |= {row.identifier, row.person_key, *map(identifier_of, row.refused)}
                self._rewritten[row.identifier] = row.tenant
            await self._insert(identifier_block(rows, token_prefix=prefix))
            keys = [standing.identifier for standing in standings]
            self._owner.forget(keys)
            for person_key, cold in (await self._read(standings)).items():
                self._owner.load(partition, person_key, cold)
            self._owner.wake(keys)
            wakes += [*successors, *await self._identities.parted_by(placeholders)]
        return wakes

    async def _as_member(self) -> None:
        """Return when the group counts on this worker, by what it last heard: before every write, and after the last.

        Somebody who is no member any more waits here until the partitions are taken away.
        """
        while not self._is_member():  # noqa: ASYNC110 - nobody tells when it is
            await asyncio.sleep(_ASK_AGAIN_S)
        self._has_written = True

    async def _insert(self, block: PreparedBlock) -> None:
        await self._as_member()
        refuse_nothing(block.table, await self._store.insert(block))

    async def _insert_touchpoints(self, prefix: str) -> list[Admitted]:
        """Write the touchpoints; returns those that can never be written."""
        ordered = sorted(self._touchpoints, key=lambda admitted: _story_order(admitted.applied))
        block = touchpoint_block([admitted.applied for admitted in ordered], token_prefix=prefix)
        await self._as_member()
        refused = await self._store.insert(block)
        self._dead_letters += [_not_writable(ordered[row.index], row.reason) for row in refused]
        self.counts.dead += len(refused)
        gone = [ordered[row.index] for row in refused]
        if gone:
            self.counts.applied -= len(gone)
            keys = {admitted.applied.key for admitted in gone}
            self._forwards = [forward for forward in self._forwards if forward.admitted.applied.key not in keys]
            for link in [link for link, key in self._links.items() if key in keys]:
                self._identities.take_back(link)
                del self._links[link]
            told_again, self._told_again = self._told_again, []
            for link, key in told_again:
                if key not in keys:
                    self._take_link(link, key)
        return gone

    async def _take_back(self, refused: Iterable[Admitted]) -> None:
        """Read their persons again: what is published must follow from what the store holds."""
        persons = {admitted.applied.identity_hash for admitted in refused}
        forgotten = self._owner.forget(persons)
        await self._load(forgotten)
        for tenants in forgotten.values():
            self._owner.wake(tenants)

    def _next_offsets(self, *, is_raw: bool) -> list[tuple[int, int]]:
        reached: dict[int, int] = {}
        for batch in self._batches:
            if batch.is_raw is is_raw:
                reached[batch.partition] = max(batch.next_offset, reached.get(batch.partition, 0))
        return sorted(reached.items())

    def _token_prefix(self) -> str:
        prefix = _places(self._log, self._next_offsets(is_raw=False))
        raw = self._next_offsets(is_raw=True)
        return f"{prefix}+{_places(self._raw, raw)}" if self._raw is not None and raw else prefix

    def _checkpoints(self, watermarks: Mapping[int, int | None]) -> list[Checkpoint]:
        """What the tables hold now. Time is told in the keyed log: only there it belongs to an offset."""
        found = [
            self._checkpoint(
                self._log, partition, offset, watermarks[partition], self._watermarks[partition].snapshot().decode()
            )
            for partition, offset in self._next_offsets(is_raw=False)
        ]
        if self._raw is not None:
            found += [self._checkpoint(self._raw, *place, None, "") for place in self._next_offsets(is_raw=True)]
        return found

    def _checkpoint(
        self, log: LogName, partition: int, next_offset: int, watermark: int | None, watermark_state: str
    ) -> Checkpoint:
        return Checkpoint(
            consumer_group=log.group,
            topic=log.topic,
            topic_incarnation=log.incarnation,
            partition=partition,
            next_offset=next_offset,
            watermark=watermark,
            watermark_state=watermark_state,
            written_at=self._wall_clock_ms(),
        )


def _places(log: LogName, offsets: Iterable[tuple[int, int]]) -> str:
    places = ",".join(f"{partition}-{offset}" for partition, offset in offsets)
    return f"{log.topic}:{log.incarnation}:{places}"


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
    touchpoint = applied.touchpoint
    return (touchpoint.tenant, applied.identity_hash, applied.event_time, touchpoint.source, touchpoint.id)


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
            for fact, version in change.upserts:
                match fact:
                    case Session():
                        self._sessions.append((fact, version))
                    case Person():
                        self._persons.append((fact, version, change.partition))
                    case Journey():
                        self._journeys.append((fact, version))
                    case Friction():
                        self._frictions.append((fact, version))
                    case EffortPosting():
                        self._postings.append((fact, version))
            for retraction, version in change.retractions:
                self._retractions[retraction.kind].append((retraction, version))

    @property
    def identifiers(self) -> set[str]:
        """Identifiers of which something is said."""
        return {
            identifier
            for person, _, _ in self._persons
            for identifier in (person.person_key, person.merged_into, *person.identifiers)
            if identifier
        }

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
