"""How rules agree with what people say: literal counts."""

from typing import Any

import pytest

from processors.friction.labels import Agreement, Label, Labels, agreement
from schemas.outputs import Friction
from tests.support.facts import friction
from tests.support.touchpoints import ANNA

REDIRECT, REPEAT = "channel_redirect", "repeat_contact"
PROOF = friction().evidence.touchpoints[0]


def label(line: int = 2, person: str | None = ANNA, rule_id: str | None = REDIRECT, **fields: str) -> Label:
    return Label(line, person, fields.get("touchpoint"), rule_id, fields.get("variant"))


def found(id_: str, rule_id: str = REDIRECT, **fields: Any) -> Friction:
    return friction(friction_id=id_, rule_id=rule_id, **fields)


def test_a_label_is_met_by_person_rule_and_variant() -> None:
    one = found("1", variant="lost")
    assert label().is_met_by(one)
    assert label(variant="lost").is_met_by(one)
    assert label(person=None, touchpoint=PROOF).is_met_by(one)
    assert not label(variant="followed").is_met_by(one)
    assert not label(rule_id=REPEAT).is_met_by(one)
    assert not label(person="b" * 32).is_met_by(one)
    assert not label(touchpoint="default/shop/another").is_met_by(one)
    assert not label(rule_id=None).is_met_by(one)


def test_labels_are_found_by_person_and_by_touchpoint() -> None:
    of_anna, of_touch, of_both = label(2), label(3, None, touchpoint="t"), label(4, touchpoint="u")
    labels = Labels([of_anna, of_touch, of_both, label(5, "b" * 32, REPEAT)])
    assert labels.rule_ids == {REDIRECT, REPEAT}
    assert labels.about(ANNA, ["t", "u"]) == [of_anna, of_both, of_touch]
    assert labels.about(ANNA, []) == [of_anna, of_both]
    assert labels.about("c" * 32, ["t"]) == [of_touch]
    assert labels.about("c" * 32, ["u"]) == []


def test_what_is_found_and_labelled_is_right_and_the_rest_is_not() -> None:
    said = [label(2, variant="lost"), label(3, variant="form"), label(4, rule_id=REPEAT)]
    frictions = [found("1", variant="lost"), found("2", variant="lost"), found("3", variant="chain")]
    assert agreement(said, frictions, {REDIRECT, REPEAT}) == {
        REDIRECT: Agreement(labels=2, found=1, frictions=3, right=2),
        REPEAT: Agreement(labels=1, found=0, frictions=0, right=0),
    }


def test_where_somebody_looked_and_there_is_nothing_all_that_is_found_is_wrong() -> None:
    assert agreement([label(rule_id=None)], [found("1"), found("2", REPEAT)], {REDIRECT}) == {
        REDIRECT: Agreement(labels=0, found=0, frictions=1, right=0)
    }


@pytest.mark.parametrize(
    ("one", "precision", "recall"),
    [(Agreement(4, 3, 8, 2), 0.25, 0.75), (Agreement(0, 0, 2, 0), 0.0, None), (Agreement(3, 0, 0, 0), None, 0.0)],
)
def test_where_there_is_nothing_to_count_nothing_is_said(
    one: Agreement, precision: float | None, recall: float | None
) -> None:
    assert (one.precision, one.recall) == (precision, recall)
