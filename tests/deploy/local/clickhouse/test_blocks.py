import datetime as dt
import decimal
import uuid
from typing import Any

import pytest
from clickhouse_driver.block import ColumnOrientedBlock
from clickhouse_driver.bufferedreader import BufferedSocketReader
from clickhouse_driver.bufferedwriter import BufferedSocketWriter
from clickhouse_driver.connection import ServerInfo
from clickhouse_driver.context import Context
from clickhouse_driver.streams.native import BlockOutputStream
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.clickhouse.blocks import BlockHead, UnreadableBlockError, skip_block, split_blocks

_SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "Int8": st.integers(-128, 127),
    "UInt16": st.integers(0, 65535),
    "Int32": st.integers(-(2**31), 2**31 - 1),
    "UInt64": st.integers(0, 2**64 - 1),
    "Int128": st.integers(-(2**127), 2**127 - 1),
    "Float64": st.floats(allow_nan=False),
    "Bool": st.booleans(),
    "String": st.text(max_size=300),
    "UUID": st.uuids(),
    "Date": st.dates(dt.date(1970, 1, 2), dt.date(2100, 1, 1)),
    "DateTime64(3, 'UTC')": st.integers(0, 4_000_000_000_000).map(
        lambda millis: dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=millis)
    ),
    "Decimal(18, 4)": st.decimals(-1000, 1000, places=4),
    "Enum8('a, b' = 1, 'c(\\'d' = 2)": st.sampled_from(["a, b", "c('d"]),
    "FixedString(7)": st.text(alphabet="abc", min_size=7, max_size=7),
}


@st.composite
def columns(draw: st.DrawFn) -> tuple[str, st.SearchStrategy[Any]]:
    name, values = draw(st.sampled_from(sorted(_SCALARS.items(), key=lambda item: item[0])))
    match draw(st.integers(0, 6)):
        case 1:
            return f"Nullable({name})", st.none() | values
        case 2:
            return f"Array({name})", st.lists(values, max_size=4)
        case 3:
            return f"Array(Array(Nullable({name})))", st.lists(st.lists(st.none() | values, max_size=3), max_size=3)
        case 4:
            return "LowCardinality(String)", st.sampled_from(["", "web", "phone", "ü" * 200])
        case 5:
            keys = st.text(alphabet="kl", max_size=3)  # the driver cannot read commas in types inside a map or tuple
            return "Map(String, UInt64)", st.dictionaries(keys, st.integers(0, 9), max_size=3)
        case 6:
            elements = st.tuples(st.integers(0, 9), st.lists(st.text(), max_size=2))
            return "Tuple(first UInt64, `second one` Array(String))", elements
        case _:
            return name, values


class _Wire(bytearray):
    """Written like a socket's buffer, read like a socket that delivers a few bytes at a time."""

    step = 1 << 30

    def sendall(self, data: bytes) -> None:
        self.extend(data)

    def recv_into(self, buffer: bytearray) -> int:
        size = min(self.step, len(self), len(buffer))
        buffer[:size] = self[:size]
        del self[:size]
        return size


def named(types: list[str]) -> tuple[tuple[str, str], ...]:
    return tuple((f"column {index}", kind) for index, kind in enumerate(types))


def written(types: list[str], data: list[list[Any]]) -> _Wire:
    context = Context()
    context.client_settings = {"strings_as_bytes": False, "strings_encoding": "utf-8", "use_numpy": False}
    context.settings = {}
    context.server_info = ServerInfo("ClickHouse", 26, 9, 2, 54429, "UTC", "", 50000)  # no block info before it
    wire = _Wire()
    block = ColumnOrientedBlock(list(named(types)), data)
    BlockOutputStream(BufferedSocketWriter(wire, 1 << 16), context).write(block)
    return wire


def reader_of(wire: _Wire, step: int = 1 << 30) -> BufferedSocketReader:
    wire.step = step
    return BufferedSocketReader(wire, 64)


@given(st.data(), st.integers(1, 20), st.integers(1, 100))
def test_a_block_is_skipped_to_its_last_byte_and_not_further(data: st.DataObject, rows: int, step: int) -> None:
    chosen = data.draw(st.lists(columns(), min_size=1, max_size=4))
    values = [data.draw(st.lists(strategy, min_size=rows, max_size=rows)) for _, strategy in chosen]
    wire = written([name for name, _ in chosen], values)
    wire.sendall(b"\xab")
    reader = reader_of(wire, step)
    assert skip_block(reader) == BlockHead(named([kind for kind, _ in chosen]), rows)
    assert reader.read(1) == b"\xab"


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("LowCardinality(Nullable(String))", ["a", None, "b"]),
        ("Array(LowCardinality(String))", [["a", "b"], [], ["a"]]),
        ("Map(LowCardinality(String), UInt8)", [{"a": 1}, {}, {"b": 2, "c": 3}]),
        ("Decimal(38, 3)", [decimal.Decimal("1.5")] * 3),
        ("UUID", [uuid.UUID(int=1)] * 3),
        ("SimpleAggregateFunction(max, UInt64)", [1, 2, 3]),
        ("LowCardinality(String)", [str(number) for number in range(70_000)]),  # keys of four bytes
    ],
)
def test_types_with_a_layout_of_their_own_are_skipped(kind: str, values: list[Any]) -> None:
    wire = written([kind, "UInt8"], [values, [7] * len(values)])
    wire.sendall(b"\xab")
    reader = reader_of(wire)
    assert skip_block(reader) == BlockHead(named([kind, "UInt8"]), len(values))
    assert reader.read(1) == b"\xab"


def test_a_whole_output_is_split_where_its_blocks_were_joined() -> None:
    blocks = [bytes(written(["String", "UInt8"], [["x" * length] * 3, [1, 2, 3]])) for length in (0, 1, 1000)]
    assert [block for _, block in split_blocks(b"".join(blocks))] == blocks
    assert list(split_blocks(b"")) == []


def test_a_type_without_a_known_length_is_refused_rather_than_guessed() -> None:
    wire = _Wire(b"\x01\x01\x01a\x04JSON")
    with pytest.raises(UnreadableBlockError, match="'JSON' is not supported"):
        skip_block(reader_of(wire))


def test_output_in_another_format_is_told_from_blocks() -> None:
    with pytest.raises(UnreadableBlockError, match="not made of Native blocks"):
        list(split_blocks(b'{"x": 1}\n'))


def test_a_block_cut_short_is_an_end_of_file() -> None:
    wire = written(["UInt64"], [[1, 2, 3]])
    del wire[-1]
    with pytest.raises(EOFError):
        skip_block(reader_of(wire))
