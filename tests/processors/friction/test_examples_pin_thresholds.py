"""The examples of every shipped rule pin its numbers: none can be changed by its smallest step unnoticed.

An example notices a change when the rule fires otherwise in it: another number of times, as another variant, or with
another base. Minutes, severity and the grace of absences are not what examples show.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from pydantic import BaseModel

from processors.friction.catalogue import default_calendars, definitions
from processors.friction.definition import (
    Absence,
    Bound,
    Example,
    Guard,
    Near,
    Ratio,
    RuleDefinition,
    Span,
    VariantRule,
    parse_milliseconds,
)
from processors.friction.definition import (
    Test as FieldTest,
)
from processors.friction.engine import compiled
from processors.friction.examples import run_example, tried
from processors.friction.finding import FrictionRule

rules = pytest.mark.parametrize("definition", definitions(), ids=lambda definition: definition.id)

#: Numbers that change nothing of what an example shows.
UNSEEN: Final = frozenset({"version", "base", "severity", "minutes", "grace", "examples", "any_of", "none_of"})
#: Parameters of rules in Python that only say what is posted, or that evidence only mentions.
UNSEEN_PARAMETERS: Final = frozenset({"switch", "re_explain", "field", "item", "short_window", "long_window"})
#: Shares are pinned to a twentieth: more takes too many touchpoints.
SHARE: Final = 0.05
#: Times a limit, and shares of it.
TIMES: Final = 0.001

#: The smallest step of a number in a field of a part.
StepOf = Callable[[BaseModel, str, float], float]


@rules
def test_every_number_is_pinned(definition: RuleDefinition) -> None:
    unpinned = [where for where, changed in changes(definition) if not is_noticed(definition, changed)]
    assert not unpinned, "\n".join(unpinned)


@rules
def test_every_guard_and_exception_objects_alone_in_an_example(definition: RuleDefinition) -> None:
    unshown = [where for where, without in omissions(definition) if not is_noticed(definition, without)]
    assert not unshown, "\n".join(unshown)


def is_noticed(definition: RuleDefinition, changed: RuleDefinition) -> bool:
    """Whether an example comes out otherwise by the changed definition."""
    rule, other = _rule(definition), _rule(changed)
    return any(_shown(example, rule) != _shown(example, other) for example in definition.examples)


def _rule(definition: RuleDefinition) -> FrictionRule:
    return compiled(tried(definition), default_calendars())


def _shown(example: Example, rule: FrictionRule) -> list[tuple[str, str]]:
    """Variants and bases."""
    found = run_example(example, rule).frictions
    return [(friction.variant, friction.evidence.severity_parts[0].value) for friction in found]


def changes(definition: RuleDefinition) -> Iterator[tuple[str, RuleDefinition]]:
    """The definition with one of its numbers a step up or down, and which."""
    if definition.python is None:
        yield from _changed(definition, _steps(definition))
        return
    for name, told in definition.parameters.items():
        if name not in UNSEEN_PARAMETERS:
            value = parse_milliseconds(told) if isinstance(told, str) else told
            for where, changed in _changed_value(value, _whole_or_share(value)):
                parameters = {**definition.parameters, name: changed}
                yield f"{name} {where}", definition.model_copy(update={"parameters": parameters})


def _steps(definition: RuleDefinition) -> StepOf:
    """How small a step of each number is; that of a variant's level depends on the pattern that shows it."""
    levels: dict[str, float] = {}
    for pattern in definition.patterns:
        for name in pattern.variants:
            if pattern.absence is not None:
                limits = [pattern.absence.within, *pattern.absence.within_by_channel.values()]
                days = [limit.working_days for limit in limits if limit is not None]
                levels[name] = 1 / max(days) if days and all(days) else TIMES
            elif pattern.ratio is not None:
                levels[name] = SHARE

    def step(part: BaseModel, name: str, value: float) -> float:
        if isinstance(part, VariantRule) and part.name in levels:
            return levels[part.name]
        if isinstance(part, Ratio) and name in {"at_least", "at_most"}:
            return SHARE
        return TIMES if isinstance(part, Absence) and name == "slack" else _whole_or_share(value)

    return step


def _whole_or_share(value: float) -> float:
    return 1 if value == int(value) else SHARE


def _changed(part: BaseModel, step: StepOf) -> Iterator[tuple[str, Any]]:
    for name in type(part).model_fields:
        value = getattr(part, name)
        # A number that nobody wrote and that is nothing sets no threshold.
        if name in UNSEEN or (not value and name not in part.model_fields_set):
            continue
        for where, changed in _changed_in(value, part, name, step):
            yield f"{name}{where}", part.model_copy(update={name: changed})


def _changed_in(value: Any, part: BaseModel, name: str, step: StepOf) -> Iterator[tuple[str, Any]]:
    if isinstance(value, BaseModel):
        yield from ((f".{where}", changed) for where, changed in _changed(value, step))
    elif isinstance(value, dict):
        for key, element in value.items():
            for where, changed in _changed_in(element, part, name, step):
                yield f".{key}{where}", {**value, key: changed}
    elif isinstance(value, tuple) and not isinstance(value, (Bound, Span)):
        for place, element in enumerate(value):
            for where, changed in _changed_in(element, part, name, step):
                yield f"[{place}]{where}", (*value[:place], changed, *value[place + 1 :])
    elif isinstance(value, (Bound, Span, int, float)) and not isinstance(value, bool):
        size = 1 if isinstance(value, (Bound, Span)) else step(part, name, value)
        # Fewer than one is no number of touchpoints.
        least = 1 if name in {"at_least", "minimum"} and not isinstance(part, (FieldTest, Ratio)) else 0
        for where, changed in _changed_value(value, size, least):
            yield f" {where}", changed


def _changed_value(value: Any, step: float, least: float = 0) -> Iterator[tuple[str, Any]]:
    for signed in (step, -step):
        if isinstance(value, Bound):
            if value.shift_ms:
                yield f"{value} {signed:+}", value._replace(shift_ms=value.shift_ms + round(signed))
        elif isinstance(value, Span):
            unit = "working_days" if value.working_days else "ms"
            yield f"{value} {signed:+}", value._replace(**{unit: getattr(value, unit) + signed})
        elif value + signed >= least:
            yield f"{value} {signed:+}", value + signed


def omissions(part: BaseModel) -> Iterator[tuple[str, Any]]:
    """A definition, or part of one, without one of its guards, or one of the exceptions of a pattern."""
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, BaseModel):
            yield from ((f"{name}.{where}", part.model_copy(update={name: rest})) for where, rest in omissions(value))
        if name not in {"patterns", "guards", "unless", "excused_by"}:
            continue
        for place, element in enumerate(value):
            before, after = value[:place], value[place + 1 :]
            if isinstance(element, (Guard, Near)):
                label = element.name if isinstance(element, Guard) else str(place)
                yield f"{name}[{label}]", part.model_copy(update={name: (*before, *after)})
            else:
                for where, rest in omissions(element):
                    yield f"{name}[{place}].{where}", part.model_copy(update={name: (*before, rest, *after)})
