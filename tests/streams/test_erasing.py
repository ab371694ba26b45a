"""Who asks to be forgotten is: no row is left, nothing comes back, and everybody else is who they would be without.

The log is worked as in `test_restitching`: by several workers at once, interrupted at every step, dying in the middle.
"""

import asyncio
import copy
import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from processors.admission import owner_partition
from processors.identity_limits import IdentityLimits
from processors.kinds import ERASE_REQUESTED
from schemas.erasure import ErasedIdentifier
from schemas.identity import Wake, identifier_of
from schemas.ticks import SourceProgress, Tick
from schemas.touchpoint import AppliedTouchpoint
from sinks.clickhouse.eraser import STORES
from sinks.clickhouse.rows import erased_block, touchpoint_block
from streams.coordinator import Admitted, Batch, Coordinator, Forward
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


def receipts(log: KeyedLog) -> dict[tuple[str, str, str], tuple[int, int]]:
    """Rows before and after by id of the request, identifier and table."""
    rows = sorted(log.store.written["erasure_receipts"], key=lambda row: row["version"])
    return {
        (row["id"], row["identifier"], row["store"]): (int(row["rows_before"]), int(row["rows_after"])) for row in rows
    }


def assert_receipts_say_so(log: KeyedLog) -> None:
    """Every erased identity has one for every table, for the last request that names it; none is left half done."""
    found = receipts(log)
    rows = sorted(log.store.written["erased_identifiers"], key=lambda row: row["version"])
    last = {row["identifier"]: row["id"] for row in rows}
    assert found.keys() >= {(request, one, store) for one, request in last.items() for store in STORES}
    assert [one for one, (_, after) in found.items() if after] == []


def assert_everybody_else_is_as_one_look_has_it(log: KeyedLog) -> None:
    asked = {
        entry.identity_hash
        for entries in log.written.values()
        for entry in entries
        if isinstance(entry, AppliedTouchpoint) and entry.touchpoint.kind == ERASE_REQUESTED
    }
    assert asked <= log.erased
    assert_nothing_is_left(log)
    assert_receipts_say_so(log)
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
    assert receipts(log)[asking.touchpoint.id, asking.identity_hash, "touchpoints"] == (1, 0)


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


# --- interrupted

ANNA, MAIL, COOKIE, OTHER = POOL[0], POOL[4], POOL[5], POOL[2]
HERS = {identifier_of(one) for one in (ANNA, MAIL, COOKIE)}
#: Anna under three names, whose owners are two; somebody else used her browser.
SEEN = [(ANNA, MAIL), (MAIL, COOKIE), (COOKIE,), (OTHER, COOKIE)]
#: Touchpoints that name each of Anna's identities.
NAMING = {ANNA: 1, MAIL: 2, COOKIE: 3}


def page(at: int, *identities: str, rotated: tuple[str, ...] = ()) -> AppliedTouchpoint:
    one = named(applied(touchpoint("page.viewed", MONDAY + at, id=f"page-{at}")), identities)
    return replace(one, rotated=rotated)


def seen(*pairs: Iterable[str]) -> KeyedLog:
    """Everything has arrived and is written."""
    log = KeyedLog(written_to_log([page(at, *identities) for at, identities in enumerate(pairs)], partitions=2))
    run(log, 0)
    return log


def asked(log: KeyedLog, *identities: str, at: int = DAY, rotated: tuple[str, ...] = ()) -> KeyedLog:
    """The log with a request at its end."""
    put(log, replace(request(identities, at=MONDAY + at), ingestion_time=MONDAY + at, rotated=rotated))
    return log


def put(log: KeyedLog, entry: AppliedTouchpoint) -> None:
    log.append(owner_partition(entry.identity_hash, 2), entry)


def steps_of_a_request() -> list[str]:
    log, faults = asked(seen(*SEEN), COOKIE), Faults()
    asyncio.run(log.work(log.coordinator(faults), random.Random(0)))
    assert_everybody_else_is_as_one_look_has_it(log)
    return faults.steps


STEPS = steps_of_a_request()


def test_the_request_takes_all_steps_that_an_interruption_can_come_between() -> None:
    order = ("insert erasure_receipts", "insert erased_identifiers", "send", "erase touchpoints")
    places = [STEPS.index(step) for step in order]
    assert places == sorted(places)
    assert STEPS[-2:] == ["insert checkpoints", "acknowledge"]


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("step", range(len(STEPS)))
def test_a_request_that_is_interrupted_at_any_step_leaves_nothing_and_one_receipt(step: int, moment: Moment) -> None:
    log = asked(seen(*SEEN), COOKIE)
    with pytest.raises(Killed):
        asyncio.run(log.work(log.coordinator(Faults(step, moment)), random.Random(0)))
    run_two(log, step)
    assert log.erased == HERS
    assert_everybody_else_is_as_one_look_has_it(log)
    found = receipts(log)
    assert found.keys() == {("request-0", one, store) for one in HERS for store in STORES}
    assert {name: found["request-0", identifier_of(name), "touchpoints"] for name in NAMING} == {
        name: (number, 0) for name, number in NAMING.items()
    }


def test_whoever_was_noted_is_woken_also_when_a_backup_does_not_say_any_more_whose_they_are() -> None:
    log = seen((ANNA, MAIL), (COOKIE,))
    backup = copy.deepcopy(log.store.written)
    put(log, page(HOUR, MAIL, COOKIE))
    asked(log, ANNA)
    run(log, 0)
    assert log.erased == HERS
    backup["erased_identifiers"] = log.store.written["erased_identifiers"]
    backup["checkpoints"].clear()
    log.store.written.update(backup)
    log.partitions.update({partition: list(entries) for partition, entries in log.written.items()})
    log.committed = dict.fromkeys(log.partitions, 0)
    run_two(log, 0)
    assert_everybody_else_is_as_one_look_has_it(log)


# --- asked for twice


def test_a_second_request_is_answered_by_owners_who_know_of_the_first() -> None:
    log = asked(seen(*SEEN), ANNA)
    workers = {log.coordinator(): {partition} for partition in log.partitions}
    asyncio.run(log.work_together(workers, random.Random(0)))
    put(log, replace(request([ANNA, MAIL], 1), ingestion_time=MONDAY + 2 * DAY))
    asyncio.run(log.work_together(workers, random.Random(0)))
    assert_receipts_say_so(log)
    found = receipts(log)
    assert [found["request-1", identifier_of(one), "touchpoints"] for one in (ANNA, MAIL)] == [(0, 0)] * 2


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("step", range(len(STEPS)))
def test_no_receipt_stays_half_done_when_the_same_is_asked_again_meanwhile(step: int, moment: Moment) -> None:
    log = asked(seen(*SEEN), COOKIE)
    with pytest.raises(Killed):
        asyncio.run(log.work(log.coordinator(Faults(step, moment)), random.Random(0)))
    put(log, replace(request([ANNA], 1), ingestion_time=MONDAY + 2 * DAY))
    run(log, step)
    assert_everybody_else_is_as_one_look_has_it(log)


def test_a_request_that_another_one_overtakes_at_any_step_reaches_no_stranger() -> None:
    # While half of Anna's links are gone, those of her browser lead to somebody else.
    mail = POOL[3]
    is_over = False
    for step in range(100):
        log = asked(seen((ANNA, mail), (mail, COOKIE), (COOKIE,), (OTHER, COOKIE)), COOKIE)
        put(log, replace(request([ANNA], 1), ingestion_time=MONDAY + DAY))
        is_over = asyncio.run(overtaken(log, step))
        run_two(log, step)
        assert log.erased == {identifier_of(one) for one in (ANNA, mail, COOKIE)}
        assert_everybody_else_is_as_one_look_has_it(log)
        if is_over:
            break
    assert is_over
    assert step > 5


async def overtaken(log: KeyedLog, at_step: int) -> bool:
    """Partition 1 is worked, and all of partition 0 by another worker at some step of the first flush.

    Returns whether the flush had no such step.
    """
    mine, others = log.coordinator(), log.coordinator()
    await mine.assign([1])
    await mine.take(log.batch(1, log.committed[1], len(log.partitions[1])))
    steps = 0

    async def let_the_other_worker_go_first() -> None:
        nonlocal steps
        steps += 1
        if steps == at_step + 1:
            await others.assign([0])
            while (reached := log.committed[0]) < len(log.partitions[0]):
                await others.take(log.batch(0, reached, len(log.partitions[0])))
                await others.flush()

    log.store.pause = let_the_other_worker_go_first
    await mine.flush()
    return steps <= at_step


# --- two keys of the hash

BEFORE, NOW = POOL[0], POOL[1]
BOTH = {identifier_of(BEFORE), identifier_of(NOW)}


def refused(log: KeyedLog, *entries: AppliedTouchpoint, coordinator: Coordinator | None = None) -> int:
    """How many of the entries are refused by a worker; none of them may be written."""
    for entry in entries:
        put(log, entry)
    coordinator = coordinator or log.coordinator()
    asyncio.run(log.work(coordinator, random.Random(0)))
    assert_nothing_is_left(log)
    assert_receipts_say_so(log)
    return coordinator.counts.refused


def under_either_key(at: int) -> list[AppliedTouchpoint]:
    """As it comes before a rotation, after it, and when the key before does not count any more."""
    return [page(at, BEFORE), page(at + 1, NOW, rotated=(BEFORE,)), page(at + 2, NOW)]


@pytest.mark.parametrize("seed", range(20))
def test_whoever_was_seen_under_two_keys_is_forgotten_under_both(seed: int) -> None:
    log = seen((BEFORE, MAIL))
    put(log, page(HOUR, NOW, rotated=(BEFORE,)))
    run(log, 0)
    asked(log, NOW)
    run_two(log, seed)
    assert log.erased == BOTH | {identifier_of(MAIL)}
    assert_everybody_else_is_as_one_look_has_it(log)
    assert refused(log, *under_either_key(2 * DAY)) == 3


def test_whoever_was_seen_before_a_rotation_only_can_ask_after_it() -> None:
    log = asked(seen((BEFORE, MAIL)), NOW, rotated=(BEFORE,))
    run_two(log, 0)
    assert log.erased == BOTH | {identifier_of(MAIL)}
    assert_everybody_else_is_as_one_look_has_it(log)
    assert refused(log, *under_either_key(2 * DAY)) == 3


def test_whoever_asks_before_a_rotation_is_refused_under_the_new_key_for_good() -> None:
    log = asked(seen((BEFORE,)), BEFORE)
    run(log, 0)
    assert refused(log, *under_either_key(2 * DAY)[1:]) == 2
    assert log.erased == BOTH


def test_a_new_hash_that_was_not_noted_before_the_partitions_went_is_noted_when_they_come_back() -> None:
    log = asked(seen((BEFORE,)), BEFORE)
    run(log, 0)
    comes_again = page(2 * DAY, NOW, rotated=(BEFORE,))
    put(log, comes_again)
    coordinator = log.coordinator()

    async def lose_the_partitions_before_the_flush() -> None:
        await coordinator.assign([0, 1])
        own = owner_partition(comes_again.identity_hash, 2)
        await coordinator.take(log.batch(own, log.committed[own], len(log.partitions[own])))

    asyncio.run(lose_the_partitions_before_the_flush())
    assert log.erased == {identifier_of(BEFORE)}
    assert refused(log, coordinator=coordinator) == 2
    assert log.erased == BOTH


CONTACT_BEFORE, CONTACT = POOL[6], POOL[7]


def told_of_a_rotation(is_asked_first: bool) -> KeyedLog:
    """Somebody whose touchpoint alone told that a contact, which many share, was known under another hash."""
    log = seen((CONTACT_BEFORE,))
    if is_asked_first:
        asked(log, ANNA)
        run(log, 0)
    put(log, page(HOUR, ANNA, CONTACT, rotated=("customer_no:" + "0" * 32, CONTACT_BEFORE)))
    put(log, page(2 * HOUR, CONTACT))
    run(log, 0)
    return log if is_asked_first else asked(log, ANNA)


@pytest.mark.parametrize("is_asked_first", [False, True])
def test_what_was_told_of_the_earlier_hash_of_somebody_else_stays_and_names_no_touchpoint(is_asked_first: bool) -> None:
    log = told_of_a_rotation(is_asked_first)
    run_two(log, 0)
    assert_nothing_is_left(log)
    links = log.store.written["identity_links"]
    assert {(row["identity"], row["other"], row["kind"].value, row["source"], row["id"]) for row in links} == {
        (CONTACT, CONTACT_BEFORE, "rotated", "", ""),
        (CONTACT_BEFORE, CONTACT, "rotated", "", ""),
    }
    (person,) = log.store.facts()["person"].values()
    assert (person["identifiers"], person["touchpoints"]) == (
        tuple(sorted((identifier_of(CONTACT), identifier_of(CONTACT_BEFORE)))),
        2,
    )


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("step", range(4))
def test_it_is_told_to_its_owner_also_when_the_one_who_told_it_is_refused_by_then(step: int, moment: Moment) -> None:
    log = seen((CONTACT_BEFORE,), (CONTACT,))
    put(log, page(HOUR, ANNA, CONTACT, rotated=("customer_no:" + "0" * 32, CONTACT_BEFORE)))
    with pytest.raises(Killed):
        asyncio.run(log.work(log.coordinator(Faults(step, moment)), random.Random(0)))
    # Somebody noted her as erased meanwhile, so that her touchpoint is refused when it is read again.
    noted = ErasedIdentifier(
        tenant=TENANT, identifier=identifier_of(ANNA), identity=ANNA, requested_at=0, source="s", id="1", version=1
    )
    log.store.take(erased_block([noted], token_prefix="t"))
    run_two(log, 0)
    assert [row["touchpoints"] for row in log.store.facts()["person"].values() if row["identifiers"]] == [2]


def test_a_person_who_is_merged_while_the_other_one_is_erased() -> None:
    # Ben becomes one person with the mail address, whose hash is the smaller one: his story moves to whom is erased.
    mail, ben = POOL[3], POOL[1]
    outcomes = set()
    for seed in range(100):
        log = seen((mail,), (ben,))
        put(log, page(HOUR, ben, mail))
        asked(log, mail)
        run_two(log, seed)
        assert_everybody_else_is_as_one_look_has_it(log)
        assert identifier_of(mail) in log.erased
        outcomes.add(identifier_of(ben) in log.erased)
    assert outcomes == {True, False}, "one of the two orders was never tried"


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
