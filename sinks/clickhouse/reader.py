"""Reads back what a worker needs: touchpoints, links, what is published, deadlines, checkpoints, ledgers."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from schemas.erasure import ErasedIdentifier, ErasureReceipt
from schemas.identity import IdentityLink, LinkKind, PersonIdentifier
from schemas.outputs import Evidence, Friction, FrictionStatus
from schemas.rule_changes import RuleChange
from schemas.touchpoint import TOUCHPOINT_FIELDS, AppliedTouchpoint, Touchpoint, TouchpointKey
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect, interrupt
from sinks.clickhouse.errors import ANSWER_ERRORS, understood
from sinks.clickhouse.records import (
    ActionRecord,
    AlertRecord,
    Attempt,
    Checkpoint,
    DeadLetterRecord,
    Deadline,
    IncidentRecord,
    NoticeRecord,
    Tally,
)
from sinks.clickhouse.rows import ADMISSION_FIELDS
from sinks.clickhouse.schema_check import require_tables
from sinks.clickhouse.tables import (
    ALERT_ACTIONS,
    ALERT_INCIDENTS,
    ALERT_NOTICES,
    ALERTS,
    ATTEMPTS,
    CHECKPOINTS,
    DEAD_LETTERS,
    ERASED_IDENTIFIERS,
    ERASURE_RECEIPTS,
    FACTS,
    FRICTIONS,
    PERSON_IDENTIFIERS,
    RULE_CHANGES,
    TOUCHPOINTS,
    Column,
    Table,
)

_S = TypeVar("_S", bound=msgspec.Struct)

#: Keys in one statement: 36 characters each, and ClickHouse takes 256 KiB.
_KEYS_PER_QUERY: Final = 5_000
#: Where a statement holds placeholders twice, and identities with their namespaces.
_PLACEHOLDERS_PER_QUERY: Final = 1_000
_NAMES_PER_QUERY: Final = 1_000

#: Bits of a row's version that count how often its person's identifiers became others.
_PERSON_VERSION: Final = "bitAnd(version, bitShiftLeft(toUInt64(1), 54) - 1)"

#: The statements that can matter, of the first companions of each identifier. One thread walks the rows in their order
#: and never holds more of a crowd of companions than the first few: an identifier that everybody shares costs little.
_LINKS_SQL: Final = """
SELECT identifier, pair.3, pair.4, pair.2, said.4, said.1, said.2, said.3, said.5
FROM (
    SELECT identifier, groupArraySorted(%(at_most)s)((first, other, toString(tenant), identity, statements)) AS pairs
    FROM (
        WITH
            (toUnixTimestamp64Milli(event_time), toString(source), id) AS place,
            (place.1, place.2, id, toString(kind), toUnixTimestamp64Milli(ingestion_time)) AS statement
        SELECT
            tenant,
            identifier,
            any(identity) AS identity,
            any(other) AS other,
            min(place) AS first,
            arrayFilter(said -> said.4 != '', [
                minIf(statement, kind = 'seen'),
                minIf(statement, kind = 'rotated'),
                maxIf(statement, kind IN ('linked', 'unlinked'))
            ]) AS statements
        FROM identity_links FINAL
        WHERE identifier IN %(keys)s{unless_erased}
        GROUP BY tenant, identifier, other_identifier
    )
    GROUP BY identifier
)
ARRAY JOIN pairs AS pair
ARRAY JOIN pair.5 AS said
SETTINGS optimize_aggregation_in_order = 1, max_threads = 1
"""
_UNLESS_ERASED: Final = "".join(
    f" AND {end} NOT IN (SELECT identifier FROM erased_identifiers)"  # noqa: S608
    for end in ("identifier", "other_identifier")
)

#: Versions of what is published and not withdrawn: person_key -> kind of fact -> id -> version.
PublishedVersions = dict[str, dict[str, dict[str, int]]]

#: Characters of a hash that batches are cut at.
_PREFIX: Final = 4


class KeyRange(NamedTuple):
    """Hashes from `first` up to, not including, `end`; an `end` of '' is none."""

    first: str = ""
    end: str = ""


class Period(NamedTuple):
    """Event times from `since` up to, not including, `until`; UTC milliseconds."""

    since: int
    until: int


class LastJudged(NamedTuple):
    """What the row of a person says of its last judgement: whose worker made it, and until when it holds.

    `next_deadline` is UTC milliseconds, `None` for ever.
    """

    partition: int
    next_deadline: int | None


_KEY_RANGES_SQL: Final = """
SELECT substring(identity_hash, 1, %(characters)s) AS prefix, count() FROM touchpoints
WHERE identity_hash IN (
    SELECT identity_hash FROM touchpoints
    WHERE event_time >= fromUnixTimestamp64Milli(%(since)s) AND event_time < fromUnixTimestamp64Milli(%(until)s)
)
GROUP BY prefix ORDER BY prefix
"""
_OWNERS_SQL: Final = """
SELECT identifier, any(toString(tenant)) FROM (
    SELECT identity_hash AS identifier, tenant FROM touchpoints
    WHERE identity_hash >= %(first)s AND (%(end)s = '' OR identity_hash < %(end)s)
    UNION ALL
    SELECT person_key AS identifier, tenant FROM person_identifiers FINAL
    WHERE person_key >= %(first)s AND (%(end)s = '' OR person_key < %(end)s)
)
WHERE identifier NOT IN (SELECT identifier FROM erased_identifiers)
GROUP BY identifier
"""
_ACTIVE_SQL: Final = """
SELECT DISTINCT identity_hash FROM touchpoints WHERE identity_hash IN %(keys)s
AND event_time >= fromUnixTimestamp64Milli(%(since)s) AND event_time < fromUnixTimestamp64Milli(%(until)s)
"""
_KINDS_SQL: Final = """
SELECT toString(kind), count() FROM touchpoints FINAL WHERE NOT probe AND NOT staff
AND event_time >= fromUnixTimestamp64Milli(%(since)s) AND event_time < fromUnixTimestamp64Milli(%(until)s)
GROUP BY kind ORDER BY kind
"""
#: Narrow columns only: FINAL reads all that is asked for before it filters, and evidence is wide.
_FRICTION_IDS_SQL: Final = """
SELECT friction_id FROM frictions FINAL
WHERE is_deleted = 0 AND person_key >= %(first)s AND (%(end)s = '' OR person_key < %(end)s)
AND anchor_at >= fromUnixTimestamp64Milli(%(since)s) AND anchor_at < fromUnixTimestamp64Milli(%(until)s)
ORDER BY friction_id
"""


class Reader:
    """One connection of one thread that reads.

    Every method raises `StoreUnavailable` when ClickHouse cannot answer now (try again), and `SchemaMismatch` when
    tables or permissions are not what the code expects (stop).
    """

    def __init__(self, address: ClickHouseAddress) -> None:
        self._address = address
        self._client = connect(address)

    def require_tables(self) -> None:
        """Raise `SchemaMismatch` unless the tables are those of this version."""
        require_tables(self._client, self._address)

    def load_touchpoints(self, identity_hashes: Iterable[str]) -> dict[str, list[AppliedTouchpoint]]:
        """Touchpoints by the identity that owns them, each once, in the order in which they happened.

        Asks without FINAL; of several copies the one that entered the log first is taken, as FINAL would. Every hash
        asked for has an entry.
        """
        found: dict[str, dict[TouchpointKey, AppliedTouchpoint]] = {hash_: {} for hash_ in identity_hashes}
        sql = f"SELECT {_TOUCHPOINT_SELECTION} FROM touchpoints WHERE identity_hash IN %(keys)s"  # noqa: S608
        for keys in _parts(found):
            for applied in _touchpoints(self._columns(sql, {"keys": keys}, "reading touchpoints")):
                _keep_first(found[applied.identity_hash], applied)
        return {hash_: sorted(copies.values(), key=lambda applied: applied.order) for hash_, copies in found.items()}

    def load_published(self, person_keys: Iterable[str]) -> PublishedVersions:
        """What is published of persons and not withdrawn, as versions by id.

        The kinds are the keys of `tables.FACTS`. Every person asked for has an entry, and in it every kind.
        """
        found: PublishedVersions = {key: {kind: {} for kind in FACTS} for key in person_keys}
        for kind, (table, id_column) in FACTS.items():
            sql = (
                f"SELECT person_key, {id_column}, version FROM {table.name} FINAL"  # noqa: S608  # our own names
                " WHERE person_key IN %(keys)s AND is_deleted = 0"
            )
            for keys in _parts(found):
                columns = self._columns(sql, {"keys": keys}, f"reading {table.name}")
                for person_key, id_, version in zip(*columns, strict=True):
                    found[person_key][kind][id_] = version
        return found

    def load_person_versions(self, person_keys: Iterable[str]) -> dict[str, int]:
        """Versions of the persons that are published and not withdrawn."""
        found: dict[str, int] = {}
        sql = "SELECT person_key, version FROM persons FINAL WHERE person_key IN %(keys)s AND is_deleted = 0"
        for keys in _parts(dict.fromkeys(person_keys)):
            found.update(zip(*self._columns(sql, {"keys": keys}, "reading persons") or ((), ()), strict=True))
        return found

    def load_links(
        self, identifiers: Iterable[str], at_most: int, *, with_erased: bool = False
    ) -> dict[str, list[IdentityLink]]:
        """Statements about each identifier that can matter, in the order of their touchpoints.

        Of a pair these are the first that saw both, the first that rotated one into the other, and the last that
        linked or unlinked them; of the companions of an identifier the first `at_most` (at least 1), by the earliest
        statement about them, then by name. Links with an erased end are left out, unless they are asked for. Every
        identifier asked for has an entry.
        """
        found: dict[str, list[IdentityLink]] = {identifier: [] for identifier in identifiers}
        sql = _LINKS_SQL.replace("{unless_erased}", "" if with_erased else _UNLESS_ERASED)
        for keys in _parts(found):
            columns = self._columns(sql, {"keys": keys, "at_most": at_most}, "reading identity_links")
            for identifier, *row in zip(*columns, strict=True):
                fields = dict(zip(IdentityLink.__struct_fields__, row, strict=True))
                found[identifier].append(IdentityLink(**fields | {"kind": LinkKind(fields["kind"])}))
        for links in found.values():
            links.sort(key=lambda link: (link.order, link.other, link.kind))
        return found

    def load_identifiers(self, identifiers: Iterable[str]) -> dict[str, PersonIdentifier]:
        """What the owners of identifiers last decided about them; nothing for one that was never decided."""
        found: dict[str, PersonIdentifier] = {}
        sql = (
            f"SELECT {_selection(PERSON_IDENTIFIERS.columns)} FROM person_identifiers FINAL"  # noqa: S608  # our own names
            " WHERE identifier IN %(keys)s"
        )
        for keys in _parts(dict.fromkeys(identifiers)):
            columns = self._columns(sql, {"keys": keys}, "reading person_identifiers")
            for row in _structs(PersonIdentifier, PERSON_IDENTIFIERS, columns):
                found[row.identifier] = row
        return found

    def load_highest_versions(self, person_keys: Iterable[str]) -> dict[str, int]:
        """The highest version under which anything was written about persons, withdrawn and superseded rows included.

        Without the epoch of the anchor, which says nothing of the person.

        Nothing for a person without rows.
        """
        found: dict[str, int] = {}
        keys_asked = tuple(dict.fromkeys(person_keys))
        for table, _ in FACTS.values():
            sql = (
                f"SELECT person_key, max({_PERSON_VERSION}) FROM {table.name}"  # noqa: S608  # our own names
                " WHERE person_key IN %(keys)s GROUP BY person_key"
            )
            for keys in _parts(keys_asked):
                columns = self._columns(sql, {"keys": keys}, f"reading {table.name}")
                for person_key, version in zip(*columns, strict=True):
                    found[person_key] = max(version, found.get(person_key, 0))
        return found

    def load_members(self, person_keys: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Identifiers that make up the persons that are published and not withdrawn."""
        found: dict[str, tuple[str, ...]] = {}
        sql = "SELECT person_key, identifiers FROM persons FINAL WHERE person_key IN %(keys)s AND is_deleted = 0"
        for keys in _parts(dict.fromkeys(person_keys)):
            columns = self._columns(sql, {"keys": keys}, "reading persons")
            found.update((person_key, tuple(members)) for person_key, members in zip(*columns, strict=True))
        return found

    def load_rehomed(self, placeholders: Iterable[str], identities: Iterable[str]) -> list[AppliedTouchpoint]:
        """Touchpoints that placeholders own and that name one of these identities (`namespace:hash`), in order.

        Each is there once, as it entered the log first, and only if that copy names one.
        """
        names = tuple(dict.fromkeys(identities))
        sql = (
            f"SELECT {_TOUCHPOINT_SELECTION} FROM touchpoints WHERE identity_hash IN %(keys)s"  # noqa: S608
            " AND (tenant, source, id) IN ("
            "SELECT tenant, source, id FROM touchpoints WHERE identity_hash IN %(keys)s"
            " AND hasAny(identities, %(names)s))"
        )
        copies: dict[TouchpointKey, AppliedTouchpoint] = {}
        for keys in _parts(dict.fromkeys(placeholders), _PLACEHOLDERS_PER_QUERY):
            for some in _parts(names, _NAMES_PER_QUERY):
                columns = self._columns(sql, {"keys": keys, "names": list(some)}, "reading touchpoints")
                for applied in _touchpoints(columns):
                    _keep_first(copies, applied)
        wanted = set(names)
        return sorted(
            (applied for applied in copies.values() if not wanted.isdisjoint(applied.touchpoint.identities)),
            key=lambda applied: applied.order,
        )

    def load_erased(self, identifiers: Iterable[str]) -> dict[str, ErasedIdentifier]:
        """Those of the identifiers that are erased, each with the last request."""
        found: dict[str, ErasedIdentifier] = {}
        sql = (
            f"SELECT {_selection(ERASED_IDENTIFIERS.columns)} FROM erased_identifiers FINAL"  # noqa: S608
            " WHERE identifier IN %(keys)s"
        )
        for keys in _parts(dict.fromkeys(identifiers)):
            columns = self._columns(sql, {"keys": keys}, "reading erased_identifiers")
            found.update((row.identifier, row) for row in _structs(ErasedIdentifier, ERASED_IDENTIFIERS, columns))
        return found

    def load_erased_by(self, requests: Iterable[TouchpointKey]) -> list[ErasedIdentifier]:
        """What these requests had erased, as far as no later one did."""
        erased: list[ErasedIdentifier] = []
        sql = (
            f"SELECT {_selection(ERASED_IDENTIFIERS.columns)} FROM erased_identifiers FINAL"  # noqa: S608
            " WHERE tenant = %(tenant)s AND source = %(source)s AND id = %(id)s ORDER BY identifier"
        )
        for request in requests:
            columns = self._columns(sql, request._asdict(), "reading erased_identifiers")
            erased += _structs(ErasedIdentifier, ERASED_IDENTIFIERS, columns)
        return erased

    def load_receipts(self, identifiers: Iterable[str]) -> list[ErasureReceipt]:
        """Receipts of erased identifiers, of all requests."""
        receipts: list[ErasureReceipt] = []
        sql = (
            f"SELECT {_selection(ERASURE_RECEIPTS.columns)} FROM erasure_receipts FINAL"  # noqa: S608
            " WHERE identifier IN %(keys)s"
        )
        for keys in _parts(dict.fromkeys(identifiers)):
            columns = self._columns(sql, {"keys": keys}, "reading erasure_receipts")
            receipts += _structs(ErasureReceipt, ERASURE_RECEIPTS, columns)
        return receipts

    def load_friction_versions(self, person_keys: Iterable[str]) -> dict[tuple[str, str], int]:
        """The highest version that was ever written of a friction about persons, by person key and friction id."""
        found: dict[tuple[str, str], int] = {}
        sql = (
            "SELECT person_key, friction_id, max(version) FROM frictions WHERE person_key IN %(keys)s"
            " GROUP BY person_key, friction_id"
        )
        for keys in _parts(dict.fromkeys(person_keys)):
            for person_key, id_, version in zip(*self._columns(sql, {"keys": keys}, "reading frictions"), strict=True):
                found[person_key, id_] = version
        return found

    def load_deadlines(self, partition: int) -> list[Deadline]:
        """Open deadlines of the persons that a partition owns, earliest first."""
        columns = self._columns(
            "SELECT toUnixTimestamp64Milli(next_deadline), tenant, person_key FROM persons FINAL"
            " WHERE partition = %(partition)s AND next_deadline IS NOT NULL AND is_deleted = 0"
            " ORDER BY next_deadline, tenant, person_key",
            {"partition": partition},
            "reading deadlines",
        )
        return [Deadline(*row) for row in zip(*columns, strict=True)]

    def load_outdated(self, partition: int, moments: Sequence[int]) -> dict[str, str]:
        """Persons of a partition, with their tenants, who were judged before rule changes that concern them.

        `moments` are those from which on the known changes hold, UTC milliseconds.
        """
        columns = self._columns(
            "SELECT person_key, tenant FROM persons FINAL"
            " WHERE partition = %(partition)s AND is_deleted = 0 AND merged_into = ''"
            " AND rule_changes < arrayCount(moment -> moment <= toUnixTimestamp64Milli(last_seen_at), %(moments)s)",
            {"partition": partition, "moments": list(moments)},
            "reading persons judged by earlier rules",
        )
        return dict(zip(*columns, strict=True)) if columns else {}

    def load_rule_changes(self) -> list[RuleChange]:
        """Changes to the rules that workers took, of each version the last one published."""
        columns = self._columns(
            f"SELECT {_selection(RULE_CHANGES.columns)} FROM rule_changes FINAL ORDER BY rule_id, version",  # noqa: S608
            {},
            "reading rule changes",
        )
        return _structs(RuleChange, RULE_CHANGES, columns)

    def load_checkpoints(self, consumer_group: str) -> list[Checkpoint]:
        """Checkpoints of a consumer group over all topics and their incarnations."""
        columns = self._columns(
            f"SELECT {_selection(CHECKPOINTS.columns)} FROM checkpoints FINAL"  # noqa: S608  # our own names
            " WHERE consumer_group = %(group)s ORDER BY ALL",
            {"group": consumer_group},
            "reading checkpoints",
        )
        return [
            Checkpoint(**dict(zip(Checkpoint.__struct_fields__, row, strict=True)))
            for row in zip(*columns, strict=True)
        ]

    def load_attempts(self, consumer_group: str, topic: str) -> list[Attempt]:
        """The last attempt at every partition of a topic that a consumer group ever read."""
        columns = self._columns(
            f"SELECT {_selection(ATTEMPTS.columns)} FROM attempts FINAL"  # noqa: S608  # our own names
            " WHERE consumer_group = %(group)s AND topic = %(topic)s ORDER BY ALL",
            {"group": consumer_group, "topic": topic},
            "reading attempts",
        )
        return _structs(Attempt, ATTEMPTS, columns)

    def load_alerts(self, friction_ids: Iterable[str]) -> list[AlertRecord]:
        """Entries of the alert ledger for these frictions, retractions included."""
        records: list[AlertRecord] = []
        sql = f"SELECT {_selection(ALERTS.columns)} FROM alerts FINAL WHERE friction_id IN %(keys)s"  # noqa: S608
        for keys in _parts(dict.fromkeys(friction_ids)):
            records += _structs(AlertRecord, ALERTS, self._columns(sql, {"keys": keys}, "reading alerts"))
        return records

    def load_alert_persons(self, incident_ids: Iterable[str], person_keys: Iterable[str]) -> dict[tuple[str, str], int]:
        """How many standing members of these incidents each of these persons has, by incident and person."""
        incidents = tuple(incident_ids)
        found: dict[tuple[str, str], int] = {}
        if not incidents:
            return found
        sql = (
            "SELECT incident_id, person_key, uniqExact(friction_id) FROM alerts FINAL"
            " WHERE incident_id IN %(incidents)s AND person_key IN %(keys)s AND channel != '' AND state != 'retracted'"
            " GROUP BY incident_id, person_key"
        )
        for keys in _parts(dict.fromkeys(person_keys), _PLACEHOLDERS_PER_QUERY):
            for some in _parts(incidents, _PLACEHOLDERS_PER_QUERY):
                columns = self._columns(sql, {"keys": keys, "incidents": some}, "reading alerts")
                found |= {(incident, person): count for incident, person, count in zip(*columns, strict=True)}
        return found

    def load_alert_tallies(self, incident_ids: Iterable[str]) -> list[Tally]:
        """Standing members of these incidents; those without any are left out."""
        found: list[Tally] = []
        sql = (
            "SELECT incident_id, uniqExact(friction_id), uniqExact(person_key), sum(one_minutes),"
            " arrayMap(level -> countEqual(groupArray(one_severity), level), range(1, 6)) FROM"
            " (SELECT incident_id, friction_id, any(person_key) AS person_key, any(minutes) AS one_minutes,"
            " any(severity) AS one_severity FROM alerts FINAL"
            " WHERE incident_id IN %(keys)s AND channel != '' AND state != 'retracted'"
            " GROUP BY incident_id, friction_id) GROUP BY incident_id"
        )
        for keys in _parts(dict.fromkeys(incident_ids)):
            for row in zip(*self._columns(sql, {"keys": keys}, "reading alerts"), strict=True):
                id_, frictions, customers, minutes, by_severity = row
                counts = tuple(int(count) for count in by_severity)
                found.append(
                    Tally(
                        incident_id=id_, frictions=frictions, customers=customers, minutes=minutes, by_severity=counts
                    )
                )
        return found

    def load_open_incidents(self) -> list[IncidentRecord]:
        """Incidents of which something may still have to be said."""
        return self._incidents("NOT is_over ORDER BY started_at, incident_id", {})

    def load_incidents(self, incident_ids: Iterable[str]) -> list[IncidentRecord]:
        """Incidents by id."""
        found: list[IncidentRecord] = []
        for keys in _parts(dict.fromkeys(incident_ids)):
            found += self._incidents("incident_id IN %(keys)s", {"keys": keys})
        return found

    def list_incidents(self, *, open_only: bool, limit: int) -> list[IncidentRecord]:
        """Incidents, the newest first."""
        where = "phase = 'open'" if open_only else "1"
        return self._incidents(f"{where} ORDER BY last_member_at DESC, incident_id LIMIT %(limit)s", {"limit": limit})

    def find_incidents(self, prefix: str) -> list[IncidentRecord]:
        """Incidents whose id begins so; two at most."""
        return self._incidents("startsWith(incident_id, %(prefix)s) LIMIT 2", {"prefix": prefix})

    def _incidents(self, condition: str, parameters: dict[str, object]) -> list[IncidentRecord]:
        sql = f"SELECT {_selection(ALERT_INCIDENTS.columns)} FROM alert_incidents FINAL WHERE {condition}"  # noqa: S608
        columns = self._columns(sql, parameters, "reading incidents")
        return _structs(IncidentRecord, ALERT_INCIDENTS, columns)

    def load_unsettled_notices(self) -> list[NoticeRecord]:
        """Notices that a channel has yet to get, in the order in which they were decided."""
        return self._notices("state IN ('due', 'sending') ORDER BY decided_at, notice_id", {})

    def load_notices(self, notice_ids: Iterable[str]) -> list[NoticeRecord]:
        """Notices by id."""
        found: list[NoticeRecord] = []
        for keys in _parts(dict.fromkeys(notice_ids)):
            found += self._notices("notice_id IN %(keys)s", {"keys": keys})
        return found

    def list_notices(
        self, *, state: str = "", incident_id: str = "", since: int = 0, limit: int = 100
    ) -> list[NoticeRecord]:
        """Notices, the newest first: in one state or any, of one incident or all, decided from `since` (UTC ms) on."""
        return self._notices(
            "(%(state)s = '' OR state = %(state)s) AND (%(incident)s = '' OR has(incident_ids, %(incident)s))"
            " AND decided_at >= fromUnixTimestamp64Milli(%(since)s) "
            " ORDER BY decided_at DESC, notice_id LIMIT %(limit)s",
            {"state": state, "incident": incident_id, "since": since, "limit": limit},
        )

    def _notices(self, condition: str, parameters: dict[str, object]) -> list[NoticeRecord]:
        sql = f"SELECT {_selection(ALERT_NOTICES.columns)} FROM alert_notices FINAL WHERE {condition}"  # noqa: S608
        return _structs(NoticeRecord, ALERT_NOTICES, self._columns(sql, parameters, "reading notices"))

    def load_told_causes(self, since: int) -> dict[tuple[str, str], int]:
        """When channels were last told of causes alone, from `since` (UTC ms) on, by channel and cause."""
        sql = (
            "SELECT notices.channel, incidents.cause, toUnixTimestamp64Milli(max(notices.decided_at))"
            " FROM (SELECT channel, decided_at, incident_ids[1] AS incident_id FROM alert_notices FINAL"
            " WHERE kind IN ('opened', 'updated') AND state NOT IN ('superseded', 'expired')"
            " AND decided_at >= fromUnixTimestamp64Milli(%(since)s)) AS notices"
            " INNER JOIN (SELECT incident_id, cause FROM alert_incidents FINAL) AS incidents"
            " ON notices.incident_id = incidents.incident_id GROUP BY 1, 2"
        )
        columns = self._columns(sql, {"since": since}, "reading notices")
        return {(channel, cause): at for channel, cause, at in zip(*columns, strict=True)}

    def load_recent_notices(self, since: int) -> dict[str, list[int]]:
        """Moments at which messages of each channel were decided, from `since` (UTC ms) on, by channel."""
        sql = (
            "SELECT toString(channel), arraySort(groupArray(toUnixTimestamp64Milli(decided_at)))"
            " FROM alert_notices FINAL WHERE state NOT IN ('superseded', 'expired')"
            " AND decided_at >= fromUnixTimestamp64Milli(%(since)s) GROUP BY channel"
        )
        columns = self._columns(sql, {"since": since}, "reading notices")
        return {channel: list(moments) for channel, moments in zip(*columns, strict=True)}

    def load_actions(
        self, *, pending_only: bool = False, incident_id: str = "", snoozed_at: int | None = None
    ) -> list[ActionRecord]:
        """What people did, in order: what waits to be applied, of one incident, or snoozes that hold."""
        condition = (
            "(NOT %(pending)s OR applied_at IS NULL) AND (%(incident)s = '' OR incident_id = %(incident)s)"
            " AND (%(snoozed_at)s = 0 OR (kind = 'snooze' AND until > fromUnixTimestamp64Milli(%(snoozed_at)s)))"
        )
        sql = (
            f"SELECT {_selection(ALERT_ACTIONS.columns)} FROM alert_actions FINAL"  # noqa: S608  # our own names
            f" WHERE {condition} ORDER BY acted_at, action_id"
        )
        parameters: dict[str, object] = {
            "pending": int(pending_only),
            "incident": incident_id,
            "snoozed_at": snoozed_at or 0,
        }
        return _structs(ActionRecord, ALERT_ACTIONS, self._columns(sql, parameters, "reading actions"))

    def load_cause_paces(self, causes: Iterable[str], since: int) -> dict[str, tuple[int, int]]:
        """Customers in incidents of causes from `since` (UTC ms) on, and when the first of those began; by cause."""
        found: dict[str, tuple[int, int]] = {}
        sql = (
            "SELECT cause, toUInt64(sum(customers)), toUnixTimestamp64Milli(min(started_at)) FROM alert_incidents FINAL"
            " WHERE cause IN %(keys)s AND started_at >= fromUnixTimestamp64Milli(%(since)s) GROUP BY cause"
        )
        for keys in _parts(dict.fromkeys(causes), _PLACEHOLDERS_PER_QUERY):
            columns = self._columns(sql, {"keys": keys, "since": since}, "reading incidents")
            found |= {cause: (customers, began) for cause, customers, began in zip(*columns, strict=True)}
        return found

    def load_cause_weeks(self, causes: Iterable[str], now: int) -> dict[str, tuple[int, ...]]:
        """Frictions of causes in the last five weeks up to `now` (UTC ms), the latest first; by cause."""
        found: dict[str, tuple[int, ...]] = {}
        sql = (
            "SELECT cause, arrayMap(week -> countEqual(groupArray(week_number), week), range(5)) FROM"
            " (SELECT incidents.cause AS cause, intDiv(%(now)s - toUnixTimestamp64Milli(members.first_at), 604800000)"
            " AS week_number FROM (SELECT incident_id, friction_id, min(joined_at) AS first_at FROM alerts FINAL"
            " WHERE channel != '' AND state != 'retracted'"
            " AND joined_at > fromUnixTimestamp64Milli(%(now)s - 5 * 604800000)"
            " GROUP BY incident_id, friction_id) AS members INNER JOIN"
            " (SELECT incident_id, cause FROM alert_incidents FINAL WHERE cause IN %(keys)s) AS incidents"
            " ON members.incident_id = incidents.incident_id) GROUP BY cause"
        )
        for keys in _parts(dict.fromkeys(causes), _PLACEHOLDERS_PER_QUERY):
            for cause, weeks in zip(*self._columns(sql, {"keys": keys, "now": now}, "reading alerts"), strict=True):
                found[cause] = tuple(int(count) for count in weeks)
        return found

    def list_dead_letters(
        self,
        *,
        reason: str | None = None,
        state: str | None = "open",
        since: int = 0,
        limit: int = 100,
    ) -> list[DeadLetterRecord]:
        """Dead letters, newest first: of one reason or any, in one state or any, recorded from `since` (UTC ms) on."""
        return self._dead_letters(
            "(%(reason)s = '' OR reason = %(reason)s) AND (%(state)s = '' OR state = %(state)s)"
            " AND recorded_at >= fromUnixTimestamp64Milli(%(since)s)"
            " ORDER BY recorded_at DESC, topic, partition, offset LIMIT %(limit)s",
            {"reason": reason or "", "state": state or "", "since": since, "limit": limit},
        )

    def find_dead_letters(self, topic: str, partition: int, offset: int) -> list[DeadLetterRecord]:
        """Dead letters of one place in the log: one for each incarnation of the topic that had one there."""
        return self._dead_letters(
            "topic = %(topic)s AND partition = %(partition)s AND offset = %(offset)s ORDER BY recorded_at DESC",
            {"topic": topic, "partition": partition, "offset": offset},
        )

    def load_key_ranges(self, period: Period, touchpoints: int) -> list[KeyRange]:
        """Ranges that cover all hashes, each with about so many touchpoints of those to whom something happened then.

        A range is never smaller than a 65,536th of all hashes.
        """
        cuts, held = [""], 0
        parameters = {"characters": _PREFIX, **period._asdict()}
        columns = self._columns(_KEY_RANGES_SQL, parameters, "reading touchpoints")
        for prefix, count in zip(*columns or ((), ()), strict=True):
            if held and held + count > touchpoints:
                cuts.append(prefix)
                held = 0
            held += count
        return [KeyRange(*ends) for ends in zip(cuts, [*cuts[1:], ""], strict=True)]

    def load_owners(self, keys: KeyRange) -> dict[str, str]:
        """Identifiers in a range that are or may be persons of their own, with their tenants; not those erased."""
        columns = self._columns(_OWNERS_SQL, keys._asdict(), "reading touchpoints")
        return dict(zip(*columns or ((), ()), strict=True))

    def load_active(self, identity_hashes: Iterable[str], period: Period) -> set[str]:
        """Those of the identities under which something happened in a period."""
        found: set[str] = set()
        for keys in _parts(dict.fromkeys(identity_hashes)):
            columns = self._columns(_ACTIVE_SQL, {"keys": keys, **period._asdict()}, "reading touchpoints")
            found.update(*columns)
        return found

    def load_kinds(self, period: Period) -> dict[str, int]:
        """How often each kind of touchpoint that rules may judge happened in a period."""
        return dict(zip(*self._columns(_KINDS_SQL, period._asdict(), "reading touchpoints") or ((), ()), strict=True))

    def load_last_judged(self, person_keys: Iterable[str]) -> dict[str, LastJudged]:
        """When persons have to be judged again, of those who are published and not withdrawn."""
        found: dict[str, LastJudged] = {}
        sql = (
            "SELECT person_key, partition, toUnixTimestamp64Milli(next_deadline) FROM persons FINAL"
            " WHERE person_key IN %(keys)s AND is_deleted = 0"
        )
        for keys in _parts(dict.fromkeys(person_keys)):
            for key, *row in zip(*self._columns(sql, {"keys": keys}, "reading persons"), strict=True):
                found[key] = LastJudged(*row)
        return found

    def load_watermarks(self, topic: str) -> dict[int, int]:
        """Partition to the latest event time that a checkpoint of a topic says it reached, in any of its lives."""
        columns = self._columns(
            "SELECT partition, toUnixTimestamp64Milli(max(watermark)) FROM checkpoints"
            " WHERE topic = %(topic)s AND watermark IS NOT NULL GROUP BY partition",
            {"topic": topic},
            "reading checkpoints",
        )
        return dict(zip(*columns or ((), ()), strict=True))

    def load_friction_ids(self, keys: KeyRange, period: Period) -> list[str]:
        """Frictions of persons in a range with their anchor in a period, published and not withdrawn, sorted."""
        columns = self._columns(_FRICTION_IDS_SQL, {**keys._asdict(), **period._asdict()}, "reading frictions")
        return list(columns[0]) if columns else []

    def load_frictions(self, friction_ids: Iterable[str]) -> list[Friction]:
        """Frictions as they are published and not withdrawn."""
        frictions: list[Friction] = []
        sql = (
            f"SELECT {_selection(_FRICTION.columns)} FROM frictions FINAL"  # noqa: S608
            " WHERE friction_id IN %(keys)s AND is_deleted = 0 ORDER BY friction_id"
        )
        for keys in _parts(dict.fromkeys(friction_ids)):
            frictions += _structs(Friction, _FRICTION, self._columns(sql, {"keys": keys}, "reading frictions"))
        return frictions

    def interrupt(self) -> None:
        """Called from another thread: a question that waits for an answer raises `StoreUnavailable` at once."""
        interrupt(self._client)

    def close(self) -> None:
        """Close the connection; a later question opens it again."""
        self._client.disconnect()

    def _dead_letters(self, condition: str, parameters: dict[str, object]) -> list[DeadLetterRecord]:
        sql = f"SELECT {_selection(DEAD_LETTERS.columns)} FROM dead_letters FINAL WHERE {condition}"  # noqa: S608
        columns = self._columns(sql, parameters, "reading dead letters")
        return _structs(DeadLetterRecord, DEAD_LETTERS, columns)

    def _columns(self, sql: str, parameters: dict[str, object], action: str) -> list[Sequence[Any]]:
        try:
            columns: list[Sequence[Any]] = self._client.execute(sql, parameters, columnar=True)
        except ANSWER_ERRORS as error:
            self._client.disconnect()
            raise understood(error, f"{action} from {self._address}") from error
        return columns


def _parts(keys: Iterable[str], size: int = _KEYS_PER_QUERY) -> Iterator[tuple[str, ...]]:
    all_keys = tuple(keys)
    for start in range(0, len(all_keys), size):
        yield all_keys[start : start + size]


def _selection(columns: Iterable[Column]) -> str:
    # Times travel as integers: the driver's datetimes are slow, and go through floating point.
    return ", ".join(
        f"toUnixTimestamp64Milli(`{column.name}`)" if column.is_time else f"`{column.name}`" for column in columns
    )


def _decoders(struct: type[msgspec.Struct]) -> dict[str, Callable[[Sequence[Any]], Sequence[Any]]]:
    """How columns become values of the struct's fields, where they are not already."""
    decoders: dict[str, Callable[[Sequence[Any]], Sequence[Any]]] = {}
    for field in msgspec.structs.fields(struct):
        if field.type == str | None:
            decoders[field.name] = lambda column: [value or None for value in column]
        elif field.type == tuple[str, ...]:
            decoders[field.name] = lambda column: [tuple(value) for value in column]
        elif field.type == Evidence:
            decoders[field.name] = lambda column: [_decode_evidence(value) for value in column]
        elif field.type == FrictionStatus:
            decoders[field.name] = lambda column: [FrictionStatus(value) for value in column]
    return decoders


_decode_evidence: Final = msgspec.json.Decoder(Evidence).decode
_FRICTION: Final = Table(
    FRICTIONS.name, tuple(column for column in FRICTIONS.columns if column.name in Friction.__struct_fields__)
)


def _structs(struct: type[_S], table: Table, columns: list[Sequence[Any]]) -> list[_S]:
    names = table.column_names
    decoders = _decoders(struct)
    decoded = [
        decoders[name](column) if name in decoders else column for name, column in zip(names, columns, strict=False)
    ]
    return [struct(**dict(zip(names, row, strict=True))) for row in zip(*decoded, strict=True)]


_COLUMNS = {column.name: column for column in TOUCHPOINTS.columns}
_TOUCHPOINT_SELECTION: Final = _selection(_COLUMNS[name] for name in (*TOUCHPOINT_FIELDS, *ADMISSION_FIELDS))
_TOUCHPOINT_DECODERS: Final = _decoders(Touchpoint)


def _touchpoints(columns: list[Sequence[Any]]) -> Iterator[AppliedTouchpoint]:
    contract = [
        _TOUCHPOINT_DECODERS[name](column) if name in _TOUCHPOINT_DECODERS else column
        for name, column in zip(TOUCHPOINT_FIELDS, columns, strict=False)
    ]
    admission = columns[len(TOUCHPOINT_FIELDS) :]
    for values, admitted in zip(zip(*contract, strict=True), zip(*admission, strict=True), strict=True):
        yield AppliedTouchpoint(Touchpoint(**dict(zip(TOUCHPOINT_FIELDS, values, strict=True))), *admitted)


def _keep_first(copies: dict[TouchpointKey, AppliedTouchpoint], applied: AppliedTouchpoint) -> None:
    """Of copies of a touchpoint keep the one that entered the log first."""
    seen = copies.get(applied.key)
    if seen is None or _log_order(applied) < _log_order(seen):
        copies[applied.key] = applied


def _log_order(applied: AppliedTouchpoint) -> tuple[int, int]:
    return (applied.ingestion_time, applied.origin_offset)
