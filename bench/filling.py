"""Tables as full as asked for: a month of a generated company goes through the pipeline once, and SQL multiplies it.

What the worker wrote is read back: the rows that count, and how many it wrote until they did. Each copy of them has
persons, ids and hashes of its own, and happened some weeks earlier than the month itself. The same numbers give the
same rows.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from clickhouse_driver import Client

from bench.load import fill, make_load
from bench.site import running_site
from bench.workers import Kind, running_workers
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.migrator import migrate
from sinks.clickhouse.rows import PreparedBlock
from sinks.clickhouse.tables import (
    EFFORT_POSTINGS,
    FRICTIONS,
    IDENTITY_LINKS,
    JOURNEYS,
    PERSON_IDENTIFIERS,
    PERSONS,
    SESSIONS,
    TOUCHPOINTS,
    Column,
    Table,
)
from sinks.clickhouse.writer import Writer
from streams.store import clickhouse_address

#: What is copied. The company's customers have one identity each: what joins several is made beside it.
COPIED: Final = (TOUCHPOINTS, PERSONS, SESSIONS, JOURNEYS, FRICTIONS, EFFORT_POSTINGS)
FILLED: Final = (*COPIED, IDENTITY_LINKS, PERSON_IDENTIFIERS)
#: Where the month lies that is multiplied.
SEED: Final = "seed"
_PARTITIONS: Final = 4
_PEPPER: Final = "5" * 64
_WEEKS_BETWEEN: Final = 4
#: Of touchpoints, in one statement: what ClickHouse makes a part of, by default.
_PER_STATEMENT: Final = 1_000_000
_PATIENCE_S: Final = 1_800.0
_RECENTLY: Final = f"(SELECT max(event_time) FROM {SEED}.touchpoints) - toIntervalDay(2)"

_HASH_CHARACTERS: Final = 32
#: A hash, or a text that ends in one, such as namespace:hash.
_HASHED: Final = {
    "identity_hash", "identities", "person_key", "merged_into", "identifiers", "session_id", "journey_id",
    "friction_id", "posting_id",
}  # fmt: skip
#: An id of a producer, or a text that ends in one, such as tenant/source/id.
_NUMBERED: Final = {
    "id", "thread_id", "reply_to", "caused_by", "promise_id", "objects", "touchpoint_keys", "voucher",
    "first_touchpoint", "last_touchpoint",
}  # fmt: skip

Tell = Callable[[str], None]


class Month(NamedTuple):
    """Rows that count after a month of a company, as columns; and rows written for them, each by table."""

    touchpoints: int
    columns: Mapping[str, tuple[Sequence[Any], ...]]
    written: Mapping[str, int]

    def rows(self, table: Table) -> int:
        """Rows of a table that count."""
        columns = self.columns[table.name]
        return len(columns[0]) if columns else 0


def make_month(events: int, persons: int, *, seed: int, start: int, tell: Tell) -> Month:
    """Send a generated company through a broker, a worker and a ClickHouse of its own, and read what came out."""
    load = make_load(events, persons, seed=seed, start=start, partitions=_PARTITIONS)
    with running_site("embedded", _PARTITIONS) as site:
        # The same hashes each time, so that tables that were kept fit to what is copied into them later.
        site.settings.pepper_path.write_text(_PEPPER, encoding="utf-8")
        site.ask("SYSTEM STOP MERGES")
        fill(site.settings.kafka, load.records)
        with running_workers(Kind.WHOLE, site) as workers:
            workers.drain(_PATIENCE_S, tell)
            workers.end()
        client = connect(clickhouse_address(site.settings.clickhouse))
        try:
            return read_month(client)
        finally:
            client.disconnect()


def read_month(client: Client) -> Month:
    """What there is of a company in tables that were empty before, and in which nothing was merged."""
    columns = {table.name: _counting(client, table) for table in COPIED}
    written = {table.name: int(client.execute(f"SELECT count() FROM {table.name}")[0][0]) for table in COPIED}
    return Month(len(columns[TOUCHPOINTS.name][0]), columns, written)


def _counting(client: Client, table: Table) -> tuple[Sequence[Any], ...]:
    selected = ", ".join(
        f"toUnixTimestamp64Milli(`{column.name}`)" if column.is_time else f"`{column.name}`" for column in table.columns
    )
    is_there = " WHERE is_deleted = 0" if "is_deleted" in table.column_names else ""
    return tuple(client.execute(f"SELECT {selected} FROM {table.name} FINAL{is_there}", columnar=True))


def block_of(table: Table, columns: Sequence[Sequence[Any]], token: str) -> PreparedBlock:
    """Rows as the worker would write them: without columns in which nothing is said."""
    said = [
        (column.name, values)
        for column, values in zip(table.columns, columns, strict=True)
        if any(value not in (column.default, [], None) for value in values)
    ]
    return PreparedBlock(table.name, tuple(name for name, _ in said), tuple(values for _, values in said), token)


class Filler:
    """Fills the tables of a ClickHouse whose schema is ours; the month lies in a database of its own beside them."""

    def __init__(self, address: ClickHouseAddress, month: Month, months: int) -> None:
        self._month = month
        self._months = months
        self._client = connect(address)
        seed = dataclasses.replace(address, database=SEED)
        migrate(seed)
        writer = Writer(seed)
        for table in COPIED:
            self._client.execute(f"TRUNCATE TABLE {SEED}.{table.name}")
            if month.rows(table):
                writer.insert(block_of(table, month.columns[table.name], table.name))
        writer.close()

    def fill(self, touchpoints: int, tell: Tell) -> int:
        """Copy the month until there are at least so many touchpoints; returns how many copies there are."""
        copies = -(-touchpoints // self._month.touchpoints)
        step = max(1, _PER_STATEMENT // self._month.touchpoints)
        for first in range(0, copies, step):
            tell(f"{first * self._month.touchpoints:,} of {touchpoints:,} touchpoints")
            numbers = {"first": first, "copies": min(step, copies - first), "months": self._months, "every": 1}
            for sql in (*(_insert_sql(table, _copied) for table in COPIED), _LINKS_SQL, _IDENTIFIERS_SQL):
                self._client.execute(sql, numbers)
        return copies

    def flush(self, number: int, touchpoints: int, copies: int) -> None:
        """Write what a worker writes at once, one insert for each table: touchpoints, and what changed with them.

        Touchpoints are new ones of the month's last days, facts are newer versions of some that are there.
        """
        recent = -(-copies // self._months)
        for table in COPIED:
            wanted = touchpoints * self._month.written[table.name] / self._month.touchpoints
            seeds = self._recent_touchpoints() if table is TOUCHPOINTS else self._month.rows(table)
            if wanted < 1 or not seeds:
                continue
            one_in = max(1, round(seeds * recent / wanted))
            conditions = [f"modulo(sipHash64(seed.{_key(table)}, copy, {number}), {one_in}) = 0"]
            if table is TOUCHPOINTS:
                conditions.append(f"seed.event_time >= {_RECENTLY}")
            sql = _insert_sql(table, lambda column: _newer(column, number)) + f" AND {' AND '.join(conditions)}"
            self._client.execute(sql % {"first": 0, "copies": recent, "months": 1, "every": self._months})

    def _recent_touchpoints(self) -> int:
        ((count,),) = self._client.execute(f"SELECT count() FROM {SEED}.touchpoints WHERE event_time >= {_RECENTLY}")
        return int(count)


def _key(table: Table) -> str:
    return "id" if table is TOUCHPOINTS else table.columns[1].name


def _insert_sql(table: Table, of: Callable[[Column], str]) -> str:
    names = ", ".join(f"`{column.name}`" for column in table.columns)
    values = ", ".join(of(column) for column in table.columns)
    return (
        f"INSERT INTO {table.name} ({names})"
        " WITH copies.number * %(every)s AS copy,"
        f" toIntervalWeek({_WEEKS_BETWEEN} * (copy %% %(months)s)) AS earlier"
        f" SELECT {values} FROM numbers(%(first)s, %(copies)s) AS copies CROSS JOIN {SEED}.{table.name} AS seed"
        " WHERE 1"
    )


def _copied(column: Column) -> str:
    """A column of a copy, in SQL: `copy` is its number, `earlier` how much earlier it happened."""
    name = f"seed.`{column.name}`"
    if column.name in {"identity_hash", "identities"}:
        return _of_cookie(column, name)
    if column.is_time:
        return f"{name} - earlier"
    if column.name in _HASHED:
        return _each(column, name, _hashed)
    if column.name in _NUMBERED:
        return _each(column, name, lambda text: f"if({text} = '', '', concat({text}, '-', toString(copy)))")
    match column.name:
        case "evidence":
            return f"replaceRegexpAll({name}, '\"default/[^\"]+', concat('\\\\0-', toString(copy)))"
        case "ingest_version":
            return "18446744073709551615 - toUnixTimestamp64Milli(seed.ingestion_time - earlier)"
        case _:
            return name


def _of_cookie(column: Column, name: str) -> str:
    """Half of what a customer does who has a cookie too is known by the cookie alone."""
    customer, copied = _hashed("seed.identity_hash"), _each(column, name, _hashed)
    cookie = _COOKIE.format(customer=customer)
    own = f"[concat('cookie:', {cookie})]" if column.name == "identities" else cookie
    return f"if({_HAS_COOKIE.format(customer=customer)} AND modulo(sipHash64(seed.id), 2) = 0, {own}, {copied})"


def _newer(column: Column, number: int) -> str:
    match column.name:
        case "id":
            return f"concat({_copied(column)}, '-{number}')"
        case "version":
            return f"seed.version + 1 + {number}"
        case _:
            return _copied(column)


def _each(column: Column, name: str, of: Callable[[str], str]) -> str:
    return f"arrayMap(one -> {of('one')}, {name})" if column.type.startswith("Array") else of(name)


def _hashed(text: str) -> str:
    own = f"lower(hex(sipHash128(right({text}, {_HASH_CHARACTERS}), copy)))"
    return f"if({text} = '', '', concat(substring({text}, 1, length({text}) - {_HASH_CHARACTERS}), {own}))"


#: Of customers, as many have a cookie too, and one in so many is nobody's placeholder, or refuses another identity.
_HAS_COOKIE: Final = "modulo(sipHash64({customer}), 2) = 0"
_PLACEHOLDER: Final = "modulo(sipHash64({customer}, 1), 20000) = 0"
_REFUSES: Final = "modulo(sipHash64({customer}, 2), 1000) = 0"
_COOKIE: Final = "lower(hex(sipHash128({customer}, 'cookie')))"
_CUSTOMERS: Final = f"""
WITH copies.number * %(every)s AS copy, toIntervalWeek({_WEEKS_BETWEEN} * (copy %% %(months)s)) AS earlier,
    {_hashed("seed.person_key")} AS customer, {_COOKIE.format(customer="customer")} AS cookie,
    [(customer, concat('customer_no:', customer)), (cookie, concat('cookie:', cookie))] AS identities
"""
_OF_CUSTOMERS: Final = f"""
FROM numbers(%(first)s, %(copies)s) AS copies CROSS JOIN {SEED}.persons AS seed ARRAY JOIN identities AS own
WHERE {_HAS_COOKIE.format(customer="customer")}
"""
_IDENTIFIERS_SQL: Final = f"""
INSERT INTO person_identifiers
    (tenant, identifier, identity, person_key, epoch, is_placeholder, companions, refused, version)
{_CUSTOMERS}
SELECT seed.tenant, own.1, own.2, customer, 1, {_PLACEHOLDER.format(customer="own.1")}, 1,
    if({_REFUSES.format(customer="own.1")}, [concat('limit email:', lower(hex(sipHash128(own.1, 'other'))))], []), 1
{_OF_CUSTOMERS}
"""
_LINKS_SQL: Final = f"""
INSERT INTO identity_links (tenant, identifier, other_identifier, identity, other, kind, event_time, source, id,
    ingestion_time, ingest_version)
{_CUSTOMERS}
SELECT seed.tenant, own.1, other.1, own.2, other.2, 'seen', seed.first_seen_at - earlier AS at, 'web',
    concat('link-', customer), at, 18446744073709551615 - toUnixTimestamp64Milli(at)
{_OF_CUSTOMERS.replace("AS own", "AS own, arrayReverse(identities) AS other")}
"""
