"""Who belongs to whom, decided by several owners at once: in the end the tables say what one look at everything says.

Workers run at the same time on partitions of their own, are interrupted at every step of the store as chance has it,
die, and come back; touchpoints name several identities, and statements link and part them.
"""

import asyncio
import random
from collections.abc import Iterable

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.history import is_too_late
from processors.identity_limits import IdentityLimits
from schemas.touchpoint import AppliedTouchpoint
from tests.support.faults import Faults, Killed, Moment
from tests.support.keyed_log import LIMITS, Entry, KeyedLog, expected_store, friction_ids, written_to_log
from tests.support.stories import stories
from tests.support.touchpoints import DAY, MONDAY, applied, touchpoint

#: Strongest first, as admission sorts them; the first characters decide the partition.
POOL = (
    f"customer_no:{'00000000' + 'a' * 24}",
    f"customer_no:{'00000001' + 'a' * 24}",
    f"customer_no:{'00000001' + 'b' * 24}",
    f"email:{'00000000' + 'e' * 24}",
    f"email:{'00000001' + 'c' * 24}",
    f"cookie:{'00000001' + '0' * 24}",
    f"cookie:{'00000000' + '1' * 24}",
    f"case_contact:{'00000000' + '2' * 24}",
)
FEW = IdentityLimits(max_companions=2)


def named(entry: AppliedTouchpoint, identities: Iterable[str], **fields: object) -> AppliedTouchpoint:
    strongest_first = tuple(sorted(set(identities), key=POOL.index))
    renamed = msgspec.structs.replace(entry.touchpoint, identities=strongest_first, **fields)
    return msgspec.structs.replace(entry, touchpoint=renamed, identity_hash=strongest_first[0].partition(":")[2])


@st.composite
def logs(draw: st.DrawFn) -> dict[int, list[Entry]]:
    """A log of people of several names each, in any order, some of it twice."""
    told = [
        named(entry, draw(st.lists(st.sampled_from(POOL), min_size=1, max_size=3)))
        for entry in draw(stories(max_size=12))
    ]
    for number in range(draw(st.integers(0, 3))):
        at = MONDAY + draw(st.integers(0, 20)) * DAY
        kind = draw(st.sampled_from(["identity.unlinked", "identity.unlinked", "identity.linked"]))
        pair = draw(st.lists(st.sampled_from(POOL), min_size=2, max_size=2, unique=True))
        told.append(named(applied(touchpoint(kind, at, id=f"statement-{number}")), pair))
    again = draw(st.lists(st.sampled_from(told), max_size=3))
    return written_to_log(draw(st.permutations([*told, *again])), partitions=2)


def run(log: KeyedLog, seed: int, limits: IdentityLimits = LIMITS, max_persons: int = 1000) -> None:
    asyncio.run(log.work(log.coordinator(limits=limits, max_persons=max_persons), random.Random(seed)))


def run_two(log: KeyedLog, seed: int, limits: IdentityLimits = LIMITS) -> None:
    workers = {log.coordinator(limits=limits): {partition} for partition in log.partitions}
    asyncio.run(log.work_together(workers, random.Random(seed)))


def assert_as_one_look_has_it(log: KeyedLog, limits: IdentityLimits = LIMITS) -> None:
    expected, alertable = expected_store(log, limits)
    assert log.store.facts() == expected.facts()
    assert log.is_done
    assert log.store.touchpoint_keys() == {entry.key for entry in log.touchpoints}
    told = log.outbox.open_frictions()
    assert alertable <= told
    assert told <= friction_ids(log.store), "somebody would be told of a friction that was withdrawn"


@given(logs(), st.integers(0, 99))
@settings(max_examples=300)
def test_one_worker(partitions: dict[int, list[Entry]], seed: int) -> None:
    log = KeyedLog(partitions)
    run(log, seed)
    assert_as_one_look_has_it(log)


@given(logs(), st.integers(0, 99))
@settings(max_examples=300)
def test_two_workers_at_once(partitions: dict[int, list[Entry]], seed: int) -> None:
    log = KeyedLog(partitions)
    run_two(log, seed)
    assert_as_one_look_has_it(log)


@given(logs(), st.integers(0, 99))
def test_persons_who_do_not_stay_in_memory(partitions: dict[int, list[Entry]], seed: int) -> None:
    log = KeyedLog(partitions)
    run(log, seed, max_persons=1)
    assert_as_one_look_has_it(log)


@given(logs(), st.integers(0, 99))
@settings(max_examples=300)
def test_placeholders(partitions: dict[int, list[Entry]], seed: int) -> None:
    log = KeyedLog(partitions)
    run_two(log, seed, FEW)
    assert_as_one_look_has_it(log, FEW)


@given(logs(), st.data(), st.integers(0, 99))
@settings(max_examples=300)
def test_a_worker_that_dies_at_any_step_in_the_middle_of_a_hand_over(
    partitions: dict[int, list[Entry]], data: st.DataObject, seed: int
) -> None:
    log = KeyedLog(partitions)
    for death in range(data.draw(st.integers(1, 4), label="deaths")):
        faults = Faults(data.draw(st.integers(0, 60)), data.draw(st.sampled_from(Moment)))
        try:
            asyncio.run(log.work(log.coordinator(faults), random.Random(seed + death)))
        except Killed:
            continue
    run(log, seed + 100)
    assert_as_one_look_has_it(log)


@given(stories(max_size=8), st.data(), st.integers(0, 99))
def test_what_came_too_late_is_stored_and_judged_once_somebody_asks(
    told: list[AppliedTouchpoint], data: st.DataObject, seed: int
) -> None:
    delays = data.draw(st.lists(st.sampled_from([0, 90 * DAY, 90 * DAY + 1]), min_size=len(told), max_size=len(told)))
    entries = [
        msgspec.structs.replace(
            one, touchpoint=msgspec.structs.replace(one.touchpoint, backfill=False), ingestion_time=one.event_time + by
        )
        for one, by in zip(told, delays, strict=True)
    ]
    log = KeyedLog({0: entries})
    run(log, seed)
    expected, _ = expected_store(KeyedLog({0: [one for one in entries if not is_too_late(one, 90 * DAY)]}))
    assert log.store.facts() == expected.facts()
    assert log.store.touchpoint_keys() == {one.key for one in told}

    at = MONDAY + 2_000 * DAY
    log.append(0, applied(touchpoint("history.refold_requested", at, id="ask"), ingestion_time=at))
    run(log, seed)
    expected, _ = expected_store(log)
    assert log.store.facts() == expected.facts()
    assert {row["person_key"] for row in log.store.live("person").values()} == {one.identity_hash for one in told}


def test_what_came_too_late_is_judged_at_once_when_somebody_has_asked_for_it_already() -> None:
    # Two partitions of the raw topic, one behind the other: the request is read before what it asks for.
    asked_at = MONDAY + 2_000 * DAY
    request = applied(touchpoint("history.refold_requested", asked_at, id="ask"), ingestion_time=asked_at)
    late = applied(touchpoint("page.viewed", MONDAY, id="late"), ingestion_time=asked_at, partition=1)
    log = KeyedLog({0: [request]})
    coordinator = log.coordinator()
    asyncio.run(log.work(coordinator, random.Random(0)))
    log.append(0, late)
    run(log, 0)
    assert [row["touches"] for row in log.store.live("session").values()] == [1]


def test_a_row_that_the_store_refuses_hides_no_link_that_another_one_tells_too() -> None:
    anna, cookie = POOL[0], POOL[5]
    told = [
        named(applied(touchpoint("page.viewed", MONDAY, id="poison")), [anna, cookie]),
        named(applied(touchpoint("page.viewed", MONDAY + DAY, id="good")), [anna, cookie]),
        named(applied(touchpoint("page.viewed", MONDAY + DAY, id="alone")), [cookie]),
    ]
    log = KeyedLog(written_to_log(told, partitions=1), refuses=lambda id_: id_ == "poison")
    coordinator = log.coordinator()

    async def in_one_flush() -> None:
        await coordinator.assign([0])
        await coordinator.take(log.batch(0, 0, len(log.partitions[0])))
        await coordinator.flush()

    asyncio.run(in_one_flush())
    run(log, 0)
    assert [row["identifiers"] for row in log.store.facts()["person"].values()] == [
        tuple(sorted((anna.partition(":")[2], cookie.partition(":")[2])))
    ]
