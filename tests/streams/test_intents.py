import pytest

from processors.diff import FactKind, Retraction
from schemas.outputs import Fact, Friction
from streams.intents import JUDGED_ANEW, MERGED, intents_for
from streams.owner import PersonChanges
from tests.support import facts
from tests.support.judging import judged
from tests.support.touchpoints import ANNA, DAY, MONDAY, TENANT, happened

NEVER_TOO_OLD = 10_000 * DAY
JUDGEMENT = judged(happened("page.viewed", MONDAY))


def changes(*upserts: Fact, retractions: list[Retraction] | None = None, partition: int = 0) -> PersonChanges:
    gone = [(retraction, 7) for retraction in retractions or []]
    return PersonChanges(partition, TENANT, ANNA, [(fact, 7) for fact in upserts], gone, JUDGEMENT)


def friction(friction_id: str = "f1", *, opened_at: int = MONDAY, is_alertable: bool = True) -> Friction:
    return facts.friction(friction_id=friction_id, opened_at=opened_at, is_alertable=is_alertable, person_key=ANNA)


def test_an_alertable_friction_becomes_an_intent_that_says_all_a_team_needs() -> None:
    found = friction()
    (intent,) = intents_for([changes(facts.session(), found)], {0: MONDAY}, NEVER_TOO_OLD)
    assert (intent.action, intent.friction_id, intent.version) == ("open", "f1", 7)
    for field in ("rule_id", "variant", "severity", "team", "topic", "from_channel", "to_channel", "minutes"):
        assert getattr(intent, field) == getattr(found, field)
    assert (intent.sentence_en, intent.sentence_de) == (found.sentence_en, found.sentence_de)
    assert intent.evidence == found.evidence.touchpoints
    assert intent.nearest_miss == found.evidence.nearest_miss


def test_the_team_that_a_rule_names_is_told_instead_of_the_one_that_caused_it() -> None:
    caused, named = (facts.friction(person_key=ANNA, team="desk", owner_team=owner) for owner in (None, "security"))
    teams = [one.team for one in intents_for([changes(caused), changes(named)], {0: MONDAY}, NEVER_TOO_OLD)]
    assert teams == ["desk", "security"]


def test_frictions_that_must_not_disturb_teams_become_none() -> None:
    assert intents_for([changes(friction(is_alertable=False))], {0: MONDAY}, NEVER_TOO_OLD) == []


@pytest.mark.parametrize(("age", "is_told"), [(400 * DAY, True), (400 * DAY + 1, False)])
def test_frictions_too_far_behind_the_watermark_help_nobody(age: int, is_told: bool) -> None:
    intents = intents_for([changes(friction(opened_at=MONDAY - age))], {0: MONDAY}, 400 * DAY)
    assert bool(intents) is is_told


def test_each_partition_has_its_own_time_and_without_one_nothing_is_too_old() -> None:
    old = friction(opened_at=MONDAY - 2 * DAY)
    told = intents_for([changes(old, partition=1), changes(old, partition=2)], {1: MONDAY, 2: None}, DAY)
    assert len(told) == 1


def test_only_withdrawn_frictions_are_told_of_and_with_the_version_that_withdrew_them() -> None:
    gone = [Retraction(kind, f"gone-{kind}", TENANT, ANNA) for kind in FactKind]
    (intent,) = intents_for([changes(retractions=gone)], {0: MONDAY}, NEVER_TOO_OLD)
    assert (intent.action, intent.friction_id, intent.version) == ("retract", "gone-friction", 7)
    assert (intent.tenant, intent.person_key) == (TENANT, ANNA)


def test_intents_keep_the_order_of_the_changes() -> None:
    told = intents_for(
        [
            changes(friction("f2"), friction("f1")),
            changes(friction("f0"), retractions=[Retraction(FactKind.FRICTION, "f9", TENANT, ANNA)]),
        ],
        {0: MONDAY},
        NEVER_TOO_OLD,
    )
    assert [(intent.action, intent.friction_id) for intent in told] == [
        ("open", "f2"),
        ("open", "f1"),
        ("open", "f0"),
        ("retract", "f9"),
    ]


def test_a_withdrawal_says_what_arrived_and_claims_no_more() -> None:
    gone = [Retraction(FactKind.FRICTION, "f1", TENANT, ANNA)]
    arrived = happened("message.sent", MONDAY + 34_860_000, channel="email")
    (intent,) = intents_for([changes(retractions=gone)], {0: MONDAY}, NEVER_TOO_OLD, {ANNA: arrived})
    assert intent.because_en == "message.sent (email) of 2024-01-01 09:41 UTC did arrive"
    assert intent.because_de == "message.sent (email) vom 2024-01-01 09:41 UTC ist doch eingetroffen"


def test_without_a_touchpoint_a_withdrawal_says_that_something_else_made_the_difference() -> None:
    gone = [Retraction(FactKind.FRICTION, "f1", TENANT, ANNA)]
    merged = changes(retractions=gone)._replace(judgement=None)
    judged_anew = changes(retractions=gone)
    reasons = [one.because_en for one in intents_for([merged, judged_anew], {0: MONDAY}, NEVER_TOO_OLD)]
    assert reasons == [MERGED.en, JUDGED_ANEW.en]
