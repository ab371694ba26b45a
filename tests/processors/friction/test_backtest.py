"""What is counted of live and tested frictions, and that batches add up."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from processors.friction.backtest import EXAMPLES, Change, Sides, Tally, without_data
from processors.friction.catalogue import default_rules
from processors.friction.labels import Label
from schemas.outputs import Friction
from tests.support.facts import friction
from tests.support.touchpoints import ANNA, DAY, MONDAY

RULE = friction().rule_id


def compared(live: list[Friction], tested: list[Friction]) -> Tally:
    tally = Tally()
    tally.compare(live, tested, lambda one: one.severity >= 3)
    return tally


def test_frictions_are_the_same_changed_added_or_gone() -> None:
    live = [friction(friction_id="same"), friction(friction_id="changed"), friction(friction_id="gone", variant="form")]
    tested = [live[0], friction(friction_id="changed", variant="lost"), friction(friction_id="added", variant="chain")]
    tally = compared(live, tested)
    assert tally.changes == {
        (RULE, "followed", Change.SAME): 1,
        (RULE, "lost", Change.CHANGED): 1,
        (RULE, "chain", Change.ADDED): 1,
        (RULE, "form", Change.GONE): 1,
    }
    assert tally.found == {
        (RULE, "followed"): Sides(2, 1),
        (RULE, "form"): Sides(1, 0),
        (RULE, "lost"): Sides(0, 1),
        (RULE, "chain"): Sides(0, 1),
    }
    assert tally.differs
    (changed,) = tally.examples[RULE, Change.CHANGED]
    assert [(one.path, one.stored, one.derived) for one in changed.differences] == [("variant", "followed", "lost")]
    assert not compared(live, live).differs


def test_another_version_of_a_rule_that_finds_the_same_changes_nothing() -> None:
    one = friction()
    evidence = msgspec.structs.replace(one.evidence, rule_version=2, rule_hash="another")
    assert not compared([one], [friction(rule_version=2, evidence=evidence)]).differs


def test_alerts_are_those_that_some_channel_takes_by_day_and_team() -> None:
    told = friction(severity=3, anchor_at=MONDAY + DAY - 1)
    tested = [
        told,
        friction(friction_id="next day", severity=3, anchor_at=MONDAY + DAY, team=None),
        friction(friction_id="below", severity=2),
        friction(friction_id="silent", severity=5, is_alertable=False),
    ]
    assert compared([told], tested).alerts == {(MONDAY, "care"): Sides(1, 1), (MONDAY + DAY, ""): Sides(0, 1)}


def test_minutes_add_up_by_rule_and_team() -> None:
    tested = [friction(friction_id=str(number), minutes=0.1) for number in range(3)]
    assert compared([], tested).customer_ms == {(RULE, "care"): Sides(0, 18_000)}


def test_the_earliest_examples_are_kept() -> None:
    tested = [friction(friction_id=str(number), anchor_at=MONDAY + number) for number in range(EXAMPLES + 2)]
    kept = compared([], tested[::-1]).examples[RULE, Change.ADDED]
    assert [one.friction.friction_id for one in kept] == ["0", "1", "2"]


_FRICTIONS = st.lists(
    st.builds(
        lambda id_, variant, severity: friction(
            friction_id=str(id_), anchor_at=MONDAY + id_ * DAY, variant=variant, severity=severity, minutes=0.1
        ),
        st.integers(0, 9),
        st.sampled_from(["lost", "form"]),
        st.integers(1, 5),
    ),
    unique_by=lambda one: one.friction_id,
)


@given(_FRICTIONS, _FRICTIONS, st.integers(0, 10))
def test_batches_add_up_in_any_order(live: list[Friction], tested: list[Friction], cut: int) -> None:
    def half(frictions: list[Friction], *, is_first: bool) -> list[Friction]:
        return [one for one in frictions if (int(one.friction_id) < cut) is is_first]

    labels = [Label(2, ANNA, None, RULE, None)]
    whole, forth, back = compared(live, tested), Tally(), Tally()
    parts = [compared(half(live, is_first=one), half(tested, is_first=one)) for one in (True, False)]
    for tally in (whole, *parts):
        tally.persons = 1
    parts[0].judge_by(labels, tested, {RULE})
    whole.judge_by(labels, tested, {RULE})
    whole.persons = 2
    for into, order in ((forth, parts), (back, parts[::-1])):
        for part in order:
            into.add(part)
    assert forth == back == whole


def test_a_rule_whose_kinds_did_not_happen_has_no_data() -> None:
    rules = {rule.parameters.rule_id: rule for rule in default_rules()}
    redirect, of_anything = rules["channel_redirect"], rules["effort_budget_exceeded"]
    assert list(without_data([redirect], {"contact.redirected": 1})) == []
    assert list(without_data([redirect], {"contact.redirected": 0, "contact.started": 5})) == [
        ("channel_redirect", frozenset({"contact.redirected"}))
    ]
    assert list(without_data([of_anything], {"page.viewed": 1})) == []
    assert list(without_data([of_anything], {})) == [("effort_budget_exceeded", frozenset())]
