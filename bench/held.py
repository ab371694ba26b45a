"""An owner as a worker has it, fed with records, without reading or writing anything.

Everything before is as in a worker as well: records are decoded and admitted, whoever was touched or has a deadline is
judged, what changed counts as written. Whoever had to leave memory is not read back.
"""

import gc
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.rules import LATENESS_MS
from bench.steps import admitted
from processors.friction.catalogue import default_rules
from processors.settings import CoreSettings
from streams.owner import Owner
from streams.worker import collect_less_often

#: Event time that is judged together: of one person it holds as much however many others there are.
WINDOW_MS: Final = 600_000
_PARTITION: Final = 0
_ALL_DUE: Final = 5_000


class Spent(NamedTuple):
    """CPU seconds for so many records: in all, to decode and admit them, and in collections of garbage.

    `longest_pause_s` is the longest of these by the clock.
    """

    records: int
    cpu_s: float
    decode_s: float
    gc_s: float
    longest_pause_s: float


class Held:
    """An owner and the time that it takes."""

    def __init__(self, max_persons: int, max_touchpoints: int) -> None:
        self.owner = Owner(default_rules(), CoreSettings(), max_persons, max_touchpoints)
        self.owner.assign(_PARTITION, ())
        self._watermark = 0

    def take(self, batches: Iterable[list[bytes]]) -> Spent:
        """Take batch by batch, each with a flush of its own."""
        collections = _Collections()
        records = 0
        decode_s = taking_s = 0.0
        collect_less_often()
        gc.callbacks.append(collections)
        try:
            for values in batches:
                began = time.process_time()
                touchpoints = admitted(values)
                read = time.process_time()
                for applied in touchpoints:
                    self.owner.apply(_PARTITION, applied.identity_hash, applied)
                    self._watermark = max(self._watermark, applied.event_time - LATENESS_MS)
                watermarks = {_PARTITION: self._watermark}
                for persons in self.owner.due(watermarks, _ALL_DUE).values():
                    self.owner.wake(persons)
                self.owner.published(self.owner.freeze(watermarks))
                records += len(values)
                decode_s += read - began
                taking_s += time.process_time() - read
        finally:
            gc.callbacks.remove(collections)
        return Spent(records, decode_s + taking_s, decode_s, collections.cpu_s, collections.longest_s)


class _Collections:
    def __init__(self) -> None:
        self.cpu_s = self.longest_s = 0.0
        self._began = self._began_cpu = 0.0

    def __call__(self, phase: str, _: dict[str, Any]) -> None:
        if phase == "start":
            self._began, self._began_cpu = time.perf_counter(), time.process_time()
        else:
            self.cpu_s += time.process_time() - self._began_cpu
            self.longest_s = max(self.longest_s, time.perf_counter() - self._began)


def status_bytes(name: str) -> int:
    """Bytes, from what Linux tells of this process."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024
