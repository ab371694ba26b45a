"""What a file can be made of, read from ClickHouse in blocks: journeys' touchpoints as events, journeys, frictions.

However much there is, no more than one block of rows is held, and no question asks for more than `PART_ROWS` rows: the
local engine refuses answers that are larger than it likes to hold.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.period_reader import KeyRange
from sinks.clickhouse.questions import ask, ask_in_blocks

PART_ROWS: Final = 50_000
BLOCK_ROWS: Final = 10_000
_PREFIX: Final = 4
_HOUR_MS: Final = 3_600_000

Row = tuple[Any, ...]
#: Called after every part with the number of all parts.
Progress = Callable[[int], None]


class Kind(StrEnum):
    """How the values of a column are to be read."""

    TEXT = "text"
    TEXTS = "texts"
    WHOLE = "whole"
    NUMBER = "number"
    FLAG = "flag"
    #: UTC milliseconds.
    TIME = "time"


class Column(NamedTuple):
    """A column of a file: its name, what fills it, and how it is read."""

    name: str
    expression: str
    kind: Kind = Kind.TEXT


class Selection(msgspec.Struct, frozen=True):
    """Which journeys or frictions: `since` up to, not including, `until` in UTC milliseconds; nothing named is all.

    What counts is when a journey began, and the event time of the touchpoint that a friction hangs on. A journey is
    always taken whole: half a story would show paths that nobody went. `rules` are journeys that met such a friction,
    `channels` those that used one of them, frictions those that came from one or led to one. `status` is open or
    closed for journeys, open or cleared for frictions; only journeys have `outcomes`.
    """

    since: int | None = None
    until: int | None = None
    topics: tuple[str, ...] = ()
    tenant: str | None = None
    outcomes: tuple[str, ...] = ()
    status: str | None = None
    channels: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


class Extract(NamedTuple):
    """Rows in blocks, and the columns that they have. The blocks can be read once."""

    columns: tuple[Column, ...]
    blocks: Iterator[Sequence[Row]]


class Activity(StrEnum):
    """What an event is named by."""

    KIND = "kind"
    CHANNEL = "channel"
    KIND_AND_CHANNEL = "kind-channel"


_ACTIVITIES: Final = {
    Activity.KIND: "toString(touched.kind)",
    Activity.CHANNEL: "toString(touched.channel)",
    Activity.KIND_AND_CHANNEL: "concat(touched.kind, ' (', touched.channel, ')')",
}

#: One touchpoint of a journey. Whoever answered is the team, never a single employee.
_EVENT: Final = (
    Column("case_id", "told.journey_id"),
    Column("activity", "{activity}"),
    Column("timestamp", "toUnixTimestamp64Milli(touched.event_time)", Kind.TIME),
    Column("end_timestamp", "toUnixTimestamp64Milli(touched.end_time)", Kind.TIME),
    Column("lifecycle", "'complete'"),
    Column("resource", "toString(if(touched.team = '', touched.actor, touched.team))"),
    Column("team", "toString(touched.team)"),
    Column("actor", "toString(touched.actor)"),
    Column("channel", "toString(touched.channel)"),
    Column("channel_detail", "toString(touched.channel_detail)"),
    Column("direction", "toString(touched.direction)"),
    Column("kind", "toString(touched.kind)"),
    Column("reason", "toString(touched.reason)"),
    Column("outcome", "toString(touched.outcome)"),
    Column("redirect_to", "toString(touched.redirect_to)"),
    Column("wait_minutes", "touched.wait_minutes", Kind.NUMBER),
    Column("active_minutes", "touched.active_minutes", Kind.NUMBER),
    Column("objects", "touched.objects", Kind.TEXTS),
    Column("touchpoint_key", "touched.touchpoint_key"),
    Column("person_key", "told.person_key"),
    Column("journey_topic", "toString(told.topic)"),
    Column("journey_outcome", "toString(told.outcome)"),
    Column("journey_status", "toString(told.status)"),
    Column("journey_effort_minutes", "told.effort_minutes", Kind.NUMBER),
    Column("tenant", "toString(told.tenant)"),
)

#: The condition on `identity_hash` lets the engine skip all but what the persons of the part own, and what lies under
#: placeholders: `person_key` is computed, and alone would be asked of every touchpoint there is.
_EVENTS_SQL: Final = """
SELECT {columns}
FROM (
    SELECT tenant, journey_id, person_key, topic, outcome, status, effort_minutes, opened_at, key, place
    FROM v_journeys
    ARRAY JOIN touchpoint_keys AS key, arrayEnumerate(touchpoint_keys) AS place
    WHERE {selection} AND person_key >= %(first)s AND (%(end)s = '' OR person_key < %(end)s)
) AS told
INNER JOIN (
    SELECT touchpoint_key, kind, event_time, end_time, team, actor, channel, channel_detail, direction, reason,
        outcome, redirect_to, wait_minutes, active_minutes, objects
    FROM v_touchpoints
    WHERE (identity_hash >= %(first)s AND (%(end)s = '' OR identity_hash < %(end)s))
        OR identity_hash IN (
            SELECT identifier FROM v_person_identifiers
            WHERE is_placeholder OR (person_key >= %(first)s AND (%(end)s = '' OR person_key < %(end)s))
        )
) AS touched ON touched.touchpoint_key = told.key
ORDER BY told.person_key, told.opened_at, told.journey_id, told.place
"""
_PERSONS_SQL: Final = """
SELECT substring(person_key, 1, {characters}) AS prefix, sum(touches) FROM v_journeys WHERE {selection}
GROUP BY prefix ORDER BY prefix
"""

_JOURNEY: Final = (
    Column("journey_id", "journey_id"),
    Column("person_key", "person_key"),
    Column("status", "toString(status)"),
    Column("topic", "toString(topic)"),
    Column("opened_at", "toUnixTimestamp64Milli(opened_at)", Kind.TIME),
    Column("last_event_at", "toUnixTimestamp64Milli(last_event_at)", Kind.TIME),
    Column("closed_at", "toUnixTimestamp64Milli(closed_at)", Kind.TIME),
    Column("duration_minutes", "duration_minutes", Kind.NUMBER),
    Column("channels", "arrayMap(channel -> toString(channel), channels)", Kind.TEXTS),
    Column("first_channel", "toString(first_channel)"),
    Column("last_channel", "toString(last_channel)"),
    Column("touches", "touches", Kind.WHOLE),
    Column("contacts", "contacts", Kind.WHOLE),
    Column("handoffs", "handoffs", Kind.WHOLE),
    Column("redirects", "redirects", Kind.WHOLE),
    Column("handoff_chain", "arrayMap(team -> toString(team), handoff_chain)", Kind.TEXTS),
    Column("redirect_chain", "arrayMap(channel -> toString(channel), redirect_chain)", Kind.TEXTS),
    Column("continuity", "continuity", Kind.NUMBER),
    Column("wait_minutes", "wait_minutes", Kind.NUMBER),
    Column("effort_minutes", "effort_minutes", Kind.NUMBER),
    Column("effort_budget_minutes", "effort_budget_minutes", Kind.NUMBER),
    Column("outcome", "toString(outcome)"),
    Column("objects", "objects", Kind.TEXTS),
    Column("open_promises", "open_promises", Kind.WHOLE),
    Column("tenant", "toString(tenant)"),
)

_FRICTION: Final = (
    Column("friction_id", "friction_id"),
    Column("rule_id", "toString(rule_id)"),
    Column("variant", "toString(variant)"),
    Column("status", "toString(status)"),
    Column("severity", "severity", Kind.WHOLE),
    Column("anchor_at", "toUnixTimestamp64Milli(anchor_at)", Kind.TIME),
    Column("opened_at", "toUnixTimestamp64Milli(opened_at)", Kind.TIME),
    Column("minutes", "minutes", Kind.NUMBER),
    Column("from_channel", "toString(from_channel)"),
    Column("to_channel", "toString(to_channel)"),
    Column("team", "toString(team)"),
    Column("owner_team", "toString(owner_team)"),
    Column("topic", "toString(topic)"),
    Column("person_key", "person_key"),
    Column("journey_id", "journey_id"),
    Column("sentence_en", "sentence_en"),
    Column("sentence_de", "sentence_de"),
    Column("nearest_miss", "nearest_miss"),
    Column("nearest_miss_de", "nearest_miss_de"),
    Column("evidence_touchpoints", "evidence_touchpoints", Kind.TEXTS),
    Column("is_alertable", "is_alertable", Kind.FLAG),
    Column("tenant", "toString(tenant)"),
)

_HOURS_SQL: Final = """
SELECT toUnixTimestamp(toStartOfHour(record.{time})) * 1000 AS hour, count() FROM {view} AS record
WHERE {selection} GROUP BY hour ORDER BY hour
"""
_RECORDS_SQL: Final = """
SELECT {columns} FROM {view} AS record WHERE {selection}
AND record.{time} >= fromUnixTimestamp64Milli(%(from)s) AND record.{time} < fromUnixTimestamp64Milli(%(to)s)
ORDER BY record.{time}, {id}
"""


def events(
    address: ClickHouseAddress,
    selection: Selection,
    *,
    activity: Activity = Activity.KIND,
    progress: Progress = lambda _: None,
    part_rows: int = PART_ROWS,
) -> Extract:
    """Touchpoints of the journeys selected: journey after journey, each in the order in which it happened.

    Touchpoints that belong to no journey, such as a page looked at without a matter, are not among them.

    Raises while the blocks are read: `StoreUnavailable`, `QuestionRefused`.
    """
    columns = tuple(
        column._replace(expression=column.expression.format(activity=_ACTIVITIES[activity])) for column in _EVENT
    )
    where = _condition(selection, "opened_at", _OF_JOURNEYS)

    def blocks() -> Iterator[Sequence[Row]]:
        sql = _PERSONS_SQL.format(characters=_PREFIX, selection=where)
        ranges = _ranges(ask(address, sql, _parameters(selection)).rows, part_rows)
        sql = _EVENTS_SQL.format(columns=_selected(columns), selection=where)
        for keys in ranges:
            yield from ask_in_blocks(address, sql, _parameters(selection) | keys._asdict(), BLOCK_ROWS)
            progress(len(ranges))

    return Extract(columns, blocks())


def journeys(
    address: ClickHouseAddress,
    selection: Selection,
    *,
    progress: Progress = lambda _: None,
    part_rows: int = PART_ROWS,
) -> Extract:
    """A row of each journey selected, as they began; raises as `events` does."""
    source = _Source(address, "v_journeys", "opened_at", "journey_id", _JOURNEY, _OF_JOURNEYS)
    return _records(source, selection, progress, part_rows)


def frictions(
    address: ClickHouseAddress,
    selection: Selection,
    *,
    progress: Progress = lambda _: None,
    part_rows: int = PART_ROWS,
) -> Extract:
    """A row of each friction selected, by the time of what it hangs on; raises as `events` does."""
    source = _Source(address, "v_frictions", "anchor_at", "friction_id", _FRICTION, _OF_FRICTIONS)
    return _records(source, selection, progress, part_rows)


class _Source(NamedTuple):
    """Where records are read from: a view, its column of time, the one of its id, and conditions of its own."""

    address: ClickHouseAddress
    view: str
    time: str
    id: str
    columns: tuple[Column, ...]
    special: Mapping[str, str]


def _records(source: _Source, selection: Selection, progress: Progress, part_rows: int) -> Extract:
    where = _condition(selection, f"record.{source.time}", source.special)
    names = {"view": source.view, "time": source.time, "id": source.id, "selection": where}
    asked = _parameters(selection)

    def blocks() -> Iterator[Sequence[Row]]:
        spans = _spans(ask(source.address, _HOURS_SQL.format(**names), asked).rows, part_rows)
        sql = _RECORDS_SQL.format(columns=_selected(source.columns), **names)
        for first, end in spans:
            yield from ask_in_blocks(source.address, sql, asked | {"from": first, "to": end}, BLOCK_ROWS)
            progress(len(spans))

    return Extract(source.columns, blocks())


def _selected(columns: Sequence[Column]) -> str:
    """Expressions without names: a name such as `opened_at` would take the column's place in conditions."""
    return ", ".join(column.expression for column in columns)


#: What selects journeys, and what selects frictions, by the name of the selection.
_OF_JOURNEYS: Final = {
    "outcomes": "outcome IN %(outcomes)s",
    "channels": "arrayExists(channel -> channel IN %(channels)s, channels)",
    "rules": "(tenant, journey_id) IN (SELECT tenant, journey_id FROM v_frictions WHERE rule_id IN %(rules)s)",
}
_OF_FRICTIONS: Final = {
    "channels": "(from_channel IN %(channels)s OR to_channel IN %(channels)s)",
    "rules": "rule_id IN %(rules)s",
}


def _condition(selection: Selection, time: str, special: Mapping[str, str]) -> str:
    """What a row has to fulfil.

    Raises:
        ValueError: something is selected that such rows do not have.

    """
    conditions = ["1"]
    if selection.since is not None:
        conditions.append(f"{time} >= fromUnixTimestamp64Milli(%(since)s)")
    if selection.until is not None:
        conditions.append(f"{time} < fromUnixTimestamp64Milli(%(until)s)")
    if selection.topics:
        conditions.append("topic IN %(topics)s")
    if selection.tenant is not None:
        conditions.append("tenant = %(tenant)s")
    if selection.status is not None:
        conditions.append("status = %(status)s")
    for name in ("outcomes", "channels", "rules"):
        if getattr(selection, name):
            if name not in special:
                raise ValueError(f"{name} select journeys alone")
            conditions.append(special[name])
    return " AND ".join(conditions)


def _parameters(selection: Selection) -> dict[str, object]:
    return msgspec.structs.asdict(selection)


def _ranges(counts: Sequence[Row], rows: int) -> list[KeyRange]:
    """Ranges of keys with about so many rows each; none where there are no rows."""
    cuts: list[str] = []
    held = rows
    for prefix, count in counts:
        if held + count > rows:
            cuts.append(prefix)
            held = 0
        held += count
    return [KeyRange(*ends) for ends in zip(cuts, [*cuts[1:], ""], strict=True)] if cuts else []


def _spans(counts: Sequence[Row], rows: int) -> list[tuple[int, int]]:
    """Spans of time, as UTC milliseconds, with about so many rows each, and never less than an hour."""
    cuts: list[int] = []
    held = rows
    for hour, count in counts:
        if held + count > rows:
            cuts.append(hour)
            held = 0
        held += count
    return [*zip(cuts, [*cuts[1:], counts[-1][0] + _HOUR_MS], strict=True)] if cuts else []
