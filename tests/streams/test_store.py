"""The store of the event loop: patient with a server that is away, and quick to leave one that is silent."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.errors import SchemaMismatch
from sinks.clickhouse.migrator import migrate
from sinks.clickhouse.rows import touchpoint_block
from sinks.clickhouse.writer import RefusedRow
from streams.pulse import Pulse
from streams.store import Store, refuse_nothing
from tests.support.deadline import eventually
from tests.support.local_broker import free_port
from tests.support.local_clickhouse import running_clickhouse, start_clickhouse
from tests.support.processes import stopped
from tests.support.touchpoints import ANNA, MONDAY, happened

BLOCK = touchpoint_block([happened("page.viewed", MONDAY)], token_prefix="test")


@pytest.fixture
def silent_server() -> Iterator[tuple[ClickHouseAddress, socket.socket]]:
    """A server that takes connections and never says a word."""
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield ClickHouseAddress(host="127.0.0.1", port=listening.getsockname()[1]), listening


def busy_threads() -> int:
    return sum(thread.name.startswith("clickhouse") for thread in threading.enumerate())


def test_whoever_gives_up_a_silent_server_is_free_at_once(
    silent_server: tuple[ClickHouseAddress, socket.socket],
) -> None:
    address, listening = silent_server

    async def scenario() -> None:
        store = Store(address)
        before = busy_threads()
        inserting = asyncio.create_task(store.insert(BLOCK))
        connection, _ = await asyncio.to_thread(listening.accept)
        with closing(connection):
            await asyncio.to_thread(connection.recv, 1)
            inserting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await inserting
            store.interrupt()
            await store.close()
            await eventually(lambda: busy_threads() == before, seconds=10)

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_a_store_that_asked_nobody_can_be_interrupted_and_closed() -> None:
    async def scenario() -> None:
        store = Store(ClickHouseAddress(host="127.0.0.1", port=free_port()))
        store.interrupt()
        await store.close()

    asyncio.run(asyncio.wait_for(scenario(), 30))


@pytest.mark.stack
def test_a_server_that_is_away_is_waited_for_and_the_same_block_is_written_when_it_comes(tmp_path: Path) -> None:
    port = free_port()

    async def scenario() -> None:
        address = ClickHouseAddress(host="127.0.0.1", port=port)
        store = Store(address)
        inserting = asyncio.create_task(store.insert(BLOCK))
        done, _ = await asyncio.wait({inserting}, timeout=0.5)
        assert not done
        process, _ = await asyncio.to_thread(start_clickhouse, tmp_path, "--native-port", str(port))
        with stopped(process):
            await asyncio.to_thread(migrate, address)
            try:
                assert await inserting == ()
            except SchemaMismatch:
                # It came between the start and the migration: that is a person's to mend, and not waited for.
                assert await store.insert(BLOCK) == ()
            found = await store.read(lambda reader: reader.load_touchpoints([ANNA]))
            assert len(found[ANNA]) == 1
            await store.close()

    asyncio.run(asyncio.wait_for(scenario(), 120))


def test_every_attempt_is_a_sign_of_life_good_for_the_pause_after_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        now_s = 1000.0
        pulse = Pulse(lambda: now_s)
        store = Store(ClickHouseAddress(host="127.0.0.1", port=free_port()), pulse)
        inserting = asyncio.create_task(store.insert(BLOCK))
        await eventually(lambda: pulse.retries == {"clickhouse": 2})
        assert pulse.beats >= 4
        now_s += 15.0
        assert pulse.is_good
        inserting.cancel()
        await asyncio.wait({inserting})
        await store.close()

    asyncio.run(asyncio.wait_for(scenario(), 60))


@pytest.mark.stack
def test_missing_tables_are_not_waited_for(tmp_path: Path) -> None:
    async def scenario(port: int) -> None:
        store = Store(ClickHouseAddress(host="127.0.0.1", port=port))
        with pytest.raises(SchemaMismatch):
            await store.insert(BLOCK)
        await store.close()

    with running_clickhouse(tmp_path) as ports:
        asyncio.run(asyncio.wait_for(scenario(ports.native), 60))


def test_rows_that_we_derived_ourselves_must_not_be_refused() -> None:
    refuse_nothing("frictions", ())
    with pytest.raises(RuntimeError, match="frictions refused 1 derived rows, first: TYPE_MISMATCH"):
        refuse_nothing("frictions", (RefusedRow(0, "TYPE_MISMATCH (53)"),))
