"""Admission: a decoded touchpoint becomes one the pipeline can judge, or a reason why not.

Everything here depends on the record alone (its bytes, its append time, its place), so a replay years later admits
the same touchpoints with the same keys.
"""

import hmac
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from processors.keyring import Keyring
from processors.kinds import ERASE_REQUESTED
from schemas.codec import EARLIEST_TIME, LATEST_TIME
from schemas.identities import usable_identities
from schemas.identity import identifier_of
from schemas.log import Position
from schemas.placement import partition_of
from schemas.touchpoint import AppliedTouchpoint, Touchpoint

_DAY_MS = 86_400_000
_MINUTE_MS = 60_000
#: Identities whose hashes are remembered: customers come again, and so do the several records of one visit.
_REMEMBERED: Final = 16_384
#: Characters of all identities of a touchpoint that are remembered: so nobody fills the memory with long ones.
_SHORT: Final = 512
#: 128 bits of the keyed hash: collisions stay out of reach for any number of people.
HASH_CHARACTERS = 32
#: Of these, the first ones tell the owner partition, as a number below `_NUMBERS`.
_OWNER_CHARACTERS: Final = 8
_NUMBERS: Final = 16**_OWNER_CHARACTERS


class AdmissionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is let in. Ages are milliseconds against the broker's append time; `blocked` holds lower-case values.

    `blocked_by_tenant` adds to them for single tenants.
    """

    max_age_ms: int = 400 * _DAY_MS
    max_ahead_ms: int = 10 * _MINUTE_MS
    max_skew_ms: int = 5 * _MINUTE_MS
    blocked: frozenset[str] = frozenset()
    blocked_by_tenant: dict[str, frozenset[str]] = {}


class Refusal(msgspec.Struct, frozen=True):
    """Why a touchpoint is not let in: a reason from `schemas.log.REASONS`, the field, and a detail for people."""

    reason: str
    field: str
    detail: str


def hash_identity(key: bytes, tenant: str, namespace: str, value: str, partitions: int) -> str:
    """Keyed hash of one identifier: HMAC-SHA-256, first 32 hex characters, that names the owner partition.

    The key lives outside the data stores, so that tables alone do not tell who somebody is. `owner_partition` of the
    hash is where Kafka's clients put a record under the key `namespace:value`, whatever the secret: log2(partitions)
    bits of the hash come from there.
    """
    message = f"{tenant}\x1f{namespace}\x1f{value}".encode()
    digest = hmac.digest(key, message, "sha256").hex()
    number = int(digest[:_OWNER_CHARACTERS], 16)
    number += partition_of(f"{namespace}:{value}".encode(), partitions) - number % partitions
    if number >= _NUMBERS:
        number -= partitions
    return f"{number:0{_OWNER_CHARACTERS}x}{digest[_OWNER_CHARACTERS:HASH_CHARACTERS]}"


def owner_partition(identity_hash: str, partitions: int) -> int:
    """Partition of the keyed topic that owns an identifier."""
    return int(identity_hash[:_OWNER_CHARACTERS], 16) % partitions


def owner_hash(key: bytes, tenant: str, identity: str, partitions: int) -> str | None:
    """Hash of this `namespace:value` under one key, or `None` when it is malformed or blocked."""
    usable = usable_identities((identity,))
    return hash_identity(key, tenant, *usable[0], partitions) if usable else None


def owner_hashes(keyring: Keyring, tenant: str, identity: str) -> tuple[str, ...]:
    """Hashes under which the person with this `namespace:value` may be stored, that of the newest key first.

    There is none when it is malformed or blocked.
    """
    hashes = (owner_hash(key.secret, tenant, identity, keyring.partitions) for key in reversed(keyring.keys))
    return tuple(hash_ for hash_ in hashes if hash_ is not None)


def admit(
    touchpoint: Touchpoint,
    *,
    position: Position,
    append_time: int,
    schema_id: int,
    keyring: Keyring,
    settings: AdmissionSettings,
) -> AppliedTouchpoint | Refusal:
    """Hash the identities, correct the producer's clock, and check the time.

    `append_time` is the broker's time of the record (UTC milliseconds); it also chooses the key of the hashes. The
    clock is corrected by the distance of `sent_at` to it when that is over `max_skew_ms`; imported history keeps its
    times.
    """
    tenant, blocked = touchpoint.tenant, settings.blocked
    if tenant in settings.blocked_by_tenant:
        blocked |= settings.blocked_by_tenant[tenant]
    keys = keyring.keys_at(append_time)
    names_of: Callable[..., _Names | None] = _names
    if touchpoint.kind == ERASE_REQUESTED:
        # Whoever asks has perhaps not been seen since a rotation, however long ago.
        keys = (*keys[:1], *keyring.all_before(append_time))
        # Nobody says which of those who are remembered is meant, so all are forgotten.
        _names.cache_clear()
        names_of = _names.__wrapped__
    elif len(tenant) + sum(map(len, touchpoint.identities)) > _SHORT:
        names_of = _names.__wrapped__
    names = names_of(touchpoint.identities, tenant, blocked, keys, keyring.partitions)
    if names is None:
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
    # Last, so that what is refused for good is not said to wait for a key.
    if not keys:
        return Refusal("key_missing", "identities", "appended before the oldest key of the secret file began")
    identities, identity_hash, rotated = names
    end = touchpoint.ended_at
    return AppliedTouchpoint(
        touchpoint=msgspec.structs.replace(touchpoint, identities=identities),
        event_time=event_time,
        end_time=event_time if end is None else max(event_time, end + skew),
        identity_hash=identity_hash,
        ingestion_time=append_time,
        is_time_corrected=skew != 0,
        origin_topic=position.topic,
        origin_partition=position.partition,
        origin_offset=position.offset,
        schema_id=schema_id,
        rotated=rotated,
    )


class _Names(NamedTuple):
    """Identities as `namespace:hash`, in their order, the hash of the first, and all of them under the keys before."""

    identities: tuple[str, ...]
    identity_hash: str
    rotated: tuple[str, ...]


@lru_cache(_REMEMBERED)
def _names(
    identities: tuple[str, ...],
    tenant: str,
    blocked: frozenset[str],
    keys: tuple[bytes, ...],
    partitions: int,
) -> _Names | None:
    """Names under a key and those before it, none without a key; `None` when no identity is usable."""
    usable = tuple(usable_identities(identities, blocked))
    if not usable:
        return None
    if not keys:
        return _Names((), "", ())
    now = _hashed(keys[0], tenant, usable, partitions)
    rotated = (name for secret in keys[1:] for name in _hashed(secret, tenant, usable, partitions))
    return _Names(now, identifier_of(now[0]), tuple(rotated))


def _hashed(key: bytes, tenant: str, usable: tuple[tuple[str, str], ...], partitions: int) -> tuple[str, ...]:
    """Identities as `namespace:hash`, in their order."""
    return tuple(
        f"{namespace}:{hash_identity(key, tenant, namespace, value, partitions)}" for namespace, value in usable
    )
