"""The journeys agent on a real broker: what it does when the store is away, behind, or in time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.codec import encode
from schemas.ticks import SourceProgress, Tick, encode_tick
from schemas.touchpoint import Touchpoint
from sinks.clickhouse.migrator import migrate
from streams.headers import TICK_HEADERS
from streams.journeys_agent import JourneysAgent
from streams.settings import ClickHouseSettings, FlushSettings, KafkaSettings, Settings, make_pepper
from streams.store import Store, clickhouse_address
from streams.topics import KEYED
from tests.support.deadline import eventually
from tests.support.deliveries import Deliveries
from tests.support.kafka_records import broker_with_topics
from tests.support.local_broker import free_port
from tests.support.local_clickhouse import running_clickhouse
from tests.support.memory_store import MemoryStore
from tests.support.touchpoints import HOUR, MONDAY

pytestmark = pytest.mark.stack

#: Nothing is flushed because of the time.
NEVER: Any = {"max_age_s": 3600, "min_pause_s": 3600}


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaSettings]:
    with broker_with_topics() as settings:
        yield settings


@pytest.fixture
def settings(kafka: KafkaSettings, tmp_path: Path) -> Settings:
    make_pepper(tmp_path / "pepper")
    return Settings(data_dir=tmp_path, kafka=kafka, flush=FlushSettings(max_rows=3, **NEVER))


def a_touchpoint(number: int, customer: str = "4711") -> bytes:
    return encode(
        Touchpoint(
            id=f"{number}",
            source="shop",
            kind="page.viewed",
            occurred_at=MONDAY - HOUR + number,
            identities=(f"customer_no:{customer}",),
        )
    )


def run(
    settings: Settings, store: Any, scenario: Callable[[JourneysAgent], Awaitable[None]], within_s: float = 60
) -> None:
    async def whole() -> None:
        agent = JourneysAgent(settings, store)
        await agent.start()
        await agent.assigned(frozenset({0}))
        try:
            await scenario(agent)
        finally:
            await agent.close()

    asyncio.run(asyncio.wait_for(whole(), within_s))


def ids(store: MemoryStore) -> list[str]:
    return sorted(row["id"] for row in store.written["touchpoints"])


def test_a_flush_comes_when_enough_rows_are_collected(settings: Settings) -> None:
    store, log = MemoryStore(), Deliveries(KEYED)

    async def scenario(agent: JourneysAgent) -> None:
        await agent.handle(log.chunk([a_touchpoint(1), a_touchpoint(2)]))
        await agent.tick()
        assert (ids(store), log.acknowledged) == ([], [])
        await agent.handle(log.chunk([a_touchpoint(3)]))
        assert (ids(store), log.acknowledged) == (["1", "2", "3"], [2, 3])

    run(settings, store, scenario)


def test_the_store_is_asked_once_for_all_chunks_that_wait(settings: Settings) -> None:
    wide = settings.model_copy(update={"flush": FlushSettings(max_rows=100, **NEVER)})

    async def scenario(agent: JourneysAgent) -> None:
        log = Deliveries(KEYED)
        await agent.handle(log.chunk([a_touchpoint(0)]))
        before = store.reads
        await agent.handle(log.chunk([a_touchpoint(1, "4712")]))
        for_one = store.reads - before
        assert for_one > 0
        before = store.reads
        chunks = [log.chunk([a_touchpoint(number, f"{4711 + number}")]) for number in range(2, 9)]
        await asyncio.gather(*map(agent.handle, chunks))
        assert store.reads - before == for_one
        await agent.finish(30.0)
        assert (ids(store), log.acknowledged) == ([f"{number}" for number in range(9)], list(range(1, 10)))

    store = MemoryStore()
    run(wide, store, scenario)


def test_a_flush_comes_when_enough_bytes_are_collected(settings: Settings) -> None:
    size = len(a_touchpoint(1))
    small = settings.model_copy(update={"flush": FlushSettings(max_bytes=2 * size, **NEVER)})
    store, log = MemoryStore(), Deliveries(KEYED)

    async def scenario(agent: JourneysAgent) -> None:
        for number in (1, 2, 3):
            await agent.handle(log.chunk([a_touchpoint(number)]))
        assert (ids(store), log.acknowledged) == (["1", "2"], [1, 2])

    run(small, store, scenario)


def test_a_lone_touchpoint_is_flushed_as_soon_as_it_comes_when_the_last_flush_was_a_while_ago(
    settings: Settings,
) -> None:
    prompt = settings.model_copy(update={"flush": FlushSettings(max_age_s=3600, min_pause_s=0)})
    store, log = MemoryStore(), Deliveries(KEYED)

    async def scenario(agent: JourneysAgent) -> None:
        await agent.handle(log.chunk([encode_tick(Tick((SourceProgress(0, MONDAY),)))], headers=TICK_HEADERS))
        assert log.acknowledged == [], "time alone is no hurry"
        await agent.handle(log.chunk([a_touchpoint(1)]))
        assert (ids(store), log.acknowledged) == (["1"], [1, 2])

    run(prompt, store, scenario)


def test_a_flush_comes_when_the_oldest_record_has_waited_long_enough(settings: Settings) -> None:
    patient = settings.model_copy(update={"flush": FlushSettings(max_age_s=0.01, min_pause_s=3600)})
    store, log = MemoryStore(), Deliveries(KEYED)

    async def scenario(agent: JourneysAgent) -> None:
        await agent.handle(log.chunk([a_touchpoint(1)]))
        while not log.acknowledged:
            await agent.tick()
            await asyncio.sleep(0)
        assert ids(store) == ["1"]

    run(patient, store, scenario)


def test_it_tells_another_thread_for_how_long_the_oldest_record_has_waited(settings: Settings) -> None:
    log = Deliveries(KEYED)

    async def scenario(agent: JourneysAgent) -> None:
        await agent.handle(log.chunk([a_touchpoint(1)]))
        told = {sample.metric: sample.value for sample in await asyncio.to_thread(lambda: list(agent.measure()))}
        assert 0 < told["journeys_oldest_unflushed_seconds"] < 60

    run(settings, MemoryStore(), scenario)


@pytest.mark.parametrize("how", ["revoked", "finish"])
def test_what_is_collected_is_flushed_when_partitions_go_and_at_the_end(settings: Settings, how: str) -> None:
    store, log = MemoryStore(), Deliveries(KEYED)

    async def scenario(agent: JourneysAgent) -> None:
        await agent.handle(log.chunk([a_touchpoint(1)]))
        await getattr(agent, how)(30.0)
        assert (ids(store), log.acknowledged) == (["1"], [1])
        assert agent.coordinator.is_idle

    run(settings, store, scenario)


@pytest.mark.parametrize("how", ["revoked", "finish"])
def test_neither_a_rebalance_nor_the_end_waits_for_a_clickhouse_that_is_away(settings: Settings, how: str) -> None:
    away = settings.model_copy(update={"clickhouse": ClickHouseSettings(port=free_port())})
    log = Deliveries(KEYED)

    async def scenario(agent: JourneysAgent) -> None:
        handling = asyncio.create_task(agent.handle(log.chunk([a_touchpoint(1)])))
        done, _ = await asyncio.wait({handling}, timeout=0.5)
        assert not done, "records are not dropped while the store is away"
        await asyncio.wait_for(getattr(agent, how)(0.1), 5)
        await asyncio.wait_for(handling, 5)
        assert log.acknowledged == []
        assert agent.coordinator.rows == 0

    run(away, Store(clickhouse_address(away.clickhouse)), scenario)


def test_records_read_before_a_rebalance_are_not_taken_after_it(settings: Settings) -> None:
    class SlowStore(MemoryStore):
        """Answers when it is let."""

        def __init__(self) -> None:
            super().__init__()
            self.may_answer = asyncio.Event()

        async def read(self, question: Any) -> Any:
            await self.may_answer.wait()
            return await super().read(question)

    log = Deliveries(KEYED)
    store = SlowStore()

    async def scenario(agent: JourneysAgent) -> None:
        old = [asyncio.create_task(agent.handle(log.chunk([a_touchpoint(number)]))) for number in (1, 2)]
        await asyncio.sleep(0)
        await agent.revoked(0.05)
        await agent.assigned(frozenset({0}))
        store.may_answer.set()
        await asyncio.gather(*old)
        await agent.handle(log.chunk([a_touchpoint(3)]))
        await agent.finish(30.0)
        assert (ids(store), log.acknowledged) == (["3"], [3])

    run(settings, store, scenario)


def test_when_the_tables_are_behind_what_was_committed_the_log_is_read_again(settings: Settings) -> None:
    store, log = MemoryStore(), Deliveries(KEYED)

    async def scenario(agent: JourneysAgent) -> None:
        # Committed up to 100, but the store knows nothing: it was made anew.
        await agent.handle(log.chunk([a_touchpoint(1)], committed=100))
        assert log.rewound_to == [0]
        await agent.handle(log.chunk([a_touchpoint(2)], committed=100))
        await agent.finish(30.0)
        assert (ids(store), log.rewound_to) == (["2"], [0])

    run(settings, store, scenario)


@pytest.mark.parametrize("committed", [None, 3])
def test_tables_that_hold_all_that_was_committed_are_believed(settings: Settings, committed: int | None) -> None:
    store, log = MemoryStore(), Deliveries(KEYED)

    async def first_life(agent: JourneysAgent) -> None:
        await agent.handle(log.chunk([a_touchpoint(1), a_touchpoint(2), a_touchpoint(3)]))

    async def second_life(agent: JourneysAgent) -> None:
        await agent.handle(log.chunk([a_touchpoint(4)], committed=committed))
        assert log.rewound_to == []

    run(settings, store, first_life)
    run(settings, store, second_life)


def test_a_tick_that_nobody_of_us_wrote_tells_no_time_and_stops_nothing(settings: Settings) -> None:
    store, log = MemoryStore(), Deliveries(KEYED)

    async def scenario(agent: JourneysAgent) -> None:
        for value in (None, b"{", encode_tick(Tick((SourceProgress(0, MONDAY),)))):
            await agent.handle(log.chunk([value], headers=TICK_HEADERS))
        await agent.finish(30.0)
        assert log.acknowledged == [1, 2, 3]
        assert store.written["checkpoints"][-1]["watermark"] == MONDAY

    run(settings, store, scenario)


def test_a_whole_life_on_a_real_clickhouse(settings: Settings, tmp_path: Path) -> None:
    with running_clickhouse(tmp_path / "clickhouse") as ports:
        real = settings.model_copy(update={"clickhouse": ClickHouseSettings(port=ports.native)})
        address = clickhouse_address(real.clickhouse)
        migrate(address)
        log = Deliveries(KEYED)

        async def scenario(agent: JourneysAgent) -> None:
            await agent.handle(log.chunk([a_touchpoint(1), a_touchpoint(1), b"garbage"]))
            await agent.finish(30.0)
            await eventually(lambda: log.acknowledged == [3])

        async def again(agent: JourneysAgent) -> None:
            await agent.handle(log.chunk([a_touchpoint(2)], committed=3))
            assert log.rewound_to == []
            await agent.finish(30.0)
            counts = agent.coordinator.counts
            assert (counts.applied, counts.duplicate, counts.dead) == (1, 0, 0)

        run(real, Store(address), scenario)
        run(real, Store(address), again)
