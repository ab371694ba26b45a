"""Rows of a table to touchpoints, after a mapping."""

import hashlib
import math
from collections.abc import Iterable, Iterator
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from schemas.json_form import ContractError, touchpoint_from_json
from schemas.touchpoint import TIME_FIELDS, Touchpoint
from streams.producing.cell_times import cell_time
from streams.producing.contract_fields import FIELD_TYPES
from streams.producing.mapping import UNIT_MS, Condition, Mapping, Table, ValueSource
from streams.producing.table_rows import Row
from streams.producing.transfer import Parsed, Refusal

_TRUTHS: Final = {
    **dict.fromkeys(("true", "yes", "y", "1", "t"), True),
    **dict.fromkeys(("false", "no", "n", "0", "f"), False),
}
_HASH_BYTES: Final = 16
_hash_encoder = msgspec.json.Encoder(enc_hook=str)


def import_rows(rows: Iterable[Row | Refusal], mapping: Mapping) -> Iterator[Parsed]:
    """Touchpoints of every row, or why there are none; a row goes through as a whole or not at all."""
    mapper = RowMapper(mapping)
    for row in rows:
        if isinstance(row, Refusal):
            yield row
            continue
        try:
            yield mapper.touchpoints(row)
        except ContractError as error:
            yield Refusal(row.number, error.field, error.reason)


def row_hash(values: dict[str, Any]) -> str:
    """32 hex characters that stand for a row's content: names and values, whatever the order of the columns."""
    content = _hash_encoder.encode([[name, values[name]] for name in sorted(values)])
    return hashlib.blake2b(content, digest_size=_HASH_BYTES).hexdigest()


class RowMapper:
    """Makes touchpoints of rows after one mapping."""

    def __init__(self, mapping: Mapping) -> None:
        self._missing = mapping.missing
        self._dates = mapping.dates
        self._zone = ZoneInfo(mapping.zone)
        self._common = mapping.fields
        self._tables = mapping.tables
        self._parts = mapping.touchpoints

    def touchpoints(self, row: Row) -> tuple[Touchpoint, ...]:
        """Touchpoints of a row, none when its conditions do not hold for any.

        The id is the hash of the row, with the touchpoint's name behind it where a row may become several: exact
        duplicates are the same touchpoint.

        Raises:
            ContractError: a value is missing or does not fit; the message names field, column and value.

        """
        hash_ = row_hash(row.values)
        shared: dict[str, Any] = {"id": hash_}
        shared |= self._values(self._common, row, hash_)
        for table in self._tables:
            shared |= self._looked_up(table, row)
        made = []
        for part in self._parts:
            if part.when is not None and not self._holds(part.when, row):
                continue
            own = {"id": f"{hash_}-{part.name}"} if len(self._parts) > 1 and "id" not in self._common else {}
            made.append(touchpoint_from_json(shared | own | self._values(part.fields, row, hash_)))
        return tuple(made)

    def _cell(self, row: Row, column: str) -> Any:
        """Value of a cell without surrounding blanks, `None` where it says that there is none."""
        value = row.values.get(column)
        if isinstance(value, str):
            value = value.strip()
            return None if not value or value in self._missing else value
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return None
        return None if self._missing and _text(value) in self._missing else value

    def _looked_up(self, table: Table, row: Row) -> dict[str, Any]:
        value = self._cell(row, table.column)
        text = "" if value is None else _text(value)
        fields = table.values.get(text, table.otherwise)
        if fields is None:
            raise ContractError(
                None, f"column {table.column!r}: {text!r} is not in the table; it has: {', '.join(table.values)}"
            )
        return fields

    def _holds(self, condition: Condition, row: Row) -> bool:
        value = self._cell(row, condition.column)
        if condition.is_present is not None:
            return (value is not None) == condition.is_present
        return value is not None and _text(value) in (condition.one_of or ())

    def _values(self, fields: dict[str, tuple[ValueSource, ...]], row: Row, hash_: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, sources in fields.items():
            found = [value for source in sources if (value := self._value(name, source, row, hash_)) is not None]
            if FIELD_TYPES[name] is tuple:
                values[name] = found
            elif found:
                values[name] = found[0]
        return values

    def _value(self, name: str, source: ValueSource, row: Row, hash_: str) -> Any:
        if source.constant is not None:
            return source.constant
        if source.row_hash:
            return source.prefix + hash_
        if source.columns:
            cells = {column: cell for column in source.columns if (cell := self._cell(row, column)) is not None}
            if name == "ext":
                return _hash_encoder.encode(cells).decode() if cells else None
            # A part that is missing would leave one value to many: a device without its visitor is everybody's.
            return source.prefix + _joined(cells.values()) if len(cells) == len(source.columns) else None
        column = source.column or ""
        cell = self._cell(row, column)
        if cell is None:
            return None
        try:
            return self._converted(name, source, cell)
        except (ValueError, OverflowError) as error:
            raise ContractError(name, f"column {column!r}: {error}") from None

    def _converted(self, name: str, source: ValueSource, cell: Any) -> Any:
        if name in TIME_FIELDS:
            return cell_time(cell, source.dates or self._dates, self._zone)
        expected = FIELD_TYPES[name]
        if expected is bool:
            return _truth(cell)
        if expected is int:
            return _whole(cell, source.unit)
        if expected is float:
            return float(cell) * UNIT_MS[source.unit] if source.unit else float(cell)
        return source.prefix + _text(cell)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _joined(cells: Iterable[Any]) -> str:
    """One text of several, which no others give."""
    return "/".join(_text(cell).replace("%", "%25").replace("/", "%2F") for cell in cells)


def _truth(cell: Any) -> bool:
    if _text(cell).lower() not in _TRUTHS:
        raise ValueError(f"{cell!r} is neither true nor false")
    return _TRUTHS[_text(cell).lower()]


def _whole(cell: Any, unit: str | None) -> int:
    if unit:
        return round(float(cell) * UNIT_MS[unit])
    number = float(cell)
    if not number.is_integer():
        raise ValueError(f"{cell!r} is not a whole number")
    return int(cell) if isinstance(cell, int) else int(number)
