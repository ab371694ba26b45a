"""Severity 1 to 5: clamp(base + effort + repeat + age - recovery), with every part as evidence."""

from typing import NamedTuple

import msgspec

from processors.durations import spell_duration
from processors.settings import DAY_MS, HOUR_MS, MINUTE_MS
from schemas.outputs import Check


class SeverityScale(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a friction worse or better than its base; durations are milliseconds, bounds inclusive.

    The values are our defaults; each rule carries its own copy, so that it can be told otherwise.
    """

    effort_ms: int = 15 * MINUTE_MS
    great_effort_ms: int = 45 * MINUTE_MS
    repeat_window_ms: int = 30 * DAY_MS
    age_ms: int = 72 * HOUR_MS
    recovery_window_ms: int = 24 * HOUR_MS


class Circumstances(NamedTuple):
    """What severity depends on besides the base.

    `cost_ms` of this friction; `repeat_of` and `recovered_by` name the touchpoint that proves it, if any; `is_aged`:
    no solution came in time and that time has passed.
    """

    cost_ms: int
    repeat_of: str | None
    is_aged: bool
    recovered_by: str | None


def severity_of(
    base: int, variant: str, circumstances: Circumstances, scale: SeverityScale
) -> tuple[int, tuple[Check, ...]]:
    """Severity from 1 to 5 and its parts; a part has `passed` when it moved the severity."""
    cost, repeat_of, is_aged, recovered_by = circumstances
    effort = (cost >= scale.effort_ms) + (cost >= scale.great_effort_ms)
    total = base + effort + (repeat_of is not None) + is_aged - (recovered_by is not None)
    severity = min(5, max(1, total))
    parts = (
        Check("base", str(base), variant, passed=True),
        Check(
            "effort",
            spell_duration(cost),
            f"+1 from {spell_duration(scale.effort_ms)}, +2 from {spell_duration(scale.great_effort_ms)}",
            passed=effort > 0,
        ),
        Check(
            "repeat",
            repeat_of or "none before",
            f"+1 when the same pattern came up to {spell_duration(scale.repeat_window_ms)} before",
            passed=repeat_of is not None,
        ),
        Check(
            "age",
            "still open" if is_aged else "not yet, or solved in time",
            f"+1 when open {spell_duration(scale.age_ms)} after the anchor",
            passed=is_aged,
        ),
        Check(
            "recovery",
            recovered_by or "none",
            f"-1 when the company came with a solution within {spell_duration(scale.recovery_window_ms)}",
            passed=recovered_by is not None,
        ),
    )
    return severity, parts
