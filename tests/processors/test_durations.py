"""Durations as people say them."""

import pytest

from processors.durations import minutes, spell_duration, spell_gap


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0 min"),
        (1, "1 ms"),
        (999, "999 ms"),
        (1_000, "1 s"),
        (90_500, "1 min 30 s"),
        (3_600_000, "1 h"),
        (11_520_000, "3 h 12 min"),
        (72 * 3_600_000, "72 h"),
        (4 * 86_400_000 - 1, "95 h 59 min"),
        (4 * 86_400_000, "4 d"),
        (7 * 86_400_000 + 7_200_000, "7 d 2 h"),
        (-60_000, "1 min"),
    ],
)
def test_durations_have_at_most_two_units(milliseconds: int, text: str) -> None:
    assert spell_duration(milliseconds) == text


def test_a_negative_gap_means_that_the_first_still_lasted() -> None:
    assert spell_gap(-60_000) == "1 min before its end"
    assert spell_gap(60_000) == "1 min"


def test_minutes_are_rounded_so_that_equal_sums_look_equal() -> None:
    assert minutes(90_000) == 1.5
    assert minutes(1) == 0.0
    assert minutes(20_000) == 0.3333
