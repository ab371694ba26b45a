"""Who asks to be forgotten is: no row is left, nothing comes back, and everybody else is who they would be without.

The log is worked as in `test_restitching`: by several workers at once, interrupted at every step, dying in the middle.
"""

import asyncio
import random
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from processors.identity_limits import IdentityLimits
from schemas.erasure import ErasedIdentifier
from schemas.identity import Wake, identifier_of
from schemas.ticks import SourceProgress, Tick
from schemas.touchpoint import AppliedTouchpoint
from sinks.clickhouse.rows import erased_block, touchpoint_block
from streams.coordinator import Admitted, Batch, Forward
from streams.erasures import ERASE_REQUESTED
from tests.streams.test_restitching import (
    FEW,
    POOL,
    assert_as_one_look_has_it,
    named,
    run,
    run_two,
    work_in_two_parts,
)
from tests.support.faults import Faults, Killed, Moment
from tests.support.keyed_log import LIMITS, Entry, KeyedLog, written_to_log
from tests.support.stories import stories
from tests.support.touchpoints import DAY, HOUR, MONDAY, TENANT, applied, touchpoint


def request(identities: Iterable[str], number: int = 0, at: int = MONDAY) -> AppliedTouchpoint:
    return named(applied(touchpoint(ERASE_REQUESTED, at, id=f"request-{number}")), identities)


@st.composite
def logs(draw: st.DrawFn) -> dict[int, list[Entry]]:
    """A log of people of several names each, some of whom ask to be forgotten, in any order and some of it twice."""
    told = [
        named(entry, draw(st.lists(st.sampled_from(POOL), min_size=1, max_size=3)))
        for entry in draw(stories(max_size=12))
    ]
    for number in range(draw(st.integers(0, 2))):
        kind = draw(st.sampled_from(["identity.unlinked", "identity.linked"]))
        pair = draw(st.lists(st.sampled_from(POOL), min_size=2, max_size=2, unique=True))
        told.append(named(applied(touchpoint(kind, MONDAY + number * DAY, id=f"statement-{number}")), pair))
    asking = draw(st.lists(st.lists(st.sampled_from(POOL), min_size=1, max_size=2), min_size=1, max_size=2))
    told += [request(identities, number) for number, identities in enumerate(asking)]
    again = draw(st.lists(st.sampled_from(told), max_size=3))
    return written_to_log(draw(st.permutations([*told, *again])), partitions=2)


def assert_nothing_is_left(log: KeyedLog) -> None:
    for table, rows in log.store.written.items():
        if table not in {"erased_identifiers", "erasure_receipts"}:
            for identifier in log.erased:
                assert [row for row in rows if identifier in repr(row)] == [], table


def assert_everybody_else_is_as_one_look_has_it(log: KeyedLog) -> None:
    asked = {
        entry.identity_hash
        for entries in log.written.values()
        for entry in entries
        if isinstance(entry, AppliedTouchpoint) and entry.touchpoint.kind == ERASE_REQUESTED
    }
    assert asked <= log.erased
    assert_nothing_is_left(log)
    assert_as_one_look_has_it(log)


@given(logs(), st.integers(0, 99))
@settings(max_examples=300)
def test_one_worker(partitions: dict[int, list[Entry]], seed: int) -> None:
    log = KeyedLog(partitions)
    run(log, seed)
    assert_everybody_else_is_as_one_look_has_it(log)


@given(logs(), st.integers(0, 99))
@settings(max_examples=300)
def test_two_workers_at_once(partitions: dict[int, list[Entry]], seed: int) -> None:
    log = KeyedLog(partitions)
    run_two(log, seed)
    assert_everybody_else_is_as_one_look_has_it(log)


@given(logs(), st.data(), st.integers(0, 99))
@settings(max_examples=300)
def test_a_worker_that_dies_at_any_step(partitions: dict[int, list[Entry]], data: st.DataObject, seed: int) -> None:
    log = KeyedLog(partitions)
    for death in range(data.draw(st.integers(1, 4), label="deaths")):
        faults = Faults(data.draw(st.integers(0, 80)), data.draw(st.sampled_from(Moment)))
        try:
            asyncio.run(log.work(log.coordinator(faults), random.Random(seed + death)))
        except Killed:
            continue
    run(log, seed + 100)
    assert_everybody_else_is_as_one_look_has_it(log)


@given(logs(), st.integers(0, 999))
@settings(max_examples=300)
def test_what_comes_after_somebody_was_erased(partitions: dict[int, list[Entry]], seed: int) -> None:
    log = work_in_two_parts(partitions, random.Random(seed), LIMITS)
    assert_everybody_else_is_as_one_look_has_it(log)


@given(logs(), st.integers(0, 99), st.sampled_from([LIMITS, FEW]))
def test_everything_ends_as_one_thing_wherever_it_is_sent(
    partitions: dict[int, list[Entry]], seed: int, limits: IdentityLimits
) -> None:
    halves = {partition: len(entries) // 2 for partition, entries in partitions.items()}
    log = KeyedLog({partition: entries[: halves[partition]] for partition, entries in partitions.items()})
    coordinator = log.coordinator(limits=limits)
    asyncio.run(log.work(coordinator, random.Random(seed)))
    for partition, entries in partitions.items():
        for entry in entries[halves[partition] :]:
            log.append(partition, entry)
    asyncio.run(log.work(coordinator, random.Random(seed)))
    counts = coordinator.counts
    ends = (counts.applied, counts.duplicate, counts.control, counts.too_late, counts.refused, counts.superseded)
    read = [entry for entries in log.partitions.values() for entry in entries]
    assert sum(ends) == sum(isinstance(entry, AppliedTouchpoint) for entry in read)
    assert counts.forwarded == sum(isinstance(entry, Forward) for entry in read)


@given(logs(), st.integers(0, 99))
def test_a_replay_from_the_beginning_brings_nobody_back(partitions: dict[int, list[Entry]], seed: int) -> None:
    log = KeyedLog(partitions)
    run(log, seed)
    erased = log.erased
    log.store.written["checkpoints"].clear()
    log.partitions.update({partition: list(entries) for partition, entries in log.written.items()})
    log.committed = dict.fromkeys(log.partitions, 0)
    run_two(log, seed + 1)
    assert log.erased == erased
    assert_everybody_else_is_as_one_look_has_it(log)


@given(logs(), st.integers(0, 99))
@settings(max_examples=300)
def test_nothing_is_left_where_identities_are_nobodys(partitions: dict[int, list[Entry]], seed: int) -> None:
    log = KeyedLog(partitions)
    run_two(log, seed, FEW)
    assert log.is_done
    assert_nothing_is_left(log)


def test_whom_a_placeholder_parted_comes_together_when_it_has_too_many_companions_no_more() -> None:
    anna, crowd, one, other = POOL[0], POOL[3], POOL[5], POOL[6]
    pairs = [(anna, crowd), (crowd, one), (crowd, other), (one,), (other,)]
    told = [
        named(applied(touchpoint("page.viewed", MONDAY + number, id=str(number))), identities)
        for number, identities in enumerate(pairs)
    ]
    log = KeyedLog(written_to_log(told, partitions=2))
    run(log, 0, FEW)
    assert len(log.store.facts()["person"]) == 3
    asking = request([anna], at=MONDAY + DAY)
    log.append(0, replace(asking, ingestion_time=asking.event_time))
    run(log, 0, FEW)
    assert log.erased == {asking.identity_hash}
    assert len(log.store.facts()["person"]) == 1
    assert_nothing_is_left(log)
    assert_as_one_look_has_it(log, FEW)
    receipts = log.store.written["erasure_receipts"]
    assert [(row["rows_before"], row["rows_after"]) for row in receipts if row["store"] == "touchpoints"] == [
        (1, 1),
        (1, 0),
    ]


def test_what_comes_under_an_erased_identity_is_refused_and_never_written() -> None:
    anna, ben = POOL[0], POOL[3]
    log = KeyedLog(written_to_log([request([anna])], partitions=2))
    run(log, 0)
    log.append(0, named(applied(touchpoint("page.viewed", MONDAY + 1, id="hers")), [anna, ben]))
    log.append(0, named(applied(touchpoint("page.viewed", MONDAY + 2, id="bens")), [ben]))
    coordinator = log.coordinator()
    asyncio.run(log.work(coordinator, random.Random(0)))
    assert (coordinator.counts.refused, coordinator.counts.applied) == (1, 1)
    assert [
        block.columns[block.column_names.index("id")] for block in log.store.blocks if block.table == "touchpoints"
    ] == [("bens",)]


def test_whoever_named_somebody_while_they_were_erased_wakes_their_owner_afterwards() -> None:
    anna, ben = POOL[0], POOL[3]
    hers = identifier_of(anna)
    log = KeyedLog(written_to_log([named(applied(touchpoint("page.viewed", MONDAY)), [ben, anna])], partitions=2))
    erased = ErasedIdentifier(
        tenant=TENANT, identifier=hers, identity=anna, requested_at=0, source="t", id="1", version=0
    )

    async def erase_between_take_and_flush() -> None:
        coordinator = log.coordinator()
        await coordinator.assign([0, 1])
        await coordinator.take(log.batch(0, 0, 1))
        log.store.take(erased_block([erased], token_prefix="t"))
        await coordinator.flush()

    asyncio.run(erase_between_take_and_flush())
    assert Wake(TENANT, hers, is_first=False) in [entry for entries in log.partitions.values() for entry in entries]
    run(log, 0)
    assert_nothing_is_left(log)


def test_whoever_loses_all_links_to_an_erased_one_goes_on_above_what_was_written_before() -> None:
    anna, ben = POOL[0], POOL[1]
    told = [
        named(applied(touchpoint("page.viewed", MONDAY, id="hers")), [anna]),
        named(applied(touchpoint("page.viewed", MONDAY, id="his")), [ben]),
        named(applied(touchpoint("identity.linked", MONDAY + 1, id="link")), [anna, ben]),
        named(applied(touchpoint("identity.unlinked", MONDAY + 2, id="unlink")), [anna, ben]),
    ]
    log = KeyedLog(written_to_log(told[:3], partitions=2))
    run(log, 0)
    assert log.store.live("person")[identifier_of(ben)]["merged_into"] == identifier_of(anna)
    for entry in (told[3], request([anna], at=MONDAY + 3)):
        log.append(0, replace(entry, ingestion_time=entry.event_time))
        run(log, 0)
    later = named(applied(touchpoint("page.viewed", MONDAY + HOUR // 4, id="later")), [ben])
    log.append(1, replace(later, ingestion_time=later.event_time))
    run(log, 0)
    assert [row["touches"] for row in log.store.live("session").values()] == [2]
    assert_nothing_is_left(log)
    assert_as_one_look_has_it(log)


def test_whoever_was_erased_under_the_key_before_is_refused_under_the_new_one_and_noted() -> None:
    before, now = POOL[0], POOL[1]
    log = KeyedLog(written_to_log([request([before])], partitions=2))
    run(log, 0)
    log.append(1, replace(named(applied(touchpoint("page.viewed", MONDAY + 1)), [now]), rotated=(before,)))
    coordinator = log.coordinator()
    asyncio.run(log.work(coordinator, random.Random(0)))
    assert coordinator.counts.refused == 1
    assert log.erased == {identifier_of(before), identifier_of(now)}
    assert_nothing_is_left(log)


def test_nobody_who_was_erased_is_judged_when_a_deadline_passes() -> None:
    anna = POOL[0]
    redirect = touchpoint("contact.redirected", MONDAY, channel="social", redirect_to="web", topic="invoice")
    told = [named(applied(redirect), [anna]), request([anna])]
    log = KeyedLog({0: list(told)})

    async def let_time_pass() -> None:
        coordinator = log.coordinator()
        await coordinator.assign([0])
        at = 0
        for entry in (None, None, Tick((SourceProgress(0, MONDAY + 73 * HOUR),))):
            if entry is not None:
                log.append(0, entry)
            stop = len(log.partitions[0])
            await coordinator.take(log.batch(0, at, stop))
            await coordinator.flush()
            at = stop

    asyncio.run(let_time_pass())
    assert log.erased == {identifier_of(anna)}
    assert_nothing_is_left(log)


def test_a_request_that_comes_again_wakes_all_whom_it_erased_though_their_links_are_gone() -> None:
    anna, email = POOL[0], POOL[3]
    log = KeyedLog(
        written_to_log(
            [named(applied(touchpoint("page.viewed", MONDAY)), [anna, email]), request([anna])], partitions=2
        )
    )
    run(log, 0)
    assert log.store.written["identity_links"] == []
    asked = request([anna])
    log.append(0, replace(asked, ingestion_time=asked.event_time))
    at = len(log.partitions[0])
    run(log, 0)
    assert {entry.identifier for entry in log.partitions[0][at:] if isinstance(entry, Wake)} == log.erased


def test_what_a_placeholder_hands_to_an_erased_one_is_taken_out() -> None:
    crowd, anna, *others = POOL[0], POOL[3], *POOL[4:7]
    told = [
        named(applied(touchpoint("page.viewed", MONDAY + number, id=str(number))), [crowd, one])
        for number, one in enumerate(others)
    ]
    log = KeyedLog(written_to_log(told, partitions=2))
    run(log, 0, FEW)
    asked = request([anna], at=MONDAY + DAY)
    log.append(0, replace(asked, ingestion_time=asked.event_time))
    run(log, 0, FEW)
    hers = named(applied(touchpoint("page.viewed", MONDAY + HOUR, id="hers")), [crowd, anna])
    # Written by the placeholder's owner before it knew.
    log.store.take(touchpoint_block([hers], token_prefix="late"))

    async def take() -> None:
        coordinator = log.coordinator(limits=FEW)
        await coordinator.assign([0])
        start = len(log.partitions[0])
        sent_on = Forward(Admitted(hers, b"raw", b"key"), identifier_of(anna))
        await coordinator.take(Batch(0, start, (), (), (), lambda: None, [sent_on]))
        await coordinator.flush()

    asyncio.run(take())
    assert_nothing_is_left(log)


def test_what_a_flush_says_is_written_before_it_deletes() -> None:
    anna, ben = POOL[0], POOL[3]
    log = KeyedLog({0: [named(applied(touchpoint("page.viewed", MONDAY, id="hers")), [anna]), request([anna])]})
    faults = Faults()

    async def erase_and_go_on() -> None:
        coordinator = log.coordinator(faults)
        await coordinator.assign([0])
        await coordinator.take(log.batch(0, 0, 2))
        await coordinator.flush()
        faults.steps.clear()
        log.append(0, named(applied(touchpoint("page.viewed", MONDAY, id="bens")), [ben]))
        await coordinator.take(log.batch(0, 2, len(log.partitions[0])))
        await coordinator.flush()

    asyncio.run(erase_and_go_on())
    erasing = faults.steps.index("erase touchpoints")
    assert faults.steps.index("insert persons") < erasing < faults.steps.index("insert checkpoints")
    assert_nothing_is_left(log)
