"""One person's story as the tables tell it: touchpoints in order, in their journeys, with waits and frictions."""

import re
from typing import Any

import msgspec

from processors.admission import owner_hashes
from processors.keyring import Keyring
from processors.kinds import CONTROL_KINDS
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.questions import ask

_IDENTIFIER = re.compile(r"[0-9a-f]{32}\Z")

#: The condition on `identity_hash` lets the engine skip all but what the person's identifiers own, and what lies under
#: placeholders: `person_key` is computed, and alone would be asked of every touchpoint there is.
_TOUCHPOINTS = """
SELECT touchpoint_key, toUnixTimestamp64Milli(event_time) AS at, toUnixTimestamp64Milli(end_time) AS until, kind,
    channel, channel_detail, touchpoint, direction, actor, team, topic, reason, outcome, objects, redirect_to, wait_ms
FROM v_touchpoints
WHERE person_key = %(key)s AND kind NOT IN %(statements)s AND (
    identity_hash = %(key)s
    OR identity_hash IN (SELECT identifier FROM v_person_identifiers WHERE person_key = %(key)s OR is_placeholder)
)
ORDER BY event_time, source, id
"""
_JOURNEYS = """
SELECT journey_id, status, topic, channels, contacts, handoffs, redirects, wait_minutes, effort_minutes, outcome,
    touchpoint_keys
FROM v_journeys WHERE person_key = %(key)s ORDER BY opened_at, journey_id
"""
_FRICTIONS = """
SELECT friction_id, rule_id, variant, status, severity, journey_id, toUnixTimestamp64Milli(anchor_at) AS anchor_at,
    team, minutes, sentence_en, sentence_de, evidence_touchpoints, nearest_miss, nearest_miss_de
FROM v_frictions WHERE person_key = %(key)s ORDER BY anchor_at, friction_id
"""
_SESSIONS = """
SELECT session_id, toUnixTimestamp64Milli(started_at) AS started_at, toUnixTimestamp64Milli(ended_at) AS ended_at,
    touches, channels
FROM v_sessions WHERE person_key = %(key)s ORDER BY started_at, session_id
"""
_WHOSE = "SELECT identifier, person_key FROM v_person_identifiers WHERE identifier IN %(hashes)s"
_OWNERS = "SELECT DISTINCT identity_hash FROM touchpoints WHERE identity_hash IN %(hashes)s"

#: What to say of an identity that nothing is stored under.
NOT_YET = "nobody with this identity has touchpoints yet; is everything queryable? see: journeys wait"


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
    """Key of the person who has the identity `namespace:value`, or an identifier: its hash, a person key among them.

    One that was never seen with another, or not at all, is a person of its own.

    Raises:
        NobodyFound: the identity is malformed or a placeholder such as an empty value.
        StoreUnavailable: ClickHouse does not answer.

    """
    hashes = (identity,) if _IDENTIFIER.match(identity) else owner_hashes(keyring, tenant, identity)
    if not hashes:
        raise NobodyFound(f"{identity!r} identifies nobody; expected namespace:value such as customer_no:4711")
    asked = {"hashes": hashes}
    whose = {owner: owner for (owner,) in ask(address, _OWNERS, asked).rows} | dict(ask(address, _WHOSE, asked).rows)
    # One that was rotated is known under both keys and is one person; one that was not is somebody else since.
    return next((str(whose[hashed]) for hashed in hashes if hashed in whose), hashes[0])


def load_story(address: ClickHouseAddress, person_key: str) -> Story:
    """Everything known of a person: of all identities that make them up, and what is theirs under placeholders.

    Raises:
        NobodyFound: the person has no touchpoints.
        StoreUnavailable: ClickHouse does not answer.

    """
    key = {"key": person_key}
    touchpoints = ask(address, _TOUCHPOINTS, key | {"statements": tuple(CONTROL_KINDS)}).records()
    if not touchpoints:
        raise NobodyFound(_why_nobody(address, person_key))
    return Story(
        person_key,
        touchpoints,
        ask(address, _SESSIONS, key).records(),
        ask(address, _JOURNEYS, key).records(),
        ask(address, _FRICTIONS, key).records(),
    )


def _why_nobody(address: ClickHouseAddress, person_key: str) -> str:
    if ask(address, _WHOSE, {"hashes": (person_key,)}).rows:
        return (
            "this identity stands only beside others that it was not joined with; ask for one of these, and see:"
            f" journeys identity show {person_key}"
        )
    return NOT_YET
