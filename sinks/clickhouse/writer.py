"""Writes prepared blocks, and says what to do when that fails."""

import msgspec

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect, interrupt
from sinks.clickhouse.error_codes import Meaning
from sinks.clickhouse.errors import ANSWER_ERRORS, VALUE_ERRORS, RowsRefused, meaning, reason, understood
from sinks.clickhouse.rows import PreparedBlock
from sinks.clickhouse.schema_check import require_tables


class RefusedRow(msgspec.Struct, frozen=True):
    """A row that can never be written: its index in the block, and why. Holds no value of the row."""

    index: int
    reason: str


class Writer:
    """One connection of one thread that inserts synchronously: when `insert` returns, the rows are durable."""

    def __init__(self, address: ClickHouseAddress) -> None:
        self._address = address
        self._client = connect(address)

    def insert(self, block: PreparedBlock) -> None:
        """Write the block; repeating it, also with rows in between, changes nothing that analysts see.

        Raises:
            StoreUnavailable: nothing or all may be written; try the same block again.
            RowsRefused: a value is refused for good; see `bisect`.
            SchemaMismatch: tables or permissions are wrong; stop.

        """
        if block.rows == 0:
            return
        names = ", ".join(f"`{name}`" for name in block.column_names)
        try:
            self._client.execute(
                f"INSERT INTO `{block.table}` ({names}) VALUES",  # names come from tables.py
                block.columns,
                columnar=True,
                settings={"insert_deduplication_token": block.token},
            )
        except ANSWER_ERRORS as error:
            # A half-sent block or a half-read answer must not meet the next query.
            self._client.disconnect()
            if meaning(error) is Meaning.REFUSE:
                raise RowsRefused(block.table, reason(error)) from None
            raise understood(error, f"writing {block.table} to {self._address}") from error
        except VALUE_ERRORS as error:
            self._client.disconnect()
            raise RowsRefused(block.table, reason(error)) from None

    def bisect(self, block: PreparedBlock) -> tuple[RefusedRow, ...]:
        """Write every row that can be written, and return those that cannot, in the order of the block.

        Costs about two inserts per bad row and halving. Rows are refused only one by one, so a whole block that
        fails for a passing reason is written in the end.

        Raises:
            StoreUnavailable: try again; what was written meanwhile does no harm.
            SchemaMismatch: stop; also when the live schema differs from ours: then no row is to blame.

        """
        require_tables(self._client, self._address)
        refused: list[RefusedRow] = []
        open_ranges = [(0, block.rows)]
        while open_ranges:
            start, stop = open_ranges.pop()
            try:
                self.insert(block.part(start, stop))
            except RowsRefused as refusal:
                if stop - start == 1:
                    refused.append(RefusedRow(start, refusal.reason))
                else:
                    middle = (start + stop) // 2
                    open_ranges += [(middle, stop), (start, middle)]
        return tuple(refused)

    def interrupt(self) -> None:
        """Called from another thread: an insert that waits for an answer raises `StoreUnavailable` at once."""
        interrupt(self._client)

    def close(self) -> None:
        """Close the connection; a later insert opens it again."""
        self._client.disconnect()
