"""Deterministic identifiers, content hashes and versions: the same in every process, for ever."""

from hashlib import blake2b
from typing import Final

import msgspec

from schemas.outputs import Fact

MAX_EPOCH: Final = 2**8 - 1
MAX_TOUCHPOINTS: Final = 2**32 - 1
MAX_DEADLINES: Final = 2**24 - 1

_encode = msgspec.msgpack.Encoder().encode


def hash_id(*parts: str) -> str:
    """32 hex characters from texts; every part is preceded by its length, so no two lists of parts collide."""
    text = "".join([f"{len(part)}:{part}" for part in parts])
    return blake2b(text.encode(), digest_size=16).hexdigest()


def content_hash(fact: Fact) -> int:
    """64 bits that change with any field of a fact, unsigned, stable across processes and Python versions."""
    return int.from_bytes(blake2b(_encode(fact), digest_size=8, person=type(fact).__name__.encode()).digest(), "big")


def pack_version(epoch: int, touchpoints: int, deadlines_passed: int) -> int:
    """Version of a person's rows: epoch (8 bits), touchpoints ever applied (32), deadlines of that set passed (24).

    It grows with every change of content: more touchpoints, or the same ones and more of their deadlines passed.

    Raises:
        ValueError: a part does not fit its bits.

    """
    if not (0 <= epoch <= MAX_EPOCH and 0 <= touchpoints <= MAX_TOUCHPOINTS and 0 <= deadlines_passed <= MAX_DEADLINES):
        msg = f"version out of range: epoch {epoch}, touchpoints {touchpoints}, deadlines passed {deadlines_passed}"
        raise ValueError(msg)
    return epoch << 56 | touchpoints << 24 | deadlines_passed


def unpack_version(version: int) -> tuple[int, int, int]:
    """Epoch, touchpoints and deadlines passed of a version; the inverse of `pack_version`."""
    return version >> 56, version >> 24 & MAX_TOUCHPOINTS, version & MAX_DEADLINES
