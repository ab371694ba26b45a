"""Identities: `namespace:value` texts, how strong each is, and which values say nothing."""

import re
from collections.abc import Iterable
from typing import Final

from schemas.vocabulary import NAMESPACES, IdentityClass

#: A shared identity (a household, a contact of a case) is the weakest owner: it stands for several people.
_OWNER_ORDER: Final = (IdentityClass.UNIQUE, IdentityClass.LOGIN, IdentityClass.VOLATILE, IdentityClass.SHARED)
_RANKS: Final = {
    namespace: (_OWNER_ORDER.index(class_), place) for place, (namespace, class_) in enumerate(NAMESPACES.items())
}
_UNKNOWN_RANK: Final = (_OWNER_ORDER.index(IdentityClass.VOLATILE), len(NAMESPACES))

_BLOCKED_WORDS: Final = frozenset(
    "-1 null none nil nan undefined unknown anonymous anonym guest n/a na test default dummy".split()
)
_PLACEHOLDER: Final = re.compile(r"[0\-_.\s+]*\Z")


def split_identity(identity: str) -> tuple[str, str] | None:
    """Namespace and normalised value of `namespace:value`, or `None` when it is malformed.

    Values are stripped; e-mail addresses and phone numbers are brought to one spelling, since they link people.
    """
    namespace, colon, value = identity.partition(":")
    namespace = namespace.strip().lower()
    value = value.strip()
    if not colon or not namespace:
        return None
    if namespace == "email":
        value = value.lower()
    elif namespace == "phone":
        value = re.sub(r"[\s()/.-]", "", value)
    return namespace, value


def is_blocked(value: str, blocked: frozenset[str] = frozenset()) -> bool:
    """Whether a value is a placeholder that stands for nobody: empty, zeros, dashes, `null`, `test@…`, or listed."""
    lowered = value.lower()
    return (
        _PLACEHOLDER.match(value) is not None
        or lowered in _BLOCKED_WORDS
        or lowered.startswith("test@")
        or lowered in blocked
    )


def usable_identities(identities: Iterable[str], blocked: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    """Well-formed, unblocked identities as (namespace, value), strongest first, each once.

    Among identities of one namespace the producer's order stays.
    """
    usable: dict[tuple[str, str], None] = {}
    for identity in identities:
        parts = split_identity(identity)
        if parts is not None and not is_blocked(parts[1], blocked):
            usable[parts] = None
    return sorted(usable, key=lambda parts: _RANKS.get(parts[0], _UNKNOWN_RANK))


def strongest_identity(identities: Iterable[str]) -> str | None:
    """The identity that decides the owner, as `namespace:value`, or `None` when none is usable."""
    usable = usable_identities(identities)
    return ":".join(usable[0]) if usable else None
