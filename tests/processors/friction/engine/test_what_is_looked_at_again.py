"""Step by step, rules look again when something came that they read, or that relates what was there otherwise."""

import pytest

from processors.friction.finding import FrictionRule
from processors.person import PersonState, judge, step
from processors.settings import CoreSettings
from schemas.touchpoint import AppliedTouchpoint
from tests.support.asked_always import asked_always
from tests.support.ruling import judged_by, made, numbered
from tests.support.touchpoints import ANNA, HOUR, MINUTE, MONDAY, SECOND, TENANT, happened


def frictions_step_by_step(rule: FrictionRule, *story: AppliedTouchpoint) -> list[int]:
    """How many frictions hold after each step, checked against asking for everything from scratch."""
    state = PersonState(TENANT, ANNA)
    counts = []
    for count, arrival in enumerate(story, start=1):
        step(state, arrival)
        judgement = judge(state, (rule,), MONDAY, CoreSettings())
        (always,) = asked_always((rule,))
        assert judgement == judged_by(always, *story[:count], watermark=MONDAY)
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


def test_what_goes_on_with_a_run_counts_though_there_are_too_few_in_its_own_window() -> None:
    rule = made({"count": {"of": {"kind": "page.viewed"}, "at_least": 3, "within": "15s"}})
    starts = [MONDAY + seconds * SECOND for seconds in (0, 1, 2, 17, 32)]
    assert frictions_step_by_step(rule, *numbered("page.viewed", *starts)) == [0, 0, 1, 1, 1]


def test_states_go_on_between_though_there_are_too_few_in_their_own_window() -> None:
    rule = made({"change": {"of": {"kind": "page.viewed"}, "state": "touchpoint", "per": "person", "within": "15s"}})
    story = [
        happened("page.viewed", MONDAY + seconds * SECOND, touchpoint=place)
        for seconds, place in ((0, "a"), (1, "b"), (2, "a"), (17, "b"), (32, "c"))
    ]
    assert frictions_step_by_step(rule, *story) == [0, 0, 1, 1, 1]


def test_a_touchpoint_out_of_the_window_may_make_one_group_of_two() -> None:
    rule = made({"count": {"of": {"kind": "login.failed"}, "at_least": 2, "within": "1h", "per": "order"}})
    story = [
        happened("login.failed", MONDAY, topic="a", objects=("order:1",)),
        happened("login.failed", MONDAY + MINUTE, topic="a", objects=("order:2",)),
        happened("login.failed", MONDAY + 5 * HOUR, topic="a", objects=("order:1", "order:2")),
    ]
    assert frictions_step_by_step(rule, *story) == [0, 0, 1]


def test_where_counting_begins_anew_may_make_one_group_of_two() -> None:
    of, reset = {"kind": "login.failed"}, {"kind": "login.succeeded"}
    rule = made({"count": {"of": of, "at_least": 2, "within": "1h", "per": "order", "reset": reset}})
    story = [
        happened("login.failed", MONDAY, topic="a", objects=("order:1",)),
        happened("login.failed", MONDAY + MINUTE, topic="a", objects=("order:2",)),
        happened("login.succeeded", MONDAY + 5 * HOUR, topic="a", objects=("order:1", "order:2")),
    ]
    assert frictions_step_by_step(rule, *story) == [0, 0, 1]


def test_what_must_not_be_there_counts_up_to_the_end_of_its_time() -> None:
    unless = {"select": {"kind": "page.viewed"}, "until": "anchor + 7s"}
    rule = made({"count": {"of": {"kind": "ui.click_dead"}, "at_least": 1, "within": "1s", "unless": [unless]}})
    click = happened("ui.click_dead", MONDAY - HOUR)
    for after, count in ((7000, 0), (7001, 1)):
        story = [click, happened("page.viewed", MONDAY - HOUR + after)]
        assert frictions_step_by_step(rule, *story) == [1, count]


def test_what_began_long_before_may_have_ended_just_before() -> None:
    rule = made({"sequence": {"first": {"kind": "call.answered"}, "then": {"kind": "call.offered"}, "within": "10m"}})
    story = [
        happened("call.answered", MONDAY, ended_at=MONDAY + 3 * HOUR),
        happened("page.viewed", MONDAY + 2 * HOUR),
        happened("call.offered", MONDAY + 3 * HOUR + 10 * MINUTE),
    ]
    assert frictions_step_by_step(rule, *story) == [0, 0, 1]


def test_a_conversation_may_say_later_who_answers_for_it() -> None:
    rule = made({"count": {"of": {"kind": "contact.started"}, "at_least": 1, "within": "1h"}})
    answer = {"actor": "agent", "direction": "outbound", "team": "billing"}
    story = [
        happened("contact.started", MONDAY, channel="chat", thread_id="t"),
        happened("message.sent", MONDAY + MINUTE, channel="chat", thread_id="t", **answer),
    ]
    assert frictions_step_by_step(rule, *story) == [1, 1]


def test_an_answer_that_ends_sooner_may_not_have_come_in_time() -> None:
    expected = {"kind": "call.ended", "solves": True}
    rule = made({"absence": {"after": {"kind": "form.submitted"}, "expected": expected, "within": "1h"}})
    begun = MONDAY - 24 * HOUR
    story = [
        happened("form.submitted", begun),
        happened("call.ended", begun + MINUTE, ended_at=begun + 5 * HOUR, outcome="ok"),
        happened("call.ended", begun + 2 * HOUR, outcome="ok"),
    ]
    assert frictions_step_by_step(rule, *story) == [1, 0, 1]


@pytest.mark.parametrize("is_guard", [False, True])
def test_what_was_excused_may_not_be_when_the_deadline_moves(is_guard: bool) -> None:
    unseen = {"select": {"kind": "page.viewed"}, "none": True}
    rule = made(
        {
            "absence": {
                "after": {"kind": "form.submitted"},
                "expected": {"kind": "call.ended"},
                "renewed_by": {"kind": "contact.waiting"},
                "within": "1h",
                "excused_by": [] if is_guard else [unseen],
            }
        },
        guards=[{"name": "unseen", "near": [unseen], "says": "it was looked for"}] if is_guard else [],
        own_kinds=["contact.waiting"],
    )
    begun = MONDAY - 24 * HOUR
    story = [
        happened("form.submitted", begun),
        happened("page.viewed", begun + 90 * MINUTE),
        happened("contact.waiting", begun + 100 * MINUTE),
    ]
    assert frictions_step_by_step(rule, *story) == [0, 0, 1]
