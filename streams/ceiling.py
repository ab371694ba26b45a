"""The ceiling for dead letters: how much of a partition may be refused before somebody has to look at it.

A producer that sends nothing but garbage would have all of it put aside while everybody believes that the pipeline
works. Past 100 dead letters in a row, or 10 % of the last 10,000 records (both our defaults), it stops instead.
"""

from collections import Counter, deque
from collections.abc import Iterable
from typing import Final, NamedTuple

#: Records that the percentage is of, also while fewer have been seen: two bad ones of the first ten are no flood.
WINDOW: Final = 10_000


class Judged(NamedTuple):
    """What became of a record: why it is a dead letter (`None`: it is good), and what names its producer, if known."""

    offset: int
    reason: str | None = None
    producer: str | None = None


class Limits(NamedTuple):
    """Most dead letters in a row, and in percent of `WINDOW`; 0 stands for no limit.

    Records before `counted_from`, an offset, do not count: somebody has accepted them.
    """

    most_in_a_row: int = 100
    most_percent: float = 10.0
    counted_from: int = 0


class Excess(NamedTuple):
    """More dead letters than allowed: where it was noticed, and what they were."""

    offset: int
    in_a_row: int
    in_window: int
    reason: str
    producers: tuple[str, ...]


class Ceiling:
    """Counts the dead letters of one partition; to be told of its records in their order."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._most_in_window = round(limits.most_percent * WINDOW / 100)
        self._last: deque[Judged] = deque(maxlen=WINDOW)
        self._in_window = 0
        self._in_a_row = 0

    def passed_by(self, records: Iterable[Judged]) -> Excess | None:
        """Count records; the first excess among them, after which nothing more is counted."""
        for record in records:
            if record.offset < self._limits.counted_from:
                continue
            self._count(record)
            if record.reason is not None and self._is_passed:
                return self._excess(record.offset)
        return None

    def count(self, records: Iterable[Judged]) -> None:
        """Count records that were let pass already."""
        for record in records:
            if record.offset >= self._limits.counted_from:
                self._count(record)

    def _count(self, record: Judged) -> None:
        if len(self._last) == WINDOW:
            self._in_window -= self._last[0].reason is not None
        self._last.append(record)
        if record.reason is None:
            self._in_a_row = 0
        else:
            self._in_a_row += 1
            self._in_window += 1

    @property
    def _is_passed(self) -> bool:
        row, percent = self._limits.most_in_a_row, self._limits.most_percent
        return bool((row and self._in_a_row > row) or (percent and self._in_window > self._most_in_window))

    def _excess(self, offset: int) -> Excess:
        dead = [record for record in self._last if record.reason is not None]
        ((reason, _),) = Counter(record.reason or "" for record in dead).most_common(1)
        producers = Counter(record.producer for record in dead if record.producer)
        return Excess(
            offset, self._in_a_row, self._in_window, reason, tuple(name for name, _ in producers.most_common(3))
        )
