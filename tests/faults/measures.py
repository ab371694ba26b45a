"""Numbers of a run: how memory grew, how long recoveries took."""

import math
from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean
from typing import Final, NamedTuple

#: Until then a process loads libraries and fills what it needs in any case.
_WARM_AFTER_S: Final = 120.0
#: Less says nothing about an hour.
_LEAST_S: Final = 300.0


class MemorySample(NamedTuple):
    """Memory of a process at a moment (seconds of the monotonic clock): MB, or whatever else is counted."""

    pid: int
    at: float
    megabytes: float


class MemoryGrowth(NamedTuple):
    """Slopes of a worker's memory, an hour: resident MB; blocks alive in Python's allocator; MB alive outside of it.

    Resident memory also grows when what is free lies between what is alive; then the other two stay where they are.
    """

    resident_mb: float
    blocks: int | None
    blocks_alive: int
    malloced_mb: float | None
    malloced_alive_mb: float

    def __str__(self) -> str:
        text = f"{self.resident_mb:+.1f} MB an hour"
        if self.blocks is not None and self.malloced_mb is not None:
            text += f"; alive {self.blocks:+,} blocks an hour of {self.blocks_alive:,}"
            text += f", and {self.malloced_mb:+.1f} MB an hour of {self.malloced_alive_mb:.1f}"
        return text


def growth(samples: Sequence[MemorySample]) -> float | None:
    """Least-squares slope over the second half of the time, in MB per hour; `None` where that is under five minutes.

    One slope for all processes that a worker was in that time, with a level for each: what a restart gives back is no
    shrinking. The first two minutes of each are left out.
    """
    if not samples or samples[-1].at - samples[0].at < 2 * _LEAST_S:
        return None
    half = (samples[0].at + samples[-1].at) / 2
    born: dict[int, float] = {}
    lives: defaultdict[int, list[MemorySample]] = defaultdict(list)
    for sample in samples:
        if sample.at >= max(half, born.setdefault(sample.pid, sample.at) + _WARM_AFTER_S):
            lives[sample.pid].append(sample)
    covariance = variance = 0.0
    for life in lives.values():
        at, megabytes = fmean(one.at for one in life), fmean(one.megabytes for one in life)
        covariance += sum((one.at - at) * (one.megabytes - megabytes) for one in life)
        variance += sum((one.at - at) ** 2 for one in life)
    return covariance / variance * 3_600 if variance else None


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of them do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]
