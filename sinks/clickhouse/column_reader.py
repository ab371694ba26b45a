"""One connection that reads, and what comes back: columns, and structs made of them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

import msgspec

from schemas.outputs import Evidence, FrictionStatus
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect, interrupt
from sinks.clickhouse.errors import ANSWER_ERRORS, understood
from sinks.clickhouse.schema_check import require_tables
from sinks.clickhouse.tables import Column, Table

_S = TypeVar("_S", bound=msgspec.Struct)

#: Keys in one statement: 36 characters each, and ClickHouse takes 256 KiB.
_KEYS_PER_QUERY: Final = 5_000
#: Where a statement holds them twice, or with something beside.
FEW_KEYS: Final = 1_000


class ColumnReader:
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

    def interrupt(self) -> None:
        """Called from another thread: a question that waits for an answer raises `StoreUnavailable` at once."""
        interrupt(self._client)

    def close(self) -> None:
        """Close the connection; a later question opens it again."""
        self._client.disconnect()

    def columns(self, sql: str, parameters: dict[str, object], action: str) -> list[Sequence[Any]]:
        """Answer of a query, column by column; `[]` when there is no row. Errors say of which `action`."""
        try:
            columns: list[Sequence[Any]] = self._client.execute(sql, parameters, columnar=True)
        except ANSWER_ERRORS as error:
            self._client.disconnect()
            raise understood(error, f"{action} from {self._address}") from error
        return columns


def parts(keys: Iterable[str], size: int = _KEYS_PER_QUERY) -> Iterator[tuple[str, ...]]:
    """Keys in parts that fit into a statement."""
    all_keys = tuple(keys)
    for start in range(0, len(all_keys), size):
        yield all_keys[start : start + size]


def selection(columns: Iterable[Column]) -> str:
    """What a query selects to get these columns; times as UTC milliseconds."""
    # Times travel as integers: the driver's datetimes are slow, and go through floating point.
    return ", ".join(
        f"toUnixTimestamp64Milli(`{column.name}`)" if column.is_time else f"`{column.name}`" for column in columns
    )


def decoders(struct: type[msgspec.Struct]) -> dict[str, Callable[[Sequence[Any]], Sequence[Any]]]:
    """How columns become values of the struct's fields, where they are not already."""
    by_field: dict[str, Callable[[Sequence[Any]], Sequence[Any]]] = {}
    for field in msgspec.structs.fields(struct):
        if field.type == str | None:
            by_field[field.name] = lambda column: [value or None for value in column]
        elif field.type == tuple[str, ...]:
            by_field[field.name] = lambda column: [tuple(value) for value in column]
        elif field.type == Evidence:
            by_field[field.name] = lambda column: [_decode_evidence(value) for value in column]
        elif field.type == FrictionStatus:
            by_field[field.name] = lambda column: [FrictionStatus(value) for value in column]
    return by_field


_decode_evidence: Final = msgspec.json.Decoder(Evidence).decode


def structs(struct: type[_S], table: Table, columns: list[Sequence[Any]]) -> list[_S]:
    """Structs of the rows of a table whose columns were selected."""
    names = table.column_names
    decode = decoders(struct)
    decoded = [decode[name](column) if name in decode else column for name, column in zip(names, columns, strict=False)]
    return [struct(**dict(zip(names, row, strict=True))) for row in zip(*decoded, strict=True)]
