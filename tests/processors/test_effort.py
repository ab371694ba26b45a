"""The effort ledger: every minute once, named by voucher, and sums that agree in every direction."""

from collections import defaultdict
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.effort import Claim, Ledger, claim
from processors.entries import Entry
from schemas.outputs import EffortKind, EffortPosting
from schemas.touchpoint import AppliedTouchpoint
from tests.support.judging import judged
from tests.support.stories import stories, watermarks
from tests.support.touchpoints import ANNA, HOUR, MINUTE, MONDAY, SECOND, happened

FORM = Entry(happened("form.submitted", MONDAY + HOUR, channel="web"))
CALL = Entry(happened("call.offered", MONDAY, channel="phone"))


def wanted(
    cause: str = "a",
    ms: int = MINUTE,
    *,
    kind: EffortKind = EffortKind.REWORK,
    voucher: Entry = FORM,
    anchor: Entry = CALL,
    name: str = "n",
    is_measured: bool = False,
    journey_id: str = "j",
    team: str | None = None,
) -> Claim:
    """A claim of the friction of a rule, `wait` of none."""
    return claim(
        name,
        kind,
        ms,
        voucher,
        anchor=anchor,
        person_key=ANNA,
        journey_id=journey_id,
        team=team,
        cause=cause,
        is_measured=is_measured,
        friction_id=None if cause == "wait" else cause,
    )


def posted(*claims: Claim) -> set[tuple[str, EffortKind, float]]:
    """Cause, kind and minutes of what is posted, which does not depend on the order of the claims."""
    results = {
        frozenset((one.cause, one.kind, one.minutes) for one in Ledger(order).postings)
        for order in permutations(claims)
    }
    (result,) = results
    return set(result)


def test_the_time_in_a_form_is_posted_once() -> None:
    redirect = wanted("channel_redirect", 6 * MINUTE, is_measured=True)
    burden = wanted("form_burden", 2 * MINUTE, is_measured=True)
    assert posted(redirect, burden) == {("channel_redirect", EffortKind.REWORK, 6.0)}


def test_measured_minutes_come_before_more_that_are_assumed() -> None:
    measured, assumed = wanted("a", MINUTE, is_measured=True), wanted("b", 5 * MINUTE)
    assert posted(measured, assumed) == {("a", EffortKind.REWORK, 1.0)}


def test_of_a_wait_and_the_friction_that_sums_it_up_the_friction_is_posted() -> None:
    wait = wanted("wait", 4 * MINUTE, kind=EffortKind.WAIT, is_measured=True)
    summed = wanted("wait_sum", 4 * MINUTE, kind=EffortKind.WAIT, is_measured=True)
    assert posted(wait, summed) == {("wait_sum", EffortKind.WAIT, 4.0)}
    shorter = wanted("wait_sum", 3 * MINUTE, kind=EffortKind.WAIT, is_measured=True)
    assert posted(wait, shorter) == {("wait", EffortKind.WAIT, 4.0)}


def test_being_busy_is_one_sort_of_time_and_waiting_another() -> None:
    claims = [wanted(kind.value, kind=kind) for kind in EffortKind]
    assert {(kind, minutes) for _, kind, minutes in posted(*claims)} == {
        (EffortKind.ACTIVE, 1.0),
        (EffortKind.WAIT, 1.0),
        (EffortKind.SWITCH, 1.0),
    }


def test_of_equal_claims_the_friction_found_first_has_it_then_the_name_decides() -> None:
    assert posted(wanted("b", anchor=CALL), wanted("a", anchor=FORM)) == {("b", EffortKind.REWORK, 1.0)}
    assert posted(wanted("b"), wanted("a")) == {("a", EffortKind.REWORK, 1.0)}


def test_all_claims_of_one_friction_on_a_touchpoint_stand_together() -> None:
    explain, form = wanted("a", 2 * MINUTE, name="re_explain"), wanted("a", 3 * MINUTE, name="form")
    assert len(Ledger([explain, form]).postings) == 2
    assert posted(explain, form, wanted("b", 4 * MINUTE)) == {
        ("a", EffortKind.REWORK, 2.0),
        ("a", EffortKind.REWORK, 3.0),
    }
    assert posted(explain, form, wanted("b", 6 * MINUTE)) == {("b", EffortKind.REWORK, 6.0)}


def test_other_touchpoints_prove_other_minutes() -> None:
    assert len(Ledger([wanted("a"), wanted("b", voucher=CALL)]).postings) == 2


def test_what_a_journey_cost_is_known_from_the_first_claim_on() -> None:
    later = Entry(happened("call.offered", MONDAY + 2 * HOUR, channel="phone"))
    first, best = wanted("a", anchor=FORM), wanted("b", 2 * MINUTE, anchor=later)
    ((known_by, posting),) = Ledger([best, first]).of("j")
    assert (known_by, posting.cause) == (FORM, "b")
    assert Ledger([best]).of("j")[0].known_by is later


_claims = st.lists(
    st.builds(
        wanted,
        st.sampled_from("abc"),
        st.integers(0, 90 * SECOND),
        kind=st.sampled_from(EffortKind),
        voucher=st.sampled_from([CALL, FORM]),
        anchor=st.sampled_from([CALL, FORM]),
        name=st.sampled_from("mn"),
        is_measured=st.booleans(),
        journey_id=st.sampled_from("jk"),
        team=st.sampled_from(["x", "y", None]),
    ),
    max_size=12,
    unique_by=lambda one: one.posting.posting_id,
)


@given(_claims, st.data())
def test_a_ledger_does_not_depend_on_the_order_of_claims(claims: list[Claim], data: st.DataObject) -> None:
    one, other = Ledger(claims), Ledger(data.draw(st.permutations(claims)))
    assert one.hashes == other.hashes
    assert (one.minutes, one.journey_minutes) == (other.minutes, other.journey_minutes)
    assert one.of("j") == other.of("j")


@given(_claims)
def test_no_time_at_a_touchpoint_is_posted_for_two_and_none_is_forgotten(claims: list[Claim]) -> None:
    ledger = Ledger(claims)
    by_id = {one.posting.posting_id: one for one in claims}
    owners = defaultdict(set)
    for posting in ledger.postings:
        owners[by_id[posting.posting_id].pot].add(posting.cause)
    assert set(owners) == {one.pot for one in claims}
    assert all(len(causes) == 1 for causes in owners.values())


def sums(postings: tuple[EffortPosting, ...], field: str) -> dict[str, float]:
    """Minutes by one of the fields."""
    found: dict[str, float] = defaultdict(float)
    for posting in postings:
        found[getattr(posting, field) or ""] += posting.minutes
    return found


@given(stories(max_size=24), watermarks)
def test_customers_journeys_teams_and_causes_add_up_to_the_same(story: list[AppliedTouchpoint], watermark: int) -> None:
    judgement = judged(*story, watermark=watermark)
    postings = judgement.postings
    customer = judgement.person.effort_minutes
    for field in ("person_key", "journey_id", "team", "cause"):
        assert sum(sums(postings, field).values()) == pytest.approx(customer)
    assert sum(journey.effort_minutes for journey in judgement.journeys) == pytest.approx(customer)
    by_journey = sums(postings, "journey_id")
    assert {journey.journey_id: journey.effort_minutes for journey in judgement.journeys} == pytest.approx(
        {journey.journey_id: by_journey.get(journey.journey_id, 0.0) for journey in judgement.journeys}
    )
    causes = {friction.friction_id: friction.rule_id for friction in judgement.frictions}
    assert all(one.cause == (causes[one.friction_id] if one.friction_id else "wait") for one in postings)
    assert {one.voucher for one in postings} <= {f"default/test/{one.touchpoint.id}" for one in story}
    assert "effort_budget_exceeded" not in {one.cause for one in postings}
    over = {one.journey_id for one in judgement.frictions if one.rule_id == "effort_budget_exceeded"}
    assert over == {one.journey_id for one in judgement.journeys if one.effort_minutes > one.effort_budget_minutes}
