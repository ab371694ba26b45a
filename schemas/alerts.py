"""Alert intents: what the journeys agent wants teams to know, before anybody decides who is told."""

import msgspec


class AlertIntent(msgspec.Struct, frozen=True, kw_only=True):
    """One friction that a team may want to know of; JSON on the topic `alerts.outbox`, keyed by `friction_id`.

    The topic has one partition, so that all of one cause, and what withdraws them, meet in one agent.
    `action` is `open` (new or revised) or `retract` (it turned out wrong). Intents repeat after a crash; whoever
    delivers them keeps a ledger, so that a friction is told once. Holds no personal data: `person_key` is a hash.
    `because_*` say in half a sentence why a friction is none any more, empty where that is not known.
    """

    action: str
    friction_id: str
    version: int
    tenant: str
    rule_id: str
    variant: str
    severity: int
    team: str | None
    topic: str | None
    from_channel: str | None
    to_channel: str | None
    anchor_at: int
    minutes: float
    person_key: str
    journey_id: str
    sentence_en: str
    sentence_de: str
    evidence: tuple[str, ...]
    nearest_miss: str
    nearest_miss_de: str = ""
    because_en: str = ""
    because_de: str = ""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AlertIntent)


def encode_intent(intent: AlertIntent) -> bytes:
    """JSON bytes of an intent."""
    return _encoder.encode(intent)


def decode_intent(value: bytes) -> AlertIntent:
    """Intent from JSON bytes.

    Raises:
        msgspec.DecodeError: the bytes are not an intent.

    """
    return _decoder.decode(value)
