"""Guards and variants compiled: what makes a match no friction, a small one, or one of several kinds."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from processors.contacts import Contact
from processors.durations import spell_duration
from processors.entries import Entry
from processors.friction.definition import Absence, Guard, Span, VariantRule
from processors.friction.engine.counts import level_of, spell_number
from processors.friction.engine.matching import Match, Matcher, Scene
from processors.friction.engine.selectors import EntryTest, field_tests
from processors.friction.engine.surroundings import ALWAYS, Frame, spell_entries, surroundings
from processors.friction.guards import household, invited, new_object, scheduled
from processors.friction.story import Story
from schemas.outputs import Check

Builtin = Callable[[Story, Contact, Contact], Check]
BUILTINS: Final[Mapping[str, Builtin]] = {
    "invited": invited,
    "household": lambda story, first, second: household(first, second),  # noqa: ARG005 - one signature for all
    "new_object": lambda story, first, second: new_object(first, second),  # noqa: ARG005
    "scheduled": lambda story, first, second: scheduled(second),  # noqa: ARG005
}


class Verdict(NamedTuple):
    """Whether a guard objects as far as touchpoints are known, from which moment on that is certain, and why."""

    objects: bool
    known_at: int
    check: Check


class Watch:
    """A guard, ready for use."""

    __slots__ = ("_anchor", "_builtin", "_fields", "_first", "base", "name", "near", "says")

    def __init__(self, told: Guard, *, until: str) -> None:
        self.name = told.name
        self.says = told.says
        self.base = told.base
        self._builtin = None if told.builtin is None else BUILTINS[told.builtin]
        self._anchor = field_tests(told.anchor)
        self._first = field_tests(told.first)
        self._fields = (tuple(told.first), tuple(told.anchor))
        self.near = surroundings(told.near, until=until)

    def judge(self, scene: Scene, frame: Frame) -> Verdict:
        """Whether it objects to a finding."""
        texts = [_spell_fields(entry, names) for entry, names in zip(frame[:2], self._fields, strict=True) if names]
        if not (_pass(self._first, frame.first) and _pass(self._anchor, frame.anchor)):
            return self._verdict(ALWAYS, texts, objects=False)
        if self._builtin is not None:
            one, other = frame.first.contact, frame.anchor.contact
            if one is None or other is None or one.opening is None or other.opening is None:
                return self._verdict(ALWAYS, ["no contact"], objects=False)
            check = self._builtin(scene.story, one, other)
            texts.append(check.value)
            if check.passed:
                return self._verdict(ALWAYS, texts, objects=False)
        outcomes = [near.judge(scene, frame) for near in self.near]
        texts.extend(spell_entries(outcome.witnesses) for outcome in outcomes)
        lacking = [outcome.known_at for outcome in outcomes if not outcome.holds]
        if lacking:
            return self._verdict(min(lacking), texts, objects=False)
        return self._verdict(max((outcome.known_at for outcome in outcomes), default=ALWAYS), texts, objects=True)

    def _verdict(self, known_at: int, texts: list[str], *, objects: bool) -> Verdict:
        return Verdict(objects, known_at, Check(self.name, "; ".join(texts), self.says, passed=not objects))


class Form:
    """A variant, ready for use."""

    __slots__ = ("_anchor", "base", "level", "level_text", "name", "near")

    def __init__(self, told: VariantRule, pattern: object, *, until: str) -> None:
        self.name = told.name
        self.base = told.base
        self._anchor = field_tests(told.anchor)
        self.near = surroundings(told.near, until=until)
        if isinstance(told.at_least, Span) and isinstance(pattern, Absence):
            msg = f"variant {told.name!r}: at_least is a duration, but an absence measures how many times the limit"
            raise ValueError(msg)
        self.level = None if told.at_least is None else level_of(told.at_least)
        is_span = isinstance(told.at_least, Span)
        self.level_text = spell_duration(round(self.level or 0)) if is_span else spell_number(self.level or 0)

    def holds_from(self, matcher: Matcher, match: Match, scene: Scene, frame: Frame) -> "Shown":
        """From which moment on a match shows this way, if ever."""
        moment: int | None = match.known_at
        level_at: int | None = None
        if self.level is not None:
            level_at = moment = matcher.reached_at(match, self.level)
        if not _pass(self._anchor, match.anchor):
            moment = None
        witnesses: list[Entry] = []
        checks: list[tuple[int, Check]] = []
        for near in self.near:
            outcome = near.judge(scene, frame)
            checks.append((outcome.known_at, near.check(outcome, name=self.name, passed=outcome.holds)))
            witnesses.extend(outcome.witnesses)
            if not outcome.holds:
                moment = None
            elif moment is not None:
                moment = max(moment, outcome.known_at)
        return Shown(self, moment, level_at, tuple(witnesses), tuple(checks))


class Shown(NamedTuple):
    """A variant and the moment from which a match shows as it, or `None`; the moment at which its level is reached.

    `checks` are its conditions, each with the moment from which it is certain.
    """

    form: Form
    since: int | None
    level_at: int | None
    witnesses: tuple[Entry, ...]
    checks: tuple[tuple[int, Check], ...]

    def moments(self) -> Iterator[int]:
        """Moments at which anything of it changes by time alone."""
        yield from (moment for moment in (self.since, self.level_at) if moment is not None)
        yield from (known_at for known_at, check in self.checks if check.passed)


def _pass(tests: tuple[EntryTest, ...], entry: Entry) -> bool:
    return all(test(entry) for test in tests)


def _spell_fields(entry: Entry, names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} {_spell(getattr(entry.touchpoint, name))}" for name in names)


def _spell(value: object) -> str:
    if value is None or value == ():
        return "absent"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
