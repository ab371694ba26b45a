"""Examples of rules as stories: the truth about them is written down and holds wherever they are planted."""

from pathlib import Path
from random import Random

import pytest

from processors.friction.catalogue import default_rules, definitions
from processors.friction.definition import Example
from processors.friction.examples import applied
from processors.person import judge, restore
from processors.settings import CoreSettings
from streams.producing import example_truth
from streams.producing.rule_examples import (
    TRUTH_FILE,
    Places,
    RuleExample,
    most_telling_first,
    rule_examples,
    told_of,
    touchpoints_of,
)
from tests.support.touchpoints import DAY, HOUR, MONDAY

EXAMPLES = rule_examples()
IN_OPENING_HOURS = [one for one in EXAMPLES if one.runs_in_opening_hours]


def shown(examples: list[RuleExample]) -> set[tuple[str, str, str]]:
    return {(one.definition.id, *what) for one in examples for what in one.truth.shows}


def test_the_truth_that_is_written_down_is_current() -> None:
    written = Path(example_truth.__file__).with_name(TRUTH_FILE).read_text(encoding="utf-8")
    assert written == example_truth.as_text(), "run python -m streams.producing.example_truth and read what it changes"


def test_the_truth_is_what_the_rule_files_say() -> None:
    for one in EXAMPLES:
        assert tuple(friction.variant for friction in one.truth.frictions) == one.example.fires
        assert bool(one.truth.frictions) or one.truth.silent is not None


def test_every_example_has_a_truth_but_those_that_hold_for_a_while_only() -> None:
    known = {(one.definition.id, one.example.says) for one in EXAMPLES}
    everything = {(rule.id, example.says) for rule in definitions() for example in rule.examples}
    assert len(known) == len(EXAMPLES)
    assert everything - known == {
        ("channel_redirect", "a redirect is one at once"),
        ("unanswered_contact", "nobody has answered an e-mail yet"),
    }


def test_every_variant_and_guard_fits_into_the_shortest_span() -> None:
    assert shown([one for one in EXAMPLES if one.truth.lasts <= 22 * DAY]) == shown(EXAMPLES)


def test_an_example_is_told_with_ids_that_nobody_else_has_and_parts_stay_parts() -> None:
    example = Example(
        says="a return",
        touchpoints=(
            {"at": "0h", "kind": "order.placed", "objects": ["order:1"], "promise_id": "p", "promise_due": "1d"},
            {"at": "0h", "kind": "return.requested", "objects": ["order:1:2", "case:7"], "thread_id": "t"},
        ),
    )
    placed, returned = told_of(example, ("email:a@b.example",), DAY, "x")
    assert (placed.id, returned.id) == ("x-01", "x-02")
    assert placed.objects == ("order:x-1",)
    assert returned.objects == ("order:x-1:2", "case:x-7")
    assert (placed.promise_id, returned.thread_id, returned.promise_id) == ("x-p", "x-t", None)
    original = touchpoints_of(example)[0]
    assert original.promise_due is not None
    assert placed.promise_due == original.promise_due + DAY
    assert placed.occurred_at == original.occurred_at + DAY
    assert placed.identities == ("email:a@b.example",)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_most_telling_come_first(seed: int) -> None:
    ordered = most_telling_first(EXAMPLES, Random(seed))
    assert sorted(map(EXAMPLES.index, ordered)) == list(range(len(EXAMPLES)))
    assert shown(ordered[: len(shown(EXAMPLES))]) == shown(EXAMPLES)
    assert ordered != most_telling_first(EXAMPLES, Random(seed + 1))


def test_an_example_lies_in_the_span_with_all_that_it_waits_for() -> None:
    rng = Random(1)
    places = Places(MONDAY, MONDAY + 20 * DAY)
    for one in EXAMPLES:
        if places.has_room(one):
            begins = one.first + places.shift(one, rng)
            assert begins >= MONDAY
            assert begins + one.truth.lasts <= MONDAY + 20 * DAY
    long = next(one for one in EXAMPLES if one.truth.lasts == 30 * DAY)
    assert not Places(MONDAY, MONDAY + 30 * DAY - 1).has_room(long)
    assert Places(MONDAY, MONDAY + 30 * DAY).has_room(long)


def test_opening_hours_are_those_of_one_rule() -> None:
    assert {one.definition.id for one in IN_OPENING_HOURS} == {"unanswered_contact"}


@pytest.mark.parametrize("day", range(0, 364, 13))
def test_examples_in_opening_hours_come_out_alike_whenever_they_are_told(day: int) -> None:
    (rule,) = (one for one in default_rules() if one.parameters.rule_id == "unanswered_contact")
    places = Places(MONDAY + day * DAY, MONDAY + day * DAY + 26 * DAY)
    told = [one for one in IN_OPENING_HOURS if places.has_room(one)]
    assert shown(told) == shown(IN_OPENING_HOURS)
    for one in told:
        shift = places.shift(one, Random(day))
        touchpoints = told_of(one.example, ("customer_no:1",), shift, "x")
        state = restore("default", "0" * 32, map(applied, touchpoints))
        watermark = one.first + shift + one.truth.lasts
        for moment in (watermark, watermark + 30 * DAY):
            found = judge(state, (rule,), moment, CoreSettings()).frictions
            expected = tuple(friction.variant for friction in one.truth.frictions)
            assert tuple(friction.variant for friction in found) == expected, one.example.says


def test_after_a_clock_change_an_example_begins_at_the_same_hour_of_the_day() -> None:
    (evening,) = (one for one in IN_OPENING_HOURS if one.example.says.startswith("nobody is there in the evening"))
    summer = MONDAY + 175 * DAY  # 24 June 2024
    shift = Places(summer, summer + 20 * DAY).shift(evening, Random(1))
    assert (shift + HOUR) % (7 * DAY) == 0
