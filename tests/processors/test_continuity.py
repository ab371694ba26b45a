"""Continuity of switches: what each component knows, with literal numbers, and what holds for every score."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.continuity import Component, Switch, SwitchKind, score_of, switches_of
from processors.fold import Fold
from processors.person import restore
from processors.settings import ContinuityScale, CoreSettings
from schemas.touchpoint import AppliedTouchpoint
from tests.support.judging import judged
from tests.support.stories import stories, watermarks
from tests.support.touchpoints import ANNA, HOUR, MINUTE, MONDAY, TENANT, happened

CASE: dict[str, Any] = {"objects": ("case:1",)}
CALL_AT = MONDAY + 2 * HOUR


def switches(*touchpoints: AppliedTouchpoint) -> list[Switch]:
    """All switches of Anna's story."""
    settings = CoreSettings()
    fold = Fold(settings)
    state = restore(TENANT, ANNA, touchpoints)
    for entry in state._entries:
        fold.add(entry)
    return [
        switch
        for strand in fold.stitching.strands
        if strand.is_root
        for switch in switches_of(sorted(strand.entries, key=lambda entry: entry.order), settings.continuity)
    ]


def values(*touchpoints: AppliedTouchpoint) -> dict[str, float]:
    """Known components of the only switch."""
    (switch,) = switches(*touchpoints)
    return {name: value for name, _, value in switch.components if value is not None}


def wrote(at: int = MONDAY, **fields: Any) -> AppliedTouchpoint:
    return happened("message.received", at, **({"channel": "email", "topic": "invoice"} | fields))


def called(at: int = CALL_AT, **fields: Any) -> AppliedTouchpoint:
    return happened("call.offered", at, **({"channel": "phone", "topic": "invoice"} | fields))


def agent(kind: str, at: int, **fields: Any) -> AppliedTouchpoint:
    named = {"channel": "phone", "topic": "invoice", "actor": "agent", "direction": "outbound"}
    return happened(kind, at, **(named | fields))


def redirected(at: int = MONDAY + HOUR, **fields: Any) -> AppliedTouchpoint:
    return agent("contact.redirected", at, **({"channel": "email", "redirect_to": "phone"} | fields))


def test_journeys_that_become_one_have_the_switches_between_them() -> None:
    story = [
        wrote(topic=None, objects=("order:1",)),
        wrote(MONDAY + HOUR, topic=None, objects=("order:1",)),
        called(topic=None, objects=("contract:1",)),
        wrote(CALL_AT + HOUR, topic=None, objects=("order:1", "contract:1")),
    ]
    settings, fold = CoreSettings(), Fold(CoreSettings())
    for entry in restore(TENANT, ANNA, story)._entries:
        fold.add(entry)
    (strand,) = (strand for strand in fold.stitching.strands if strand.is_root)
    assert [switch.to_channel for switch in strand.switches(settings)] == ["phone", "email"]


@given(stories())
def test_no_journey_with_a_switch_passes_for_one_without(story: list[AppliedTouchpoint]) -> None:
    settings, fold = CoreSettings(), Fold(CoreSettings())
    for entry in sorted(restore(TENANT, ANNA, story)._entries, key=lambda entry: entry.order):
        fold.add(entry)
    for strand in fold.stitching.strands:
        found = strand.switches(settings)
        assert found == switches_of(strand.entries, settings.continuity)


# --- What is a switch ------------------------------------------------------------------------------------------------


def test_another_contact_on_another_channel_is_a_switch() -> None:
    (switch,) = switches(wrote(), called())
    assert (switch.kind, switch.from_channel, switch.to_channel) == (SwitchKind.CHANNEL, "email", "phone")
    assert (switch.before.start, switch.opening.start, switch.via) == (MONDAY, CALL_AT, None)


def test_arriving_where_one_was_sent_is_a_redirect_followed() -> None:
    (switch,) = switches(wrote(), redirected(), called())
    assert switch.kind is SwitchKind.REDIRECT
    assert switch.via is switch.before
    again = switches(wrote(), redirected(), called(), wrote(CALL_AT + 1), called(CALL_AT + 2))
    assert [switch.kind for switch in again] == [SwitchKind.REDIRECT, SwitchKind.CHANNEL, SwitchKind.CHANNEL]


def test_another_team_is_a_switch() -> None:
    moved = agent("contact.transferred", CALL_AT + MINUTE, from_team="first line", to_team="billing")
    (switch,) = switches(called(), moved)
    assert (switch.kind, switch.from_channel, switch.to_channel) == (SwitchKind.TRANSFER, "phone", "phone")


@pytest.mark.parametrize(
    "story",
    [
        (wrote(), wrote(CALL_AT)),
        (happened("form.submitted", MONDAY, channel="web", topic="a"), wrote(CALL_AT, channel="portal", topic="a")),
        (wrote(), called(topic="delivery")),
        (wrote(), agent("message.sent", CALL_AT)),
        (wrote(), happened("page.viewed", CALL_AT, channel="web", topic="invoice")),
        (agent("message.sent", MONDAY, channel="email"), called()),
        (wrote(), redirected()),
        (called(), agent("case.assigned", CALL_AT + 1, to_team="billing")),
        (wrote(thread_id="t"), wrote(CALL_AT, thread_id="t")),
    ],
)
def test_what_stays_where_it_was_is_no_switch(story: tuple[AppliedTouchpoint, ...]) -> None:
    assert switches(*story) == []


def test_going_on_with_a_conversation_is_no_switch_back() -> None:
    mail: dict[str, Any] = {"thread_id": "t"}
    assert len(switches(wrote(**mail), called(), wrote(CALL_AT + HOUR, **mail))) == 1


# --- Components ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("story", "value"),
    [
        ((wrote(), called()), None),
        ((wrote(**CASE), called(**CASE)), 1.0),
        ((wrote(**CASE), called()), 0.0),
        ((wrote(thread_id="t"), called()), 0.0),
        ((wrote(thread_id="t"), called(thread_id="t")), 1.0),
        ((wrote(), called(reply_to=f"message.received@{MONDAY}")), 1.0),
        ((wrote(), called(caused_by=f"message.received@{MONDAY}")), 1.0),
        ((wrote(objects=("order:1",)), called(objects=("order:1",))), None),
        ((wrote(), redirected(redirect_ref="r"), called()), 0.0),
        ((wrote(), redirected(redirect_ref="r"), called(thread_id="r")), 1.0),
        ((wrote(), redirected(redirect_ref="r"), called(redirect_ref="r")), 1.0),
        ((wrote(), redirected(context_carried=True), called()), 1.0),
        ((wrote(), redirected(context_carried=False), called()), 0.0),
        ((wrote(**CASE), redirected(context_carried=False), called(**CASE)), 1.0),
        ((called(thread_id="t"), agent("contact.transferred", CALL_AT + 1, thread_id="t")), None),
        ((called(thread_id="t", **CASE), agent("contact.transferred", CALL_AT + 1, thread_id="t")), 0.0),
        ((called(**CASE), agent("contact.transferred", CALL_AT + 1, **CASE)), 1.0),
    ],
)
def test_a_reference_is_carried_or_not(story: tuple[AppliedTouchpoint, ...], value: float | None) -> None:
    assert values(*story).get("reference") == value


@pytest.mark.parametrize(
    ("given", "asked", "again", "value"),
    [
        ((), ("iban",), (), None),
        (("iban", "name", "order", "date"), (), (), 1.0),
        (("iban", "name", "order", "date"), ("iban", "colour"), (), 0.75),
        (("iban", "name", "order", "date"), ("iban",), ("iban", "name"), 0.5),
        (("iban",), ("iban",), (), 0.0),
        (("iban", "iban"), ("name",), ("name",), 1.0),
    ],
)
def test_what_was_given_before_is_asked_again_or_not(
    given: tuple[str, ...], asked: tuple[str, ...], again: tuple[str, ...], value: float | None
) -> None:
    story = [
        wrote(items_provided=given),
        called(),
        agent("data.requested", CALL_AT + 1, items_requested=asked),
        happened("data.provided", CALL_AT + 2, channel="phone", topic="invoice", items_provided=again),
    ]
    assert values(*story).get("not_re_asked") == value


@pytest.mark.parametrize(
    ("before", "after", "warm", "value"),
    [
        (None, None, None, None),
        ("ann", None, None, None),
        ("ann", "ann", None, 1.0),
        ("ann", "bob", None, 0.0),
        ("ann", "bob", True, 1.0),
        (None, None, True, 1.0),
        (None, None, False, 0.0),
        ("ann", "ann", False, 1.0),
    ],
)
def test_the_same_handler_or_a_warm_transfer_keeps_the_matter(
    before: str | None, after: str | None, warm: bool | None, value: float | None
) -> None:
    story = [
        called(),
        agent("call.answered", CALL_AT + 1, actor_id=before),
        agent("contact.transferred", CALL_AT + 2, actor_id=before, warm=warm),
        agent("call.answered", CALL_AT + 3, actor_id=after),
    ]
    assert values(*story).get("handler") == value


@pytest.mark.parametrize(
    ("kind", "after", "channel", "value"),
    [
        ("call.answered", 5 * MINUTE, "phone", 1.0),
        ("call.answered", 10 * MINUTE, "phone", 0.5),
        ("call.answered", 50 * MINUTE, "phone", 0.1),
        ("message.sent", 4 * HOUR, "social", 1.0),
        ("message.sent", 8 * HOUR, "social", 0.5),
        ("message.auto_ack", MINUTE, "phone", None),
        ("queue.entered", MINUTE, "phone", None),
        ("message.sent", MINUTE, "kiosk", None),
    ],
)
def test_the_first_answer_is_compared_with_that_of_a_first_contact(
    kind: str, after: int, channel: str, value: float | None
) -> None:
    story = [wrote(), called(channel=channel), agent(kind, CALL_AT + after, channel=channel)]
    assert values(*story).get("first_answer") == value


@pytest.mark.parametrize(
    ("before", "after", "value"),
    [
        (None, "identity.verified", None),
        ("identity.failed", None, None),
        ("identity.verified", None, 1.0),
        ("login.succeeded", None, 1.0),
        ("identity.verified", "identity.verified", 0.0),
        ("identity.verified", "identity.failed", 0.0),
        ("identity.verified", "login.failed", 0.0),
    ],
)
def test_proving_again_who_one_is_loses_identity(before: str | None, after: str | None, value: float | None) -> None:
    proof: dict[str, Any] = {"topic": "invoice"}
    story = [wrote(), called()]
    if before:
        story.append(happened(before, MONDAY + 1, channel="email", **proof))
    if after:
        story.append(happened(after, CALL_AT + 1, channel="phone", **proof))
    assert values(*story).get("identity") == value


# --- The score -------------------------------------------------------------------------------------------------------


def test_a_switch_that_loses_everything_and_one_that_keeps_it() -> None:
    first = [
        wrote(items_provided=("iban",), **CASE),
        happened("identity.verified", MONDAY + 1, channel="email", **CASE),
        agent("message.sent", MONDAY + 2, channel="email", actor_id="ann", **CASE),
    ]
    lost = [
        called(),
        agent("call.answered", CALL_AT + 50 * MINUTE, actor_id="bob"),
        agent("data.requested", CALL_AT + 51 * MINUTE, items_requested=("iban",)),
        happened("identity.verified", CALL_AT + 52 * MINUTE, channel="phone", topic="invoice"),
    ]
    (switch,) = switches(*first, *lost)
    assert (switch.known, switch.score) == (5, 0.015)
    assert [number for _, number in switch.asked_again] == [1]
    kept = [called(**CASE), agent("call.answered", CALL_AT + MINUTE, actor_id="ann")]
    (switch,) = switches(*first, *kept)
    assert (switch.known, switch.score) == (5, 1.0)


@pytest.mark.parametrize(
    ("known", "score"),
    [
        ({}, None),
        ({"reference": 0.0}, 0.0),
        ({"reference": 1.0, "handler": 0.0}, 0.6667),
        ({"reference": 0.0, "not_re_asked": 1.0, "identity": 1.0}, 0.5714),
        ({"reference": 1, "not_re_asked": 0.5, "handler": 0, "first_answer": 0.5, "identity": 1}, 0.625),
    ],
)
def test_weights_are_spread_over_what_is_known(known: dict[str, float], score: float | None) -> None:
    weights = {"reference": 0.30, "not_re_asked": 0.30, "handler": 0.15, "first_answer": 0.15, "identity": 0.10}
    assert score_of(Component(name, weight, known.get(name)) for name, weight in weights.items()) == score


_components = st.lists(
    st.builds(Component, st.just("c"), st.floats(0.01, 1), st.none() | st.floats(0, 1)), min_size=1, max_size=5
)


@given(_components, st.data())
def test_a_score_lies_between_0_and_1_and_unknown_components_do_not_matter(
    components: list[Component], data: st.DataObject
) -> None:
    score = score_of(components)
    known = [component for component in components if component.value is not None]
    assert (score is None) == (not known)
    assert (
        score is None
        or min(one.value or 0 for one in known) - 1e-4 <= score <= max(one.value or 0 for one in known) + 1e-4
    )
    unknown = Component("unknown", data.draw(st.floats(0.01, 1)), None)
    place = data.draw(st.integers(0, len(components)))
    assert score_of([*components[:place], unknown, *components[place:]]) == score


@given(stories(), watermarks)
def test_the_continuity_of_a_journey_is_the_lowest_of_what_is_known_well_enough(
    story: list[AppliedTouchpoint], watermark: int
) -> None:
    found = switches(*story)
    other_order = switches(*story[::-1])
    assert [(one.kind, one.components) for one in found] == [(one.kind, one.components) for one in other_order]
    least = ContinuityScale().least_known
    scores = [switch.score for switch in found if switch.known >= least and switch.score is not None]
    assert len(scores) == sum(switch.known >= least for switch in found)
    assert all(0 <= score <= 1 for score in scores)
    published = [journey.continuity for journey in judged(*story, watermark=watermark).journeys]
    assert min((score for score in published if score is not None), default=None) == min(scores, default=None)
