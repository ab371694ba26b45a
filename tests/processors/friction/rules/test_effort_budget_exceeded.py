"""effort_budget_exceeded: the budget and twice the budget, the anchor, and budgets of topics and tenants."""

from itertools import permutations
from typing import Any

import pytest

from processors.settings import CoreSettings, EffortBudgets
from schemas.outputs import Friction, FrictionStatus
from schemas.touchpoint import AppliedTouchpoint
from tests.support.judging import judged, named
from tests.support.touchpoints import DAY, HOUR, MINUTE, MONDAY, SECOND, happened

RULE_ID = "effort_budget_exceeded"


def waited(minutes: float, day: int = 0, **fields: Any) -> AppliedTouchpoint:
    """A call every eighth day, so that no two of them are a repeat."""
    told = {"channel": "phone", "topic": "invoice", "wait_ms": round(minutes * MINUTE)}
    return happened("call.offered", MONDAY + 8 * day * DAY, **(told | fields))


def found(*touchpoints: AppliedTouchpoint, settings: CoreSettings | None = None) -> list[Friction]:
    judgement = judged(*touchpoints, settings=settings)
    return [friction for friction in judgement.frictions if friction.rule_id == RULE_ID]


@pytest.mark.parametrize(
    ("minutes", "variants"),
    [
        (30.0, []),
        (30.001, ["exceeded"]),
        (59.999, ["exceeded"]),
        (60.0, ["doubled"]),
    ],
)
def test_the_budget_is_30_minutes_and_twice_as_much_is_worse(minutes: float, variants: list[str]) -> None:
    frictions = found(waited(minutes / 2), waited(minutes / 2, 1))
    assert [friction.variant for friction in frictions] == variants
    assert [friction.severity for friction in frictions] == [4 if name == "doubled" else 3 for name in variants]


def test_it_says_how_much_and_who_caused_most_and_costs_nothing_itself() -> None:
    (friction,) = found(waited(10, team="hotline"), waited(25, 1, team="billing"))
    assert friction.sentence_en == "A customer has spent 35 min on one matter about invoice; 30 min are the limit."
    assert friction.sentence_de == (
        "Ein Kunde hat 35 min für ein Anliegen zu invoice aufgewendet; die Grenze sind 30 min."
    )
    assert (friction.team, friction.minutes, friction.status) == ("billing", 0.0, FrictionStatus.OPEN)
    assert named(friction.evidence.checks, "spent").value == "35 min"
    assert friction.evidence.nearest_miss == "would not have fired with 5 min less of their time"
    assert friction.evidence.nearest_miss_de == "hätte nicht angeschlagen mit 5 min weniger ihrer Zeit"
    postings = judged(waited(10), waited(25, 1)).postings
    assert {posting.cause for posting in postings} == {"wait"}


def test_the_anchor_is_the_touchpoint_that_went_over_whatever_the_order() -> None:
    story = [waited(20), waited(10, 1), waited(1, 2), waited(10, 3)]
    for arrivals in permutations(story):
        (friction,) = found(*arrivals)
        assert friction.anchor_at == MONDAY + 16 * DAY
        assert friction.evidence.touchpoints == tuple(
            f"default/test/call.offered@{MONDAY + 8 * day * DAY}" for day in range(3)
        )


def test_minutes_of_a_friction_are_known_when_it_is_found() -> None:
    # The first call cost 31 minutes, for nothing: known when the customer wrote, not when they called.
    call = happened("call.offered", MONDAY, channel="phone", topic="invoice", active_ms=31 * MINUTE)
    mail = happened("message.received", MONDAY + HOUR, channel="email", topic="invoice")
    (friction,) = found(call, mail)
    assert friction.anchor_at == MONDAY + HOUR
    assert friction.evidence.touchpoints == (f"default/test/message.received@{MONDAY + HOUR}",)


def test_two_matters_have_a_budget_each() -> None:
    assert found(waited(20), waited(20, topic="delivery", id="2")) == []
    assert len(found(waited(31), waited(31, topic="delivery", id="2"))) == 2


def test_a_budget_belongs_to_a_topic_of_a_tenant() -> None:
    own = EffortBudgets(minutes=10, by_topic={"invoice": 40})
    settings = CoreSettings(effort=EffortBudgets(minutes=5), effort_by_tenant={"default": own})
    assert found(waited(40), settings=settings) == []
    assert len(found(waited(41), settings=settings)) == 1
    assert len(found(waited(11, topic="delivery"), settings=settings)) == 1
    other = CoreSettings(effort=own, effort_by_tenant={"other": EffortBudgets(minutes=5)})
    assert found(waited(10, topic=None), settings=other) == []
    (journey,) = judged(waited(40), settings=settings).journeys
    assert (journey.effort_minutes, journey.effort_budget_minutes) == (40.0, 40.0)


def test_a_page_that_names_the_topic_changes_the_budget() -> None:
    settings = CoreSettings(effort=EffortBudgets(minutes=30, by_topic={"invoice": 40}))
    case: dict[str, Any] = {"objects": ("case:1",)}
    call = waited(35, topic=None, **case)
    page = happened("page.viewed", MONDAY + SECOND, channel="web", topic="invoice", **case)
    assert len(found(call, settings=settings)) == 1
    assert found(call, page, settings=settings) == []
