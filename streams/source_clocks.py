"""How far event time has come in each raw partition that a worker reads, and what there is to tell the owners of it."""

import time
from collections.abc import Callable

from schemas.ticks import SourceProgress, Tick


class SourceClocks:
    """A clock for each raw partition; times are milliseconds.

    What moved is told at once, a quiet partition every `quiet_after_ms`.
    """

    def __init__(
        self,
        allowed_lateness_ms: int,
        quiet_after_ms: int = 5_000,
        now_ms: Callable[[], float] = lambda: time.monotonic() * 1000,
    ) -> None:
        self._allowed_lateness_ms = allowed_lateness_ms
        self._quiet_after_ms = quiet_after_ms
        self._now_ms = now_ms
        self._clocks: dict[int, _SourceClock] = {}

    def assign(self, partitions: frozenset[int]) -> None:
        """Keep clocks for these partitions, and no others. What was told before may not have arrived: it is news."""
        now = self._now_ms()
        self._clocks = {
            partition: self._clocks.get(partition) or _SourceClock(last_record=now, told=now)
            for partition in partitions
        }
        for clock in self._clocks.values():
            clock.is_news = clock.watermark is not None

    def note(self, partition: int, newest: int | None) -> None:
        """Note the newest event time of records of a partition; `None` when they told none."""
        now = self._now_ms()
        clock = self._clocks.setdefault(partition, _SourceClock(last_record=now, told=now))
        if newest is not None:
            # Records that tell no time leave the partition quiet: a producer of garbage must not hold time back.
            clock.last_record = now
            watermark = newest - self._allowed_lateness_ms
            if clock.watermark is None or watermark > clock.watermark:
                clock.watermark = watermark
                clock.is_news = True

    def tick(self) -> Tick | None:
        """What there is to tell now, once."""
        now = self._now_ms()
        sources = []
        for partition, clock in sorted(self._clocks.items()):
            if clock.is_news:
                sources.append(SourceProgress(partition, clock.watermark))
                clock.is_news = False
                clock.told = now
            elif now - clock.last_record >= self._quiet_after_ms and now - clock.told >= self._quiet_after_ms:
                # A process that was paused saw no quiet meanwhile; somebody else may have told the time.
                quiet_ms = min(now - clock.told, 2 * self._quiet_after_ms)
                sources.append(SourceProgress(partition, None, int(quiet_ms)))
                clock.told = now
        return Tick(tuple(sources)) if sources else None


class _SourceClock:
    __slots__ = ("is_news", "last_record", "told", "watermark")

    def __init__(self, *, last_record: float, told: float) -> None:
        self.watermark: int | None = None
        self.is_news = False
        self.last_record = last_record
        self.told = told
