"""The ceiling for dead letters: exactly how many are allowed, and what does not count."""

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.ceiling import Ceiling, Excess, Judged, Limits


def records(pattern: Iterable[bool], start: int = 0) -> list[Judged]:
    """One record for each, dead where the pattern says so."""
    return [Judged(start + number, "truncated" if dead else None) for number, dead in enumerate(pattern)]


@pytest.mark.parametrize(("bad", "stops_at"), [(100, None), (101, 100)])
def test_a_hundred_in_a_row_pass_and_one_more_stops(bad: int, stops_at: int | None) -> None:
    excess = Ceiling(Limits()).passed_by(records([True] * bad))
    assert (excess and excess.offset) == stops_at
    assert excess is None or (excess.in_a_row, excess.in_window, excess.reason) == (101, 101, "truncated")


def test_a_good_record_ends_a_row() -> None:
    assert Ceiling(Limits(most_percent=0)).passed_by(records(([True] * 100 + [False]) * 30)) is None


@pytest.mark.parametrize(("bad", "stops_at"), [(1_000, None), (1_001, 1_000)])
def test_a_thousand_of_ten_thousand_pass_also_while_fewer_were_seen(bad: int, stops_at: int | None) -> None:
    excess = Ceiling(Limits(most_in_a_row=0)).passed_by(records([True] * bad))
    assert (excess and excess.offset) == stops_at


@pytest.mark.parametrize(("good_between", "stops"), [(8_999, True), (9_000, False)])
def test_a_dead_letter_counts_for_ten_thousand_records(good_between: int, stops: bool) -> None:
    pattern = [True] + [False] * good_between + [True] * 1_000
    assert (Ceiling(Limits(most_in_a_row=0)).passed_by(records(pattern)) is not None) is stops


def test_zero_lifts_either_ceiling() -> None:
    assert Ceiling(Limits(most_in_a_row=0, most_percent=0)).passed_by(records([True] * 20_000)) is None


def test_what_was_accepted_does_not_count_and_what_comes_after_it_does() -> None:
    subject = Ceiling(Limits(counted_from=5_000))
    assert subject.passed_by(records([True] * 5_100)) is None
    excess = subject.passed_by(records([True], start=5_100))
    assert excess is not None
    assert (excess.offset, excess.in_a_row) == (5_100, 101)


def test_what_was_counted_before_goes_on() -> None:
    subject = Ceiling(Limits())
    subject.count(records([False] + [True] * 100))
    excess = subject.passed_by(records([True], start=101))
    assert excess is not None
    assert excess.in_a_row == 101


def test_the_most_common_reason_and_the_producers_are_named() -> None:
    bad = [
        *(Judged(n, "truncated", "shop") for n in range(3)),
        *(Judged(n, "missing_field", "crm") for n in range(3, 8)),
        Judged(8, "bad_magic"),
    ]
    excess = Ceiling(Limits(most_in_a_row=8)).passed_by(bad)
    assert excess == Excess(8, 9, 9, "missing_field", ("crm", "shop"))


def naive(pattern: Sequence[bool], most_in_a_row: int, most_of_window: int) -> int | None:
    for number, dead in enumerate(pattern):
        row = 0
        while row <= number and pattern[number - row]:
            row += 1
        if dead and (row > most_in_a_row or sum(pattern[max(0, number - 9_999) : number + 1]) > most_of_window):
            return number
    return None


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 8), st.integers(1, 30), st.lists(st.integers(1, 20)))
def test_it_stops_where_counting_by_hand_would_however_records_come_in_chunks(
    pattern: list[bool], most_in_a_row: int, most_of_window: int, sizes: list[int]
) -> None:
    subject = Ceiling(Limits(most_in_a_row, most_of_window / 100))
    all_of_them, found, start = records(pattern), None, 0
    for size in [*sizes, 60]:
        excess = subject.passed_by(all_of_them[start : start + size])
        if excess is not None:
            found = excess.offset
            break
        start += size
    assert found == naive(pattern, most_in_a_row, most_of_window)
