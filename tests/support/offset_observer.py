"""An outside observer of committed offsets: asks the broker all the time, and remembers what it was told."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from kafka.errors import KafkaError

from streams.settings import KafkaSettings
from streams.topics import admin_client


class OffsetObserver:
    """Every change of a group's committed offsets, by place, in the order in which they were seen."""

    def __init__(self, kafka: KafkaSettings, groups: Sequence[str]) -> None:
        self.seen: dict[tuple[str, str, int], list[int]] = {}
        self._kafka = kafka
        self._groups = list(groups)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._observe, daemon=True)
        self._thread.start()

    def set_back(self) -> dict[tuple[str, str, int], list[int]]:
        """Places whose offset went back, with all that was seen of them."""
        return {place: offsets for place, offsets in self.seen.items() if offsets != sorted(offsets)}

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _observe(self) -> None:
        admin = admin_client(self._kafka)
        while not self._stopped.wait(0.02):
            try:
                found = admin.list_group_offsets(self._groups)
            except KafkaError:
                continue
            for group, places in found.items():
                for place, at in places.items():
                    offsets = self.seen.setdefault((group, place.topic, place.partition), [])
                    if not offsets or offsets[-1] != at.offset:
                        offsets.append(int(at.offset))
        admin.close()


@contextmanager
def observed_offsets(kafka: KafkaSettings, groups: Sequence[str]) -> Iterator[OffsetObserver]:
    """Observe groups until the end of the block."""
    observer = OffsetObserver(kafka, groups)
    try:
        yield observer
    finally:
        observer.stop()
