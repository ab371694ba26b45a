"""A store in memory that is no kinder than ClickHouse: rows are recorded as often as they come, blocks can be cut.

What readers see is decided where ClickHouse decides it: of the rows with one key the highest version counts, of equal
versions the one written last, and a row that is marked as deleted hides the key.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar, cast

import msgspec

from schemas.erasure import ErasedIdentifier, ErasureReceipt
from schemas.identity import IdentityLink, LinkKind, PersonIdentifier, identifier_of
from schemas.outputs import Evidence, Friction, FrictionStatus
from schemas.rule_changes import RuleChange
from schemas.touchpoint import TOUCHPOINT_FIELDS, AppliedTouchpoint, Touchpoint, TouchpointKey
from sinks.clickhouse.eraser import STORES, Eraser
from sinks.clickhouse.period_reader import KeyRange, LastJudged, Period
from sinks.clickhouse.reader import PublishedVersions, Reader
from sinks.clickhouse.records import (
    ActionRecord,
    AlertRecord,
    Checkpoint,
    Deadline,
    IncidentRecord,
    NoticeRecord,
    Tally,
)
from sinks.clickhouse.rows import ADMISSION_FIELDS, PreparedBlock
from sinks.clickhouse.tables import (
    ALERT_ACTIONS,
    ALERT_INCIDENTS,
    ALERT_NOTICES,
    ALERTS,
    CHECKPOINTS,
    CONTACTS,
    DEAD_LETTERS,
    ERASED_IDENTIFIERS,
    ERASURE_RECEIPTS,
    FACTS,
    IDENTITY_LINKS,
    PERSON_IDENTIFIERS,
    RULE_CHANGES,
    TOUCHPOINTS,
    Table,
)
from sinks.clickhouse.writer import RefusedRow
from tests.support.faults import Faults

_T = TypeVar("_T")
Row = dict[str, Any]
_TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        TOUCHPOINTS,
        IDENTITY_LINKS,
        PERSON_IDENTIFIERS,
        ERASED_IDENTIFIERS,
        ERASURE_RECEIPTS,
        CHECKPOINTS,
        CONTACTS,
        ALERTS,
        ALERT_INCIDENTS,
        ALERT_NOTICES,
        ALERT_ACTIONS,
        DEAD_LETTERS,
        RULE_CHANGES,
        *(table for table, _ in FACTS.values()),
    )
}
_DEFAULTS: dict[str, Row] = {
    name: {column.name: column.default for column in table.columns} for name, table in _TABLES.items()
}


async def _go_on() -> None: ...


class MemoryStore:
    """Implements `streams.store.StorePort`. `written` has every row of every insert, in order."""

    def __init__(self, faults: Faults | None = None, refuses: Callable[[Row], bool] = lambda _: False) -> None:
        self.written: dict[str, list[Row]] = {name: [] for name in _TABLES}
        self.blocks: list[PreparedBlock] = []
        self.reads = 0
        self.faults = faults or Faults()
        self.pause: Callable[[], Awaitable[None]] = _go_on
        self._refuses = refuses

    async def insert(self, block: PreparedBlock) -> tuple[RefusedRow, ...]:
        if block.rows == 0:
            return ()
        await self.pause()
        rows = rows_of(block)
        refused = [index for index, row in enumerate(rows) if self._refuses(row)]
        kept = [row for index, row in enumerate(rows) if index not in refused]
        self.blocks.append(block)
        # A block that spans months is as many parts, and a server that dies between them has written some.
        self.faults.around(f"insert {block.table}", kept, self.written[block.table].extend)
        return tuple(RefusedRow(index, "TYPE_MISMATCH (53)") for index in refused)

    def take(self, block: PreparedBlock) -> None:
        """Write a block without faults."""
        self.written[block.table] += rows_of(block) if block.rows else []

    async def read(self, question: Callable[[Reader], _T]) -> _T:
        self.reads += 1
        await self.pause()
        return question(self.reader())

    def reader(self) -> Reader:
        """Answers questions at once."""
        return cast("Reader", _MemoryReader(self))

    def eraser(self) -> Eraser:
        """Deletes at once, as far as faults let it."""
        return cast("Eraser", _MemoryEraser(self))

    async def erase(self, work: Callable[[Eraser], _T]) -> _T:
        await self.pause()
        return work(self.eraser())

    def interrupt(self) -> None: ...

    async def close(self) -> None: ...

    def live(self, kind: str) -> dict[str, Row]:
        """Rows of a kind of fact that analysts see, by id."""
        table, id_column = FACTS[kind]
        return {
            key: row for key, row in _newest(self.written[table.name], (id_column,)).items() if not row["is_deleted"]
        }

    def facts(self) -> dict[str, dict[str, Row]]:
        """Everything analysts see about people, but for versions, which tell how a row came about."""
        return {
            kind: {key: {**row, "version": None} for key, row in self.live(kind).items() if not row.get("merged_into")}
            for kind in FACTS
        }

    def touchpoint_keys(self) -> set[TouchpointKey]:
        """Keys of the base table."""
        return {TouchpointKey(row["tenant"], row["source"], row["id"]) for row in self.written["touchpoints"]}


class _MemoryReader:
    """The questions that workers ask, with the answers of `sinks.clickhouse.reader.Reader`."""

    def __init__(self, store: MemoryStore) -> None:
        self._written = store.written
        self._live = store.live

    def load_touchpoints(self, identity_hashes: Iterable[str]) -> dict[str, list[AppliedTouchpoint]]:
        found: dict[str, dict[tuple[str, str, str], AppliedTouchpoint]] = {hash_: {} for hash_ in identity_hashes}
        for row in self._written["touchpoints"]:
            applied = _applied(row)
            copies = found.get(applied.identity_hash)
            if copies is None:
                continue
            seen = copies.get(applied.key)
            if seen is None or _place(applied) < _place(seen):
                copies[applied.key] = applied
        return {key: sorted(copies.values(), key=lambda applied: applied.order) for key, copies in found.items()}

    def load_published(self, person_keys: Iterable[str]) -> PublishedVersions:
        wanted = set(person_keys)
        return {
            person: {
                kind: {id_: row["version"] for id_, row in self._live(kind).items() if row["person_key"] == person}
                for kind in FACTS
            }
            for person in wanted
        }

    def load_links(
        self, identifiers: Iterable[str], at_most: int, *, with_erased: bool = False
    ) -> dict[str, list[IdentityLink]]:
        gone = set() if with_erased else {row["identifier"] for row in self._written["erased_identifiers"]}
        found: dict[str, list[IdentityLink]] = {}
        key = ("tenant", "identifier", "other_identifier", "source", "id")
        rows = list(_newest(self._written["identity_links"], key, version="ingest_version").values())
        for identifier in identifiers:
            by_companion: dict[str, list[IdentityLink]] = {}
            for row in rows:
                if row["identifier"] == identifier and gone.isdisjoint((identifier, row["other_identifier"])):
                    by_companion.setdefault(row["other"], []).append(link_of(row))
            firsts = sorted(by_companion, key=lambda other: (min(link.order for link in by_companion[other]), other))
            said = [link for other in firsts[:at_most] for link in _that_matter(by_companion[other])]
            found[identifier] = sorted(said, key=lambda link: (link.order, link.other, link.kind))
        return found

    def load_identifiers(self, identifiers: Iterable[str]) -> dict[str, PersonIdentifier]:
        newest = _newest(self._written["person_identifiers"], ("identifier",))
        return {
            identifier: PersonIdentifier(**{**newest[identifier], "refused": tuple(newest[identifier]["refused"])})
            for identifier in identifiers
            if identifier in newest
        }

    def load_highest_versions(self, person_keys: Iterable[str]) -> dict[str, int]:
        wanted = set(person_keys)
        found: dict[str, int] = {}
        for table, _ in FACTS.values():
            for row in self._written[table.name]:
                if row["person_key"] in wanted:
                    version = row["version"] & 2**54 - 1
                    found[row["person_key"]] = max(version, found.get(row["person_key"], 0))
        return found

    def load_members(self, person_keys: Iterable[str]) -> dict[str, tuple[str, ...]]:
        live = self._live("person")
        return {key: tuple(live[key]["identifiers"]) for key in person_keys if key in live}

    def load_rehomed(self, placeholders: Iterable[str], identities: Iterable[str]) -> list[AppliedTouchpoint]:
        owners, names = set(placeholders), set(identities)
        copies: dict[TouchpointKey, AppliedTouchpoint] = {}
        for row in self._written["touchpoints"]:
            applied = _applied(row)
            if applied.identity_hash in owners:
                seen = copies.get(applied.key)
                if seen is None or _place(applied) < _place(seen):
                    copies[applied.key] = applied
        named = [applied for applied in copies.values() if names & set(applied.touchpoint.identities)]
        return sorted(named, key=lambda applied: applied.order)

    def load_erased(self, identifiers: Iterable[str]) -> dict[str, ErasedIdentifier]:
        newest = _newest(self._written["erased_identifiers"], ("identifier",))
        return {
            identifier: ErasedIdentifier(**newest[identifier]) for identifier in identifiers if identifier in newest
        }

    def load_erased_by(self, requests: Iterable[TouchpointKey]) -> list[ErasedIdentifier]:
        wanted = set(requests)
        newest = _newest(self._written["erased_identifiers"], ("identifier",)).values()
        return [ErasedIdentifier(**row) for row in newest if (row["tenant"], row["source"], row["id"]) in wanted]

    def load_receipts(self, identifiers: Iterable[str]) -> list[ErasureReceipt]:
        wanted = set(identifiers)
        key = ("tenant", "source", "id", "identifier", "store")
        newest = _newest(self._written["erasure_receipts"], key).values()
        return [ErasureReceipt(**row) for row in newest if row["identifier"] in wanted]

    def load_friction_versions(self, person_keys: Iterable[str]) -> dict[tuple[str, str], int]:
        wanted = set(person_keys)
        found: dict[tuple[str, str], int] = {}
        for row in self._written["frictions"]:
            if row["person_key"] in wanted:
                place = (row["person_key"], row["friction_id"])
                found[place] = max(row["version"], found.get(place, 0))
        return found

    def load_deadlines(self, partition: int) -> list[Deadline]:
        return sorted(
            Deadline(row["next_deadline"], row["tenant"], row["person_key"])
            for row in self._live("person").values()
            if row["partition"] == partition and row["next_deadline"] is not None
        )

    def load_outdated(self, partition: int, moments: Sequence[int]) -> dict[str, str]:
        return {
            key: row["tenant"]
            for key, row in self._live("person").items()
            if row["partition"] == partition
            and not row["merged_into"]
            and row["rule_changes"] < sum(moment <= row["last_seen_at"] for moment in moments)
        }

    def load_rule_changes(self) -> list[RuleChange]:
        newest = _newest(self._written["rule_changes"], ("rule_id", "version"), version="published_at")
        return [RuleChange(**{**row, "text": row["text"] or None}) for row in newest.values()]

    def load_checkpoints(self, consumer_group: str) -> list[Checkpoint]:
        key = ("consumer_group", "topic", "topic_incarnation", "partition")
        newest = _newest(self._written["checkpoints"], key, version="next_offset")
        return [Checkpoint(**row) for row in newest.values() if row["consumer_group"] == consumer_group]

    def load_alerts(self, friction_ids: Iterable[str]) -> list[AlertRecord]:
        wanted = set(friction_ids)
        newest = _newest(self._written["alerts"], ("tenant", "friction_id", "channel"))
        return [
            AlertRecord(**{**row, "team": row["team"] or None})
            for row in newest.values()
            if row["friction_id"] in wanted
        ]

    def load_alert_persons(self, incident_ids: Iterable[str], person_keys: Iterable[str]) -> dict[tuple[str, str], int]:
        incidents, persons = set(incident_ids), set(person_keys)
        members = {
            (row["incident_id"], row["person_key"], row["friction_id"])
            for row in self._members()
            if row["incident_id"] in incidents and row["person_key"] in persons
        }
        return dict(Counter((incident, person) for incident, person, _ in members))

    def load_alert_tallies(self, incident_ids: Iterable[str]) -> list[Tally]:
        found: dict[str, dict[str, Row]] = {}
        for row in self._members():
            found.setdefault(row["incident_id"], {})[row["friction_id"]] = row
        return [
            Tally(
                incident_id=id_,
                frictions=len(found[id_]),
                customers=len({row["person_key"] for row in found[id_].values()}),
                minutes=sum(row["minutes"] for row in found[id_].values()),
                by_severity=tuple(
                    sum(row["severity"] == level for row in found[id_].values()) for level in range(1, 6)
                ),
            )
            for id_ in incident_ids
            if id_ in found
        ]

    def _members(self) -> list[Row]:
        newest = _newest(self._written["alerts"], ("tenant", "friction_id", "channel")).values()
        return [row for row in newest if row["channel"] and row["state"] != "retracted"]

    def load_open_incidents(self) -> list[IncidentRecord]:
        return [one for one in self._incidents() if not one.is_over]

    def load_incidents(self, incident_ids: Iterable[str]) -> list[IncidentRecord]:
        wanted = set(incident_ids)
        return [one for one in self._incidents() if one.incident_id in wanted]

    def _incidents(self) -> list[IncidentRecord]:
        newest = _newest(self._written["alert_incidents"], ("incident_id",)).values()
        return [IncidentRecord(**_nulled(row, "team", "topic", "from_channel", "to_channel")) for row in newest]

    def load_unsettled_notices(self) -> list[NoticeRecord]:
        return [one for one in self._notices() if one.state in {"due", "sending"}]

    def load_notices(self, notice_ids: Iterable[str]) -> list[NoticeRecord]:
        wanted = set(notice_ids)
        return [one for one in self._notices() if one.notice_id in wanted]

    def _notices(self) -> list[NoticeRecord]:
        newest = _newest(self._written["alert_notices"], ("notice_id",)).values()
        found = [NoticeRecord(**_nulled(row, "team")) for row in newest]
        return sorted(found, key=lambda one: (one.decided_at, one.notice_id))

    def load_told_causes(self, since: int) -> dict[tuple[str, str], int]:
        causes = {one.incident_id: one.cause for one in self._incidents()}
        found: dict[tuple[str, str], int] = {}
        for one in self._notices():
            is_told = one.kind in {"opened", "updated"} and one.state not in {"superseded", "expired"}
            if is_told and one.decided_at >= since and one.incident_ids[0] in causes:
                found[one.channel, causes[one.incident_ids[0]]] = one.decided_at
        return found

    def load_recent_notices(self, since: int) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for one in self._notices():
            if one.state not in {"superseded", "expired"} and one.decided_at >= since:
                found.setdefault(one.channel, []).append(one.decided_at)
        return found

    def load_actions(
        self, *, pending_only: bool = False, incident_id: str = "", snoozed_at: int | None = None
    ) -> list[ActionRecord]:
        newest = _newest(self._written["alert_actions"], ("action_id",)).values()
        return [
            one
            for one in (ActionRecord(**row) for row in newest)
            if (not pending_only or one.applied_at is None)
            and (not incident_id or one.incident_id == incident_id)
            and (snoozed_at is None or (one.kind == "snooze" and (one.until or 0) > snoozed_at))
        ]

    def load_cause_paces(self, causes: Iterable[str], since: int) -> dict[str, tuple[int, int]]:
        wanted = set(causes)
        found: dict[str, tuple[int, int]] = {}
        for one in self._incidents():
            if one.cause in wanted and one.started_at >= since:
                customers, began = found.get(one.cause, (0, one.started_at))
                found[one.cause] = (customers + one.customers, min(began, one.started_at))
        return found

    def load_cause_weeks(self, causes: Iterable[str], now: int) -> dict[str, tuple[int, ...]]:
        wanted = set(causes)
        cause_of = {one.incident_id: one.cause for one in self._incidents()}
        weeks: dict[str, list[int]] = {}
        for row in {(row["incident_id"], row["friction_id"]): row for row in self._members()}.values():
            cause, week = cause_of.get(row["incident_id"], ""), (now - row["joined_at"]) // 604_800_000
            if cause in wanted and 0 <= week < 5:
                weeks.setdefault(cause, [0] * 5)[week] += 1
        return {cause: tuple(counts) for cause, counts in weeks.items()}

    def load_owners(self, keys: KeyRange) -> dict[str, str]:
        rows = [(row["identity_hash"], row["tenant"]) for row in self._written["touchpoints"]]
        newest = _newest(self._written["person_identifiers"], ("identifier",)).values()
        rows += [(row["person_key"], row["tenant"]) for row in newest]
        gone = {row["identifier"] for row in self._written["erased_identifiers"]}
        return {key: tenant for key, tenant in rows if key not in gone and _is_in(keys, key)}

    def load_active(self, identity_hashes: Iterable[str], period: Period) -> set[str]:
        wanted = set(identity_hashes)
        return {
            row["identity_hash"]
            for row in self._written["touchpoints"]
            if row["identity_hash"] in wanted and period.since <= row["event_time"] < period.until
        }

    def load_last_judged(self, person_keys: Iterable[str]) -> dict[str, LastJudged]:
        live = self._live("person")
        return {
            key: LastJudged(live[key]["partition"], live[key]["next_deadline"]) for key in person_keys if key in live
        }

    def load_watermarks(self, topic: str) -> dict[int, int]:
        found: dict[int, int] = {}
        for row in self._written["checkpoints"]:
            if row["topic"] == topic and row["watermark"] is not None:
                found[row["partition"]] = max(row["watermark"], found.get(row["partition"], row["watermark"]))
        return found

    def load_friction_ids(self, keys: KeyRange, period: Period) -> list[str]:
        return sorted(
            id_
            for id_, row in self._live("friction").items()
            if _is_in(keys, row["person_key"]) and period.since <= row["anchor_at"] < period.until
        )

    def load_frictions(self, friction_ids: Iterable[str]) -> list[Friction]:
        live = self._live("friction")
        return [_friction(live[id_]) for id_ in sorted(set(friction_ids)) if id_ in live]


class _MemoryEraser:
    """What `sinks.clickhouse.eraser.Eraser` does; a death in the middle leaves some rows of a table."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._written = store.written

    def count(self, erased: Sequence[ErasedIdentifier]) -> dict[str, dict[str, int]]:
        found = {one.identifier: dict.fromkeys(STORES, 0) for one in erased}
        for table in STORES:
            for row in self._written[table]:
                for identifier in found.keys() & self._named(table, row):
                    found[identifier][table] += 1
        return found

    def delete(self, erased: Sequence[ErasedIdentifier]) -> None:
        keys = {one.identifier for one in erased}
        placeholders = {
            identifier
            for identifier, row in _newest(self._written["person_identifiers"], ("identifier",)).items()
            if row["is_placeholder"]
        }
        self._delete(
            "touchpoints",
            lambda row: (
                row["identity_hash"] in keys
                or next((one for one in _hashes(row["identities"]) if one not in placeholders), None) in keys
            ),
        )
        self._rewrite(
            "touchpoints",
            lambda row: {"identities": tuple(name for name in row["identities"] if identifier_of(name) not in keys)},
        )
        self._delete_facts("contacts", "contact_id", keys)
        self._delete("alerts", lambda row: row["person_key"] in keys or bool(keys & self._named("alerts", row)))
        is_shown: Callable[[Row], bool] = lambda row: not keys.isdisjoint(row["person_keys"])  # noqa: E731
        self._rewrite("alert_incidents", lambda row: {"samples": "[]", "person_keys": ()} if is_shown(row) else {})
        self._rewrite("alert_notices", lambda row: {"content": "", "person_keys": ()} if is_shown(row) else {})
        for table, id_column in FACTS.values():
            self._delete_facts(table.name, id_column, keys)
        self._delete("identity_links", lambda row: bool(keys & self._named("identity_links", row)))
        self._delete("person_identifiers", lambda row: row["identifier"] in keys)
        self._rewrite(
            "person_identifiers",
            lambda row: {
                "epoch": row["epoch"] + (row["person_key"] in keys),
                "person_key": row["identifier"] if row["person_key"] in keys else row["person_key"],
                "refused": tuple(text for text in row["refused"] if identifier_of(text) not in keys),
            },
        )

    def _rewrite(self, table: str, change: Callable[[Row], Row]) -> None:
        self._written[table][:] = [{**row, **change(row)} for row in self._written[table]]

    def _delete_facts(self, table: str, id_column: str, keys: set[str]) -> None:
        holders = _newest(self._written[table], (id_column,))
        held = {id_ for id_, row in holders.items() if row["person_key"] in keys}
        self._delete(table, lambda row: row[id_column] in held or bool(keys & self._named(table, row)))

    def _named(self, table: str, row: Row) -> set[str]:
        match table:
            case "touchpoints":
                return set(_hashes(row["identities"]))
            case "identity_links":
                return {row["identifier"], row["other_identifier"]}
            case "person_identifiers":
                return {row["identifier"], row["person_key"], *_hashes(row["refused"])}
            case "persons":
                return {row["person_key"], row["merged_into"], *row["identifiers"]}
            case "alert_incidents" | "alert_notices":
                return set(row["person_keys"])
            case "alerts":
                holder = _newest(self._written["frictions"], ("friction_id",)).get(row["friction_id"])
                return set() if holder is None else {holder["person_key"]}
        return {row["person_key"]}

    def _delete(self, table: str, is_gone: Callable[[Row], bool]) -> None:
        gone = [row for row in self._written[table] if is_gone(row)]

        def remove(rows: Sequence[Row]) -> None:
            numbers = set(map(id, rows))
            self._written[table][:] = [row for row in self._written[table] if id(row) not in numbers]

        if gone:
            self._store.faults.around(f"erase {table}", gone, remove)


def _nulled(row: Row, *names: str) -> Row:
    return {**row, **{name: row[name] or None for name in names}}


def _hashes(identities: Iterable[str]) -> list[str]:
    return [identifier_of(identity) for identity in identities]


def rows_of(block: PreparedBlock) -> list[Row]:
    """Rows with every column of the table; the server fills in what a block leaves out."""
    defaults = _DEFAULTS[block.table]
    assert defaults.keys() >= set(block.column_names)
    return [
        {**defaults, **dict(zip(block.column_names, values, strict=True))}
        for values in zip(*block.columns, strict=True)
    ]


def _newest(rows: Sequence[Row], key: tuple[str, ...], version: str = "version") -> dict[Any, Row]:
    newest: dict[Any, Row] = {}
    for row in rows:
        id_ = row[key[0]] if len(key) == 1 else tuple(row[name] for name in key)
        if id_ not in newest or row[version] >= newest[id_][version]:
            newest[id_] = row
    return newest


def link_of(row: Row) -> IdentityLink:
    """The statement in a row."""
    fields = {name: row[name] for name in IdentityLink.__struct_fields__}
    return IdentityLink(**{**fields, "kind": LinkKind(row["kind"])})


def _that_matter(links: Sequence[IdentityLink]) -> list[IdentityLink]:
    """Of the statements about a pair the first that saw it, the first that rotated it, the last that was explicit."""
    seen, linked, unlinked, rotated = ([link for link in links if link.kind is kind] for kind in LinkKind)
    firsts = [min(said, key=lambda link: link.order) for said in (seen, rotated) if said]
    explicit = linked + unlinked
    return [*firsts, *([max(explicit, key=lambda link: (link.order, link.kind))] if explicit else [])]


_TEXTS = {field.name for field in msgspec.structs.fields(Touchpoint) if field.type == str | None}


def _applied(row: Row) -> AppliedTouchpoint:
    contract: dict[str, Any] = {
        name: (row[name] or None) if name in _TEXTS else row[name] for name in TOUCHPOINT_FIELDS
    }
    return AppliedTouchpoint(Touchpoint(**contract), **{name: row[name] for name in ADMISSION_FIELDS})


_FRICTION_TEXTS = {field.name for field in msgspec.structs.fields(Friction) if field.type == str | None}


def _friction(row: Row) -> Friction:
    fields: dict[str, Any] = {
        name: (row[name] or None) if name in _FRICTION_TEXTS else row[name] for name in Friction.__struct_fields__
    }
    fields |= {"evidence": msgspec.json.decode(row["evidence"], type=Evidence), "status": FrictionStatus(row["status"])}
    return Friction(**fields)


def _is_in(keys: KeyRange, key: str) -> bool:
    return keys.first <= key and (not keys.end or key < keys.end)


def _place(applied: AppliedTouchpoint) -> tuple[int, int]:
    return (applied.ingestion_time, applied.origin_offset)
