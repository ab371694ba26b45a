"""ISO weeks, Monday to Sunday, in a time zone."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

_NAME: Final = re.compile(r"(?P<year>\d{4})-W(?P<week>\d{2})")


class Week(NamedTuple):
    """An ISO week: the year that most of it belongs to, and its number from 1 to 53."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year:04}-W{self.number:02}"

    @classmethod
    def named(cls, text: str) -> "Week":
        """Week of a name such as `2026-W10`.

        Raises:
            ValueError: it is none, or the year has no such week.

        """
        match = _NAME.fullmatch(text)
        if match is None:
            raise ValueError(f"expected a week such as 2026-W10, got {text!r}")
        week = cls(int(match["year"]), int(match["week"]))
        try:
            _ = week.monday
        except ValueError:
            raise ValueError(f"{week.year} has no week {week.number}") from None
        return week

    @classmethod
    def of(cls, day: date) -> "Week":
        """Week of a day."""
        year, number, _ = day.isocalendar()
        return cls(year, number)

    @classmethod
    def last_full(cls, until_ms: int, zone: ZoneInfo) -> "Week":
        """The last week that was over at a moment, UTC milliseconds."""
        today = datetime.fromtimestamp(until_ms / 1000, UTC).astimezone(zone).date()
        return cls.of(today - timedelta(weeks=1))

    @property
    def monday(self) -> date:
        """Its first day."""
        return date.fromisocalendar(self.year, self.number, 1)

    @property
    def sunday(self) -> date:
        """Its last day."""
        return self.monday + timedelta(days=6)

    def before(self, weeks: int) -> "Week":
        """The week so many weeks earlier."""
        return Week.of(self.monday - timedelta(weeks=weeks))

    def start_ms(self, zone: ZoneInfo) -> int:
        """When it begins, UTC milliseconds; the week before ends there."""
        midnight = datetime.combine(self.monday, datetime.min.time(), zone)
        return round(midnight.timestamp() * 1000)

    def end_ms(self, zone: ZoneInfo) -> int:
        """When the next one begins, UTC milliseconds."""
        return self.before(-1).start_ms(zone)
