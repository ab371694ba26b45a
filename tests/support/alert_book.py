"""Policies for tests, and rehearsals of them."""

from collections.abc import Sequence

from sinks.alerts.incidents import State, restore, snapshot
from sinks.alerts.policy import Limit, Policy, PolicyRoute, Timing, Traits
from sinks.alerts.rehearsal import Rehearsal

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
#: Monday, 2026-01-05, 10:00 UTC.
MONDAY_10 = 1_767_607_200_000

PLAIN = Timing(
    group_wait=MINUTE,
    group_interval=15 * MINUTE,
    repeat_interval=DAY,
    expires_after=DAY,
    minimum=None,
    digest=None,
    hours=None,
)


def a_policy(timing: Timing = PLAIN, channels: Sequence[str] = ("desk",), **changes: object) -> Policy:
    """One route to all channels, without limits and swarms unless said otherwise."""
    fields = {
        "routes": (PolicyRoute(channels=tuple(channels), timing=timing),),
        "channels": dict.fromkeys(channels, Traits()),
        "defaults": timing,
        "limits": dict.fromkeys(channels),
        "swarm": None,
    }
    return Policy(**{**fields, **changes})  # type: ignore[arg-type]


class AlertBook(Rehearsal):
    """A rehearsal that begins on a Monday at ten."""

    def __init__(self, policy: Policy, now: int = MONDAY_10) -> None:
        super().__init__(policy, now)

    def _remembered(self) -> State:
        # Written down and read back before every step: nothing may live outside of the snapshot.
        return restore(snapshot(self.state))


def a_limit(messages: int, within: int = HOUR) -> Limit:
    """So many messages within a time in milliseconds."""
    return Limit.model_construct(messages=messages, within=within)
