"""What the friction rules cost: CPU time of the core with all of them, as a ratio to the core without any.

Run with `make bench-rules`. The core is what a worker does before anything is written: decode, admit, step, judge,
compare with what was published; `--batch` touchpoints at a time, and whoever has a deadline by then as well. Without
and with rules take turns in every run, and the median of the ratios counts.

benchmark mix       the generated company with its planted frictions
everyday life       those of its customers of whom no rule finds anything, from their first touchpoint on
then: KIND          one more touchpoint for each of these, of which no rule finds anything either
a page view in 2000 page views of one customer in one day, by tens
... on a journey    the same after an order of which they are part: the whole journey is told anew each time
alone: RULE         one rule on the benchmark mix, dearest first (with `--each`)
"""

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from bench.steps import START_MS, admitted
from processors.diff import NOTHING_PUBLISHED, Published, diff, published_after
from processors.friction.catalogue import default_rules
from processors.friction.finding import FrictionRule
from processors.person import PersonState, judge, step
from processors.settings import CoreSettings
from schemas.codec import encode
from schemas.touchpoint import Touchpoint
from streams.deadlines import Deadlines
from streams.producing.company import PAGES
from streams.producing.generator import DEFAULT_SPAN_DAYS, GeneratedCompany

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
#: How far the watermark stays behind, as workers have it by default.
LATENESS_MS: Final = 600_000
LONG_DAY: Final = 2_000
#: One customer's touchpoints after everyday life, none of which is a friction: name, and what they are.
AFTERWARDS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("session.started", {"channel": "web"}),
    ("page.viewed", {"channel": "web", "touchpoint": "/tariffs"}),
    ("page.viewed", {"channel": "web", "touchpoint": "/account"}),
    ("ui.clicked", {"channel": "web", "touchpoint": "/account#more"}),
    ("order.placed", {"channel": "web", "objects": ("order:{}",), "amount": 10.0, "currency": "EUR"}),
    ("message.received", {"channel": "email", "thread_id": "{}", "topic": "praise", "objects": ("case:{}",)}),
    (
        "message.sent",
        {
            "channel": "email",
            "thread_id": "{}",
            "topic": "praise",
            "objects": ("case:{}",),
            "actor": "agent",
            "direction": "outbound",
            "outcome": "ok",
        },
    ),
    ("outbound.sent", {"channel": "email", "actor": "system", "direction": "outbound", "message_class": "promo"}),
)


class Core:
    """Takes records as a worker does, without reading or writing anything."""

    def __init__(self, rules: tuple[FrictionRule, ...]) -> None:
        self._rules = rules
        self._settings = CoreSettings()
        self._people: dict[str, PersonState] = {}
        self._published: dict[str, Published] = {}
        self._deadlines = Deadlines()
        self._watermark = 0
        self.frictions: dict[str, int] = {}

    def take(self, values: list[bytes]) -> None:
        changed: dict[str, None] = {}
        for applied in admitted(values):
            key = applied.identity_hash
            state = self._people.get(key)
            if state is None:
                state = self._people[key] = PersonState(applied.touchpoint.tenant, key)
            step(state, applied)
            changed[key] = None
            self._watermark = max(self._watermark, applied.event_time - LATENESS_MS)
        for due in self._deadlines.take_due(self._watermark, sys.maxsize):
            changed[due.person_key] = None
        for key in changed:
            judgement = judge(self._people[key], self._rules, self._watermark, self._settings)
            diff(self._published.get(key, NOTHING_PUBLISHED), judgement)
            self._published[key] = published_after(judgement)
            self._deadlines.set(judgement.tenant, key, judgement.wake_at)
            self.frictions[key] = len(judgement.frictions)


class Part(NamedTuple):
    """Records that are measured together, `batch` at a time if that is not as asked for."""

    name: str
    values: list[bytes]
    batch: int | None = None


class Row(NamedTuple):
    """What one touchpoint costs, microseconds of CPU, and how many frictions there were in the end."""

    name: str
    touchpoints: int
    us_without: float
    us_with: float
    ratio: float
    frictions: int


def happened(kind: str, customer: str, number: int, at: int, **fields: Any) -> bytes:
    """One touchpoint of a customer; `{}` in a field stands for the customer."""
    told = {
        name: value.format(customer)
        if isinstance(value, str)
        else tuple(text.format(customer) for text in value)
        if isinstance(value, tuple)
        else value
        for name, value in fields.items()
    }
    own: dict[str, Any] = {"actor": "customer", "direction": "inbound", "source": "bench"} | told
    touchpoint_id = f"{customer}-{number}"
    return encode(Touchpoint(id=touchpoint_id, kind=kind, occurred_at=at, identities=(customer,), **own))


def long_day(*, on_a_journey: bool) -> list[bytes]:
    customer = "customer_no:long-day"
    day = [
        happened("page.viewed", customer, n, START_MS + n * (DAY_MS // LONG_DAY), channel="web", touchpoint=page)
        for n, page in enumerate((PAGES * LONG_DAY)[:LONG_DAY])
    ]
    order = happened("order.placed", customer, LONG_DAY, START_MS - 1, channel="web", objects=("order:1",))
    return [order, *day] if on_a_journey else day


def everyday_and_then(company: GeneratedCompany) -> list[Part]:
    """Customers who go without friction, before and after."""
    troubled = {friction.person for friction in company.truth.frictions}
    life = [one for one in company.touchpoints() if one.identities[0] not in troubled]
    customers = sorted({one.identities[0] for one in life})
    ends_at = START_MS + DEFAULT_SPAN_DAYS * DAY_MS
    parts = [Part("everyday life", [encode(one) for one in life])]
    for number, (kind, fields) in enumerate(AFTERWARDS):
        start = ends_at + number * HOUR_MS // len(AFTERWARDS)
        values = [
            happened(kind, customer, number, start + place * 10, **fields) for place, customer in enumerate(customers)
        ]
        parts.append(Part(f"then: {kind}", values))
    return parts


def cpu_seconds(parts: list[Part], rules: tuple[FrictionRule, ...], batch: int) -> tuple[list[float], int]:
    """CPU seconds that each part takes one core after those before it, and the frictions that it ends with."""
    core = Core(rules)
    found = []
    for part in parts:
        gc.collect()
        began = time.process_time()
        size = part.batch or batch
        for start in range(0, len(part.values), size):
            core.take(part.values[start : start + size])
        found.append(time.process_time() - began)
    return found, sum(core.frictions.values())


def measured(
    parts: list[Part], rules: tuple[FrictionRule, ...], batch: int, runs: int, name: str | None = None
) -> Iterator[Row]:
    """A row for each part."""
    times: list[tuple[list[float], list[float]]] = []
    frictions = 0
    for _ in range(runs):
        without, _none = cpu_seconds(parts, (), batch)
        with_rules, frictions = cpu_seconds(parts, rules, batch)
        times.append((without, with_rules))
    for place, part in enumerate(parts):
        without_us, with_us = (
            statistics.median(run[which][place] for run in times) / len(part.values) * 1e6 for which in (0, 1)
        )
        ratio = statistics.median(run[1][place] / run[0][place] for run in times)
        yield Row(
            name or part.name, len(part.values), round(without_us, 1), round(with_us, 1), round(ratio, 2), frictions
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=12_500, help="touchpoints (default: %(default)s)")
    parser.add_argument("--persons", type=int, default=500, help="customers (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=1, help="touchpoints judged together (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each (default: %(default)s)")
    parser.add_argument("--each", action="store_true", help="measure each rule alone as well")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    company = GeneratedCompany(persons=options.persons, events=options.events, seed=1, start=START_MS)
    rules = default_rules()
    mix = Part("benchmark mix", [encode(touchpoint) for touchpoint in company.touchpoints()])
    how: tuple[int, int] = options.batch, options.runs
    rows = [
        *measured([mix], rules, *how),
        *measured(everyday_and_then(company), rules, *how),
        *measured([Part(f"a page view in {LONG_DAY}", long_day(on_a_journey=False), 10)], rules, *how),
        *measured([Part("... on a journey", long_day(on_a_journey=True), 10)], rules, *how),
    ]
    if options.each:
        alone = [row for rule in rules for row in measured([mix], (rule,), *how, f"alone: {rule.parameters.rule_id}")]
        rows += sorted(alone, key=lambda row: -row.ratio)
    if options.json:
        print(json.dumps([row._asdict() for row in rows]))
        return
    print(f"{'':<34}{'touchpoints':>12}{'us without':>12}{'us with':>10}{'ratio':>8}")
    for row in rows:
        print(f"{row.name:<34}{row.touchpoints:>12,}{row.us_without:>12,}{row.us_with:>10,}{row.ratio:>8}")


if __name__ == "__main__":
    main()
