"""A touchpoint after another."""

from collections.abc import Iterator
from math import inf
from typing import ClassVar

from processors.durations import spell_duration
from processors.entries import Entry
from processors.fold import Fold
from processors.friction.definition import Sequence
from processors.friction.engine.matching import Known, Lookout, Match, Scene
from processors.friction.engine.relations import items_in_common, links
from processors.friction.engine.selectors import chooser
from processors.friction.engine.surroundings import Frame, excuses, nothing_around, surroundings
from processors.friction.wording import NearestMiss, miss
from schemas.outputs import Check


class SequenceMatcher:
    """Finds, for every touchpoint of one kind, the latest earlier one of another that fits."""

    WORDS: ClassVar[frozenset[str]] = frozenset({"gap", "window"})
    company_ms: ClassVar[float] = inf

    def __init__(self, told: Sequence, ignored_places: tuple[str, ...]) -> None:
        self._within = told.within
        self._first = chooser(told.first, ignored_places)
        self.trigger = chooser(told.then, ignored_places)
        self._links = links(told.relations)
        self._items = told.items_in_common
        self._unless = surroundings(told.unless)

    @property
    def lookouts(self) -> tuple[Lookout, ...]:
        """What must not be there; what is newest of all is the first one of no pair yet."""
        return tuple(lookout for condition in self._unless for lookout in condition.lookouts)

    def may_begin(self, entry: Entry, fold: Fold, since_ms: int | None) -> bool:  # noqa: ARG002 - each has its own pair
        """Whether one of those that must have come before ended in the window before it."""
        oldest = entry.start - self._within
        among = self._first.newest(fold.by_kind, oldest - fold.longest_ms)
        return any(one is not entry and one.end >= oldest for one in among)

    def find(self, scene: Scene) -> Iterator[Match]:
        """One match for every later touchpoint that has an earlier one."""
        earlier = scene.choose(self._first)
        if not earlier:
            return
        last_ends: list[int] = []
        place = 0
        for then in scene.choose(self.trigger):
            while place < len(earlier) and earlier[place].order < then.order:
                end = earlier[place].end
                last_ends.append(end if place == 0 else max(end, last_ends[-1]))
                place += 1
            match = self._closest(scene, earlier, last_ends, then)
            if match is not None:
                yield match

    def _closest(self, scene: Scene, earlier: list[Entry], last_ends: list[int], then: Entry) -> Match | None:
        oldest = then.start - self._within
        for place in range(len(last_ends) - 1, -1, -1):
            if last_ends[place] < oldest:
                return None
            first = earlier[place]
            if first.end < oldest:
                continue
            common = [(link.name, link.common(first, then)) for link in self._links]
            if any(found is None for _, found in common):
                continue
            items = items_in_common(first, then) if self._items else frozenset()
            if len(items) < self._items:
                continue
            free = nothing_around(scene, Frame(first, then, then.start), self._unless)
            if not free.holds:
                continue
            return Match(
                anchor=then,
                first=first,
                members=(first, then),
                measure=gap_ms(first, then),
                gap_ms=gap_ms(first, then),
                known_at=max(then.start, free.known_at),
                checks=(
                    *(Check(name, found or "", "in common, or not", passed=True) for name, found in common),
                    *(
                        [Check("items", ", ".join(sorted(items)), f"at least {self._items} in common", passed=True)]
                        if items
                        else []
                    ),
                    *excuses(self._unless),
                ),
            )
        return None

    def reached_at(self, match: Match, level: float) -> int | None:
        """At once when the gap is that long."""
        return match.known_at if match.measure >= level else None

    def checks(self, match: Match) -> tuple[Check, ...]:
        """The gap beside the window."""
        return (Check("gap", spell_duration(match.gap_ms), f"at most {spell_duration(self._within)}", passed=True),)

    def nearest_miss(self, match: Match) -> NearestMiss:
        """How much later the second one would have had to be."""
        spare = spell_duration(self._within - match.gap_ms)
        kind = match.anchor.touchpoint.kind
        return miss(f"{kind} more than {spare} later", f"{kind} über {spare} später")

    def words(self, match: Match, known: Known) -> dict[str, str]:  # noqa: ARG002 - for absences only
        """The gap, and the window."""
        return {"window": spell_duration(self._within), "gap": spell_duration(match.gap_ms)}


def gap_ms(first: Entry, then: Entry) -> int:
    """From the end of one touchpoint to the beginning of a later one; 0 while the first still lasted."""
    return max(0, then.start - first.end)
