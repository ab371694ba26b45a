"""Reads back what a worker needs: touchpoints, links, what is published, deadlines, checkpoints, ledgers."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from schemas.erasure import ErasedIdentifier, ErasureReceipt
from schemas.identity import IdentityLink, LinkKind, PersonIdentifier
from schemas.rule_changes import RuleChange
from schemas.touchpoint import TOUCHPOINT_FIELDS, AppliedTouchpoint, Touchpoint, TouchpointKey
from sinks.clickhouse.alert_reader import AlertReader
from sinks.clickhouse.column_reader import FEW_KEYS, decoders, parts, selection, structs
from sinks.clickhouse.period_reader import PeriodReader
from sinks.clickhouse.records import Attempt, Checkpoint, DeadLetterRecord, Deadline
from sinks.clickhouse.rows import ADMISSION_FIELDS
from sinks.clickhouse.tables import (
    ATTEMPTS,
    CHECKPOINTS,
    DEAD_LETTERS,
    ERASED_IDENTIFIERS,
    ERASURE_RECEIPTS,
    FACTS,
    PERSON_IDENTIFIERS,
    RULE_CHANGES,
    TOUCHPOINTS,
)

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


class Reader(AlertReader, PeriodReader):
    """Everything that a worker reads, on one connection of one thread; see `ColumnReader` for what it raises."""

    def load_touchpoints(self, identity_hashes: Iterable[str]) -> dict[str, list[AppliedTouchpoint]]:
        """Touchpoints by the identity that owns them, each once, in the order in which they happened.

        Asks without FINAL; of several copies the one that entered the log first is taken, as FINAL would. Every hash
        asked for has an entry.
        """
        found: dict[str, dict[TouchpointKey, AppliedTouchpoint]] = {hash_: {} for hash_ in identity_hashes}
        sql = f"SELECT {_TOUCHPOINT_SELECTION} FROM touchpoints WHERE identity_hash IN %(keys)s"  # noqa: S608
        for keys in parts(found):
            for applied in _touchpoints(self.columns(sql, {"keys": keys}, "reading touchpoints")):
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
            for keys in parts(found):
                columns = self.columns(sql, {"keys": keys}, f"reading {table.name}")
                for person_key, id_, version in zip(*columns, strict=True):
                    found[person_key][kind][id_] = version
        return found

    def load_person_versions(self, person_keys: Iterable[str]) -> dict[str, int]:
        """Versions of the persons that are published and not withdrawn."""
        found: dict[str, int] = {}
        sql = "SELECT person_key, version FROM persons FINAL WHERE person_key IN %(keys)s AND is_deleted = 0"
        for keys in parts(dict.fromkeys(person_keys)):
            found.update(zip(*self.columns(sql, {"keys": keys}, "reading persons") or ((), ()), strict=True))
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
        for keys in parts(found):
            columns = self.columns(sql, {"keys": keys, "at_most": at_most}, "reading identity_links")
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
            f"SELECT {selection(PERSON_IDENTIFIERS.columns)} FROM person_identifiers FINAL"  # noqa: S608  # our own names
            " WHERE identifier IN %(keys)s"
        )
        for keys in parts(dict.fromkeys(identifiers)):
            columns = self.columns(sql, {"keys": keys}, "reading person_identifiers")
            for row in structs(PersonIdentifier, PERSON_IDENTIFIERS, columns):
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
            for keys in parts(keys_asked):
                columns = self.columns(sql, {"keys": keys}, f"reading {table.name}")
                for person_key, version in zip(*columns, strict=True):
                    found[person_key] = max(version, found.get(person_key, 0))
        return found

    def load_members(self, person_keys: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Identifiers that make up the persons that are published and not withdrawn."""
        found: dict[str, tuple[str, ...]] = {}
        sql = "SELECT person_key, identifiers FROM persons FINAL WHERE person_key IN %(keys)s AND is_deleted = 0"
        for keys in parts(dict.fromkeys(person_keys)):
            columns = self.columns(sql, {"keys": keys}, "reading persons")
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
        for keys in parts(dict.fromkeys(placeholders), FEW_KEYS):
            for some in parts(names, FEW_KEYS):
                columns = self.columns(sql, {"keys": keys, "names": list(some)}, "reading touchpoints")
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
            f"SELECT {selection(ERASED_IDENTIFIERS.columns)} FROM erased_identifiers FINAL"  # noqa: S608
            " WHERE identifier IN %(keys)s"
        )
        for keys in parts(dict.fromkeys(identifiers)):
            columns = self.columns(sql, {"keys": keys}, "reading erased_identifiers")
            found.update((row.identifier, row) for row in structs(ErasedIdentifier, ERASED_IDENTIFIERS, columns))
        return found

    def load_erased_by(self, requests: Iterable[TouchpointKey]) -> list[ErasedIdentifier]:
        """What these requests had erased, as far as no later one did."""
        erased: list[ErasedIdentifier] = []
        sql = (
            f"SELECT {selection(ERASED_IDENTIFIERS.columns)} FROM erased_identifiers FINAL"  # noqa: S608
            " WHERE tenant = %(tenant)s AND source = %(source)s AND id = %(id)s ORDER BY identifier"
        )
        for request in requests:
            columns = self.columns(sql, request._asdict(), "reading erased_identifiers")
            erased += structs(ErasedIdentifier, ERASED_IDENTIFIERS, columns)
        return erased

    def load_receipts(self, identifiers: Iterable[str]) -> list[ErasureReceipt]:
        """Receipts of erased identifiers, of all requests."""
        receipts: list[ErasureReceipt] = []
        sql = (
            f"SELECT {selection(ERASURE_RECEIPTS.columns)} FROM erasure_receipts FINAL"  # noqa: S608
            " WHERE identifier IN %(keys)s"
        )
        for keys in parts(dict.fromkeys(identifiers)):
            columns = self.columns(sql, {"keys": keys}, "reading erasure_receipts")
            receipts += structs(ErasureReceipt, ERASURE_RECEIPTS, columns)
        return receipts

    def load_friction_versions(self, person_keys: Iterable[str]) -> dict[tuple[str, str], int]:
        """The highest version that was ever written of a friction about persons, by person key and friction id."""
        found: dict[tuple[str, str], int] = {}
        sql = (
            "SELECT person_key, friction_id, max(version) FROM frictions WHERE person_key IN %(keys)s"
            " GROUP BY person_key, friction_id"
        )
        for keys in parts(dict.fromkeys(person_keys)):
            for person_key, id_, version in zip(*self.columns(sql, {"keys": keys}, "reading frictions"), strict=True):
                found[person_key, id_] = version
        return found

    def load_deadlines(self, partition: int) -> list[Deadline]:
        """Open deadlines of the persons that a partition owns, earliest first."""
        columns = self.columns(
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
        columns = self.columns(
            "SELECT person_key, tenant FROM persons FINAL"
            " WHERE partition = %(partition)s AND is_deleted = 0 AND merged_into = ''"
            " AND rule_changes < arrayCount(moment -> moment <= toUnixTimestamp64Milli(last_seen_at), %(moments)s)",
            {"partition": partition, "moments": list(moments)},
            "reading persons judged by earlier rules",
        )
        return dict(zip(*columns, strict=True)) if columns else {}

    def load_rule_changes(self) -> list[RuleChange]:
        """Changes to the rules that workers took, of each version the last one published."""
        columns = self.columns(
            f"SELECT {selection(RULE_CHANGES.columns)} FROM rule_changes FINAL ORDER BY rule_id, version",  # noqa: S608
            {},
            "reading rule changes",
        )
        return structs(RuleChange, RULE_CHANGES, columns)

    def load_checkpoints(self, consumer_group: str) -> list[Checkpoint]:
        """Checkpoints of a consumer group over all topics and their incarnations."""
        columns = self.columns(
            f"SELECT {selection(CHECKPOINTS.columns)} FROM checkpoints FINAL"  # noqa: S608  # our own names
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
        columns = self.columns(
            f"SELECT {selection(ATTEMPTS.columns)} FROM attempts FINAL"  # noqa: S608  # our own names
            " WHERE consumer_group = %(group)s AND topic = %(topic)s ORDER BY ALL",
            {"group": consumer_group, "topic": topic},
            "reading attempts",
        )
        return structs(Attempt, ATTEMPTS, columns)

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

    def _dead_letters(self, condition: str, parameters: dict[str, object]) -> list[DeadLetterRecord]:
        sql = f"SELECT {selection(DEAD_LETTERS.columns)} FROM dead_letters FINAL WHERE {condition}"  # noqa: S608
        columns = self.columns(sql, parameters, "reading dead letters")
        return structs(DeadLetterRecord, DEAD_LETTERS, columns)


_COLUMNS = {column.name: column for column in TOUCHPOINTS.columns}
_TOUCHPOINT_SELECTION: Final = selection(_COLUMNS[name] for name in (*TOUCHPOINT_FIELDS, *ADMISSION_FIELDS))
_TOUCHPOINT_DECODERS: Final = decoders(Touchpoint)


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
