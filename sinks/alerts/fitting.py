"""Text from elsewhere made fit to be shown: one printable line, nobody's address, no longer than there is room."""

import hashlib
import re
from collections.abc import Iterable
from typing import Final

ELLIPSIS: Final = "…"
#: Shown in place of what looks like somebody's address or number.
HIDDEN: Final = "[…]"

# Control characters could drive a terminal, surrogates cannot be encoded, and the bidirectional ones can make a line
# read as something else than it says.
UNPRINTABLE: Final = re.compile("[\x00-\x20\x7f-\xa0\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# E-mail addresses, and telephone numbers in international form. Bounded, so that no text takes long.
_IDENTIFIER: Final = re.compile(r"[^\s@<>]{1,64}@[^\s@<>]{1,255}\.[A-Za-z]{2,24}|\+\d(?:[ ()/.-]{0,3}\d){7,14}")


def one_line(text: str) -> str:
    """Text as one printable line: control characters and runs of white space become single spaces."""
    return UNPRINTABLE.sub(" ", _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)).strip()


def showable(text: str, limit: int) -> str:
    """Text as one line of at most `limit` characters, in which no e-mail address or telephone number is left.

    Nothing that is shown should hold one, since persons are known by hashes here. A producer that puts one into a
    topic or an id makes a mistake that is not to spread into a chat.
    """
    return cut(_IDENTIFIER.sub(HIDDEN, one_line(text[: 4 * limit])), limit)


def plain_id(id_: str) -> str:
    """The id itself where it is one, fit for headers and addresses; the hash of any other text in its place."""
    return id_ if _ID.fullmatch(id_) else hashlib.sha256(id_.encode(errors="surrogatepass")).hexdigest()[:32]


def utf16_length(text: str) -> int:
    """Characters as UTF-16 counts them, which is never fewer than a receiver can mean by its limit."""
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2


def cut(pieces: Iterable[str], limit: int) -> str:
    """Pieces joined, as many as `limit` has room for in UTF-16 characters, with an ellipsis where some are left out."""
    kept: list[str] = []
    length = 0
    # Where to go back to when the text turns out too long for an ellipsis behind it.
    room_for_ellipsis = 0
    for piece in pieces:
        length += utf16_length(piece)
        if length > limit:
            return "".join(kept[:room_for_ellipsis]) + ELLIPSIS
        kept.append(piece)
        if length <= limit - len(ELLIPSIS):
            room_for_ellipsis = len(kept)
    return "".join(kept)
