"""Where a Native block ends.

A block on the wire has no length. Its bytes are handed to the engine unchanged, so all that is read of it here is what
tells how long it is: column types, row counts, string lengths, array offsets.

Layout: https://clickhouse.com/docs/interfaces/formats/Native, without custom serialisation (before revision 54454).
"""

import re
import struct
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple, Protocol

from clickhouse_driver.bufferedreader import BufferedSocketReader
from clickhouse_driver.reader import read_binary_str
from clickhouse_driver.varint import read_varint

_SKIP_STEP = 1 << 16  # the reader joins what it returns, so long stretches are read in steps

_WIDTHS = {
    "Bool": 1, "Int8": 1, "UInt8": 1, "Enum8": 1, "Nothing": 1,
    "Int16": 2, "UInt16": 2, "Enum16": 2, "Date": 2, "BFloat16": 2,
    "Int32": 4, "UInt32": 4, "Float32": 4, "Date32": 4, "DateTime": 4, "Decimal32": 4, "IPv4": 4, "Time": 4,
    "Int64": 8, "UInt64": 8, "Float64": 8, "DateTime64": 8, "Decimal64": 8, "Time64": 8,
    "Int128": 16, "UInt128": 16, "UUID": 16, "IPv6": 16, "Decimal128": 16, "Point": 16,
    "Int256": 32, "UInt256": 32, "Decimal256": 32,
}  # fmt: skip
_DECIMAL_WIDTHS = ((9, 4), (18, 8), (38, 16), (76, 32))  # digits up to, bytes
_INTERVAL_WIDTH = 8

_SPEC = re.compile(r"^(?P<name>\w+)(?:\((?P<arguments>.*)\))?$", re.DOTALL)
_TUPLE_ELEMENT_NAME = re.compile(r"^(?:`(?:[^`\\]|\\.)*`|\w+)\s+(?=\w)")


class UnreadableBlockError(ValueError):
    """The end of a block cannot be found: no block at all, or a column type that is not known here."""


class Reader(Protocol):
    """The part of clickhouse-driver's buffered reader that is used."""

    current_buffer_size: int
    position: int

    def read(self, size: int, /) -> bytes:
        """Return exactly ``size`` bytes."""

    def read_strings_arrow(self, count: int, /) -> object:
        """Read ``count`` strings without making Python strings of them."""


class BlockHead(NamedTuple):
    """What a block says of itself; one without columns ends the data of an INSERT."""

    columns: tuple[tuple[str, str], ...]  # names and types
    rows: int


class _Column(NamedTuple):
    prefix: int  # bytes before the data, once per column
    skip: Callable[[Reader, int], None]  # passes over the values of so many rows


def skip_block(reader: Reader) -> BlockHead:
    """Read one block up to its end.

    Raises:
        UnreadableBlockError: a column's type is not known.
        EOFError: the stream ended inside the block.

    """
    column_count: int = read_varint(reader)
    rows: int = read_varint(reader)
    columns = []
    for _ in range(column_count):
        name, kind = read_binary_str(reader), read_binary_str(reader)
        columns.append((name, kind))
        column = _column(kind)
        if rows:
            _skip_bytes(reader, column.prefix)
            column.skip(reader, rows)
    return BlockHead(tuple(columns), rows)


def split_blocks(data: bytes) -> Iterator[tuple[BlockHead, bytes]]:
    """Yield the blocks of a whole Native output.

    Raises:
        UnreadableBlockError: this is none, or a column's type is not known.

    """
    reader: Reader = BufferedSocketReader(_Replay(data), len(data) or 1)
    begin = 0
    while begin < len(data):
        try:
            head = skip_block(reader)
        except (EOFError, UnicodeDecodeError) as error:
            message = "the output is not made of Native blocks"
            raise UnreadableBlockError(message) from error
        end = reader.position
        yield head, data[begin:end]
        begin = end


class _Replay:
    """Bytes that answer like a socket, all at once."""

    def __init__(self, data: bytes) -> None:
        self._rest = data

    def recv_into(self, buffer: bytearray) -> int:
        data, self._rest = self._rest, b""
        buffer[: len(data)] = data
        return len(data)


def _skip_bytes(reader: Reader, size: int) -> None:
    while size > 0:
        step = min(size, _SKIP_STEP)
        reader.read(step)
        size -= step


def _fixed(width: int) -> _Column:
    return _Column(0, lambda reader, rows: _skip_bytes(reader, rows * width))


def _string() -> _Column:
    def skip(reader: Reader, rows: int) -> None:
        reader.read_strings_arrow(rows)

    return _Column(0, skip)


def _nullable(inner: _Column) -> _Column:
    def skip(reader: Reader, rows: int) -> None:
        _skip_bytes(reader, rows)
        inner.skip(reader, rows)

    return _Column(inner.prefix, skip)


def _array(inner: _Column) -> _Column:
    def skip(reader: Reader, rows: int) -> None:
        if not rows:
            return
        _skip_bytes(reader, (rows - 1) * 8)
        elements = _uint64(reader)  # offsets are running totals: the last one counts all elements
        if elements:
            inner.skip(reader, elements)

    return _Column(inner.prefix, skip)


def _tuple(elements: list[_Column]) -> _Column:
    def skip(reader: Reader, rows: int) -> None:
        for element in elements:
            element.skip(reader, rows)

    return _Column(sum(element.prefix for element in elements), skip)


def _low_cardinality(inner: _Column) -> _Column:
    def skip(reader: Reader, rows: int) -> None:
        if not rows:
            return
        key_width = 1 << (_uint64(reader) & 0xF)
        inner.skip(reader, _uint64(reader))
        _skip_bytes(reader, _uint64(reader) * key_width)

    return _Column(8, skip)


def _uint64(reader: Reader) -> int:
    value: int = struct.unpack("<Q", reader.read(8))[0]
    return value


@lru_cache(maxsize=4096)
def _column(spec: str) -> _Column:
    match = _SPEC.match(spec)
    if match is None:
        message = f"column type {spec!r} is not supported"
        raise UnreadableBlockError(message)
    name, arguments = match["name"], match["arguments"] or ""
    if name in _WIDTHS:
        return _fixed(_WIDTHS[name])
    if name.startswith("Interval"):
        return _fixed(_INTERVAL_WIDTH)
    return _parametric(name, arguments, spec)


def _parametric(name: str, arguments: str, spec: str) -> _Column:
    match name:
        case "String":
            return _string()
        case "FixedString":
            return _fixed(int(arguments))
        case "Decimal":
            digits = int(_split(arguments)[0])
            return _fixed(next(width for limit, width in _DECIMAL_WIDTHS if digits <= limit))
        case "Nullable":
            return _nullable(_column(arguments))
        case "LowCardinality":
            # The dictionary's null is an ordinary entry: there is no null map.
            nullable = re.fullmatch(r"Nullable\((.*)\)", arguments, re.DOTALL)
            return _low_cardinality(_column(nullable[1] if nullable else arguments))
        case "Array":
            return _array(_column(arguments))
        case "Map":
            return _array(_tuple([_column(part) for part in _split(arguments)]))
        case "Tuple":
            return _tuple([_element(part) for part in _split(arguments)])
        case "Nested":
            return _array(_tuple([_element(part) for part in _split(arguments)]))
        case "SimpleAggregateFunction":
            return _column(_split(arguments)[1])
        case _:
            message = f"column type {spec!r} is not supported"
            raise UnreadableBlockError(message)


def _element(part: str) -> _Column:
    return _column(_TUPLE_ELEMENT_NAME.sub("", part, count=1))


def _split(arguments: str) -> list[str]:
    """Split type arguments at the commas outside brackets and quotes."""
    parts, depth, begin, quote = [], 0, 0, ""
    escaped = False
    for index, character in enumerate(arguments):
        if quote:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == quote:
                quote = ""
        elif character in "'`":
            quote = character
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(arguments[begin:index].strip())
            begin = index + 1
    parts.append(arguments[begin:].strip())
    return parts
