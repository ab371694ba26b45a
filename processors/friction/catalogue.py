"""The rules and calendars that are shipped, and count when nobody says otherwise."""

from functools import cache
from importlib.resources import files

from processors.friction.calendars import BusinessCalendars
from processors.friction.definition import Calendars, RuleDefinition
from processors.friction.engine import compiled
from processors.friction.finding import FrictionRule
from processors.friction.loading import load_calendars, load_definitions


@cache
def default_rules() -> tuple[FrictionRule, ...]:
    """All patterns with their default parameters, in the order of the catalogue."""
    return tuple(compiled(definition, default_calendars()) for definition in definitions())


def rule_ids() -> tuple[str, ...]:
    """Ids of all patterns, in the order of the catalogue."""
    return tuple(definition.id for definition in definitions())


@cache
def definitions() -> tuple[RuleDefinition, ...]:
    """All rule files that are shipped, in the order of the catalogue.

    Raises:
        RuleFileError: one of them is wrong.

    """
    folder = files("processors.friction.rules")
    found = sorted(file.name for file in folder.iterdir() if file.name.endswith(".yaml"))
    return load_definitions(((name, (folder / name).read_text(encoding="utf-8")) for name in found), is_shipped=True)


@cache
def default_calendars() -> Calendars:
    """The business calendars that are shipped."""
    name = "calendars.yaml"
    return BusinessCalendars(load_calendars((files("processors.friction") / name).read_text(encoding="utf-8"), name))
