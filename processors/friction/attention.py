"""Which rules have to look again at a person's story, touchpoint by touchpoint."""

from collections.abc import Container, Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from processors.entries import Entry
from processors.fold import Fold
from processors.friction.finding import EVERY_ACT, FrictionRule, LedgerRule

_Asked = tuple[tuple[int, FrictionRule], ...]
_NOBODY: Final[_Asked] = ()


class _Desks(NamedTuple):
    """Rules with their places, by the kinds of touchpoints that they are asked about."""

    by_trigger: dict[str, _Asked]
    by_read: dict[str, _Asked]


class Attention:
    """What the rules have been shown of one story, and which of them may find something else than when last asked.

    Most touchpoints are of a kind that no rule asks for, or concern none that has begun to find anything: a rule that
    has not begun is never asked at all. Rules that judge the ledger are not among these; they are asked every time.
    """

    __slots__ = ("_begun", "_desks", "_stale", "rules")

    def __init__(self, rules: tuple[FrictionRule, ...]) -> None:
        self.rules = rules
        self._desks = _desks(rules)
        #: Place of each rule that has begun, and the start of the latest touchpoint that something may hang on.
        self._begun: dict[int, int] = {}
        self._stale: set[int] = set()

    def show(self, entry: Entry, fold: Fold, *, is_act: bool, found: Container[int]) -> None:
        """Let rules see the newest touchpoint of a fold; `found` are the places of those that have found something."""
        begun, stale = self._begun, self._stale
        kind, start = entry.touchpoint.kind, entry.start
        by_trigger, by_read = self._desks
        for place, rule in by_trigger.get(kind, _NOBODY):
            since = begun.get(place)
            if rule.may_begin(entry, fold, None if since is None else start - since):
                begun[place] = start
                stale.add(place)
        if not begun:
            return
        readers = by_read.get(kind, _NOBODY)
        for place, rule in (*readers, *by_read.get(EVERY_ACT, _NOBODY)) if is_act else readers:
            if place in stale or place not in begun:
                continue
            if rule.may_change(entry, start - begun[place], is_found=place in found):
                stale.add(place)

    def take_stale(self, *, all_begun: bool) -> set[int]:
        """Places of the rules that have to look again, once; all that have begun, if asked for."""
        stale, self._stale = self._stale, set()
        return set(self._begun) if all_begun else stale


@lru_cache(maxsize=16)
def _desks(rules: tuple[FrictionRule, ...]) -> _Desks:
    asked = [(place, rule) for place, rule in enumerate(rules) if not isinstance(rule, LedgerRule)]

    def by_kind(kinds: Iterable[tuple[tuple[int, FrictionRule], frozenset[str]]]) -> dict[str, _Asked]:
        found: dict[str, list[tuple[int, FrictionRule]]] = {}
        for one, told in kinds:
            for kind in told:
                found.setdefault(kind, []).append(one)
        return {kind: tuple(ones) for kind, ones in found.items()}

    return _Desks(by_kind((one, one[1].triggers) for one in asked), by_kind((one, one[1].reads) for one in asked))
