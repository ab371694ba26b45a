"""Rules judged over stored touchpoints for a period, against what is live.

A friction belongs to the period in which its anchor happened; the persons it may be about are judged with all that
ever happened to them. By default everybody is judged as of the moment at which the tables stand for them, with all that
is known today, so the live rules find exactly the frictions that are live. Judged as of another moment, what happened
after it is left out, and since the tables hold what is live today only, the live rules are judged likewise to compare.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from processors.friction.backtest import Tally
from processors.friction.finding import FrictionRule
from processors.friction.labels import Label, Labels
from processors.person import PersonState, judge, restore
from schemas.outputs import Friction, touchpoint_ref
from sinks.alerts.routing import AlertRouter, Routing
from sinks.clickhouse.period_reader import KeyRange, Period
from sinks.clickhouse.reader import Reader
from streams.intents import opened
from streams.processes import in_processes
from streams.rederiving import Installation, StoredPerson, load_persons_in, rules_of
from streams.store import ReadingStore, ReadPort

#: Touchpoints in one batch, about 3 kB each.
BATCH: Final = 20_000


@dataclass(frozen=True, slots=True)
class Backtest:
    """What to judge: the live rules, but for those of a directory (or `None`), over a period, with labels if any.

    `as_of` is UTC milliseconds, `None` for the moment at which the tables stand.
    """

    installation: Installation
    rules: Path | None
    period: Period
    as_of: int | None
    routing: Routing
    labels: tuple[Label, ...] = ()


def run_backtest(backtest: Backtest, processes: int | None = None) -> Iterator[tuple[Tally, int]]:
    """Tallies, by batch of persons in no order, each with the number of batches."""
    reader = Reader(backtest.installation.address)
    try:
        ranges = reader.load_key_ranges(backtest.period, BATCH)
    finally:
        reader.close()
    for tally in in_processes(partial(_tally_range, backtest), ranges, processes):
        yield tally, len(ranges)


def kinds_in(installation: Installation, period: Period) -> dict[str, int]:
    """How often each kind of touchpoint that rules may judge happened in a period."""
    reader = Reader(installation.address)
    try:
        return reader.load_kinds(period)
    finally:
        reader.close()


async def tally(store: ReadPort, backtest: Backtest, keys: KeyRange) -> Tally:
    """What becomes of the frictions of all persons whose key lies in a range."""
    judged_by, router, labels = _rules(backtest, backtest.rules), AlertRouter(backtest.routing), Labels(backtest.labels)
    live: list[Friction] = []
    if backtest.as_of is None:
        ids = await store.read(lambda reader: reader.load_friction_ids(keys, backtest.period))
        live = await store.read(lambda reader: reader.load_frictions(ids))
    result = Tally()
    tested: list[Friction] = []
    for person in await load_persons_in(store, backtest.installation, keys, backtest.period):
        result.persons += 1
        state, watermark = _as_of(person, backtest.as_of)
        found = _found(backtest, state, judged_by, watermark)
        tested += found
        if backtest.as_of is not None:
            live += _found(backtest, state, _rules(backtest), watermark)
        if labels.rule_ids:
            about = labels.about(state.person_key, (touchpoint_ref(one.touchpoint.key) for one in state.touchpoints))
            if about:
                result.judge_by(about, found, labels.rule_ids)
    result.compare(live, tested, lambda friction: bool(router.channels(opened(friction, 0))))
    return result


def _rules(backtest: Backtest, directory: Path | None = None) -> tuple[FrictionRule, ...]:
    return rules_of(backtest.installation.changes, directory)


def _tally_range(backtest: Backtest, keys: KeyRange) -> Tally:
    store = ReadingStore(backtest.installation.address)
    try:
        return asyncio.run(tally(store, backtest, keys))
    finally:
        store.close()


def _as_of(person: StoredPerson, as_of: int | None) -> tuple[PersonState, int]:
    """The person as they were at a moment, and the watermark then."""
    state = person.state
    if as_of is None:
        return state, person.stands_at
    told = (one for one in state.touchpoints if one.event_time <= as_of)
    return restore(state.tenant, state.person_key, told, membership=state.membership), as_of


def _found(
    backtest: Backtest, state: PersonState, rules: tuple[FrictionRule, ...], watermark: int
) -> Sequence[Friction]:
    if not len(state):
        return ()
    since, until = backtest.period
    judgement = judge(state, rules, watermark, backtest.installation.core)
    return [friction for friction in judgement.frictions if since <= friction.anchor_at < until]
