"""repeat_contact: every variant, guard and boundary, with literal numbers."""

from typing import Any

import pytest

from schemas.outputs import EffortKind, Friction
from schemas.touchpoint import AppliedTouchpoint
from tests.support.judging import frictions, judged, named
from tests.support.touchpoints import DAY, HOUR, MINUTE, MONDAY, happened


def called(at: int = MONDAY, **fields: Any) -> AppliedTouchpoint:
    return happened("call.offered", at, **({"channel": "phone", "topic": "delivery"} | fields))


def found(*touchpoints: AppliedTouchpoint) -> list[Friction]:
    return frictions("repeat_contact", touchpoints)


def test_a_second_contact_about_the_matter_is_a_repeat() -> None:
    (friction,) = found(called(team="first line"), called(MONDAY + DAY, team="second line"))
    assert (friction.variant, friction.severity, friction.team) == ("repeat", 2, "first line")
    assert friction.anchor_at == MONDAY + DAY
    assert friction.evidence.touchpoints == (
        f"default/test/call.offered@{MONDAY}",
        f"default/test/call.offered@{MONDAY + DAY}",
    )
    assert friction.sentence_en == "A customer came again about delivery on phone, 24 h after a contact on phone."
    assert friction.evidence.nearest_miss == "would not have fired with the contact more than 6 d later"
    assert friction.evidence.nearest_miss_de == "hätte nicht angeschlagen mit dem Kontakt über 6 d später"


@pytest.mark.parametrize(("gap", "count"), [(7 * DAY, 1), (7 * DAY + 1, 0), (0, 1)])
def test_7_days_run_from_the_end_of_the_earlier_contact(gap: int, count: int) -> None:
    assert len(found(called(ended_at=MONDAY + HOUR), called(MONDAY + HOUR + gap))) == count


def test_a_contact_while_the_earlier_one_still_lasts_is_a_repeat() -> None:
    assert len(found(called(ended_at=MONDAY + 3 * DAY), called(MONDAY + DAY))) == 1


def test_an_earlier_contact_that_lasted_longer_decides_over_a_later_one() -> None:
    long, short = called(ended_at=MONDAY + 5 * DAY), called(MONDAY + DAY)
    assert [friction.anchor_at for friction in found(long, short, called(MONDAY + 12 * DAY))] == [
        MONDAY + DAY,
        MONDAY + 12 * DAY,
    ]


def test_contacts_that_begin_at_once_are_ordered_by_source_and_id() -> None:
    (friction,) = found(called(id="b"), called(id="a"))
    assert friction.evidence.touchpoints == ("default/test/a", "default/test/b")


def test_touchpoints_of_one_thread_are_one_contact() -> None:
    assert found(called(thread_id="t"), called(MONDAY + HOUR, thread_id="t")) == []
    assert len(found(called(thread_id="t"), called(MONDAY + HOUR, thread_id="u"))) == 1


def test_a_thread_lasts_until_its_latest_end() -> None:
    thread = [called(thread_id="t", ended_at=MONDAY + 5 * DAY), called(MONDAY + HOUR, thread_id="t")]
    assert len(found(*thread, called(MONDAY + 12 * DAY))) == 1
    assert found(*thread, called(MONDAY + 12 * DAY + 1)) == []


def test_a_thread_is_about_what_any_of_its_touchpoints_names() -> None:
    thread = [called(thread_id="t", topic=None), called(MONDAY + HOUR, thread_id="t")]
    assert len(found(*thread, called(MONDAY + DAY))) == 1


def test_a_thread_goes_on_on_one_channel_only() -> None:
    assert len(found(called(thread_id="t"), called(MONDAY + HOUR, thread_id="t", channel="chat"))) == 1


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [
        ({"topic": None, "objects": ("case:1",)}, {"topic": None, "objects": ("case:1",)}, 1),
        ({"topic": None, "objects": ("product:x",)}, {"topic": "b", "objects": ("product:x",)}, 1),
        ({"topic": "a", "objects": ("order:1:line-1",)}, {"topic": "b", "objects": ("order:1:line-2",)}, 1),
        ({"topic": None}, {"topic": None}, 0),
        ({"topic": "a"}, {"topic": "b"}, 0),
        ({"topic": None, "objects": ("incident:1",)}, {"topic": None, "objects": ("incident:1",)}, 0),
    ],
)
def test_the_matter_is_a_shared_case_object_or_topic(one: dict[str, Any], other: dict[str, Any], count: int) -> None:
    assert len(found(called(**one), called(MONDAY + DAY, **other))) == count


def test_third_and_fifth_contacts_weigh_more() -> None:
    calls = [called(MONDAY + day * 31 * DAY // 6) for day in range(6)]
    variants = [friction.variant for friction in found(*calls)]
    assert variants == ["repeat", "third", "third", "fifth", "fifth"]
    bases = [named(friction.evidence.severity_parts, "base").value for friction in found(*calls)]
    assert bases == ["2", "3", "3", "4", "4"]


def test_a_pause_of_more_than_7_days_begins_a_new_chain() -> None:
    calls = [called(MONDAY + day * DAY) for day in (0, 7, 15, 16)]
    assert [friction.variant for friction in found(*calls)] == ["repeat", "repeat"]


def test_the_first_contact_of_the_chain_owns_every_repeat() -> None:
    calls = [
        called(MONDAY, channel="email", team="mail"),
        called(MONDAY + DAY, team="hotline"),
        called(MONDAY + 2 * DAY, team="hotline"),
    ]
    third = found(*calls)[1]
    assert (third.team, third.from_channel, third.to_channel) == ("mail", "email", "phone")
    assert third.evidence.touchpoints[0] == f"default/test/call.offered@{MONDAY}"
    assert third.sentence_en == "A customer came for the 3rd time about delivery, now on phone; it began on e-mail."


@pytest.mark.parametrize(
    ("gap", "flags"),
    [(24 * HOUR, (True, True, True)), (24 * HOUR + 1, (False, True, True)), (7 * DAY, (False, True, True))],
)
def test_windows_of_24_hours_7_and_30_days_are_flags(gap: int, flags: tuple[bool, bool, bool]) -> None:
    (friction,) = found(called(), called(MONDAY + gap))
    checks = friction.evidence.checks
    assert tuple(named(checks, name).passed for name in ("within_24h", "within_7d", "within_30d")) == flags


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [
        (("order:1",), ("order:2",), 0),
        (("claim:1",), ("claim:2",), 0),
        (("contract:1", "order:1"), ("contract:1", "order:2"), 0),
        (("order:1", "order:2"), ("order:2", "order:3"), 1),
        (("case:1",), ("case:2",), 1),
        (("order:1",), (), 1),
        (("order:1",), ("contract:2",), 1),
    ],
)
def test_a_new_object_of_the_same_type_is_another_matter(
    one: tuple[str, ...], other: tuple[str, ...], count: int
) -> None:
    assert len(found(called(objects=one), called(MONDAY + DAY, objects=other))) == count


def test_a_contact_about_another_object_in_between_does_not_hide_the_first() -> None:
    calls = [called(MONDAY + day * DAY, objects=(f"order:{order}",)) for day, order in enumerate((1, 2, 1))]
    (friction,) = found(*calls)
    assert (friction.variant, friction.anchor_at) == ("repeat", MONDAY + 2 * DAY)


@pytest.mark.parametrize("reason", ["scheduled", "status_call", "follow_up", "appointment", "document"])
def test_a_contact_that_was_agreed_is_none(reason: str) -> None:
    assert found(called(), called(MONDAY + DAY, reason=reason)) == []


def test_a_contact_that_was_agreed_still_counts_in_the_chain() -> None:
    calls = [called(), called(MONDAY + DAY, reason="scheduled"), called(MONDAY + 2 * DAY)]
    assert [friction.variant for friction in found(*calls)] == ["third"]


def test_a_contact_that_the_company_asked_for_is_none() -> None:
    asked = happened("data.requested", MONDAY + HOUR, topic="delivery", actor="agent", direction="outbound")
    assert found(called(), asked, called(MONDAY + DAY)) == []
    assert len(found(called(), asked, called(MONDAY + DAY), called(MONDAY + 2 * DAY))) == 1


def test_a_customer_who_was_sent_to_the_channel_is_judged_once() -> None:
    sent = happened("contact.redirected", MONDAY + HOUR, channel="phone", redirect_to="portal", topic="delivery")
    form = happened("form.submitted", MONDAY + DAY, channel="web", topic="delivery")
    assert found(called(), sent, form) == []


@pytest.mark.parametrize(
    ("fields", "minutes"),
    [({"active_ms": 8 * MINUTE}, 8.0), ({"ended_at": MONDAY + DAY + 20 * MINUTE}, 20.0), ({}, 2.0)],
)
def test_the_whole_second_contact_is_posted_to_the_first_ones_team(fields: dict[str, Any], minutes: float) -> None:
    (posting,) = judged(called(team="first line"), called(MONDAY + DAY, **fields)).postings
    assert (posting.kind, posting.minutes, posting.team) == (EffortKind.RETRY, minutes, "first line")
    assert posting.voucher == f"default/test/call.offered@{MONDAY + DAY}"
