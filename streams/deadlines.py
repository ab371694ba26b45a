"""Deadlines: who has to be judged again though nothing happened, and when; one deadline for each person."""

import heapq
from collections.abc import Iterable
from typing import Final, NamedTuple

#: Superseded entries are swept out when there are more of them than of those that count, and at least so many.
_FEWEST_TO_SWEEP: Final = 1024


class Due(NamedTuple):
    """A person to be judged again; the deadline is event time, UTC milliseconds."""

    deadline: int
    tenant: str
    person_key: str


class Deadlines:
    """Deadlines of the persons of one partition, also of those who are not in memory."""

    def __init__(self, deadlines: Iterable[tuple[int, str, str]] = ()) -> None:
        self._heap = [Due(*deadline) for deadline in deadlines]
        heapq.heapify(self._heap)
        self._next = {due.person_key: due.deadline for due in self._heap}

    def __len__(self) -> int:
        return len(self._next)

    @property
    def entries(self) -> int:
        """Entries held in memory, superseded ones included."""
        return len(self._heap)

    def set(self, tenant: str, person_key: str, deadline: int | None) -> None:
        """Replace a person's deadline; `None` when there is none any more."""
        if deadline is None:
            self._next.pop(person_key, None)
        elif self._next.get(person_key) != deadline:
            self._next[person_key] = deadline
            heapq.heappush(self._heap, Due(deadline, tenant, person_key))
        if len(self._heap) > max(_FEWEST_TO_SWEEP, 2 * len(self._next)):
            self._heap = list({due for due in self._heap if self._counts(due)})
            heapq.heapify(self._heap)

    def has_due(self, watermark: int) -> bool:
        """Whether `take_due` would find anybody."""
        while self._heap and not self._counts(self._heap[0]):
            heapq.heappop(self._heap)
        return bool(self._heap) and self._heap[0].deadline <= watermark

    def take_due(self, watermark: int, at_most: int) -> list[Due]:
        """Take out persons whose deadline the watermark has reached, earliest first."""
        found: list[Due] = []
        while len(found) < at_most and self.has_due(watermark):
            due = heapq.heappop(self._heap)
            del self._next[due.person_key]
            found.append(due)
        return found

    def _counts(self, due: Due) -> bool:
        return self._next.get(due.person_key) == due.deadline
