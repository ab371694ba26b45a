"""A touchpoint that never came: deadlines, grace, late answers, renewals, excuses and opening hours."""

from typing import Any

import pytest

from processors.friction.definition import Calendar, Span
from schemas.outputs import FrictionStatus
from schemas.touchpoint import AppliedTouchpoint
from tests.support.judging import named
from tests.support.ruling import found_by, judged_by, made, variant
from tests.support.touchpoints import DAY, HOUR, MINUTE, MONDAY, happened


def unanswered(*, calendars: Any = None, variants: list[dict[str, Any]] | None = None, **more: Any) -> Any:
    absence = {
        "after": {"kind": "message.received"},
        "expected": {"kind": "message.sent"},
        "relations": ["same_topic"],
        "within": "4h",
        **more,
    }
    if absence["within"] is None:
        del absence["within"]
    told = variants or [variant("it")]
    options = {} if calendars is None else {"calendars": calendars}
    return made(
        {"absence": absence, "variants": [one["name"] for one in told]},
        variants=told,
        minutes=[{"name": "wait", "kind": "wait", "measured": "late", "factor": 0.5}],
        **options,
    )


def wrote(at: int = MONDAY, **fields: Any) -> AppliedTouchpoint:
    return happened("message.received", at, **({"channel": "email", "topic": "a"} | fields))


def answered(at: int, **fields: Any) -> AppliedTouchpoint:
    return happened("message.sent", at, **({"channel": "email", "topic": "a", "actor": "agent"} | fields))


@pytest.mark.parametrize(("watermark", "count"), [(4 * HOUR - 1, 0), (4 * HOUR, 1)])
def test_it_holds_from_the_deadline_on(watermark: int, count: int) -> None:
    found = found_by(unanswered(), wrote(), watermark=MONDAY + watermark)
    assert len(found) == count
    for friction in found:
        assert (friction.anchor_at, friction.opened_at) == (MONDAY, MONDAY + 4 * HOUR)
        assert (friction.status, friction.minutes) == (FrictionStatus.OPEN, 120.0)


@pytest.mark.parametrize(("at", "count"), [(-1, 1), (0, 0), (4 * HOUR, 0), (4 * HOUR + 1, 1)])
def test_what_comes_in_time_makes_it_none(at: int, count: int) -> None:
    assert len(found_by(unanswered(), wrote(), answered(MONDAY + at, id="z"))) == count


@pytest.mark.parametrize(
    ("watermark", "silenced_by"), [(4 * HOUR + 10 * MINUTE - 1, "unconfirmed"), (4 * HOUR + 10 * MINUTE, None)]
)
def test_nobody_is_told_before_the_grace_is_over(watermark: int, silenced_by: str | None) -> None:
    (friction,) = found_by(unanswered(), wrote(), watermark=MONDAY + watermark)
    assert friction.silenced_by == silenced_by
    assert named(friction.evidence.checks, "confirmed").passed is (silenced_by is None)


def test_a_late_answer_clears_it_and_keeps_how_long_it_took() -> None:
    rule = unanswered(variants=[variant("it", sentence_en="{late} of {limit}")])
    (friction,) = found_by(rule, wrote(), answered(MONDAY + 7 * HOUR + 12 * MINUTE, id="z"))
    assert friction.status is FrictionStatus.CLEARED
    assert friction.minutes == 216.0
    assert friction.evidence.touchpoints[-1] == "default/test/z"
    assert friction.evidence.nearest_miss == "would not have fired with a reply 3 h 12 min earlier"
    assert friction.evidence.nearest_miss_de == "hätte nicht angeschlagen mit einer Antwort 3 h 12 min früher"
    assert friction.sentence_en == "7 h 12 min of 4 h"


LEVELS = [variant("ten", 4, at_least=10), variant("three", 3, at_least=3), variant("one", 2, sentence_en="{times}")]


@pytest.mark.parametrize(
    ("watermark", "name", "minutes"),
    [(12 * HOUR - 1, "one", 120), (12 * HOUR, "three", 360), (40 * HOUR - 1, "three", 360), (40 * HOUR, "ten", 1200)],
)
def test_levels_are_times_the_limit(watermark: int, name: str, minutes: float) -> None:
    (friction,) = found_by(unanswered(variants=LEVELS), wrote(), watermark=MONDAY + watermark)
    assert (friction.variant, friction.minutes) == (name, minutes)


@pytest.mark.parametrize(("at", "name"), [(12 * HOUR, "one"), (12 * HOUR + 1, "three")])
def test_a_level_is_not_reached_when_the_answer_came_before(at: int, name: str) -> None:
    (friction,) = found_by(unanswered(variants=LEVELS), wrote(), answered(MONDAY + at))
    assert friction.variant == name


def test_all_deadlines_are_known_from_the_beginning() -> None:
    rule = unanswered(variants=LEVELS)
    moments, watermark = [], MONDAY
    while (wake_at := judged_by(rule, wrote(), watermark=watermark).wake_at) is not None:
        moments.append((wake_at - MONDAY) / HOUR)
        watermark = wake_at
    assert moments == [4.0, 4.0 + 1 / 6, 12.0, 40.0, 76.0, 14 * 24.0]


@pytest.mark.parametrize(("channel", "limit"), [("chat", 3 * MINUTE), ("email", 4 * HOUR)])
def test_limits_go_by_channel(channel: str, limit: int) -> None:
    rule = unanswered(within_by_channel={"chat": "3m"})
    assert found_by(rule, wrote(channel=channel), watermark=MONDAY + limit - 1) == []
    assert len(found_by(rule, wrote(channel=channel), watermark=MONDAY + limit)) == 1


def test_a_channel_without_a_limit_is_never_late() -> None:
    assert found_by(unanswered(within=None, within_by_channel={"chat": "3m"}), wrote()) == []


@pytest.mark.parametrize(
    ("length", "deadline"), [(1000 * MINUTE, 1050 * MINUTE), (100 * MINUTE, 115 * MINUTE), (300 * MINUTE, 315 * MINUTE)]
)
def test_a_due_time_has_slack(length: int, deadline: int) -> None:
    rule = made(
        {
            "absence": {
                "after": {"kind": "promise.made"},
                "expected": {"kind": "promise.kept"},
                "relations": ["same_promise"],
                "due": "promise_due",
                "slack": 0.05,
                "least_slack": "15m",
            }
        }
    )
    promise = happened("promise.made", MONDAY, promise_id="p", promise_due=MONDAY + length, actor="agent")
    assert found_by(rule, promise, watermark=MONDAY + deadline - 1) == []
    (friction,) = found_by(rule, promise, watermark=MONDAY + deadline)
    assert friction.opened_at == MONDAY + deadline
    kept = happened("promise.kept", MONDAY + deadline, promise_id="p")
    assert found_by(rule, promise, kept) == []
    assert len(found_by(rule, promise, happened("promise.kept", MONDAY + deadline, promise_id="q"))) == 1
    assert found_by(rule, happened("promise.made", MONDAY, promise_id="p")) == []


def test_a_renewal_begins_the_limit_anew() -> None:
    rule = unanswered(renewed_by={"kind": "message.auto_ack"})
    renewed = happened("message.auto_ack", MONDAY + 3 * HOUR, topic="a", actor="system")
    assert found_by(rule, wrote(), renewed, watermark=MONDAY + 7 * HOUR - 1) == []
    assert len(found_by(rule, wrote(), renewed, watermark=MONDAY + 7 * HOUR)) == 1
    assert found_by(rule, wrote(), renewed, answered(MONDAY + 7 * HOUR)) == []
    elsewhere = happened("message.auto_ack", MONDAY + 3 * HOUR, topic="b", actor="system")
    assert len(found_by(rule, wrote(), elsewhere, watermark=MONDAY + 4 * HOUR)) == 1


@pytest.mark.parametrize(("at", "count"), [(-1, 1), (0, 0), (4 * HOUR, 0), (4 * HOUR + 1, 1)])
def test_an_excuse_counts_up_to_the_deadline(at: int, count: int) -> None:
    rule = unanswered(excused_by=[{"select": {"kind": "promise.renegotiated"}}])
    assert len(found_by(rule, wrote(), happened("promise.renegotiated", MONDAY + at, actor="agent"))) == count


def test_only_the_first_of_a_turn_waits_for_an_answer() -> None:
    rule = unanswered(first_in_contact=True)
    turn = [wrote(MONDAY + minute * MINUTE, thread_id="t") for minute in (0, 1, 2)]
    assert [friction.anchor_at for friction in found_by(rule, *turn)] == [MONDAY]
    acknowledged = happened(
        "message.auto_ack", MONDAY + 1, channel="email", thread_id="t", actor="system", direction="outbound"
    )
    assert len(found_by(rule, *turn, acknowledged)) == 1
    reply = answered(MONDAY + 90_000, thread_id="t")
    assert [friction.anchor_at for friction in found_by(rule, *turn, reply)] == [MONDAY + 2 * MINUTE]


class WorkingDays:
    """Days of which only the even ones are working days; hours of office pass half as fast."""

    def of(self, channel: str) -> Calendar:
        assert channel == "email"
        return self

    def add(self, start_ms: int, span: Span) -> int:
        return start_ms + 2 * span.ms + 2 * DAY * span.working_days


@pytest.mark.parametrize(("within", "limit"), [("4h", 8 * HOUR), ("5wd", 10 * DAY)])
def test_a_business_clock_runs_on_the_calendar_of_the_channel(within: str, limit: int) -> None:
    rule = unanswered(calendars=WorkingDays(), within=within, clock="business", variants=LEVELS)
    assert found_by(rule, wrote(), watermark=MONDAY + limit - 1) == []
    assert [one.variant for one in found_by(rule, wrote(), watermark=MONDAY + limit)] == ["one"]
    assert [one.variant for one in found_by(rule, wrote(), watermark=MONDAY + 3 * limit)] == ["three"]


def test_an_absence_needs_a_limit_and_working_days_a_calendar() -> None:
    with pytest.raises(ValueError, match="needs a limit"):
        unanswered(within=None)
    with pytest.raises(ValueError, match="clock: business"):
        unanswered(within="5wd")
    with pytest.raises(ValueError, match="how many times the limit"):
        unanswered(variants=[variant("it", at_least="3h"), variant("one")])


@pytest.mark.parametrize(
    ("message", "reply", "is_answer"),
    [
        ({"thread_id": "t"}, {"thread_id": "t", "channel": "email"}, True),
        ({"thread_id": "t", "topic": None}, {"thread_id": "u", "topic": None, "channel": "email"}, False),
        ({"topic": "b"}, {"topic": "b", "channel": "phone"}, True),
        ({"topic": "b"}, {"topic": "c", "channel": "email"}, False),
        ({"topic": "b"}, {"topic": None, "channel": "email"}, True),
        ({"topic": "b"}, {"topic": None, "channel": "phone"}, False),
        ({"topic": "b"}, {"topic": None, "channel": "phone", "reply_to": "m"}, True),
        ({"topic": None, "thread_id": "t"}, {"topic": "b", "channel": "email"}, True),
        ({"topic": None}, {"topic": None, "channel": "email"}, True),
        ({"topic": None}, {"topic": None, "channel": "chat"}, False),
    ],
)
def test_what_may_answer_is_of_the_conversation_or_matter_or_cannot_be_told_apart(
    message: dict[str, Any], reply: dict[str, Any], is_answer: bool
) -> None:
    story = (wrote(id="m", **message), answered(MONDAY + HOUR, id="r", **reply))
    assert bool(found_by(unanswered(relations=["may_answer"]), *story)) is not is_answer


def test_what_is_promised_sooner_than_the_limit_is_due_then() -> None:
    promise = {"kind": "promise.made"}
    rule = made(
        {"absence": {"after": promise, "expected": {"kind": "promise.kept"}, "within": "24h", "due": "promise_due"}}
    )
    kept = happened("promise.kept", MONDAY + 2 * HOUR)
    assert found_by(rule, happened("promise.made", MONDAY, promise_due=MONDAY + HOUR), kept)
    assert not found_by(rule, happened("promise.made", MONDAY), kept)
