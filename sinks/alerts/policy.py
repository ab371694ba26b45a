"""When a channel is told of a cause: what a routing file may say of it, and the defaults.

`group_by`, `group_wait`, `group_interval` and `repeat_interval` mean what they mean in Prometheus Alertmanager
(https://prometheus.io/docs/alerting/latest/configuration/#route), with one difference: within `group_interval` an
incident that grew is told again only once its customers have doubled, otherwise in the next digest, or after
`repeat_interval` where there is none: the frictions of customers do not "fire" and "resolve" the way a server's alerts
do; each of them has happened.
"""

import re
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidatorFunctionWrapHandler, WrapValidator

from schemas.alerts import AlertIntent
from sinks.alerts.hours import Calendar, Clock, Zone, next_time_of_day

_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_UNITS_MS: Final = (86_400_000, 3_600_000, 60_000, 1_000)

#: Alertmanager's word for "do not group": every friction is an incident of its own.
UNGROUPED: Final = "..."
GroupLabel = Literal["rule", "variant", "from_channel", "to_channel", "team", "topic", "..."]
_DEFAULT_GROUP_BY: Final[tuple[GroupLabel, ...]] = ("rule", "from_channel", "to_channel", "team")

#: Arrivals of customers that an incident remembers, so the most that a minimum or a swarm can ask for.
MOST_ARRIVALS: Final = 100


def _duration_ms(text: Any) -> Any:
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if text == 0 and not isinstance(text, bool):
        return 0
    if match is None or not text:
        raise ValueError(f"{text!r} is no duration; write days, hours, minutes and seconds such as 1d, 1h30m or 30s")
    return sum(int(number or 0) * unit for number, unit in zip(match.groups(), _UNITS_MS, strict=True))


#: Milliseconds, written as `1d`, `1h30m` or `30s`.
Duration = Annotated[int, BeforeValidator(_duration_ms)]
Severity = Annotated[int, Field(ge=1, le=5, strict=True)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Minimum(_Part):
    """A cause is told alone only once so many customers met it within a time; one so severe is told at once."""

    customers: int = Field(ge=1, le=MOST_ARRIVALS, strict=True)
    within: Duration = 86_400_000
    unless_severity: Severity = 5


class Digest(_Part):
    """What is less severe, or met by fewer customers than the minimum, is told once a day at a fixed hour."""

    below_severity: int = Field(default=3, ge=1, le=6, strict=True)
    at: Clock = 9 * 60


class Hours(_Part):
    """Outside of the hours of a calendar nobody is told, except of what is so severe."""

    calendar: str
    unless_severity: Severity = 5


class Limit(_Part):
    """A channel gets no more messages than this; the most severe go first, the others wait and take up what comes."""

    messages: int = Field(ge=1, strict=True)
    within: Duration = 3_600_000


class Swarm(_Part):
    """So many customers within a time, and beyond chance so many times more than usual, are a swarm: told at once.

    Digest, minimum and quiet hours do not hold it back. It ends when for `ends_after` nobody new met it.
    """

    customers: int = Field(default=5, ge=2, le=MOST_ARRIVALS, strict=True)
    times_usual: float = Field(default=4.0, ge=1.0)
    within: Duration = 900_000
    ends_after: Duration = 3_600_000


def _or_off(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    return False if value is False else check(value)


#: What may be `false`, which turns it off: `on` tells.
_OrOff: Final = WrapValidator(_or_off)
_PartT = TypeVar("_PartT")


def on(part: _PartT) -> _PartT | None:
    """A part of a file, or `None` where it says `false`."""
    return None if part is False else part


#: Parts of a file that are mappings, by the name of their field.
PARTS: Final[dict[str, type[BaseModel]]] = {
    "minimum": Minimum,
    "digest": Digest,
    "hours": Hours,
    "swarm": Swarm,
    "limit": Limit,
    "limits": Limit,
    "calendars": Calendar,
}


class TimingFields(_Part):
    """What a file says for all routes, and a route for itself. What is left out is inherited; `false` turns it off."""

    #: How long to wait after a cause showed first, for others of it and for a withdrawal.
    group_wait: Duration | None = None
    #: How soon a cause may be told again, when twice as many customers met it as the last message said.
    group_interval: Duration | None = None
    #: How soon it is told again when it grew by less, where there is no digest to tell it.
    repeat_interval: Duration | None = None
    #: An alert that could not be sent for so long goes into one summary with others like it.
    expires_after: Duration | None = None
    minimum: Annotated[Minimum, _OrOff] | None = None
    digest: Annotated[Digest, _OrOff] | None = None
    hours: Annotated[Hours, _OrOff] | None = None


def usual_customers(customers: int, since: int, now: int, within: int) -> float:
    """How many customers meet a cause within a time, usually, when so many have met it since a moment.

    A cause that is known for less than a day is measured as if it had been there for a day.
    """
    return customers * within / max(now - since, 86_400_000)


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """The same with nothing left out; times in milliseconds, `None` is off."""

    group_wait: int
    group_interval: int
    repeat_interval: int
    expires_after: int
    minimum: Minimum | None
    digest: Digest | None
    hours: Hours | None

    def overridden_by(self, fields: TimingFields) -> "Timing":
        """What a file or a route says, and else this."""
        said = {name: getattr(fields, name) for name in TimingFields.model_fields}
        return msgspec.structs.replace(self, **{name: on(value) for name, value in said.items() if value is not None})


#: Of a file that says nothing else.
DEFAULTS: Final = Timing(
    group_wait=60_000,
    group_interval=3_600_000,
    repeat_interval=86_400_000,
    expires_after=86_400_000,
    minimum=Minimum(customers=3),
    digest=Digest(),
    hours=None,
)
DEFAULT_LIMIT: Final = Limit(messages=20)
DEFAULT_RESOLVE_AFTER_MS: Final = 86_400_000


class PolicyFields(TimingFields):
    """What a file says of all incidents."""

    timezone: Zone = "UTC"
    calendars: dict[str, Calendar] = {}
    group_by: tuple[GroupLabel, ...] = Field(default=_DEFAULT_GROUP_BY, min_length=1)
    #: An incident ends when for so long nobody new met its cause.
    resolve_after: Duration = DEFAULT_RESOLVE_AFTER_MS
    swarm: Annotated[Swarm, _OrOff] = Swarm()
    #: Of every channel, and of single ones by name.
    limit: Annotated[Limit, _OrOff] = DEFAULT_LIMIT
    limits: dict[str, Annotated[Limit, _OrOff]] = {}


class Traits(msgspec.Struct, frozen=True):
    """What a channel can do with what it was told before."""

    can_edit: bool = False
    can_thread: bool = False
    can_list: bool = True


class PolicyRoute(msgspec.Struct, frozen=True, kw_only=True):
    """One route: whom it concerns, and when they are told."""

    channels: tuple[str, ...]
    timing: Timing
    rules: frozenset[str] | None = None
    teams: frozenset[str] | None = None
    topics: frozenset[str] | None = None
    tenants: frozenset[str] | None = None
    min_severity: int = 1

    def is_met_by(self, intent: AlertIntent, severity: int) -> bool:
        """Whether an intent, taken for so severe, meets everything this route says."""
        return (
            severity >= self.min_severity
            and (self.rules is None or intent.rule_id in self.rules)
            and (self.teams is None or intent.team in self.teams)
            and (self.topics is None or intent.topic in self.topics)
            and (self.tenants is None or intent.tenant in self.tenants)
        )


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides who is told what and when; no secrets, no clock."""

    routes: tuple[PolicyRoute, ...]
    #: By name, in the order of the file.
    channels: dict[str, Traits]
    defaults: Timing = DEFAULTS
    group_by: tuple[str, ...] = _DEFAULT_GROUP_BY
    timezone: str = "UTC"
    calendars: dict[str, Calendar] = {}
    resolve_after: int = DEFAULT_RESOLVE_AFTER_MS
    swarm: Swarm | None = Swarm()
    limits: dict[str, Limit | None] = {}
    #: Past so many open incidents those of new causes are grouped by their rule alone, so that memory stays flat.
    most_open: int = 5_000
    #: Notices of one channel that may wait to be sent; more are decided when these are gone.
    most_in_hand: int = 20
    most_subjects: int = 25

    def channels_for(self, intent: AlertIntent) -> tuple[str, ...]:
        """Names of the channels of all routes that the intent meets, each once, in the order of the file."""
        wanted = {name for route in self.routes if route.is_met_by(intent, intent.severity) for name in route.channels}
        return tuple(name for name in self.channels if name in wanted)

    def timing(self, channel: str, intent: AlertIntent, severity: int) -> Timing:
        """When a channel is told of an incident that looks like this intent: as the first route says that names it."""
        for route in self.routes:
            if channel in route.channels and route.is_met_by(intent, severity):
                return route.timing
        return self.defaults

    def cause(self, intent: AlertIntent) -> str:
        """What an intent is grouped by, as text: tenant, then `label=value` as the policy names them."""
        if UNGROUPED in self.group_by:
            return f"{intent.tenant} friction={intent.friction_id}"
        values = {"rule": intent.rule_id}
        values |= {label: getattr(intent, label) or "" for label in self.group_by if label != "rule"}
        return " ".join((intent.tenant, *(f"{label}={values[label]}" for label in self.group_by)))

    def limit(self, channel: str) -> Limit | None:
        """How many messages a channel gets."""
        return self.limits.get(channel, DEFAULT_LIMIT)

    def open_hours(self, timing: Timing, severity: int, at: int) -> int:
        """When what is due at a moment may be told."""
        if timing.hours is None or severity >= timing.hours.unless_severity:
            return at
        return self.calendars[timing.hours.calendar].next_open(at)

    def digest_at(self, digest: Digest, after: int) -> int:
        """When the next digest is due that can tell of what came at a moment."""
        return next_time_of_day(after, digest.at, self.timezone)
