"""Every shipped rule finds step by step, asked only when it says so, what it finds when it is asked for everything."""

from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.diff import FactKind
from processors.friction.catalogue import default_rules, definitions
from processors.friction.definition import RuleDefinition
from processors.friction.examples import BEGINNING_MS, touchpoint_of
from processors.person import PersonState, judge, restore, step
from processors.settings import CoreSettings
from schemas.touchpoint import TIME_FIELDS, AppliedTouchpoint, Touchpoint
from tests.support.asked_always import asked_always
from tests.support.stories import stories
from tests.support.touchpoints import ANNA, DAY, HOUR, MINUTE, MONDAY, SECOND, TENANT, applied, happened

SETTINGS: Final = CoreSettings()
RULES: Final = default_rules()
ALWAYS: Final = asked_always(RULES)
NUDGES: Final = st.sampled_from([0, 0, 0, 0, -1, 1, SECOND, MINUTE, HOUR, DAY])
BEGINNINGS: Final = st.sampled_from([0, 0, 1, 5 * SECOND, MINUTE, HOUR, DAY, 8 * DAY])


def moved(touchpoint: Touchpoint, by: int, story: int) -> Touchpoint:
    """The same at another time, as part of a story of which the touchpoints name only each other."""
    references = {
        name: f"{story}/{value}"
        for name in ("id", "reply_to", "caused_by")
        if (value := getattr(touchpoint, name)) is not None
    }
    times = {name: value + by for name in TIME_FIELDS if (value := getattr(touchpoint, name)) is not None}
    return msgspec.structs.replace(touchpoint, **references, **times)


@st.composite
def retold(draw: st.DrawFn, definition: RuleDefinition) -> list[AppliedTouchpoint]:
    """Some examples of a rule after or into each other, with touchpoints left out, moved and added; in order."""
    found = [moved(one.touchpoint, BEGINNING_MS - MONDAY, 0) for one in draw(stories(max_size=3))]
    for story, example in enumerate(draw(st.lists(st.sampled_from(definition.examples), min_size=1, max_size=3)), 1):
        start = draw(BEGINNINGS)
        for number, said in enumerate(example.touchpoints):
            if draw(st.integers(0, 9)):
                found.append(moved(touchpoint_of(said, number), start + draw(NUDGES), story))
    return sorted((applied(one, identity_hash=ANNA) for one in found), key=lambda one: one.order)


@pytest.mark.parametrize("definition", definitions(), ids=lambda definition: definition.id)
@settings(max_examples=10)
@given(data=st.data())
def test_asked_when_it_matters_is_asked_often_enough(definition: RuleDefinition, data: st.DataObject) -> None:
    story = data.draw(retold(definition))
    state = PersonState(TENANT, ANNA)
    for count, arrival in enumerate(story, start=1):
        step(state, arrival)
        if count == len(story) or data.draw(st.integers(0, 3)):
            watermark = arrival.event_time + data.draw(st.sampled_from([-HOUR, 0, HOUR, DAY, 10 * DAY, 60 * DAY]))
            scratch = judge(restore(TENANT, ANNA, story[:count]), ALWAYS, watermark, SETTINGS)
            assert judge(state, RULES, watermark, SETTINGS) == scratch


EMAIL: Final[dict[str, Any]] = {"channel": "email", "topic": "a", "objects": ("case:1",)}
CALL: Final[dict[str, Any]] = {"channel": "phone", "topic": "a", "thread_id": "t", "team": "x"}
ASKED: Final[dict[str, Any]] = {"actor": "agent", "direction": "outbound", "items_requested": ("iban",)}


@pytest.mark.parametrize(
    "story",
    [
        # repeat_contact: the first contact ends after the second began.
        [("call.offered", CALL), ("message.received", EMAIL), ("call.ended", CALL)],
        # unprompted_switch: what a solution would have changed.
        [("call.offered", CALL), ("message.received", EMAIL), ("case.resolved", EMAIL | {"actor": "agent"})],
        # context_loss: what was given is asked for again.
        [
            ("message.received", EMAIL | {"items_provided": ("iban", "name")}),
            ("call.offered", CALL),
            ("data.requested", CALL | ASKED),
        ],
        # status_chasing: the conversation tells how long it took.
        [("call.offered", CALL | {"reason": "status"}), ("call.ended", CALL | {"active_ms": 7 * MINUTE})],
    ],
    ids=["repeat_contact", "unprompted_switch", "context_loss", "status_chasing"],
)
def test_what_comes_after_changes_what_was_found(
    story: list[tuple[str, dict[str, Any]]], request: pytest.FixtureRequest
) -> None:
    rules = tuple(rule for rule in RULES if rule.parameters.rule_id in request.node.name)
    touchpoints = [happened(kind, MONDAY + n * HOUR, **fields) for n, (kind, fields) in enumerate(story)]
    state = PersonState(TENANT, ANNA)
    found = []
    for count, arrival in enumerate(touchpoints, start=1):
        step(state, arrival)
        found.append(judge(state, rules, MONDAY + DAY, SETTINGS))
        assert found[-1] == judge(
            restore(TENANT, ANNA, touchpoints[:count]), asked_always(rules), MONDAY + DAY, SETTINGS
        )
    assert found[-1].frictions
    assert found[-1].hashes[FactKind.FRICTION] != found[-2].hashes[FactKind.FRICTION]
