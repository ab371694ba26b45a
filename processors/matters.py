"""What a touchpoint is about: the keys by which two touchpoints belong to the same matter, strongest first."""

from functools import lru_cache
from typing import Final

# The first character of a key is the rank of the relation, so sorted keys are strongest first.
CASE: Final = "0"
#: An object that is one matter by itself, however long that takes.
LASTING: Final = "1"
#: An object that outlives matters (contract, product, any type we do not know).
STANDING: Final = "2"
TOPIC: Final = "3"

_LASTING_TYPES: Final = frozenset({"order", "claim", "promise"})
#: Objects that many unrelated touchpoints share; they say nothing about the matter.
_UNRELATED_TYPES: Final = frozenset({"campaign", "form", "session", "incident", "change"})


@lru_cache(maxsize=16_384)
def matter_keys(objects: tuple[str, ...], topic: str | None) -> tuple[str, ...]:
    """Keys of the matter in a touchpoint, sorted strongest first; empty when it names none.

    `objects` are `type:id[:qualifier]`; the qualifier (an order line) does not make another matter.
    """
    keys = set()
    for text in objects:
        type_, _, rest = text.partition(":")
        if type_ in _UNRELATED_TYPES or not rest:
            continue
        rank = CASE if type_ == "case" else LASTING if type_ in _LASTING_TYPES else STANDING
        keys.add(f"{rank}{type_}:{rest.partition(':')[0]}")
    if topic is not None:
        keys.add(TOPIC + topic)
    return tuple(sorted(keys))


def is_lasting(key: str) -> bool:
    """Whether a key means the same matter however far apart two touchpoints are."""
    return key[0] < STANDING


def topic_match(one: tuple[str, ...], other: tuple[str, ...]) -> str | None:
    """Strongest key that two lists of matter keys share; `None` when they are not known to be the same matter."""
    return min(set(one).intersection(other), default=None)


def object_ids(keys: tuple[str, ...], type_: str) -> frozenset[str]:
    """Keys of the objects of one type among matter keys."""
    return frozenset(key for key in keys if key[1:].startswith(f"{type_}:"))
