"""In what two versions of one friction differ, field by field, evidence included."""

from collections.abc import Iterator
from typing import Any

import msgspec

from schemas.outputs import Friction

#: Fields that name the rule that was used, not what it found.
NAMES_OF_THE_RULE = frozenset({"rule_version", "evidence.rule_version", "evidence.rule_hash"})


class Difference(msgspec.Struct, frozen=True):
    """One field: `path` such as `evidence.checks[2].value`, and both values; `None` where one side has none."""

    path: str
    stored: Any
    derived: Any


#: What is said of a friction that the rules do not find at all.
NOT_FOUND = Difference("friction_id", "stored", "not found by its rule")


def differences(stored: Friction, derived: Friction) -> tuple[Difference, ...]:
    """Every field that differs, in the order of the fields."""
    if stored == derived:
        return ()
    return tuple(_walk("", msgspec.to_builtins(stored), msgspec.to_builtins(derived)))


def _walk(path: str, stored: Any, derived: Any) -> Iterator[Difference]:
    if isinstance(stored, dict) and isinstance(derived, dict):
        for name in stored | derived:
            yield from _walk(f"{path}.{name}" if path else name, stored.get(name), derived.get(name))
    elif isinstance(stored, list | tuple) and isinstance(derived, list | tuple):
        for place in range(max(len(stored), len(derived))):
            yield from _walk(f"{path}[{place}]", _at(stored, place), _at(derived, place))
    elif stored != derived:
        yield Difference(path, stored, derived)


def _at(values: list[Any] | tuple[Any, ...], place: int) -> Any:
    return values[place] if place < len(values) else None
