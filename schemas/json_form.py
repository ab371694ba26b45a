"""Touchpoints as JSON objects: the contract's field names, times as milliseconds or ISO 8601 with a zone."""

import difflib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from schemas.codec import Undecodable, touchpoint_from_fields
from schemas.identities import usable_identities
from schemas.touchpoint import TIME_FIELDS, TOUCHPOINT_FIELDS, Touchpoint

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ContractError(ValueError):
    """A JSON object is not a touchpoint; `field` names what was wrong, `reason` says how, both for people."""

    def __init__(self, field: str | None, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason


def milliseconds(text: str) -> int:
    """UTC milliseconds of an ISO 8601 moment that names its zone.

    Raises:
        ValueError: it is not such a moment, or has no zone.

    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("the zone is missing; add Z or an offset such as +01:00")
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def iso_time(time_ms: int) -> str:
    """ISO 8601 text, UTC with milliseconds, of UTC milliseconds."""
    seconds, rest = divmod(time_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


def touchpoint_from_json(fields: Any) -> Touchpoint:
    """Touchpoint from a JSON object whose keys are the contract's field names.

    Raises:
        ContractError: not an object, an unknown or missing field, a wrong type, a time without zone, no usable
            identity; the message names the field and what is expected.

    """
    if not isinstance(fields, Mapping):
        raise ContractError(None, f"expected a JSON object, got {type(fields).__name__}")
    known = {name: _value(name, value) for name, value in fields.items() if value is not None}
    try:
        typed = msgspec.convert({**_PLACEHOLDERS, **known}, Touchpoint)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$.")
        raise ContractError(path.rstrip("`") or None, reason) from None
    checked = touchpoint_from_fields({name: getattr(typed, name) for name in known}, 0)
    if isinstance(checked, Undecodable):
        raise ContractError(checked.field, checked.detail)
    if not usable_identities(checked.touchpoint.identities):
        raise ContractError(
            "identities", "none is usable; expected namespace:value, e.g. customer_no:4711, and no placeholder"
        )
    return checked.touchpoint


#: Lets the type check pass over absent required fields, which `touchpoint_from_fields` then names properly.
_PLACEHOLDERS: dict[str, Any] = {"id": "", "source": "", "kind": "", "occurred_at": 0, "identities": ()}


def _value(name: str, value: Any) -> Any:
    if name not in TOUCHPOINT_FIELDS:
        near = difflib.get_close_matches(name, TOUCHPOINT_FIELDS, n=1)
        hint = f"; did you mean {near[0]}?" if near else "; what has no field of its own goes into ext as JSON text"
        raise ContractError(name, f"unknown field{hint}")
    if name in TIME_FIELDS and isinstance(value, str):
        try:
            return milliseconds(value)
        except ValueError as error:
            raise ContractError(name, f"expected milliseconds or ISO 8601 with a zone: {error}") from None
    return value


def touchpoint_to_json(touchpoint: Touchpoint) -> dict[str, Any]:
    """JSON object of a touchpoint, without absent and default fields; inverse of `touchpoint_from_json`."""
    defaults = Touchpoint(id="", source="", kind="", occurred_at=0, identities=())
    return {
        name: value for name in TOUCHPOINT_FIELDS if (value := getattr(touchpoint, name)) != getattr(defaults, name)
    }
