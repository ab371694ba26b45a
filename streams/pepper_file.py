"""The secret file of the identity hashes: one key for ever, or a line per key with the moment from which it holds.

The first line may hold a key alone, which then holds from the beginning; every other line is a time and a key.
"""

import re
import secrets
from pathlib import Path
from typing import Final

from processors.keyring import BEGINNING, Key, Keyring
from schemas.json_form import iso_time, milliseconds

_LEAST_BYTES: Final = 32
_TIMED: Final = re.compile(rb"(\d{4}-\d\d-\d\d\S*)\s+(\S.*)", re.DOTALL)
#: A time in the middle of a line: somebody wrote behind a key that had no line break.
_GLUED: Final = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d\S*\s")


class PepperError(ValueError):
    """The secret file is not as it has to be; the message names the line and what is allowed, and no key."""


def parse_keyring(content: bytes, window_ms: int, partitions: int = 4) -> Keyring:
    """Keys of a secret file; the key before the current one counts for `window_ms` after that began.

    Raises:
        PepperError: a line is no key, no time and key, or out of order.

    """
    keys: list[Key] = []
    for number, line in _lines(content):
        since, secret = _time_and_key(number, line, is_first=not keys)
        if len(secret) < _LEAST_BYTES:
            raise PepperError(f"line {number}: the key has {len(secret)} bytes; at least {_LEAST_BYTES} are needed")
        if keys and since <= keys[-1].since:
            raise PepperError(f"line {number}: its time is not after that of the line before; the oldest key is first")
        if any(secret == key.secret for key in keys):
            raise PepperError(f"line {number}: an earlier line holds the same key; each has to be a new one")
        keys.append(Key(secret, since))
    return Keyring(tuple(keys), window_ms, partitions)


def add_key(path: Path, since: int, *, now_ms: int) -> None:
    """Write a new random key at the end of a secret file, to hold from `since` on (UTC milliseconds).

    Raises:
        PepperError: that moment is over or before that of the last key, or the file is not as it has to be.
        OSError: the file cannot be read or written.

    """
    if since <= now_ms:
        raise PepperError("a key has to begin in the future: what came until now is stored under the key before it")
    content = path.read_bytes()
    parse_keyring(content, window_ms=0)
    line = f"{iso_time(since)} {secrets.token_hex(32)}\n".encode()
    if not content.endswith(b"\n"):
        line = b"\n" + line
    parse_keyring(content + line, window_ms=0)
    # Not by a new file in its place: a container that has this one mounted would keep the old.
    with path.open("ab") as file:
        file.write(line)


def _lines(content: bytes) -> list[tuple[int, bytes]]:
    """Lines with their numbers, without white space around them, at least one."""
    lines = [(number, line.strip()) for number, line in enumerate(content.splitlines(), 1) if line.strip()]
    # Random bytes are one key, whatever line breaks are among them.
    if not lines or not (_is_text(content) or any(_TIMED.match(line) for _, line in lines)):
        return [(1, content.strip())]
    return lines


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _time_and_key(number: int, line: bytes, *, is_first: bool) -> tuple[int, bytes]:
    timed = _TIMED.match(line)
    if timed is None and not is_first:
        raise PepperError(
            f"line {number}: expected a time with its zone, then a key, such as 2026-12-01T00:00:00Z KEY; only the"
            " first line may hold a key alone"
        )
    since, secret = BEGINNING, line
    if timed is not None:
        secret = timed[2]
        try:
            since = milliseconds(timed[1].decode())
        except ValueError:
            # Not said more closely: what was mistaken for a time may be a part of a key.
            raise PepperError(
                f"line {number}: the time is none, or has no zone; expected one such as 2026-12-01T00:00:00Z"
            ) from None
    if _GLUED.search(secret):
        raise PepperError(f"line {number}: a time stands behind a key; begin a new line with it")
    # The first key may be a sentence, as ever; words behind a later one are a remark that must not become part of it.
    if not is_first and len(secret.split()) > 1:
        raise PepperError(f"line {number}: expected nothing behind the key, and no white space in it")
    return since, secret
