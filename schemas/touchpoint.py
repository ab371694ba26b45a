"""The touchpoint: one thing that happened between a customer and a company."""

from typing import NamedTuple

import msgspec

from schemas.log import Position


class TouchpointKey(NamedTuple):
    """What makes a touchpoint the same touchpoint, however often it arrives."""

    tenant: str
    source: str
    id: str


class Touchpoint(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One touchpoint after the contract `schemas/avro/touchpoint.v1.avsc`; field order and names are the contract's.

    All times are UTC milliseconds since 1970, all durations are milliseconds. An optional text that is absent is
    `None`, never the empty string. `identities` are `namespace:value` as producers send them; inside the pipeline
    the value is a keyed hash (see `processors.admission`).
    """

    id: str
    source: str
    kind: str
    occurred_at: int
    identities: tuple[str, ...]

    tenant: str = "default"
    schema_version: int = 1
    traceparent: str | None = None
    probe: bool = False
    backfill: bool = False
    staff: bool = False

    ended_at: int | None = None
    sent_at: int | None = None
    received_at: int | None = None

    actor: str = "customer"
    actor_id: str | None = None
    team: str | None = None
    unit: str | None = None

    channel: str = "other"
    channel_detail: str | None = None
    touchpoint: str | None = None
    direction: str = "inbound"
    locale: str | None = None
    timezone: str | None = None

    topic: str | None = None
    reason: str | None = None
    outcome: str | None = None
    urgency: str | None = None
    score: float | None = None
    text_ref: str | None = None

    objects: tuple[str, ...] = ()
    thread_id: str | None = None
    reply_to: str | None = None
    caused_by: str | None = None

    wait_ms: int | None = None
    active_ms: int | None = None
    fields_required: int | None = None
    fields_filled: int | None = None
    errors: int | None = None
    items_requested: tuple[str, ...] = ()
    items_provided: tuple[str, ...] = ()

    redirect_to: str | None = None
    redirect_ref: str | None = None
    context_carried: bool | None = None
    from_team: str | None = None
    to_team: str | None = None
    warm: bool | None = None
    promise_id: str | None = None
    promise_due: int | None = None
    message_class: str | None = None
    campaign: str | None = None
    amount: float | None = None
    currency: str | None = None
    survey_type: str | None = None

    basis: str | None = None
    purposes: tuple[str, ...] = ()
    retention_class: str | None = None

    ext: str | None = None

    @property
    def key(self) -> TouchpointKey:
        """Identity of the touchpoint: tenant, source and id."""
        return TouchpointKey(self.tenant, self.source, self.id)


#: Names of all contract fields in order.
TOUCHPOINT_FIELDS: tuple[str, ...] = Touchpoint.__struct_fields__
#: Fields a producer must fill.
REQUIRED_FIELDS: tuple[str, ...] = ("id", "source", "kind", "occurred_at", "identities")
#: Fields that hold a moment, UTC milliseconds.
TIME_FIELDS: frozenset[str] = frozenset({"occurred_at", "ended_at", "sent_at", "received_at", "promise_due"})


class AppliedTouchpoint(msgspec.Struct, frozen=True, gc=False):
    """A touchpoint after admission: hashed identities, corrected time, and where in the log it stood.

    `event_time` is `occurred_at` after the correction for a producer's clock (UTC milliseconds); `identity_hash` is
    the hash of the strongest identity and decides the owner; `ingestion_time` is the broker's append time. `rotated`
    holds the same identities, in their order, hashed under the key before the current one while that still counts, and
    in a request to be forgotten under all keys before, one after the other. It says nothing about what happened and is
    not stored.
    """

    touchpoint: Touchpoint
    event_time: int
    end_time: int
    identity_hash: str
    ingestion_time: int
    is_time_corrected: bool
    origin_topic: str
    origin_partition: int
    origin_offset: int
    schema_id: int
    rotated: tuple[str, ...] = ()

    @property
    def key(self) -> TouchpointKey:
        """Identity of the touchpoint: tenant, source and id."""
        return self.touchpoint.key

    @property
    def position(self) -> Position:
        """Place in the raw topic."""
        return Position(self.origin_topic, self.origin_partition, self.origin_offset)

    @property
    def order(self) -> tuple[int, str, str]:
        """Where it stands in its person's story: event time, then source and id to break ties."""
        return (self.event_time, self.touchpoint.source, self.touchpoint.id)
