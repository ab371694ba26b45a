"""Opening hours where nobody told any."""

from typing import Final

from processors.friction.definition import Calendar, Calendars, Span
from processors.settings import DAY_MS


class _AlwaysOpen:
    """Every hour is an opening hour, every day a working day, on every channel."""

    def of(self, channel: str) -> Calendar:  # noqa: ARG002 - all are alike
        """Calendar of a channel."""
        return self

    def add(self, start_ms: int, span: Span) -> int:
        """The moment after a span."""
        return start_ms + span.ms + span.working_days * DAY_MS


ALWAYS_OPEN: Final[Calendars] = _AlwaysOpen()
