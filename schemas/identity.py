"""What is said about identities: which were seen together, whose they are, and wakes that tell owners of news.

An identity after admission is `namespace:hash`; its `identifier` is the hash alone, by which owners are found.
"""

from enum import StrEnum
from typing import NamedTuple

import msgspec


class LinkKind(StrEnum):
    """What a touchpoint says about two identities."""

    #: They stand in one touchpoint.
    SEEN = "seen"
    #: A system or a person says that they are the same human (`identity.linked`).
    LINKED = "linked"
    #: A system or a person says that they are not (`identity.unlinked`).
    UNLINKED = "unlinked"
    #: The same value under an old and a new key of the hash.
    ROTATED = "rotated"


class IdentityLink(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One statement of one touchpoint about two identities, `namespace:hash` each.

    The journal keeps every statement that can matter, once for either end: `identity` is the end under which it is
    stored. `event_time` and `ingestion_time` are UTC milliseconds; `source` and `id` name the touchpoint. What was
    rotated names none, with its event time for both times: who else was in that touchpoint may ask to be forgotten.
    """

    tenant: str
    identity: str
    other: str
    kind: LinkKind
    event_time: int
    source: str
    id: str
    ingestion_time: int

    @property
    def order(self) -> tuple[int, str, str]:
        """Where the touchpoint stands in time; source and id break ties."""
        return (self.event_time, self.source, self.id)


class PersonIdentifier(msgspec.Struct, frozen=True, kw_only=True):
    """Whose an identity is, as its owner last decided; only that owner writes it.

    `epoch` is how often that has changed: what an earlier holder of its touchpoints published is older than what a
    later one publishes. `is_placeholder` says that it was seen with too many others to be anybody's. `refused` holds
    `reason other` for each link that was not made. `version` grows with every change of the row.
    """

    identifier: str
    tenant: str
    identity: str
    person_key: str
    epoch: int = 0
    is_placeholder: bool = False
    companions: int = 0
    refused: tuple[str, ...] = ()
    version: int = 1


class Wake(NamedTuple):
    """News for the owner of an identifier: links that can be reached from it are not what they were.

    `is_first` is false for what follows from such news, and is not to be spread any further by placeholders: two of
    them would wake each other for ever.
    """

    tenant: str
    identifier: str
    is_first: bool = True


def identifier_of(identity: str) -> str:
    """Hash of `namespace:hash`."""
    return identity.rpartition(":")[2]


def namespace_of(identity: str) -> str:
    """Namespace of `namespace:hash`."""
    return identity.partition(":")[0]


def encode_wakes(wakes: list[Wake]) -> bytes:
    """JSON bytes of wakes."""
    return msgspec.json.encode(wakes)


_decoder = msgspec.json.Decoder(list[Wake])


def decode_wakes(value: bytes) -> list[Wake]:
    """Wakes from JSON bytes.

    Raises:
        msgspec.DecodeError: the bytes are none.

    """
    return _decoder.decode(value)
