"""Extracts of events as XES, the event log of IEEE 1849-2016: a trace for a journey, an event for a touchpoint."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import XMLGenerator

from schemas.json_form import iso_time
from sinks.exports.extract import Extract
from sinks.exports.files import bytes_written

_EXTENSIONS: Final = (
    ("Concept", "concept", "http://www.xes-standard.org/concept.xesext"),
    ("Time", "time", "http://www.xes-standard.org/time.xesext"),
    ("Lifecycle", "lifecycle", "http://www.xes-standard.org/lifecycle.xesext"),
    ("Organizational", "org", "http://www.xes-standard.org/org.xesext"),
)
#: Which attribute of an event a column becomes; empty texts and unknown numbers are left out.
_EVENT: Final = {
    "resource": "org:resource",
    "team": "org:group",
    "actor": "org:role",
    "channel": "channel",
    "channel_detail": "channel_detail",
    "direction": "direction",
    "kind": "kind",
    "reason": "reason",
    "outcome": "outcome",
    "redirect_to": "redirect_to",
    "wait_minutes": "wait_minutes",
    "active_minutes": "active_minutes",
    "touchpoint_key": "touchpoint_key",
}
_TRACE: Final = {
    "person_key": "person_key",
    "journey_topic": "topic",
    "journey_outcome": "outcome",
    "journey_effort_minutes": "effort_minutes",
    "tenant": "tenant",
}
#: What XML 1.0 has no way to write, not even as a reference.
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_xes(extract: Extract, part: Path, *, compressed: bool = False) -> None:
    """Write the events; those of a journey have to follow one another, as `extract.events` gives them.

    A character that XML 1.0 forbids becomes U+FFFD. Times are UTC with milliseconds.
    """
    names = [column.name for column in extract.columns]
    with bytes_written(part, compressed=compressed) as file:
        xml = XMLGenerator(file, encoding="utf-8", short_empty_elements=True)
        _begin(xml)
        case = None
        for block in extract.blocks:
            for row in block:
                event = dict(zip(names, row, strict=True))
                if event["case_id"] != case:
                    if case is not None:
                        _end(xml, "trace")
                    case = event["case_id"]
                    _start(xml, "trace")
                    _attribute(xml, "concept:name", case)
                    _attributes(xml, _TRACE, event)
                _event(xml, event)
        if case is not None:
            _end(xml, "trace")
        _end(xml, "log")
        xml.endDocument()


def _begin(xml: XMLGenerator) -> None:
    xml.startDocument()
    _start(xml, "log", {"xes.version": "1849.2016", "xes.features": "", "xmlns": "http://www.xes-standard.org/"})
    for name, prefix, uri in _EXTENSIONS:
        _empty(xml, "extension", {"name": name, "prefix": prefix, "uri": uri})
    _start(xml, "global", {"scope": "trace"})
    _attribute(xml, "concept:name", "unknown")
    _end(xml, "global")
    _start(xml, "global", {"scope": "event"})
    _attribute(xml, "concept:name", "unknown")
    _empty(xml, "date", {"key": "time:timestamp", "value": "1970-01-01T00:00:00.000Z"})
    _attribute(xml, "lifecycle:transition", "complete")
    _end(xml, "global")
    _empty(xml, "classifier", {"name": "Activity", "keys": "concept:name"})
    _empty(xml, "classifier", {"name": "Activity and channel", "keys": "concept:name channel"})
    _empty(xml, "classifier", {"name": "Team", "keys": "org:group"})
    _attribute(xml, "concept:name", "customer journeys")
    _attribute(xml, "lifecycle:model", "standard")


def _event(xml: XMLGenerator, event: Mapping[str, Any]) -> None:
    _start(xml, "event")
    _attribute(xml, "concept:name", event["activity"])
    _empty(xml, "date", {"key": "time:timestamp", "value": iso_time(event["timestamp"])})
    _attribute(xml, "lifecycle:transition", event["lifecycle"])
    if event["end_timestamp"] != event["timestamp"]:
        _empty(xml, "date", {"key": "end_timestamp", "value": iso_time(event["end_timestamp"])})
    _attributes(xml, _EVENT, event)
    if event["objects"]:
        _attribute(xml, "objects", " | ".join(event["objects"]))
    _end(xml, "event")


def _attributes(xml: XMLGenerator, keys: Mapping[str, str], values: Mapping[str, Any]) -> None:
    for name, key in keys.items():
        value = values[name]
        if value not in (None, ""):
            _attribute(xml, key, value)


def _attribute(xml: XMLGenerator, key: str, value: str | float) -> None:
    kind = "float" if isinstance(value, float) else "string"
    _empty(xml, kind, {"key": key, "value": _FORBIDDEN.sub("\ufffd", str(value))})


def _start(xml: XMLGenerator, name: str, attributes: Mapping[str, str] | None = None) -> None:
    xml.startElement(name, attributes or {})  # type: ignore[arg-type]  # any mapping will do
    if name in {"log", "trace"}:
        xml.ignorableWhitespace("\n")


def _end(xml: XMLGenerator, name: str) -> None:
    xml.endElement(name)
    xml.ignorableWhitespace("\n")


def _empty(xml: XMLGenerator, name: str, attributes: Mapping[str, str]) -> None:
    _start(xml, name, attributes)
    xml.endElement(name)
