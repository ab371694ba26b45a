"""Places in the log, and records that can never be processed."""

import msgspec


class Position(msgspec.Struct, frozen=True, order=True):
    """A place in the log: topic, partition and offset."""

    topic: str
    partition: int
    offset: int


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record that cannot ever be processed, as a value: nothing is lost, and the reason is known.

    `stage` is where it failed (`decode`, `admit`, `write`, `process`, `read`), `reason` a code from `REASONS`,
    `field` the contract field that was wrong, if one was. `detail` is for people and never holds payload text. `raw` is
    the original record value, byte for byte (`None` for a tombstone, and for records that are gone).
    """

    stage: str
    reason: str
    field: str | None
    detail: str
    raw: bytes | None
    key: bytes | None
    position: Position
    timestamp: int


#: Every reason a dead letter can have, with what it means and what to do.
REASONS: dict[str, str] = {
    "empty_value": "The record has no value. Send a touchpoint, or nothing.",
    "bad_magic": "The value does not start with byte 0 (Confluent wire format). Encode with the contract.",
    "unknown_schema_id": "No schema is known under this id. Add it to the schema index or the registry, then replay.",
    "truncated": "The value ends before the record does. Check the producer's framing, then send it again.",
    "trailing_bytes": "Bytes are left over after the record. The writer's schema is not the one its id names.",
    "not_decodable": "The bytes are not a record of the schema that its id names.",
    "too_large": "The value is larger than the limit. Put the payload elsewhere and send a pointer (text_ref).",
    "missing_field": "A required field is missing or empty.",
    "missing_identity": "No usable identity: the list is empty, malformed, or holds only blocked placeholders.",
    "invalid_value": "A field holds a value of the wrong type or outside its range.",
    "key_missing": "Its key was removed from the secret file; add it, then replay.",
    "time_out_of_range": "The time is not within 400 days back and 10 minutes ahead. Mark imported history backfill.",
    "not_writable": "The store refused this row for good.",
    "lost_to_retention": "Records were deleted before anybody read them; this stands for the range. Send a copy.",
    "kills_the_worker": "Five workers in a row died over it. Report it, and replay it with a mended version.",
}
