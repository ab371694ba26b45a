"""What every friction carries: evidence, status, journey, and whether teams are told."""

from typing import Any

import pytest

from schemas.outputs import Friction, FrictionStatus
from schemas.touchpoint import AppliedTouchpoint
from tests.support.judging import frictions, judged
from tests.support.ruling import definition, found_by, rule_of
from tests.support.touchpoints import DAY, HOUR, MINUTE, MONDAY, happened


def called(at: int = MONDAY, **fields: Any) -> AppliedTouchpoint:
    return happened("call.offered", at, **({"channel": "phone", "topic": "a"} | fields))


def only(*touchpoints: AppliedTouchpoint) -> Friction:
    """The repeat; its minutes may be over the budget of the journey as well."""
    (friction,) = frictions("repeat_contact", touchpoints)
    return friction


@pytest.mark.parametrize(
    ("fields", "silenced_by"),
    [
        ({}, None),
        ({"backfill": True}, "backfill"),
        ({"objects": ("incident:7",)}, "incident"),
        ({"backfill": True, "objects": ("incident:7",)}, "backfill"),
    ],
)
def test_imported_history_and_incidents_alert_nobody(fields: dict[str, Any], silenced_by: str | None) -> None:
    for story in ([called(**fields), called(MONDAY + HOUR)], [called(), called(MONDAY + HOUR, **fields)]):
        friction = only(*story)
        assert (friction.silenced_by, friction.is_alertable) == (silenced_by, silenced_by is None)


def test_a_rule_about_what_the_company_does_in_an_incident_is_told_in_one() -> None:
    outage = happened("incident.opened", MONDAY, actor="system", objects=("incident:7",))
    promo = happened("outbound.sent", MONDAY + HOUR, actor="system", message_class="promo", channel="email")
    (friction,) = frictions("tone_deaf_contact", [outage, promo])
    assert (friction.variant, friction.silenced_by, friction.is_alertable) == ("outage", None, True)


@pytest.mark.parametrize("owner", [None, "security"])
def test_a_rule_may_name_the_team_that_is_told_whoever_caused_it(owner: str | None) -> None:
    told = definition(
        {"sequence": {"first": {"kind": "contact.started"}, "then": {"kind": "contact.started"}, "within": "1d"}},
        owner_team=owner,
    )
    story = [happened("contact.started", MONDAY + at, id=f"{at}", team="desk", thread_id=f"{at}") for at in (0, HOUR)]
    (friction,) = found_by(rule_of(told), *story)
    assert (friction.team, friction.owner_team) == ("desk", owner)


@pytest.mark.parametrize(
    ("consents", "silenced_by"),
    [
        ([("consent.withdrawn", -1, ("profiling",))], "consent"),
        ([("consent.denied", HOUR, ("marketing", "profiling"))], "consent"),
        ([("consent.withdrawn", HOUR + 1, ("profiling",))], None),
        ([("consent.withdrawn", -1, ("marketing",))], None),
        ([("consent.withdrawn", -2, ("profiling",)), ("consent.granted", -1, ("profiling",))], None),
        ([("consent.granted", -2, ("profiling",)), ("consent.withdrawn", -1, ("profiling",))], "consent"),
        ([("consent.withdrawn", -2, ("profiling",)), ("consent.granted", -1, ("marketing",))], "consent"),
    ],
)
def test_refused_profiling_alerts_nobody(
    consents: list[tuple[str, int, tuple[str, ...]]], silenced_by: str | None
) -> None:
    story = [happened(kind, MONDAY + after, id=f"0{kind}", purposes=purposes) for kind, after, purposes in consents]
    assert only(called(), called(MONDAY + HOUR), *story).silenced_by == silenced_by


def test_a_solution_clears_a_friction_and_joins_its_evidence() -> None:
    solved = happened("customer.confirmed", MONDAY + 2 * HOUR, topic="a")
    friction = only(called(), called(MONDAY + HOUR), solved)
    assert friction.status is FrictionStatus.CLEARED
    assert friction.evidence.touchpoints[-1] == f"default/test/customer.confirmed@{MONDAY + 2 * HOUR}"


@pytest.mark.parametrize(("after", "status"), [(14 * DAY, FrictionStatus.CLEARED), (14 * DAY + 1, FrictionStatus.OPEN)])
def test_a_solution_on_a_later_journey_comes_too_late(after: int, status: FrictionStatus) -> None:
    solved = happened("case.resolved", MONDAY + HOUR + after, topic="a", actor="agent", direction="internal")
    friction = next(iter(judged(called(), called(MONDAY + HOUR), solved).frictions))
    assert friction.status is status


def test_a_contact_that_solves_the_matter_clears_its_own_friction() -> None:
    assert only(called(), called(MONDAY + HOUR, outcome="ok")).status is FrictionStatus.CLEARED
    assert only(called(outcome="ok"), called(MONDAY + HOUR)).status is FrictionStatus.OPEN


def test_a_solution_at_the_moment_the_friction_began_is_not_its_solution() -> None:
    assert only(called(outcome="ok", ended_at=MONDAY + HOUR), called(MONDAY + HOUR)).status is FrictionStatus.OPEN
    assert only(called(outcome="ok", ended_at=MONDAY + HOUR + 1), called(MONDAY + HOUR)).status is (
        FrictionStatus.CLEARED
    )


def test_the_end_of_a_thread_may_bring_the_solution() -> None:
    ended = happened(
        "call.ended", MONDAY + 2 * HOUR, channel="phone", thread_id="t", actor="system", outcome="ok", topic=None
    )
    assert only(called(), called(MONDAY + HOUR, thread_id="t"), ended).status is FrictionStatus.CLEARED


def test_a_friction_lies_on_the_journey_of_its_anchor() -> None:
    judgement = judged(called(), called(MONDAY + HOUR), called(MONDAY + HOUR + MINUTE, topic="b"))
    about_a = next(journey for journey in judgement.journeys if journey.topic == "a")
    assert [friction.journey_id for friction in judgement.frictions] == [about_a.journey_id]


def test_evidence_names_rule_version_and_hash_of_its_parameters() -> None:
    evidence = only(called(), called(MONDAY + HOUR)).evidence
    assert (evidence.rule_id, evidence.rule_version, len(evidence.rule_hash)) == ("repeat_contact", 1, 32)
    assert {check.name for check in evidence.guards} == {"invited", "new_object", "scheduled"}
    assert all(guard.passed for guard in evidence.guards)
