"""When partitions were committed again after a death: the committed offsets of a group, asked for all the time."""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Final, NamedTuple, Self

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

_PAUSE_S: Final = 0.2


class Reading(NamedTuple):
    """Committed offsets by partition, and when they were asked for and told (seconds of the monotonic clock)."""

    asked_at: float
    told_at: float
    offsets: Mapping[int, int]


def recovery_s(readings: Sequence[Reading], died_at: float, partitions: Iterable[int]) -> float | None:
    """Seconds from a death until all partitions that the dead one had were committed further than at its death.

    `None` where one of them never was.
    """
    later = [reading for reading in readings if reading.asked_at >= died_at]
    ends = []
    for partition in partitions:
        at_death = later[0].offsets.get(partition, 0) if later else 0
        end = next((one.told_at for one in later if one.offsets.get(partition, 0) > at_death), None)
        if end is None:
            return None
        ends.append(end - died_at)
    return max(ends)


class Commits:
    """Asks for the committed offsets of one group and topic in a thread of its own, within a `with` block."""

    def __init__(self, bootstrap: str, group: str, topic: str) -> None:
        self._readings: list[Reading] = []
        self._bootstrap = bootstrap
        self._group = group
        self._topic = topic
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="commits", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._is_over.set()
        self._thread.join(60)

    def recovery_s(self, died_at: float, partitions: Iterable[int]) -> float | None:
        """As `recovery_s` of what was read so far."""
        return recovery_s(self._readings, died_at, partitions)

    def _watch(self) -> None:
        admin = KafkaAdminClient(bootstrap_servers=self._bootstrap, request_timeout_ms=10_000)
        while not self._is_over.wait(_PAUSE_S):
            asked_at = time.monotonic()
            try:
                found = admin.list_group_offsets([self._group]).get(self._group, {})
            except KafkaError:
                # It coordinates, and answers a moment later.
                continue
            offsets = {place.partition: int(at.offset) for place, at in found.items() if place.topic == self._topic}
            self._readings.append(Reading(asked_at, time.monotonic(), offsets))
        admin.close()
