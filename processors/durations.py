"""Durations as people say them."""

from itertools import pairwise
from typing import Final

from processors.settings import MINUTE_MS

_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1))


def spell_duration(milliseconds: int) -> str:
    """Duration in its two largest units, e.g. `3 h 12 min`; what is smaller is cut off, and so is the sign.

    Days begin at four: windows are spoken of as 48 or 72 hours.
    """
    rest = abs(milliseconds)
    for (unit, size), (next_unit, next_size) in pairwise(_UNITS):
        if rest >= (4 * size if unit == "d" else size):
            count, rest = divmod(rest, size)
            tail = f" {rest // next_size} {next_unit}" if rest >= next_size else ""
            return f"{count} {unit}{tail}"
    return f"{rest} ms" if rest else "0 min"


def minutes(milliseconds: int) -> float:
    """Minutes for tables: rounded to a ten-thousandth, so that equal sums look equal."""
    return round(milliseconds / MINUTE_MS, 4)


def spell_gap(milliseconds: int) -> str:
    """Distance from an end to a start; negative when the first still lasted."""
    return f"{spell_duration(milliseconds)} before its end" if milliseconds < 0 else spell_duration(milliseconds)
