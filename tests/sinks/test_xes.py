"""Attributes of XES have the types of the columns; process mining sums and filters by them."""

import xml.etree.ElementTree as ET
from pathlib import Path

from sinks.exports.extract import _EVENT, Extract, Kind
from sinks.exports.xes import write_xes


def test_numbers_are_floats_times_are_dates_in_utc_and_texts_are_strings(tmp_path: Path) -> None:
    filled = {Kind.NUMBER: 2.5, Kind.TIME: 1_704_103_200_000, Kind.TEXTS: ["order:1"]}
    row = tuple(filled.get(column.kind, column.name) for column in _EVENT)
    write_xes(Extract(_EVENT, iter([[row]])), tmp_path / "log.xes")
    trace = ET.parse(tmp_path / "log.xes").getroot().find("{*}trace")  # noqa: S314 - our own file
    assert trace is not None
    attributes = {item.get("key"): (item.tag.rpartition("}")[2], item.get("value")) for item in trace.iter()}
    assert attributes["wait_minutes"] == attributes["active_minutes"] == ("float", "2.5")
    assert attributes["effort_minutes"] == ("float", "2.5")
    assert attributes["time:timestamp"] == ("date", "2024-01-01T10:00:00.000Z")
    assert attributes["concept:name"] == ("string", "activity")
    assert attributes["status"] == ("string", "journey_status")
