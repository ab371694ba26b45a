"""Workers that are told new rules while they work: in the end the tables say what they would have said from ever."""

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from processors.friction.book import Book
from schemas.rule_changes import RuleChange
from schemas.ticks import SourceProgress, Tick
from streams.coordinator import Coordinator
from streams.live_rules import LiveRules
from tests.support.keyed_log import Entry, KeyedLog
from tests.support.rule_files import CALLED_AGAIN, changed
from tests.support.touchpoints import DAY, HOUR, MONDAY, applied, touchpoint

TICK = Tick((SourceProgress(0, MONDAY - DAY),))
PERSONS = ("a" * 32, "b" * 32, "c" * 32)


def published(version: int, effective_from: int, *changes: tuple[str, str]) -> RuleChange:
    text = changed(CALLED_AGAIN, ("version: 3", f"version: {version}"), *changes)
    return RuleChange(
        rule_id="called_again", version=version, effective_from=effective_from, published_at=version, text=text
    )


def retired(version: int, effective_from: int) -> RuleChange:
    return RuleChange(
        rule_id="called_again", version=version, effective_from=effective_from, published_at=version, text=None
    )


def book(*changes: RuleChange) -> Book:
    rules = LiveRules()
    assert rules.learn(changes).refused == []
    return rules.book


@st.composite
def calls(draw: st.DrawFn) -> list[Entry]:
    """Calls of a few persons within some days, in the order of the log, after a tick: without one no time passes."""
    found: list[Entry] = [TICK]
    for offset in range(1, 1 + draw(st.integers(1, 10))):
        at = MONDAY + draw(st.integers(0, 8 * 24)) * HOUR
        person = draw(st.sampled_from(PERSONS))
        call = touchpoint(
            "contact.started", at, id=f"{offset}", thread_id=f"{offset}", identities=(f"customer_no:{person}",)
        )
        found.append(applied(call, offset=offset, ingestion_time=MONDAY + 9 * DAY + offset))
    return found


@st.composite
def histories(draw: st.DrawFn) -> list[RuleChange]:
    changes = []
    for version in range(3, 3 + draw(st.integers(1, 3))):
        moment = MONDAY + draw(st.integers(-1, 9 * 24)) * HOUR
        changes.append(
            draw(
                st.sampled_from(
                    [
                        published(version, moment),
                        published(version, moment, ("within: 7d", "within: 24h")),
                        published(version, moment, ("base: 2", "base: 4"), ("shadow: true", "shadow: false")),
                        retired(version, moment),
                    ]
                )
            )
        )
    return changes


async def flush_all(coordinator: Coordinator) -> None:
    while not coordinator.is_idle:
        await coordinator.flush()


async def taken(log: KeyedLog, coordinator: Coordinator, start: int, stop: int) -> None:
    if start < stop:
        await coordinator.take(log.batch(0, start, stop))
    await flush_all(coordinator)


@given(calls(), histories(), st.data())
@settings(max_examples=150, deadline=None)
def test_what_is_told_late_is_as_if_it_had_been_told_from_ever(
    log_of: list[Entry], changes: list[RuleChange], data: st.DataObject
) -> None:
    """At any place in the log, in any order, to workers that keep persons in memory, forget them, or die."""
    told = data.draw(st.permutations(changes))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(log_of)), min_size=len(told), max_size=len(told))))
    max_persons = data.draw(st.sampled_from([1, 100]))
    deaths = data.draw(st.lists(st.booleans(), min_size=len(told), max_size=len(told)))

    async def live() -> KeyedLog:
        log = KeyedLog({0: log_of})
        coordinator = log.coordinator(max_persons=max_persons)
        await coordinator.assign([0])
        at = 0
        for number, (cut, dies) in enumerate(zip(cuts, deaths, strict=True), 1):
            await taken(log, coordinator, at, cut)
            at = cut
            if dies:
                coordinator = log.coordinator(max_persons=max_persons)
                await coordinator.use(book(*told[:number]))
                await coordinator.assign([0])
            else:
                await coordinator.use(book(*told[:number]))
                await flush_all(coordinator)
        await taken(log, coordinator, at, len(log_of))
        await flush_all(coordinator)
        return log

    async def replayed() -> KeyedLog:
        log = KeyedLog({0: log_of})
        coordinator = log.coordinator()
        await coordinator.use(book(*changes))
        await log.work(coordinator, random.Random(0))
        return log

    late, ever = asyncio.run(live()), asyncio.run(replayed())
    assert late.store.facts() == ever.store.facts()


def test_a_worker_that_takes_over_judges_whom_its_predecessor_did_not_judge_anew() -> None:
    """Only what the tables say tells who is left: the change is known, and the worker died before it used it."""
    log_of: list[Entry] = [
        TICK,
        *(
            applied(touchpoint("contact.started", MONDAY + at * HOUR, id=f"{at}", thread_id=f"{at}"), offset=at)
            for at in (0, 1)
        ),
    ]

    async def scenario() -> None:
        log = KeyedLog({0: log_of})
        await log.work(log.coordinator(), random.Random(0))
        assert not _found(log)
        successor = log.coordinator()
        await successor.use(book(published(3, MONDAY)))
        await successor.assign([0])
        assert not successor.is_idle
        await flush_all(successor)
        assert _found(log) == {3}
        (person,) = log.store.live("person").values()
        assert person["rule_changes"] == 1
        again = log.coordinator()
        await again.use(book(published(3, MONDAY), published(4, MONDAY + DAY)))
        await again.assign([0])
        assert again.is_idle, "nothing happened to anybody since the second change"

    asyncio.run(scenario())


def _found(log: KeyedLog) -> set[int]:
    return {row["rule_version"] for row in log.store.live("friction").values() if row["rule_id"] == "called_again"}
