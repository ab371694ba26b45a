"""Definitions made into rules."""

from hashlib import blake2b
from importlib import import_module
from typing import Any

import msgspec

from processors.friction.definition import Calendars, RuleDefinition, parse_milliseconds
from processors.friction.engine.describing import refuse_unknown_words
from processors.friction.engine.rule import CompiledRule
from processors.friction.finding import FrictionRule, RuleParameters, Variant
from processors.friction.severity import SeverityScale

#: What a rule means does not depend on these.
_SAYS_NOTHING = {"examples", "title", "source"}


def compiled(definition: RuleDefinition, calendars: Calendars, until: int | None = None) -> FrictionRule:
    """The rule that a definition describes; `until` (UTC milliseconds) it judges what begins, `None` for ever.

    Raises:
        ValueError: what it says does not go together: an unknown word in a sentence, an unknown parameter.

    """
    general: dict[str, Any] = {
        "rule_id": definition.id,
        "version": definition.version,
        "variants": tuple(
            Variant(
                name=variant.name, base=variant.base, sentence_en=variant.sentence_en, sentence_de=variant.sentence_de
            )
            for variant in definition.variants
        ),
        "severity": SeverityScale(
            effort_ms=definition.severity.effort,
            great_effort_ms=definition.severity.great_effort,
            repeat_window_ms=definition.severity.repeat_within,
            age_ms=definition.severity.age,
            recovery_window_ms=definition.severity.recovery_within,
        ),
        "effective_from": round(definition.effective_from.timestamp() * 1000),
        "effective_until": until,
        "shadow": definition.shadow,
        "despite_incident": definition.despite_incident,
        "owner_team": definition.owner_team,
    }
    content_hash = definition_hash(definition)
    if definition.python is None:
        return CompiledRule(definition, RuleParameters(**general), content_hash, calendars)
    return _python_rule(definition, general, content_hash)


def definition_hash(definition: RuleDefinition) -> str:
    """32 hex characters that change with all of a definition but its examples, title and source."""
    told = definition.model_dump(mode="json", exclude=_SAYS_NOTHING)
    return blake2b(msgspec.msgpack.encode(told, order="deterministic"), digest_size=16).hexdigest()


def _python_rule(definition: RuleDefinition, general: dict[str, Any], content_hash: str) -> FrictionRule:
    """The rule of a class, told its parameters; a duration may be given as a text without `_ms` in its name."""
    name = f"processors.friction.rules.{definition.id}"
    try:
        rule_class: Any = getattr(import_module(name), definition.python or "")
    except (ImportError, AttributeError) as error:
        msg = f"there is no class {definition.python} in {name}: {error}"
        raise ValueError(msg) from error
    parameters_class: type[RuleParameters] = rule_class.PARAMETERS
    own = {field for field in parameters_class.__struct_fields__ if field not in RuleParameters.__struct_fields__}
    names = {field.removesuffix("_ms"): field for field in own}
    told: dict[str, Any] = {}
    for given, value in definition.parameters.items():
        if given not in names:
            msg = f"{definition.python} has no parameter {given!r}; it has {', '.join(sorted(names))}"
            raise ValueError(msg)
        field = names[given]
        told[field] = parse_milliseconds(value) if field.endswith("_ms") else value
    for variant in definition.variants:
        refuse_unknown_words(variant, rule_class.WORDS)
    try:
        parameters = msgspec.convert({**msgspec.to_builtins(general), **told}, parameters_class)
    except msgspec.ValidationError as error:
        msg = f"parameters of {definition.python}: {error}"
        raise ValueError(msg) from error
    rule: FrictionRule = rule_class(parameters, content_hash)
    return rule
