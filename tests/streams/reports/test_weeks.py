"""ISO weeks in a time zone, with the numbers written out."""

from zoneinfo import ZoneInfo

import pytest

from streams.reports.weeks import Week
from tests.support.touchpoints import DAY, HOUR, MONDAY

UTC, BERLIN = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin")


def test_a_week_belongs_to_the_year_of_its_thursday() -> None:
    assert str(Week.named("2024-W01").monday) == "2024-01-01"
    assert str(Week.named("2021-W01").monday) == "2021-01-04"
    assert str(Week.named("2020-W53").sunday) == "2021-01-03"
    assert str(Week.named("2021-W01").before(1)) == "2020-W53"
    assert Week.of(Week.named("2020-W53").sunday) == Week(2020, 53)


@pytest.mark.parametrize(
    "text", ["2024-W1", "2024W01", "W01", "2024-01", "2024-W00", "2024-W54", "2021-W53", "0000-W01"]
)
def test_what_is_no_week_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="week"):
        Week.named(text)


def test_a_week_begins_at_midnight_of_its_zone() -> None:
    week = Week.named("2024-W01")
    assert week.start_ms(UTC) == MONDAY
    assert week.start_ms(BERLIN) == MONDAY - HOUR
    assert week.end_ms(UTC) == MONDAY + 7 * DAY


def test_the_weeks_in_which_clocks_change_are_an_hour_shorter_and_longer() -> None:
    spring, autumn = Week.named("2024-W13"), Week.named("2024-W43")
    assert spring.end_ms(BERLIN) - spring.start_ms(BERLIN) == 7 * DAY - HOUR
    assert autumn.end_ms(BERLIN) - autumn.start_ms(BERLIN) == 7 * DAY + HOUR


def test_the_last_full_week_is_over() -> None:
    assert Week.last_full(MONDAY + 7 * DAY - 1, UTC) == Week(2023, 52)
    assert Week.last_full(MONDAY + 7 * DAY, UTC) == Week(2024, 1)
    # An hour before midnight in UTC it is Monday in Berlin.
    assert Week.last_full(MONDAY + 7 * DAY - HOUR, BERLIN) == Week(2024, 1)
    assert Week.last_full(MONDAY + 7 * DAY - HOUR - 1, BERLIN) == Week(2023, 52)
