"""The wire format, byte by byte: what is a touchpoint, what is none and why, and how contracts may change."""

import copy
import json
import math
from importlib.resources import files
from typing import Any

import avro.schema
import fastavro
import msgspec
import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import (
    EARLIEST_TIME,
    LATEST_TIME,
    MAX_VALUE_BYTES,
    Decoded,
    SchemaIndex,
    Undecodable,
    decode,
    encode,
    schema_index,
    schema_text,
    touchpoint_from_fields,
)
from schemas.log import REASONS
from schemas.touchpoint import REQUIRED_FIELDS, TIME_FIELDS, TOUCHPOINT_FIELDS, Touchpoint
from tests.support.any_touchpoint import any_touchpoint
from tests.support.touchpoints import MONDAY

HEADER = b"\x00\x00\x00\x00\x01"
#: id "1", source "s", kind "k", 2024-01-01 00:00 UTC in milliseconds, identities ["a:b"].
FIRST_FIELDS = b"\x021" + b"\x02s" + b"\x02k" + b"\x80\xd0\x8f\xa5\x98\x63" + b"\x02\x06a:b\x00"
#: The other fields of version 1 at their defaults.
OTHER_FIELDS = (
    b"\x0edefault" + b"\x02" + b"\x00" * 7 + b"\x10customer" + b"\x00" * 3 + b"\x0aother" + b"\x00" * 2 + b"\x0einbound"
)
REST = b"\x00" * 36
SMALLEST = HEADER + FIRST_FIELDS + OTHER_FIELDS + REST
A_TOUCHPOINT = Touchpoint(id="1", source="s", kind="k", occurred_at=MONDAY, identities=("a:b",))


def reason(value: bytes | None) -> str:
    result = decode(value)
    assert isinstance(result, Undecodable), result
    return result.reason


def decoded(value: bytes, index: SchemaIndex | None = None) -> Touchpoint:
    result = decode(value, index)
    assert isinstance(result, Decoded), result
    return result.touchpoint


def test_the_smallest_touchpoint_has_these_bytes() -> None:
    assert encode(A_TOUCHPOINT) == SMALLEST
    assert decode(SMALLEST) == Decoded(A_TOUCHPOINT, 1)


@pytest.mark.parametrize("value", [None, b""])
def test_no_value_is_no_touchpoint(value: bytes | None) -> None:
    assert reason(value) == "empty_value"


@pytest.mark.parametrize("value", [b"\x01" + SMALLEST[1:], b"{}", b"\xff"])
def test_the_first_byte_is_zero(value: bytes) -> None:
    assert reason(value) == "bad_magic"


def test_a_value_that_ends_early_is_truncated_wherever_it_ends() -> None:
    for length in range(1, len(SMALLEST)):
        assert reason(SMALLEST[:length]) == "truncated", length
    assert reason(HEADER + b"\xff" * 40) == "truncated", "a number without end"


@pytest.mark.parametrize("schema_id", [b"\x00\x00\x00\x00", b"\x00\x00\x00\x02", b"\xff\xff\xff\xff"])
def test_an_unknown_schema_id_is_named(schema_id: bytes) -> None:
    result = decode(b"\x00" + schema_id + SMALLEST[5:])
    assert isinstance(result, Undecodable)
    assert result.reason == "unknown_schema_id"
    assert str(int.from_bytes(schema_id, "big")) in result.detail


@pytest.mark.parametrize("more", [b"\x00", b"garbage", SMALLEST])
def test_bytes_after_the_record_are_an_error(more: bytes) -> None:
    result = decode(SMALLEST + more)
    assert isinstance(result, Undecodable)
    assert (result.reason, result.detail) == ("trailing_bytes", f"{len(more)} bytes are left over")


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("a text that is not UTF-8", b"\x04\xff\xfe" + FIRST_FIELDS[2:] + OTHER_FIELDS + REST),
        ("a union branch that does not exist", FIRST_FIELDS + b"\x0edefault\x02" + b"\x04" + OTHER_FIELDS[10:] + REST),
        ("a negative union branch", FIRST_FIELDS + b"\x0edefault\x02" + b"\x01" + OTHER_FIELDS[10:] + REST),
    ],
)
def test_bytes_that_are_no_record_of_their_schema(what: str, body: bytes) -> None:
    assert reason(HEADER + body) == "not_decodable"


@pytest.mark.parametrize("length", [b"\xff\xff\xff\xff\x0f", b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"])
def test_a_length_beyond_the_value_allocates_nothing_and_is_truncated(length: bytes) -> None:
    a_text, an_array = length + FIRST_FIELDS[1:], FIRST_FIELDS[:12] + length + FIRST_FIELDS[13:]
    for body in (a_text, an_array):
        assert reason(HEADER + body + OTHER_FIELDS + REST) in {"truncated", "not_decodable"}


def test_a_value_may_have_a_million_bytes_and_no_more() -> None:
    empty = len(encode(msgspec.structs.replace(A_TOUCHPOINT, ext="")))
    fitting = encode(msgspec.structs.replace(A_TOUCHPOINT, ext="x" * (MAX_VALUE_BYTES - empty - 2)))
    assert len(fitting) == MAX_VALUE_BYTES == 1_000_000
    assert decoded(fitting).ext is not None
    assert reason(fitting + b"x") == "too_large"


@pytest.mark.parametrize("name", ["id", "source", "kind"])
def test_a_required_text_that_is_empty_is_missing(name: str) -> None:
    result = decode(encode(msgspec.structs.replace(A_TOUCHPOINT, **{name: ""})))
    assert result == Undecodable("missing_field", name, f"{name} is missing or empty")


@pytest.mark.parametrize("identities", [(), ("",), ("", "")])
def test_no_identity_has_a_reason_of_its_own(identities: tuple[str, ...]) -> None:
    assert reason(encode(msgspec.structs.replace(A_TOUCHPOINT, identities=identities))) == "missing_identity"


@pytest.mark.parametrize(
    ("time", "is_taken"),
    [(EARLIEST_TIME - 1, False), (EARLIEST_TIME, True), (LATEST_TIME - 1, True), (LATEST_TIME, False), (0, False)],
)
def test_times_lie_between_1980_and_2200(time: int, is_taken: bool) -> None:
    assert (EARLIEST_TIME, LATEST_TIME) == (315_532_800_000, 7_258_118_400_000)
    happened = decode(encode(msgspec.structs.replace(A_TOUCHPOINT, occurred_at=time)))
    ended = decode(encode(msgspec.structs.replace(A_TOUCHPOINT, ended_at=time)))
    assert isinstance(happened, Decoded) is isinstance(ended, Decoded) is is_taken
    if isinstance(happened, Undecodable) and isinstance(ended, Undecodable):
        assert (happened.reason, happened.field) == ("time_out_of_range", "occurred_at")
        assert (ended.reason, ended.field) == ("invalid_value", "ended_at")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["score", "amount"])
def test_numbers_are_finite(name: str, value: float) -> None:
    result = decode(encode(msgspec.structs.replace(A_TOUCHPOINT, **{name: value})))
    assert isinstance(result, Undecodable)
    assert (result.reason, result.field) == ("invalid_value", name)


@pytest.mark.parametrize(
    ("value", "is_taken"), [(2**63 - 1, True), (2**63, False), (-(2**63), True), (-(2**63) - 1, False)]
)
def test_integers_fit_into_64_bits_also_where_they_come_from_json(value: int, is_taken: bool) -> None:
    fields = {"id": "1", "source": "s", "kind": "k", "occurred_at": MONDAY, "identities": ["a:b"], "errors": value}
    assert isinstance(touchpoint_from_fields(fields, 1), Decoded) is is_taken


def test_every_reason_that_decoding_gives_is_explained_to_operators() -> None:
    given_here = {
        "empty_value",
        "bad_magic",
        "truncated",
        "unknown_schema_id",
        "trailing_bytes",
        "not_decodable",
        "too_large",
        "missing_field",
        "missing_identity",
        "invalid_value",
        "time_out_of_range",
    }
    assert given_here <= REASONS.keys()


@given(any_touchpoint)
def test_every_touchpoint_comes_back_as_it_was(touchpoint: Touchpoint) -> None:
    assert decoded(encode(touchpoint)) == touchpoint


@given(st.binary(max_size=200))
def test_no_bytes_raise(value: bytes) -> None:
    for candidate in (value, HEADER + value, HEADER + FIRST_FIELDS + value):
        assert isinstance(decode(candidate), Decoded | Undecodable)


@given(any_touchpoint, st.data())
def test_no_flipped_byte_raises_and_no_detail_quotes_the_value(touchpoint: Touchpoint, data: st.DataObject) -> None:
    value = bytearray(encode(msgspec.structs.replace(touchpoint, actor_id="payload-text")))
    value[data.draw(st.integers(0, len(value) - 1))] ^= data.draw(st.integers(1, 255))
    result = decode(bytes(value))
    assert isinstance(result, Decoded) or "payload-text" not in result.detail


def test_empty_texts_are_absent_and_empty_items_are_left_out() -> None:
    result = decoded(encode(msgspec.structs.replace(A_TOUCHPOINT, topic="", objects=("", "case:1", ""))))
    assert (result.topic, result.objects) == (None, ("case:1",))


# How contracts may change


def contracts() -> dict[str, dict[str, Any]]:
    """Every version that was ever shipped, oldest first."""
    entries = json.loads(schema_text("index.json"))["schemas"]
    return {entry["file"]: json.loads(schema_text(entry["file"])) for entry in entries}


def problems(reader: dict[str, Any], writer: dict[str, Any]) -> list[str]:
    checker: Any = ReaderWriterCompatibilityChecker
    result = checker().get_compatibility(avro.schema.parse(json.dumps(reader)), avro.schema.parse(json.dumps(writer)))
    return [] if result.compatibility is SchemaCompatibilityType.compatible else sorted(result.messages)


def changed(**types: Any) -> dict[str, Any]:
    """The current contract with other types for some fields."""
    contract = copy.deepcopy(list(contracts().values())[-1])
    for field in contract["fields"]:
        field["type"] = types.get(field["name"], field["type"])
    return contract


def with_more(*fields: dict[str, Any]) -> dict[str, Any]:
    contract = changed()
    contract["fields"] += fields
    return contract


def test_every_shipped_contract_is_in_the_index_under_an_id_of_its_own() -> None:
    entries = json.loads(schema_text("index.json"))["schemas"]
    shipped = {path.name for path in files("schemas").joinpath("avro").iterdir() if path.name.endswith(".avsc")}
    assert {entry["file"] for entry in entries} == shipped
    assert len({entry["id"] for entry in entries}) == len(entries)
    assert schema_index().current_id == entries[-1]["id"]


def test_every_version_reads_what_every_other_version_writes() -> None:
    versions = contracts()
    for reader_name, reader in versions.items():
        for writer_name, writer in versions.items():
            assert problems(reader, writer) == [], f"{reader_name} cannot read {writer_name}"


def test_the_proof_fails_for_changes_that_break_readers() -> None:
    current = changed()
    assert problems(changed(kind="long"), current)
    assert problems(changed(occurred_at="string"), current)
    assert problems(with_more({"name": "mandatory", "type": "string"}), current)
    assert problems(changed(score="double"), current)
    without_id = changed()
    without_id["fields"] = [field for field in without_id["fields"] if field["name"] != "id"]
    assert problems(current, without_id)


def test_the_proof_holds_for_an_optional_field_with_a_default() -> None:
    newer = with_more({"name": "mood", "type": ["null", "string"], "default": None})
    assert problems(newer, changed()) == []
    assert problems(changed(), newer) == []


def test_the_contract_and_the_struct_name_the_same_fields_with_the_same_defaults() -> None:
    contract = list(contracts().values())[-1]
    assert tuple(field["name"] for field in contract["fields"]) == TOUCHPOINT_FIELDS
    defaults = {field["name"]: field["default"] for field in contract["fields"] if "default" in field}
    assert set(TOUCHPOINT_FIELDS) - defaults.keys() == set(REQUIRED_FIELDS)
    for name, default in defaults.items():
        held = getattr(A_TOUCHPOINT, name)
        assert (list(held) if isinstance(held, tuple) else held) == default, name


def test_the_contract_marks_moments_as_moments() -> None:
    contract = list(contracts().values())[-1]
    assert {field["name"] for field in contract["fields"] if "timestamp-millis" in json.dumps(field)} == TIME_FIELDS


def index_of(current_id: int, contracts_by_id: dict[int, dict[str, Any]]) -> SchemaIndex:
    parsed = {id_: fastavro.parse_schema(plain(contract)) for id_, contract in contracts_by_id.items()}
    return SchemaIndex(parsed, current_id)


def test_a_record_of_a_newer_producer_is_read_without_the_field_we_do_not_know() -> None:
    newer = with_more({"name": "mood", "type": ["null", "string"], "default": None})
    value = b"\x00\x00\x00\x00\x02" + SMALLEST[5:] + b"\x02\x08glad"
    index = index_of(1, {1: changed(), 2: newer})
    assert decode(value, index) == Decoded(A_TOUCHPOINT, 2)


def test_a_record_of_an_older_producer_gets_the_default_of_a_field_it_did_not_know() -> None:
    older = changed()
    older["fields"] = older["fields"][:-1]
    value = b"\x00\x00\x00\x00\x07" + SMALLEST[5:-1]
    index = index_of(1, {1: changed(), 7: older})
    assert decode(value, index) == Decoded(A_TOUCHPOINT, 7)


def plain(node: Any) -> Any:
    """A contract without logical types: moments are integers in here."""
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items() if key != "logicalType"}
    return [plain(item) for item in node] if isinstance(node, list) else node
