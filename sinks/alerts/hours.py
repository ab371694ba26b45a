"""When a team can be told: time zone, weekly hours, holidays; and the fixed hour of a digest.

A moment is UTC milliseconds. Hours are local times; of a time that a clock change skips, the moment as long after the
change counts.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_RANGE: Final = re.compile(rf"({'|'.join(DAYS)})(?:-({'|'.join(DAYS)}))?")
_SPAN: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_WHOLE_DAY_MINUTES: Final = 24 * 60
#: A calendar that is closed for longer than this is taken for open: an alert is not kept back for ever.
_LONGEST_CLOSED_DAYS: Final = 31

#: Minutes since midnight, from and up to, not including.
Span = tuple[int, int]


def _spans(text: Any) -> tuple[Span, ...]:
    found: list[Span] = []
    for one in text if isinstance(text, list) else [text]:
        match = _SPAN.fullmatch(str(one).replace(" ", ""))
        if match is None:
            raise ValueError(f"{one!r} are no hours; write them in quotes, such as '08:00-18:00' or '00:00-24:00'")
        hour, minute, last_hour, last_minute = match.groups()
        until = _WHOLE_DAY_MINUTES if last_hour is None else int(last_hour) * 60 + int(last_minute)
        since = int(hour) * 60 + int(minute)
        if until <= since:
            raise ValueError(f"{one!r} ends before it begins; hours after midnight belong to the next day")
        if found and since < found[-1][1]:
            raise ValueError("hours of one day follow each other and do not overlap")
        found.append((since, until))
    return tuple(found)


def _week(hours: Any) -> Any:
    if not isinstance(hours, dict):
        raise ValueError("hours go by days, such as {mon-fri: '08:00-18:00', sat: '09:00-16:00'}")
    week: dict[str, tuple[Span, ...]] = {}
    for days, spans in hours.items():
        match = _DAY_RANGE.fullmatch(str(days))
        if match is None:
            raise ValueError(f"{days!r} are no days; write one or a range of {', '.join(DAYS)}, such as mon-fri")
        first, last = DAYS.index(match[1]), DAYS.index(match[2] or match[1])
        for number in range((last - first) % 7 + 1):
            day = DAYS[(first + number) % 7]
            if day in week:
                raise ValueError(f"{day} has hours twice")
            week[day] = _spans(spans)
    if not any(week.values()):
        raise ValueError("nobody would ever be told; name hours of at least one day")
    return week


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone; write a name such as UTC or Europe/Berlin") from None
    return name


def _clock(text: Any) -> int:
    match = _CLOCK.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{text!r} is no time of day; write it in quotes, such as '09:00'")
    return int(match[1]) * 60 + int(match[2])


Zone = Annotated[str, AfterValidator(_zone)]
#: Minutes since midnight, written as '09:00'.
Clock = Annotated[int, BeforeValidator(_clock)]


class Calendar(BaseModel):
    """Hours in which a team reads its channel. A day that is not named is closed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    timezone: Zone = "UTC"
    hours: Annotated[dict[str, tuple[Span, ...]], BeforeValidator(_week)]
    #: Two letters; public holidays of the country are closed. `subdivision`: its state, such as BY.
    country: str | None = None
    subdivision: str | None = None
    closed: frozenset[date] = Field(default=frozenset())

    @model_validator(mode="after")
    def _check_holidays(self) -> "Calendar":
        if self.country is None:
            if self.subdivision is not None:
                raise ValueError("a subdivision needs its country")
            return self
        try:
            _holidays(self.country, self.subdivision)
        except NotImplementedError:
            raise ValueError(
                f"no holidays are known of country {self.country!r}, subdivision {self.subdivision!r}"
            ) from None
        return self

    def next_open(self, at: int) -> int:
        """The moment itself when it is within hours, else the next one that is."""
        zone = ZoneInfo(self.timezone)
        local = datetime.fromtimestamp(at / 1000, zone)
        for number in range(_LONGEST_CLOSED_DAYS):
            day = local.date() + timedelta(days=number)
            for since, until in self._spans_of(day):
                opens, closes = _moment(day, since, zone), _moment(day, until, zone)
                if at < closes:
                    return max(at, opens)
        return at

    def _spans_of(self, day: date) -> tuple[Span, ...]:
        if day in self.closed or (self.country is not None and day in _holidays(self.country, self.subdivision)):
            return ()
        return self.hours.get(DAYS[day.weekday()], ())


def next_time_of_day(after: int, clock: int, timezone: str) -> int:
    """First moment later than `after` at which it is so many minutes past midnight in a zone."""
    zone = ZoneInfo(timezone)
    day = datetime.fromtimestamp(after / 1000, zone).date()
    while (moment := _moment(day, clock, zone)) <= after:
        day += timedelta(days=1)
    return moment


def _moment(day: date, minutes: int, zone: ZoneInfo) -> int:
    midnight = datetime.combine(day, time(), zone)
    if minutes == _WHOLE_DAY_MINUTES:
        midnight, minutes = datetime.combine(day + timedelta(days=1), time(), zone), 0
    local = midnight.replace(hour=minutes // 60, minute=minutes % 60)
    return int(local.astimezone(UTC).timestamp() * 1000)


@lru_cache(maxsize=64)
def _holidays(country: str, subdivision: str | None) -> holidays.HolidayBase:
    return holidays.country_holidays(country, subdiv=subdivision)
