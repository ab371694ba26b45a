"""Keeps the rollups in ClickHouse right while a worker runs: every minute or less often, in a thread of its own.

One worker does it, the one that owns the first partition of the journeys. That two do it for a moment, when partitions
move, does no harm. Nothing waits for it: what fails is told once and tried again the next time.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.errors import SchemaMismatch, StoreUnavailable
from sinks.clickhouse.rollups.upkeep import ROLLUPS, differing_days, rebuild
from streams.metrics import Sample

_log = structlog.get_logger()
_END_WITHIN_S: Final = 1.0
#: A rest is at least so many times as long as the look before it: with tens of millions of touchpoints ClickHouse would
#: do little else.
_RESTS: Final = 9


def rest_after(took_s: float, every_s: float) -> float:
    """Seconds until the next look: as asked for, and longer where a look takes long."""
    return max(every_s, _RESTS * took_s)


class RollupKeeper:
    """Rebuilds rollups every `every_s` seconds while `is_ours` says that this worker is the one; 0 for never."""

    def __init__(self, address: ClickHouseAddress, every_s: float, is_ours: Callable[[], bool]) -> None:
        self._address = address
        self._every_s = every_s
        self._is_ours = is_ours
        self._rebuilt: Counter[str] = Counter()
        self._differing: dict[str, int] = {}
        self._checked_at: float | None = None
        self._is_failing = False

    def look(self) -> None:
        """Rebuild what differs, and look again whether that helped; what fails is told, and tried the next time."""
        if not self._is_ours():
            # Whoever keeps them now tells how they stand.
            self._differing.clear()
            self._checked_at = None
            return
        try:
            for rollup in ROLLUPS:
                rebuilt = rebuild(self._address, rollup)
                self._rebuilt[rollup.name] += len(rebuilt)
                self._differing[rollup.name] = len(differing_days(self._address, rollup)) if rebuilt else 0
        except (StoreUnavailable, SchemaMismatch) as error:
            if not self._is_failing:
                _log.warning("rollups_not_rebuilt", error=str(error))
            self._is_failing = True
        else:
            self._is_failing = False
            self._checked_at = time.time()

    def measure(self) -> Iterable[Sample]:
        """How the rollups stand; nothing of how they are while another worker keeps them."""
        for name, days in sorted(self._rebuilt.items()):
            yield Sample("journeys_rollup_days_rebuilt_total", (name,), days)
        for name, days in sorted(self._differing.items()):
            yield Sample("journeys_rollup_days_differing", (name,), days)
        if self._checked_at is not None:
            yield Sample("journeys_rollups_checked_timestamp_seconds", (), self._checked_at)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Look every `every_s` seconds inside of the block, and less often where a look takes long."""
        if not self._every_s:
            yield
            return
        ending = threading.Event()

        def keep() -> None:
            rest_s = self._every_s
            while not ending.wait(rest_s):
                began = time.monotonic()
                self.look()
                rest_s = rest_after(time.monotonic() - began, self._every_s)

        thread = threading.Thread(target=keep, name="rollups", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join(_END_WITHIN_S)
