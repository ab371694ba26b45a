"""What the core says about a person: sessions, journeys, frictions, effort, and the person itself.

These are facts without a version: the core derives them from a set of touchpoints. `content_hash` tells whether a
fact changed since it was published; the version is added when a row is written. All times are UTC milliseconds, all
minutes are customer minutes. Facts hold texts and numbers alone, so none can be part of a cycle (`gc=False`).
"""

from enum import StrEnum
from functools import lru_cache

import msgspec

from schemas.touchpoint import TouchpointKey


class JourneyStatus(StrEnum):
    """Whether a journey still expects events."""

    OPEN = "open"
    CLOSED = "closed"


class Session(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A visit: touchpoints of one person with no gap over the session gap between them."""

    session_id: str
    tenant: str
    person_key: str
    started_at: int
    ended_at: int
    touches: int
    channels: tuple[str, ...]
    first_touchpoint: str
    last_touchpoint: str


class Journey(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The stitched story of one person about one matter, across channels.

    `continuity` is the lowest score of its switches, from 0 to 1, `None` where no switch is known well enough.
    `handoff_chain` are teams and `redirect_chain` channels, in the order in which the matter or the customer was passed
    on. `effort_minutes` is the sum of its postings, `effort_budget_minutes` what they may come to.
    """

    journey_id: str
    tenant: str
    person_key: str
    status: JourneyStatus
    opened_at: int
    last_event_at: int
    closed_at: int | None
    topic: str | None
    channels: tuple[str, ...]
    first_channel: str
    last_channel: str
    touches: int
    contacts: int
    handoffs: int
    redirects: int
    handoff_chain: tuple[str, ...]
    redirect_chain: tuple[str, ...]
    continuity: float | None
    wait_minutes: float
    effort_minutes: float
    effort_budget_minutes: float
    outcome: str
    objects: tuple[str, ...]
    open_promises: int
    touchpoint_keys: tuple[str, ...]


class FrictionStatus(StrEnum):
    """Where a friction stands: still open, or cleared by what followed."""

    OPEN = "open"
    CLEARED = "cleared"


class Check(msgspec.Struct, frozen=True, gc=False):
    """One tested value beside its threshold, as evidence."""

    name: str
    value: str
    threshold: str
    passed: bool


class Evidence(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Why a rule fired, complete enough to derive it again from the stored touchpoints alone.

    `nearest_miss` is what little would have had to be otherwise for it not to fire, in English, `nearest_miss_de` the
    same in German.
    """

    rule_id: str
    rule_version: int
    rule_hash: str
    touchpoints: tuple[str, ...]
    checks: tuple[Check, ...]
    guards: tuple[Check, ...]
    severity_parts: tuple[Check, ...]
    nearest_miss: str
    nearest_miss_de: str = ""


class Friction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A pattern of friction found in one person's story.

    `variant` names what became of it (e.g. `followed`, `lost`). `anchor_at` is the event time of the touchpoint that
    the friction hangs on, `opened_at` the event time at which it was first true. `team` caused it; `owner_team` is told
    instead, where the rule names one. `is_alertable` is false for imported history and other cases in which teams must
    not be disturbed; `silenced_by` names the reason.
    """

    friction_id: str
    tenant: str
    rule_id: str
    rule_version: int
    variant: str
    status: FrictionStatus
    severity: int
    person_key: str
    journey_id: str
    anchor_at: int
    opened_at: int
    from_channel: str | None
    to_channel: str | None
    team: str | None
    topic: str | None
    minutes: float
    evidence: Evidence
    sentence_en: str
    sentence_de: str
    is_alertable: bool
    silenced_by: str | None
    owner_team: str | None = None


class EffortKind(StrEnum):
    """What a customer's minutes were spent on."""

    ACTIVE = "active"
    WAIT = "wait"
    REWORK = "rework"
    SWITCH = "switch"
    RETRY = "retry"


class EffortPosting(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Customer minutes as double entry: debit the customer on a journey, credit the team and the cause.

    `cause` is the rule whose friction cost them, or `wait` for a wait that belongs to no friction. `voucher` is the
    touchpoint that proves the posting; `is_measured` tells measured minutes from defaults.
    """

    posting_id: str
    tenant: str
    person_key: str
    journey_id: str
    friction_id: str | None
    cause: str
    kind: EffortKind
    minutes: float
    is_measured: bool
    team: str | None
    voucher: str
    posted_at: int


class Person(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The human behind identities, as far as the touchpoints tell.

    `effort_minutes` is the sum of all postings that debit them; `next_deadline` is when to judge again; `identifiers`
    are the hashes of the identities that make up the person; `rule_changes` is how many published changes to the rules
    concern them, because something happened to them since.
    """

    person_key: str
    tenant: str
    merged_into: str | None
    first_seen_at: int
    last_seen_at: int
    touchpoints: int
    contacts: int
    sessions: int
    journeys: int
    frictions: int
    effort_minutes: float
    next_deadline: int | None
    identifiers: tuple[str, ...] = ()
    rule_changes: int = 0


Fact = Session | Journey | Friction | EffortPosting | Person


def touchpoint_ref(key: TouchpointKey) -> str:
    """Text form of a touchpoint's key, `tenant/source/id` with `%`, `/` escaped, as used in evidence and vouchers."""
    return ref_of(*key)


def ref_of(tenant: str, source: str, id_: str) -> str:
    """The same from the parts of the key."""
    if "%" in id_ or "/" in id_:
        id_ = _escaped(id_)
    return _ref_of_source(tenant, source) + id_


@lru_cache(maxsize=1024)
def _ref_of_source(tenant: str, source: str) -> str:
    return f"{_escaped(tenant)}/{_escaped(source)}/"


def _escaped(part: str) -> str:
    return part.replace("%", "%25").replace("/", "%2F")


def touchpoint_key(ref: str) -> TouchpointKey:
    """Inverse of `touchpoint_ref`.

    Raises:
        ValueError: the text has not three parts.

    """
    tenant, source, id_ = (part.replace("%2F", "/").replace("%25", "%") for part in ref.split("/"))
    return TouchpointKey(tenant, source, id_)
