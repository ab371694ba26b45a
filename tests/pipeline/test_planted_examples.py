"""Every rule over generated data, with the examples of all rule files planted in them.

About the person of an example the truth is complete for the rule of the example. So the frictions of this person and
rule are held against the planted ones: recall is the share of the planted that were found, precision the share of the
found that were planted. What other rules make of an example nobody wrote down.
"""

from collections import Counter

import pytest

from processors.friction.catalogue import definitions, rule_ids
from streams.producing.generator import GeneratedCompany
from streams.producing.rule_examples import rule_examples
from streams.producing.scenarios import REDIRECT, REPEAT, SCENARIOS, SWITCH
from tests.support.judged_company import Found, as_found, as_planted, judged, person_key
from tests.support.touchpoints import DAY, MONDAY

#: Rules that the written scenarios are complete about, for everybody but the people of examples.
WRITTEN = {REDIRECT, SWITCH, REPEAT}


@pytest.mark.parametrize(
    ("persons", "events", "seed"),
    # The fewest for every variant and guard, as the help says; for every example; and 200,000, several of each.
    [(410, 2_000, 1), (1_200, 5_000, 2), (20_000, 200_000, 3)],
)
def test_every_rule_finds_all_that_is_planted_of_its_examples_and_nothing_else(
    persons: int, events: int, seed: int
) -> None:
    company = GeneratedCompany(persons=persons, events=events, seed=seed, start=MONDAY, catalogue=True)
    truth = company.truth
    rule_of = {person_key(example.person): example.rule_id for example in truth.examples}
    planted = {as_planted(friction) for friction in truth.frictions}
    found = {as_found(friction) for friction in judged(company)}

    of_examples = {one for one in planted if one.person in rule_of}
    assert wrong(of_examples, {one for one in found if rule_of.get(one.person) == one.rule_id}) == {}
    others = {one for one in found if one.person not in rule_of and one.rule_id in WRITTEN}
    assert wrong(planted - of_examples, others) == {}

    assert {one.rule_id for one in of_examples} == set(rule_ids())
    assert len(rule_ids()) >= 33
    assert {(one.rule_id, one.variant) for one in of_examples} == {
        (rule.id, variant.name) for rule in definitions() for variant in rule.variants
    }
    silent = {(case.rule_id, case.reason) for case in truth.silent if person_key(case.person) in rule_of}
    assert guards() <= silent
    assert len(guards()) >= 33
    planted_scenarios = {friction.scenario for friction in truth.frictions} | {case.scenario for case in truth.silent}
    assert {scenario.__name__ for scenario in SCENARIOS} <= planted_scenarios
    if persons > 410:
        fitting = {(one.definition.id, one.example.says) for one in rule_examples() if one.truth.lasts <= 26 * DAY}
        assert {(example.rule_id, example.says) for example in truth.examples} == fitting


def guards() -> set[tuple[str, str]]:
    """Every guard that a rule file has, with the rule."""
    return {
        (rule.id, guard.name)
        for rule in definitions()
        for own in (rule.guards, *(pattern.guards for pattern in rule.patterns))
        for guard in own
    }


def wrong(planted: set[Found], found: set[Found]) -> dict[str, tuple[int, int]]:
    """By rule, how many planted frictions were missed, and how many were found that were not planted."""
    missed = Counter(one.rule_id for one in planted - found)
    surplus = Counter(one.rule_id for one in found - planted)
    return {rule_id: (missed[rule_id], surplus[rule_id]) for rule_id in sorted(missed.keys() | surplus.keys())}
