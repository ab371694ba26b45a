"""wait_sum and gave_up_waiting: waits that are measured are posted once, and one friction grows worse."""

import pytest

from schemas.touchpoint import AppliedTouchpoint
from tests.support.judging import frictions, judged
from tests.support.touchpoints import HOUR, MINUTE, MONDAY, happened


def left(at: int, wait: int = 6 * MINUTE) -> AppliedTouchpoint:
    return happened("queue.left", at, channel="phone", topic="invoice", wait_ms=wait)


def test_measured_waits_are_posted_once_whatever_rules_find() -> None:
    judgement = judged(left(MONDAY), left(MONDAY + HOUR), watermark=MONDAY + 2 * HOUR)
    assert {friction.rule_id for friction in judgement.frictions} >= {"wait_sum", "gave_up_waiting"}
    assert sum(posting.minutes for posting in judgement.postings) == 12.0


def test_whether_somebody_answered_is_waited_for_a_minute() -> None:
    assert frictions("gave_up_waiting", [left(MONDAY)], watermark=MONDAY + MINUTE - 1) == []
    assert len(frictions("gave_up_waiting", [left(MONDAY)], watermark=MONDAY + MINUTE)) == 1


@pytest.mark.parametrize(("attempts", "variant"), [(1, "once"), (2, "again"), (3, "all_day")])
def test_giving_up_again_makes_the_same_friction_worse(attempts: int, variant: str) -> None:
    story = [left(MONDAY + number * HOUR) for number in range(attempts)]
    (friction,) = frictions("gave_up_waiting", story, watermark=MONDAY + 3 * HOUR)
    (first,) = frictions("gave_up_waiting", story[:1], watermark=MONDAY + MINUTE)
    assert (friction.variant, friction.friction_id) == (variant, first.friction_id)


def test_the_wait_so_far_is_told() -> None:
    (friction,) = frictions("wait_sum", [left(MONDAY), left(MONDAY + HOUR)])
    assert friction.sentence_en == "A customer waited 12 min in all about invoice; number of waits: 2."
    assert friction.evidence.nearest_miss == "would not have fired with more than 7 min less in all"
    assert friction.evidence.nearest_miss_de == "hätte nicht angeschlagen mit insgesamt über 7 min weniger"
