"""Severity: every part, alone and together."""

import pytest

from processors.friction.severity import Circumstances, SeverityScale, severity_of
from schemas.outputs import FrictionStatus
from tests.support.judging import frictions, judged, named
from tests.support.touchpoints import DAY, HOUR, MINUTE, MONDAY, happened

CALM = Circumstances(cost_ms=0, repeat_of=None, is_aged=False, recovered_by=None)


@pytest.mark.parametrize(
    ("cost_ms", "severity"),
    [(15 * MINUTE - 1, 2), (15 * MINUTE, 3), (45 * MINUTE - 1, 3), (45 * MINUTE, 4)],
)
def test_effort_weighs_from_15_and_from_45_minutes(cost_ms: int, severity: int) -> None:
    assert severity_of(2, "v", CALM._replace(cost_ms=cost_ms), SeverityScale())[0] == severity


@pytest.mark.parametrize(
    ("base", "circumstances", "severity"),
    [
        (2, CALM, 2),
        (2, CALM._replace(repeat_of="ref"), 3),
        (2, CALM._replace(is_aged=True), 3),
        (2, CALM._replace(recovered_by="ref"), 1),
        (1, CALM._replace(recovered_by="ref"), 1),
        (4, CALM._replace(repeat_of="ref", is_aged=True, cost_ms=45 * MINUTE), 5),
        (4, CALM._replace(repeat_of="ref", recovered_by="ref"), 4),
    ],
)
def test_parts_add_up_and_stay_between_1_and_5(base: int, circumstances: Circumstances, severity: int) -> None:
    found, parts = severity_of(base, "v", circumstances, SeverityScale())
    assert found == severity
    assert [part.name for part in parts] == ["base", "effort", "repeat", "age", "recovery"]


REDIRECT = {"channel": "social", "redirect_to": "web", "topic": "a", "actor": "agent", "reason": "legal"}


@pytest.mark.parametrize(("before", "is_repeat"), [(30 * DAY, True), (30 * DAY + 1, False)])
def test_the_same_pattern_within_30_days_is_a_repeat_whatever_the_matter(before: int, is_repeat: bool) -> None:
    story = [
        happened("contact.redirected", MONDAY - before, **(REDIRECT | {"topic": "b"})),
        happened("contact.redirected", MONDAY, **REDIRECT),
    ]
    second = frictions("channel_redirect", story)[1]
    assert named(second.evidence.severity_parts, "repeat").passed is is_repeat
    assert second.severity == 1 + is_repeat


@pytest.mark.parametrize(
    ("watermark", "solved_after", "severity"),
    [
        (72 * HOUR - 1, None, 1),
        (72 * HOUR, None, 2),
        (72 * HOUR, 72 * HOUR, 1),
        (80 * HOUR, 72 * HOUR + 1, 2),
    ],
)
def test_a_friction_ages_72_hours_after_its_anchor_unless_solved(
    watermark: int, solved_after: int | None, severity: int
) -> None:
    story = [happened("contact.redirected", MONDAY, **REDIRECT)]
    if solved_after is not None:
        story.append(happened("case.resolved", MONDAY + solved_after, topic="a", actor="agent", direction="internal"))
    (friction,) = frictions("channel_redirect", story, watermark=MONDAY + watermark)
    assert friction.severity == severity
    assert friction.status is (FrictionStatus.OPEN if solved_after is None else FrictionStatus.CLEARED)


@pytest.mark.parametrize(
    ("after", "fields", "is_recovery"),
    [
        (24 * HOUR, {"direction": "outbound", "actor": "agent"}, True),
        (24 * HOUR + 1, {"direction": "outbound", "actor": "agent"}, False),
        (HOUR, {"direction": "internal", "actor": "agent"}, False),
        (HOUR, {"direction": "outbound", "actor": "customer"}, False),
        (HOUR, {"direction": "outbound", "actor": "agent", "topic": "b"}, False),
    ],
)
def test_a_company_that_brings_the_solution_within_24_hours_recovers(
    after: int, fields: dict[str, str], is_recovery: bool
) -> None:
    story = [
        happened("contact.redirected", MONDAY, **(REDIRECT | {"reason": None})),
        happened("message.sent", MONDAY + after, **({"topic": "a", "outcome": "ok"} | fields)),
    ]
    (friction,) = frictions("channel_redirect", story)
    assert named(friction.evidence.severity_parts, "recovery").passed is is_recovery
    assert friction.severity == 2 - is_recovery


def test_ageing_is_a_deadline_even_when_nothing_else_is() -> None:
    story = [
        happened("call.offered", MONDAY, channel="phone", topic="a"),
        happened("call.offered", MONDAY + HOUR, channel="phone", topic="a"),
    ]
    assert judged(*story).wake_at == MONDAY + 73 * HOUR
