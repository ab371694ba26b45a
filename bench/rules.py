"""What the friction rules cost: CPU time of the core with all of them, as a ratio to the core without any.

Run with `make bench-rules`. The core is what a worker does before anything is written: decode, admit, step, judge,
compare with what was published; `--batch` touchpoints at a time, and whoever has a deadline by then as well. A core
without rules and one with them take the same by turns, `--runs` times, and the median of the ratios counts.

benchmark mix       the generated company with its planted frictions
everyday life       those of its customers of whom no rule finds anything, from their first touchpoint on
then: KIND          more touchpoints of each of these, of which no rule finds anything either
a page view in 2000 page views of one customer in one day, by tens
... on a journey    the same after an order of which they are part: the whole journey is told anew each time
... in circles      the same two pages every five seconds, so that `loop` finds one friction that never ends
alone: RULE         one rule on the benchmark mix, dearest first (with `--each`)
"""

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from itertools import product
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

DAY_MS: Final = 86_400_000
#: How far the watermark stays behind, as workers have it by default.
LATENESS_MS: Final = 600_000
LONG_DAY: Final = 2_000
BY_COMPANY: Final = {"actor": "system", "direction": "outbound"}
#: What comes for every customer after everyday life, some rounds of each: by verb what it says in a round.
AFTERWARDS: Final[tuple[dict[str, Callable[[str], dict[str, Any]]], ...]] = (
    {"session.started": lambda _: {"channel": "web"}},
    {"outbound.delivered": lambda _: {"channel": "email", **BY_COMPANY}},
    {"page.viewed": lambda number: {"channel": "web", "touchpoint": f"/page-{number}"}},
    {"ui.clicked": lambda number: {"channel": "web", "touchpoint": f"/page-{number}#more"}},
    {"order.delivered": lambda number: {"channel": "field", **BY_COMPANY, "objects": (f"order:{number}",)}},
    {"outbound.sent": lambda _: {"channel": "email", **BY_COMPANY, "message_class": "service"}},
    {
        "message.received": lambda number: {"channel": "email", "thread_id": number, "topic": f"topic-{number}"},
        "message.sent": lambda number: {
            "channel": "email",
            **BY_COMPANY,
            "actor": "agent",
            "thread_id": number,
            "outcome": "ok",
        },
    },
)
#: How often either core takes some before it is the other's turn.
TURN: Final = 50
ROUNDS: Final = 4
ROUND_MS: Final = 300_000


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
    """What one touchpoint costs, microseconds of CPU, and how many frictions there are in the end."""

    name: str
    touchpoints: int
    frictions: int
    us_without: float
    us_with: float
    ratio: float


def happened(kind: str, customer: str, at: int, fields: dict[str, Any]) -> bytes:
    own = {"actor": "customer", "direction": "inbound", "source": "bench"} | fields
    return encode(Touchpoint(id=f"{customer}-{at}", kind=kind, occurred_at=at, identities=(customer,), **own))


def long_day(
    *, on_a_journey: bool = False, pages: tuple[str, ...] = PAGES, step_ms: int = DAY_MS // LONG_DAY
) -> list[bytes]:
    customer = "customer_no:long-day"
    order = happened("order.placed", customer, START_MS - 1, {"channel": "web", "objects": ("order:1",)})
    views = [
        happened(
            "page.viewed", customer, START_MS + n * step_ms, {"channel": "web", "touchpoint": pages[n % len(pages)]}
        )
        for n in range(LONG_DAY)
    ]
    return [order, *views] if on_a_journey else views


def everyday_and_then(company: GeneratedCompany) -> list[Part]:
    """Customers of whom no rule finds anything, before and after."""
    everything = [(one.identities[0], encode(one)) for one in company.touchpoints()]
    core = Core(default_rules())
    core.take([value for _, value in everything])
    content = {key for key, frictions in core.frictions.items() if not frictions}
    customers = {name: admitted([value])[0].identity_hash for name, value in everything}
    customers = {name: key for name, key in customers.items() if key in content}
    life = [value for name, value in everything if name in customers]
    parts = [Part("everyday life", life)]
    at = START_MS + DEFAULT_SPAN_DAYS * DAY_MS
    for kinds in AFTERWARDS:
        values = []
        for number, (kind, fields) in product(range(ROUNDS), kinds.items()):
            at += ROUND_MS
            values += [
                happened(kind, customer, at + place, fields(f"{customer}-{number}"))
                for place, customer in enumerate(customers)
            ]
        parts.append(Part(f"then: {', '.join(kinds)}", values))
    return parts


class Taken(NamedTuple):
    """CPU seconds for a part, and the frictions that there are after it."""

    without: float
    with_rules: float
    frictions: int


def taken(parts: list[Part], rules: tuple[FrictionRule, ...], batch: int) -> list[Taken]:
    """What each part takes two cores, with and without rules, that take it by turns after those before it."""
    cores = Core(()), Core(rules)
    found = []
    for part in parts:
        seconds = [0.0, 0.0]
        size = part.batch or batch
        gc.collect()
        for turn in range(0, len(part.values), TURN * size):
            for place, core in enumerate(cores):
                began = time.process_time()
                for start in range(turn, min(turn + TURN * size, len(part.values)), size):
                    core.take(part.values[start : start + size])
                seconds[place] += time.process_time() - began
        found.append(Taken(seconds[0], seconds[1], sum(cores[1].frictions.values())))
    return found


def measured(
    parts: list[Part], rules: tuple[FrictionRule, ...], batch: int, runs: int, name: str | None = None
) -> Iterator[Row]:
    """A row for each part."""
    # A full collection would be charged to whoever happens to allocate next.
    gc.disable()
    columns = zip(*(taken(parts, rules, batch) for _ in range(runs)), strict=True)
    gc.enable()
    for part, column in zip(parts, columns, strict=True):
        touchpoints = len(part.values)
        yield Row(
            name=name or part.name,
            touchpoints=touchpoints,
            frictions=column[0].frictions,
            us_without=round(statistics.median(one.without for one in column) / touchpoints * 1e6, 1),
            us_with=round(statistics.median(one.with_rules for one in column) / touchpoints * 1e6, 1),
            ratio=round(statistics.median(one.with_rules / one.without for one in column), 3),
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
        *measured([Part(f"a page view in {LONG_DAY}", long_day(), 10)], rules, *how),
        *measured([Part("... on a journey", long_day(on_a_journey=True), 10)], rules, *how),
        *measured([Part("... in circles", long_day(pages=PAGES[:2], step_ms=5_000), 10)], rules, *how),
    ]
    if options.each:
        alone = [row for rule in rules for row in measured([mix], (rule,), *how, f"alone: {rule.parameters.rule_id}")]
        rows += sorted(alone, key=lambda row: -row.ratio)
    if options.json:
        print(json.dumps([row._asdict() for row in rows]))
        return
    print(f"{'':<38}{'touchpoints':>12}{'frictions':>11}{'us without':>12}{'us with':>9}{'ratio':>7}")
    for row in rows:
        print(
            f"{row.name:<38}{row.touchpoints:>12,}{row.frictions:>11,}"
            f"{row.us_without:>12.1f}{row.us_with:>9.1f}{row.ratio:>7.2f}"
        )


if __name__ == "__main__":
    main()
