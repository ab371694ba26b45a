"""How many of some touchpoints are of a kind."""

from collections.abc import Iterator
from math import inf
from typing import ClassVar

from processors.durations import spell_duration
from processors.entries import Entry
from processors.fold import Fold
from processors.friction.definition import Ratio
from processors.friction.engine.counts import spell_number
from processors.friction.engine.groups import grouped, unites
from processors.friction.engine.matching import Known, Lookout, Match, Scene
from processors.friction.engine.selectors import chooser
from processors.friction.wording import NearestMiss, miss
from schemas.outputs import Check


class RatioMatcher:
    """Measures the share, or how much more often they come, in a window that ends with each touchpoint."""

    WORDS: ClassVar[frozenset[str]] = frozenset({"count", "limit", "share", "window"})
    company_ms: ClassVar[float] = inf

    def __init__(self, told: Ratio, ignored_places: tuple[str, ...]) -> None:
        self._told = told
        self._of = chooser(told.of, ignored_places)
        self.trigger = chooser(told.among, ignored_places)

    @property
    def lookouts(self) -> tuple[Lookout, ...]:
        """Nothing besides those among which it counts."""
        return ()

    def may_begin(self, entry: Entry, fold: Fold, since_ms: int | None) -> bool:
        """Whether there are enough in the window that ends with it, whatever their groups."""
        if since_ms is not None and unites(entry, self._told.per):
            return True
        among = self.trigger.newest(fold.by_kind, entry.start - self._told.within, self._told.minimum)
        return len(among) == self._told.minimum

    def find(self, scene: Scene) -> Iterator[Match]:
        """One match for every run of touchpoints with each of which it holds."""
        for group in grouped(scene.choose(self.trigger), self._told.per):
            yield from self._runs(group)

    def _runs(self, group: list[Entry]) -> Iterator[Match]:
        told = self._told
        #: How many of the first so many are counted.
        counts = [0]
        for entry in group:
            counts.append(counts[-1] + self._of.takes(entry))
        low = oldest = 0
        run: list[tuple[int, int, float]] = []
        for place, entry in enumerate(group):
            while group[low].start < entry.start - told.within:
                low += 1
            while group[oldest].start < entry.start - told.within - (told.before or 0):
                oldest += 1
            share = self._share(counts, oldest, low, place + 1)
            if share is not None and self._holds(share):
                if run and entry.start - group[run[-1][0]].start > told.within:
                    yield self._match(group, run)
                    run = []
                run.append((place, low if told.before is None else oldest, share))
            elif run:
                yield self._match(group, run)
                run = []
        if run:
            yield self._match(group, run)

    def _share(self, counts: list[int], oldest: int, low: int, end: int) -> float | None:
        """Share in the window, or how many times as often they came as before; `None` when that says nothing."""
        told = self._told
        if end - low < told.minimum:
            return None
        now = counts[end] - counts[low]
        if told.before is None:
            return now / (end - low)
        earlier = counts[low] - counts[oldest]
        return None if not earlier else (now * told.before) / (earlier * told.within)

    def _holds(self, share: float) -> bool:
        told = self._told
        if told.at_least is not None:
            return share >= told.at_least
        return told.at_most is not None and share <= told.at_most

    def _match(self, group: list[Entry], run: list[tuple[int, int, float]]) -> Match:
        place, low, _ = run[0]
        anchor, first = group[place], group[low]
        shares = [share for _, _, share in run]
        return Match(
            anchor=anchor,
            first=first,
            members=tuple(group[low : run[-1][0] + 1]),
            measure=min(shares) if self._told.at_least is None else max(shares),
            gap_ms=anchor.start - first.start,
            known_at=anchor.start,
        )

    def reached_at(self, match: Match, level: float) -> int | None:
        """At once when the share is that bad."""
        is_reached = match.measure <= level if self._told.at_least is None else match.measure >= level
        return match.known_at if is_reached else None

    def checks(self, match: Match) -> tuple[Check, ...]:
        """The share beside its threshold."""
        return (Check("share", spell_number(match.measure), self._threshold(), passed=True),)

    def nearest_miss(self, match: Match) -> NearestMiss:
        """By how much the share would have had to be another."""
        limit = self._told.at_most if self._told.at_least is None else self._told.at_least
        way, way_de = ("lower", "niedrigeren") if self._told.at_most is None else ("higher", "höheren")
        difference = spell_number(abs(match.measure - (limit or 0.0)))
        return miss(f"a share more than {difference} {way}", f"einem um mehr als {difference} {way_de} Anteil")

    def words(self, match: Match, known: Known) -> dict[str, str]:  # noqa: ARG002 - for absences only
        """Share in percent, its limit, and the window."""
        return {
            "share": f"{spell_number(100 * match.measure)} %",
            "count": str(sum(self._of.takes(entry) for entry in match.members)),
            "limit": self._threshold(),
            "window": spell_duration(self._told.within),
        }

    def _threshold(self) -> str:
        told = self._told
        return f"at most {told.at_most:.6g}" if told.at_least is None else f"at least {told.at_least:.6g}"
