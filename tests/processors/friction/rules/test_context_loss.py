"""context_loss: when a switch loses too much, what that costs, and who is told, with literal numbers."""

from typing import Any

import pytest

from schemas.outputs import EffortKind, Friction
from schemas.touchpoint import AppliedTouchpoint
from tests.support.judging import frictions, judged, named
from tests.support.touchpoints import HOUR, MINUTE, MONDAY, happened

CALL_AT = MONDAY + 2 * HOUR


def wrote(**fields: Any) -> AppliedTouchpoint:
    told = {"channel": "email", "topic": "invoice", "objects": ("case:1",), "items_provided": ("iban", "name")}
    return happened("message.received", MONDAY, **(told | {"team": "back office"} | fields))


def called(**fields: Any) -> AppliedTouchpoint:
    return happened("call.offered", CALL_AT, **({"channel": "phone", "topic": "invoice"} | fields))


def asked(*items: str, **fields: Any) -> AppliedTouchpoint:
    told = {"channel": "phone", "topic": "invoice", "actor": "agent", "direction": "outbound"}
    return happened("data.requested", CALL_AT + 6 * MINUTE, items_requested=items, **(told | fields))


def found(*touchpoints: AppliedTouchpoint) -> list[Friction]:
    return frictions("context_loss", touchpoints)


def test_a_call_that_begins_anew_is_a_loss() -> None:
    (friction,) = found(wrote(), called(), asked("iban", "name"))
    assert (friction.variant, friction.severity, friction.anchor_at) == ("lost", 3, CALL_AT)
    assert (friction.from_channel, friction.to_channel, friction.team) == ("email", "phone", "back office")
    # Nothing of reference and items, 5 of 6 minutes for the first answer: 0.15 * 0.8333 / 0.75.
    assert named(friction.evidence.checks, "continuity").value == "0.1667"
    assert friction.evidence.nearest_miss == (
        "would not have fired with more of the reference kept, which cost the score most"
    )
    assert friction.evidence.nearest_miss_de == (
        "hätte nicht angeschlagen mit mehr davon erhalten, was die Wertung am meisten kostete: der Vorgang"
    )
    assert friction.sentence_en == (
        "A customer went from e-mail to phone about invoice and had to begin anew: continuity 0.17 of 1."
    )
    assert friction.sentence_de == (
        "Ein Kunde wechselte von E-Mail zu Telefon zu invoice und musste von vorn beginnen: Kontinuität 0.17 von 1."
    )


@pytest.mark.parametrize(
    ("items", "count"),
    [
        # Of five items given: reference 0, items 1 - n / 5, so half of the latter is the score.
        (("a",), 0),
        (("a", "b"), 1),
    ],
)
def test_a_score_of_two_fifths_is_no_loss_and_less_is_one(items: tuple[str, ...], count: int) -> None:
    given = wrote(items_provided=("a", "b", "c", "d", "e"))
    question = happened(
        "data.requested", CALL_AT + 6 * MINUTE, channel="phone", topic="invoice", actor="system", items_requested=items
    )
    losses = found(given, called(), question)
    assert len(losses) == count
    assert [named(loss.evidence.checks, "continuity").value for loss in losses] == ["0.3"] * count


def test_one_known_component_says_nothing() -> None:
    assert found(wrote(items_provided=()), called()) == []
    (friction,) = found(wrote(), called(), asked("iban", "name"))
    assert named(friction.evidence.guards, "known").value == "3"


def test_a_cold_transfer_is_a_loss_of_the_team_that_passed_on() -> None:
    told = {"channel": "phone", "topic": "invoice", "actor": "agent", "direction": "internal"}
    moved = happened(
        "contact.transferred", CALL_AT + MINUTE, from_team="first line", to_team="billing", warm=False, **told
    )
    (friction,) = found(called(objects=("case:1",), items_provided=("iban",)), moved, asked("iban"))
    assert (friction.variant, friction.team) == ("transferred", "first line")
    warm = happened(
        "contact.transferred", CALL_AT + MINUTE, from_team="first line", to_team="billing", warm=True, **told
    )
    # 0.15 for the hand-over and 0.15 for the answer after 5 minutes, of 0.9.
    (friction,) = found(called(objects=("case:1",), items_provided=("iban",)), warm, asked("iban"))
    assert named(friction.evidence.checks, "continuity").value == "0.3333"
    assert found(called(objects=("case:1",), items_provided=("iban",)), warm, asked("name")) == []


def test_explaining_again_and_every_item_given_again_cost_minutes() -> None:
    (friction,) = found(wrote(), called(), asked("iban", "name"))
    assert friction.minutes == 3.0
    postings = [
        (posting.kind, posting.minutes, posting.is_measured, posting.voucher, posting.team)
        for posting in judged(wrote(), called(), asked("iban", "name")).postings
        if posting.cause == "context_loss"
    ]
    # Explaining again is part of the second contact, which is posted as a repeat: two minutes, once.
    assert postings == [
        (EffortKind.REWORK, 1.0, False, f"default/test/data.requested@{CALL_AT + 6 * MINUTE}", "back office")
    ] or postings == [
        (EffortKind.REWORK, 2.0, False, f"default/test/call.offered@{CALL_AT}", "back office"),
        (EffortKind.REWORK, 1.0, False, f"default/test/data.requested@{CALL_AT + 6 * MINUTE}", "back office"),
    ]


def test_a_redirect_has_the_cost_of_explaining_again_already() -> None:
    sent = happened(
        "contact.redirected",
        MONDAY + HOUR,
        channel="email",
        topic="invoice",
        actor="agent",
        direction="outbound",
        redirect_to="phone",
    )
    (friction,) = found(wrote(), sent, called(), asked("iban", "name"))
    assert friction.minutes == 1.0
