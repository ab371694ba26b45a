"""The owner: holds the persons of its partitions in memory and turns touchpoints into changes to write.

No I/O and no clock in here: what is missing is asked for, what has to be written is handed out, and it counts as
published only when the shell says that it is durable.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from processors.diff import (
    NOTHING_PUBLISHED,
    FactKind,
    Judgement,
    Published,
    Retraction,
    diff,
    fact_id,
    kind_of,
    published_after,
)
from processors.friction.finding import FrictionRule
from processors.identifiers import anchor_epoch_of, anchored, pack_version
from processors.membership import Membership
from processors.person import PersonState, StepResult, judge, restore, step
from processors.settings import CoreSettings
from schemas.outputs import Fact, Person
from schemas.touchpoint import AppliedTouchpoint
from streams.deadlines import Deadlines

_AnchorEpochs = Mapping[FactKind, Mapping[str, int]]


class Cold(NamedTuple):
    """What the store knows of a person: touchpoints, and versions of published facts by kind and id.

    `floor` is the highest version that any of the person's rows has, but for how often its anchor changed hands.

    `membership` is `None` for one identifier that never met another. `merged_into` is set for somebody who is not a
    person of their own any more: then there are no touchpoints, and what is published has to go.
    """

    tenant: str
    touchpoints: Iterable[AppliedTouchpoint]
    published: Mapping[FactKind, Mapping[str, int]]
    membership: Membership | None = None
    merged_into: str | None = None
    floor: int = 0


class PersonChanges(NamedTuple):
    """What has to be written for one person so that the store says what holds now, each fact with its version.

    `judgement` is `None` for somebody of whom nothing is left.
    """

    partition: int
    tenant: str
    person_key: str
    upserts: list[tuple[Fact, int]]
    retractions: list[tuple[Retraction, int]]
    judgement: Judgement | None


class _Held:
    __slots__ = ("anchor_epochs", "floor", "merged_into", "partition", "published", "state")

    def __init__(self, partition: int, state: PersonState) -> None:
        self.partition = partition
        self.state = state
        self.published: Published = NOTHING_PUBLISHED
        self.anchor_epochs: _AnchorEpochs = {}
        self.merged_into: str | None = None
        self.floor = 0

    def published_anchor(self, kind: FactKind, id_: str) -> int:
        """Anchor epoch under which a fact was published."""
        return self.anchor_epochs.get(kind, {}).get(id_, 0)


class Owner:
    """Persons of the assigned partitions, the least recently touched of them only in the store.

    At most `max_persons` are held, and at most `max_touchpoints` of all of them together, once they are published.
    """

    def __init__(
        self, rules: tuple[FrictionRule, ...], settings: CoreSettings, max_persons: int, max_touchpoints: int
    ) -> None:
        self._rules = rules
        self._moments: tuple[int, ...] = ()
        self._settings = settings
        self._max_persons = max_persons
        self._max_touchpoints = max_touchpoints
        self._touchpoints = 0
        self._persons: OrderedDict[str, _Held] = OrderedDict()
        self._dirty: dict[str, None] = {}
        self._deadlines: dict[int, Deadlines] = {}

    @property
    def settings(self) -> CoreSettings:
        """Settings of the core."""
        return self._settings

    def __contains__(self, person_key: str) -> bool:
        return person_key in self._persons

    def __len__(self) -> int:
        return len(self._persons)

    def assign(self, partition: int, deadlines: Iterable[tuple[int, str, str]]) -> None:
        """Own a partition from now on; `deadlines` are (event time, tenant, person_key) that are still open."""
        self._deadlines[partition] = Deadlines(deadlines)

    def drop_all(self) -> None:
        """Own nothing any more, and forget everything."""
        for held in self._persons.values():
            held.state.let_go()
        self._persons.clear()
        self._touchpoints = 0
        self._dirty.clear()
        self._deadlines.clear()

    def use(self, rules: tuple[FrictionRule, ...], moments: tuple[int, ...]) -> None:
        """Judge by these rules from the next flush on; `moments` are those from which on changes to them hold."""
        self._rules, self._moments = rules, moments

    def hasten(self, partition: int, persons: Mapping[str, str]) -> None:
        """Have persons of a partition (person_key to tenant) judged as soon as there is time in it."""
        for key, tenant in persons.items():
            self._deadlines[partition].set(tenant, key, 0)

    @property
    def touchpoints(self) -> int:
        """Touchpoints held in memory."""
        return self._touchpoints

    def load(self, partition: int, person_key: str, cold: Cold) -> None:
        """Take a person from the store. What is published is known by id only, so it is written anew at the next flush.

        That repairs what a crash between two inserts left behind.
        """
        state = restore(cold.tenant, person_key, cold.touchpoints, membership=cold.membership)
        held = self._persons[person_key] = _Held(partition, state)
        self._touchpoints += len(state)
        if any(cold.published.values()):
            held.published = {kind: dict.fromkeys(ids) for kind, ids in cold.published.items()}
            held.anchor_epochs = {
                kind: {id_: epoch for id_, version in ids.items() if (epoch := anchor_epoch_of(version))}
                for kind, ids in cold.published.items()
            }
        held.merged_into = cold.merged_into
        held.floor = cold.floor

    def is_home_of(self, person_key: str, applied: AppliedTouchpoint) -> bool:
        """Whether a touchpoint belongs to a person who is in memory."""
        return self._persons[person_key].state.is_home_of(applied)

    def apply(self, partition: int, key: str, applied: AppliedTouchpoint) -> StepResult:
        """Take a touchpoint of the person with this key, who is in memory or new; they are judged at the next flush.

        A replayed touchpoint marks its person too: applied is not the same as delivered.
        """
        held = self._persons.get(key)
        if held is None:
            held = self._persons[key] = _Held(partition, PersonState(applied.touchpoint.tenant, key))
        else:
            self._persons.move_to_end(key)
        self._dirty[key] = None
        result = step(held.state, applied)
        self._touchpoints += result is not StepResult.DUPLICATE
        return result

    def holds(self, person_key: str, applied: AppliedTouchpoint) -> bool:
        """Whether this very copy of a touchpoint counts, not another one with the same key."""
        held = self._persons.get(person_key)
        return held is not None and held.state.holds(applied)

    def has_due(self, watermarks: Mapping[int, int | None]) -> bool:
        """Whether somebody has a deadline that the watermark has reached."""
        return any(deadlines.has_due(watermark) for _, deadlines, watermark in self._told(watermarks))

    def due(self, watermarks: Mapping[int, int | None], at_most: int) -> dict[int, dict[str, str]]:
        """Persons with a deadline that the watermark has reached: partition to person_key to tenant.

        At most so many per partition; the others stay due. They count as marked: load those that are `missing`, then
        call `wake`.
        """
        found: dict[int, dict[str, str]] = {}
        for partition, deadlines, watermark in self._told(watermarks):
            taken = deadlines.take_due(watermark, at_most)
            if taken:
                found[partition] = {due.person_key: due.tenant for due in taken}
        return found

    def wake(self, person_keys: Iterable[str]) -> None:
        """Have persons who are in memory judged at the next flush."""
        for key in person_keys:
            if key in self._persons:
                self._dirty[key] = None

    def forget(self, person_keys: Iterable[str]) -> dict[int, dict[str, str]]:
        """Drop persons from memory as if never seen: partition to person_key to tenant of those who were there."""
        dropped: dict[int, dict[str, str]] = {}
        for key in person_keys:
            self._dirty.pop(key, None)
            held = self._persons.pop(key, None)
            if held is not None:
                self._touchpoints -= len(held.state)
                held.state.let_go()
                dropped.setdefault(held.partition, {})[key] = held.state.tenant
        return dropped

    def freeze(self, watermarks: Mapping[int, int | None]) -> list[PersonChanges]:
        """Judge everybody who may have changed; what differs from the store, sorted by partition and person."""
        changes = [self._changes(key, self._persons[key], watermarks) for key in self._dirty]
        changes.sort(key=lambda change: (change.partition, change.person_key))
        return changes

    def _changes(self, key: str, held: _Held, watermarks: Mapping[int, int | None]) -> PersonChanges:
        if not len(held.state):
            return _farewell(key, held)
        watermark = watermarks.get(held.partition)
        judgement = self._judged(held.state, watermark)
        if judgement.version < held.floor:
            # Somebody wrote of another set of touchpoints or at a later time, whose rows must not outlast these.
            held.state.rise_above(held.floor)
            judgement = self._judged(held.state, watermark)
        upserts, retractions = diff(held.published, judgement)
        version, epochs = judgement.version, judgement.anchor_epochs
        return PersonChanges(
            held.partition,
            held.state.tenant,
            key,
            [(fact, version) for fact in upserts]
            if not epochs
            else [(fact, anchored(version, epochs[kind_of(fact)].get(fact_id(fact), 0))) for fact in upserts],
            [
                (retraction, anchored(version, held.published_anchor(retraction.kind, retraction.id)))
                for retraction in retractions
            ],
            judgement,
        )

    def _judged(self, state: PersonState, watermark: int | None) -> Judgement:
        return judge(state, self._rules, 0 if watermark is None else watermark, self._settings, self._moments)

    def published(self, changes: Iterable[PersonChanges]) -> None:
        """Changes are durable: remember what the store says now, when to judge again, and let go of who is too many."""
        for change in changes:
            key = change.person_key
            held = self._persons.get(key)
            if held is None:
                continue
            self._dirty.pop(key, None)
            if change.judgement is None:
                self._deadlines[held.partition].set(change.tenant, key, None)
                del self._persons[key]
                continue
            held.published = published_after(change.judgement)
            held.anchor_epochs = change.judgement.anchor_epochs
            self._deadlines[held.partition].set(change.tenant, key, change.judgement.wake_at)
        while len(self._persons) > self._max_persons or self._touchpoints > self._max_touchpoints:
            key, held = next(iter(self._persons.items()))
            if key in self._dirty:
                break
            self._touchpoints -= len(held.state)
            held.state.let_go()
            del self._persons[key]

    def _told(self, watermarks: Mapping[int, int | None]) -> Iterator[tuple[int, Deadlines, int]]:
        """Partitions whose time is known: number, deadlines, watermark."""
        for partition, deadlines in self._deadlines.items():
            watermark = watermarks.get(partition)
            if watermark is not None:
                yield partition, deadlines, watermark


def _farewell(key: str, held: _Held) -> PersonChanges:
    """Everything of somebody of whom no touchpoint is left is withdrawn; who was merged stays known as such."""
    state = held.state
    version = pack_version(state.epoch, 0, 0)
    upserts: list[tuple[Fact, int]] = []
    if held.merged_into is not None and held.published[FactKind.PERSON]:
        epochs = {} if state.membership is None else state.membership.epochs
        upserts.append((_merged(state, held.merged_into), anchored(version, epochs.get(key, 0))))
    retractions = [
        (Retraction(kind, id_, state.tenant, key), anchored(version, held.published_anchor(kind, id_)))
        for kind, ids in held.published.items()
        if kind is not FactKind.PERSON or not upserts
        for id_ in sorted(ids)
    ]
    return PersonChanges(held.partition, state.tenant, key, upserts, retractions, None)


def _merged(state: PersonState, successor: str) -> Person:
    return Person(
        person_key=state.person_key,
        tenant=state.tenant,
        merged_into=successor,
        first_seen_at=0,
        last_seen_at=0,
        touchpoints=0,
        contacts=0,
        sessions=0,
        journeys=0,
        frictions=0,
        effort_minutes=0.0,
        next_deadline=None,
    )
