"""What a class of patterns finds in a story, before guards and variants are judged."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

from processors.entries import Entry
from processors.fold import Fold
from processors.friction.engine.selectors import Chooser
from processors.friction.story import Story
from processors.friction.wording import NearestMiss
from schemas.outputs import Check


class Scene:
    """A story as one rule sees it: what a chooser means is looked up once."""

    __slots__ = ("_chosen", "_timed", "by_kind", "story")

    def __init__(self, story: Story) -> None:
        self.story = story
        self.by_kind = story.by_kind
        self._chosen: dict[int, list[Entry]] = {}
        self._timed: dict[int, tuple[list[int], list[Entry]]] = {}

    def choose(self, chooser: Chooser) -> list[Entry]:
        """Entries that a chooser means, in story order."""
        chosen = self._chosen.get(id(chooser))
        if chosen is None:
            chosen = self._chosen[id(chooser)] = chooser.choose(self.by_kind)
        return chosen

    def between(self, chooser: Chooser, since: int | None, until: int | None) -> Iterator[Entry]:
        """Entries that a chooser means, of which the moment that counts lies within bounds, by that moment."""
        timed = self._timed.get(id(chooser))
        if timed is None:
            entries = self.choose(chooser)
            if chooser.by_end:
                entries = sorted(entries, key=lambda entry: (entry.end, entry.order))
            timed = self._timed[id(chooser)] = ([chooser.time(entry) for entry in entries], entries)
        times, entries = timed
        low = 0 if since is None else bisect_left(times, since)
        high = len(times) if until is None else bisect_right(times, until)
        return (entries[place] for place in range(low, high))


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A place in a story where a pattern holds. Equal matches are told alike. All moments are UTC milliseconds.

    `first` and `anchor` are the touchpoints that relations and bounds refer to, `members` all that make it up, in
    story order. `measure` is what its levels are compared with, `gap_ms` the time from the first to the anchor.
    `known_at`: it is certain once the watermark reaches this. `checks`: what was tested besides the measure.
    The rest is for absences: when the limit began, when it ended, what came at last, and how long that is still
    uncertain.
    """

    anchor: Entry
    first: Entry
    members: tuple[Entry, ...]
    measure: float
    gap_ms: int
    known_at: int
    checks: tuple[Check, ...] = ()
    since: int = 0
    due: int = 0
    answer: Entry | None = None
    confirmed_at: int = 0


class Known(NamedTuple):
    """How long an absence is known to have lasted: milliseconds, and times the limit."""

    ms: int
    times: float


class Lookout(NamedTuple):
    """Touchpoints that may change a match or make one: up to so long after its anchor, `None` for ever.

    With `for_found` they only change what was found, or is waited for.
    """

    chooser: Chooser
    within_ms: int | None
    for_found: bool = False


class Matcher(Protocol):
    """One class of patterns, ready for use."""

    #: Words of this class for its sentences.
    WORDS: ClassVar[frozenset[str]]

    @property
    def trigger(self) -> Chooser:
        """Without one of these there is nothing to find."""
        ...

    @property
    def company_ms(self) -> float:
        """The first trigger that may be an anchor has another touchpoint so long before it at most; `inf`: or none."""
        ...

    @property
    def lookouts(self) -> tuple[Lookout, ...]:
        """What may change a match or make one, besides the triggers, when it comes after all others."""
        ...

    def may_begin(self, entry: Entry, fold: Fold, since_ms: int | None) -> bool:
        """Whether one of the triggers, the newest in `fold`, may be an anchor, or go on with a match.

        `since_ms` is how long ago the last one was that may have, if there was one.
        """
        ...

    def find(self, scene: Scene) -> Iterator[Match]:
        """All matches in a story, whatever the watermark, each anchor at most once."""
        ...

    def reached_at(self, match: Match, level: float) -> int | None:
        """The moment from which the match measures at least so much; `None` when it never does."""
        ...

    def checks(self, match: Match) -> tuple[Check, ...]:
        """What was measured, beside its threshold."""
        ...

    def nearest_miss(self, match: Match) -> NearestMiss:
        """What little would have had to be otherwise."""
        ...

    def words(self, match: Match, known: Known) -> dict[str, str]:
        """Words of this class for its sentences."""
        ...
