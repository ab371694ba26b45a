"""Keeps rollups right: what a rollup should hold is asked of its base, and cells that differ are written anew.

Nothing is counted up. A rollup is a function of the rows that count in its base, which a query beside this module
states; what differs from that query's answer is by definition out of date, whatever made it so: a late touchpoint that
changes a day three weeks ago, a withdrawn friction, a merged or an erased person, or somebody's hand. So the affected
days need no book-keeping, and the rebuilding and the self-check are the same comparison. It costs as much as asking the
base for all days once: see docs/performance-sink.md.

Two that rebuild at the same time write the same. One that saw less and came last is corrected by the next rebuilding.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, Final

import msgspec
from clickhouse_driver import Client

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.errors import ANSWER_ERRORS, understood
from sinks.clickhouse.tables import CONTACTS, FRICTION_HOURLY, JOURNEY_DAILY, Table

_BOOK_KEEPING: Final = ("version", "is_deleted")


class Rollup(msgspec.Struct, frozen=True):
    """A rollup: its table, which columns name a cell (the second says when), and what is told of each."""

    table: Table
    keys: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the table."""
        return self.table.name

    @property
    def at(self) -> str:
        """The column that says which hour or day it is."""
        return self.keys[1]

    @property
    def values(self) -> tuple[str, ...]:
        """What is told of a cell; whole numbers, whose sums do not depend on the order of rows."""
        return tuple(name for name in self.table.column_names if name not in (*self.keys, *_BOOK_KEEPING))

    @property
    def base(self) -> str:
        """The query that says what the rollup should hold."""
        return files(__package__).joinpath(f"{self.name}.sql").read_text(encoding="utf-8")


ROLLUPS: Final = (
    Rollup(
        FRICTION_HOURLY,
        ("tenant", "hour", "rule_id", "variant", "status", "team", "topic", "from_channel", "to_channel"),
    ),
    Rollup(
        JOURNEY_DAILY,
        ("tenant", "day", "topic", "first_channel", "last_channel", "status", "outcome", "last_step"),
    ),
    Rollup(CONTACTS, ("tenant", "started_at", "contact_id")),
)


class Differing(msgspec.Struct, frozen=True):
    """A day of a tenant on which a rollup is not what its base says: how many cells are missing, other, or too many."""

    rollup: str
    tenant: str
    day: str
    missing: int
    other: int
    too_many: int


#: Every cell of which the base or the rollup knows something else, with what the base says; where the cell is one too
#: many, with what the rollup said: whose contact it was, so that it is found when that person is erased.
_CELLS = """
SELECT {keys}, argMax(cell, is_base) AS told, max(is_base) AS is_in_base, min(is_base) = 0 AS is_in_rollup
FROM (
    SELECT {keys}, ({values}) AS cell, true AS is_base FROM ({base})
    UNION ALL
    SELECT {keys}, ({values}) AS cell, false AS is_base FROM {table} FINAL WHERE is_deleted = 0
)
GROUP BY {keys}
HAVING NOT is_in_base OR NOT is_in_rollup OR told != anyIf(cell, NOT is_base)
"""
_DIFFERING = """
SELECT tenant, toString(toDate({at})) AS day, countIf(NOT is_in_rollup), countIf(is_in_base AND is_in_rollup),
    countIf(NOT is_in_base)
FROM {found} GROUP BY tenant, day ORDER BY tenant, day
"""
#: The version is one more than any before, those of cells that are gone among them, which FINAL does not show.
#: What differs is found once, and told and written from there: finding it is what costs.
_FIND = "CREATE TEMPORARY TABLE differing_cells AS {cells}"
#: The version is one more than any before, those of cells that are gone among them, which FINAL does not show.
_REBUILD = """
INSERT INTO {table} ({keys}, {values}, version, is_deleted)
SELECT {keys}, {told}, (SELECT max(version) FROM {table}) + 1, NOT is_in_base FROM differing_cells
"""
_ERASED = """
SELECT DISTINCT person_key FROM {table} WHERE person_key IN (SELECT identifier FROM erased_identifiers)
"""
_FORGET = "ALTER TABLE {table} DELETE WHERE person_key IN %(erased)s SETTINGS mutations_sync = 2"


def differing_days(address: ClickHouseAddress, rollup: Rollup) -> list[Differing]:
    """Days on which a rollup differs from its base, in order; empty when it is right.

    What was written to the base since the rollup was last rebuilt differs too.

    Raises:
        StoreUnavailable: ClickHouse does not answer.
        SchemaMismatch: tables or permissions are wrong.

    """
    with _asking(address, rollup) as ask:
        return _told(rollup, ask(_DIFFERING.replace("{found}", f"({_CELLS})")))


def rebuild(address: ClickHouseAddress, rollup: Rollup) -> list[Differing]:
    """Write the cells that differ from the base anew, and return the days that they were in.

    Raises:
        StoreUnavailable: ClickHouse does not answer; all, some or nothing was rebuilt, and the next time does the rest.
        SchemaMismatch: tables or permissions are wrong.

    """
    with _asking(address, rollup) as ask:
        ask(_FIND.replace("{cells}", _CELLS))
        found = _told(rollup, ask(_DIFFERING.replace("{found}", "differing_cells")))
        if found:
            ask(_REBUILD)
        if found and "person_key" in rollup.values:
            # Somebody may have been erased between the reading and the writing.
            erased = tuple(person for (person,) in ask(_ERASED))
            if erased:
                ask(_FORGET, {"erased": erased})
        return found


def _told(rollup: Rollup, rows: list[Any]) -> list[Differing]:
    return [Differing(rollup.name, *row) for row in rows]


@contextmanager
def _asking(address: ClickHouseAddress, rollup: Rollup) -> Iterator[Callable[..., list[Any]]]:
    """Statements about a rollup over one connection."""
    client: Client = connect(address)

    def ask(sql: str, parameters: dict[str, Any] | None = None) -> list[Any]:
        rows: list[Any] = client.execute(_filled(rollup, sql), parameters)
        return rows

    try:
        yield ask
    except ANSWER_ERRORS as error:
        raise understood(error, f"rebuilding {rollup.name} at {address}") from error
    finally:
        client.disconnect()


def _filled(rollup: Rollup, sql: str) -> str:
    """A statement about a rollup; all names in it are ours."""
    return sql.format(
        table=rollup.name,
        at=rollup.at,
        keys=", ".join(rollup.keys),
        values=", ".join(rollup.values),
        told=", ".join(f"told.{place} AS {name}" for place, name in enumerate(rollup.values, 1)),
        base=rollup.base,
    )
