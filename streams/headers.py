"""Record headers that travel beside the original bytes."""

from collections.abc import Iterable, Sequence
from typing import Final

from schemas.log import DeadLetter, Position

Headers = list[tuple[str, bytes]]
#: Headers as they are read: foreign producers may send names without a value.
ReadHeaders = Iterable[tuple[str, bytes | None]]

_ORIGIN: Final = "origin"
_TICK: Final = "tick"
_APPENDED_AT: Final = "appended_at"
_MOST_DIGITS: Final = 14
TICK_HEADERS: Final[Headers] = [(_TICK, b"1")]
_WAKES: Final = "wakes"
WAKE_HEADERS: Final[Headers] = [(_WAKES, b"1")]
_FORWARDED: Final = "forwarded"


def origin_headers(position: Position) -> Headers:
    """Where in the raw topic a forwarded record stood."""
    return [(_ORIGIN, f"{position.partition}:{position.offset}".encode())]


def origin_of(headers: ReadHeaders, topic: str, fallback: Position) -> Position:
    """Place in the raw `topic` that a forwarded record names; `fallback` when it names none."""
    for name, value in headers:
        if name == _ORIGIN and value is not None:
            partition, colon, offset = value.partition(b":")
            if colon and partition.isdigit() and offset.isdigit():
                return Position(topic, int(partition), int(offset))
    return fallback


def appended_headers(appended_at: int) -> Headers:
    """When a record that is sent again was first appended, UTC milliseconds."""
    return [(_APPENDED_AT, str(appended_at).encode())]


def appended_at(headers: ReadHeaders, timestamp: int) -> int:
    """When a record was first appended: what a replay says, else its own time.

    Clocks are corrected by the append time; taken from the replay it would shift the event by how late that came.
    """
    for name, value in headers:
        if name == _APPENDED_AT and value is not None and value.isdigit() and len(value) <= _MOST_DIGITS:
            return int(value)
    return timestamp


def forward_headers(position: Position, to: str, hops: int) -> Headers:
    """Of a touchpoint that one owner sends to another: its place in the raw topic, the identifier, the hops so far."""
    return [*origin_headers(position), (_FORWARDED, f"{to}:{hops}".encode())]


def forwarded_to(headers: ReadHeaders) -> tuple[str, int] | None:
    """Identifier that a touchpoint was forwarded to, and how often it was; `None` for one that comes from intake."""
    for name, value in headers:
        if name == _FORWARDED and value is not None:
            to, colon, hops = value.decode("ascii", "replace").partition(":")
            if colon and hops.isdigit() and len(hops) <= _MOST_DIGITS:
                return to, int(hops)
    return None


def says_origin_only(headers: Sequence[tuple[str, bytes | None]]) -> bool:
    """Whether a record of the keyed topic says nothing but where it comes from, as nearly all do."""
    return len(headers) == 1 and headers[0][0] == _ORIGIN


def has_wakes(headers: ReadHeaders) -> bool:
    """Whether a record of the keyed topic is wakes."""
    return any(name == _WAKES for name, _ in headers)


def is_tick(headers: ReadHeaders) -> bool:
    """Whether a record of the keyed topic is a tick."""
    return any(name == _TICK for name, _ in headers)


def dead_letter_headers(letter: DeadLetter, *, incarnation: str, code_version: str) -> Headers:
    """What is known of a dead letter besides its bytes."""
    texts = {
        "stage": letter.stage,
        "reason": letter.reason,
        "field": letter.field or "",
        "detail": letter.detail,
        "topic": letter.position.topic,
        "incarnation": incarnation,
        "partition": str(letter.position.partition),
        "offset": str(letter.position.offset),
        "timestamp": str(letter.timestamp),
        "code_version": code_version,
    }
    return [(name, text.encode()) for name, text in texts.items()]
