"""The owner: holds the persons of its partitions in memory and turns touchpoints into changes to write.

No I/O and no clock in here: what is missing is asked for, what has to be written is handed out, and it counts as
published only when the shell says that it is durable.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from processors.diff import NOTHING_PUBLISHED, FactKind, Judgement, Published, Retraction, diff, published_after
from processors.friction.finding import FrictionRule
from processors.person import PersonState, StepResult, judge, restore, step
from processors.settings import CoreSettings
from schemas.outputs import Fact
from schemas.touchpoint import AppliedTouchpoint
from streams.deadlines import Deadlines


class Cold(NamedTuple):
    """What the store knows of a person: touchpoints, and ids of published facts by kind."""

    tenant: str
    touchpoints: list[AppliedTouchpoint]
    published: Mapping[FactKind, Iterable[str]]


class PersonChanges(NamedTuple):
    """What has to be written for one person so that the store says what holds now."""

    partition: int
    version: int
    upserts: list[Fact]
    retractions: list[Retraction]
    judgement: Judgement


class _Held:
    __slots__ = ("partition", "published", "state")

    def __init__(self, partition: int, state: PersonState, published: Published) -> None:
        self.partition = partition
        self.state = state
        self.published = published


class Owner:
    """Persons of the assigned partitions, the least recently touched of them only in the store."""

    def __init__(self, rules: tuple[FrictionRule, ...], settings: CoreSettings, max_persons: int) -> None:
        self._rules = rules
        self._settings = settings
        self._max_persons = max_persons
        self._persons: OrderedDict[str, _Held] = OrderedDict()
        self._dirty: dict[str, None] = {}
        self._deadlines: dict[int, Deadlines] = {}

    def __len__(self) -> int:
        return len(self._persons)

    def assign(self, partition: int, deadlines: Iterable[tuple[int, str, str]]) -> None:
        """Own a partition from now on; `deadlines` are (event time, tenant, person_key) that are still open."""
        self._deadlines[partition] = Deadlines(deadlines)

    def drop_all(self) -> None:
        """Own nothing any more, and forget everything."""
        self._persons.clear()
        self._dirty.clear()
        self._deadlines.clear()

    def missing(self, person_keys: Iterable[str]) -> set[str]:
        """Those of the persons that are not in memory."""
        return {key for key in person_keys if key not in self._persons}

    def load(self, partition: int, person_key: str, cold: Cold) -> None:
        """Take a person from the store. What is published is known by id only, so it is written anew at the next flush.

        That repairs what a crash between two inserts left behind.
        """
        published: Published = {kind: dict.fromkeys(ids) for kind, ids in cold.published.items()} or NOTHING_PUBLISHED
        self._persons[person_key] = _Held(partition, restore(cold.tenant, person_key, cold.touchpoints), published)

    def apply(self, partition: int, applied: AppliedTouchpoint) -> StepResult:
        """Take a touchpoint of a person who is in memory or new; the person is judged at the next flush.

        A replayed touchpoint marks its person too: applied is not the same as delivered.
        """
        key = applied.identity_hash
        held = self._persons.get(key)
        if held is None:
            state = PersonState(applied.touchpoint.tenant, key)
            held = self._persons[key] = _Held(partition, state, NOTHING_PUBLISHED)
        else:
            self._persons.move_to_end(key)
        self._dirty[key] = None
        return step(held.state, applied)

    def holds(self, applied: AppliedTouchpoint) -> bool:
        """Whether this very copy of a touchpoint counts, not another one with the same key."""
        held = self._persons.get(applied.identity_hash)
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
                dropped.setdefault(held.partition, {})[key] = held.state.tenant
        return dropped

    def freeze(self, watermarks: Mapping[int, int | None]) -> list[PersonChanges]:
        """Judge everybody who may have changed; what differs from the store, sorted by partition and person."""
        changes = []
        for key in self._dirty:
            held = self._persons[key]
            watermark = watermarks.get(held.partition)
            judgement = judge(held.state, self._rules, watermark if watermark is not None else 0, self._settings)
            upserts, retractions = diff(held.published, judgement)
            changes.append(PersonChanges(held.partition, judgement.version, upserts, retractions, judgement))
        changes.sort(key=lambda change: (change.partition, change.judgement.person_key))
        return changes

    def published(self, changes: Iterable[PersonChanges]) -> None:
        """Changes are durable: remember what the store says now, when to judge again, and let go of who is too many."""
        for change in changes:
            key = change.judgement.person_key
            held = self._persons.get(key)
            if held is None:
                continue
            held.published = published_after(change.judgement)
            self._dirty.pop(key, None)
            self._deadlines[held.partition].set(held.state.tenant, key, change.judgement.wake_at)
        while len(self._persons) > self._max_persons:
            key, held = next(iter(self._persons.items()))
            if key in self._dirty:
                break
            del self._persons[key]

    def _told(self, watermarks: Mapping[int, int | None]) -> Iterator[tuple[int, Deadlines, int]]:
        """Partitions whose time is known: number, deadlines, watermark."""
        for partition, deadlines in self._deadlines.items():
            watermark = watermarks.get(partition)
            if watermark is not None:
                yield partition, deadlines, watermark
