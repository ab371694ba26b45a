"""Step by step, rules look again when something came that they read, or that relates what was there otherwise."""

from processors.friction.finding import FrictionRule
from processors.person import PersonState, judge, step
from processors.settings import CoreSettings
from schemas.touchpoint import AppliedTouchpoint
from tests.support.ruling import judged_by, made, numbered
from tests.support.touchpoints import ANNA, HOUR, MINUTE, MONDAY, TENANT, happened


def frictions_step_by_step(rule: FrictionRule, *story: AppliedTouchpoint) -> list[int]:
    """How many frictions hold after each step, checked against judging from scratch."""
    state = PersonState(TENANT, ANNA)
    counts = []
    for count, arrival in enumerate(story, start=1):
        step(state, arrival)
        judgement = judge(state, (rule,), MONDAY, CoreSettings())
        assert judgement == judged_by(rule, *story[:count], watermark=MONDAY)
        counts.append(len(judgement.frictions))
    return counts


def test_looking_around_counts_for_the_rules_that_read_it() -> None:
    rule = made({"count": {"of": {"kind": "page.viewed"}, "at_least": 3, "within": "1h"}})
    assert frictions_step_by_step(rule, *numbered("page.viewed", MONDAY, MONDAY + 1, MONDAY + 2)) == [0, 0, 1]


def test_touchpoints_may_turn_out_to_be_on_one_journey() -> None:
    rule = made({"count": {"of": {"kind": "login.failed"}, "at_least": 2, "within": "1d", "per": "journey"}})
    story = [
        happened("login.failed", MONDAY, topic="a"),
        happened("login.failed", MONDAY + HOUR, topic="b"),
        happened("page.viewed", MONDAY + 2 * HOUR, topic="a", objects=("case:1",)),
        happened("page.viewed", MONDAY + 3 * HOUR, topic="b", objects=("case:1",)),
    ]
    assert frictions_step_by_step(rule, *story) == [0, 0, 0, 1]


def test_a_conversation_may_say_later_what_it_is_about() -> None:
    rule = made({"count": {"of": {"kind": "contact.started"}, "at_least": 2, "within": "1d", "per": "case"}})
    story = [
        happened("contact.started", MONDAY, channel="chat", objects=("case:1",)),
        happened("contact.started", MONDAY + HOUR, channel="chat", thread_id="t"),
        happened("message.sent", MONDAY + HOUR + MINUTE, channel="chat", thread_id="t", objects=("case:1",)),
    ]
    assert frictions_step_by_step(rule, *story) == [0, 0, 1]
