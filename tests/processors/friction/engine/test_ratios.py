"""How many of some touchpoints are of a kind: share, minimum, window, and rates against before."""

from typing import Any

import pytest

from schemas.touchpoint import AppliedTouchpoint
from tests.support.ruling import found_by, made, variant
from tests.support.touchpoints import DAY, HOUR, MONDAY, happened


def sharing(**more: Any) -> Any:
    return made(
        {
            "ratio": {
                "of": {"kind": "payment.attempted", "where": {"outcome": "failed"}},
                "among": {"kind": "payment.attempted"},
                "within": "1d",
                "minimum": 4,
                **more,
            },
            "variants": ["all", "it"],
        },
        variants=[variant("all", 4, at_least=1), variant("it", sentence_en="{share}")],
    )


def paid(outcomes: str, start: int = MONDAY, step: int = HOUR) -> list[AppliedTouchpoint]:
    return [
        happened("payment.attempted", start + n * step, outcome="failed" if one == "x" else "ok")
        for n, one in enumerate(outcomes)
    ]


@pytest.mark.parametrize(
    ("outcomes", "anchors"),
    [
        ("xx..", [3]),
        ("x...", []),
        ("xxx", []),
        ("..xx", [3]),
        ("..xxxx", [3]),
        ("x..x.xx", [3, 5]),
    ],
)
def test_half_of_at_least_four(outcomes: str, anchors: list[int]) -> None:
    found = found_by(sharing(at_least=0.5), *paid(outcomes))
    assert [(friction.anchor_at - MONDAY) // HOUR for friction in found] == anchors


def test_it_measures_the_worst_share() -> None:
    (friction,) = found_by(sharing(at_least=0.5), *paid("..xxx"))
    assert (friction.variant, friction.sentence_en) == ("it", "60 %")
    (friction,) = found_by(sharing(at_least=0.5), *paid("xxxx."))
    assert friction.variant == "all"


@pytest.mark.parametrize(("step", "count"), [(8 * HOUR, 1), (8 * HOUR + 1, 0)])
def test_the_window_ends_with_the_anchor(step: int, count: int) -> None:
    assert len(found_by(sharing(at_least=0.5), *paid("xxxx", step=step))) == count


@pytest.mark.parametrize(("outcomes", "count"), [("x...", 1), ("xx..", 0)])
def test_at_most(outcomes: str, count: int) -> None:
    assert len(found_by(sharing(at_most=0.25), *paid(outcomes))) == count


@pytest.mark.parametrize(("now", "count"), [("xxx", 0), ("xxxx", 1)])
def test_a_rate_is_compared_with_the_one_before(now: str, count: int) -> None:
    rule = sharing(at_least=4, before="2d", minimum=1)
    before = paid("xx", start=MONDAY - DAY)
    assert len(found_by(rule, *before, *paid(now, start=MONDAY + DAY))) == count
    assert found_by(rule, *paid(now)) == []


def test_a_limit_is_needed_on_one_side() -> None:
    for limits in ({}, {"at_least": 1, "at_most": 1}):
        with pytest.raises(ValueError, match="at_least or at_most"):
            sharing(**limits)
