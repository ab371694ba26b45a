"""docs/rules.md: every rule on it loads and does what its examples say, and every class has one."""

import re
from pathlib import Path

import pytest

from processors.friction.calendars import BusinessCalendars
from processors.friction.catalogue import default_calendars
from processors.friction.definition import CLASSES, Span
from processors.friction.examples import run_examples, tried
from processors.friction.loading import RuleFileError, load_calendars, load_definition, load_definitions
from processors.friction.plain_words import classes_of
from schemas.json_form import milliseconds
from tests.support.rule_files import STATUS_CHASING, changed

PAGE = (Path(__file__).parents[2] / "docs/rules.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(?ms)^```yaml\n(.*?)^```$", PAGE)
RULES = {block.split("\n")[0].removeprefix("id: "): block for block in BLOCKS if block.startswith("id: ")}


def test_every_class_has_an_example() -> None:
    definitions = load_definitions(RULES.items())
    assert sorted(name for definition in definitions for name in classes_of(definition)) == sorted(CLASSES)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_of_the_page_does_what_its_examples_say(name: str) -> None:
    engine = pytest.importorskip("processors.friction.engine", reason="needs what makes rules of definitions")
    definition = load_definition(RULES[name], name)
    outcomes = run_examples(definition, engine.compiled(tried(definition), default_calendars()))
    assert [(outcome.example.says, outcome.fired) for outcome in outcomes] == [
        (outcome.example.says, outcome.example.fires) for outcome in outcomes
    ]


def test_the_calendars_of_the_page_load() -> None:
    (block,) = (block for block in BLOCKS if block.startswith("calendars:"))
    calendars = BusinessCalendars(load_calendars(block, "rules.md"))
    saturday = milliseconds("2026-03-07T12:00:00Z")
    assert calendars.of("web").add(saturday, Span()) == saturday
    assert calendars.of("email").add(saturday, Span()) == milliseconds("2026-03-09T07:00:00Z")
    # Epiphany is a holiday in Bavaria, not in all of Germany.
    epiphany = milliseconds("2027-01-06T10:00:00Z")
    assert calendars.of("email").add(epiphany, Span()) == milliseconds("2027-01-07T07:00:00Z")


def test_a_mistake_is_told_as_the_page_says() -> None:
    with pytest.raises(RuleFileError) as caught:
        load_definition(changed(STATUS_CHASING, ("per: matter", "per: ordre")), "calls.yaml")
    assert f"\n{caught.value}\n" in PAGE
