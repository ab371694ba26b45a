"""callback_missed: what its examples cannot say: the reserved time, clearing, and how bad it is."""

import pytest

from schemas.outputs import Friction, FrictionStatus
from schemas.touchpoint import AppliedTouchpoint
from tests.support.judging import frictions
from tests.support.touchpoints import HOUR, MINUTE, MONDAY, happened

PROMISED = happened(
    "callback.promised", MONDAY, channel="chat", actor="bot", promise_due=MONDAY + 4 * HOUR, wait_ms=HOUR
)


def called(at: int, kind: str = "callback.attempted", **fields: int) -> AppliedTouchpoint:
    return happened(kind, at, channel="phone", actor="agent", direction="outbound", **fields)


def found(*touchpoints: AppliedTouchpoint, watermark: int = MONDAY + 5 * HOUR) -> list[Friction]:
    return frictions("callback_missed", touchpoints, watermark=watermark)


def test_it_costs_a_share_of_the_time_that_was_reserved() -> None:
    (friction,) = found(PROMISED)
    assert (friction.variant, friction.minutes, friction.opened_at) == ("missed", 18.0, MONDAY + 4 * HOUR)


@pytest.mark.parametrize(("ring", "base"), [(5_000, "2"), (None, "4")])
def test_a_short_ring_is_less_bad_than_none(ring: int | None, base: str) -> None:
    rings = () if ring is None else (called(MONDAY + HOUR, wait_ms=ring),)
    (friction,) = found(PROMISED, *rings)
    assert friction.evidence.severity_parts[0].value == base


def test_a_call_after_the_window_clears_it() -> None:
    late = called(MONDAY + 4 * HOUR + 20 * MINUTE, "callback.reached")
    (friction,) = found(PROMISED, late)
    assert friction.status is FrictionStatus.CLEARED
    assert friction.evidence.nearest_miss.endswith("20 min earlier")
