"""Avro bytes of touchpoints: Confluent wire format in, values out, and never an exception for bad input.

The contract carries `timestamp-millis` for producers. In here times are plain integers, so the logical types are
taken off before parsing; the bytes are the same.
"""

import json
import math
import struct
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any, Final

import fastavro
import msgspec

from schemas.decoder import Decoder, compiled
from schemas.touchpoint import REQUIRED_FIELDS, TIME_FIELDS, TOUCHPOINT_FIELDS, Touchpoint

MAGIC: Final = 0
_HEADER: Final = struct.Struct(">bI")
#: A touchpoint is a few hundred bytes; text and documents stay outside and are pointed at.
MAX_VALUE_BYTES: Final = 1_000_000
#: Where `DateTime64(3)` holds every value, with room for time zones: 1980-01-01 and 2200-01-01, UTC milliseconds.
EARLIEST_TIME: Final = 315_532_800_000
LATEST_TIME: Final = 7_258_118_400_000

_INT64: Final = 2**63


class Undecodable(msgspec.Struct, frozen=True):
    """Why a value is not a touchpoint: a reason from `schemas.log.REASONS`, the field if one was wrong, a detail."""

    reason: str
    field: str | None
    detail: str


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """A touchpoint and the id of the schema it was written with."""

    touchpoint: Touchpoint
    schema_id: int


class SchemaIndex(msgspec.Struct, frozen=True):
    """Known writer schemas by id, ready for fastavro; `current_id` is the one we write with, and `read` its decoder."""

    by_id: dict[int, Any]
    current_id: int
    read: Decoder | None = None


def _without_logical_types(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_logical_types(value) for key, value in node.items() if key != "logicalType"}
    if isinstance(node, list):
        return [_without_logical_types(item) for item in node]
    return node


def schema_text(file: str) -> str:
    """Text of a contract in `schemas/avro`.

    Raises:
        FileNotFoundError: there is no such contract.

    """
    return files("schemas").joinpath("avro", file).read_text(encoding="utf-8")


@cache
def schema_index() -> SchemaIndex:
    """Index of the contracts shipped in `schemas/avro/index.json`; the last entry is the current version."""
    entries = json.loads(schema_text("index.json"))["schemas"]
    by_id: dict[int, Any] = {
        entry["id"]: fastavro.parse_schema(_without_logical_types(json.loads(schema_text(entry["file"]))))
        for entry in entries
    }
    current_id = entries[-1]["id"]
    read = compiled(
        by_id[current_id], header=_HEADER.pack(MAGIC, current_id), earliest=EARLIEST_TIME, latest=LATEST_TIME
    )
    return SchemaIndex(by_id, current_id, read)


def encode(touchpoint: Touchpoint) -> bytes:
    """Bytes of a touchpoint in the current contract: magic byte 0, schema id (big endian, 4 bytes), Avro datum.

    Raises:
        ValueError: a field holds a value that the contract has no place for.

    """
    index = schema_index()
    out = BytesIO()
    out.write(_HEADER.pack(MAGIC, index.current_id))
    fastavro.schemaless_writer(out, index.by_id[index.current_id], msgspec.structs.asdict(touchpoint))
    return out.getvalue()


def decode(value: bytes | None, index: SchemaIndex | None = None) -> Decoded | Undecodable:
    """Touchpoint from a record value, or why it is none. Bytes after the record count as an error."""
    index = index or schema_index()
    if not value:
        return Undecodable("empty_value", None, "the record has no value")
    if len(value) > MAX_VALUE_BYTES:
        return Undecodable("too_large", None, f"{len(value)} bytes, limit {MAX_VALUE_BYTES}")
    touchpoint = None if index.read is None else index.read(value)
    if touchpoint is not None:
        return Decoded(touchpoint, index.current_id)
    if value[0] != MAGIC:
        return Undecodable("bad_magic", None, f"first byte is {value[0]}, expected 0")
    if len(value) < _HEADER.size:
        return Undecodable("truncated", None, f"{len(value)} bytes, the header alone has {_HEADER.size}")
    schema_id = _HEADER.unpack_from(value)[1]
    writer = index.by_id.get(schema_id)
    if writer is None:
        known = ", ".join(map(str, sorted(index.by_id)))
        return Undecodable("unknown_schema_id", None, f"schema id {schema_id}, known: {known}")
    stream = BytesIO(value)
    stream.seek(_HEADER.size)
    try:
        reader = None if schema_id == index.current_id else index.by_id[index.current_id]
        fields: Any = fastavro.schemaless_reader(stream, writer, reader)
    except Exception as error:  # noqa: BLE001 - hostile bytes make the decoder raise anything
        # Inside of a number the end of the value is an IndexError.
        if isinstance(error, EOFError) or (isinstance(error, IndexError) and stream.tell() == len(value)):
            return Undecodable("truncated", None, "the value ends before the record does")
        return Undecodable("not_decodable", None, type(error).__name__)
    left = len(value) - stream.tell()
    if left:
        return Undecodable("trailing_bytes", None, f"{left} bytes are left over")
    return touchpoint_from_fields(fields, schema_id)


def touchpoint_from_fields(fields: Mapping[str, Any], schema_id: int) -> Decoded | Undecodable:
    """Touchpoint from contract fields of the right types; checks what Avro cannot: presence, ranges, finite numbers.

    Empty optional texts become `None`, empty required texts are `missing_field`.
    """
    known: dict[str, Any] = {}
    for name in TOUCHPOINT_FIELDS:
        value = fields.get(name)
        if value is None or value == "":
            continue
        if type(value) is list:
            value = tuple(item for item in value if item)
        known[name] = value
    for name in REQUIRED_FIELDS:
        value = known.get(name)
        if value is None or value == ():
            reason = "missing_identity" if name == "identities" else "missing_field"
            return Undecodable(reason, name, f"{name} is missing or empty")
    problem = _range_problem(known)
    return problem or Decoded(Touchpoint(**known), schema_id)


def _range_problem(known: Mapping[str, Any]) -> Undecodable | None:
    for name, value in known.items():
        kind = type(value)
        if name in TIME_FIELDS:
            if not EARLIEST_TIME <= value < LATEST_TIME:
                reason = "time_out_of_range" if name == "occurred_at" else "invalid_value"
                return Undecodable(reason, name, f"{value} ms is not between the years 1980 and 2200")
        elif kind is float and not math.isfinite(value):
            return Undecodable("invalid_value", name, f"{value} is not a number")
        elif kind is int and not -_INT64 <= value < _INT64:
            return Undecodable("invalid_value", name, "does not fit into 64 bits")
    return None
