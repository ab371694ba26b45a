"""When a team can be told: hours, holidays, clock changes, and the hour of the digest."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from sinks.alerts.hours import Calendar, next_time_of_day

OFFICE = Calendar.model_validate(
    {
        "timezone": "Europe/Berlin",
        "hours": {"mon-thu": "08:00-18:00", "fri": ["08:00-12:00", "13:00-16:00"]},
        "country": "DE",
        "subdivision": "BE",
        "closed": ["2026-01-07"],
    }
)


def at(text: str) -> int:
    """A moment in UTC, as milliseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("moment", "opens"),
    [
        ("2026-01-05T07:00", "2026-01-05T07:00"),  # a Monday, 08:00 in Berlin
        ("2026-01-05T06:59", "2026-01-05T07:00"),
        ("2026-01-05T16:59", "2026-01-05T16:59"),
        ("2026-01-05T17:00", "2026-01-06T07:00"),  # 18:00 is no longer within
        ("2026-01-06T17:00", "2026-01-08T07:00"),  # the seventh is closed
        ("2026-01-09T11:30", "2026-01-09T12:00"),  # Friday's break
        ("2026-01-09T15:00", "2026-01-12T07:00"),  # the weekend
        ("2025-12-31T17:00", "2026-01-02T07:00"),  # a holiday
        ("2026-07-06T05:59", "2026-07-06T06:00"),  # summer time
    ],
)
def test_what_is_due_is_told_when_the_team_is_there(moment: str, opens: str) -> None:
    assert OFFICE.next_open(at(moment)) == at(opens)


def test_a_time_that_a_clock_change_skips_is_as_long_after_it() -> None:
    early = Calendar.model_validate({"timezone": "Europe/Berlin", "hours": {"sun": "02:30-24:00"}})
    assert early.next_open(at("2026-03-29T00:00")) == at("2026-03-29T01:30")
    assert early.next_open(at("2026-03-29T22:00")) == at("2026-04-05T00:30")


def test_who_is_closed_for_longer_than_a_month_is_told_at_once() -> None:
    days = [f"2026-{month:02}-{day:02}" for month in (1, 2) for day in range(1, 29)] + ["2026-01-29", "2026-01-30"]
    away = Calendar.model_validate({"hours": {"mon-sun": "00:00-24:00"}, "closed": [*days, "2026-01-31"]})
    assert away.next_open(at("2026-01-02T10:00")) == at("2026-01-02T10:00")


@pytest.mark.parametrize(
    ("after", "zone", "expected"),
    [
        ("2026-01-05T08:59", "UTC", "2026-01-05T09:00"),
        ("2026-01-05T09:00", "UTC", "2026-01-06T09:00"),
        ("2026-01-05T08:00", "Europe/Berlin", "2026-01-06T08:00"),
        ("2026-03-28T09:00", "Europe/Berlin", "2026-03-29T07:00"),
    ],
)
def test_the_digest_comes_at_its_hour_in_the_zone_of_the_team(after: str, zone: str, expected: str) -> None:
    assert next_time_of_day(at(after), 9 * 60, zone) == at(expected)


@pytest.mark.parametrize(
    "hours",
    [{"mon": "8-18"}, {"mon": "18:00-08:00"}, {"mon-wed": "08:00-09:00", "tue": "08:00-09:00"}, {"mon": []}, {},
     "always", {"mon": ["08:00-12:00", "11:00-13:00"]}],
)  # fmt: skip
def test_hours_that_make_no_sense_are_refused(hours: object) -> None:
    with pytest.raises(ValidationError):
        Calendar.model_validate({"hours": hours})
