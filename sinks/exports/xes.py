"""Extracts of events as XES, the event log of IEEE 1849-2016: a trace for a journey, an event for a touchpoint."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import quoteattr

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
    "journey_status": "status",
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
        file.write(_HEAD.encode())
        case = None
        for block in extract.blocks:
            lines: list[str] = []
            for row in block:
                event = dict(zip(names, row, strict=True))
                if event["case_id"] != case:
                    lines.append("<trace>" if case is None else "</trace>\n<trace>")
                    case = event["case_id"]
                    lines.append(_attribute("concept:name", case) + _attributes(_TRACE, event))
                lines.append(_event(event))
            file.write("".join(f"{line}\n" for line in lines).encode())
        file.write(b"</log>\n" if case is None else b"</trace>\n</log>\n")


def _event(event: Mapping[str, Any]) -> str:
    parts = [
        _attribute("concept:name", event["activity"]),
        _date("time:timestamp", event["timestamp"]),
        _attribute("lifecycle:transition", event["lifecycle"]),
        _date("end_timestamp", event["end_timestamp"]) if event["end_timestamp"] != event["timestamp"] else "",
        _attributes(_EVENT, event),
        _attribute("objects", " | ".join(event["objects"])) if event["objects"] else "",
    ]
    return f"<event>{''.join(parts)}</event>"


def _attributes(keys: Mapping[str, str], values: Mapping[str, Any]) -> str:
    return "".join(_attribute(key, values[name]) for name, key in keys.items() if values[name] not in (None, ""))


def _attribute(key: str, value: str | float) -> str:
    if isinstance(value, float):
        return f'<float key="{key}" value="{value!r}"/>'
    text = _FORBIDDEN.sub("\ufffd", value)
    return f'<string key="{key}" value={quoteattr(text)}/>'


def _date(key: str, time_ms: int) -> str:
    return f'<date key="{key}" value="{iso_time(time_ms)}"/>'


_HEAD: Final = "\n".join(
    (
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<log xes.version="1849.2016" xes.features="" xmlns="http://www.xes-standard.org/">',
        *(f'<extension name="{name}" prefix="{prefix}" uri="{uri}"/>' for name, prefix, uri in _EXTENSIONS),
        f'<global scope="trace">{_attribute("concept:name", "unknown")}</global>',
        '<global scope="event">',
        _attribute("concept:name", "unknown") + _date("time:timestamp", 0),
        _attribute("lifecycle:transition", "complete"),
        "</global>",
        '<classifier name="Activity" keys="concept:name"/>',
        '<classifier name="Activity and channel" keys="concept:name channel"/>',
        '<classifier name="Team" keys="org:group"/>',
        _attribute("concept:name", "customer journeys"),
        _attribute("lifecycle:model", "standard"),
        "",
    )
)
