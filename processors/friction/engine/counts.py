"""So many touchpoints in a window."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from math import inf
from typing import ClassVar

from processors.durations import spell_duration
from processors.entries import Entry
from processors.fold import Fold
from processors.friction.definition import Count, Span
from processors.friction.engine.groups import fellows, grouped, unites
from processors.friction.engine.matching import Known, Lookout, Match, Scene
from processors.friction.engine.selectors import Chooser, chooser
from processors.friction.engine.surroundings import Frame, excuses, nothing_around, surroundings
from processors.friction.wording import NearestMiss, miss
from schemas.outputs import Check


class CountMatcher:
    """Counts touchpoints, different values among them, or sums them up, in a window that ends with each."""

    WORDS: ClassVar[frozenset[str]] = frozenset({"count", "limit", "sum", "window"})

    def __init__(self, told: Count, ignored_places: tuple[str, ...]) -> None:
        self._told = told
        self.trigger = chooser(told.of, ignored_places)
        self._since = None if told.since is None else chooser(told.since, ignored_places)
        self._reset = None if told.reset is None else chooser(told.reset, ignored_places)
        self._is_duration = told.sum is not None and told.sum.endswith("_ms")
        self._half = None if told.half is None else chooser(told.half)
        self._at_least = level_of(told.at_least)
        self._unless = surroundings(told.unless)
        #: One touchpoint counts one at most.
        self._is_plain = told.sum is None and not told.distinct
        self._pause = told.within if told.gap is None else told.gap
        needs_others = self._is_plain and self._at_least > 1
        self.company_ms: float = told.within if needs_others and told.within is not None else inf

    @property
    def lookouts(self) -> tuple[Lookout, ...]:
        """What must not be there.

        Where counting begins anew says nothing about what was counted before, unless it makes one group of two.
        """
        per = self._told.per
        marks = (mark for mark in (self._since, self._reset) if mark is not None)
        uniting = (Lookout(mark.that(lambda entry: unites(entry, per)), None) for mark in marks)
        return (*uniting, *(lookout for condition in self._unless for lookout in condition.lookouts))

    def may_begin(self, entry: Entry, fold: Fold, since_ms: int | None) -> bool:
        """Whether there may be enough in the window that ends with it, or it goes on with a run."""
        if since_ms is not None and (self._pause is None or since_ms <= self._pause or unites(entry, self._told.per)):
            return True
        if self._told.within is None:
            return True
        since = entry.start - self._told.within
        if self._is_plain and fold.before_at < since:
            return self._at_least <= 1
        among = fellows(entry, self._told.per, self.trigger.newest(fold.by_kind, since))
        return self._measure(self._with_value(among)) >= self._at_least

    def find(self, scene: Scene) -> Iterator[Match]:
        """One match for every run of touchpoints that reaches the least number or sum."""
        counted = scene.choose(self.trigger)
        if not counted:
            return
        if self._since is None and self._reset is None:
            for group in grouped(self._with_value(counted), self._told.per):
                yield from self._runs(scene, group, None)
            return
        marks = [entry for mark in (self._since, self._reset) if mark for entry in scene.choose(mark)]
        everything = {entry.order: entry for entry in (*counted, *marks)}
        for group in grouped((everything[order] for order in sorted(everything)), self._told.per):
            for start, stretch in self._stretches(group):
                yield from self._runs(scene, self._with_value(stretch), start)

    def _stretches(self, group: list[Entry]) -> Iterator[tuple[Entry | None, list[Entry]]]:
        """What is counted together, with the touchpoint with which counting began where one has to."""
        start: Entry | None = None
        stretch: list[Entry] = []
        for entry in group:
            begins, ends = _takes(self._since, entry), _takes(self._reset, entry)
            if start is not None and self._told.since_first:
                begins = begins and ends
            if begins or ends:
                yield start, stretch
                start, stretch = (entry if begins else None), []
            if self.trigger.takes(entry) and (self._since is None or (start is not None and start is not entry)):
                stretch.append(entry)
        yield start, stretch

    def _with_value(self, entries: list[Entry]) -> list[Entry]:
        told = self._told
        if told.sum is not None:
            return [entry for entry in entries if getattr(entry.touchpoint, told.sum)]
        if told.distinct:
            return [entry for entry in entries if _values(entry, told.distinct)]
        return entries

    def _runs(self, scene: Scene, entries: list[Entry], start: Entry | None) -> Iterator[Match]:
        told = self._told
        place = low = 0
        while place < len(entries):
            entry = entries[place]
            if told.gap is not None and place > low and entry.start - entries[place - 1].start > told.gap:
                low = place
            while told.within is not None and entries[low].start < entry.start - told.within:
                low += 1
            is_in_time = start is None or told.within is None or entry.start - start.start <= told.within
            if is_in_time and self._measure(entries[low : place + 1]) >= self._at_least:
                first = entries[low] if start is None else start
                free = nothing_around(scene, Frame(first, entry, entry.start), self._unless)
                if free.holds:
                    end = self._end(entries, place)
                    members = tuple(entries[low:end])
                    yield Match(
                        anchor=entry,
                        first=first,
                        members=members if start is None else (start, *members),
                        measure=self._measure(members),
                        gap_ms=entry.start - first.start,
                        known_at=max(entry.start, free.known_at),
                        checks=excuses(self._unless),
                    )
                    place = low = end
                    continue
            place += 1

    def _end(self, entries: list[Entry], place: int) -> int:
        pause = self._pause
        end = place + 1
        while end < len(entries) and (pause is None or entries[end].start - entries[end - 1].start <= pause):
            end += 1
        return end

    def _measure(self, members: Sequence[Entry]) -> float:
        told = self._told
        if told.sum is not None:
            return float(sum(getattr(entry.touchpoint, told.sum) for entry in members))
        if told.distinct:
            return float(len({value for entry in members for value in _values(entry, told.distinct)}))
        if self._half is not None:
            return len(members) - sum(map(self._half.takes, members)) / 2
        return float(len(members))

    def reached_at(self, match: Match, level: float) -> int | None:
        """At once when the number or sum is that great."""
        return match.known_at if match.measure >= level else None

    def checks(self, match: Match) -> tuple[Check, ...]:
        """The number or sum beside its threshold, and the time that it took beside the window."""
        name = "sum" if self._told.sum else "count"
        return (
            Check(name, self._spell(match.measure), f"at least {self._spell(self._at_least)}", passed=True),
            Check("window", spell_duration(match.gap_ms), self._window("at most "), passed=True),
        )

    def nearest_miss(self, match: Match) -> NearestMiss:
        """How many or how much less, or how much later, would have been none."""
        if self._told.sum is not None:
            less = self._spell(match.measure - self._at_least)
            return miss(f"more than {less} less in all", f"insgesamt über {less} weniger")
        if match.measure > self._at_least or self._told.within is None:
            fewer = self._spell(match.measure - self._at_least + 1)
            return miss(f"{fewer} of them fewer", f"{fewer} davon weniger")
        spare = spell_duration(self._told.within - match.gap_ms)
        return miss(f"one of them more than {spare} later", f"einem davon über {spare} später")

    def words(self, match: Match, known: Known) -> dict[str, str]:  # noqa: ARG002 - for absences only
        """Number or sum, and the window."""
        spelt = self._spell(match.measure)
        return {
            "count": str(len(match.members)) if self._told.sum else spelt,
            "sum": spelt,
            "limit": self._spell(self._at_least),
            "window": self._window(),
        }

    def _window(self, at_most: str = "") -> str:
        told = self._told
        if told.within is not None:
            return f"{at_most}{spell_duration(told.within)}"
        return "any time" if told.gap is None else f"{at_most}{spell_duration(told.gap)} each"

    def _spell(self, measure: float) -> str:
        return spell_duration(round(measure)) if self._is_duration else spell_number(measure)


def level_of(at_least: float | Span) -> float:
    """Threshold as a number; a span is milliseconds."""
    return float(at_least.ms) if isinstance(at_least, Span) else at_least


def spell_number(number: float) -> str:
    """Number as people write it, e.g. `3` or `2.5`."""
    return f"{number:.6g}"


def _takes(mark: Chooser | None, entry: Entry) -> bool:
    return mark is not None and mark.takes(entry)


def _values(entry: Entry, fields: Iterable[str]) -> list[Hashable]:
    found: list[Hashable] = []
    for field in fields:
        value = getattr(entry.touchpoint, field)
        found.extend(value if isinstance(value, tuple) else () if value is None else (value,))
    return found
