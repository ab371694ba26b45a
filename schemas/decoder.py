"""A decoder written out for one contract: touchpoints from bytes that are as they should be, several times faster.

It takes what encoders write and the contract allows. For anything else it gives `None`, and whoever asked decodes with
the library, which says what is wrong. Where both give a touchpoint, it is the same.
"""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby
from math import isfinite
from typing import Any, Final

from schemas.touchpoint import REQUIRED_FIELDS, TIME_FIELDS, Touchpoint

Decoder = Callable[[bytes], Touchpoint | None]

#: Fields that are passed over at once when none of them is there: each is one zero byte then.
_AT_ONCE: Final = 8
#: A moment of our time takes six bytes, the highest bit of all but the last of which is set.
_HIGHEST_BITS: Final = 0x80_80_80_80_80_80
_SIX_BYTES: Final = 0x00_80_80_80_80_80
_SEVEN_BITS_EACH: Final = " | ".join(f"x >> {place} & {0x7F << 7 * place:#x}" for place in range(6))
_DOUBLE: Final = struct.Struct("<d")
#: Fields that say the same few words again and again; each word is one object however many touchpoints are held.
_OF_FEW_WORDS: Final = frozenset(
    {
        "tenant", "source", "kind", "actor", "team", "unit", "channel", "channel_detail", "direction", "locale",
        "timezone", "topic", "reason", "outcome", "urgency", "redirect_to", "from_team", "to_team", "message_class",
        "campaign", "currency", "survey_type", "basis", "retention_class",
    }
)  # fmt: skip
#: From this field on, values that name nobody are remembered as a whole, bytes to fields: what one page tells is the
#: same every time, but for who saw it and when.
_REST_FROM: Final = "actor"
_NAMES_NOBODY: Final = _OF_FEW_WORDS | {"touchpoint"}
#: Rests that are remembered, and the longest of them in bytes; as with words, enough of them is enough.
_MOST_RESTS: Final = 10_000
_LONGEST_REST: Final = 128
#: Words that are remembered, and the longest of them in bytes: whoever sends others all the time shall not fill memory.
_MOST_WORDS: Final = 10_000
_LONGEST_WORD: Final = 64


class _Odd(Exception):
    """Bytes that are left to the library."""


def compiled(schema: Mapping[str, Any], *, header: bytes, earliest: int, latest: int) -> Decoder:
    """Decoder of values that begin with a header, in a schema (as `fastavro` parses it, without logical types).

    Moments lie from `earliest` up to before `latest`, UTC milliseconds.

    Raises:
        ValueError: the schema has a type that touchpoints do not.

    """
    every = [(field["name"], _plain(field["type"])) for field in schema["fields"]]
    rest_at = next((place for place, (name, _) in enumerate(every) if name == _REST_FROM), len(every))
    rest = _fields(every[rest_at:])
    body = [
        *_fields(every[:rest_at]),
        "r = b[p:]",
        "known = known_rest(r)",
        "if known is not None: return Touchpoint(**d, **known)",
        "first = d",
        "d = {}",
        *rest,
    ]
    code = [
        "def read(b):",
        "    if not b.startswith(HEADER): return None",
        f"    p = {len(header)}",
        "    d = {}",
        "    try:",
        *_indented(body, 2),
        "    except (Odd, IndexError, UnicodeDecodeError, StructError):",
        "        return None",
        "    if p != len(b): return None",
        "    if len(r) <= LONGEST_REST: new_rest(r, d)",
        "    return Touchpoint(**first, **d)",
    ]
    known: dict[bytes, str] = {}
    rests: dict[bytes, dict[str, Any]] = {}
    names: dict[str, Any] = {
        "HEADER": header,
        "EARLIEST": earliest,
        "LATEST": latest,
        "Odd": _Odd,
        "StructError": struct.error,
        "Touchpoint": Touchpoint,
        "isfinite": isfinite,
        "rest_of": _rest_of,
        "texts": _texts,
        "double": _DOUBLE.unpack_from,
        "known_word": known.get,
        "new_word": partial(_new_word, known),
        "from_bytes": int.from_bytes,
        "known_rest": rests.get,
        "new_rest": partial(_new_rest, rests),
        "LONGEST_REST": _LONGEST_REST,
    }
    exec("\n".join(code), names)  # noqa: S102 - nothing but names and types of the contract gets in
    read: Decoder = names["read"]
    return read


def _fields(fields: Iterable[tuple[str, Any]]) -> list[str]:
    body: list[str] = []
    for may_be_absent, run in groupby(fields, key=lambda field: _may_be_absent(*field)):
        alike = list(run)
        if may_be_absent:
            for start in range(0, len(alike), _AT_ONCE):
                body += _optional_fields(alike[start : start + _AT_ONCE])
        else:
            body += [line for name, type_ in alike for line in _required_field(name, type_)]
    return body


def _plain(type_: Any) -> Any:
    """A type without what only says how to take it, such as `{"type": "long"}`."""
    if isinstance(type_, list):
        return [_plain(branch) for branch in type_]
    return type_["type"] if isinstance(type_, Mapping) and type_["type"] != "array" else type_


def _may_be_absent(name: str, type_: Any) -> bool:
    """Whether one zero byte says that there is nothing."""
    return name not in REQUIRED_FIELDS and (isinstance(type_, list | Mapping) or type_ == "boolean")


def _indented(lines: Iterable[str], depth: int) -> list[str]:
    return ["    " * depth + line for line in lines]


def _optional_fields(fields: Sequence[tuple[str, Any]]) -> list[str]:
    each = [line for name, type_ in fields for line in _optional_field(name, type_)]
    if len(fields) == 1:
        return each
    zeros = bytes(len(fields))
    return [f"if b.startswith({zeros!r}, p):", f"    p += {len(fields)}", "else:", *_indented(each, 1)]


def _optional_field(name: str, type_: Any) -> list[str]:
    match type_:
        case ["null", inner]:
            then = [f"if v: d[{name!r}] = v"] if inner == "string" else [f"d[{name!r}] = v"]
            read = ["if u != 2: raise Odd", *_value(name, inner), *then]
            return ["u = b[p]", "p += 1", "if u:", *_indented(read, 1)]
        case {"type": "array", "items": "string"}:
            return ["if b[p]:", "    v, p = texts(b, p)", f"    if v: d[{name!r}] = v", "else:", "    p += 1"]
        case "boolean":
            return [*_value(name, type_), f"if v: d[{name!r}] = v"]
    raise ValueError(f"no way to read {name} of type {type_}")


def _required_field(name: str, type_: Any) -> list[str]:
    store = f"d[{name!r}] = v"
    read = ["v, p = texts(b, p)"] if isinstance(type_, Mapping) else _value(name, type_)
    if name in REQUIRED_FIELDS:
        return [*read, "if not v: raise Odd", store]
    return [*read, f"if v: {store}" if type_ == "string" else store]


def _value(name: str, type_: str) -> list[str]:
    """Read a value into `v`."""
    number = ["n = b[p]", "p += 1", "if n > 127: n, p = rest_of(b, p, n)"]
    match type_:
        case "string":
            # Past the end a slice is only shorter, and the place no longer fits the length in the end.
            start = [*number, "if n & 1: raise Odd", "e = p + (n >> 1)"]
            if name in _OF_FEW_WORDS:
                return [*start, "w = b[p:e]", "v = known_word(w)", "if v is None: v = new_word(w)", "p = e"]
            return [*start, "v = b[p:e].decode()", "p = e"]
        case "long" if name in TIME_FIELDS:
            return [
                "x = from_bytes(b[p:p+6], 'little')",
                f"if x & {_HIGHEST_BITS:#x} == {_SIX_BYTES:#x}:",
                f"    n = {_SEVEN_BITS_EACH}",
                "    p += 6",
                "else:",
                *_indented(number, 1),
                "v = n >> 1 ^ -(n & 1)",
                "if not EARLIEST <= v < LATEST: raise Odd",
            ]
        case "long" | "int":
            return [*number, "v = n >> 1 ^ -(n & 1)"]
        case "double":
            return ["v, = double(b, p)", "p += 8", "if not isfinite(v): raise Odd"]
        case "boolean":
            return ["v = b[p]", "p += 1", "if v > 1: raise Odd", "v = v == 1"]
    raise ValueError(f"no way to read {name} of type {type_}")


def _new_word(known: dict[bytes, str], text: bytes) -> str:
    word = text.decode()
    if len(known) < _MOST_WORDS and len(text) <= _LONGEST_WORD:
        known[text] = word
    return word


def _new_rest(rests: dict[bytes, dict[str, Any]], rest: bytes, fields: dict[str, Any]) -> None:
    if len(rests) < _MOST_RESTS and fields.keys() <= _NAMES_NOBODY:
        rests[rest] = fields


def _rest_of(data: bytes, place: int, first: int) -> tuple[int, int]:
    """Number whose first byte says that more follow, and the place after it."""
    number, shift, byte = first & 0x7F, 7, 0x80
    while byte > 0x7F:
        byte = data[place]
        place += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if number >= 1 << 64 or shift > 70:
            raise _Odd
    return number, place


def _texts(data: bytes, place: int) -> tuple[tuple[str, ...], int]:
    """Texts of a list that are not empty, and the place after it."""
    count = data[place]
    place += 1
    if count > 0x7F:
        count, place = _rest_of(data, place, count)
    if count & 1:
        raise _Odd
    found = []
    for _ in range(count >> 1):
        length = data[place]
        place += 1
        if length > 0x7F:
            length, place = _rest_of(data, place, length)
        if length & 1:
            raise _Odd
        end = place + (length >> 1)
        if length:
            found.append(data[place:end].decode())
        place = end
    # More of it in another block is allowed, and nobody does it.
    if count and data[place]:
        raise _Odd
    return tuple(found), place + 1 if count else place
