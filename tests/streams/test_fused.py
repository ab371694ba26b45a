"""Fused mode: one agent reads what producers sent and what owners tell each other, and takes its own at once."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from faust.types import TP
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.admission import owner_partition
from processors.keyring import Key, Keyring
from schemas.codec import encode
from schemas.log import DeadLetter, Position
from schemas.placement import partition_of
from schemas.ticks import SourceProgress, Tick, decode_tick, encode_tick
from schemas.touchpoint import AppliedTouchpoint, Touchpoint
from streams.app import build_app
from streams.broker import Outgoing
from streams.headers import TICK_HEADERS, is_tick
from streams.intake import Intake
from streams.journeys_agent import JourneysAgent
from streams.placement_check import Placement
from streams.settings import FlushSettings, Settings
from streams.source_clocks import SourceClocks
from streams.topics import DEAD, KEYED, OUTBOX, TOUCHPOINTS
from streams.worker import partitions_together
from tests.support.deliveries import Deliveries
from tests.support.faults import Faults, Killed, Moment
from tests.support.fused_log import FusedLog
from tests.support.keyed_log import Entry, friction_ids
from tests.support.memory_store import MemoryStore
from tests.support.stories import stories
from tests.support.touchpoints import HOUR, MINUTE, MONDAY

KEYRING = Keyring((Key(b"only for tests, and long enough for one"),), partitions=2)
LIVES = {TOUCHPOINTS: "raw-life", KEYED: "keyed-life", DEAD: "dead-life", OUTBOX: "outbox-life"}
SETTINGS = Settings(fused=True, flush=FlushSettings(max_rows=1000, max_age_s=3600), allowed_lateness_s=60)
#: Customers by the partition in which Kafka's clients put them.
HERE, ALSO_HERE, ELSEWHERE = "customer_no:1", "customer_no:2", "customer_no:3"


class Sent:
    """Keeps what is sent; implements `streams.broker.ProducerPort`."""

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self.records: list[Outgoing] = []
        self.is_away = False
        self._before = before

    async def send(self, records: Sequence[Outgoing]) -> None:
        if self.is_away:
            await asyncio.get_running_loop().create_future()
        if records:
            self._before()
        self.records += records

    async def stop(self) -> None: ...

    @property
    def ticks(self) -> list[Tick]:
        """What partition 0 was told of the time."""
        return [decode_tick(one.value or b"") for one in self.records if is_tick(one.headers) and one.partition == 0]


def value(number: int, *identities: str, at: int = MONDAY) -> bytes:
    return encode(Touchpoint(id=f"{number}", source="shop", kind="page.viewed", occurred_at=at, identities=identities))


def run(
    scenario: Callable[[JourneysAgent], Awaitable[None]],
    store: MemoryStore,
    sent: Sent,
    settings: Settings = SETTINGS,
) -> None:
    async def whole() -> None:
        agent = JourneysAgent(settings, store, sent)
        agent.begin(LIVES, 2, KEYRING)
        await agent.assigned(frozenset({0}))
        try:
            await scenario(agent)
        finally:
            await agent.close()

    asyncio.run(asyncio.wait_for(whole(), 60))


def ids(store: MemoryStore) -> list[str]:
    return sorted(row["id"] for row in store.written["touchpoints"])


def test_the_customers_lie_where_the_tests_believe() -> None:
    assert [partition_of(one.encode(), 2) for one in (HERE, ALSO_HERE, ELSEWHERE)] == [0, 0, 1]


def test_it_takes_its_own_and_sends_on_what_belongs_elsewhere_as_intake_would_before_it_acknowledges() -> None:
    store, raw = MemoryStore(), Deliveries(TOUCHPOINTS)
    sent = Sent(before=lambda: acknowledged_when_sending.append(list(raw.acknowledged)))
    acknowledged_when_sending: list[list[int]] = []
    values = [value(1, HERE), value(2, ELSEWHERE, HERE), value(3, ALSO_HERE), b"\x07garbage"]

    async def scenario(agent: JourneysAgent) -> None:
        delivery = raw.chunk(values)
        await agent.handle(delivery)
        await agent.tick()
        assert (ids(store), sent.records, raw.acknowledged) == ([], [], [])
        assert agent.coordinator.rows == 3
        await agent.finish(30)
        counts = agent.coordinator.counts
        assert (counts.applied, counts.misplaced, counts.dead) == (2, 1, 1)
        intake = Intake(
            keyring=KEYRING,
            admission=SETTINGS.admission(),
            partitions=2,
            incarnations=LIVES,
            clocks=SourceClocks(60_000),
        )
        _, by_intake, _, dead = intake.forward(delivery.records)
        assert sent.records == [dead, by_intake, *intake.ticks()]

    run(scenario, store, sent)
    assert ids(store) == ["1", "3"]
    assert raw.acknowledged == [4]
    assert acknowledged_when_sending == [[]]


def test_ticks_never_overtake_touchpoints_that_are_in_hand() -> None:
    store, sent, raw = MemoryStore(), Sent(), Deliveries(TOUCHPOINTS)

    async def scenario(agent: JourneysAgent) -> None:
        await agent.handle(raw.chunk([value(1, HERE, at=MONDAY)]))
        for _ in range(3):
            agent._ticked_at = float("-inf")
            await agent.tick()
        assert sent.ticks == []
        await agent.finish(30)
        assert sent.ticks == [Tick((SourceProgress(0, MONDAY - MINUTE),))]
        assert ids(store) == ["1"]

    run(scenario, store, sent)


def test_a_flush_that_is_abandoned_tells_no_time_and_the_next_owner_tells_it_again() -> None:
    store, sent, raw = MemoryStore(), Sent(), Deliveries(TOUCHPOINTS)

    async def scenario(agent: JourneysAgent) -> None:
        await agent.handle(raw.chunk([value(1, HERE)]))
        sent.is_away = True
        await agent.revoked(0.05)
        assert sent.ticks == []
        sent.is_away = False
        await agent.assigned(frozenset({0}))
        again = Deliveries(TOUCHPOINTS)
        await agent.handle(again.chunk([value(1, HERE)]))
        await agent.finish(30)
        assert sent.ticks == [Tick((SourceProgress(0, MONDAY - MINUTE),))]
        assert again.acknowledged == [1]

    run(scenario, store, sent)


def test_a_quiet_partition_is_told_of_though_there_is_nothing_to_flush() -> None:
    sent = Sent()
    now = 0.0

    async def scenario(agent: JourneysAgent) -> None:
        nonlocal now
        agent._clocks = SourceClocks(60_000, now_ms=lambda: now)
        agent._clocks.assign(frozenset({0}))
        await agent.tick()
        assert sent.ticks == []
        now = 5_000.0
        agent._ticked_at = float("-inf")
        await agent.tick()
        assert sent.ticks == [Tick((SourceProgress(0, None, 5_000),))]

    run(scenario, MemoryStore(), sent)


def test_a_thread_can_ask_how_far_it_is_while_records_wait_for_a_flush() -> None:
    async def scenario(agent: JourneysAgent) -> None:
        await agent.handle(Deliveries(TOUCHPOINTS).chunk([value(1, HERE), value(2, ELSEWHERE)]))
        samples = await asyncio.to_thread(lambda: list(agent.measure()))
        values = {(sample.metric, *sample.labels): sample.value for sample in samples}
        assert 0 <= values["journeys_oldest_unflushed_seconds",] < 60
        assert values["journeys_touchpoints_total", "misplaced"] == 1
        await agent.finish(30)

    run(scenario, MemoryStore(), Sent())


def test_headers_of_producers_say_nothing_about_where_a_record_belongs() -> None:
    store, sent, raw = MemoryStore(), Sent(), Deliveries(TOUCHPOINTS)
    lies = [("tick", b"1"), ("origin", b"7:7"), ("forwarded", b"ff:1"), ("wakes", b"1")]

    async def scenario(agent: JourneysAgent) -> None:
        await agent.handle(raw.chunk([value(1, HERE)], headers=lies))
        await agent.finish(30)

    run(scenario, store, sent)
    (row,) = store.written["touchpoints"]
    assert (row["id"], row["origin_partition"], row["origin_offset"]) == ("1", 0, 0)


def test_each_topic_has_its_checkpoints_and_time_is_the_keyed_ones() -> None:
    store, sent = MemoryStore(), Sent()
    raw, keyed = Deliveries(TOUCHPOINTS), Deliveries(KEYED)
    tick = encode_tick(Tick((SourceProgress(0, MONDAY),)))

    async def first(agent: JourneysAgent) -> None:
        await agent.handle(raw.chunk([value(1, HERE), value(2, HERE)]))
        await agent.handle(keyed.chunk([tick], headers=TICK_HEADERS))
        await agent.finish(30)

    run(first, store, sent)
    checkpoints = {(row["topic"], row["topic_incarnation"]): row for row in store.written["checkpoints"]}
    assert {place: row["next_offset"] for place, row in checkpoints.items()} == {
        (TOUCHPOINTS, "raw-life"): 2,
        (KEYED, "keyed-life"): 1,
    }
    assert checkpoints[TOUCHPOINTS, "raw-life"]["watermark"] is None
    assert checkpoints[KEYED, "keyed-life"]["watermark"] == MONDAY

    async def second(agent: JourneysAgent) -> None:
        """A tick before the checkpoint of the keyed topic, whatever that of the other says, tells no time again."""
        quiet = encode_tick(Tick((SourceProgress(0, None, HOUR),)))
        await agent.handle(Deliveries(KEYED).chunk([quiet], headers=TICK_HEADERS))
        assert agent.coordinator.watermarks == {0: MONDAY}
        await agent.handle(keyed.chunk([quiet], headers=TICK_HEADERS))
        assert agent.coordinator.watermarks == {0: MONDAY + HOUR}

    run(second, store, sent)


def test_tables_that_lost_what_was_read_have_each_topic_read_again_from_where_they_stand() -> None:
    store, sent = MemoryStore(), Sent()
    raw, keyed = Deliveries(TOUCHPOINTS), Deliveries(KEYED)

    async def write(agent: JourneysAgent) -> None:
        await agent.handle(raw.chunk([value(1, HERE), value(2, HERE)]))
        await agent.finish(30)

    run(write, store, sent)

    async def read_on(agent: JourneysAgent) -> None:
        await agent.handle(raw.chunk([value(3, HERE)], committed=3))
        assert raw.rewound_to == [2]
        await agent.handle(keyed.chunk([value(4, HERE)], committed=0))
        assert keyed.rewound_to == []
        assert agent.coordinator.rows == 1

    run(read_on, store, sent)


def test_the_ceiling_for_dead_letters_stops_it_before_anything_of_the_chunk_is_taken() -> None:
    store, sent, raw = MemoryStore(), Sent(), Deliveries(TOUCHPOINTS)
    settings = SETTINGS.model_copy(
        update={"dead_letters": SETTINGS.dead_letters.model_copy(update={"most_in_a_row": 2})}
    )

    async def scenario(agent: JourneysAgent) -> None:
        await agent.handle(raw.chunk([value(1, HERE), b"\x07", b"\x07"]))
        assert agent.coordinator.rows == 1
        with pytest.raises(Exception, match="too many dead letters in touchpoints/0: 3 in a row") as raised:
            await agent.handle(raw.chunk([b"\x07", value(2, HERE)]))
        assert type(raised.value).__name__ == "DecisionNeeded"
        assert agent.coordinator.rows == 1

    run(scenario, store, sent, settings)


def test_partitions_of_both_topics_have_to_be_handed_out_together() -> None:
    both = [TP(topic, number) for topic in (TOUCHPOINTS, KEYED) for number in (0, 3)]
    assert partitions_together(both, (TOUCHPOINTS, KEYED)) == {0, 3}
    assert partitions_together(both, (KEYED,)) == {0, 3}
    assert partitions_together([], (TOUCHPOINTS, KEYED)) == frozenset()
    with pytest.raises(RuntimeError, match="handed out together, and were not"):
        partitions_together(both[:3], (TOUCHPOINTS, KEYED))


def test_fausts_assignor_hands_out_the_same_partitions_of_both_topics_whoever_comes_and_goes() -> None:
    cluster = SimpleNamespace(partitions_for_topic=lambda _: set(range(7)))
    # Each keeps as much of what it had as it can, so what went before matters.
    assignors: dict[str, Any] = {}
    for members in ("a", "ab", "abc", "bc", "bcd", "abcd", "d"):
        assignors = {name: assignors.get(name) or build_app(SETTINGS, "journeys").assignor for name in members}
        metadata = {name: assignor.metadata({TOUCHPOINTS, KEYED}) for name, assignor in assignors.items()}
        given = assignors[members[-1]].assign(cluster, metadata)
        owned: list[int] = []
        for name, assignment in given.items():
            assignors[name].on_assignment(assignment)
            places = [TP(topic, number) for topic, numbers in assignment.assignment for number in numbers]
            owned += partitions_together(places, (TOUCHPOINTS, KEYED))
        assert sorted(owned) == list(range(7)), members


@pytest.mark.parametrize(
    ("looked_at", "misplaced", "is_acceptable"),
    [(0, 0, True), (11, 11, False), (10, 10, True), (1000, 50, True), (1000, 51, False)],
)
def test_more_than_five_percent_and_more_than_ten_in_the_wrong_place_are_too_many(
    looked_at: int, misplaced: int, is_acceptable: bool
) -> None:
    assert Placement(looked_at, misplaced, None, None).is_acceptable is is_acceptable


# --- The coordinator on both topics, which dies


def of_person(applied_touchpoint: AppliedTouchpoint, person: str) -> AppliedTouchpoint:
    mine = applied_touchpoint.touchpoint
    theirs = msgspec.structs.replace(mine, id=f"{person[-1]}{mine.id}", identities=(f"customer_no:{person}",))
    return msgspec.structs.replace(applied_touchpoint, touchpoint=theirs, identity_hash=person)


@st.composite
def raw_logs(draw: st.DrawFn) -> dict[int, list[Entry]]:
    """Touchpoints of four persons, some of them more than once, and some garbage: most lie where they belong."""
    told = [of_person(entry, f"{number:032x}") for number in (range(4)) for entry in draw(stories(max_size=5))]
    told += draw(st.lists(st.sampled_from(told), max_size=4)) if told else []
    log: dict[int, list[Entry]] = {0: [], 1: []}
    for entry in draw(st.permutations(told)):
        own = owner_partition(entry.identity_hash, 2)
        partition = draw(st.sampled_from((own, own, own, 1 - own)))
        offset = len(log[partition])
        log[partition].append(
            msgspec.structs.replace(
                entry, ingestion_time=entry.event_time, origin_partition=partition, origin_offset=offset
            )
        )
        if draw(st.integers(0, 9)) == 0:
            log[partition].append(garbage(partition, offset + 1))
    return log


def garbage(partition: int, offset: int) -> DeadLetter:
    return DeadLetter(
        stage="decode",
        reason="bad_magic",
        field=None,
        detail="first byte is 7, expected 0",
        raw=b"\x07",
        key=None,
        position=Position(TOUCHPOINTS, partition, offset),
        timestamp=MONDAY,
    )


def assert_as_if_nothing_had_happened(log: FusedLog) -> None:
    expected, alertable = log.expected()
    assert log.is_done
    assert log.store.facts() == expected.facts()
    assert log.store.touchpoint_keys() == {entry.key for entry in log.touchpoints}
    assert log.dead() == log.must_be_dead()
    told = log.outbox.open_frictions()
    assert alertable <= told <= friction_ids(log.store)


@given(raw_logs(), st.integers(0, 9), st.booleans())
def test_one_worker_or_two_on_both_topics_write_what_follows_from_what_producers_sent(
    raw: dict[int, list[Entry]], seed: int, are_two: bool
) -> None:
    log = FusedLog(raw)

    async def work() -> None:
        async with asyncio.TaskGroup() as workers:
            for partitions in ([0], [1]) if are_two else ([0, 1],):
                workers.create_task(log.work_fused(log.worker(), random.Random(seed), partitions))

    asyncio.run(work())
    assert_as_if_nothing_had_happened(log)


@given(raw_logs(), st.data(), st.integers(0, 9))
@settings(max_examples=200)
def test_whatever_step_a_worker_on_both_topics_dies_at_the_next_one_makes_it_as_if_it_had_not(
    raw: dict[int, list[Entry]], data: st.DataObject, seed: int
) -> None:
    log = FusedLog(raw)
    for death in range(data.draw(st.integers(1, 4), label="deaths")):
        faults = Faults(data.draw(st.integers(0, 40)), data.draw(st.sampled_from(Moment)))
        with contextlib.suppress(Killed):
            asyncio.run(log.work_fused(log.worker(faults), random.Random(seed + death)))
    asyncio.run(log.work_fused(log.worker(), random.Random(seed + 100)))
    assert_as_if_nothing_had_happened(log)
