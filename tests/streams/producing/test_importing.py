"""Rows to touchpoints: what is missing, what has to be converted, and what a row's content says about its identity."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from schemas.json_form import ContractError
from schemas.touchpoint import Touchpoint
from streams.producing.importing import RowMapper, import_rows, row_hash
from streams.producing.mapping_files import parse_mapping
from streams.producing.table_rows import Row
from streams.producing.transfer import Refusal

WHOLE = """
missing: ["-", "N/A"]
fields:
  source: till
  kind: visit.started
  occurred_at: {column: When}
  identities: [{column: Card, prefix: "loyalty:"}, {column: Mail, prefix: "email:"}]
"""
ROW = {"When": "2024-01-01T10:00:00Z", "Card": "77", "Mail": "a@example.org"}


def made(mapping: str, **cells: Any) -> tuple[Touchpoint, ...]:
    return RowMapper(parse_mapping(mapping, "map")).touchpoints(Row(1, {**ROW, **cells}))


def one(mapping: str, **cells: Any) -> Touchpoint:
    (touchpoint,) = made(mapping, **cells)
    return touchpoint


def test_a_row_becomes_a_touchpoint_of_the_contract() -> None:
    touchpoint = one(WHOLE)
    assert touchpoint.occurred_at == 1_704_103_200_000
    assert touchpoint.identities == ("loyalty:77", "email:a@example.org")
    assert touchpoint.id == row_hash(ROW)


@pytest.mark.parametrize("cell", ["", "  ", "-", " N/A ", None, float("nan")])
def test_a_missing_cell_leaves_its_value_out(cell: Any) -> None:
    assert one(WHOLE, Mail=cell).identities == ("loyalty:77",)
    assert one(WHOLE + "  topic: {column: Topic}", Topic=cell).topic is None


def test_cells_are_stripped() -> None:
    assert one(WHOLE, Card=" 77\t").identities[0] == "loyalty:77"


def test_a_row_without_any_identity_is_refused_by_field() -> None:
    with pytest.raises(ContractError, match="identities is missing or empty"):
        made(WHOLE, Card="-", Mail="")


def test_a_bad_time_names_field_column_and_value() -> None:
    with pytest.raises(ContractError, match="occurred_at: column 'When': 'soon' fits none of the formats iso"):
        made(WHOLE, When="soon")


@pytest.mark.parametrize(
    ("unit", "cell", "expected"),
    [("ms", "1500", 1_500), ("s", "1.5", 1_500), ("min", "2", 120_000), ("h", 2, 7_200_000), ("d", 1.5, 129_600_000)],
)
def test_units_make_milliseconds(unit: str, cell: Any, expected: int) -> None:
    assert one(WHOLE + f"  wait_ms: {{column: Wait, unit: {unit}}}", Wait=cell).wait_ms == expected


@pytest.mark.parametrize(("cell", "expected"), [("7", 7), ("7.0", 7), (7, 7), (2**62 + 1, 2**62 + 1)])
def test_whole_numbers_are_read_from_text_and_numbers(cell: Any, expected: int) -> None:
    assert one(WHOLE + "  errors: {column: Errors}", Errors=cell).errors == expected


@pytest.mark.parametrize("cell", ["7.5", "many", "inf"])
def test_what_is_no_whole_number_is_refused(cell: str) -> None:
    with pytest.raises(ContractError, match="errors: column 'Errors'"):
        made(WHOLE + "  errors: {column: Errors}", Errors=cell)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("true", True), ("YES", True), ("1", True), (True, True), ("no", False), ("0", False), (False, False)],
)
def test_truth_values_are_read_as_people_write_them(cell: Any, expected: bool) -> None:
    assert one(WHOLE + "  warm: {column: Warm}", Warm=cell).warm is expected


def test_what_is_neither_true_nor_false_is_refused() -> None:
    with pytest.raises(ContractError, match="'perhaps' is neither true nor false"):
        made(WHOLE + "  warm: {column: Warm}", Warm="perhaps")


TABLE = (
    WHOLE
    + """
tables:
  - column: Operation
    values:
      Inbound Call: {channel: phone, direction: inbound, purposes: [service]}
      "1": {channel: web, kind: page.viewed}
"""
)


def test_a_table_sets_fields_by_value_and_wins_over_fields() -> None:
    call = one(TABLE, Operation="Inbound Call")
    assert (call.channel, call.kind, call.purposes) == ("phone", "visit.started", ("service",))
    assert one(TABLE, Operation=1).kind == "page.viewed"


def test_a_value_that_is_not_in_the_table_refuses_the_row() -> None:
    with pytest.raises(ContractError, match="column 'Operation': 'Fax' is not in the table; it has: Inbound Call, 1"):
        made(TABLE, Operation="Fax")


def test_a_table_with_otherwise_takes_every_value_and_none() -> None:
    mapping = TABLE + "    otherwise: {channel: other, direction: internal}"
    assert one(mapping, Operation="Fax").direction == "internal"
    assert one(mapping, Operation=None).direction == "internal"


SEVERAL = (
    WHOLE
    + """
touchpoints:
  - name: came
  - name: asked
    when: {column: Asked, is: ["1", "yes"]}
    fields: {kind: contact.started, channel: store}
  - name: left
    when: {column: Left, present: true}
    fields: {kind: visit.ended, occurred_at: {column: Left}}
"""
)


def test_a_row_becomes_as_many_touchpoints_as_its_conditions_say() -> None:
    came, asked, left = made(SEVERAL, Asked="1", Left="2024-01-01T11:00:00Z")
    assert [came.kind, asked.kind, left.kind] == ["visit.started", "contact.started", "visit.ended"]
    assert left.occurred_at - came.occurred_at == 3_600_000
    assert {touchpoint.id.partition("-")[2] for touchpoint in (came, asked, left)} == {"came", "asked", "left"}
    assert len({touchpoint.id.partition("-")[0] for touchpoint in (came, asked, left)}) == 1
    assert [touchpoint.kind for touchpoint in made(SEVERAL, Asked="0", Left="")] == ["visit.started"]


def test_a_row_goes_through_as_a_whole_or_not_at_all() -> None:
    rows = [Row(5, {**ROW, "Asked": "1", "Left": "never"})]
    (refusal,) = import_rows(rows, parse_mapping(SEVERAL, "map"))
    assert isinstance(refusal, Refusal)
    assert (refusal.number, refusal.field) == (5, "occurred_at")


def test_refused_lines_of_the_file_stay_refused() -> None:
    refusal = Refusal(3, None, "2 cells, the header has 3")
    assert list(import_rows([refusal], parse_mapping(WHOLE, "map"))) == [refusal]


def test_a_company_s_own_ids_are_kept() -> None:
    assert one(WHOLE + "  id: {column: Number}", Number="4711").id == "4711"


def test_the_row_hash_names_a_person_of_its_own() -> None:
    mapping = WHOLE.replace("[{column: Card", '[{row_hash: true, prefix: "case_contact:"}, {column: Card')
    assert one(mapping).identities[0] == f"case_contact:{row_hash(ROW)}"


def test_further_columns_travel_as_json_text() -> None:
    touchpoint = one(WHOLE + "  ext: {columns: [State, Score, Empty]}", State="VA", Score=3, Empty="-")
    assert json.loads(touchpoint.ext or "") == {"State": "VA", "Score": 3}


COOKIE = WHOLE + "  topic: {columns: [Visitor, Device], prefix: 'on '}"


def test_several_columns_make_one_text() -> None:
    assert one(COOKIE, Visitor=7, Device="iPhone - iOS").topic == "on 7/iPhone - iOS"


def test_other_columns_make_another_text() -> None:
    parts = ["a", "b", "a/b", "a%2Fb", "a%", "2Fb", "%"]
    texts = {one(COOKIE, Visitor=visitor, Device=device).topic for visitor in parts for device in parts}
    assert len(texts) == len(parts) ** 2


@pytest.mark.parametrize("cells", [{"Visitor": "7", "Device": "-"}, {"Visitor": "", "Device": "iPhone"}])
def test_several_columns_of_which_one_is_missing_make_no_text(cells: dict[str, str]) -> None:
    mapping = WHOLE.replace("[{column: Card", '[{columns: [Visitor, Device], prefix: "cookie:"}, {column: Card')
    assert one(mapping, **cells).identities == ("loyalty:77", "email:a@example.org")


@pytest.mark.parametrize(
    "other",
    [
        {"a": "1", "b": "3"},
        {"a": "1", "c": "2"},
        {"a": "12", "b": ""},
        {"a": "1", "b": None},
        {"a": "1", "b": "2 "},
        {"a": "1", "b": 2},
        {"a": '1","b":"2'},
    ],
)
def test_different_rows_have_different_hashes(other: Mapping[str, Any]) -> None:
    assert row_hash(dict(other)) != row_hash({"a": "1", "b": "2"})


def test_exact_duplicates_have_one_hash_whatever_the_order_of_columns() -> None:
    assert row_hash({"a": "1", "b": "2"}) == row_hash({"b": "2", "a": "1"})


def test_the_row_hash_does_not_change_between_versions() -> None:
    assert row_hash({"a": "1", "b": None}) == "2b4f0b6ee7912b066afdb14be6c97e7d"
