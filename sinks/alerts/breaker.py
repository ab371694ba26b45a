"""A circuit breaker for one endpoint: left alone after a failure, longer after each, then tried with one message.

The states are those of Michael Nygard's "Release It!": closed (all is well), open (nothing is sent), half-open (one
attempt decides). Times are seconds of whatever clock the caller has.
"""

from enum import StrEnum
from typing import Final

import msgspec

from sinks.alerts.outcome import Outcome, Retry

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 300.0
_MOST_DOUBLINGS: Final = 10


class Circuit(StrEnum):
    """Whether messages may go to an endpoint."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """How often in a row an endpoint could not take a message, and until when it is left alone."""

    failures: int = 0
    open_until: float = 0.0

    def circuit(self, now: float) -> Circuit:
        """Where it stands."""
        if not self.failures:
            return Circuit.CLOSED
        return Circuit.OPEN if now < self.open_until else Circuit.HALF_OPEN

    def after(self, outcome: Outcome, now: float) -> "Breaker":
        """Where it stands after an attempt. What the endpoint asks for wins over our own pauses."""
        if not isinstance(outcome, Retry):
            return Breaker()
        pause = min(FIRST_PAUSE_S * 2 ** min(self.failures, _MOST_DOUBLINGS), LONGEST_PAUSE_S)
        return Breaker(failures=self.failures + 1, open_until=now + (outcome.after_s or pause))
