"""The coordinator against a store that helps nobody: it dies at every step, and in the end nothing shows it."""

import asyncio
import random
from functools import partial
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.admission import AdmissionSettings, admit
from processors.keyring import Key, Keyring
from schemas.json_form import milliseconds
from schemas.log import DeadLetter, Position
from schemas.ticks import SourceProgress, Tick
from schemas.touchpoint import AppliedTouchpoint
from streams.producing.generator import GeneratedCompany
from streams.topics import KEYED
from tests.support.faults import Faults, Killed, Moment
from tests.support.keyed_log import Entry, KeyedLog, expected_store, friction_ids, written_to_log
from tests.support.stories import stories
from tests.support.touchpoints import DAY, HOUR, MONDAY, applied, happened, touchpoint

KEYRING = Keyring((Key(b"only for tests, and long enough for one"),))
PERSONS = ("a" * 32, "b" * 32, "0" * 31 + "1")


def of_person(applied_touchpoint: AppliedTouchpoint, person: str) -> AppliedTouchpoint:
    mine = applied_touchpoint.touchpoint
    theirs = msgspec.structs.replace(mine, id=f"{person[0]}{mine.id}", identities=(f"customer_no:{person}",))
    return msgspec.structs.replace(applied_touchpoint, touchpoint=theirs, identity_hash=person)


def a_dead_letter(offset: int) -> DeadLetter:
    return DeadLetter(
        stage="decode",
        reason="bad_magic",
        field=None,
        detail="first byte is 7, expected 0",
        raw=b"\x07",
        key=None,
        position=Position("touchpoints", 9, offset),
        timestamp=MONDAY,
    )


def run(log: KeyedLog, faults: Faults | None = None, seed: int = 0, max_persons: int = 1000) -> None:
    asyncio.run(log.work(log.coordinator(faults, max_persons), random.Random(seed)))


def run_and_die(log: KeyedLog, step: int, moment: Moment, seed: int = 0) -> bool:
    """Whether the worker died; without so many steps it ends as usual."""
    try:
        run(log, Faults(step, moment), seed)
    except Killed:
        return True
    return False


def assert_as_if_nothing_had_happened(log: KeyedLog) -> None:
    expected, alertable = expected_store(log)
    assert log.store.facts() == expected.facts()
    assert log.committed == {partition: len(entries) for partition, entries in log.partitions.items()}
    assert log.store.touchpoint_keys() == {entry.key for entry in log.touchpoints}
    assert log.dead() == log.must_be_dead()
    told = log.outbox.open_frictions()
    assert alertable <= told
    assert told <= friction_ids(log.store), "somebody would be told of a friction that was withdrawn"


@st.composite
def logs(draw: st.DrawFn) -> dict[int, list[Entry]]:
    """A log of a few persons: out of order, some of it twice, with dead letters in between."""
    told = [of_person(entry, person) for person in PERSONS for entry in draw(stories(max_size=6))]
    again = draw(st.lists(st.sampled_from(told), max_size=4))
    log = written_to_log(draw(st.permutations([*told, *again])), partitions=2)
    for offset in draw(st.lists(st.integers(0, len(told)), max_size=3)):
        entries = log[offset % 2]
        entries.insert(min(offset, len(entries)), a_dead_letter(offset))
    if draw(st.booleans()):
        for entries in log.values():
            entries.append(Tick((SourceProgress(0, MONDAY + 60 * DAY),)))
    return log


@given(logs(), st.integers(0, 9))
def test_whatever_the_chunks_the_tables_say_what_follows_from_the_whole_log(
    partitions: dict[int, list[Entry]], seed: int
) -> None:
    log = KeyedLog(partitions)
    run(log, seed=seed)
    assert_as_if_nothing_had_happened(log)


@given(logs(), st.data(), st.integers(0, 9))
@settings(max_examples=300)
def test_whatever_step_a_worker_dies_at_the_next_one_makes_it_as_if_it_had_not(
    partitions: dict[int, list[Entry]], data: st.DataObject, seed: int
) -> None:
    log = KeyedLog(partitions)
    for death in range(data.draw(st.integers(1, 4), label="deaths")):
        run_and_die(log, data.draw(st.integers(0, 40)), data.draw(st.sampled_from(Moment)), seed + death)
    run(log, seed=seed + 100)
    assert_as_if_nothing_had_happened(log)


@given(logs(), st.integers(0, 9))
def test_persons_who_do_not_stay_in_memory_come_out_the_same(partitions: dict[int, list[Entry]], seed: int) -> None:
    log = KeyedLog(partitions)
    run(log, seed=seed, max_persons=1)
    assert_as_if_nothing_had_happened(log)


@given(logs(), st.integers(0, 9))
def test_rows_that_the_store_refuses_are_dead_letters_and_nothing_follows_from_them(
    partitions: dict[int, list[Entry]], seed: int
) -> None:
    log = KeyedLog(partitions, refuses=lambda id_: id_ in {"a0", "a1", "b2", "03"})
    run(log, seed=seed)
    assert_as_if_nothing_had_happened(log)


def generated_log() -> dict[int, list[Entry]]:
    company = GeneratedCompany(persons=12, events=160, seed=5, start=MONDAY)
    end = milliseconds(company.truth.end)
    admitted = []
    for offset, sent in enumerate(company.touchpoints()):
        result = admit(
            sent,
            position=Position("touchpoints", 0, offset),
            append_time=end,
            schema_id=1,
            keyring=KEYRING,
            settings=AdmissionSettings(),
        )
        assert isinstance(result, AppliedTouchpoint)
        admitted.append(result)
    return written_to_log(admitted, partitions=2, tick_every=10)


@pytest.mark.parametrize("moment", Moment)
def test_a_generated_company_survives_a_death_at_every_single_step(moment: Moment) -> None:
    partitions = generated_log()
    step = 0
    names = set()
    while True:
        log = KeyedLog(partitions)
        faults = Faults(step, moment)
        try:
            run(log, faults, seed=1)
        except Killed:
            names.add(faults.steps[-1])
            run(log, seed=2)
            assert_as_if_nothing_had_happened(log)
            step += 3 if step > 30 else 1
        else:
            break
    assert names >= {
        "insert touchpoints",
        "insert frictions",
        "send",
        "insert sessions",
        "insert journeys",
        "insert effort_postings",
        "insert persons",
        "insert checkpoints",
        "acknowledge",
    }
    assert friction_ids(log.store), "a company without friction proves little"


def test_a_flush_writes_in_the_order_that_makes_replays_harmless() -> None:
    log = KeyedLog({0: [*written_to_log(a_redirect(), partitions=1)[0], a_dead_letter(7)]})
    faults = Faults()
    asyncio.run(in_one_flush(log, faults))
    assert faults.steps == [
        "insert touchpoints",
        "insert frictions",
        "send",
        "insert sessions",
        "insert journeys",
        "insert effort_postings",
        "insert persons",
        "insert checkpoints",
        "acknowledge",
        "acknowledge",
    ]


def a_redirect() -> list[AppliedTouchpoint]:
    return [
        happened("message.received", MONDAY, channel="social", topic="invoice", direction="inbound"),
        happened(
            "contact.redirected",
            MONDAY + HOUR,
            channel="social",
            redirect_to="web",
            topic="invoice",
            actor="agent",
            direction="outbound",
        ),
    ]


async def in_one_flush(log: KeyedLog, faults: Faults) -> None:
    coordinator = log.coordinator(faults)
    await coordinator.assign([0])
    length = len(log.partitions[0])
    await coordinator.take(log.batch(0, 0, 2))
    await coordinator.take(log.batch(0, 2, length))
    await coordinator.flush()


def test_nothing_is_acknowledged_before_the_flush_and_then_in_offset_order() -> None:
    log = KeyedLog(written_to_log(a_redirect(), partitions=1))
    acknowledged: list[int] = []

    async def take_three_chunks() -> None:
        coordinator = log.coordinator()
        await coordinator.assign([0])
        for start, stop in pairwise([0, 1, 2, len(log.partitions[0])]):
            batch = log.batch(0, start, stop)
            await coordinator.take(batch._replace(acknowledge=partial(acknowledged.append, stop)))
        assert acknowledged == []
        await coordinator.flush()

    asyncio.run(take_three_chunks())
    assert acknowledged == [1, 2, len(log.partitions[0])]


def test_what_was_revoked_is_neither_written_nor_acknowledged() -> None:
    log = KeyedLog(written_to_log(a_redirect(), partitions=1))

    async def lose_the_partition() -> None:
        coordinator = log.coordinator()
        await coordinator.assign([0])
        await coordinator.take(log.batch(0, 0, 2))
        coordinator.revoke()
        await coordinator.flush()

    asyncio.run(lose_the_partition())
    assert log.store.blocks == []
    assert log.committed == {0: 0}


def test_records_of_a_partition_that_is_not_assigned_are_an_error_not_a_gap() -> None:
    log = KeyedLog(written_to_log(a_redirect(), partitions=1))

    async def take_without_owning() -> None:
        coordinator = log.coordinator()
        await coordinator.assign([1])
        await coordinator.take(log.batch(0, 0, 2))

    with pytest.raises(RuntimeError, match="partition 0, which is not assigned"):
        asyncio.run(take_without_owning())


def test_quiet_time_that_a_checkpoint_holds_is_not_added_again_by_a_replay() -> None:
    quiet = Tick((SourceProgress(0, None, 60_000),))
    entries: list[Entry] = [Tick((SourceProgress(0, MONDAY),)), quiet, quiet, quiet]
    log = KeyedLog({0: entries})
    # Dies after the checkpoint, before the acknowledgement: all four are read again.
    assert run_and_die(log, 1, Moment.BEFORE)
    assert log.committed == {0: 0}
    run(log)
    assert log.store.written["checkpoints"][-1]["watermark"] == MONDAY + 180_000


def test_a_log_of_another_life_starts_with_a_new_clock() -> None:
    log = KeyedLog({0: [Tick((SourceProgress(0, MONDAY),))]})
    run(log)
    checkpoint = log.store.written["checkpoints"][0]
    log.store.written["checkpoints"][0] = {**checkpoint, "topic_incarnation": "an earlier life"}

    assert asyncio.run(log.coordinator().assign([0])) == {(KEYED, 0): 0}


def test_what_is_durable_is_told_when_partitions_are_assigned() -> None:
    log = KeyedLog(written_to_log(a_redirect(), partitions=2))
    run(log)
    lengths = {(KEYED, partition): len(entries) for partition, entries in log.partitions.items()}
    assert asyncio.run(log.coordinator().assign([0, 1, 2])) == {**lengths, (KEYED, 2): 0}


def test_deadlines_of_persons_whom_nobody_mentions_any_more_are_met_after_a_restart() -> None:
    # Nobody comes to the web within 72 hours of the redirect: the customer is lost. Time passes in another life.
    partitions = written_to_log(a_redirect(), partitions=1)
    log = KeyedLog(partitions)
    run(log)
    assert [row["variant"] for row in log.store.live("friction").values()] == ["redirected"]
    log.append(0, Tick((SourceProgress(0, MONDAY + 73 * HOUR),)))
    run(log)
    assert [row["variant"] for row in log.store.live("friction").values()] == ["lost"]


def test_after_a_long_pause_more_persons_are_due_than_one_flush_takes_and_all_are_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.coordinator._MOST_DUE", 2)
    people = [f"{number}" * 32 for number in range(1, 8)]
    told = [of_person(entry, person) for person in people for entry in a_redirect()]
    partitions = written_to_log(told, partitions=1)
    log = KeyedLog(partitions)
    run(log)
    log.append(0, Tick((SourceProgress(0, MONDAY + 73 * HOUR),)))
    run(log)
    assert {row["variant"] for row in log.store.live("friction").values()} == {"lost"}
    assert_as_if_nothing_had_happened(log)


@pytest.mark.parametrize("is_early_one_first", [True, False])
def test_of_two_differing_copies_the_store_and_the_facts_take_the_same_one(is_early_one_first: bool) -> None:
    # One key, sent twice with other contents over two raw partitions, of which one is slower.
    early = applied(touchpoint("page.viewed", MONDAY, id="1", channel="web"), ingestion_time=MONDAY + 1, offset=1)
    late = applied(touchpoint("page.viewed", MONDAY, id="1", channel="app"), ingestion_time=MONDAY + 2, offset=1)
    entries: list[Entry] = [early, late] if is_early_one_first else [late, early]
    log = KeyedLog({0: entries})
    run(log)
    assert_as_if_nothing_had_happened(log)
    # The next worker knows only what the store tells it.
    log.append(0, happened("page.viewed", MONDAY + HOUR))
    run(log)
    assert_as_if_nothing_had_happened(log)
    assert {row["channels"] for row in log.store.live("session").values()} == {("web",), ("other",)}


def test_every_record_is_counted_once_as_what_became_of_it() -> None:
    first = applied(touchpoint("page.viewed", MONDAY, id="1"), offset=1)
    refused = applied(touchpoint("page.viewed", MONDAY + HOUR, id="2"), offset=2)
    again = msgspec.structs.replace(first, origin_offset=3)
    log = KeyedLog({0: [first, refused, again, a_dead_letter(4)]}, refuses=lambda id_: id_ == "2")
    coordinator = log.coordinator()
    asyncio.run(log.work(coordinator, random.Random(0)))
    counts = coordinator.counts
    assert (counts.applied, counts.duplicate, counts.dead) == (1, 1, 2)


def test_every_look_up_of_a_person_is_counted_by_where_they_were_found() -> None:
    one, other = "1" * 32, "2" * 32
    views = [happened("page.viewed", MONDAY + number) for number in range(5)]
    entries = [of_person(view, who) for view, who in zip(views, (one, other, one, one, other), strict=True)]
    log = KeyedLog({0: entries})

    async def work(take: int, stop: int) -> dict[str, int]:
        coordinator = log.coordinator(max_persons=1)
        await coordinator.assign([0])
        for start in range(take, stop):
            await coordinator.take(log.batch(0, start, start + 1))
            await coordinator.flush()
        return coordinator.lookups

    assert asyncio.run(work(0, 4)) == {"memory": 1, "store": 1, "new": 2}
    assert asyncio.run(work(4, 5)) == {"memory": 0, "store": 1, "new": 0}


def test_a_block_that_is_sent_again_has_the_same_token_and_another_life_of_the_topic_another() -> None:
    tokens = []
    for _ in range(2):
        log = KeyedLog(written_to_log(a_redirect(), partitions=1))
        asyncio.run(in_one_flush(log, Faults()))
        tokens.append([block.token for block in log.store.blocks])
    assert tokens[0] == tokens[1]
    assert len(set(tokens[0])) == len(tokens[0])
    assert all("first-life" in token for token in tokens[0])
