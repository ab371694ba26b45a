"""Touchpoints from JSON lines: one object a line, keys are the contract's field names."""

from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

import msgspec

from schemas.codec import MAX_VALUE_BYTES
from schemas.json_form import ContractError, touchpoint_from_json
from streams.producing.transfer import Parsed, Refusal

_BOM: Final = b"\xef\xbb\xbf"
_PROGRESS_LINES: Final = 1_000


def read_touchpoints(stream: BinaryIO, on_bytes: Callable[[int], None] | None = None) -> Iterator[Parsed]:
    """Touchpoint or refusal of every line that is not blank; numbers count all lines, from 1.

    `on_bytes` gets the number of bytes read so far, now and then.
    """
    for number, line in read_numbered_lines(stream, on_bytes):
        if line is None:
            yield Refusal(number, None, f"the line is longer than {MAX_VALUE_BYTES} bytes")
        else:
            yield _parse(number, line)


def read_numbered_lines(
    stream: BinaryIO, on_bytes: Callable[[int], None] | None = None
) -> Iterator[tuple[int, bytes | None]]:
    """Lines that are not blank, stripped, with their number.

    A line over `schemas.codec.MAX_VALUE_BYTES` is `None`: it is passed over without being held in memory.
    """
    number = 0
    position = 0
    while line := stream.readline(MAX_VALUE_BYTES + 1):
        number += 1
        position += len(line)
        if len(line) > MAX_VALUE_BYTES and not line.endswith(b"\n"):
            position += _skip_rest(stream)
            yield number, None
        elif text := line.removeprefix(_BOM).strip() if number == 1 else line.strip():
            yield number, text
        if on_bytes and number % _PROGRESS_LINES == 0:
            on_bytes(position)
    if on_bytes:
        on_bytes(position)


def parse_json(text: bytes) -> object:
    """Value of JSON text.

    Raises:
        ContractError: it is not JSON, not UTF-8, or nested too deeply.

    """
    try:
        return msgspec.json.decode(text)
    except RecursionError:
        raise ContractError(None, "nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ContractError(None, f"not valid JSON: {error}") from None


def _parse(number: int, text: bytes) -> Parsed:
    try:
        return (touchpoint_from_json(parse_json(text)),)
    except ContractError as error:
        return Refusal(number, error.field, error.reason)


def _skip_rest(stream: BinaryIO) -> int:
    skipped = 0
    while part := stream.readline(MAX_VALUE_BYTES):
        skipped += len(part)
        if part.endswith(b"\n"):
            break
    return skipped
