"""promise_broken: what its examples cannot say: the second break, clearing, and that due times have slack."""

import pytest

from schemas.outputs import FrictionStatus
from schemas.touchpoint import AppliedTouchpoint
from tests.support.judging import frictions, named
from tests.support.touchpoints import DAY, HOUR, MINUTE, MONDAY, happened


def promised(at: int, name: str, **fields: object) -> AppliedTouchpoint:
    told = {"channel": "email", "actor": "agent", "direction": "outbound", "team": "logistics"}
    return happened("promise.made", at, promise_id=name, promise_due=at + 10 * HOUR, **(told | fields))


@pytest.mark.parametrize(("after", "severity"), [(90 * DAY, 4), (90 * DAY + 1, 3)])
def test_the_second_break_within_90_days_is_worse(after: int, severity: int) -> None:
    story = (promised(MONDAY, "a"), promised(MONDAY + after, "b"))
    first, second = frictions("promise_broken", story, watermark=MONDAY + after + 11 * HOUR)
    assert named(first.evidence.severity_parts, "repeat").value == "none before"
    assert second.severity == severity


def test_it_opens_when_the_slack_is_over_and_is_cleared_by_what_comes_late() -> None:
    late = happened("promise.kept", MONDAY + 12 * HOUR, promise_id="a", actor="agent")
    (friction,) = frictions("promise_broken", (promised(MONDAY, "a"), late), watermark=MONDAY + DAY)
    assert (friction.opened_at, friction.status) == (MONDAY + 10 * HOUR + 30 * MINUTE, FrictionStatus.CLEARED)
    assert (friction.team, friction.minutes) == ("logistics", 0.0)
    assert (
        friction.evidence.nearest_miss == "would not have fired with promise.kept or refund.posted 1 h 30 min earlier"
    )
