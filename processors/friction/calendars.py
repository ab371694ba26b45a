"""Business calendars: which moments count while a company is expected to answer.

A moment is UTC milliseconds. Opening hours are local times of the calendar's zone; of a time that a clock change skips,
the moment as long after the change counts, of one that it makes twice the first one opens and the second one closes.
"""

import re
from collections.abc import Container, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Any, Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from processors.friction.definition import Calendar, Span
from processors.friction.suggestion import did_you_mean

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_RANGE: Final = re.compile(rf"({'|'.join(DAYS)})(?:-({'|'.join(DAYS)}))?")
_HOURS: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")
_WHOLE_DAY_MINUTES: Final = 24 * 60
#: Days whose opening hours a calendar keeps at hand.
_REMEMBERED_DAYS: Final = 4096
#: The same question is asked at every judgement of a person who waits.
_REMEMBERED_DEADLINES: Final = 4096


class Opening(NamedTuple):
    """Opening hours of a day: minutes since midnight, the end is no longer within."""

    since: int
    until: int


def _openings(text: Any) -> Any:
    """Opening hours from `08:00-20:00`, or a list of them."""
    found = []
    for one in text if isinstance(text, list) else [text]:
        if isinstance(one, Opening):
            found.append(one)
            continue
        match = _HOURS.fullmatch(str(one).replace(" ", ""))
        if match is None:
            raise ValueError(
                f"{one!r} are no opening hours; write them in quotes, such as '08:00-20:00' or '00:00-24:00'"
            )
        hour, minute, last_hour, last_minute = match.groups()
        until = _WHOLE_DAY_MINUTES if last_hour is None else int(last_hour) * 60 + int(last_minute)
        found.append(Opening(int(hour) * 60 + int(minute), until))
        if until <= found[-1].since:
            raise ValueError(f"{one!r} ends before it begins; hours after midnight belong to the next day")
    for earlier, later in pairwise(found):
        if later.since < earlier.until:
            raise ValueError("opening hours of one day follow each other and do not overlap")
    return tuple(found)


def _week(hours: Any) -> Any:
    """Opening hours by single days from those by ranges of days."""
    if not isinstance(hours, dict):
        raise ValueError("opening hours go by days, such as {mon-fri: '08:00-20:00', sat: '09:00-16:00'}")
    week: dict[str, Any] = {}
    for days, openings in hours.items():
        match = _DAY_RANGE.fullmatch(str(days))
        if match is None:
            raise ValueError(f"{days!r} are no days; write one or a range of {', '.join(DAYS)}, such as mon-fri")
        first, last = DAYS.index(match[1]), DAYS.index(match[2] or match[1])
        for number in range((last - first) % 7 + 1):
            day = DAYS[(first + number) % 7]
            if day in week:
                raise ValueError(f"{day} has opening hours twice")
            week[day] = _openings(openings)
    return week


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone; write a name such as UTC or Europe/Berlin") from None
    return name


class CalendarDefinition(BaseModel):
    """Opening hours of a place. A day that is not named is closed; without `hours` it is always open."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    """Name of the zone that opening hours, holidays and working days are in."""
    country: str | None = None
    """Two letters of the country whose public holidays are kept; without it there are none."""
    subdivision: str | None = None
    """Its state, such as `BY` or `CA`; without it the holidays of the whole country."""
    hours: Annotated[dict[str, tuple[Opening, ...]], BeforeValidator(_week)] = Field(
        default={day: (Opening(0, _WHOLE_DAY_MINUTES),) for day in DAYS}
    )
    """By day or range of days: `08:00-20:00`, or a list of such."""
    closed: frozenset[date] = frozenset()
    """Other days on which it is closed."""
    open_on_holidays: bool = False
    """Public holidays are days like others."""

    @model_validator(mode="after")
    def _can_open(self) -> "CalendarDefinition":
        if not any(self.hours.values()):
            raise ValueError("it is never open, so that no deadline would ever pass")
        if self.country is None:
            if self.subdivision is not None:
                raise ValueError("a subdivision needs its country")
            return self
        try:
            holidays.country_holidays(self.country, subdiv=self.subdivision)
        except NotImplementedError:
            known = holidays.list_supported_countries()
            if self.country in known:
                raise ValueError(
                    f"{self.country} has no subdivision {self.subdivision!r}; it has {', '.join(known[self.country])}"
                ) from None
            meant = did_you_mean(self.country.upper(), known)
            raise ValueError(
                f"no holidays are known of country {self.country!r}; write its two letters{meant}"
            ) from None
        return self


class CalendarSet(BaseModel):
    """Calendars by name, and which one each channel follows."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    calendars: dict[str, CalendarDefinition] = Field(min_length=1)
    """By a name of your choice: `service_de`."""
    channels: dict[str, str] = {}
    """Channel to the name of its calendar."""
    otherwise: str
    """Name of the calendar of all other channels."""

    @model_validator(mode="after")
    def _names_exist(self) -> "CalendarSet":
        problems = [
            f"there is no calendar {name!r}{did_you_mean(name, self.calendars)}; there are {', '.join(self.calendars)}"
            for name in dict.fromkeys([*self.channels.values(), self.otherwise])
            if name not in self.calendars
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self


class BusinessCalendar:
    """A calendar as defined.

    A start outside of opening hours counts from the next opening. Working days end with their opening hours, and that
    of the start is not counted.
    """

    def __init__(self, definition: CalendarDefinition) -> None:
        self._zone = ZoneInfo(definition.timezone)
        self._definition = definition
        self._holidays: Container[date] = ()
        if definition.country is not None and not definition.open_on_holidays:
            self._holidays = holidays.country_holidays(definition.country, subdiv=definition.subdivision)
        self._openings_on = lru_cache(_REMEMBERED_DAYS)(self._openings_of)
        #: Moment at which so much opening time, or so many working days, have passed since the start, UTC ms.
        self.add = lru_cache(_REMEMBERED_DEADLINES)(self._add)

    def _add(self, start_ms: int, span: Span) -> int:
        if span.working_days:
            return self._after_working_days(start_ms, span.working_days)
        left = span.ms
        for since, until in self._openings_from(start_ms):
            if left <= until - since:
                return since + left
            left -= until - since
        raise AssertionError("unreachable: a calendar opens again and again")

    def _after_working_days(self, start_ms: int, days: int) -> int:
        since, _ = next(self._openings_from(start_ms))
        day = self._day_of(since)
        for _ in range(days):
            day += timedelta(days=1)
            while not self._openings_on(day):
                day += timedelta(days=1)
        return self._openings_on(day)[-1][1]

    def _openings_from(self, moment: int) -> Iterator[tuple[int, int]]:
        """What is left of opening hours from a moment on, first and end, in order and without overlap, for ever."""
        # Where a clock is put back over midnight, hours of the day before may not be over yet.
        day = self._day_of(moment) - timedelta(days=1)
        while True:
            for since, until in self._openings_on(day):
                if until > moment:
                    yield max(since, moment), until
                    moment = until
            day += timedelta(days=1)

    def _day_of(self, moment: int) -> date:
        return datetime.fromtimestamp(moment // 1000, self._zone).date()

    def _openings_of(self, day: date) -> tuple[tuple[int, int], ...]:
        if day in self._definition.closed or day in self._holidays:
            return ()
        openings = self._definition.hours.get(DAYS[day.weekday()], ())
        return tuple(
            span
            for since, until in openings
            if (span := (self._opens(day, since), self._closes(day, until)))[0] < span[1]
        )

    def _opens(self, day: date, minutes: int) -> int:
        return self._moment(day, minutes, fold=0)

    def _closes(self, day: date, minutes: int) -> int:
        if minutes == _WHOLE_DAY_MINUTES:
            return self._moment(day + timedelta(days=1), 0, fold=0)
        return max(self._moment(day, minutes, fold=0), self._moment(day, minutes, fold=1))

    def _moment(self, day: date, minutes: int, *, fold: int) -> int:
        local = datetime.combine(day, time(minutes // 60, minutes % 60, fold=fold), self._zone)
        return int(local.astimezone(UTC).timestamp()) * 1000


class BusinessCalendars:
    """The calendars of a set."""

    def __init__(self, definition: CalendarSet) -> None:
        calendars = {name: BusinessCalendar(one) for name, one in definition.calendars.items()}
        self._by_channel = {channel: calendars[name] for channel, name in definition.channels.items()}
        self._otherwise = calendars[definition.otherwise]

    def of(self, channel: str) -> Calendar:
        """Calendar of a channel."""
        return self._by_channel.get(channel, self._otherwise)
