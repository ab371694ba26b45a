"""Run experiments against a pipeline of its own, and report which invariants held.

Exit code 0: all held; 1: one was violated; 2: a wrong option.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from tests.faults.experiments import EXPERIMENTS, Scale, perform
from tests.faults.invariants import as_table
from tests.faults.measures import percentile
from tests.faults.run import Result


def main() -> int:
    # Whoever ends us must not leave servers behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    options = _parser().parse_args()
    chosen = options.only or [name for name, one in EXPERIMENTS.items() if options.broker in one.brokers]
    for name in chosen:
        if name not in EXPERIMENTS or options.broker not in EXPERIMENTS[name].brokers:
            there = ", ".join(name for name, one in EXPERIMENTS.items() if options.broker in one.brokers)
            sys.stderr.write(f"no experiment {name} on {options.broker}; there are: {there}\n")
            return 2
    if options.list:
        for name in chosen:
            print(f"{name:<22} {EXPERIMENTS[name].says}")
        return 0
    results = []
    scale = Scale(events=options.events, seconds=options.seconds)
    for number, name in enumerate(chosen, start=1):
        title = f"[{number}/{len(chosen)}] {name}, seed {options.seed}, {options.broker}"
        sys.stderr.write(f"{title}: {EXPERIMENTS[name].says}\n")
        with tempfile.TemporaryDirectory(prefix="faults-") as scratch:
            folder = Path(options.keep or scratch) / f"{name}-{options.broker}-{options.seed}"
            result = perform(
                name, folder, options.broker,
                seed=options.seed, scale=scale, is_fused=options.fused, tell=_progress(),
            )  # fmt: skip
        results.append(result)
        if not options.json:
            print(_report(result), flush=True)
    if options.json:
        print(json.dumps([msgspec.to_builtins(result) for result in results], indent=2))
    return 1 if any(result.violated for result in results) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    add = parser.add_argument
    add("--broker", choices=("embedded", "kafka"), default="embedded", help="default: %(default)s")
    add("--fused", action="store_true", help="workers own persons straight from the raw topic (JOURNEYS_FUSED)")
    add("--seed", type=int, default=1, help="decides data and faults (default: %(default)s)")
    add("--seconds", type=float, default=60.0, help="how long faults go on (default: %(default)s)")
    add("--events", type=int, default=3_000, help="touchpoints, about (default: %(default)s)")
    add("--only", action="append", metavar="NAME", help="this experiment; may be given several times (default: all)")
    add("--list", action="store_true", help="list the experiments and end")
    add("--json", action="store_true", help="print the reports as JSON")
    add("--keep", metavar="FOLDER", help="keep logs and data of the runs in this folder")
    return parser


def _recoveries(recoveries_s: Sequence[float | None]) -> str:
    ended = [one for one in recoveries_s if one is not None]
    median, slowest = (f"{percentile(ended, percent):.1f} s" if ended else "never" for percent in (50, 99))
    return (
        f"{len(recoveries_s)} deaths: partitions committed again after {median} (p50), {slowest} (p99);"
        f" {len(recoveries_s) - len(ended)} times never"
    )


def _progress() -> Callable[[str], None]:
    begun = time.monotonic()

    def tell(what: str) -> None:
        sys.stderr.write(f"  {time.monotonic() - begun:6.1f} s  {what}\n")
        sys.stderr.flush()

    return tell


def _report(result: Result) -> str:
    lines = [f"{result.name} on {result.broker}, seed {result.seed}: {result.events} events, {result.seconds:.0f} s"]
    lines += [f"  {seconds:6.1f} s  {what}" for seconds, what in result.timeline]
    lines += [as_table(result.findings)]
    recovery = "never" if result.recovery_s is None else f"{result.recovery_s:.1f} s"
    ratio = "unknown" if result.replay_ratio is None else f"{result.replay_ratio:.2f}"
    lines += [f"recovery {recovery}, replay ratio {ratio}, peak memory of a worker {result.memory_mb:.0f} MB"]
    lines += [f"memory of {name}: {growth}" for name, growth in result.memory_growth.items()]
    if result.recoveries_s:
        lines += [_recoveries(result.recoveries_s)]
    lines += [f"violated: {', '.join(result.violated) or 'nothing'}", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
