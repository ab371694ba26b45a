"""The whole path, from records in Kafka to rows in ClickHouse and committed offsets, beside what Faust alone does.

Brings up a broker and a ClickHouse of its own, sends generated touchpoints, starts the worker, and measures from its
first partitions until everything is committed: seconds, CPU seconds of the worker, memory. The same with a store that
throws rows away, and with a plain Faust worker that does a smaller job (30-minute sessions, redirects followed within
24 hours), in turn, on a new broker for each run. Then how long it takes until a touchpoint can be queried, at half of
the rate.
Every result is checked against the truth about the generated data. Absolute numbers say something about the machine.

Exit code 0: measured, and all results were right; 1: something was wrong or broke; 2: a wrong option.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from bench.checks import problems
from bench.latency import Latency, measure_latency
from bench.load import Load, fill, make_load
from bench.profiling import launcher, read_profile
from bench.report import Run, as_text, result_of, run_of, sizes_of
from bench.site import BenchError, running_site
from bench.workers import Kind, running_workers
from streams.stack.apache_kafka import KafkaUnavailable, find_kafka

_DAY_MS: Final = 86_400_000
#: Before today, so that nothing lies in the future and nothing counts as history.
_AGE_DAYS: Final = 30
_RESULTS: Final = Path(__file__).parent / "results"
_IDLE_EVENTS_PER_SECOND: Final = 5.0
_FUNCTIONS_SHOWN: Final = 40
_TELL_EVERY_S: Final = 30.0


class Progress:
    """Tells on standard error what goes on: one line that is written anew where somebody is watching."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._is_watched = sys.stderr.isatty()
        self._told_at = self._begun

    def step(self, what: str) -> None:
        """Something new begins."""
        self._told_at = time.monotonic()
        sys.stderr.write(f"{self._start}{time.monotonic() - self._begun:7.1f} s  {what}\n")
        sys.stderr.flush()

    def detail(self, what: str) -> None:
        """How far it is; now and then where nobody is watching."""
        if not self._is_watched and time.monotonic() - self._told_at >= _TELL_EVERY_S:
            self.step(f"  {what}")
        elif self._is_watched:
            sys.stderr.write(f"{self._start}{time.monotonic() - self._begun:7.1f} s    {what}")
            sys.stderr.flush()

    @property
    def _start(self) -> str:
        return "\r\x1b[K" if self._is_watched else ""


def main() -> int:
    """Measure as the command line says."""
    end_when_told()
    parser = _parser()
    options = parser.parse_args()
    if options.fused:
        # The workers are told so too, and the result says what they were told.
        os.environ["JOURNEYS_FUSED"] = "true"
    progress = Progress()
    try:
        if options.broker == "kafka":
            find_kafka()
        progress.step(f"generating {options.events:,} events of {options.persons:,} persons")
        load = make_load(
            options.events, options.persons, seed=options.seed, start=options.start, partitions=options.partitions
        )
    except (KafkaUnavailable, ValueError) as error:
        parser.error(str(error))
    try:
        if options.profile:
            return _profile(options, load, progress)
        return _measure(options, load, progress)
    except BenchError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1


def end_when_told() -> None:
    """From now on have a signal end this process by an exception, so that everything that it started is ended."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)


def _end(*_: object) -> NoReturn:
    """End everything that was started, which takes some seconds; who asks a second time must not interrupt that."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    sys.stderr.write("\nending what was started; nothing is written\n")
    sys.exit(1)


def _measure(options: argparse.Namespace, load: Load, progress: Progress) -> int:
    runs: dict[Kind, list[Run]] = {kind: [] for kind in Kind}
    for number in range(1, options.runs + 1):
        for kind in Kind:
            progress.step(f"run {number} of {options.runs}: {kind}")
            run = _run(kind, options, load, progress)
            runs[kind].append(run)
            progress.step(
                f"  {run.events_per_cpu_second:,.0f} events per CPU-second, {run.events_per_second:,.0f} a second"
            )
            for problem in run.problems:
                progress.step(f"  wrong: {problem}")
    sizes = sizes_of(load, partitions=options.partitions, workers=options.workers, runs=options.runs)
    date = datetime.now(UTC).strftime("%Y-%m-%d")
    result = result_of(date, options.broker, sizes, runs, {})
    if options.latency_seconds:
        latencies = _latencies(options, result.events_per_second, progress)
        result = result_of(date, options.broker, sizes, runs, latencies)
    content = msgspec.json.format(msgspec.json.encode(result)) + b"\n"
    mode = "-fused" if options.fused else ""
    out = options.out or _RESULTS / f"{date}-{options.broker}{mode}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(content)
    progress.step(f"written to {out}")
    print(content.decode() if options.json else as_text(result))
    return 0 if result.correct else 1


def _run(kind: Kind, options: argparse.Namespace, load: Load, progress: Progress) -> Run:
    with running_site(options.broker, options.partitions) as site:
        progress.detail(f"sending {len(load.records):,} records")
        fill(site.settings.kafka, load.records)
        progress.detail("waiting for partitions")
        with running_workers(kind, site, options.workers) as workers:
            cost = workers.drain(options.patience, progress.detail)
            workers.end()
        progress.detail("checking what came out")
        return run_of(load, cost, problems(kind, site, load))


def _latencies(options: argparse.Namespace, events_per_second: float, progress: Progress) -> dict[str, Latency]:
    found: dict[str, Latency] = {}
    with (
        running_site(options.broker, options.partitions) as site,
        running_workers(Kind.WHOLE, site, options.workers) as workers,
    ):
        for name, rate in (("idle", _IDLE_EVENTS_PER_SECOND), ("half load", events_per_second / 2)):
            progress.step(f"latency, {name}: {rate:,.0f} events a second for {options.latency_seconds:g} s")
            found[name] = measure_latency(
                site,
                rate=rate,
                seconds=options.latency_seconds,
                seed=options.seed + 1 + len(found),
                start=options.start,
                persons_per_event=options.persons / options.events,
            )
        workers.drain(options.patience, progress.detail)
        workers.end()
    return found


def _profile(options: argparse.Namespace, load: Load, progress: Progress) -> int:
    file = options.profile.resolve()
    with running_site(options.broker, options.partitions) as site:
        progress.step("a profiled run of the whole path")
        fill(site.settings.kafka, load.records)
        with running_workers(Kind.WHOLE, site, launcher=launcher(file)) as workers:
            cost = workers.drain(options.patience, progress.detail)
            workers.end()
    try:
        text = read_profile(file).text(_FUNCTIONS_SHOWN)
    except (OSError, ValueError) as error:
        raise BenchError(f"py-spy has left no profile: {error}") from error
    told = f"{len(load.records) / cost.cpu_s:,.0f} events per CPU-second, with the profiler running\n{text}"
    file.with_name(file.name + ".txt").write_text(told, encoding="utf-8")
    print(told)
    progress.step(f"written to {file} (for https://www.speedscope.app) and {file}.txt")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    at_least_one = at_least(int, 1)
    add("--events", type=at_least_one, default=500_000, help="distinct touchpoints (default: %(default)s)")
    add("--persons", type=at_least_one, default=20_000, help="persons (default: %(default)s)")
    add("--broker", choices=("embedded", "kafka"), default="embedded",
        help="tansu, or Apache Kafka, which `journeys kafka install` fetches (default: %(default)s)")  # fmt: skip
    add("--runs", type=at_least_one, default=3, help="runs of each kind, in turn (default: %(default)s)")
    add("--partitions", type=at_least_one, default=4, help="of the topics (default: %(default)s)")
    add("--workers", type=at_least_one, default=1, help="processes that share them (default: %(default)s)")
    add("--fused", action="store_true", help="persons are owned straight from the raw topic (JOURNEYS_FUSED)")
    add("--seed", type=int, default=1, help="decides the data (default: %(default)s)")
    add("--start", type=_day, default=default_start(), metavar="YYYY-MM-DD",
        help=f"when it all begins, UTC; what is older than 90 days counts as history, which is not judged"
        f" (default: {_AGE_DAYS} days ago)")  # fmt: skip
    add("--latency-seconds", type=at_least(float, 0), default=20.0, metavar="S",
        help="how long latency is measured at each rate; 0: not at all (default: %(default)s)")  # fmt: skip
    add("--patience", type=at_least(float, 1), default=1_800.0, metavar="S",
        help="how long a run may take (default: %(default)s)")  # fmt: skip
    add("--out", type=Path, metavar="FILE", help="result as JSON (default: bench/results/DATE-BROKER.json)")
    add("--json", action="store_true", help="print the result as JSON instead of a table")
    add("--profile", type=Path, metavar="FILE",
        help="measure nothing: run the whole path once under py-spy, write FILE for speedscope, and the functions that"
        " take most of the main thread to FILE.txt")  # fmt: skip
    return parser


def at_least(kind: Callable[[str], float], least: float) -> Callable[[str], float]:
    """What reads a number of at least so much from the command line."""

    def parse(text: str) -> float:
        value = kind(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"at least {least} is needed, got {text}")
        return value

    parse.__name__ = "number"
    return parse


def _day(text: str) -> int:
    return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()) * 1000


def default_start() -> int:
    """When generated data begin unless said otherwise, UTC milliseconds."""
    return (time.time_ns() // 1_000_000 // _DAY_MS - _AGE_DAYS) * _DAY_MS


if __name__ == "__main__":
    sys.exit(main())
