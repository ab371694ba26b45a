"""What each step of the pipeline costs: events per CPU-second, and as a ratio to handing a record over untouched.

Run with `make bench-steps`. Absolute numbers say something about the machine; compare the ratios. The data are
generated from fixed numbers, every step is measured `--runs` times in turn with the others, and the median counts.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable

from processors.admission import AdmissionSettings, admit
from processors.friction.catalogue import default_rules
from processors.friction.finding import FrictionRule
from processors.keyring import Key, Keyring
from processors.person import PersonState, judge, step
from processors.settings import CoreSettings
from schemas.codec import Decoded, decode, encode
from schemas.log import Position
from schemas.touchpoint import AppliedTouchpoint, Touchpoint
from sinks.clickhouse.rows import touchpoint_block
from streams.producing.generator import GeneratedCompany

START_MS = 1_772_323_200_000  # 2026-03-01
KEYRING = Keyring((Key(b"x" * 32),))


def admitted(values: list[bytes]) -> list[AppliedTouchpoint]:
    settings = AdmissionSettings()
    found = []
    for offset, value in enumerate(values):
        decoded = decode(value)
        assert isinstance(decoded, Decoded)
        applied = admit(
            decoded.touchpoint,
            position=Position("touchpoints", 0, offset),
            append_time=decoded.touchpoint.occurred_at,
            schema_id=decoded.schema_id,
            keyring=KEYRING,
            settings=settings,
        )
        assert isinstance(applied, AppliedTouchpoint)
        found.append(applied)
    return found


def judged(touchpoints: list[AppliedTouchpoint], rules: tuple[FrictionRule, ...]) -> int:
    settings = CoreSettings()
    people: dict[str, PersonState] = {}
    for applied in touchpoints:
        state = people.setdefault(applied.identity_hash, PersonState("default", applied.identity_hash))
        step(state, applied)
    watermark = max(applied.event_time for applied in touchpoints)
    return sum(len(judge(state, rules, watermark, settings).frictions) for state in people.values())


def steps(touchpoints: list[Touchpoint]) -> dict[str, Callable[[], object]]:
    values = [encode(touchpoint) for touchpoint in touchpoints]
    applied = admitted(values)
    return {
        "hand over": lambda: [value for value in values if value],
        "encode": lambda: [encode(touchpoint) for touchpoint in touchpoints],
        "decode": lambda: [decode(value) for value in values],
        "decode and admit": lambda: admitted(values),
        "step, no rules": lambda: judged(applied, ()),
        "step and judge": lambda: judged(applied, default_rules()),
        "rows": lambda: touchpoint_block(applied, token_prefix="bench"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=50_000, help="touchpoints (default: %(default)s)")
    parser.add_argument("--persons", type=int, default=2_000, help="persons (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each step (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    company = GeneratedCompany(persons=options.persons, events=options.events, seed=1, start=START_MS)
    touchpoints = list(company.touchpoints())
    measured: dict[str, list[float]] = {}
    work = steps(touchpoints)
    is_watched = sys.stderr.isatty()
    for run in range(options.runs):
        for name, do in work.items():
            if is_watched:
                sys.stderr.write(f"\rrun {run + 1} of {options.runs}: {name:<20}")
            began = time.process_time()
            do()
            measured.setdefault(name, []).append(time.process_time() - began)
    if is_watched:
        sys.stderr.write("\r" + " " * 40 + "\r")
    seconds = {name: statistics.median(times) for name, times in measured.items()}
    base = seconds["hand over"]
    rows = [
        {
            "step": name,
            "events_per_cpu_second": round(len(touchpoints) / spent),
            "times_handing_over": round(spent / base),
        }
        for name, spent in seconds.items()
    ]
    if options.json:
        print(json.dumps(rows))
        return
    print(f"{'step':<18}{'events per CPU-second':>24}{'times handing over':>22}")
    for row in rows:
        print(f"{row['step']:<18}{row['events_per_cpu_second']:>24,}{row['times_handing_over']:>22,}")


if __name__ == "__main__":
    main()
