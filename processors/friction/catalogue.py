"""The rules that run when nobody says otherwise."""

from functools import cache
from importlib.resources import files

import yaml

from processors.friction.definition import RuleDefinition
from processors.friction.engine import compiled
from processors.friction.engine.clock import ALWAYS_OPEN
from processors.friction.finding import FrictionRule


@cache
def default_definitions() -> tuple[RuleDefinition, ...]:
    """All patterns as their files say, in the order of the catalogue; those without a place in it come last."""
    texts = [
        file.read_text(encoding="utf-8")
        for file in files("processors.friction.rules").iterdir()
        if file.name.endswith(".yaml")
    ]
    definitions = [RuleDefinition.model_validate(yaml.safe_load(text)) for text in texts]
    return tuple(sorted(definitions, key=lambda definition: (definition.catalogue or "~", definition.id)))


@cache
def default_rules() -> tuple[FrictionRule, ...]:
    """All patterns with their default parameters, in the order of the catalogue."""
    return tuple(compiled(definition, ALWAYS_OPEN) for definition in default_definitions())


def rule_ids() -> tuple[str, ...]:
    """Ids of all patterns, in the order of the catalogue."""
    return tuple(definition.id for definition in default_definitions())
