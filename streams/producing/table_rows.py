"""Rows of CSV, JSON-lines and Parquet files, one at a time, numbered as people count them."""

import csv
import gzip
import io
import itertools
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, cast

import msgspec
import polars as pl

from schemas.codec import MAX_VALUE_BYTES
from schemas.json_form import ContractError
from streams.producing.contract_fields import closest
from streams.producing.jsonl import parse_json, read_numbered_lines
from streams.producing.mapping import CsvShape
from streams.producing.transfer import Refusal

Format = Literal["csv", "jsonl", "parquet"]

_GZIP_MAGIC: Final = b"\x1f\x8b"
_SUFFIXES: Final[dict[str, Format]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}
_PARQUET_CHUNK: Final = 10_000
_PROGRESS_ROWS: Final = 1_000


class TableError(ValueError):
    """A file cannot be read as a table; the message names the file and why."""


class Row(msgspec.Struct, frozen=True):
    """Values by column, and the line (CSV, JSON lines) or row (Parquet) they are from, counted from 1."""

    number: int
    values: dict[str, Any]


class Table:
    """A file of rows, open for reading once.

    `columns` is `None` where rows may differ (JSON lines). `on_bytes` gets how much of the file was read, in bytes of
    the file as it lies on disk, now and then.

    Raises:
        TableError: the file cannot be opened, or its header is no header.

    """

    def __init__(
        self, path: Path, format_: Format | None, shape: CsvShape, on_bytes: Callable[[int], None] | None = None
    ) -> None:
        self._path = path
        self._shape = shape
        self._on_bytes = on_bytes or (lambda _position: None)
        self._stack = ExitStack()
        self.columns: tuple[str, ...] | None = None
        try:
            self._rows = self._open(format_ or _format_of(path))
        except BaseException:
            self._stack.close()
            raise

    def require(self, columns: set[str]) -> None:
        """Check that the file has these columns.

        Raises:
            TableError: it has not all of them; the message lists those there are.

        """
        if self.columns is None:
            return
        absent = sorted(columns - set(self.columns))
        if absent:
            self._stack.close()
            raise TableError(
                f"{self._path}: no column {absent[0]!r}{closest(absent[0], self.columns)};"
                f" the file has: {', '.join(self.columns)}"
            )

    def __iter__(self) -> Iterator[Row | Refusal]:
        """Rows in the file's order; what is no row is a refusal.

        Raises:
            TableError: the file is damaged; rows before that were given.

        """
        with self._stack:
            try:
                yield from self._rows
            except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeError, OSError, pl.exceptions.PolarsError) as error:
                raise TableError(f"{self._path}: damaged or unreadable from here on: {error}") from error
            self._on_bytes(self._path.stat().st_size)

    def _open(self, format_: Format) -> Iterator[Row | Refusal]:
        if format_ == "parquet":
            return self._open_parquet()
        try:
            raw = self._stack.enter_context(self._path.open("rb"))
            is_gzip = raw.read(2) == _GZIP_MAGIC
        except OSError as error:
            raise TableError(f"{self._path}: cannot be read: {error.strerror}") from None
        raw.seek(0)
        stream = cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if is_gzip else raw
        return self._open_csv(stream, raw) if format_ == "csv" else self._json_rows(stream, raw)

    def _open_csv(self, stream: BinaryIO, raw: BinaryIO) -> Iterator[Row | Refusal]:
        shape = self._shape
        encoding = "utf-8-sig" if shape.encoding.lower().replace("_", "-") in {"utf-8", "utf8"} else shape.encoding
        try:
            # Bytes that are not text become surrogates, so that the one row they are in can be refused.
            text = io.TextIOWrapper(stream, encoding=encoding, errors="surrogateescape", newline="")
        except LookupError:
            raise TableError(f"{self._path}: unknown encoding {shape.encoding!r}") from None
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if shape.quote else csv.QUOTE_NONE
        cells = csv.reader(text, delimiter=shape.separator, quotechar=shape.quote, quoting=quoting, strict=True)
        if shape.columns:
            self.columns = shape.columns
        else:
            try:
                self.columns = tuple(next(cells))
            except StopIteration:
                raise TableError(f"{self._path}: is empty; expected a header line") from None
            except (csv.Error, EOFError, OSError, UnicodeError, zlib.error) as error:
                raise TableError(f"{self._path}: the header line cannot be read: {error}") from None
        twice = {name for name in self.columns if self.columns.count(name) > 1}
        if twice:
            raise TableError(f"{self._path}: two columns have the name {min(twice)!r}")
        return self._csv_rows(cells, raw)

    def _csv_rows(self, cells: Any, raw: BinaryIO) -> Iterator[Row | Refusal]:
        columns = self.columns or ()
        for count in itertools.count(1):
            if count % _PROGRESS_ROWS == 0:
                self._on_bytes(raw.tell())
            number = cells.line_num + 1
            try:
                values = next(cells)
            except StopIteration:
                return
            except csv.Error as error:
                until = f" (up to line {cells.line_num})" if cells.line_num > number else ""
                yield Refusal(number, None, f"{error}{until}")
                continue
            if not values:
                continue
            if len(values) != len(columns):
                yield Refusal(number, None, f"{len(values)} cells, the header has {len(columns)}")
            elif any(not value.isascii() and not _is_text(value) for value in values):
                yield Refusal(number, None, f"not {self._shape.encoding} text")
            else:
                yield Row(number, dict(zip(columns, values, strict=True)))

    def _json_rows(self, stream: BinaryIO, raw: BinaryIO) -> Iterator[Row | Refusal]:
        for number, line in read_numbered_lines(stream, lambda _position: self._on_bytes(raw.tell())):
            if line is None:
                yield Refusal(number, None, f"the line is longer than {MAX_VALUE_BYTES} bytes")
                continue
            try:
                values = parse_json(line)
            except ContractError as error:
                yield Refusal(number, None, error.reason)
                continue
            if isinstance(values, dict):
                yield Row(number, dict(_flattened(values)))
            else:
                yield Refusal(number, None, f"expected a JSON object, got {type(values).__name__}")

    def _open_parquet(self) -> Iterator[Row | Refusal]:
        try:
            frame = pl.scan_parquet(self._path)
            self.columns = tuple(frame.collect_schema().names())
            total = frame.select(pl.len()).collect().item()
        except (OSError, pl.exceptions.PolarsError) as error:
            raise TableError(f"{self._path}: cannot be read as Parquet: {error}") from None
        return self._parquet_rows(frame, total)

    def _parquet_rows(self, frame: pl.LazyFrame, total: int) -> Iterator[Row | Refusal]:
        size = self._path.stat().st_size
        for start in range(0, total, _PARQUET_CHUNK):
            chunk = frame.slice(start, _PARQUET_CHUNK).collect()
            for number, values in enumerate(chunk.iter_rows(named=True), start + 1):
                yield Row(number, values)
            self._on_bytes(size * min(start + _PARQUET_CHUNK, total) // total)


def _format_of(path: Path) -> Format:
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    try:
        return _SUFFIXES[suffix.lower()]
    except KeyError:
        raise TableError(
            f"{path}: what is in it cannot be told from its name; set format: csv, jsonl or parquet in the mapping"
        ) from None


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _flattened(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Columns of a JSON object: what is nested gets dotted names, `user.id`."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flattened(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
