"""The door's OpenAPI document, made from the contract so that it cannot say something else."""

import json
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import msgspec

from schemas.codec import schema_text
from schemas.touchpoint import REQUIRED_FIELDS, TIME_FIELDS, Touchpoint

DISTRIBUTION: Final = "customer-journeys"
_REFERENCE: Final = "#/components/schemas/{name}"
_CONTRACT: Final = "touchpoint.v1.avsc"


class ItemError(msgspec.Struct, frozen=True):
    """What is wrong with one touchpoint of a request: its place (from 0), the field if one was wrong, the reason."""

    index: int
    field: str | None
    reason: str


class Accepted(msgspec.Struct, frozen=True):
    """Answer to a request whose touchpoints the broker has acknowledged, all of them."""

    accepted: int


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """Answer to a request of which nothing was accepted, whatever else it holds; `errors` names the first offenders."""

    accepted: int = 0
    error: str
    errors: list[ItemError] = []


class Health(msgspec.Struct, frozen=True):
    """Whether the door can take touchpoints; `in_flight` is how many wait for the broker's acknowledgement."""

    status: str
    in_flight: int


def openapi(*, max_body_bytes: int, max_events: int, max_event_bytes: int) -> dict[str, Any]:
    """OpenAPI 3.1 document of the door with these limits."""
    _, components = msgspec.json.schema_components([Touchpoint, Accepted, Rejected, Health], ref_template=_REFERENCE)
    components["Touchpoint"] = _touchpoint_schema(components["Touchpoint"])
    touchpoint = {"$ref": _REFERENCE.format(name="Touchpoint")}
    batch = {"type": "array", "items": touchpoint, "minItems": 1, "maxItems": max_events}
    envelope = {
        "type": "object",
        "properties": {"events": batch},
        "required": ["events"],
        "additionalProperties": False,
    }
    limits = f"{max_body_bytes:,} bytes, {max_events:,} touchpoints, {max_event_bytes:,} bytes each"
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "customer-journeys HTTP door",
            "version": _version(),
            "description": "Takes touchpoints and hands them to Kafka. A request goes through whole or not at all.",
        },
        "paths": {
            "/v1/events": {
                "post": {
                    "operationId": "sendTouchpoints",
                    "summary": "Send one touchpoint or a batch.",
                    "description": (
                        "The answer comes after the broker's acknowledgement. Sending again is always safe: a"
                        f" touchpoint counts once per tenant, source and id. Limits: {limits}."
                    ),
                    "requestBody": {
                        "required": True,
                        "content": {"application/json": {"schema": {"oneOf": [touchpoint, batch, envelope]}}},
                    },
                    "responses": {
                        "202": _answer("Acknowledged by the broker.", "Accepted"),
                        "400": _answer("Not JSON, or not the contract; nothing was accepted.", "Rejected"),
                        "413": _answer(f"Over a limit ({limits}); nothing was accepted.", "Rejected"),
                        "415": _answer("The content type is not application/json; nothing was accepted.", "Rejected"),
                        "429": _answer(
                            "The broker lags; nothing was accepted, try again.", "Rejected", is_retriable=True
                        ),
                        "503": _answer(
                            "The broker is down or did not acknowledge in time; try again.",
                            "Rejected",
                            is_retriable=True,
                        ),
                    },
                }
            },
            "/healthz": {
                "get": {
                    "operationId": "health",
                    "summary": "Whether the door can take touchpoints.",
                    "responses": {
                        "200": _answer("It can.", "Health"),
                        "503": _answer("The broker is down.", "Health"),
                    },
                }
            },
            "/openapi.json": {
                "get": {
                    "operationId": "openapi",
                    "summary": "This document.",
                    "responses": {"200": {"description": "OpenAPI 3.1", "content": {"application/json": {}}}},
                }
            },
        },
        "components": {"schemas": components},
    }


def _touchpoint_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Schema of a touchpoint as the door takes it: texts for times too, the contract's words, no unknown fields."""
    contract = json.loads(schema_text(_CONTRACT))
    told = {field["name"]: field["doc"] for field in contract["fields"]}
    properties = {}
    for name, property_ in schema["properties"].items():
        if name in TIME_FIELDS:
            moment = [{"type": "integer"}, {"type": "string", "format": "date-time"}]
            nothing = [] if name in REQUIRED_FIELDS else [{"type": "null"}]
            property_ = {"anyOf": [*moment, *nothing]}  # noqa: PLW2901 - the same property, as JSON may give it
        properties[name] = {**property_, "description": told[name]}
    properties["identities"]["minItems"] = 1
    for name in ("id", "source", "kind"):
        properties[name]["minLength"] = 1
    return {**schema, "description": contract["doc"], "properties": properties, "additionalProperties": False}


def _answer(description: str, schema: str, *, is_retriable: bool = False) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": _REFERENCE.format(name=schema)}}},
    }
    if is_retriable:
        answer["headers"] = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
    return answer


def _version() -> str:
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:  # a checkout that was never installed
        return "0"
