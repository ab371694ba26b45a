"""Changes to the friction rules while workers run: what is published to the topic of rules."""

import msgspec


class RuleChange(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a rule, or its end; JSON on the topic `friction.rules`, keyed by rule and version.

    `text` is a rule file, `None` when the rule is retired. What begins at `effective_from` or later (event time) is
    judged by it, unless a higher version says otherwise; `published_at` is the clock of who published it. Both are UTC
    milliseconds.
    """

    rule_id: str
    version: int
    effective_from: int
    published_at: int
    text: str | None

    @property
    def key(self) -> str:
        """Key of the record: compaction keeps every version, and one copy of it."""
        return f"{self.rule_id}@{self.version}"


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(RuleChange)


def encode_change(change: RuleChange) -> bytes:
    """JSON bytes of a change."""
    return _encoder.encode(change)


def decode_change(value: bytes) -> RuleChange:
    """Change from JSON bytes.

    Raises:
        msgspec.DecodeError: the bytes are none.

    """
    return _decoder.decode(value)
