"""What an installation may choose about sessions and journeys."""

from enum import StrEnum
from typing import Final

import msgspec

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS


class SessionEnd(StrEnum):
    """What ends a touchpoint for sessions: its end, or its beginning where ends say little (mails open for days)."""

    ENDED_AT = "ended_at"
    OCCURRED_AT = "occurred_at"


class CoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Choices of the core; every duration is milliseconds and every bound is inclusive.

    `session_gap_ms`: inactivity that a session survives. `journey_gap_ms`: silence after which a journey ends, and
    the distance over which a topic or a standing object still means the same matter. `solved_gap_ms`: the same after
    a solution that no contact followed. `history_horizon_ms`: what is appended later than that after it happened is
    stored and counted, and judged on request only.
    """

    session_gap_ms: int = 30 * MINUTE_MS
    session_end: SessionEnd = SessionEnd.ENDED_AT
    journey_gap_ms: int = 14 * DAY_MS
    solved_gap_ms: int = 7 * DAY_MS
    history_horizon_ms: int = 90 * DAY_MS
