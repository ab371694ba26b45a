"""Examples: touchpoints in few words, and what is said of a rule that does not do what they say."""

import pytest

from processors.friction.definition import Example
from processors.friction.examples import objecting_guards, run_example, run_examples, touchpoint_of, tried
from schemas.json_form import milliseconds
from tests.support.rule_files import called_again
from tests.support.ruling import rule_of

SECOND_CALL = "{at: 24h, kind: contact.started, thread_id: b}"


def test_times_run_from_a_monday_morning_and_the_rest_is_what_the_contract_says() -> None:
    said = {"at": "90m", "kind": "call.ended", "ended_at": "2h", "promise_due": "1d", "wait_ms": "5m", "active_ms": 7}
    touchpoint = touchpoint_of(said, 0)
    assert touchpoint.occurred_at == milliseconds("2026-03-02T10:30:00Z")
    assert touchpoint.ended_at == milliseconds("2026-03-02T11:00:00Z")
    assert touchpoint.promise_due == milliseconds("2026-03-03T09:00:00Z")
    assert (touchpoint.wait_ms, touchpoint.active_ms) == (300_000, 7)
    assert (touchpoint.id, touchpoint.source, touchpoint.tenant) == ("example-1", "example", "default")
    assert (touchpoint.actor, touchpoint.direction, touchpoint.channel) == ("customer", "inbound", "other")
    assert touchpoint_of({"at": 0, "kind": "a", "id": "x", "identities": ["email:a@b"]}, 4).identities == ("email:a@b",)


def test_all_that_is_wrong_with_a_touchpoint_is_said() -> None:
    with pytest.raises(ValueError, match=r"^at: is missing; wait_ms: 'long' is no duration.*; objects: Expected"):
        touchpoint_of({"kind": "a", "wait_ms": "long", "objects": "order:1"}, 0)


def test_a_rule_does_what_its_examples_say() -> None:
    definition = called_again()
    outcomes = run_examples(definition, rule_of(tried(definition)))
    assert [outcome.fired for outcome in outcomes] == [("again",), ()]
    assert all(outcome.is_as_expected for outcome in outcomes)


def test_examples_are_judged_before_the_rule_begins_to_hold() -> None:
    definition = called_again()  # holds from June 2026 on, its examples lie in March
    assert run_examples(definition, rule_of(definition))[0].fired == ()
    assert run_examples(definition, rule_of(tried(definition)))[0].fired == ("again",)


def test_what_fires_unasked_shows_its_checks_and_guards() -> None:
    definition = called_again()
    _, silent = definition.examples
    loud = silent.model_copy(update={"touchpoints": definition.examples[0].touchpoints})
    outcome = run_example(loud, rule_of(tried(definition)))
    assert (outcome.is_as_expected, outcome.fired) == (False, ("again",))
    assert [(variant, check.name) for variant, check in outcome.reasons()] == [
        ("again", "gap"),
        ("again", "agreed"),
        ("again", "brief"),
    ]


@pytest.mark.parametrize(
    ("fields", "guards"),
    [
        ("reason: scheduled", ["agreed"]),
        ("active_ms: 1s", ["brief"]),
        ("reason: scheduled, active_ms: 1s", ["agreed", "brief"]),
        ("active_ms: 1001", []),
    ],
)
def test_the_guard_that_keeps_an_example_silent_is_named(fields: str, guards: list[str]) -> None:
    definition = called_again((SECOND_CALL, SECOND_CALL.replace("}", f", {fields}}}")))
    example = definition.examples[0]
    assert [guard.name for guard in objecting_guards(definition, example, rule_of)] == guards
    assert run_example(example, rule_of(tried(definition))).is_as_expected is not bool(guards)


def test_variants_come_in_the_order_of_their_anchors() -> None:
    calls = [{"at": f"{hour}h", "kind": "contact.started", "thread_id": str(hour)} for hour in (48, 0, 24)]
    outcome = run_example(Example(says="three", touchpoints=tuple(calls)), rule_of(tried(called_again())))
    assert [friction.anchor_at for friction in outcome.frictions] == [
        milliseconds("2026-03-03T09:00:00Z"),
        milliseconds("2026-03-04T09:00:00Z"),
    ]
