"""Extracts of events as OCEL 2.0 in JSON: events that concern several objects, such as a journey, a person, an order.

Standard: https://www.ocel-standard.org/2.0/ocel20_specification.pdf
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import msgspec

from schemas.json_form import iso_time
from sinks.exports.extract import Extract
from sinks.exports.files import bytes_written

#: Attributes of events that columns become, and of journeys; empty texts and unknown numbers are left out.
_EVENT: Final = {
    "resource": "string",
    "team": "string",
    "actor": "string",
    "channel": "string",
    "channel_detail": "string",
    "direction": "string",
    "kind": "string",
    "reason": "string",
    "outcome": "string",
    "redirect_to": "string",
    "wait_minutes": "float",
    "active_minutes": "float",
    "touchpoint_key": "string",
}
_JOURNEY: Final = {
    "journey_topic": ("topic", "string"),
    "journey_outcome": ("outcome", "string"),
    "journey_status": ("status", "string"),
    "journey_effort_minutes": ("effort_minutes", "float"),
    "tenant": ("tenant", "string"),
}
_OURS: Final = ("journey", "person", "channel")
#: When an attribute of an object that never changes has its value, as the standard's examples have it.
_ALWAYS: Final = "1970-01-01T00:00:00Z"


class _Object(NamedTuple):
    """What an object is named in the file, its type, and how it stands to what names it."""

    id: str
    type: str
    qualifier: str


def write_ocel(extract: Extract, part: Path, *, compressed: bool = False) -> None:
    """Write events with their objects; those of a person have to follow one another, as `extract.events` gives them.

    Objects are journeys, persons and channels, and whatever the touchpoints carry: an order, a case, a contract. Names
    of orders, cases and the like are held in memory until the end, each once, since any person may share them.
    """
    names = [column.name for column in extract.columns]
    with (
        tempfile.TemporaryFile(dir=part.parent) as aside,
        bytes_written(part, compressed=compressed) as file,
    ):
        file.write(b'{"events":[')
        seen = _write_events(file, aside, _events(extract, names))
        file.write(b'\n],"objects":[')
        aside.seek(0)
        shutil.copyfileobj(aside, file)
        file.write(b'\n],"eventTypes":')
        attributes = [{"name": name, "type": kind} for name, kind in _EVENT.items()]
        file.write(_json([{"name": name, "attributes": attributes} for name in sorted(seen.activities)]))
        file.write(b',\n"objectTypes":')
        of_journeys = [{"name": name, "type": kind} for name, kind in _JOURNEY.values()]
        types = {"journey": of_journeys, **{name: [] for name in ("person", "channel", *sorted(seen.types))}}
        file.write(_json([{"name": name, "attributes": kinds} for name, kinds in types.items()]))
        file.write(b"}\n")


class _Seen(NamedTuple):
    """What has to be known at the end."""

    activities: set[str]
    types: set[str]


def _events(extract: Extract, names: list[str]) -> Iterator[dict[str, Any]]:
    for block in extract.blocks:
        for row in block:
            yield dict(zip(names, row, strict=True))


def _write_events(file: IO[bytes], aside: IO[bytes], events: Iterator[Mapping[str, Any]]) -> _Seen:
    """Write events into one file, and the objects that they are the first to name into another."""
    seen = _Seen(set(), set())
    shared: set[str] = set()
    journey = person = None
    comma = objects_comma = b"\n"
    for event in events:
        found = _objects(event)
        new = []
        if event["case_id"] != journey:
            journey = event["case_id"]
            new.append(_journey_object(event))
        if event["person_key"] != person:
            person = event["person_key"]
            new.append({"id": f"person:{person}", "type": "person", "attributes": [], "relationships": []})
        for one in found:
            if one.type not in {"journey", "person"} and one.id not in shared:
                shared.add(one.id)
                seen.types.add(one.type)
                new.append({"id": one.id, "type": one.type, "attributes": [], "relationships": []})
        for record in new:
            aside.write(objects_comma + _json(record))
            objects_comma = b",\n"
        seen.activities.add(event["activity"])
        file.write(comma + _json(_event(event, found)))
        comma = b",\n"
    return seen


def _event(event: Mapping[str, Any], objects: list[_Object]) -> dict[str, Any]:
    return {
        "id": event["touchpoint_key"],
        "type": event["activity"],
        "time": iso_time(event["timestamp"]),
        "attributes": [{"name": name, "value": event[name]} for name in _EVENT if event[name] not in (None, "")],
        "relationships": [{"objectId": one.id, "qualifier": one.qualifier} for one in objects],
    }


def _journey_object(event: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": f"journey:{event['case_id']}",
        "type": "journey",
        "attributes": [
            {"name": name, "time": _ALWAYS, "value": event[column]}
            for column, (name, _) in _JOURNEY.items()
            if event[column] not in (None, "")
        ],
        "relationships": [{"objectId": f"person:{event['person_key']}", "qualifier": "of"}],
    }


def _objects(event: Mapping[str, Any]) -> list[_Object]:
    """Objects of an event, each once: journey, person, channel, then what the touchpoint carries."""
    found = [
        _Object(f"journey:{event['case_id']}", "journey", "part of"),
        _Object(f"person:{event['person_key']}", "person", "concerns"),
    ]
    if event["channel"]:
        found.append(_Object(f"channel:{event['channel']}", "channel", "through"))
    for text in event["objects"]:
        type_, _, rest = text.partition(":")
        id_, _, qualifier = rest.partition(":")
        if type_ in _OURS:
            type_ = f"named {type_}"
        found.append(_Object(f"{type_}:{id_}", type_, qualifier or "about"))
    return list({(one.id, one.qualifier): one for one in found}.values())


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)
