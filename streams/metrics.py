"""What a worker tells Prometheus: read where it arises when somebody asks, by a thread of its own."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.settings import SettingsError

_HOST: Final = "127.0.0.1"


class Sample(NamedTuple):
    """A value of a metric; labels in the order of the catalogue."""

    metric: str
    labels: tuple[str, ...]
    value: float


#: Values of a part of the worker. Called from another thread than the one that changes them.
Measure = Callable[[], Iterable[Sample]]

_PLACE: Final = ("agent", "topic", "partition")
#: Metric to its labels and meaning; what ends in `_total` counts from the start of the process.
CATALOGUE: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "journeys_records_read_total": (_PLACE, "Records handed to the agent, those read again included."),
    "journeys_committed_offset": (_PLACE, "Offset from which the group would read on."),
    "journeys_lag_records": (_PLACE, "Offsets between that and the end, as of the last fetch."),
    "journeys_retries_total": (("agent", "of"), "Attempts that ClickHouse or Kafka did not answer."),
    "journeys_touchpoints_total": (("outcome",), "What became of touchpoints; those read again count again."),
    "journeys_late_touchpoints_total": ((), "Applied touchpoints that were behind the watermark."),
    "journeys_watermark_timestamp_seconds": (("partition",), "Event time reached, in seconds since 1970, UTC."),
    "journeys_flushes_total": ((), "Flushes that are durable."),
    "journeys_flush_seconds_total": ((), "Time that they took."),
    "journeys_flush_rows_total": ((), "Touchpoints that they held."),
    "journeys_oldest_unflushed_seconds": ((), "For how long the oldest touchpoint has waited to be written."),
    "journeys_persons": ((), "Persons in memory."),
    "journeys_person_touchpoints": ((), "Touchpoints of all of them."),
    "journeys_person_lookups_total": (
        ("found",),
        "Identifiers that a batch or a deadline was about: known in `memory`, read from the `store`, or `new`.",
    ),
    "journeys_rollup_days_rebuilt_total": (
        ("rollup",),
        "Days of a rollup that differed from its base and were rebuilt.",
    ),
    "journeys_rollup_days_differing": (
        ("rollup",),
        "Days that differed right after that: 0, or those to which something was written in that moment.",
    ),
    "journeys_rollups_checked_timestamp_seconds": (
        (),
        "When this worker last held the rollups against their bases, UTC.",
    ),
    "journeys_alert_incidents": ((), "Incidents of which teams may still have to be told something."),
    "journeys_alert_notices_waiting": (("channel",), "Messages decided for a channel that it has yet to get."),
    "journeys_alert_notices_total": (("channel", "outcome"), "Attempts to send messages, by what became of them."),
    "journeys_alert_circuit": (
        ("channel",),
        "1 while an endpoint is left alone, 0.5 while one message tries it, else 0.",
    ),
}


class _Measuring(Collector):
    def __init__(self, sources: Sequence[Measure]) -> None:
        self._sources = sources
        self._told: dict[tuple[str, tuple[str, ...]], float] = {}

    def collect(self) -> Iterable[Metric]:
        families = {
            name: (CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily)(name, text, labels=labels)
            for name, (labels, text) in CATALOGUE.items()
        }
        for source in self._sources:
            for name, labels, value in source():
                if name.endswith("_total"):
                    # What counts may be taken back when the store refuses a row. A fall would look like a new start.
                    value = self._told[name, labels] = max(value, self._told.get((name, labels), 0.0))  # noqa: PLW2901
                families[name].add_metric(labels, value)
        return families.values()


@contextmanager
def served_metrics(port: int | None, sources: Sequence[Measure]) -> Iterator[None]:
    """Serve http://127.0.0.1:PORT/metrics inside of the block; nothing without a port.

    Raises:
        SettingsError: the port is taken.

    """
    if port is None:
        yield
        return
    registry = CollectorRegistry()
    # Memory, processor time, open files.
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(_Measuring(sources))
    try:
        server, _ = start_http_server(port, addr=_HOST, registry=registry)
    except OSError as error:
        raise SettingsError(
            f"metrics cannot be served on {_HOST}:{port} ({error.strerror}); choose another --metrics-port"
        ) from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
