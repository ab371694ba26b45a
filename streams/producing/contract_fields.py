"""What a contract field may hold, asked by name: for mappings, whose constants are checked before any row is read."""

import difflib
import types
import typing
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from schemas import vocabulary
from schemas.json_form import milliseconds
from schemas.touchpoint import TIME_FIELDS, TOUCHPOINT_FIELDS, Touchpoint

#: Fields in which only the contract's words have a meaning.
_CLOSED_WORDS: Final = {
    "direction": vocabulary.DIRECTIONS,
    "actor": vocabulary.ACTORS,
    "outcome": vocabulary.OUTCOMES,
    "message_class": vocabulary.MESSAGE_CLASSES,
    "basis": vocabulary.BASES,
}
#: Fields in which a company may have words of its own: they are stored and counted, but no rule knows them.
_OPEN_WORDS: Final = {"kind": vocabulary.KINDS, "channel": vocabulary.CHANNELS}


def _plain_type(annotation: Any) -> type:
    if isinstance(annotation, types.UnionType):
        (annotation,) = (part for part in typing.get_args(annotation) if part is not types.NoneType)
    plain: type = typing.get_origin(annotation) or annotation
    return plain


#: Contract field to `str`, `int`, `float`, `bool` or `tuple` (of texts).
FIELD_TYPES: Final[dict[str, type]] = {
    field.name: _plain_type(field.type) for field in msgspec.structs.fields(Touchpoint)
}

_TYPE_WORDS: Final[dict[type, str]] = {
    str: "text (in quotes, if need be)",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


def closest(word: str, known: Iterable[str]) -> str:
    """`, did you mean …?` with the known word that is most like it, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean {near[0]}?" if near else ""


def check_field_name(name: object) -> None:
    """Check that the contract has this field.

    Raises:
        ValueError: it has not; the message lists the fields there are.

    """
    if name not in TOUCHPOINT_FIELDS:
        raise ValueError(
            f"unknown field {name!r}{closest(str(name), TOUCHPOINT_FIELDS)}; allowed: {', '.join(TOUCHPOINT_FIELDS)}"
        )


def checked_constant(name: str, value: Any) -> Any:
    """A constant as the contract's type; times may be given as ISO 8601 with a zone, and become milliseconds.

    For a list field this is one of its texts.

    Raises:
        ValueError: the contract does not allow it; the message says what is allowed.

    """
    words = _CLOSED_WORDS.get(name)
    if words is not None and value not in words:
        raise ValueError(f"{name}: {value!r} is unknown; allowed: {', '.join(sorted(words))}")
    if name in TIME_FIELDS and isinstance(value, str):
        try:
            return milliseconds(value)
        except ValueError as error:
            raise ValueError(f"{name}: expected milliseconds or ISO 8601 with a zone: {error}") from None
    expected = FIELD_TYPES[name] if FIELD_TYPES[name] is not tuple else str
    if expected is float and type(value) is int:
        return float(value)
    if type(value) is not expected:
        raise ValueError(f"{name}: expected {_TYPE_WORDS[expected]}, got {value!r}")
    return value


def unknown_word(name: str, value: Any) -> str | None:
    """Note for people when a verb or channel is not one of the contract's, else `None`."""
    words = _OPEN_WORDS.get(name)
    if words is None or value in words:
        return None
    return f"{name} {value!r} is not one of the contract's words{closest(str(value), words)} It is stored, not judged."
