"""How long it takes until a touchpoint can be queried, counted from its append time, while records come on schedule.

Every so many touchpoints one is a marker. A marker counts as there when a query of the table `touchpoints` has brought
it, so the answer of ClickHouse and the pause between two questions are part of the time.
"""

import asyncio
import math
import threading
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from bench.load import as_record
from bench.mix import make_mix
from bench.site import BenchError, Site
from schemas.touchpoint import Touchpoint
from sinks.clickhouse.connection import connect
from streams.broker import ReliableProducer
from streams.store import clickhouse_address

_ASK_EVERY_S: Final = 0.05
_SEND_EVERY_S: Final = 0.02
_MOST_MARKERS: Final = 2_000
#: Those sent before meet a worker that has done nothing yet.
_WARM_UP_S: Final = 2.0
_SEEN_WITHIN_S: Final = 120.0
#: Not read by any rule, and stored as it is.
_MARK: Final = "marker"
_COUNT: Final = "SELECT count() FROM touchpoints"
_MARKED: Final = "SELECT id, toUnixTimestamp64Milli(ingestion_time) FROM touchpoints WHERE traceparent = 'marker'"


class Latency(NamedTuple):
    """Seconds from append to queryable, of so many markers, at so many records a second."""

    events_per_second: float
    markers: int
    p50_s: float
    p99_s: float
    max_s: float


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of all values do not exceed.

    Raises:
        ValueError: there are no values.

    """
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def measure_latency(
    site: Site, *, rate: float, seconds: float, seed: int, start: int, persons_per_event: float
) -> Latency:
    """Send `rate` generated touchpoints a second for so long after a warm-up, to a worker that runs.

    Raises:
        BenchError: markers did not arrive.

    """
    total = max(1, round(rate * (_WARM_UP_S + seconds)))
    persons = max(1, min(total, round(total * persons_per_event)))
    touchpoints = make_mix(total, persons, seed=seed, start=start).touchpoints[:total]
    first = min(total - 1, round(rate * _WARM_UP_S))
    every = math.ceil((total - first) / _MOST_MARKERS)
    marked = set(range(first, total, every))
    # A duplicate of a marker would bring its time of its own.
    seen: set[tuple[str, str]] = set()
    for number, touchpoint in enumerate(touchpoints):
        if (touchpoint.source, touchpoint.id) in seen:
            marked.discard(number)
        seen.add((touchpoint.source, touchpoint.id))
    watcher = _Watcher(site, {touchpoints[number].id for number in marked})
    try:
        asyncio.run(_send(site, touchpoints, marked, rate))
        watcher.wait(_SEEN_WITHIN_S)
    finally:
        watcher.stop()
    found = watcher.seconds
    return Latency(rate, len(found), percentile(found, 50), percentile(found, 99), max(found))


class _Watcher:
    """Asks ClickHouse in a thread of its own until every marker was seen."""

    def __init__(self, site: Site, expected: set[str]) -> None:
        self.seconds: list[float] = []
        self._site = site
        self._missing = set(expected)
        self._done = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self._thread.start()

    def wait(self, within_s: float) -> None:
        """Wait until all were seen."""
        if not self._done.wait(within_s) or self._failure is not None:
            raise BenchError(
                f"{len(self._missing)} markers were not queryable {within_s:g} s after the last was sent"
            ) from self._failure

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        client = connect(clickhouse_address(self._site.settings.clickhouse))
        rows = -1
        try:
            while self._missing and not self._done.wait(_ASK_EVERY_S):
                ((count,),) = client.execute(_COUNT)
                if count == rows:
                    continue
                rows = count
                answer = client.execute(_MARKED)
                now = time.time()
                for id_, appended_ms in answer:
                    if id_ in self._missing:
                        self._missing.discard(id_)
                        self.seconds.append(now - appended_ms / 1000)
        except BaseException as error:  # noqa: BLE001 - told to who waits
            self._failure = error
        finally:
            client.disconnect()
            self._done.set()


async def _send(site: Site, touchpoints: Sequence[Touchpoint], marked: set[int], rate: float) -> None:
    """Send what is due, every few milliseconds."""
    partitions = site.settings.partitions
    records = [
        as_record(msgspec.structs.replace(one, traceparent=_MARK) if number in marked else one, partitions)
        for number, one in enumerate(touchpoints)
    ]
    producer = ReliableProducer(site.settings.kafka)
    clock = asyncio.get_running_loop().time
    began, sent = clock(), 0
    try:
        while sent < len(records):
            due = min(len(records), math.floor((clock() - began) * rate) + 1)
            await producer.send(records[sent:due])
            sent = due
            await asyncio.sleep(_SEND_EVERY_S)
    finally:
        await producer.stop()
