"""Ticks: how far event time has come, told to the owners of persons in the same log as the touchpoints."""

import msgspec


class SourceProgress(msgspec.Struct, frozen=True):
    """Progress of a raw partition: its watermark (UTC ms) if it moved, and how long it was quiet (ms)."""

    partition: int
    watermark: int | None
    quiet_ms: int = 0


class Tick(msgspec.Struct, frozen=True):
    """Progress of the raw partitions that one intake worker reads."""

    sources: tuple[SourceProgress, ...]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Tick)


def encode_tick(tick: Tick) -> bytes:
    """JSON bytes of a tick."""
    return _encoder.encode(tick)


def decode_tick(value: bytes) -> Tick:
    """Tick from JSON bytes.

    Raises:
        msgspec.DecodeError: the bytes are not a tick.

    """
    return _decoder.decode(value)
