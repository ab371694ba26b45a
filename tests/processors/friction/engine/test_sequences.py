"""A touchpoint after another: literal boundaries of window, relations and excuses."""

from typing import Any

import pytest

from schemas.outputs import FrictionStatus
from schemas.touchpoint import AppliedTouchpoint
from tests.support.judging import named
from tests.support.ruling import found_by, judged_by, made
from tests.support.touchpoints import HOUR, MINUTE, MONDAY, happened

BOT_THEN_CALL = """
sequence:
  first: {kind: bot.marked_resolved}
  then: {kind: call.offered}
  within: 72h
  relations: [same_matter]
"""
RULE = made(BOT_THEN_CALL)


def solved(at: int = MONDAY, **fields: Any) -> AppliedTouchpoint:
    return happened("bot.marked_resolved", at, **({"channel": "bot", "actor": "bot", "topic": "a"} | fields))


def called(at: int, **fields: Any) -> AppliedTouchpoint:
    return happened("call.offered", at, **({"channel": "phone", "topic": "a"} | fields))


@pytest.mark.parametrize(("after", "count"), [(0, 1), (72 * HOUR - 1, 1), (72 * HOUR, 1), (72 * HOUR + 1, 0)])
def test_the_window_runs_from_the_end_of_the_first(after: int, count: int) -> None:
    assert len(found_by(RULE, solved(ended_at=MONDAY + HOUR), called(MONDAY + HOUR + after))) == count


def test_no_time_passes_while_the_first_still_lasts() -> None:
    (friction,) = found_by(RULE, solved(ended_at=MONDAY + 200 * HOUR), called(MONDAY + 100 * HOUR))
    assert named(friction.evidence.checks, "gap").value == "0 min"


def test_the_latest_earlier_one_that_fits_is_the_first() -> None:
    story = [solved(id="1"), solved(MONDAY + HOUR, id="2"), solved(MONDAY + 2 * HOUR, id="3", topic="b")]
    (friction,) = found_by(RULE, *story, called(MONDAY + 3 * HOUR, id="4"))
    assert friction.evidence.touchpoints == ("default/test/2", "default/test/4")
    assert friction.anchor_at == friction.opened_at == MONDAY + 3 * HOUR
    assert friction.evidence.nearest_miss == "would not have fired with call.offered more than 70 h later"
    assert friction.evidence.nearest_miss_de == "hätte nicht angeschlagen mit call.offered über 70 h später"


def test_one_that_lasted_longer_may_lie_before_others_that_are_too_old() -> None:
    story = [solved(id="1", ended_at=MONDAY + 90 * HOUR), solved(MONDAY + HOUR, id="2")]
    (friction,) = found_by(RULE, *story, called(MONDAY + 100 * HOUR, id="3"))
    assert friction.evidence.touchpoints == ("default/test/1", "default/test/3")


@pytest.mark.parametrize("call", [called(MONDAY - 1), called(MONDAY + HOUR, topic="b"), called(MONDAY, probe=True)])
def test_what_does_not_follow_about_the_same_matter_is_none(call: AppliedTouchpoint) -> None:
    assert found_by(RULE, solved(), call) == []


def test_every_later_one_is_a_finding_of_its_own() -> None:
    assert len(found_by(RULE, solved(), called(MONDAY + HOUR), called(MONDAY + 2 * HOUR))) == 2


UNLESS = made(
    """
sequence:
  first: {kind: bot.marked_resolved}
  then: {kind: call.offered}
  within: 72h
  unless: [{select: {kind: message.sent}, relations: [same_topic], from: first + 1m, until: anchor + 1h}]
"""
)


@pytest.mark.parametrize(
    ("at", "count"),
    [
        (MONDAY + MINUTE - 1, 1),
        (MONDAY + MINUTE, 0),
        (MONDAY + 3 * HOUR, 0),
        (MONDAY + 3 * HOUR + 1, 1),
    ],
)
def test_nothing_may_lie_within_the_bounds_of_unless(at: int, count: int) -> None:
    message = happened("message.sent", at, actor="agent", topic="a")
    assert len(found_by(UNLESS, solved(), called(MONDAY + 2 * HOUR), message)) == count


def test_the_earlier_one_that_nothing_excuses_counts() -> None:
    rule = made(
        """
sequence:
  first: {kind: bot.marked_resolved}
  then: {kind: call.offered}
  within: 72h
  unless: [{select: {kind: customer.confirmed}, of: first, relations: [same_topic]}]
"""
    )
    story = [
        solved(id="1", topic="b"),
        solved(MONDAY + HOUR, id="2"),
        happened("customer.confirmed", MONDAY + 90 * MINUTE, topic="a"),
    ]
    (friction,) = found_by(rule, *story, called(MONDAY + 2 * HOUR, id="3"))
    assert friction.evidence.touchpoints[0] == "default/test/1"


@pytest.mark.parametrize(("watermark", "count"), [(3 * HOUR - 1, 0), (3 * HOUR, 1)])
def test_the_future_is_waited_for(watermark: int, count: int) -> None:
    story = [solved(), called(MONDAY + 2 * HOUR)]
    judgement = judged_by(UNLESS, *story, watermark=MONDAY + watermark)
    assert len(judgement.frictions) == count
    assert judgement.wake_at == MONDAY + (3 if count == 0 else 75) * HOUR
    for friction in judgement.frictions:
        assert (friction.anchor_at, friction.opened_at) == (MONDAY + 2 * HOUR, MONDAY + 3 * HOUR)
        assert friction.status is FrictionStatus.OPEN


def test_until_ever_is_not_waited_for() -> None:
    rule = made(
        """
sequence:
  first: {kind: bot.marked_resolved}
  then: {kind: call.offered}
  within: 72h
  unless: [{select: {kind: customer.confirmed}, until: ever}]
"""
    )
    story = [solved(), called(MONDAY + HOUR)]
    assert len(found_by(rule, *story, watermark=MONDAY)) == 1
    assert found_by(rule, *story, happened("customer.confirmed", MONDAY + 1000 * HOUR)) == []


@pytest.mark.parametrize(("at_least", "variant"), [("59m", "late"), ("60m", "late"), ("61m", "early")])
def test_a_level_is_compared_with_the_gap(at_least: str, variant: str) -> None:
    rule = made(
        {
            "sequence": {"first": {"kind": "bot.marked_resolved"}, "then": {"kind": "call.offered"}, "within": "3h"},
            "variants": ["late", "early"],
        },
        variants=[
            {"name": "late", "base": 3, "at_least": at_least, "sentence_en": "{gap} of {window}", "sentence_de": "."},
            {"name": "early", "base": 1, "sentence_en": "{gap} of {window}", "sentence_de": "."},
        ],
    )
    (friction,) = found_by(rule, solved(), called(MONDAY + HOUR))
    assert (friction.variant, friction.sentence_en) == (variant, "1 h of 3 h")


@pytest.mark.parametrize(("given", "count"), [(("a", "b"), 1), (("a",), 0), (("a", "c"), 0)])
def test_so_many_items_in_common(given: tuple[str, ...], count: int) -> None:
    rule = made("sequence: {first: {kind: data.provided}, then: {kind: form.started}, within: 30d, items_in_common: 2}")
    story = [
        happened("data.provided", MONDAY, items_provided=given),
        happened("form.started", MONDAY + HOUR, items_requested=("a", "b")),
    ]
    found = found_by(rule, *story)
    assert [named(friction.evidence.checks, "items").value for friction in found] == ["a, b"] * count


@pytest.mark.parametrize(("due", "count"), [(HOUR, 1), (HOUR + 1, 0)])
def test_what_was_due_by_then(due: int, count: int) -> None:
    rule = made("sequence: {first: {kind: promise.made}, then: {kind: call.offered}, within: 7d, relations: [overdue]}")
    story = [happened("promise.made", MONDAY, promise_due=MONDAY + due), called(MONDAY + HOUR)]
    assert len(found_by(rule, *story)) == count


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [
        ({"objects": ("form:a",)}, {"objects": ("form:a",), "touchpoint": "p"}, 1),
        ({"objects": ("form:a",), "touchpoint": "p"}, {"objects": ("form:b",), "touchpoint": "p"}, 0),
        ({"touchpoint": "p"}, {"touchpoint": "p"}, 1),
        ({}, {}, 0),
    ],
)
def test_the_same_form(one: dict[str, Any], other: dict[str, Any], count: int) -> None:
    rule = made("sequence: {first: {kind: form.started}, then: {kind: form.saved}, within: 1h, relations: [same_form]}")
    story = [happened("form.started", MONDAY, **one), happened("form.saved", MONDAY + 1, **other)]
    assert len(found_by(rule, *story)) == count
