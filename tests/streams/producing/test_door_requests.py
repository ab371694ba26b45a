"""What the door makes of a request body, and what its contract says about it."""

import json
from typing import Any

import pytest

from schemas.touchpoint import TOUCHPOINT_FIELDS
from streams.producing.door import MAX_EVENT_BYTES, MAX_EVENTS, Rejection, parse_request
from streams.producing.door_contract import openapi

GOOD: dict[str, Any] = {
    "id": "1",
    "source": "web",
    "kind": "page.viewed",
    "occurred_at": "2024-01-01T00:00:00Z",
    "identities": ["account:7"],
}
NOW = 1_704_067_260_000


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


def rejection_of(content: bytes) -> Rejection:
    with pytest.raises(Rejection) as rejection:
        parse_request(content, NOW)
    assert rejection.value.body.accepted == 0
    assert "nothing of the request was accepted" in rejection.value.body.error
    return rejection.value


@pytest.mark.parametrize("shape", [GOOD, [GOOD], {"events": [GOOD]}])
def test_one_an_array_and_an_envelope_are_taken(shape: Any) -> None:
    (touchpoint,) = parse_request(body(shape), NOW)
    assert touchpoint.occurred_at == 1_704_067_200_000


def test_the_door_s_clock_says_when_it_was_received_not_the_sender() -> None:
    (touchpoint,) = parse_request(body(GOOD | {"received_at": 1_704_000_000_000}), NOW)
    assert touchpoint.received_at == NOW


def test_every_wrong_touchpoint_of_a_batch_is_named_by_its_place_and_field() -> None:
    batch = [GOOD, GOOD | {"occurred_at": "yesterday"}, GOOD, GOOD | {"chanel": "web"}, 7]
    rejection = rejection_of(body(batch))
    assert rejection.status == 400
    assert rejection.body.error.startswith("3 of 5 are no touchpoints")
    assert [(error.index, error.field) for error in rejection.body.errors] == [
        (1, "occurred_at"),
        (3, "chanel"),
        (4, None),
    ]
    assert rejection.body.errors[1].reason == "unknown field; did you mean channel?"


def test_only_the_first_hundred_errors_are_shown() -> None:
    rejection = rejection_of(body([{}] * 150))
    assert rejection.body.error.startswith("150 of 150")
    assert len(rejection.body.errors) == 100


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not valid JSON"),
        (b"nope", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b'[{"id":"\xff"}]', "not valid JSON"),
        (b'"text"', "expected a touchpoint, an array of them"),
        (b"[]", "there is no touchpoint in it"),
        (b'{"events":[]}', "there is no touchpoint in it"),
        (b'{"events":{}}', "expected a touchpoint, an array of them"),
        (b'{"events":[],"tenant":"x"}', "'tenant' is unknown beside events"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_request_is_refused_as_a_whole(content: bytes, message: str) -> None:
    rejection = rejection_of(content)
    assert rejection.status == 400
    reasons = [rejection.body.error, *(error.reason for error in rejection.body.errors)]
    assert any(message in reason for reason in reasons)


def test_deep_nesting_inside_a_touchpoint_is_refused_by_its_place() -> None:
    deep = b'{"id":' + b"[" * 5_000 + b"]" * 5_000 + b"}"
    rejection = rejection_of(b"[" + body(GOOD) + b"," + deep + b"]")
    assert rejection.status == 400
    assert "nested too deeply" in str(rejection.body)


def test_a_batch_of_2500_is_taken_and_one_more_is_not() -> None:
    assert (MAX_EVENTS, len(parse_request(body([GOOD] * 2_500), NOW))) == (2_500, 2_500)
    rejection = rejection_of(body([GOOD] * 2_501))
    assert rejection.status == 413
    assert "2501 touchpoints are more than the limit of 2500" in rejection.body.error


def test_a_touchpoint_of_32000_bytes_is_taken_and_one_byte_more_is_not() -> None:
    room = MAX_EVENT_BYTES - len(body(GOOD | {"ext": ""}))
    assert MAX_EVENT_BYTES == 32_000
    parse_request(body([GOOD | {"ext": "x" * room}]), NOW)
    rejection = rejection_of(body([GOOD, GOOD | {"ext": "x" * (room + 1)}]))
    assert rejection.status == 413
    assert rejection.body.errors[0].index == 1


def test_the_contract_document_has_every_field_with_its_meaning_and_no_other() -> None:
    document = openapi(max_body_bytes=500_000, max_events=2_500, max_event_bytes=32_000)
    touchpoint = document["components"]["schemas"]["Touchpoint"]
    assert document["openapi"] == "3.1.0"
    assert tuple(touchpoint["properties"]) == TOUCHPOINT_FIELDS
    assert touchpoint["additionalProperties"] is False
    assert touchpoint["required"] == ["id", "source", "kind", "occurred_at", "identities"]
    assert all(field["description"] for field in touchpoint["properties"].values())
    assert {"type": "string", "format": "date-time"} in touchpoint["properties"]["occurred_at"]["anyOf"]


def test_every_reference_of_the_contract_document_leads_somewhere() -> None:
    document = openapi(max_body_bytes=500_000, max_events=2_500, max_event_bytes=32_000)
    references = set(find_references(document))
    assert references
    assert references <= {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}


def find_references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for value in node.values() for found in find_references(value)]
    return [found for item in node for found in find_references(item)] if isinstance(node, list) else []
