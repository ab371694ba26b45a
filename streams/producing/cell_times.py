"""Moments as tables write them, to UTC milliseconds."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, tzinfo
from functools import lru_cache
from typing import Any, Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Logs of minute or day resolution repeat their times; parsing one costs ten times a look-up.
_REMEMBERED: Final = 100_000


def cell_time(value: Any, formats: Sequence[str], zone: tzinfo) -> int:
    """UTC milliseconds of a cell: text, a date or datetime, or a number where `formats` says `epoch_s` or `epoch_ms`.

    Formats are tried in order, the first that fits wins. What names no zone is local time in `zone`; of a local time
    that a clock change makes double the first is meant, and one that it skips counts from before the change.

    Raises:
        ValueError: no format fits; the message says which were tried.

    """
    if isinstance(value, datetime):
        return _milliseconds(value, zone)
    if isinstance(value, date):
        return _milliseconds(datetime.combine(value, time()), zone)
    return _text_time(str(value), tuple(formats), zone)


@lru_cache(maxsize=_REMEMBERED)
def _text_time(text: str, formats: tuple[str, ...], zone: tzinfo) -> int:
    for format_ in formats:
        try:
            if format_ == "epoch_ms":
                return int(text)
            if format_ == "epoch_s":
                return round(float(text) * 1000)
            moment = datetime.fromisoformat(text) if format_ == "iso" else datetime.strptime(text, format_)  # noqa: DTZ007
            return _milliseconds(moment, zone)
        except (ValueError, OverflowError):
            continue
    raise ValueError(f"{text!r} fits none of the formats {', '.join(formats)}")


def _milliseconds(moment: datetime, zone: tzinfo) -> int:
    delta = (moment if moment.tzinfo else moment.replace(tzinfo=zone)) - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000
