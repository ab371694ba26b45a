"""What lies around a finding: conditions of guards, variants and patterns on other touchpoints."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from processors.durations import spell_duration
from processors.entries import Entry
from processors.friction.definition import Bound, Near
from processors.friction.engine.matching import Lookout, Scene
from processors.friction.engine.relations import Link, are_related, links
from processors.friction.engine.selectors import Chooser, chooser
from schemas.outputs import Check

#: A condition that holds whatever comes is known since ever.
ALWAYS: Final = -(2**62)


class Frame(NamedTuple):
    """What bounds and relations refer to: first touchpoint, anchor, and deadline (UTC milliseconds)."""

    first: Entry
    anchor: Entry
    due: int


class Outcome(NamedTuple):
    """Whether a condition holds for the touchpoints that are known, and from which moment on that is certain.

    That something is there is certain at once; that nothing is there, when the time for it is over.
    """

    holds: bool
    known_at: int
    witnesses: tuple[Entry, ...]


class Surrounding:
    """A `Near`, ready for use."""

    __slots__ = (
        "_at_least",
        "_chooser",
        "_links",
        "_none",
        "_of_first",
        "_own",
        "_since",
        "_undone_by",
        "_until",
        "is_steady",
        "lookouts",
        "threshold",
    )

    def __init__(self, near: Near, *, until: str = "anchor") -> None:
        self._chooser: Chooser = chooser(near.select)
        self._links: tuple[Link, ...] = links(near.relations)
        self._of_first = near.of == "first"
        self._since = near.since
        self._until = near.until or Bound(until, 0)
        self._at_least = near.at_least
        self._none = near.none
        self._own = near.own
        self._undone_by = None if near.undone_by is None else chooser(near.undone_by)
        self.threshold = self._spell(near)
        #: Where it holds, it goes on to hold when there is more time until the deadline.
        self.is_steady = not near.none and near.undone_by is None and self._since.of != "due"
        # The first touchpoint is not after the anchor, the deadline may be any time.
        within_ms = self._until.shift_ms if self._until.of in {"first", "anchor"} else None
        self.lookouts = tuple(Lookout(one, within_ms) for one in (self._chooser, self._undone_by) if one is not None)

    def judge(self, scene: Scene, frame: Frame) -> Outcome:
        """Whether it holds around a finding; its own first touchpoint and anchor are only meant where it says so."""
        since, until = _moment(self._since, frame), _moment(self._until, frame)
        reference = frame.first if self._of_first else frame.anchor
        passed_at = ALWAYS if until is None else until
        undone = None
        if self._undone_by is not None:
            undone = max((entry.order for entry in scene.between(self._undone_by, since, until)), default=None)
        witnesses: list[Entry] = []
        for entry in scene.between(self._chooser, since, until):
            if not self._own and (entry is frame.anchor or entry is frame.first):
                continue
            if (undone is not None and entry.order < undone) or not are_related(self._links, reference, entry):
                continue
            witnesses.append(entry)
            if len(witnesses) == self._at_least:
                known_at = ALWAYS if self._undone_by is None else passed_at
                return Outcome(not self._none, known_at, tuple(witnesses))
        return Outcome(self._none, passed_at, tuple(witnesses))

    def check(self, outcome: Outcome, *, name: str, passed: bool) -> Check:
        """An outcome as evidence."""
        return Check(name, spell_entries(outcome.witnesses), self.threshold, passed)

    def _spell(self, near: Near) -> str:
        count = "no" if near.none and near.at_least == 1 else f"{'fewer than' if near.none else 'at least'} "
        if not (near.none and near.at_least == 1):
            count += str(near.at_least)
        related = "".join(f", {relation.value.replace('_', ' ')}" for relation in near.relations)
        undone = "" if near.undone_by is None else f", not undone by {' or '.join(near.undone_by.kind)}"
        bounds = " ".join(
            f"{word} {_spell_bound(bound)}"
            for word, bound in (("from", self._since), ("until", self._until))
            if bound.of != "ever"
        )
        return f"{count} {' or '.join(near.select.kind)}{related}{undone}{bounds and ' '}{bounds}"


def surroundings(nears: Iterable[Near], *, until: str = "anchor") -> tuple[Surrounding, ...]:
    """Conditions ready for use; `until` is the moment up to which those look that do not say."""
    return tuple(Surrounding(near, until=until) for near in nears)


def nothing_around(scene: Scene, frame: Frame, conditions: Iterable[Surrounding]) -> Outcome:
    """Whether none of the conditions holds, and from which moment on that is certain."""
    known_at = ALWAYS
    for condition in conditions:
        outcome = condition.judge(scene, frame)
        if outcome.holds:
            return outcome._replace(holds=False)
        known_at = max(known_at, outcome.known_at)
    return Outcome(holds=True, known_at=known_at, witnesses=())


def excuses(conditions: Iterable[Surrounding]) -> tuple[Check, ...]:
    """Evidence that none of the conditions held."""
    return tuple(Check("unless", "none", f"not {condition.threshold}", passed=True) for condition in conditions)


def spell_entries(entries: tuple[Entry, ...]) -> str:
    """Touchpoints by verb and key."""
    return ", ".join(f"{entry.touchpoint.kind} {entry.ref}" for entry in entries) or "none"


def _moment(bound: Bound, frame: Frame) -> int | None:
    if bound.of == "ever":
        return None
    moment = frame.due if bound.of == "due" else frame.first.start if bound.of == "first" else frame.anchor.start
    return moment + bound.shift_ms


def _spell_bound(bound: Bound) -> str:
    if not bound.shift_ms:
        return bound.of
    return f"{bound.of} {'-' if bound.shift_ms < 0 else '+'} {spell_duration(bound.shift_ms)}"
