"""Opening hours: literal boundaries, holidays, both clock changes; and what holds for every calendar."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from processors.friction.calendars import BusinessCalendar, BusinessCalendars, CalendarDefinition, CalendarSet
from processors.friction.definition import Span, parse_span

BERLIN = "Europe/Berlin"
#: 09:00 to 18:00 on working days in Germany.
OFFICE: dict[str, Any] = {"timezone": BERLIN, "country": "DE", "hours": {"mon-fri": "09:00-18:00"}}


def calendar(**definition: Any) -> BusinessCalendar:
    return BusinessCalendar(CalendarDefinition.model_validate(definition))


def at(text: str, zone: str = BERLIN, *, fold: int = 0) -> int:
    """UTC milliseconds of a local time."""
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp() * 1000)


@pytest.mark.parametrize(
    ("start", "span", "end"),
    [
        ("2026-03-06T17:58", "2m", "2026-03-06T18:00"),  # a Friday, up to the last moment
        ("2026-03-06T17:59", "2m", "2026-03-09T09:01"),
        ("2026-03-06T18:00", "0m", "2026-03-09T09:00"),  # the end is no longer open
        ("2026-03-06T18:00", "1m", "2026-03-09T09:01"),
        ("2026-03-06T08:00", "1h", "2026-03-06T10:00"),
        ("2026-03-07T12:00", "9h", "2026-03-09T18:00"),
        ("2026-04-02T17:00", "2h", "2026-04-07T10:00"),  # over Good Friday and Easter Monday
        ("2026-04-06T10:00", "0m", "2026-04-07T09:00"),  # begins on Easter Monday
        ("2026-03-04T10:00", "18h", "2026-03-06T10:00"),
    ],
)
def test_opening_time_passes_while_it_is_open(start: str, span: str, end: str) -> None:
    assert calendar(**OFFICE).add(at(start), parse_span(span)) == at(end)


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        ("2026-03-04T10:00", 1, "2026-03-05T18:00"),
        ("2026-03-04T10:00", 5, "2026-03-11T18:00"),
        ("2026-03-06T17:59", 1, "2026-03-09T18:00"),
        ("2026-03-06T18:00", 1, "2026-03-10T18:00"),  # after hours: counts as begun on Monday
        ("2026-03-07T12:00", 1, "2026-03-10T18:00"),
        ("2026-04-02T10:00", 1, "2026-04-07T18:00"),  # Easter in between
        ("2026-04-06T10:00", 1, "2026-04-08T18:00"),  # begins on a holiday
        ("2026-12-23T10:00", 2, "2026-12-28T18:00"),
    ],
)
def test_a_working_day_ends_with_its_opening_hours(start: str, days: int, end: str) -> None:
    assert calendar(**OFFICE).add(at(start), Span(working_days=days)) == at(end)


def test_a_holiday_of_one_state_is_none_of_another() -> None:
    epiphany = at("2026-01-06T10:00")
    assert calendar(**OFFICE | {"subdivision": "BY"}).add(epiphany, Span()) == at("2026-01-07T09:00")
    assert calendar(**OFFICE | {"subdivision": "NW"}).add(epiphany, Span()) == epiphany


def test_holidays_may_be_days_like_others() -> None:
    assert calendar(**OFFICE | {"open_on_holidays": True}).add(at("2026-04-06T10:00"), Span()) == at("2026-04-06T10:00")
    assert calendar(**OFFICE | {"country": None}).add(at("2026-04-06T10:00"), Span()) == at("2026-04-06T10:00")


def test_days_of_its_own_are_closed() -> None:
    closed = calendar(**OFFICE | {"closed": ["2026-12-24", "2026-12-31"]})
    assert closed.add(at("2026-12-23T17:00"), parse_span("2h")) == at("2026-12-28T10:00")
    assert calendar(**OFFICE).add(at("2026-12-23T17:00"), parse_span("2h")) == at("2026-12-24T10:00")


def test_a_lunch_break_does_not_count() -> None:
    split = calendar(timezone="UTC", hours={"mon-sun": ["08:00-12:00", "13:00-17:00"]})
    assert split.add(at("2026-03-04T11:00", "UTC"), parse_span("2h")) == at("2026-03-04T14:00", "UTC")
    assert split.add(at("2026-03-04T12:30", "UTC"), parse_span("0h")) == at("2026-03-04T13:00", "UTC")


def test_the_hour_that_summer_time_skips_does_not_count() -> None:
    always = calendar(timezone=BERLIN)
    assert always.add(at("2026-03-28T12:00"), parse_span("24h")) == at("2026-03-29T13:00")
    # 01:00 to 04:00 are two hours that night; what would begin at 02:30 begins at 03:30.
    night = calendar(timezone=BERLIN, hours={"sun": "01:00-04:00"})
    assert night.add(at("2026-03-29T00:00"), parse_span("2h")) == at("2026-03-29T04:00")
    assert night.add(at("2026-03-29T00:00"), parse_span("3h")) == at("2026-04-05T02:00")
    late = calendar(timezone=BERLIN, hours={"sun": "02:30-05:00"})
    assert late.add(at("2026-03-29T00:00"), parse_span("0h")) == at("2026-03-29T03:30")


def test_the_hour_that_winter_time_repeats_counts_twice() -> None:
    always = calendar(timezone=BERLIN)
    assert always.add(at("2026-10-24T12:00"), parse_span("24h")) == at("2026-10-25T11:00")
    night = calendar(timezone=BERLIN, hours={"sun": "01:00-04:00"})
    assert night.add(at("2026-10-25T00:00"), parse_span("4h")) == at("2026-10-25T04:00")
    assert always.add(at("2026-10-25T12:00"), parse_span("24h")) == at("2026-10-26T12:00")  # to the end of a long day
    # Opens with the first 02:30, closes with the second one.
    half = calendar(timezone=BERLIN, hours={"sun": "02:30-03:00"})
    assert half.add(at("2026-10-25T00:00"), parse_span("0h")) == at("2026-10-25T02:30", fold=0)
    assert half.add(at("2026-10-25T00:00"), parse_span("90m")) == at("2026-10-25T03:00")
    early = calendar(timezone=BERLIN, hours={"sun": "01:00-02:30"})
    assert early.add(at("2026-10-25T01:00"), parse_span("150m")) == at("2026-10-25T02:30", fold=1)


def test_hours_that_meet_within_the_repeated_hour_count_once() -> None:
    split = calendar(timezone=BERLIN, hours={"sun": ["01:00-02:30", "02:30-04:00"]})
    assert split.add(at("2026-10-25T01:00"), parse_span("4h")) == at("2026-10-25T04:00")


def test_a_day_that_begins_at_one_is_an_hour_shorter() -> None:
    chile = calendar(timezone="America/Santiago")  # 2026-09-06 begins at 01:00
    assert chile.add(at("2026-09-05T12:00", "America/Santiago"), parse_span("24h")) == at(
        "2026-09-06T13:00", "America/Santiago"
    )


def test_a_channel_follows_its_calendar_and_unknown_ones_the_other() -> None:
    calendars = BusinessCalendars(
        CalendarSet.model_validate(
            {"calendars": {"always": {}, "office": OFFICE}, "channels": {"web": "always"}, "otherwise": "office"}
        )
    )
    saturday = at("2026-03-07T12:00")
    assert calendars.of("web").add(saturday, Span()) == saturday
    assert calendars.of("fax").add(saturday, Span()) == at("2026-03-09T09:00")


@pytest.mark.parametrize(
    ("definition", "problem"),
    [
        ({"hours": {"mon-fri": "8-20"}}, "'8-20' are no opening hours"),
        ({"hours": {"mon": "20:00-08:00"}}, "ends before it begins"),
        ({"hours": {"mon": "08:00-08:00"}}, "ends before it begins"),
        ({"hours": {"mon": ["08:00-12:00", "11:59-17:00"]}}, "do not overlap"),
        ({"hours": {"mon-fri": "08:00-12:00", "fri": "08:00-11:00"}}, "fri has opening hours twice"),
        ({"hours": {"monday": "08:00-12:00"}}, "'monday' are no days"),
        ({"hours": {}}, "never open"),
        ({"hours": {"mon": []}}, "never open"),
        ({"timezone": "Berlin"}, "'Berlin' is no time zone"),
        ({"country": "de"}, "did you mean DE?"),
        ({"country": "DE", "subdivision": "XX"}, "DE has no subdivision 'XX'; it has BB, BE, BW"),
        ({"subdivision": "BY"}, "needs its country"),
    ],
)
def test_a_calendar_that_means_nothing_is_refused(definition: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem.replace("?", r"\?")):
        CalendarDefinition.model_validate(definition)


def test_a_channel_of_no_calendar_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"no calendar 'ofice' \(did you mean office\?\)"):
        CalendarSet.model_validate({"calendars": {"office": {}}, "channels": {"web": "ofice"}, "otherwise": "office"})


CALENDARS = [
    calendar(**OFFICE),
    calendar(timezone=BERLIN),
    calendar(timezone=BERLIN, hours={"sat-sun": ["00:00-02:30", "02:30-24:00"]}),
    calendar(timezone="America/Havana", country="US", hours={"sun-wed": "00:00-24:00"}),  # clocks go back at one
    calendar(timezone="Australia/Lord_Howe", hours={"sun": "01:45-02:15"}),  # clocks change by half an hour
]
MOMENTS = st.integers(at("2025-12-01T00:00"), at("2027-02-01T00:00")) | st.sampled_from(
    [at("2026-10-25T01:59"), at("2026-10-25T02:30"), at("2026-03-29T01:59"), at("2026-03-06T18:00")]
)
SPANS = st.integers(0, 400 * 3_600_000).map(lambda ms: Span(ms=ms))


@given(st.sampled_from(CALENDARS), MOMENTS, MOMENTS, SPANS, SPANS)
def test_later_starts_and_longer_spans_never_end_earlier(
    one: BusinessCalendar, start: int, other: int, span: Span, longer: Span
) -> None:
    start, other = sorted((start, other))
    span, longer = sorted((span, longer))
    assert start <= one.add(start, span) <= one.add(other, span)
    assert one.add(start, span) <= one.add(start, longer)


@given(st.sampled_from(CALENDARS), MOMENTS, MOMENTS, st.integers(1, 15))
def test_working_days_go_on(one: BusinessCalendar, start: int, other: int, days: int) -> None:
    start, other = sorted((start, other))
    end = one.add(start, Span(working_days=days))
    assert start < end <= one.add(other, Span(working_days=days))
    assert end < one.add(start, Span(working_days=days + 1))


@given(st.sampled_from(CALENDARS), MOMENTS, SPANS, st.integers(1, 200 * 3_600_000))
def test_time_can_be_added_in_parts(one: BusinessCalendar, start: int, span: Span, more: int) -> None:
    opened = one.add(start, Span())
    assert one.add(opened, Span()) == opened
    assert one.add(opened, span) == one.add(start, span)
    assert one.add(one.add(start, span), Span(ms=more)) == one.add(start, Span(ms=span.ms + more))
