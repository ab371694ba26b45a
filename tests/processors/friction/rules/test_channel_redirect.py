"""channel_redirect: every variant, guard and boundary, with literal numbers."""

from typing import Any

import pytest

from schemas.outputs import EffortKind, Friction, FrictionStatus
from schemas.touchpoint import AppliedTouchpoint
from tests.support.judging import frictions, judged, named
from tests.support.touchpoints import DAY, HOUR, MINUTE, MONDAY, happened


def redirected(at: int = MONDAY, **fields: Any) -> AppliedTouchpoint:
    told = {
        "channel": "social",
        "actor": "agent",
        "direction": "outbound",
        "redirect_to": "web",
        "topic": "invoice",
        "team": "social media",
    }
    return happened("contact.redirected", at, **(told | fields))


def found(*touchpoints: AppliedTouchpoint, watermark: int | None = None) -> list[Friction]:
    return frictions("channel_redirect", touchpoints, watermark=watermark)


def only(*touchpoints: AppliedTouchpoint, watermark: int | None = None) -> Friction:
    (friction,) = found(*touchpoints, watermark=watermark)
    return friction


def test_a_redirect_is_a_friction_at_once() -> None:
    friction = only(redirected())
    assert (friction.variant, friction.severity, friction.status) == ("redirected", 2, FrictionStatus.OPEN)
    assert (friction.from_channel, friction.to_channel) == ("social", "web")
    assert (friction.team, friction.topic) == ("social media", "invoice")
    assert friction.anchor_at == friction.opened_at == MONDAY
    assert friction.is_alertable
    assert friction.sentence_en == "A customer asked on social media about invoice and was sent to the website."
    assert friction.sentence_de == ("Ein Kunde fragte über Social Media zu invoice an und wurde an Website verwiesen.")


@pytest.mark.parametrize("target", [None, "social"])
def test_a_redirect_to_nowhere_or_to_the_same_channel_is_none(target: str | None) -> None:
    assert found(redirected(redirect_to=target)) == []


def test_arrival_on_the_target_makes_it_followed() -> None:
    friction = only(redirected(), happened("contact.started", MONDAY + HOUR, channel="web", topic="invoice"))
    assert (friction.variant, friction.severity) == ("followed", 3)
    assert friction.evidence.touchpoints == (
        f"default/test/contact.redirected@{MONDAY}",
        f"default/test/contact.started@{MONDAY + HOUR}",
    )
    assert named(friction.evidence.checks, "arrival").value == "1 h after"


@pytest.mark.parametrize("kind", ["page.viewed", "screen.viewed", "session.started", "visit.started", "call.offered"])
def test_any_sign_of_the_customer_on_the_target_is_an_arrival(kind: str) -> None:
    assert only(redirected(), happened(kind, MONDAY + HOUR, channel="web")).variant == "followed"


@pytest.mark.parametrize("channel", ["web", "portal", "form"])
def test_web_portal_and_form_are_one_place(channel: str) -> None:
    assert only(redirected(), happened("page.viewed", MONDAY + HOUR, channel=channel)).variant == "followed"


@pytest.mark.parametrize(
    ("after", "variant"), [(0, "redirected"), (1, "followed"), (48 * HOUR, "followed"), (48 * HOUR + 1, "redirected")]
)
def test_arrival_counts_after_the_redirect_and_until_48_hours(after: int, variant: str) -> None:
    page = happened("page.viewed", MONDAY + after, channel="web")
    assert only(redirected(), page).variant == variant


@pytest.mark.parametrize(
    "arrival",
    [
        happened("page.viewed", MONDAY + HOUR, channel="app"),
        happened("page.viewed", MONDAY + HOUR, channel="web", topic="delivery"),
        happened("page.viewed", MONDAY + HOUR, channel="web", objects=("order:1",)),
        happened("page.viewed", MONDAY + HOUR, channel="web", actor="bot"),
        happened("page.viewed", MONDAY + HOUR, channel="web", direction="outbound"),
        happened("search.performed", MONDAY + HOUR, channel="web"),
        happened("page.viewed", MONDAY + HOUR, channel="web", probe=True),
        happened("page.viewed", MONDAY + HOUR, channel="web", staff=True),
    ],
)
def test_what_is_not_this_customer_on_this_matter_there_is_no_arrival(arrival: AppliedTouchpoint) -> None:
    assert only(redirected(), arrival).variant == "redirected"


def test_the_redirect_is_about_what_its_conversation_is_about() -> None:
    asked = happened("contact.started", MONDAY - MINUTE, channel="social", topic="invoice", thread_id="t")
    friction = only(
        asked,
        redirected(topic=None, thread_id="t"),
        happened("contact.started", MONDAY + HOUR, channel="web", topic="invoice"),
    )
    assert (friction.variant, friction.topic) == ("followed", "invoice")


@pytest.mark.parametrize("kind", ["form.started", "form.submitted", "data.requested"])
def test_a_form_at_the_target_makes_it_worse(kind: str) -> None:
    friction = only(
        redirected(),
        happened("page.viewed", MONDAY + HOUR, channel="web"),
        happened(kind, MONDAY + 2 * HOUR, channel="web", topic="invoice"),
    )
    assert (friction.variant, friction.severity) == ("form", 4)


@pytest.mark.parametrize(("after", "variant"), [(48 * HOUR, "form"), (48 * HOUR + 1, "followed")])
def test_a_form_counts_until_48_hours_after_arrival(after: int, variant: str) -> None:
    friction = only(
        redirected(),
        happened("page.viewed", MONDAY + HOUR, channel="web"),
        happened("data.requested", MONDAY + HOUR + after, channel="web", topic="invoice", actor="system"),
    )
    assert friction.variant == variant


def test_arriving_by_sending_a_form_is_both() -> None:
    assert only(redirected(), happened("form.submitted", MONDAY + HOUR, channel="form")).variant == "form"


def test_a_form_about_something_else_is_not_counted() -> None:
    friction = only(
        redirected(),
        happened("page.viewed", MONDAY + HOUR, channel="web"),
        happened("form.submitted", MONDAY + 2 * HOUR, channel="web", topic="newsletter"),
    )
    assert friction.variant == "followed"


@pytest.mark.parametrize("demand", [{"fields_required": 1}, {"items_requested": ("iban",)}])
def test_a_redirect_that_demands_data_is_a_form_at_once(demand: dict[str, Any]) -> None:
    assert only(redirected(**demand)).variant == "form"
    assert only(redirected(fields_required=0)).variant == "redirected"


@pytest.mark.parametrize(("before", "variant"), [(14 * DAY, "chain"), (14 * DAY + 1, "redirected")])
def test_a_second_redirect_of_the_matter_within_14_days_is_a_chain(before: int, variant: str) -> None:
    _, second = found(redirected(MONDAY - before), redirected(MONDAY))
    assert second.variant == variant


def test_a_chain_needs_one_key_in_common_and_not_all() -> None:
    case = redirected(MONDAY - DAY, objects=("case:1",))
    assert [friction.variant for friction in found(case, redirected())] == ["redirected", "chain"]


def test_a_redirect_of_another_matter_begins_no_chain() -> None:
    assert [friction.variant for friction in found(redirected(MONDAY - DAY, topic="delivery"), redirected())] == [
        "redirected",
        "redirected",
    ]


def test_a_redirect_that_the_customer_wanted_begins_no_chain() -> None:
    assert only(redirected(MONDAY - DAY, reason="customer_request"), redirected()).variant == "redirected"


def test_a_chain_outweighs_a_form_and_a_form_outweighs_arrival() -> None:
    form = happened("form.submitted", MONDAY + HOUR, channel="web", topic="invoice")
    assert [friction.variant for friction in found(redirected(MONDAY - DAY), redirected(), form)] == ["form", "chain"]


@pytest.mark.parametrize(("after", "variant"), [(72 * HOUR - 1, "redirected"), (72 * HOUR, "lost")])
def test_the_customer_is_lost_when_72_hours_have_passed(after: int, variant: str) -> None:
    assert only(redirected(), watermark=MONDAY + after).variant == variant


@pytest.mark.parametrize(
    ("after", "variant"), [(48 * HOUR + 1, "redirected"), (72 * HOUR, "redirected"), (72 * HOUR + 1, "lost")]
)
def test_a_late_arrival_within_72_hours_is_not_lost(after: int, variant: str) -> None:
    page = happened("page.viewed", MONDAY + after, channel="web")
    assert only(redirected(), page, watermark=MONDAY + 10 * DAY).variant == variant


@pytest.mark.parametrize(("after", "variant"), [(72 * HOUR, "redirected"), (72 * HOUR + 1, "lost")])
def test_a_solution_within_72_hours_is_not_lost(after: int, variant: str) -> None:
    solved = happened("case.resolved", MONDAY + after, channel="email", topic="invoice", actor="agent")
    friction = only(redirected(), solved, watermark=MONDAY + 10 * DAY)
    assert (friction.variant, friction.status) == (variant, FrictionStatus.CLEARED)


def test_the_deadline_of_being_lost_wakes_the_person() -> None:
    assert judged(redirected(), watermark=MONDAY).wake_at == MONDAY + 72 * HOUR
    assert judged(redirected(), watermark=MONDAY + 72 * HOUR - 1).wake_at == MONDAY + 72 * HOUR
    assert judged(redirected(), watermark=MONDAY + 72 * HOUR).wake_at == MONDAY + 14 * DAY
    assert judged(redirected(), watermark=MONDAY + 14 * DAY).wake_at is None


def test_a_friction_keeps_its_id_while_its_variant_changes() -> None:
    page = happened("page.viewed", MONDAY + HOUR, channel="web")
    assert only(redirected()).friction_id == only(redirected(), page).friction_id


@pytest.mark.parametrize("reason", ["customer_request", "emergency"])
def test_a_redirect_the_customer_needed_is_silent(reason: str) -> None:
    assert found(redirected(reason=reason)) == []


@pytest.mark.parametrize("reason", ["authentication", "payment_security", "legal"])
def test_a_redirect_that_had_to_be_stays_at_base_1_in_every_variant(reason: str) -> None:
    assert only(redirected(reason=reason)).severity == 1
    friction = only(redirected(reason=reason), happened("page.viewed", MONDAY + HOUR, channel="web"))
    assert (friction.variant, friction.severity) == ("followed", 1)


@pytest.mark.parametrize(
    ("fields", "severity"),
    [
        ({"context_carried": True, "redirect_ref": "https://x/1"}, 1),
        ({"context_carried": True}, 2),
        ({"context_carried": False, "redirect_ref": "https://x/1"}, 2),
        ({"redirect_ref": "https://x/1"}, 2),
    ],
)
def test_carried_context_with_a_reference_is_base_1(fields: dict[str, Any], severity: int) -> None:
    assert only(redirected(**fields)).severity == severity


def postings(*touchpoints: AppliedTouchpoint) -> list[tuple[EffortKind, float, bool]]:
    return [(posting.kind, posting.minutes, posting.is_measured) for posting in judged(*touchpoints).postings]


def test_a_switch_costs_3_minutes_and_explaining_again_2() -> None:
    assert postings(redirected()) == [(EffortKind.SWITCH, 3.0, False), (EffortKind.REWORK, 2.0, False)]
    assert postings(redirected(context_carried=True)) == [(EffortKind.SWITCH, 3.0, False)]


def test_form_time_is_measured_or_half_a_minute_a_field() -> None:
    measured = happened("form.submitted", MONDAY + HOUR, channel="web", topic="invoice", active_ms=12 * MINUTE)
    assert postings(redirected(), measured)[2] == (EffortKind.REWORK, 12.0, True)
    counted = happened("form.started", MONDAY + HOUR, channel="web", topic="invoice", fields_required=9)
    assert postings(redirected(), counted)[2] == (EffortKind.REWORK, 4.5, False)
    assert postings(redirected(fields_required=11))[2] == (EffortKind.REWORK, 5.5, False)


def test_the_form_that_tells_its_time_is_taken() -> None:
    started = happened("form.started", MONDAY + HOUR, channel="web", topic="invoice", fields_required=9)
    sent = happened("form.submitted", MONDAY + 2 * HOUR, channel="web", topic="invoice", active_ms=7 * MINUTE)
    assert postings(redirected(), started, sent)[2] == (EffortKind.REWORK, 7.0, True)


def test_the_nearest_miss_names_how_much_earlier_would_have_saved_it() -> None:
    page = happened("page.viewed", MONDAY + 75 * HOUR + 12 * MINUTE, channel="web")
    friction = only(redirected(), page, watermark=MONDAY + 10 * DAY)
    assert friction.evidence.nearest_miss == "would not have been lost with an arrival 3 h 12 min earlier"
    assert friction.evidence.nearest_miss_de == "wäre nicht verloren gegangen mit einer Ankunft 3 h 12 min früher"
    solved = happened("case.resolved", MONDAY + 73 * HOUR, topic="invoice", actor="agent")
    friction = only(redirected(), page, solved, watermark=MONDAY + 10 * DAY)
    assert friction.evidence.nearest_miss == "would not have been lost with a solution 1 h earlier"
    assert friction.evidence.nearest_miss_de == "wäre nicht verloren gegangen mit einer Lösung 1 h früher"
