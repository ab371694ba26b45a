"""ClickHouse as an analyst asks it: over HTTP, read-only, one database."""

import http.client
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from sinks.clickhouse.eraser import STORES
from sinks.clickhouse.tables import FACTS

_NAMES_PER_QUESTION = 2_000
#: As many as ClickHouse looks for at once.
_WORDS_PER_QUESTION = 255
#: Columns that tell how a row came about, not what it says.
_NOT_BUSINESS = {"version", "is_deleted", "partition"}

Row = dict[str, Any]
_ROWS = msgspec.json.Decoder(Row)


class HttpTables:
    """Questions to one database. Raises `OSError` while ClickHouse is away."""

    def __init__(self, port: int, database: str, within_s: float) -> None:
        self._port = port
        self._within_s = within_s
        self._path = f"/?{urlencode({'database': database, 'default_format': 'JSONEachRow'})}"

    def query(self, sql: str) -> list[Row]:
        """Rows of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._within_s)
        try:
            connection.request("POST", self._path, body=sql.encode())
            answer = connection.getresponse()
            body = answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(f"ClickHouse hung up: {error!r}") from error
        finally:
            connection.close()
        assert answer.status == 200, f"{body.decode(errors='replace')[:500]}\nasked: {sql[:500]}"
        return _ROWS.decode_lines(body)

    def value(self, sql: str) -> Any:
        """The one value of the answer."""
        (row,) = self.query(sql)
        (value,) = row.values()
        return value

    def present(self, names: Iterable[str]) -> set[str]:
        """Those of these touchpoints (tenant/source/id) that are in the base table."""
        wanted = sorted(set(names))
        found: set[str] = set()
        for start in range(0, len(wanted), _NAMES_PER_QUESTION):
            part = json.dumps(wanted[start : start + _NAMES_PER_QUESTION])[1:-1].replace("'", "\\'").replace('"', "'")
            rows = self.query(
                f"SELECT DISTINCT concat(tenant, '/', source, '/', id) AS name FROM touchpoints WHERE name IN ({part})"
            )
            found.update(row["name"] for row in rows)
        return found

    def dead_places(self) -> list[str]:
        """Places in the raw topic, as partition/offset, of all dead letters."""
        rows = self.query("SELECT concat(toString(partition), '/', toString(offset)) AS place FROM v_dead_letters")
        return [row["place"] for row in rows]

    def versions(self, kind: str) -> dict[str, int]:
        """By id the version of every fact of a kind that a reader finds, of withdrawn ones too."""
        table, id_column = FACTS[kind]
        rows = self.query(f"SELECT {id_column} AS id, version FROM {table.name} FINAL")
        return {row["id"]: int(row["version"]) for row in rows}

    def naming(self, words: Sequence[str]) -> dict[str, int]:
        """Tables of which rows, also such as are out of date, hold one of these words, and in how many rows."""
        found: Counter[str] = Counter()
        for start in range(0, len(words), _WORDS_PER_QUESTION):
            some = ", ".join(f"'{word}'" for word in words[start : start + _WORDS_PER_QUESTION])
            for table in STORES:
                found[table] += int(
                    self.value(f"SELECT count() FROM {table} WHERE multiSearchAny(toString(tuple(*)), [{some}])")
                )
        return {table: rows for table, rows in found.items() if rows}

    def published(self, kind: str) -> dict[str, Row]:
        """What the view of a kind says, by id: business columns alone, times as UTC milliseconds."""
        table, id_column = FACTS[kind]
        columns = [column for column in table.columns if column.name not in _NOT_BUSINESS]
        selection = ", ".join(
            f"toUnixTimestamp64Milli({column.name}) AS {column.name}" if column.is_time else column.name
            for column in columns
        )
        times = [column.name for column in columns if column.is_time]
        rows = self.query(f"SELECT {selection} FROM v_{table.name}")
        for row in rows:
            row.update({name: None if row[name] is None else int(row[name]) for name in times})
        return {row[id_column]: row for row in rows}


def business_columns(row: Row) -> Row:
    """The same columns of a row as the writer sends it, in JSON's types."""
    return {name: _plain(value) for name, value in row.items() if name not in _NOT_BUSINESS}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, str) else value
