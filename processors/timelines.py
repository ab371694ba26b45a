"""Entries found by matter key and time without walking the story."""

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable

from processors.entries import Entry, Order

_Place = tuple[int, Order, Entry]


class _Line:
    """Entries under one key, sorted by time when first asked after one was added out of order."""

    __slots__ = ("entries", "is_sorted", "times")

    def __init__(self) -> None:
        self.times: list[int] = []
        self.entries: list[Entry] = []
        self.is_sorted = True

    def add(self, time: int, entry: Entry) -> None:
        if self.times and time < self.times[-1]:
            self.is_sorted = False
        self.times.append(time)
        self.entries.append(entry)

    def sort(self) -> None:
        if not self.is_sorted:
            # The sort is stable and entries are added in story order, so equal times stay in that order.
            pairs = sorted(zip(self.times, self.entries, strict=True), key=lambda pair: pair[0])
            self.times = [time for time, _ in pairs]
            self.entries = [entry for _, entry in pairs]
            self.is_sorted = True


class Timeline:
    """Entries by key and time; times are UTC milliseconds, both bounds of every question are inclusive.

    Add in story order. An entry may be added under several keys, and at a time that is not its start.
    """

    __slots__ = ("_lines",)

    def __init__(self) -> None:
        self._lines: dict[Hashable, _Line] = {}

    def add(self, key: Hashable, time: int, entry: Entry) -> None:
        """Place an entry under a key."""
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line()
        line.add(time, entry)

    def first(self, keys: Iterable[Hashable], since: int, until: int | None = None) -> tuple[int, Entry] | None:
        """Earliest entry under any of the keys, with its time."""
        best: _Place | None = None
        for key in keys:
            line = self._lines.get(key)
            if line is None:
                continue
            line.sort()
            place = bisect_left(line.times, since)
            if place < len(line.times) and (until is None or line.times[place] <= until):
                found = (line.times[place], line.entries[place].order, line.entries[place])
                if best is None or found[:2] < best[:2]:
                    best = found
        return None if best is None else (best[0], best[2])

    def last(self, keys: Iterable[Hashable], since: int, until: int) -> tuple[int, Entry] | None:
        """Latest entry under any of the keys, with its time."""
        best: _Place | None = None
        for key in keys:
            line = self._lines.get(key)
            if line is None:
                continue
            line.sort()
            place = bisect_right(line.times, until) - 1
            if place >= 0 and line.times[place] >= since:
                found = (line.times[place], line.entries[place].order, line.entries[place])
                if best is None or found[:2] > best[:2]:
                    best = found
        return None if best is None else (best[0], best[2])
