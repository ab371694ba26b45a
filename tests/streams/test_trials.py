"""Trials, the pure part: how much is tried at once, and when a record is guilty."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.clickhouse.records import Attempt
from streams.trials import is_guilty, part_of
from tests.support.deliveries import a_record


def attempt(deaths: int, offset: int, until: int) -> Attempt:
    return Attempt(
        consumer_group="g",
        topic="touchpoints",
        partition=0,
        topic_incarnation="life-1",
        keyed_partitions=4,
        offset=offset,
        until_offset=until,
        deaths=deaths,
        recorded_at=0,
        version=1,
    )


def records(start: int, stop: int, step: int = 1) -> list[Any]:
    return [a_record(b"x", offset=offset, topic="touchpoints") for offset in range(start, stop, step)]


@pytest.mark.parametrize(
    ("deaths", "until", "size"),
    [(1, 25_100, 1563), (1, 116, 1), (1, 117, 2), (2, 1_663, 98), (2, 101, 1), (3, 25_100, 1), (5, 101, 1)],
)
def test_a_sixteenth_is_tried_at_once_and_from_the_third_death_on_a_single_record(
    deaths: int, until: int, size: int
) -> None:
    assert len(part_of(attempt(deaths, 100, until), records(100, 5_100))) == size


def test_nothing_beyond_what_is_suspect_is_tried_and_gaps_in_the_log_are_skipped() -> None:
    assert [record.offset for record in part_of(attempt(1, 0, 1), records(0, 10))] == [0]
    assert [record.offset for record in part_of(attempt(3, 0, 100), records(7, 100, 3))] == [7]
    assert [record.offset for record in part_of(attempt(1, 0, 160), records(0, 160, 3))] == [0, 3, 6, 9]


@pytest.mark.parametrize(
    ("deaths", "offset", "until", "guilty"),
    [(5, 7, 8, True), (6, 7, 8, True), (4, 7, 8, False), (5, 7, 9, False), (5, 6, 8, False)],
)
def test_guilty_is_a_record_over_which_five_died_while_it_was_the_only_suspect(
    deaths: int, offset: int, until: int, guilty: bool
) -> None:
    assert is_guilty(attempt(deaths, offset, until), records(7, 8)[0]) is guilty


@given(first=st.integers(0, 50), count=st.integers(1, 400), at=st.data())
def test_whatever_kills_is_alone_after_five_deaths_and_nobody_else_is_accused(
    first: int, count: int, at: st.DataObject
) -> None:
    deadly = at.draw(st.integers(first, first + count - 1))
    left, noted = records(first, first + count), attempt(1, first, first + 30_000)
    deaths = 1
    while not is_guilty(noted, left[0]):
        part = part_of(noted, left)
        assert part
        if any(record.offset == deadly for record in part):
            deaths += 1
            assert deaths <= 5
            noted = attempt(deaths, part[0].offset, part[-1].offset + 1)
        else:
            left = left[len(part) :]
    assert (left[0].offset, deaths) == (deadly, 5)
