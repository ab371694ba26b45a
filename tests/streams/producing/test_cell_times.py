"""Times as tables write them."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from streams.producing.cell_times import cell_time

BERLIN = ZoneInfo("Europe/Berlin")


def utc(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("text", "format_", "expected"),
    [
        ("18.3.10 10:54", "%d.%m.%y %H:%M", utc(2010, 3, 18, 10, 54)),
        ("6.3.10 8:07", "%d.%m.%y %H:%M", utc(2010, 3, 6, 8, 7)),
        ("7/29/2013", "%m/%d/%Y", utc(2013, 7, 29)),
        ("2015-02-16 21:50:41", "%Y-%m-%d %H:%M:%S", utc(2015, 2, 16, 21, 50, 41)),
        ("2015-02-16T21:50:41.250Z", "iso", utc(2015, 2, 16, 21, 50, 41) + 250),
        ("2015-02-16T21:50:41+02:00", "iso", utc(2015, 2, 16, 19, 50, 41)),
        ("1424123441", "epoch_s", 1_424_123_441_000),
        ("1424123441.25", "epoch_s", 1_424_123_441_250),
        ("1424123441250", "epoch_ms", 1_424_123_441_250),
    ],
)
def test_a_format_reads_what_it_says(text: str, format_: str, expected: int) -> None:
    assert cell_time(text, [format_], UTC) == expected


def test_the_first_format_that_fits_wins() -> None:
    assert cell_time("1/2/2024", ["%d/%m/%Y", "%m/%d/%Y"], UTC) == utc(2024, 2, 1)
    assert cell_time("1/2/2024", ["%m/%d/%Y", "%d/%m/%Y"], UTC) == utc(2024, 1, 2)
    assert cell_time("1/31/2024", ["%d/%m/%Y", "%m/%d/%Y"], UTC) == utc(2024, 1, 31)


def test_local_times_are_taken_in_the_zone() -> None:
    assert cell_time("2024-01-15 12:00", ["%Y-%m-%d %H:%M"], BERLIN) == utc(2024, 1, 15, 11)
    assert cell_time("2024-07-15 12:00", ["%Y-%m-%d %H:%M"], BERLIN) == utc(2024, 7, 15, 10)


def test_a_time_with_its_own_zone_ignores_the_mapping_s() -> None:
    assert cell_time("2024-07-15T12:00:00Z", ["iso"], BERLIN) == utc(2024, 7, 15, 12)


def test_of_a_local_time_that_comes_twice_the_first_is_meant() -> None:
    assert cell_time("2024-10-27 02:30", ["%Y-%m-%d %H:%M"], BERLIN) == utc(2024, 10, 27, 0, 30)


def test_a_local_time_that_is_skipped_counts_from_before_the_change() -> None:
    assert cell_time("2024-03-31 02:30", ["%Y-%m-%d %H:%M"], BERLIN) == utc(2024, 3, 31, 1, 30)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2024, 7, 15, 12), utc(2024, 7, 15, 10)),  # noqa: DTZ001 - tables hold such times
        (datetime(2024, 7, 15, 12, tzinfo=UTC), utc(2024, 7, 15, 12)),
        (date(2024, 7, 15), utc(2024, 7, 14, 22)),
    ],
)
def test_typed_cells_need_no_format(value: Any, expected: int) -> None:
    assert cell_time(value, [], BERLIN) == expected


@pytest.mark.parametrize("text", ["31.2.2024", "yesterday", "", "nan", "inf"])
def test_what_fits_no_format_is_an_error_that_names_them(text: str) -> None:
    with pytest.raises(ValueError, match=r"fits none of the formats %d\.%m\.%Y, epoch_s"):
        cell_time(text, ["%d.%m.%Y", "epoch_s"], UTC)
