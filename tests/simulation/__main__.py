"""Run schedules by hand: `python -m tests.simulation --seed 7 --trace`, or `--schedules 100000 --from 5000`."""

import argparse
import sys
import time

from tests.simulation.quiet import quiet
from tests.simulation.world import Outcome, run

_PROGRESS_EVERY_S = 5.0


def main(arguments: list[str] | None = None) -> int:
    """Exit code 1 when something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this schedule alone")
    parser.add_argument("--trace", action="store_true", help="print it step by step also when all holds")
    parser.add_argument("--schedules", type=int, default=2_000, help="how many to run")
    parser.add_argument("--from", type=int, default=0, dest="first", help="first seed")
    parser.add_argument("--fused", action="store_true", help="workers read the raw topic too")
    options = parser.parse_args(arguments)
    with quiet():
        if options.seed is not None:
            outcome = run(options.seed, is_fused=options.fused)
            print(outcome.story(with_trace=options.trace or outcome.violation is not None))
            return int(outcome.violation is not None)
        return int(bool(_run_many(options.first, options.schedules, is_fused=options.fused)))


def _run_many(first: int, schedules: int, *, is_fused: bool) -> list[Outcome]:
    failed: list[Outcome] = []
    steps = 0
    start = told = time.monotonic()
    cpu = time.process_time()
    for number, seed in enumerate(range(first, first + schedules), start=1):
        outcome = run(seed, is_fused=is_fused)
        steps += outcome.steps
        if outcome.violation is not None:
            failed.append(outcome)
            print(outcome.story(with_trace=False))
        now = time.monotonic()
        if now - told > _PROGRESS_EVERY_S or number == schedules:
            told = now
            print(
                f"{number}/{schedules} schedules, {steps} steps, {number / (now - start):.0f}/s"
                f" ({number / (time.process_time() - cpu):.0f} per CPU second), {len(failed)} failed",
                file=sys.stderr,
            )
    return failed


if __name__ == "__main__":
    sys.exit(main())
