"""What holds for every rule, and repeats against an oracle that looks at every pair."""

from string import Formatter

import msgspec
import pytest
from hypothesis import given

from processors.friction.catalogue import default_rules
from processors.friction.finding import FrictionRule
from processors.identifiers import hash_id
from schemas.touchpoint import AppliedTouchpoint
from tests.support import oracle
from tests.support.judging import frictions
from tests.support.stories import stories
from tests.support.touchpoints import TENANT, applied

rules = pytest.mark.parametrize("rule", default_rules(), ids=lambda rule: rule.parameters.rule_id)


@rules
def test_a_rule_lives_in_the_module_of_its_name(rule: FrictionRule) -> None:
    module = type(rule).__module__
    assert module in {f"processors.friction.rules.{rule.parameters.rule_id}", "processors.friction.engine.rule"}


@rules
def test_every_variant_says_the_same_in_both_languages(rule: FrictionRule) -> None:
    for variant in rule.parameters.variants:
        assert 1 <= variant.base <= 5
        words = [
            {name.removesuffix("_de") for _, name, _, _ in Formatter().parse(text) if name}
            for text in (variant.sentence_en, variant.sentence_de)
        ]
        spoken = [names & {"from_channel", "to_channel", "about"} for names in words]
        assert spoken[0] - {"to_channel"} == spoken[1] - {"to_channel"}


@given(stories())
def test_repeats_equal_the_oracle(story: list[AppliedTouchpoint]) -> None:
    # Without what guards look at: the oracle knows only the definition of a repeat.
    plain = [
        applied(msgspec.structs.replace(one.touchpoint, reason=None, objects=_one_per_type(one.touchpoint.objects)))
        for one in story
        if one.touchpoint.actor != "agent"
    ]
    if plain:
        found = {friction.friction_id for friction in frictions("repeat_contact", plain)}
        expected = {f"{TENANT}/test/{id_}" for id_ in oracle.repeats(plain)}
        assert found == {hash_id("friction", TENANT, "repeat_contact", ref) for ref in expected}


def _one_per_type(objects: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{text.split(':')[0]}:1" for text in objects)
