"""The core over generated data finds every planted person and friction as planted, and nothing else.

Frictions are judged with persons from the truth, so what is planted is right whatever joins identities.
"""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import pytest

from processors.admission import AdmissionSettings, admit, owner_hash
from processors.friction.catalogue import default_rules
from processors.identities import home, links_of, resolve
from processors.identity_limits import IdentityLimits
from processors.keyring import Key, Keyring
from processors.person import PersonState, judge, step
from processors.settings import CoreSettings
from schemas.json_form import milliseconds
from schemas.log import Position
from schemas.outputs import Friction
from schemas.touchpoint import AppliedTouchpoint, Touchpoint
from streams.producing.generator import GeneratedCompany
from tests.support.generated import TrueOwners
from tests.support.touchpoints import DAY, MONDAY

PEPPER = b"only for tests, and long enough for one"
KEYRING = Keyring((Key(PEPPER),))
#: What the watermark may stay behind the newest touchpoint; the closing half hour of the data is longer.
ALLOWED_LATENESS = 600_000


class Found(NamedTuple):
    """A friction in the words of the truth."""

    rule_id: str
    person: str
    anchor_at: int
    variant: str
    severity_base: int
    status: str
    alertable: bool
    silenced_by: str | None


def as_found(friction: Friction) -> Found:
    base = next(int(part.value) for part in friction.evidence.severity_parts if part.name == "base")
    return Found(
        friction.rule_id,
        friction.person_key,
        friction.anchor_at,
        friction.variant,
        base,
        friction.status.value,
        friction.is_alertable,
        friction.silenced_by,
    )


def person_key(identity: str) -> str:
    key = owner_hash(PEPPER, "default", identity)
    assert key is not None
    return key


def admitted(company: GeneratedCompany) -> Iterator[tuple[Touchpoint, AppliedTouchpoint]]:
    """Touchpoints as they are sent and as they are let in, in the order of sending."""
    append_time = milliseconds(company.truth.end) + DAY
    for offset, touchpoint in enumerate(company.touchpoints()):
        applied = admit(
            touchpoint,
            position=Position("touchpoints", 0, offset),
            append_time=append_time,
            schema_id=1,
            keyring=KEYRING,
            settings=AdmissionSettings(),
        )
        assert isinstance(applied, AppliedTouchpoint), applied
        yield touchpoint, applied


def judged(company: GeneratedCompany, *, by_identity: bool = False) -> list[Friction]:
    """Frictions of all persons once everything has arrived, in the order of sending.

    Persons are those of the truth, or else the strongest identities.
    """
    truth = company.truth
    owners = TrueOwners((person.identities for person in truth.people), truth.placeholders)
    states: dict[str, PersonState] = {}
    newest = 0
    for touchpoint, applied in admitted(company):
        key = applied.identity_hash if by_identity else person_key(owners.of(touchpoint.identities))
        step(states.setdefault(key, PersonState(touchpoint.tenant, key)), applied)
        newest = max(newest, applied.event_time)
    watermark = newest - ALLOWED_LATENESS
    rules = default_rules()
    return [
        friction for state in states.values() for friction in judge(state, rules, watermark, CoreSettings()).frictions
    ]


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
    planted = {
        Found(
            friction.rule_id,
            person_key(friction.person),
            friction.anchor_at,
            friction.variant,
            friction.severity_base,
            friction.status,
            friction.alertable,
            friction.silenced_by,
        )
        for friction in company.truth.frictions
    }
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
