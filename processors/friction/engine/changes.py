"""A state that goes forth and back."""

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

from processors.durations import spell_duration
from processors.entries import Entry, Order
from processors.fold import Fold
from processors.friction.definition import Change
from processors.friction.engine.counts import spell_number
from processors.friction.engine.groups import FIXED, fellows, grouped, unites
from processors.friction.engine.matching import Known, Lookout, Match, Scene
from processors.friction.engine.selectors import chooser
from processors.friction.engine.surroundings import Frame, excuses, nothing_around, surroundings
from processors.friction.wording import NearestMiss, miss
from schemas.outputs import Check


class Hop(NamedTuple):
    """From the last touchpoint of one state to the first of another; `left` is the state before.

    Both are the same touchpoint where the first of all tells the state before it itself.
    """

    before: Entry
    after: Entry
    left: Any


class ChangeMatcher:
    """Follows the state of each group through its touchpoints."""

    WORDS: ClassVar[frozenset[str]] = frozenset({"count", "limit", "states", "window"})

    def __init__(self, told: Change, ignored_places: tuple[str, ...]) -> None:
        self._told = told
        self.trigger = chooser(told.of, ignored_places)
        self._unless = surroundings(told.unless)
        self.company_ms: float = told.within

    @property
    def lookouts(self) -> tuple[Lookout, ...]:
        """What must not be there."""
        return tuple(lookout for condition in self._unless for lookout in condition.lookouts)

    def may_begin(self, entry: Entry, fold: Fold, since_ms: int | None) -> bool:
        """Whether there may be enough hops in the window that ends with it, or it goes on with a run."""
        told = self._told
        if since_ms is not None and (since_ms <= told.within or unites(entry, told.per)):
            return True
        since = entry.start - told.within
        if fold.before_at < since:
            return False
        among = fellows(entry, told.per, self.trigger.newest(fold.by_kind, since))
        # A hop needs a touchpoint before it, but for the first one of all where that tells the state before.
        if len(among) < told.at_least + (told.left is None):
            return False
        if told.left is not None or told.per not in FIXED:
            return True
        stated = [one for one in sorted(among, key=_order) if self._state(one) not in (None, ())]
        hops = list(self._hops(stated)) if stated else []
        # Of those between few states, the last ones count; of others, more only help.
        return bool(hops) and self._holds(hops if told.states is None else hops[-told.at_least :])

    def _state(self, entry: Entry) -> Any:
        return getattr(entry.touchpoint, self._told.state)

    def find(self, scene: Scene) -> Iterator[Match]:
        """One match for every run of hops that is long enough and comes back."""
        stated = [entry for entry in scene.choose(self.trigger) if self._state(entry) not in (None, ())]
        for group in grouped(stated, self._told.per):
            yield from self._runs(scene, list(self._hops(group)))

    def _hops(self, group: list[Entry]) -> Iterator[Hop]:
        for before, after in zip((group[0], *group), group, strict=False):
            told = None if self._told.left is None else getattr(after.touchpoint, self._told.left)
            state = self._state(after)
            left = self._state(before) if told in (None, (), state) else told
            if left != state:
                yield Hop(before, after, left)

    def _runs(self, scene: Scene, hops: list[Hop]) -> Iterator[Match]:
        told = self._told
        place = low = 0
        while place < len(hops):
            anchor = hops[place].after
            while low <= place and hops[low].before.start < anchor.start - told.within:
                low += 1
            if told.states is not None:
                low = max(low, place + 1 - told.at_least)
            if self._holds(hops[low : place + 1]):
                first = hops[low].before
                free = nothing_around(scene, Frame(first, anchor, anchor.start), self._unless)
                if free.holds:
                    end = self._end(hops, low, place + 1)
                    yield Match(
                        anchor=anchor,
                        first=first,
                        members=tuple(dict.fromkeys((first, *(hop.after for hop in hops[low:end])))),
                        measure=float(end - low),
                        gap_ms=anchor.start - first.start,
                        known_at=max(anchor.start, free.known_at),
                        checks=(
                            Check("states", self._path(hops[low:end]), "forth and back", passed=True),
                            *excuses(self._unless),
                        ),
                    )
                    place = low = end
                    continue
            place += 1

    def _holds(self, hops: list[Hop]) -> bool:
        if len(hops) < self._told.at_least:
            return False
        if self._told.states is not None and len(self._states(hops)) > self._told.states:
            return False
        back = self._state(hops[-1].after)
        return not self._told.returns or any(hop.left == back for hop in hops)

    def _path(self, hops: list[Hop]) -> str:
        return ", ".join(map(str, (hops[0].left, *(self._state(hop.after) for hop in hops))))

    def _end(self, hops: list[Hop], low: int, end: int) -> int:
        among = None if self._told.states is None else self._states(hops[low:end])
        while end < len(hops) and hops[end].after.start - hops[end - 1].after.start <= self._told.within:
            if among is not None and self._state(hops[end].after) not in among:
                break
            end += 1
        return end

    def _states(self, hops: list[Hop]) -> set[Any]:
        return {state for hop in hops for state in (hop.left, self._state(hop.after))}

    def reached_at(self, match: Match, level: float) -> int | None:
        """At once when it hopped that often."""
        return match.known_at if match.measure >= level else None

    def checks(self, match: Match) -> tuple[Check, ...]:
        """Hops beside their threshold, and the time that they took beside the window."""
        return (
            Check("hops", spell_number(match.measure), f"at least {self._told.at_least}", passed=True),
            Check("window", spell_duration(match.gap_ms), f"at most {spell_duration(self._told.within)}", passed=True),
        )

    def nearest_miss(self, match: Match) -> NearestMiss:
        """How much later the change back would have had to be."""
        spare = spell_duration(self._told.within - match.gap_ms)
        return miss(f"the change back more than {spare} later", f"dem Wechsel zurück über {spare} später")

    def words(self, match: Match, known: Known) -> dict[str, str]:  # noqa: ARG002 - for absences only
        """Hops, the states that they went through, and the window."""
        return {
            "states": match.checks[0].value,
            "count": spell_number(match.measure),
            "limit": str(self._told.at_least),
            "window": spell_duration(self._told.within),
        }


def _order(entry: Entry) -> Order:
    return entry.order
