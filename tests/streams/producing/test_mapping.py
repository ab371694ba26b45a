"""Mapping files: errors say where they are and what is allowed."""

from pathlib import Path

import pytest

from streams.producing.mapping_files import MappingError, load_mapping, parse_mapping, shipped_mappings

WHOLE = """
fields:
  source: till
  kind: visit.started
  occurred_at: {column: When}
  identities: [{column: Card, prefix: "loyalty:"}]
"""


def error_of(text: str) -> str:
    with pytest.raises(MappingError) as error:
        parse_mapping(text, "map.yaml")
    return str(error.value)


def test_the_smallest_mapping_reads_iso_times_in_utc() -> None:
    mapping = parse_mapping(WHOLE, "map.yaml")
    assert (mapping.dates, mapping.zone, mapping.csv.separator) == (("iso",), "UTC", ",")
    assert mapping.used_columns() == {"When", "Card"}


@pytest.mark.parametrize("name", shipped_mappings())
def test_shipped_mappings_are_valid_and_use_the_contract_s_words(name: str) -> None:
    mapping = load_mapping(name)
    assert mapping.description
    assert mapping.notes() == []


def test_three_mappings_are_shipped() -> None:
    assert shipped_mappings() == ["callcenter", "complaints", "web-sessions"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("fields: [", ["map.yaml:1:", "not valid YAML"]),
        ("- a list", ["map.yaml: expected keys with values", "allowed keys: description, format, csv"]),
        (WHOLE + "zoen: UTC", ["unknown key 'zoen', did you mean zone?", "allowed: description"]),
        (WHOLE + "zone: Berlin", ["zone: 'Berlin' is no time zone", "Europe/Berlin"]),
        (WHOLE + "dates: ['%d.%m']", ["dates.0: '%d.%m' has no full date in it", "%d.%m.%Y %H:%M"]),
        (WHOLE + "dates: ['%d.%m.%Y %Q']", ["dates.0: '%d.%m.%Y %Q' is no date format"]),
        (WHOLE + "format: excel", ["format: Input should be 'csv', 'jsonl' or 'parquet'"]),
        (WHOLE + "missing: [No]", ["missing", "False is not text here; put it into quotes"]),
        (WHOLE + "csv: {separator: '||'}", ["csv.separator: String should have at most 1 character"]),
        (WHOLE.replace("kind:", "knid:"), ["fields: unknown field 'knid', did you mean kind?", "allowed: id, source"]),
        (WHOLE.replace("column: When", "colum: When"), ["fields.occurred_at.0: unknown key 'colum', did you mean"]),
        (WHOLE.replace("  source: till\n", ""), ["map.yaml: touchpoint 'touchpoint' has no source"]),
        (WHOLE + "  direction: sideways", ["fields: direction: 'sideways' is unknown; allowed: inbound, internal"]),
        (WHOLE + "  backfill: 1", ["fields: backfill: expected true or false, got 1"]),
        (WHOLE + "  topic: 12", ["fields: topic: expected text (in quotes, if need be), got 12"]),
        (WHOLE + "  topic: [a, b]", ["fields: topic: expected one value, got a list"]),
        (WHOLE + "  topic: {column: A, unit: s}", ["fields: topic: unit is for numbers"]),
        (WHOLE + "  wait_ms: {column: A, prefix: x}", ["fields: wait_ms: prefix is for texts"]),
        (WHOLE + "  wait_ms: {column: A, unit: weeks}", ["fields.wait_ms.0.unit: Input should be 'ms', 's', 'min'"]),
        (WHOLE + "  topic: {column: A, dates: [iso]}", ["fields: topic: dates is for ended_at, occurred_at"]),
        (WHOLE + "  topic: {columns: []}", ["fields.topic.0.columns: Tuple should have at least 1 item"]),
        (WHOLE + "  wait_ms: {columns: [A, B]}", ["fields: wait_ms: columns is for texts; name one with column"]),
        (WHOLE + "  topic: {prefix: x}", ["expected a plain value, or exactly one of column, columns, row_hash"]),
        (WHOLE + "  promise_due: soon", ["fields: promise_due: expected milliseconds or ISO 8601 with a zone"]),
        (WHOLE + "tables: [{column: A, values: {x: {chanel: web}}}]", ["tables.0.values.x: unknown field 'chanel'"]),
        (WHOLE + "tables: [{column: A, values: {x: {topic: {column: B}}}}]", ["tables.0.values.x: topic: expected a"]),
        (WHOLE + "tables: [{column: A, values: {Yes: {topic: a}}}]", ["True is not text here; put it into quotes"]),
        (WHOLE + "touchpoints: [{name: a}, {name: a}]", ["every one needs a name of its own, got a, a"]),
        (WHOLE + "touchpoints: []", ["touchpoints: expected at least one"]),
        (WHOLE + "touchpoints: [{when: {column: A}}]", ["touchpoints.0.when: expected either is: [text, ...] or pres"]),
    ],
)
def test_an_error_names_the_place_and_what_is_allowed(text: str, parts: list[str]) -> None:
    message = error_of(text)
    assert message.startswith("map.yaml")
    for part in parts:
        assert part in message


def test_all_errors_are_told_at_once() -> None:
    message = error_of(WHOLE + "zone: Berlin\nformat: excel")
    assert len(message.splitlines()) == 2


def test_words_of_one_s_own_are_allowed_and_noted() -> None:
    mapping = parse_mapping(WHOLE.replace("visit.started", "visit.startet"), "map.yaml")
    (note,) = mapping.notes()
    assert "kind 'visit.startet'" in note
    assert "did you mean visit.started?" in note


def test_a_name_that_is_neither_file_nor_shipped_lists_what_is_shipped() -> None:
    with pytest.raises(MappingError, match=r"calcenter: no such file.*did you mean callcenter\?; shipped: callcenter"):
        load_mapping("calcenter")


def test_a_mapping_that_cannot_be_read_is_an_error_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="cannot be read"):
        load_mapping(str(tmp_path))
