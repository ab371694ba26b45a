"""Extracts as tables: CSV that no spreadsheet runs, and Parquet with types."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl
from polars.io.plugins import register_io_source

from sinks.csv_cells import defused
from sinks.exports.extract import PART_ROWS, Column, Extract, Kind, Row
from sinks.exports.files import bytes_written

#: What stands between the texts of one CSV cell.
_BETWEEN: Final = " | "
_TYPES: Final[dict[Kind, Any]] = {
    Kind.TEXT: pl.String,
    Kind.TEXTS: pl.List(pl.String),
    Kind.WHOLE: pl.Int64,
    Kind.NUMBER: pl.Float64,
    Kind.FLAG: pl.Boolean,
    Kind.TIME: pl.Int64,
}


def write_csv(extract: Extract, part: Path, *, compressed: bool = False) -> None:
    """A header, then a line for each row; times are ISO 8601 in UTC, several texts of a cell stand between bars.

    A text that a spreadsheet would run as a formula has an apostrophe in front.
    """
    with bytes_written(part, compressed=compressed) as file:
        _csv_block(extract.columns, [], file, with_header=True)
        for block in extract.blocks:
            _csv_block(extract.columns, block, file, with_header=False)


def write_parquet(extract: Extract, part: Path) -> None:
    """Row groups of what is read at once; times are milliseconds in UTC, several texts are a list.

    Raises what reading the blocks raises.
    """
    raised: list[Exception] = []

    def frames(
        _columns: list[str] | None, _predicate: pl.Expr | None, _rows: int | None, _batch: int | None
    ) -> Iterator[pl.DataFrame]:
        try:
            for block in extract.blocks:
                yield _frame(extract.columns, block)
        except Exception as error:
            # Polars would wrap it into an error of its own.
            raised.append(error)
            raise

    schema = _frame(extract.columns, []).schema
    try:
        register_io_source(frames, schema=dict(schema)).sink_parquet(part, compression="zstd", row_group_size=PART_ROWS)
    except Exception:
        if raised:
            raise raised[0] from None
        raise


def _frame(columns: Sequence[Column], block: Sequence[Row]) -> pl.DataFrame:
    schema = {column.name: _TYPES[column.kind] for column in columns}
    times = [pl.col(column.name).cast(pl.Datetime("ms", "UTC")) for column in columns if column.kind is Kind.TIME]
    return pl.DataFrame(block, schema=schema, orient="row").with_columns(times)


def _csv_block(columns: Sequence[Column], block: Sequence[Row], file: Any, *, with_header: bool) -> None:
    cells = [tuple(_cell(column.kind, value) for column, value in zip(columns, row, strict=True)) for row in block]
    schema = {column.name: pl.String if column.kind is Kind.TEXTS else _TYPES[column.kind] for column in columns}
    times = [
        pl.col(column.name).cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        for column in columns
        if column.kind is Kind.TIME
    ]
    frame = pl.DataFrame(cells, schema=schema, orient="row").with_columns(times)
    frame.write_csv(file, include_header=with_header)


def _cell(kind: Kind, value: Any) -> Any:
    if kind is Kind.TEXT:
        return defused(value)
    if kind is Kind.TEXTS:
        return defused(_BETWEEN.join(value))
    return value
