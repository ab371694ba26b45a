"""unprompted_switch: every variant, guard and boundary, with literal numbers."""

from typing import Any

import pytest

from schemas.outputs import EffortKind, Friction
from schemas.touchpoint import AppliedTouchpoint
from tests.support.judging import frictions, judged, named
from tests.support.touchpoints import ANNAS_ACCOUNT, DAY, HOUR, MINUTE, MONDAY, happened

SECOND_AT = MONDAY + 4 * HOUR


def wrote(at: int = MONDAY, **fields: Any) -> AppliedTouchpoint:
    return happened(
        "message.received", at, **({"channel": "email", "topic": "invoice", "team": "back office"} | fields)
    )


def called(at: int = SECOND_AT, **fields: Any) -> AppliedTouchpoint:
    return happened("call.offered", at, **({"channel": "phone", "topic": "invoice"} | fields))


def found(*touchpoints: AppliedTouchpoint) -> list[Friction]:
    return frictions("unprompted_switch", touchpoints)


def test_a_second_contact_on_another_channel_is_a_switch() -> None:
    (friction,) = found(wrote(), called())
    assert (friction.variant, friction.severity) == ("switched", 2)
    assert (friction.from_channel, friction.to_channel, friction.team) == ("email", "phone", "back office")
    assert friction.anchor_at == SECOND_AT
    assert friction.sentence_en == "A customer got no solution on e-mail about invoice and tried phone 4 h later."
    assert friction.evidence.nearest_miss == "would not have fired with the second contact more than 20 h later"
    assert friction.evidence.nearest_miss_de == "hätte nicht angeschlagen mit dem zweiten Kontakt über 20 h später"


@pytest.mark.parametrize(("gap", "count"), [(0, 1), (24 * HOUR, 1), (24 * HOUR + 1, 0)])
def test_24_hours_run_from_the_end_of_the_first_contact(gap: int, count: int) -> None:
    first = wrote(ended_at=MONDAY + HOUR)
    assert len(found(first, called(MONDAY + HOUR + gap))) == count


def test_a_switch_while_the_first_contact_still_lasts_counts() -> None:
    (friction,) = found(wrote(ended_at=MONDAY + 2 * DAY), called())
    assert named(friction.evidence.checks, "gap").value == "44 h before its end"


def test_the_end_of_the_thread_is_the_end_of_the_contact() -> None:
    chat = happened("contact.started", MONDAY, channel="chat", topic="invoice", thread_id="c")
    ended = happened("contact.ended", MONDAY + 10 * HOUR, channel="chat", thread_id="c", actor="system")
    assert len(found(chat, ended, called(MONDAY + 34 * HOUR))) == 1
    assert found(chat, called(MONDAY + 34 * HOUR)) == []


@pytest.mark.parametrize(
    "second",
    [
        called(channel="email"),
        called(topic="delivery"),
        called(topic=None),
        called(direction="outbound"),
        called(actor="agent"),
        called(actor="bot"),
        called(probe=True),
        called(staff=True),
    ],
)
def test_what_is_no_second_contact_of_the_customer_elsewhere_is_none(second: AppliedTouchpoint) -> None:
    assert found(wrote(), second) == []


def test_only_the_closest_earlier_contact_is_left_by_a_switch() -> None:
    (friction,) = found(wrote(), called(), called(SECOND_AT + HOUR))
    assert friction.anchor_at == SECOND_AT


@pytest.mark.parametrize(
    "solution",
    [
        happened("case.resolved", MONDAY + HOUR, channel="email", topic="invoice", actor="agent"),
        happened("customer.confirmed", SECOND_AT, id="0", channel="email", topic="invoice"),
        happened("message.sent", MONDAY + HOUR, topic="invoice", actor="agent", direction="outbound", outcome="ok"),
    ],
)
def test_a_first_contact_that_was_solved_before_is_none(solution: AppliedTouchpoint) -> None:
    assert found(wrote(), solution, called()) == []


def test_a_first_contact_that_itself_solved_the_matter_is_none() -> None:
    assert found(wrote(outcome="ok"), called()) == []
    assert len(found(wrote(outcome="failed"), called())) == 1


def test_a_conversation_solves_the_matter_when_it_ends() -> None:
    chat: dict[str, Any] = {"channel": "chat", "outcome": "ok"}
    assert found(wrote(ended_at=SECOND_AT, **chat), called()) == []
    assert len(found(wrote(ended_at=SECOND_AT + 1, **chat), called())) == 1


def test_a_solution_after_the_second_contact_began_came_too_late() -> None:
    solved = happened("case.resolved", SECOND_AT + 192 * MINUTE, topic="invoice", actor="agent")
    at_once = happened("case.resolved", SECOND_AT + 1, topic="invoice", actor="agent")
    assert len(found(wrote(), called(), at_once)) == 1
    (friction,) = found(wrote(), called(), solved)
    assert friction.evidence.nearest_miss == "would not have fired with a solution 3 h 12 min earlier"
    assert friction.evidence.nearest_miss_de == "hätte nicht angeschlagen mit einer Lösung 3 h 12 min früher"


@pytest.mark.parametrize(
    ("before", "variant"),
    [(60 * MINUTE, "after_self_help"), (60 * MINUTE + 1, "switched"), (1, "after_self_help"), (0, "switched")],
)
def test_self_help_within_60_minutes_before_a_call_makes_it_worse(before: int, variant: str) -> None:
    (friction,) = found(wrote(), happened("page.viewed", SECOND_AT - before, channel="web"), called())
    assert friction.variant == variant
    assert friction.severity == {"after_self_help": 3, "switched": 2}[variant]


@pytest.mark.parametrize(
    ("kind", "channel", "variant"),
    [
        ("session.started", "app", "after_self_help"),
        ("search.performed", "web", "after_self_help"),
        ("form.started", "web", "after_self_help"),
        ("page.viewed", "portal", "switched"),
        ("ui.clicked", "web", "switched"),
    ],
)
def test_self_help_is_looking_for_help_on_web_or_app(kind: str, channel: str, variant: str) -> None:
    (friction,) = found(wrote(), happened(kind, SECOND_AT - MINUTE, channel=channel), called())
    assert friction.variant == variant


def test_self_help_before_a_chat_changes_nothing() -> None:
    page = happened("page.viewed", SECOND_AT - MINUTE, channel="web")
    (friction,) = found(wrote(), page, called(channel="chat"))
    assert friction.variant == "switched"


@pytest.mark.parametrize(
    "invitation",
    [
        happened("data.requested", MONDAY + HOUR, topic="invoice", actor="agent", direction="outbound"),
        happened("callback.promised", MONDAY, topic="invoice", actor="bot", direction="outbound"),
        happened("contact.redirected", MONDAY + HOUR, channel="email", redirect_to="phone", topic="invoice"),
        happened("message.sent", SECOND_AT, topic="invoice", actor="agent", reason="follow_up_invited"),
        happened("message.sent", MONDAY + HOUR, topic="invoice", actor="system", reason="appointment"),
        happened("visit.ended", MONDAY + HOUR, topic="invoice", actor="agent", reason="appointment"),
    ],
)
def test_an_invited_second_contact_is_none(invitation: AppliedTouchpoint) -> None:
    assert found(wrote(), invitation, called()) == []


def test_an_invitation_may_name_the_matter_as_the_first_contact_did() -> None:
    asked = happened("data.requested", MONDAY + HOUR, objects=("case:1",), actor="agent")
    assert found(wrote(objects=("case:1",)), asked, called()) == []


@pytest.mark.parametrize(
    "other",
    [
        happened("data.requested", MONDAY - 1, topic="invoice", actor="agent"),
        happened("data.requested", SECOND_AT + 1, topic="invoice", actor="agent"),
        happened("data.requested", MONDAY + HOUR, topic="delivery", actor="agent"),
        happened("callback.promised", MONDAY + HOUR, topic="invoice", actor="customer"),
        happened("contact.redirected", MONDAY + HOUR, channel="email", redirect_to="store", topic="invoice"),
        happened("message.sent", MONDAY + HOUR, topic="invoice", actor="customer", reason="appointment"),
        happened("page.viewed", MONDAY + HOUR, topic="invoice", actor="bot", reason="appointment"),
        happened("page.viewed", MONDAY + HOUR, topic="invoice", actor="bot", reason="appointment", thread_id="1"),
    ],
)
def test_what_invites_to_something_else_or_at_another_time_is_no_excuse(other: AppliedTouchpoint) -> None:
    assert len(found(wrote(), other, called())) == 1


@pytest.mark.parametrize("reason", ["follow_up", "appointment", "document"])
def test_a_second_contact_with_an_invited_reason_is_none(reason: str) -> None:
    assert found(wrote(), called(reason=reason)) == []


def test_two_members_of_a_household_do_not_switch() -> None:
    shared, hers, his = "household:" + "1" * 32, "email:" + "2" * 32, "phone:" + "3" * 32
    assert found(wrote(identities=(hers, shared)), called(identities=(his, shared))) == []
    assert len(found(wrote(identities=(ANNAS_ACCOUNT, shared)), called(identities=(ANNAS_ACCOUNT, shared)))) == 1
    assert len(found(wrote(identities=(hers,)), called(identities=(his,)))) == 1


@pytest.mark.parametrize(
    ("first", "minutes", "is_measured"),
    [
        (wrote(active_ms=9 * MINUTE), 9.0, True),
        (wrote(ended_at=MONDAY + 3 * HOUR), 2.0, False),
        (wrote(channel="chat", ended_at=MONDAY + 25 * MINUTE), 25.0, True),
        (wrote(channel="store", ended_at=MONDAY + 3 * HOUR), 60.0, True),
        (wrote(channel="chat"), 2.0, False),
    ],
)
def test_the_first_contact_was_for_nothing_and_the_switch_costs_3_minutes(
    first: AppliedTouchpoint, minutes: float, is_measured: bool
) -> None:
    postings = [
        (posting.kind, posting.minutes, posting.is_measured)
        for posting in judged(first, called()).postings
        if posting.kind in {EffortKind.SWITCH, EffortKind.REWORK}
    ]
    assert postings == [(EffortKind.SWITCH, 3.0, False), (EffortKind.REWORK, minutes, is_measured)]
