"""The watermark of a partition of persons: up to where no earlier event is expected.

Touchpoints of a person arrive from any raw partition, so the slowest raw partition that still delivers decides.
A quiet one must not hold time back: it is left out, and while all are quiet time goes on at the pace of the clock
from where it stood, never faster, so that imported history does not jump to today.
"""

from collections.abc import Mapping

import msgspec

from schemas.ticks import Tick


class SourceTime(msgspec.Struct):
    """Where one raw partition stands: its watermark (UTC ms), and whether it is quiet."""

    watermark: int
    is_quiet: bool = False


class Watermark:
    """Watermark over the raw partitions, fed by ticks in log order; it never goes back."""

    def __init__(self, value: int | None = None, sources: Mapping[int, SourceTime] | None = None) -> None:
        self._value = value
        self._sources = dict(sources or {})

    @property
    def value(self) -> int | None:
        """UTC milliseconds, or `None` before anything is known."""
        return self._value

    def apply(self, tick: Tick) -> bool:
        """Take a tick; whether the watermark moved."""
        for progress in tick.sources:
            source = self._sources.get(progress.partition)
            if progress.watermark is not None:
                if source is None:
                    source = self._sources[progress.partition] = SourceTime(progress.watermark)
                source.watermark = max(source.watermark, progress.watermark)
                source.is_quiet = False
            if progress.quiet_ms and source is not None:
                source.watermark += progress.quiet_ms
                source.is_quiet = True
        return self._move()

    def _move(self) -> bool:
        active = [source.watermark for source in self._sources.values() if not source.is_quiet]
        quiet = [source.watermark for source in self._sources.values() if source.is_quiet]
        reached = min(active) if active else max(quiet, default=None)
        if reached is None or (self._value is not None and reached <= self._value):
            return False
        self._value = reached
        return True

    def snapshot(self) -> bytes:
        """State as JSON bytes, for a checkpoint."""
        return msgspec.json.encode((self._value, {str(key): source for key, source in sorted(self._sources.items())}))

    @classmethod
    def restore(cls, snapshot: bytes) -> "Watermark":
        """Inverse of `snapshot`.

        Raises:
            msgspec.DecodeError: it is none.

        """
        value, sources = msgspec.json.decode(snapshot, type=tuple[int | None, dict[int, SourceTime]])
        return cls(value, sources)
