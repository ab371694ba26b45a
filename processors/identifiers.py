"""Deterministic identifiers, content hashes and versions: the same in every process, for ever."""

from functools import cache
from hashlib import blake2b
from typing import Final

import msgspec

from schemas.outputs import Fact

_ANCHOR_SHIFT: Final = 54
_EPOCH_SHIFT: Final = 42
_TOUCHPOINTS_SHIFT: Final = 18
MAX_ANCHOR_EPOCH: Final = 2**10 - 1
MAX_EPOCH: Final = 2**12 - 1
MAX_TOUCHPOINTS: Final = 2**24 - 1
MAX_DEADLINES: Final = 2**18 - 1
#: As many touchpoints as a change to the rules counts: more than come to one person until all workers know of it, so
#: that rows of workers who know of different changes never have one version. Leaves room for 4,095 changes.
RULE_CHANGE: Final = 2**12

_encode = msgspec.msgpack.Encoder().encode


def hash_id(*parts: str) -> str:
    """32 hex characters from texts; every part is preceded by its length, so no two lists of parts collide."""
    text = "".join([f"{len(part)}:{part}" for part in parts])
    return blake2b(text.encode(), digest_size=16).hexdigest()


@cache
def _name_of(fact: type[Fact]) -> bytes:
    return fact.__name__.encode()


def content_hash(fact: Fact) -> int:
    """64 bits that change with any field of a fact, unsigned, stable across processes and Python versions."""
    digest = blake2b(_encode(fact), digest_size=8, person=_name_of(type(fact))).digest()
    return int.from_bytes(digest, "big")


def pack_version(epoch: int, touchpoints: int, deadlines_passed: int) -> int:
    """Version of a person's rows: epoch (12 bits), touchpoints ever applied (24), deadlines of that set passed (18).

    It grows with every change of content: the set may have shrunk (another epoch), else there are more touchpoints, or
    the same ones and more of their deadlines passed. Each change to the rules that concerns the person counts like
    `RULE_CHANGE` touchpoints. See `anchored` for rows that several persons published in turn.

    Raises:
        ValueError: a part does not fit its bits.

    """
    if not (0 <= epoch <= MAX_EPOCH and 0 <= touchpoints <= MAX_TOUCHPOINTS and 0 <= deadlines_passed <= MAX_DEADLINES):
        msg = f"version out of range: epoch {epoch}, touchpoints {touchpoints}, deadlines passed {deadlines_passed}"
        raise ValueError(msg)
    return epoch << _EPOCH_SHIFT | touchpoints << _TOUCHPOINTS_SHIFT | deadlines_passed


def unpack_version(version: int) -> tuple[int, int, int]:
    """Epoch, touchpoints and deadlines passed of a version; the inverse of `pack_version`."""
    return (
        version >> _EPOCH_SHIFT & MAX_EPOCH,
        version >> _TOUCHPOINTS_SHIFT & MAX_TOUCHPOINTS,
        version & MAX_DEADLINES,
    )


def anchored(version: int, anchor_epoch: int) -> int:
    """Version of a fact that hangs on a touchpoint which has changed hands so many times (10 bits, above all others).

    The id of a fact does not name its person, so after a merge two persons write the same row; the one to whom its
    anchor belongs later wins, whatever the order of writing.

    Raises:
        ValueError: the epoch does not fit its bits.

    """
    if not 0 <= anchor_epoch <= MAX_ANCHOR_EPOCH:
        msg = f"version out of range: anchor epoch {anchor_epoch}"
        raise ValueError(msg)
    return anchor_epoch << _ANCHOR_SHIFT | version


def anchor_epoch_of(version: int) -> int:
    """The epoch that `anchored` put into a version."""
    return version >> _ANCHOR_SHIFT
