"""Rows of files as files really are: gzipped, ragged, with quotes that never close, damaged in the middle."""

import gzip
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from streams.producing.mapping import CsvShape
from streams.producing.table_rows import Row, Table, TableError
from streams.producing.transfer import Refusal


def read(path: Path, **shape: Any) -> list[Row | Refusal]:
    return list(Table(path, None, CsvShape(**shape)))


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_rows_carry_the_line_they_begin_on(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", 'a,b\n1,2\n\n3,"two\nlines"\n5,6\n')
    assert read(path) == [
        Row(2, {"a": "1", "b": "2"}),
        Row(4, {"a": "3", "b": "two\nlines"}),
        Row(6, {"a": "5", "b": "6"}),
    ]


def test_gzip_is_known_by_its_bytes_whatever_the_name(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", gzip.compress(b"a\n1\n"))
    assert read(path) == [Row(2, {"a": "1"})]
    assert read(path.rename(tmp_path / "a.csv.gz")) == [Row(2, {"a": "1"})]


@pytest.mark.parametrize("separator", [";", "|", "\t"])
def test_any_separator_is_read(tmp_path: Path, separator: str) -> None:
    path = written(tmp_path / "a.txt", f"a{separator}b\n1,5{separator}2\n")
    assert read(path, separator=separator) == [Row(2, {"a": "1,5", "b": "2"})]


def test_a_row_with_too_many_or_too_few_cells_is_refused_alone(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "a,b\n1\n1,2\n1,2,3\n")
    assert read(path) == [
        Refusal(2, None, "1 cells, the header has 2"),
        Row(3, {"a": "1", "b": "2"}),
        Refusal(4, None, "3 cells, the header has 2"),
    ]


def test_a_quote_that_never_closes_is_refused_with_the_lines_it_swallowed(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", 'a,b\n1,2\n3,"oops\n5,6\n')
    good, refused = read(path)
    assert good == Row(2, {"a": "1", "b": "2"})
    assert refused == Refusal(3, None, "unexpected end of data (up to line 4)")


def test_without_a_quote_character_quotes_are_text(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", 'a,b\n3,"oops\n')
    assert read(path, quote=None) == [Row(2, {"a": "3", "b": '"oops'})]


def test_bytes_that_are_no_text_refuse_their_row_alone(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", b"a\nok\nM\xfcller\nok\n")
    assert read(path) == [Row(2, {"a": "ok"}), Refusal(3, None, "not utf-8 text"), Row(4, {"a": "ok"})]
    assert read(path, encoding="latin-1")[1] == Row(3, {"a": "Müller"})


def test_a_byte_order_mark_is_not_part_of_the_first_column(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", b"\xef\xbb\xbfa\n1\n")
    assert read(path) == [Row(2, {"a": "1"})]


def test_a_file_without_header_takes_names_from_its_shape(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "1,2\n")
    assert read(path, columns=("x", "y")) == [Row(1, {"x": "1", "y": "2"})]


def test_json_lines_are_flattened_with_dots_and_bad_lines_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", '{"a":1,"user":{"id":"7","tags":["x"]}}\nno\n[1]\n')
    first, second, third = read(path)
    assert first == Row(1, {"a": 1, "user.id": "7", "user.tags": ["x"]})
    assert isinstance(second, Refusal)
    assert second.number == 2
    assert third == Refusal(3, None, "expected a JSON object, got list")


def test_parquet_is_read_over_several_chunks_with_row_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"n": range(25_000)}).write_parquet(path)
    rows = read(path)
    assert [row.number for row in rows] == list(range(1, 25_001))
    assert rows[-1] == Row(25_000, {"n": 24_999})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty; expected a header line"),
        ("a.csv", b"a,a\n", "two columns have the name 'a'"),
        ("a.xyz", b"a\n", "set format: csv, jsonl or parquet in the mapping"),
        ("a.parquet", b"nonsense", "cannot be read as Parquet"),
    ],
)
def test_a_file_that_is_no_table_is_an_error(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    with pytest.raises(TableError, match=message):
        read(written(tmp_path / name, content))


def test_a_missing_file_is_an_error_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"none\.csv: cannot be read: No such file"):
        read(tmp_path / "none.csv")


def test_an_unknown_encoding_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="unknown encoding 'utf-9'"):
        read(written(tmp_path / "a.csv", "a\n"), encoding="utf-9")


def test_a_damaged_archive_gives_its_good_rows_and_then_an_error(tmp_path: Path) -> None:
    content = gzip.compress(b"a\n" + b"".join(b"%d\n" % number for number in range(100_000)))
    table = iter(Table(written(tmp_path / "a.csv.gz", content[: len(content) // 2]), None, CsvShape()))
    good = 0

    def read_on() -> None:
        nonlocal good
        for _ in table:
            good += 1

    with pytest.raises(TableError, match="damaged or unreadable from here on"):
        read_on()
    assert good > 1_000


def test_a_column_that_is_not_there_is_named_with_the_closest_one(tmp_path: Path) -> None:
    table = Table(written(tmp_path / "a.csv", "Start Date,End Date\n"), None, CsvShape())
    with pytest.raises(
        TableError, match=r"no column 'Start date', did you mean Start Date\?; the file has: Start Date, E"
    ):
        table.require({"Start date"})


def test_progress_ends_at_the_size_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv.gz", gzip.compress(b"a\n" + b"1\n" * 5_000))
    positions: list[int] = []
    list(Table(path, None, CsvShape(), positions.append))
    assert positions == sorted(positions)
    assert positions[-1] == path.stat().st_size
