"""How the cost of a touchpoint grows: with persons, with touchpoints of each, with partitions and workers.

Run with `make bench-growth`. The first two curves are of the core in a process of its own: decode, admit, step, judge,
compare with what was published; six hours of event time together in the first, ten minutes in the second. The others
are of the whole path on a broker and a ClickHouse of its own, per CPU-second of all workers. All points of a curve are
measured in turn, `--runs` times; the median counts, and the ratio to the first point of the same run. Collections of
garbage count, as in a worker.

`--charts FOLDER` draws the curves as SVG. Exit code 0: measured; 1: what came out of the whole path was wrong.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from bench.chart import Line, draw
from bench.checks import problems
from bench.held import WINDOW_MS, Held, status_bytes
from bench.load import fill, make_load
from bench.pipeline import Progress, default_start, end_when_told
from bench.population import windows, write_population
from bench.report import machine
from bench.site import BenchError, running_site
from bench.workers import Kind, running_workers
from tests.support.processes import REPOSITORY

_EVERYTHING: Final = sys.maxsize
_RESULTS: Final = Path(__file__).parent / "results"
_MICRO: Final = 1e6
#: Event time that is judged together where there are more and more persons: long enough that few of them fill a window.
_LONG_WINDOW_MS: Final = 6 * 3_600_000
#: Touchpoints of a person who goes the whole path, as `make bench` has them by default.
_EACH_OF_WHOLE: Final = 25
#: Windows of a minute each that are taken before anything is measured.
_WARM_UP: Final = 100
_MINUTE_MS: Final = 60_000


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one point: microseconds of CPU for each record, of which so many to decode and in collections.

    `longest_pause_s` is the longest collection by the clock; `peak_bytes` the most memory of all processes together.
    """

    us: float
    decode_us: float | None = None
    gc_us: float | None = None
    longest_pause_s: float | None = None
    peak_bytes: int = 0


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One point of a curve: medians of its runs, and the median of the ratios to the first point of each run."""

    name: str
    value: int
    us: float
    ratio: float
    decode_us: float | None
    gc_us: float | None
    longest_pause_s: float | None
    peak_bytes: int
    runs: list[Measured]


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """A curve, and what grows along it."""

    name: str
    over: str
    points: list[Point]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """All curves that were measured."""

    date: str
    seed: int
    runs: int
    correct: bool
    machine: dict[str, Any]
    curves: list[Curve]


class Task(NamedTuple):
    """How to measure a point once."""

    name: str
    value: int
    measure: Callable[[], Measured]


def main() -> int:
    parser = _parser()
    options = parser.parse_args()
    if options.point:
        file, window_ms = options.point
        print(msgspec.json.encode(measured(Path(file), int(window_ms))).decode())
        return 0
    end_when_told()
    progress = Progress()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="journeys-bench-") as scratch:
        folder = Path(scratch)
        curves = [
            _curve("persons", "persons", _over_persons(folder, options), options.runs, progress),
            _curve("touchpoints", "touchpoints of each", _over_touchpoints(folder, options), options.runs, progress),
        ]
        if options.whole_events:
            most = max(options.shares)
            alone = [_whole(number, number, 1, options, wrong) for number in options.shares]
            shared = [_whole(number, most, number, options, wrong) for number in options.shares]
            curves.append(_curve("partitions", "partitions of one worker", alone, options.runs, progress))
            curves.append(_curve("workers", f"workers that share {most} partitions", shared, options.runs, progress))
    result = Result(
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        seed=options.seed,
        runs=options.runs,
        correct=not wrong,
        machine=machine(),
        curves=[curve for curve in curves if curve.points],
    )
    for problem in wrong:
        progress.step(f"wrong: {problem}")
    content = msgspec.json.format(msgspec.json.encode(result)) + b"\n"
    out = options.out or _RESULTS / f"{result.date}-growth.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(content)
    if options.charts:
        draw_all(result, options.charts)
    print(content.decode() if options.json else as_text(result))
    return 0 if result.correct else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench-growth", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--persons", type=_numbers, default=[10_000, 100_000, 1_000_000], metavar="N,…",
        help="persons, with --each touchpoints each (default: 10000,100000,1000000)")  # fmt: skip
    add("--each", type=int, default=1, help="touchpoints of each of them (default: %(default)s)")
    add("--touchpoints", type=_numbers, default=[1, 10, 100, 1_000], metavar="N,…",
        help="touchpoints of each person, --events of all together (default: 1,10,100,1000)")  # fmt: skip
    add("--events", type=int, default=100_000, help="touchpoints of all of these persons (default: %(default)s)")
    add("--shares", type=_numbers, default=[1, 2, 4], metavar="N,…",
        help="partitions of one worker, and workers that share the most partitions (default: 1,2,4)")  # fmt: skip
    add("--whole-events", type=int, default=100_000,
        help="touchpoints that go the whole path; 0: none do (default: %(default)s)")  # fmt: skip
    add("--broker", choices=("embedded", "kafka"), default="embedded", help="of the whole path (default: %(default)s)")
    add("--patience", type=float, default=1_800.0, metavar="S", help="how long a whole path may take")
    add("--runs", type=int, default=3, help="runs of each point, in turn (default: %(default)s)")
    add("--seed", type=int, default=1, help="decides the data (default: %(default)s)")
    add("--out", type=Path, metavar="FILE", help="result as JSON (default: bench/results/DATE-growth.json)")
    add("--charts", type=Path, metavar="FOLDER", help="draw the curves into this folder")
    add("--json", action="store_true", help="print the result as JSON instead of a table")
    add("--point", nargs=2, help=argparse.SUPPRESS)
    return parser


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]


def _over_persons(folder: Path, options: argparse.Namespace) -> Iterable[Task]:
    for persons in options.persons:
        events = persons * options.each
        yield Task(f"{persons:,}", persons, _core(folder, persons, events, options.seed, window_ms=_LONG_WINDOW_MS))


def _over_touchpoints(folder: Path, options: argparse.Namespace) -> Iterable[Task]:
    for each in options.touchpoints:
        persons = max(1, options.events // each)
        yield Task(f"{each:,}", each, _core(folder, persons, options.events, options.seed, window_ms=WINDOW_MS))


def _core(folder: Path, persons: int, events: int, seed: int, *, window_ms: int) -> Callable[[], Measured]:
    file = folder / f"{persons}-{events}"

    def measure() -> Measured:
        if not file.exists():
            write_population(file, persons, events, seed)
        words = [sys.executable, "-m", "bench.growth", "--point", str(file), str(window_ms)]
        done = subprocess.run(words, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE)
        return msgspec.json.decode(done.stdout, type=Measured)

    return measure


def measured(file: Path, window_ms: int) -> Measured:
    """What the core takes for everybody of a file, in this process."""
    # What is loaded and remembered with the first records costs the same however many follow.
    Held(1, 1).take(islice(windows(file, _MINUTE_MS), _WARM_UP))
    spent = Held(_EVERYTHING, _EVERYTHING).take(windows(file, window_ms))
    return Measured(
        us=round(spent.cpu_s / spent.records * _MICRO, 2),
        decode_us=round(spent.decode_s / spent.records * _MICRO, 2),
        gc_us=round(spent.gc_s / spent.records * _MICRO, 2),
        longest_pause_s=round(spent.longest_pause_s, 3),
        peak_bytes=status_bytes("VmHWM"),
    )


def _whole(value: int, partitions: int, workers: int, options: argparse.Namespace, wrong: list[str]) -> Task:
    def measure() -> Measured:
        load = make_load(
            options.whole_events,
            max(1, options.whole_events // _EACH_OF_WHOLE),
            seed=options.seed,
            start=default_start(),
            partitions=partitions,
        )
        with running_site(options.broker, partitions) as site:
            fill(site.settings.kafka, load.records)
            with running_workers(Kind.WHOLE, site, workers) as running:
                cost = running.drain(options.patience, lambda _: None)
                running.end()
            wrong.extend(problems(Kind.WHOLE, site, load))
        return Measured(us=round(cost.cpu_s / len(load.records) * _MICRO, 2), peak_bytes=cost.peak_rss_bytes)

    return Task(str(value), value, measure)


def _curve(name: str, over: str, tasks: Iterable[Task], runs: int, progress: Progress) -> Curve:
    tasks = list(tasks)
    found: list[list[Measured]] = [[] for _ in tasks]
    for run in range(1, runs + 1):
        for task, of_task in zip(tasks, found, strict=True):
            progress.step(f"run {run} of {runs}: {task.name} {over}")
            of_task.append(task.measure())
            progress.step(f"  {of_task[-1].us:,.1f} microseconds each")
    first = found[0] if found else []
    points = [_point(task, of_task, first) for task, of_task in zip(tasks, found, strict=True)]
    return Curve(name=name, over=over, points=points)


def _point(task: Task, runs: list[Measured], first: list[Measured]) -> Point:
    def median(of: Callable[[Measured], float | None]) -> float | None:
        values = [value for run in runs if (value := of(run)) is not None]
        return round(statistics.median(values), 3) if values else None

    return Point(
        name=task.name,
        value=task.value,
        us=statistics.median(run.us for run in runs),
        ratio=round(statistics.median(run.us / base.us for run, base in zip(runs, first, strict=True)), 3),
        decode_us=median(lambda run: run.decode_us),
        gc_us=median(lambda run: run.gc_us),
        longest_pause_s=median(lambda run: run.longest_pause_s),
        peak_bytes=max(run.peak_bytes for run in runs),
        runs=runs,
    )


def as_text(result: Result) -> str:
    """Tables for people."""
    lines = [f"{result.machine['cpu']}, {result.machine['cores']} cores; medians of {result.runs} runs"]
    for curve in result.curves:
        columns = "".join(f"{name:>12}" for name in ("us each", "ratio", "decode us", "gc us", "pause s", "memory MB"))
        lines += ["", f"{curve.over:<28}{columns}"]
        for point in curve.points:
            details = "".join(
                f"{'-' if value is None else format(value, '.2f'):>12}"
                for value in (point.decode_us, point.gc_us, point.longest_pause_s)
            )
            memory = point.peak_bytes / 2**20
            lines += [f"{point.name:<28}{point.us:>12.1f}{point.ratio:>12.2f}{details}{memory:>12,.0f}"]
    return "\n".join(lines)


def draw_all(result: Result, folder: Path) -> None:
    """A chart for each curve."""
    folder.mkdir(parents=True, exist_ok=True)
    for curve in result.curves:
        measured = Line("measured", [(point.value, point.us) for point in curve.points])
        bar = [Line("a fifth more than the first", [(point.value, 1.2 * curve.points[0].us) for point in curve.points])]
        lines = [measured, *(bar if curve.name == "persons" else [])]
        chart = draw(lines, x=curve.over, y="microseconds of CPU for a touchpoint")
        (folder / f"growth-{curve.name}.svg").write_text(chart, encoding="utf-8")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)
