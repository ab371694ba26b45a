"""Examples of a rule: touchpoints written in few words, and whether the rule makes of them what it should.

An example says its times from Monday, 2 March 2026, 09:00 UTC on: `at: 2h`, `ended_at: 150m`. Durations may be texts as
well: `wait_ms: 12m`. What it leaves out is what the contract says, and `id`, `source`, `identities` and `tenant` are
given to it.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from processors.friction.definition import Example, Guard, RuleDefinition, parse_milliseconds
from processors.friction.finding import FrictionRule
from processors.friction.suggestion import did_you_mean
from processors.person import judge, restore
from processors.settings import CoreSettings
from schemas.identities import split_identity
from schemas.outputs import Check, Friction
from schemas.touchpoint import TIME_FIELDS, TOUCHPOINT_FIELDS, AppliedTouchpoint, Touchpoint
from schemas.vocabulary import KINDS

#: Monday, 2 March 2026, 09:00 UTC.
BEGINNING_MS: Final = 1_772_442_000_000
#: What an example's touchpoint is said to be, as far as it says nothing else.
_PERSON: Final = "0" * 32
_DEFAULTS: Final[dict[str, Any]] = {"source": "example", "identities": (f"customer_no:{_PERSON}",), "tenant": "default"}
#: A rule is tried as if it had always held.
_ALWAYS: Final = datetime(1970, 1, 1, tzinfo=UTC)

_TYPES: Final = {field.name: field.type for field in msgspec.structs.fields(Touchpoint)}
_DURATIONS: Final = frozenset(name for name in TOUCHPOINT_FIELDS if name.endswith("_ms"))
#: In place of `occurred_at`, which is absolute.
_KNOWN: Final = ("at", *(name for name in TOUCHPOINT_FIELDS if name != "occurred_at"))


class FieldProblem(NamedTuple):
    """What is wrong with a field of an example's touchpoint, or with its name."""

    field: str
    problem: str
    is_about_name: bool = False


class Outcome(NamedTuple):
    """What a rule made of an example: the frictions it found, in the order of their anchors."""

    example: Example
    frictions: tuple[Friction, ...]

    @property
    def fired(self) -> tuple[str, ...]:
        """Variants that it showed as."""
        return tuple(friction.variant for friction in self.frictions)

    @property
    def is_as_expected(self) -> bool:
        """Whether the rule does what the example says."""
        return self.fired == self.example.fires

    def reasons(self) -> tuple[tuple[str, Check], ...]:
        """Checks and guards of what fired, each with the variant."""
        return tuple(
            (friction.variant, check)
            for friction in self.frictions
            for check in (*friction.evidence.checks, *friction.evidence.guards)
        )


def tried(definition: RuleDefinition) -> RuleDefinition:
    """The definition with which examples are judged: they show what a rule finds, whenever it begins to hold."""
    return definition.model_copy(update={"effective_from": _ALWAYS})


def run_examples(definition: RuleDefinition, rule: FrictionRule) -> tuple[Outcome, ...]:
    """Every example of a definition, judged by its rule, compiled from `tried(definition)`.

    Raises:
        ValueError: an example's touchpoint is none; a loaded definition has no such example.

    """
    return tuple(run_example(example, rule) for example in definition.examples)


def run_example(example: Example, rule: FrictionRule) -> Outcome:
    """One person with the touchpoints of an example, judged by this rule alone."""
    touchpoints = [applied(touchpoint_of(said, number)) for number, said in enumerate(example.touchpoints)]
    state = restore(touchpoints[0].touchpoint.tenant, _PERSON, touchpoints)
    watermark = max(one.event_time for one in touchpoints) + example.after
    frictions = judge(state, (rule,), watermark, CoreSettings()).frictions
    return Outcome(example, tuple(sorted(frictions, key=lambda friction: friction.anchor_at)))


def objecting_guards(
    definition: RuleDefinition, example: Example, compiled: Callable[[RuleDefinition], FrictionRule]
) -> tuple[Guard, ...]:
    """Guards without which the rule would find more in an example: each that alone is enough, else all of them."""
    guards = (*definition.guards, *(guard for pattern in definition.patterns for guard in pattern.guards))

    def found(ignored: tuple[Guard, ...]) -> int:
        return len(run_example(example, compiled(tried(without(definition, ignored)))).fired)

    usual = found(())
    enough = tuple(guard for guard in guards if found((guard,)) > usual)
    return enough or (guards if found(guards) > usual else ())


def without(definition: RuleDefinition, ignored: tuple[Guard, ...]) -> RuleDefinition:
    """The definition with none of these guards, neither of its own nor of its patterns."""

    def rest(guards: tuple[Guard, ...]) -> tuple[Guard, ...]:
        return tuple(guard for guard in guards if guard not in ignored)

    patterns = tuple(pattern.model_copy(update={"guards": rest(pattern.guards)}) for pattern in definition.patterns)
    return definition.model_copy(update={"guards": rest(definition.guards), "patterns": patterns})


def touchpoint_of(said: Mapping[str, Any], number: int) -> Touchpoint:
    """Touchpoint from the fields of an example; `number` is its place there.

    Raises:
        ValueError: it is none; the message names every problem.

    """
    problems = list(problems_of(said))
    if problems:
        raise ValueError("; ".join(f"{problem.field}: {problem.problem}" for problem in problems))
    fields = {name: _value(name, value) for name, value in said.items() if name != "at"}
    at = BEGINNING_MS + parse_milliseconds(said["at"])
    return Touchpoint(**(_DEFAULTS | {"id": f"example-{number + 1}"} | fields), occurred_at=at)


def problems_of(said: Mapping[str, Any], own_kinds: tuple[str, ...] | None = None) -> Iterator[FieldProblem]:
    """What is wrong with the fields of an example's touchpoint.

    With `own_kinds` also a verb that neither the contract nor these know: nothing would ever fire on it.
    """
    for name in ("at", "kind"):
        if name not in said:
            yield FieldProblem(name, "is missing")
    for name, value in said.items():
        if name not in _KNOWN:
            meant = " (say at instead)" if name == "occurred_at" else did_you_mean(name, _KNOWN)
            problem = f"a touchpoint of an example has no such field{meant or '; it has ' + ', '.join(_KNOWN)}"
            yield FieldProblem(name, problem, is_about_name=True)
            continue
        try:
            _value(name, value)
        except ValueError as error:
            yield FieldProblem(name, str(error))
    kind = said.get("kind")
    if own_kinds is not None and isinstance(kind, str) and kind not in KINDS and kind not in own_kinds:
        meant = did_you_mean(kind, KINDS)
        problem = f"{kind!r} is no verb of the contract{meant}; if it is one of yours, list it in own_kinds"
        yield FieldProblem("kind", problem)


def _value(name: str, value: Any) -> Any:
    if name == "at":
        return parse_milliseconds(value)
    if name in TIME_FIELDS:
        return BEGINNING_MS + parse_milliseconds(value)
    if name in _DURATIONS:
        return parse_milliseconds(value)
    converted = msgspec.convert(value, _TYPES[name])
    if name == "identities" and not (converted and all(split_identity(identity) for identity in converted)):
        raise ValueError("identities are written namespace:value, such as customer_no:4711")
    return converted


def applied(touchpoint: Touchpoint) -> AppliedTouchpoint:
    """A touchpoint as the pipeline lets it in, of the one person that an example is about."""
    start = touchpoint.occurred_at
    return AppliedTouchpoint(
        touchpoint=touchpoint,
        event_time=start,
        end_time=max(start, touchpoint.ended_at or start),
        identity_hash=_PERSON,
        ingestion_time=start,
        is_time_corrected=False,
        origin_topic="examples",
        origin_partition=0,
        origin_offset=0,
        schema_id=1,
    )
