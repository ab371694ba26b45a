"""One person's story as the tables tell it: touchpoints in order, in their journeys, with waits and frictions."""

import re
from typing import Any

import msgspec

from processors.admission import owner_hashes
from processors.keyring import Keyring
from schemas.identities import split_identity
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.questions import ask

_PERSON_KEY = re.compile(r"[0-9a-f]{32}\Z")

_TOUCHPOINTS = """
SELECT touchpoint_key, toUnixTimestamp64Milli(event_time) AS at, toUnixTimestamp64Milli(end_time) AS until, kind,
    channel, channel_detail, touchpoint, direction, actor, team, topic, reason, outcome, objects, redirect_to, wait_ms
FROM v_touchpoints WHERE person_key = %(key)s ORDER BY event_time, source, id
"""
_JOURNEYS = """
SELECT journey_id, status, topic, channels, contacts, handoffs, redirects, wait_minutes, effort_minutes, outcome,
    touchpoint_keys
FROM v_journeys WHERE person_key = %(key)s ORDER BY opened_at, journey_id
"""
_FRICTIONS = """
SELECT friction_id, rule_id, variant, status, severity, journey_id, toUnixTimestamp64Milli(anchor_at) AS anchor_at,
    team, minutes, sentence_en, sentence_de, evidence_touchpoints, nearest_miss
FROM v_frictions WHERE person_key = %(key)s ORDER BY anchor_at, friction_id
"""
_SESSIONS = """
SELECT session_id, toUnixTimestamp64Milli(started_at) AS started_at, toUnixTimestamp64Milli(ended_at) AS ended_at,
    touches, channels
FROM v_sessions WHERE person_key = %(key)s ORDER BY started_at, session_id
"""
_OWNER_OF = "SELECT DISTINCT identity_hash FROM touchpoints WHERE has(identities, %(identity)s) ORDER BY 1 LIMIT 2"


class NobodyFound(ValueError):
    """No person is known under an identity; the message says what was looked for."""


class Story(msgspec.Struct, frozen=True):
    """Everything known of a person; times are UTC milliseconds, rows are as the views name their columns."""

    person_key: str
    touchpoints: list[dict[str, Any]]
    sessions: list[dict[str, Any]]
    journeys: list[dict[str, Any]]
    frictions: list[dict[str, Any]]


def find_person(address: ClickHouseAddress, identity: str, *, tenant: str, keyring: Keyring) -> str:
    """Person key of `namespace:value`, or of a person key itself.

    Raises:
        NobodyFound: the identity is malformed or a placeholder, or stands on several people's touchpoints.
        StoreUnavailable: ClickHouse does not answer.

    """
    if _PERSON_KEY.match(identity):
        return identity
    hashes = owner_hashes(keyring, tenant, identity)
    parts = split_identity(identity)
    if not hashes or parts is None:
        raise NobodyFound(f"{identity!r} identifies nobody; expected namespace:value such as customer_no:4711")
    for hashed in hashes:
        found = ask(address, _OWNER_OF, {"identity": f"{parts[0]}:{hashed}"}).rows
        if len(found) > 1:
            raise NobodyFound(
                f"{parts[0]} {parts[1]!r} stands on touchpoints of several people; use a stronger identity"
            )
        if found:
            return str(found[0][0])
    return hashes[0]


def load_story(address: ClickHouseAddress, person_key: str) -> Story:
    """Everything known of a person.

    Raises:
        NobodyFound: the person has no touchpoints.
        StoreUnavailable: ClickHouse does not answer.

    """
    key = {"key": person_key}
    touchpoints = ask(address, _TOUCHPOINTS, key).records()
    if not touchpoints:
        raise NobodyFound("nobody with this identity has touchpoints yet; is everything queryable? see: journeys wait")
    return Story(
        person_key,
        touchpoints,
        ask(address, _SESSIONS, key).records(),
        ask(address, _JOURNEYS, key).records(),
        ask(address, _FRICTIONS, key).records(),
    )
