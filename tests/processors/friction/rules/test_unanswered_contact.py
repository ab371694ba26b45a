"""unanswered_contact: what its examples cannot say: grace, clearing, minutes, sentences. Monday is a holiday."""

from typing import Any

import pytest

from schemas.outputs import Friction, FrictionStatus
from schemas.touchpoint import AppliedTouchpoint
from tests.support.judging import frictions
from tests.support.touchpoints import DAY, HOUR, MINUTE, MONDAY, happened

#: Tuesday, 2 January 2024, 10:00 in Berlin: every channel is open.
TUESDAY = MONDAY + DAY + 9 * HOUR


def wrote(channel: str, at: int = TUESDAY, **fields: Any) -> AppliedTouchpoint:
    return happened("message.received", at, channel=channel, topic="invoice", **fields)


def answered(channel: str, at: int, **fields: Any) -> AppliedTouchpoint:
    fields = {"actor": "agent", "direction": "outbound"} | fields
    return happened("message.sent", at, channel=channel, topic="invoice", **fields)


def found(*touchpoints: AppliedTouchpoint, watermark: int) -> list[Friction]:
    return frictions("unanswered_contact", touchpoints, watermark=watermark)


@pytest.mark.parametrize(
    ("passed", "silenced_by"), [(3 * MINUTE, "unconfirmed"), (13 * MINUTE - 1, "unconfirmed"), (13 * MINUTE, None)]
)
def test_teams_hear_of_it_ten_minutes_after_the_limit(passed: int, silenced_by: str | None) -> None:
    (friction,) = found(wrote("chat"), watermark=TUESDAY + passed)
    assert (friction.silenced_by, friction.status) == (silenced_by, FrictionStatus.OPEN)
    assert friction.opened_at == TUESDAY + 3 * MINUTE


def test_nothing_holds_before_the_limit() -> None:
    assert found(wrote("chat"), watermark=TUESDAY + 3 * MINUTE - 1) == []


def test_on_a_holiday_the_limit_begins_the_next_morning() -> None:
    (friction,) = found(wrote("chat", MONDAY + 12 * HOUR), watermark=MONDAY + DAY + 7 * HOUR + 3 * MINUTE)
    assert friction.opened_at == MONDAY + DAY + 7 * HOUR + 3 * MINUTE


def test_a_late_answer_clears_it_and_keeps_how_long_it_took() -> None:
    (friction,) = found(wrote("email"), answered("email", TUESDAY + 30 * HOUR), watermark=TUESDAY + 30 * DAY)
    assert (friction.variant, friction.status) == ("unanswered", FrictionStatus.CLEARED)
    assert friction.minutes == 36.0
    assert friction.evidence.nearest_miss == "would not have fired with a reply 6 h earlier"
    assert friction.sentence_en == (
        "A customer wrote by e-mail about invoice and waited 30 h for an answer; the limit is 12 h of opening hours."
    )


def test_an_acknowledgement_clears_nothing() -> None:
    ack = happened("message.auto_ack", TUESDAY + MINUTE, channel="email", topic="invoice", actor="system")
    (friction,) = found(wrote("email"), ack, watermark=TUESDAY + 24 * HOUR)
    assert friction.status is FrictionStatus.OPEN


@pytest.mark.parametrize(
    ("channel", "after", "minutes"),
    [
        ("chat", 3 * MINUTE + 1, 3.0),
        ("chat", 12 * MINUTE, 12.0),
        ("chat", 30 * MINUTE, 30.0),
        ("chat", 5 * HOUR, 30.0),
        ("messenger", 5 * HOUR, 6.0),
    ],
)
def test_waiting_is_attended_in_a_chat_only(channel: str, after: int, minutes: float) -> None:
    (friction,) = found(wrote(channel), answered(channel, TUESDAY + after), watermark=TUESDAY + 30 * DAY)
    assert friction.minutes == minutes


def test_working_days_are_named_in_both_languages() -> None:
    (friction,) = found(wrote("letter"), watermark=TUESDAY + 12 * DAY)
    assert friction.sentence_en.endswith("the limit is 5 working days of opening hours.")
    assert friction.sentence_de.endswith("die Grenze in Öffnungszeiten ist 5 Arbeitstage.")
