"""The core over generated data finds every planted person and friction as planted, and nothing else.

Frictions are judged with persons from the truth, so what is planted is right whatever joins identities.
"""

from random import Random

import pytest

from processors.identities import home, links_of, resolve
from processors.identity_limits import IdentityLimits
from streams.producing.generator import GeneratedCompany
from tests.support.generated import TrueOwners
from tests.support.judged_company import admitted, as_found, as_planted, judged, person_key
from tests.support.touchpoints import MONDAY


@pytest.mark.parametrize("identities", [False, True])
@pytest.mark.parametrize(
    ("persons", "events", "seed"),
    [(8, 300, 1), (120, 3_000, 2), (400, 12_000, 3), (400, 12_000, 4), (60, 20_000, 5), (1_500, 15_000, 6)],
)
def test_every_planted_friction_is_found_as_it_was_planted_and_no_other_of_its_rules(
    persons: int, events: int, seed: int, *, identities: bool
) -> None:
    company = GeneratedCompany(persons=persons, events=events, seed=seed, start=MONDAY, identities=identities)
    rules = {friction.rule_id for friction in company.truth.frictions}
    found = {as_found(friction) for friction in judged(company) if friction.rule_id in rules}
    planted = {as_planted(friction) for friction in company.truth.frictions}
    assert len(planted) == len(company.truth.frictions) > 0
    assert found == planted


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_links_make_the_planted_persons_and_no_others(seed: int) -> None:
    company = GeneratedCompany(persons=20, events=200, seed=seed, start=MONDAY, identities=True)
    truth = company.truth
    owners = TrueOwners((person.identities for person in truth.people), truth.placeholders)
    told = list(admitted(company))
    links = [link for _, applied in told for link in links_of(applied)]
    Random(seed).shuffle(links)
    resolution = resolve(links, IdentityLimits())
    assert resolution.placeholders == {person_key(identity) for identity in truth.placeholders}
    found: dict[str, set[tuple[str, str]]] = {}
    planted: dict[str, set[tuple[str, str]]] = {}
    for touchpoint, applied in told:
        owner = resolution.person_key(home(applied.touchpoint.identities, resolution.placeholders))
        found.setdefault(owner, set()).add((touchpoint.source, touchpoint.id))
        planted.setdefault(owners.of(touchpoint.identities), set()).add((touchpoint.source, touchpoint.id))
    assert {frozenset(keys) for keys in found.values()} == {frozenset(keys) for keys in planted.values()}
    members = {frozenset(map(person_key, person.identities)) for person in truth.people}
    assert members == {frozenset(resolution.members(person_key(person.identities[0]))) for person in truth.people}


def test_no_rule_fires_where_the_truth_says_that_it_stays_silent() -> None:
    company = GeneratedCompany(persons=400, events=12_000, seed=7, start=MONDAY, identities=True)
    sent = {(touchpoint.source, touchpoint.id): touchpoint.occurred_at for touchpoint in company.touchpoints()}
    fired = {(friction.rule_id, friction.person_key, friction.anchor_at) for friction in judged(company)}
    silent = {
        (
            case.rule_id,
            person_key(case.person),
            sent[case.touchpoint.source, case.touchpoint.id],
        )
        for case in company.truth.silent
    }
    assert len(silent) == len(company.truth.silent) > 0
    assert fired.isdisjoint(silent)


def test_planted_frictions_are_others_when_every_identity_is_a_person() -> None:
    company = GeneratedCompany(persons=1, events=100, seed=1, start=MONDAY, identities=True)
    planted = {(friction.rule_id, friction.variant, friction.anchor_at) for friction in company.truth.frictions}
    strangers = {
        (friction.rule_id, friction.variant, friction.anchor_at) for friction in judged(company, by_identity=True)
    }
    assert len(planted - strangers) > 20
    assert len(strangers - planted) > 100
