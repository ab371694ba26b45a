"""Reads what happened in a period: whoever derives anew what was published asks for it, range by range."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from schemas.outputs import Friction
from sinks.clickhouse.column_reader import ColumnReader, parts, selection, structs
from sinks.clickhouse.tables import FRICTIONS, Table

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
_FRICTION: Final = Table(
    FRICTIONS.name, tuple(column for column in FRICTIONS.columns if column.name in Friction.__struct_fields__)
)


class PeriodReader(ColumnReader):
    """What happened, and what is published of it."""

    def load_key_ranges(self, period: Period, touchpoints: int) -> list[KeyRange]:
        """Ranges that cover all hashes, each with about so many touchpoints of those to whom something happened then.

        A range is never smaller than a 65,536th of all hashes.
        """
        cuts, held = [""], 0
        parameters = {"characters": _PREFIX, **period._asdict()}
        columns = self.columns(_KEY_RANGES_SQL, parameters, "reading touchpoints")
        for prefix, count in zip(*columns or ((), ()), strict=True):
            if held and held + count > touchpoints:
                cuts.append(prefix)
                held = 0
            held += count
        return [KeyRange(*ends) for ends in zip(cuts, [*cuts[1:], ""], strict=True)]

    def load_owners(self, keys: KeyRange) -> dict[str, str]:
        """Identifiers in a range that are or may be persons of their own, with their tenants; not those erased."""
        columns = self.columns(_OWNERS_SQL, keys._asdict(), "reading touchpoints")
        return dict(zip(*columns or ((), ()), strict=True))

    def load_active(self, identity_hashes: Iterable[str], period: Period) -> set[str]:
        """Those of the identities under which something happened in a period."""
        found: set[str] = set()
        for keys in parts(dict.fromkeys(identity_hashes)):
            columns = self.columns(_ACTIVE_SQL, {"keys": keys, **period._asdict()}, "reading touchpoints")
            found.update(*columns)
        return found

    def load_kinds(self, period: Period) -> dict[str, int]:
        """How often each kind of touchpoint that rules may judge happened in a period."""
        return dict(zip(*self.columns(_KINDS_SQL, period._asdict(), "reading touchpoints") or ((), ()), strict=True))

    def load_last_judged(self, person_keys: Iterable[str]) -> dict[str, LastJudged]:
        """When persons have to be judged again, of those who are published and not withdrawn."""
        found: dict[str, LastJudged] = {}
        sql = (
            "SELECT person_key, partition, toUnixTimestamp64Milli(next_deadline) FROM persons FINAL"
            " WHERE person_key IN %(keys)s AND is_deleted = 0"
        )
        for keys in parts(dict.fromkeys(person_keys)):
            for key, *row in zip(*self.columns(sql, {"keys": keys}, "reading persons"), strict=True):
                found[key] = LastJudged(*row)
        return found

    def load_watermarks(self, topic: str) -> dict[int, int]:
        """Partition to the latest event time that a checkpoint of a topic says it reached, in any of its lives."""
        columns = self.columns(
            "SELECT partition, toUnixTimestamp64Milli(max(watermark)) FROM checkpoints"
            " WHERE topic = %(topic)s AND watermark IS NOT NULL GROUP BY partition",
            {"topic": topic},
            "reading checkpoints",
        )
        return dict(zip(*columns or ((), ()), strict=True))

    def load_friction_ids(self, keys: KeyRange, period: Period) -> list[str]:
        """Frictions of persons in a range with their anchor in a period, published and not withdrawn, sorted."""
        columns = self.columns(_FRICTION_IDS_SQL, {**keys._asdict(), **period._asdict()}, "reading frictions")
        return list(columns[0]) if columns else []

    def load_frictions(self, friction_ids: Iterable[str]) -> list[Friction]:
        """Frictions as they are published and not withdrawn."""
        frictions: list[Friction] = []
        sql = (
            f"SELECT {selection(_FRICTION.columns)} FROM frictions FINAL"  # noqa: S608
            " WHERE friction_id IN %(keys)s AND is_deleted = 0 ORDER BY friction_id"
        )
        for keys in parts(dict.fromkeys(friction_ids)):
            frictions += structs(Friction, _FRICTION, self.columns(sql, {"keys": keys}, "reading frictions"))
        return frictions
