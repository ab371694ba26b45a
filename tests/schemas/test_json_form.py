"""Touchpoints as JSON: the contract's names, moments with a zone, and errors that name the field."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.identities import usable_identities
from schemas.json_form import ContractError, iso_time, milliseconds, touchpoint_from_json, touchpoint_to_json
from schemas.touchpoint import Touchpoint
from tests.support.any_touchpoint import any_touchpoint
from tests.support.touchpoints import MONDAY

SMALLEST: dict[str, Any] = {
    "id": "1",
    "source": "shop",
    "kind": "page.viewed",
    "occurred_at": MONDAY,
    "identities": ["customer_no:4711"],
}


def refused(**changes: Any) -> ContractError:
    with pytest.raises(ContractError) as raised:
        touchpoint_from_json({**SMALLEST, **changes})
    return raised.value


def test_the_five_required_fields_are_enough() -> None:
    assert touchpoint_from_json(SMALLEST) == Touchpoint(
        id="1", source="shop", kind="page.viewed", occurred_at=MONDAY, identities=("customer_no:4711",)
    )


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2024-01-01T00:00:00Z", MONDAY),
        ("2024-01-01T01:00:00+01:00", MONDAY),
        ("2023-12-31T19:00:00-05:00", MONDAY),
        ("2024-01-01T00:00:00.123Z", MONDAY + 123),
        ("2024-01-01T00:00:00.999999Z", MONDAY + 999),
        ("1969-12-31T23:59:59.999Z", -1),
    ],
)
def test_moments_become_milliseconds(text: str, time: int) -> None:
    assert milliseconds(text) == time


def test_a_moment_without_zone_could_be_any_hour_and_is_refused() -> None:
    with pytest.raises(ValueError, match="zone is missing"):
        milliseconds("2024-01-01T00:00:00")
    error = refused(occurred_at="2024-01-01T00:00:00")
    assert error.field == "occurred_at"
    assert "zone is missing" in error.reason


@given(st.integers(0, 7_258_118_399_999))
def test_a_moment_written_and_read_is_the_same_moment(time: int) -> None:
    assert milliseconds(iso_time(time)) == time


@pytest.mark.parametrize("what", [None, [], "touchpoint", 1])
def test_only_objects_are_touchpoints(what: Any) -> None:
    with pytest.raises(ContractError, match="expected a JSON object"):
        touchpoint_from_json(what)


@pytest.mark.parametrize("name", list(SMALLEST))
def test_a_missing_required_field_is_named(name: str) -> None:
    with pytest.raises(ContractError) as raised:
        touchpoint_from_json({key: value for key, value in SMALLEST.items() if key != name})
    assert raised.value.field == name


@pytest.mark.parametrize("name", list(SMALLEST))
def test_null_is_as_good_as_absent(name: str) -> None:
    assert refused(**{name: None}).field == name


def test_an_unknown_field_is_refused_with_what_was_probably_meant() -> None:
    error = refused(chanel="web")
    assert error.field == "chanel"
    assert "did you mean channel?" in error.reason
    assert "goes into ext" in refused(favourite_colour="blue").reason


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", 1),
        ("probe", "yes"),
        ("score", "high"),
        ("identities", "customer_no:1"),
        ("identities", [1]),
        ("wait_ms", 1.5),
        ("occurred_at", True),
        ("objects", {"case": 1}),
    ],
)
def test_a_wrong_type_is_refused_by_field(name: str, value: Any) -> None:
    assert (refused(**{name: value}).field or "").startswith(name)


@pytest.mark.parametrize("value", [0, 315_532_799_999, 7_258_118_400_000, -1])
def test_times_outside_of_1980_to_2200_are_refused(value: int) -> None:
    assert refused(occurred_at=value).field == "occurred_at"
    assert refused(ended_at=value).field == "ended_at"


@pytest.mark.parametrize(
    "identities", [[], [""], ["4711"], [":4711"], ["customer_no:"], ["customer_no:0"], ["email:test@example.org"]]
)
def test_somebody_must_be_named_and_not_by_a_placeholder(identities: list[str]) -> None:
    assert refused(identities=identities).field == "identities"


def test_errors_do_not_quote_values() -> None:
    for error in (refused(score="very-secret"), refused(identities=["very-secret"]), refused(occurred_at=10**30)):
        assert "very-secret" not in str(error)


@given(any_touchpoint)
def test_every_touchpoint_comes_back_from_json_as_it_was(touchpoint: Touchpoint) -> None:
    somebody = msgspec.structs.replace(touchpoint, identities=(*touchpoint.identities, "customer_no:4711"))
    assert usable_identities(somebody.identities)
    through_text = msgspec.json.decode(msgspec.json.encode(touchpoint_to_json(somebody)))
    assert touchpoint_from_json(through_text) == somebody


def test_defaults_are_not_written() -> None:
    assert touchpoint_to_json(touchpoint_from_json(SMALLEST)) == {**SMALLEST, "identities": ("customer_no:4711",)}
