"""The book of rules: which version of which rule judges what begins when."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from operator import itemgetter
from typing import NamedTuple

from processors.friction.definition import RuleDefinition
from processors.friction.examples import run_examples, tried
from processors.friction.finding import FrictionRule
from processors.friction.loading import RuleFileError, load_definition
from schemas.rule_changes import RuleChange


class RuleRefused(ValueError):
    """A published rule cannot be judged by; the message says why."""


class Book(NamedTuple):
    """Rules, those of one id one after the other, each with the anchors of its time.

    `moments` are those from which on the accepted changes hold, UTC milliseconds, sorted.
    """

    rules: tuple[FrictionRule, ...] = ()
    moments: tuple[int, ...] = ()


Compile = Callable[[RuleDefinition, int | None], FrictionRule]
"""Makes the rule of a definition that ends at a moment (UTC milliseconds, exclusive), `None` for never."""


def accepted(change: RuleChange, compiled: Compile) -> RuleDefinition | None:
    """What a change publishes, as of its `effective_from`; `None` when it retires a rule.

    Raises:
        RuleRefused: it is no rule file, names another rule or version than its text, or an example of it fails.

    """
    if change.text is None:
        return None
    try:
        definition = load_definition(change.text, change.key)
    except RuleFileError as error:
        raise RuleRefused(str(error)) from error
    if (definition.id, definition.version) != (change.rule_id, change.version):
        raise RuleRefused(f"it is published as {change.key}, its text says {definition.id}@{definition.version}")
    try:
        outcomes = run_examples(definition, compiled(tried(definition), None))
    except ValueError as error:
        raise RuleRefused(str(error)) from error
    failed = [outcome for outcome in outcomes if not outcome.is_as_expected]
    if failed:
        says = "; ".join(
            f"{outcome.example.says}: expected {', '.join(outcome.example.fires) or 'nothing'},"
            f" fired {', '.join(outcome.fired) or 'nothing'}"
            for outcome in failed
        )
        raise RuleRefused(f"{len(failed)} of its {len(outcomes)} examples fail: {says}")
    return effective(definition, change.effective_from)


def effective(definition: RuleDefinition, moment: int) -> RuleDefinition:
    """The definition, from a moment on (UTC milliseconds)."""
    return definition.model_copy(update={"effective_from": datetime.fromtimestamp(moment / 1000, UTC)})


def rule_book(
    shipped: Iterable[RuleDefinition],
    changes: Mapping[RuleChange, RuleDefinition | None],
    compiled: Compile,
) -> Book:
    """The book of the shipped rules and accepted changes to them.

    What begins at a moment is judged by the highest version that holds by then, so the book does not depend on the
    order in which changes were learned. Versions that no moment is left to stay in it: the moments at which time
    changes what they say still count, so that a person's rows have growing versions.
    """
    base = {definition.id: definition for definition in shipped}
    by_rule: dict[str, list[RuleChange]] = {rule_id: [] for rule_id in base}
    for change in sorted(changes, key=lambda change: change.version):
        by_rule.setdefault(change.rule_id, []).append(change)
    rules: list[tuple[tuple[bool, str, str, int], FrictionRule]] = []
    for rule_id, own in by_rule.items():
        versions = [base[rule_id]] if rule_id in base else []
        definitions = [*versions, *(changes[change] for change in own)]
        starts = [0] * len(versions) + [change.effective_from for change in own]
        place = next((definition.catalogue for definition in definitions if definition is not None), "")
        for number, definition in enumerate(definitions):
            if definition is not None:
                until = min(starts[number + 1 :], default=None)
                rules.append(((not place, place, rule_id, number), compiled(definition, until)))
    rules.sort(key=itemgetter(0))
    return Book(tuple(rule for _, rule in rules), tuple(sorted(change.effective_from for change in changes)))
