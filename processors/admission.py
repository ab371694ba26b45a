"""Admission: a decoded touchpoint becomes one the pipeline can judge, or a reason why not.

Everything here depends on the record alone (its bytes, its append time, its place), so a replay years later admits
the same touchpoints with the same keys.
"""

import hashlib
import hmac

import msgspec

from schemas.codec import EARLIEST_TIME, LATEST_TIME
from schemas.identities import usable_identities
from schemas.log import Position
from schemas.touchpoint import AppliedTouchpoint, Touchpoint

_DAY_MS = 86_400_000
_MINUTE_MS = 60_000
#: 128 bits of the keyed hash: collisions stay out of reach for any number of people.
HASH_CHARACTERS = 32


class AdmissionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is let in. Ages are milliseconds against the broker's append time; `blocked` holds lower-case values."""

    max_age_ms: int = 400 * _DAY_MS
    max_ahead_ms: int = 10 * _MINUTE_MS
    max_skew_ms: int = 5 * _MINUTE_MS
    blocked: frozenset[str] = frozenset()


class Refusal(msgspec.Struct, frozen=True):
    """Why a touchpoint is not let in: a reason from `schemas.log.REASONS`, the field, and a detail for people."""

    reason: str
    field: str
    detail: str


def hash_identity(pepper: bytes, tenant: str, namespace: str, value: str) -> str:
    """Keyed hash of one identifier: HMAC-SHA-256, first 32 hex characters.

    The pepper lives outside the data stores, so that tables alone do not tell who somebody is.
    """
    message = f"{tenant}\x1f{namespace}\x1f{value}".encode()
    return hmac.new(pepper, message, hashlib.sha256).hexdigest()[:HASH_CHARACTERS]


def owner_hash(pepper: bytes, tenant: str, identity: str) -> str | None:
    """Hash under which the person with this `namespace:value` is stored, or `None` when it is malformed or blocked."""
    usable = usable_identities((identity,))
    return hash_identity(pepper, tenant, *usable[0]) if usable else None


def admit(
    touchpoint: Touchpoint,
    *,
    position: Position,
    append_time: int,
    schema_id: int,
    pepper: bytes,
    settings: AdmissionSettings,
) -> AppliedTouchpoint | Refusal:
    """Hash the identities, correct the producer's clock, and check the time.

    `append_time` is the broker's time of the record (UTC milliseconds). The clock is corrected by the distance of
    `sent_at` to it when that is over `max_skew_ms`; imported history keeps its times.
    """
    usable = usable_identities(touchpoint.identities, settings.blocked)
    if not usable:
        return Refusal("missing_identity", "identities", "every identity is malformed or a placeholder")
    skew = 0
    if touchpoint.sent_at is not None and not touchpoint.backfill:
        skew = append_time - touchpoint.sent_at
        if abs(skew) <= settings.max_skew_ms:
            skew = 0
    event_time = touchpoint.occurred_at + skew
    if not EARLIEST_TIME <= event_time < LATEST_TIME:
        return Refusal("time_out_of_range", "occurred_at", "outside the years 1980 to 2200 after clock correction")
    age = append_time - event_time
    if age > settings.max_age_ms and not touchpoint.backfill:
        return Refusal(
            "time_out_of_range", "occurred_at", f"{age // _DAY_MS} days old, limit {settings.max_age_ms // _DAY_MS}"
        )
    # History is not ahead of its import either; one year mistyped would carry the watermark past every deadline.
    if -age > settings.max_ahead_ms:
        return Refusal(
            "time_out_of_range",
            "occurred_at",
            f"{-age // _MINUTE_MS} minutes ahead, limit {settings.max_ahead_ms // _MINUTE_MS}",
        )
    hashed = [(namespace, hash_identity(pepper, touchpoint.tenant, namespace, value)) for namespace, value in usable]
    end = touchpoint.ended_at
    return AppliedTouchpoint(
        touchpoint=msgspec.structs.replace(touchpoint, identities=tuple(":".join(pair) for pair in hashed)),
        event_time=event_time,
        end_time=event_time if end is None else max(event_time, end + skew),
        identity_hash=hashed[0][1],
        ingestion_time=append_time,
        is_time_corrected=skew != 0,
        origin_topic=position.topic,
        origin_partition=position.partition,
        origin_offset=position.offset,
        schema_id=schema_id,
    )
