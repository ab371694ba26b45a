"""What other rules would have found: counts against what is live, mergeable over batches of persons."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from copy import copy
from enum import StrEnum
from typing import Final, TypeVar

import msgspec

from processors.friction.differences import NAMES_OF_THE_RULE, Difference, differences
from processors.friction.finding import EVERY_ACT, FrictionRule
from processors.friction.labels import Agreement, Label, agreement
from processors.settings import DAY_MS, MINUTE_MS
from schemas.outputs import Friction

#: Examples kept of each rule and change, the earliest ones.
EXAMPLES: Final = 3


class Change(StrEnum):
    """What became of a friction under the rules that are tested."""

    SAME = "same"
    ADDED = "added"
    GONE = "gone"
    CHANGED = "changed"


class Example(msgspec.Struct, frozen=True):
    """A friction that was added, is gone or changed, as it is under the rules tested, or was when it is gone."""

    change: Change
    friction: Friction
    differences: tuple[Difference, ...] = ()

    @property
    def order(self) -> tuple[int, str]:
        """The earliest come first."""
        return (self.friction.anchor_at, self.friction.friction_id)


class Sides(msgspec.Struct):
    """The same count of what is live and of what the rules tested find."""

    live: int = 0
    tested: int = 0

    def add(self, other: "Sides") -> None:
        """Count another one in."""
        self.live += other.live
        self.tested += other.tested


_K = TypeVar("_K")
_Sum = TypeVar("_Sum", Sides, Agreement)


class Tally(msgspec.Struct):
    """Counts over persons; the tallies of several batches add up to that of all.

    `changes` and `found` are by rule and variant, that under the rules tested unless the friction is gone; `alerts`
    by day (UTC milliseconds of its beginning) and team, `customer_ms` (milliseconds of customers) by rule and team.
    `met` holds the lines of labels about somebody who was looked at.
    """

    persons: int = 0
    changes: Counter[tuple[str, str, Change]] = msgspec.field(default_factory=Counter)
    found: dict[tuple[str, str], Sides] = msgspec.field(default_factory=dict)
    alerts: dict[tuple[int, str], Sides] = msgspec.field(default_factory=dict)
    customer_ms: dict[tuple[str, str], Sides] = msgspec.field(default_factory=dict)
    examples: dict[tuple[str, Change], list[Example]] = msgspec.field(default_factory=dict)
    agreement: dict[str, Agreement] = msgspec.field(default_factory=dict)
    met: set[int] = msgspec.field(default_factory=set)

    def compare(
        self, live: Collection[Friction], tested: Collection[Friction], is_told: Callable[[Friction], bool]
    ) -> None:
        """Count frictions of some persons: all that are live, and all that the rules tested find.

        `is_told` says whether some channel takes an alert about a friction.
        """
        stored = {friction.friction_id: friction for friction in live}
        derived = {friction.friction_id: friction for friction in tested}
        for id_, friction in derived.items():
            before = stored.get(id_)
            if before is None:
                self._note(Example(Change.ADDED, friction))
                continue
            differing = tuple(one for one in differences(before, friction) if one.path not in NAMES_OF_THE_RULE)
            self._note(Example(Change.CHANGED if differing else Change.SAME, friction, differing))
        for id_, friction in stored.items():
            if id_ not in derived:
                self._note(Example(Change.GONE, friction))
        for frictions, one in ((live, Sides(live=1)), (tested, Sides(tested=1))):
            for friction in frictions:
                self._count(friction, one, is_told)

    def judge_by(self, labels: Collection[Label], tested: Collection[Friction], rule_ids: Collection[str]) -> None:
        """Count how what was found of one person agrees with the labels about them."""
        self.met.update(label.line for label in labels)
        _add_all(self.agreement, agreement(labels, tested, rule_ids))

    def add(self, other: "Tally") -> None:
        """Count another one in."""
        self.persons += other.persons
        self.changes.update(other.changes)
        _add_all(self.found, other.found)
        _add_all(self.alerts, other.alerts)
        _add_all(self.customer_ms, other.customer_ms)
        for examples in other.examples.values():
            for example in examples:
                self._keep(example)
        _add_all(self.agreement, other.agreement)
        self.met |= other.met

    @property
    def differs(self) -> bool:
        """Whether the rules tested find anything else than what is live."""
        return any(count for (_, _, change), count in self.changes.items() if change is not Change.SAME)

    def _note(self, example: Example) -> None:
        friction = example.friction
        self.changes[friction.rule_id, friction.variant, example.change] += 1
        if example.change is not Change.SAME:
            self._keep(example)

    def _keep(self, example: Example) -> None:
        kept = self.examples.setdefault((example.friction.rule_id, example.change), [])
        kept.append(example)
        kept.sort(key=lambda one: one.order)
        del kept[EXAMPLES:]

    def _count(self, friction: Friction, one: Sides, is_told: Callable[[Friction], bool]) -> None:
        team = friction.team or ""
        _add_all(self.found, {(friction.rule_id, friction.variant): one})
        # Whole milliseconds add up to the same in any order of the batches.
        ms = round(friction.minutes * MINUTE_MS)
        _add_all(self.customer_ms, {(friction.rule_id, team): Sides(one.live * ms, one.tested * ms)})
        if friction.is_alertable and is_told(friction):
            _add_all(self.alerts, {(friction.anchor_at - friction.anchor_at % DAY_MS, team): one})


def _add_all(into: dict[_K, _Sum], other: Mapping[_K, _Sum]) -> None:
    for key, count in other.items():
        if key in into:
            into[key].add(count)
        else:
            into[key] = copy(count)


def without_data(rules: Iterable[FrictionRule], kinds: Mapping[str, int]) -> Iterator[tuple[str, frozenset[str]]]:
    """Rules that had nothing to judge, given how often each kind happened: id, and the kinds of which they need one.

    None are named for a rule that any touchpoint may concern.
    """
    happened = {kind for kind, count in kinds.items() if count}
    for rule in rules:
        needed = rule.triggers - {EVERY_ACT}
        if not happened or (EVERY_ACT not in rule.triggers and not happened & needed):
            yield rule.parameters.rule_id, needed
