"""Who belongs to whom, decided by several owners at once: in the end the tables say what one look at everything says.

Workers run at the same time on partitions of their own, are interrupted at every step of the store as chance has it,
die, and come back; touchpoints name several identities, and statements link and part them.
"""

import asyncio
import random
from collections.abc import Collection, Iterable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.history import is_too_late
from processors.identifiers import pack_version, unpack_version
from processors.identities import both, links_of
from processors.identity_limits import IdentityLimits
from schemas.identity import Wake, identifier_of
from schemas.touchpoint import AppliedTouchpoint
from sinks.clickhouse.rows import link_block, session_block
from streams.cold_persons import load_persons
from streams.coordinator import Admitted, Batch, Coordinator, Forward
from streams.identities import Identities
from tests.support.facts import session
from tests.support.faults import Faults, Killed, Moment
from tests.support.keyed_log import LIMITS, Entry, KeyedLog, expected_store, friction_ids, written_to_log
from tests.support.stories import stories
from tests.support.touchpoints import DAY, MONDAY, TENANT, applied, touchpoint

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


def work_in_two_parts(
    partitions: dict[int, list[Entry]],
    chances: random.Random,
    limits: IdentityLimits = LIMITS,
    refused_ids: Collection[str] = (),
) -> KeyedLog:
    """A log of which intake writes the rest when all of the beginning is done: rows say by then whose people are."""
    begun = {partition: chances.randint(0, len(entries)) for partition, entries in partitions.items()}
    beginning = {partition: entries[: begun[partition]] for partition, entries in partitions.items()}
    log = KeyedLog(beginning, refused_ids.__contains__)
    run_two(log, chances.randint(0, 99), limits)
    for partition, entries in partitions.items():
        for entry in entries[begun[partition] :]:
            log.append(partition, entry)
    run_two(log, chances.randint(0, 99), limits)
    return log


@given(logs(), st.integers(0, 999), st.sampled_from([LIMITS, FEW]))
@settings(max_examples=300)
def test_what_comes_under_every_name_of_people_who_are_known_as_one_already(
    partitions: dict[int, list[Entry]], seed: int, limits: IdentityLimits
) -> None:
    log = work_in_two_parts(partitions, random.Random(seed), limits)
    assert_as_one_look_has_it(log, limits)


@given(logs(), st.integers(0, 999), st.lists(st.sampled_from(["0", "1", "2", "statement-0"]), min_size=1))
def test_what_the_store_refuses_joins_nobody_and_is_nobodys(
    partitions: dict[int, list[Entry]], seed: int, refused_ids: list[str]
) -> None:
    log = work_in_two_parts(partitions, random.Random(seed), refused_ids=refused_ids)
    assert_as_one_look_has_it(log)
    assert log.dead() == log.must_be_dead()


def test_a_pair_that_a_refused_touchpoint_named_first_is_joined_by_the_next_one() -> None:
    told = [named(applied(touchpoint("page.viewed", MONDAY, id=id_)), [POOL[0], POOL[3]]) for id_ in ("0", "1")]
    log = KeyedLog(written_to_log(told, partitions=1), lambda id_: id_ == "0")

    async def in_one_flush() -> None:
        coordinator = log.coordinator()
        await coordinator.assign([0])
        await coordinator.take(log.batch(0, 0, len(log.partitions[0])))
        await coordinator.flush()

    asyncio.run(in_one_flush())
    assert {row["id"] for row in log.store.written["identity_links"]} == {"1"}


def test_of_too_many_identifiers_those_of_persons_in_memory_are_kept() -> None:
    crowd, email = POOL[0], POOL[3]
    pairs = [(crowd, one) for one in POOL[3:6]]
    told = [
        named(applied(touchpoint("page.viewed", MONDAY + number, id=str(number))), pair)
        for number, pair in enumerate(pairs)
    ]
    log = KeyedLog(written_to_log(told, partitions=2))
    run(log, 0, FEW)
    identities = Identities(log.store, FEW, {}, 0)
    known = (identifier_of(crowd), identifier_of(email))
    asyncio.run(identities.look_up(dict.fromkeys(known, TENANT)))
    identities.let_go({known[0]}.__contains__)
    assert identities.is_placeholder(known[0])
    assert identities.route(told[0], known[0], is_forwarded=False) == known[1]


def test_a_forward_to_somebody_who_is_not_known_to_hold_it_has_them_read_again() -> None:
    anna, ben = POOL[0], POOL[1]
    told = [
        named(applied(touchpoint("page.viewed", MONDAY, id="hers")), [anna]),
        named(applied(touchpoint("identity.linked", MONDAY, id="link")), [ben, anna]),
        named(applied(touchpoint("page.viewed", MONDAY + 1, id="his")), [ben]),
    ]
    log = KeyedLog({0: told[:1], 1: told[1:]})

    async def forward() -> Coordinator:
        hers, his = log.coordinator(), log.coordinator()
        await hers.assign([0])
        await his.assign([1])
        for coordinator, partition in ((hers, 0), (his, 1), (his, 1)):
            await coordinator.take(log.batch(partition, log.committed[partition], len(log.partitions[partition])))
            await coordinator.flush()
        # The wakes for her are in the log, and not read yet.
        sent_on = Forward(Admitted(told[2], b"raw", b"key"), identifier_of(anna))
        await hers.take(Batch(0, 1, (), (), (), lambda: None, [sent_on]))
        await hers.flush()
        return hers

    assert asyncio.run(forward()).counts.superseded == 1
    assert log.store.live("person")[identifier_of(anna)]["touchpoints"] == 2


@pytest.mark.parametrize(("hops", "forwarded"), [(4, 1), (5, 0)])
def test_a_touchpoint_is_sent_on_five_times_and_not_more_often(hops: int, forwarded: int) -> None:
    anna, ben = POOL[0], POOL[1]
    linked = named(applied(touchpoint("identity.linked", MONDAY, id="link")), [ben, anna])
    his = named(applied(touchpoint("page.viewed", MONDAY, id="his")), [ben])
    log = KeyedLog(written_to_log([linked], partitions=2))
    run(log, 0)

    async def send_on() -> Coordinator:
        coordinator = log.coordinator()
        await coordinator.assign([1])
        sent_on = Forward(Admitted(his, b"raw", b"key"), identifier_of(ben), hops)
        await coordinator.take(Batch(1, 9, (), (), (), lambda: None, [sent_on]))
        return coordinator

    counts = asyncio.run(send_on()).counts
    assert (counts.forwarded, counts.superseded) == (forwarded, 1 - forwarded)


def test_a_person_is_a_new_one_above_rows_that_a_crash_left_without_theirs() -> None:
    anna, email = POOL[0], POOL[3]
    log = KeyedLog(
        written_to_log([named(applied(touchpoint("page.viewed", MONDAY, id="1")), [anna, email])], partitions=2)
    )
    run(log, 0)
    key = identifier_of(anna)

    async def epoch() -> int:
        standings = await Identities(log.store, LIMITS, {}, 10).look_up({key: TENANT})
        membership = (await load_persons(log.store, standings, 90 * DAY))[key].membership
        assert membership is not None
        return membership.epoch

    known = unpack_version(log.store.live("person")[key]["version"])[0]
    assert asyncio.run(epoch()) == known
    later = pack_version(known + 1, 9, 0)
    log.store.take(session_block([(session(person_key=key), later)], token_prefix="of somebody who died then"))
    assert asyncio.run(epoch()) == known + 2


def test_what_was_linked_with_an_identity_of_several_people_is_parted_from_it_again() -> None:
    anna, case_contact = POOL[0], POOL[7]
    told = [
        named(applied(touchpoint("page.viewed", MONDAY, id="hers")), [anna]),
        named(applied(touchpoint("identity.linked", MONDAY + 1, id="link")), [anna, case_contact]),
    ]
    log = KeyedLog(written_to_log(told, partitions=2))
    run(log, 0)
    assert log.store.facts()["person"].keys() == {identifier_of(case_contact)}
    unlinked = named(applied(touchpoint("identity.unlinked", MONDAY + 2, id="unlink")), [anna, case_contact])
    log.append(0, msgspec.structs.replace(unlinked, ingestion_time=unlinked.event_time))
    run(log, 0)
    assert log.store.facts()["person"].keys() == {identifier_of(anna)}
    assert_as_one_look_has_it(log)


def test_whom_a_new_placeholder_parts_is_asked_once_all_can_see_that_it_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = POOL[0]
    told = [
        named(applied(touchpoint("page.viewed", MONDAY + number, id=str(number))), [crowd, one])
        for number, one in enumerate(POOL[3:6])
    ]
    log = KeyedLog(written_to_log(told, partitions=2))
    parted_by = Identities.parted_by
    asked: list[str] = []

    async def when_durable(identities: Identities, placeholders: dict[str, str]) -> list[Wake]:
        known = {row["identifier"] for row in log.store.written["person_identifiers"] if row["is_placeholder"]}
        assert known >= placeholders.keys()
        asked.extend(placeholders)
        return await parted_by(identities, placeholders)

    monkeypatch.setattr(Identities, "parted_by", when_durable)
    run(log, 0, FEW)
    assert asked == [identifier_of(crowd)]


def test_nobody_beyond_a_placeholder_is_woken() -> None:
    crowd, email, *others = POOL[0], POOL[3], POOL[5], POOL[6]
    told = [
        named(applied(touchpoint("page.viewed", MONDAY + number, id=str(number))), [crowd, one])
        for number, one in enumerate([email, *others])
    ]
    log = KeyedLog(written_to_log(told, partitions=2))
    run(log, 0, FEW)
    news = links_of(named(applied(touchpoint("page.viewed", MONDAY + DAY, id="new")), [email, POOL[4]]))
    log.store.take(link_block([end for link in news for end in both(link)], token_prefix="new"))
    woken = asyncio.run(Identities(log.store, FEW, {}, 10).affected_by(news))
    assert {wake.identifier for wake in woken} == {identifier_of(email), identifier_of(POOL[4])}


def test_what_came_too_late_for_somebody_who_belongs_to_another_by_now_is_stored_and_not_judged() -> None:
    anna, ben = POOL[0], POOL[1]
    told = [
        named(applied(touchpoint("page.viewed", MONDAY, id="hers")), [anna]),
        named(applied(touchpoint("identity.linked", MONDAY + 1, id="link")), [anna, ben]),
    ]
    log = KeyedLog(written_to_log(told, partitions=2))
    run(log, 0)
    before = log.store.facts()
    late = named(applied(touchpoint("page.viewed", MONDAY + DAY, id="late", backfill=False)), [ben])
    log.append(1, msgspec.structs.replace(late, ingestion_time=late.event_time + 90 * DAY + 1))
    run(log, 0)
    assert late.key in log.store.touchpoint_keys()
    assert log.store.facts() == before


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
