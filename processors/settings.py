"""What an installation may choose about sessions and journeys."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS


FIRST_ANSWER_MS: Final[dict[str, int]] = {
    **dict.fromkeys(("phone", "ivr", "store"), 5 * MINUTE_MS),
    **dict.fromkeys(("chat", "bot"), 3 * MINUTE_MS),
    **dict.fromkeys(("messenger", "social", "sms"), 4 * HOUR_MS),
    "email": 12 * HOUR_MS,
    **dict.fromkeys(("web", "app", "form", "portal"), DAY_MS),
    "letter": 5 * DAY_MS,
}


class SessionEnd(StrEnum):
    """What ends a touchpoint for sessions: its end, or its beginning where ends say little (mails open for days)."""

    ENDED_AT = "ended_at"
    OCCURRED_AT = "occurred_at"


class ContinuityScale(msgspec.Struct, frozen=True, kw_only=True):
    """How the continuity of a switch is weighed; all values are our defaults. See `processors.continuity`.

    `first_answer_ms` by channel is what a first-time contact waits for the first act that moves its matter. A person's
    story does not tell how others fared, so it is a fixed reference: where a bad answer begins by published benchmarks
    (chat 3 minutes, messages 4 hours, e-mail 12 hours), our defaults elsewhere. A channel without one is not compared.
    """

    reference_weight: float = 0.30
    not_re_asked_weight: float = 0.30
    handler_weight: float = 0.15
    first_answer_weight: float = 0.15
    identity_weight: float = 0.10
    #: A score of fewer known components says nothing.
    least_known: int = 2
    first_answer_ms: Mapping[str, int] = msgspec.field(default_factory=FIRST_ANSWER_MS.copy)


class EffortBudgets(msgspec.Struct, frozen=True, kw_only=True):
    """Customer minutes that a journey may cost before it counts as too much: by topic, else `minutes` (our default)."""

    minutes: float = 30.0
    by_topic: Mapping[str, float] = {}

    def of(self, topic: str | None) -> float:
        """Minutes for a journey about a topic."""
        return self.minutes if topic is None else self.by_topic.get(topic, self.minutes)


class CoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Choices of the core; every duration is milliseconds and every bound is inclusive.

    `session_gap_ms`: inactivity that a session survives. `journey_gap_ms`: silence after which a journey ends, and
    the distance over which a topic or a standing object still means the same matter. `solved_gap_ms`: the same after
    a solution that no contact followed. `history_horizon_ms`: what is appended later than that after it happened is
    stored and counted, and judged on request only. `effort` and `effort_by_tenant` are budgets of customer minutes,
    `continuity` is how switches are weighed.
    """

    session_gap_ms: int = 30 * MINUTE_MS
    session_end: SessionEnd = SessionEnd.ENDED_AT
    journey_gap_ms: int = 14 * DAY_MS
    solved_gap_ms: int = 7 * DAY_MS
    history_horizon_ms: int = 90 * DAY_MS
    continuity: ContinuityScale = ContinuityScale()
    effort: EffortBudgets = EffortBudgets()
    effort_by_tenant: Mapping[str, EffortBudgets] = {}

    def effort_budget(self, tenant: str, topic: str | None) -> float:
        """Customer minutes that a journey of a tenant about a topic may cost."""
        return self.effort_by_tenant.get(tenant, self.effort).of(topic)
