"""The store on a network and a ClickHouse that fail: what was said is said again, what cannot pass stops the worker."""

import asyncio
import dataclasses
import re
import resource
import subprocess
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from operator import methodcaller
from typing import Any, NamedTuple

import pytest
from stamina.instrumentation import get_on_retry_hooks, set_on_retry_hooks
from structlog.testing import capture_logs

from schemas.erasure import ErasedIdentifier
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.errors import AnswerUnknown, SchemaMismatch
from sinks.clickhouse.migrator import migrate
from sinks.clickhouse.reader import Reader
from sinks.clickhouse.records import Deadline
from sinks.clickhouse.rollups.upkeep import ROLLUPS
from sinks.clickhouse.rows import PreparedBlock
from sinks.clickhouse.tables import SCHEMA_MIGRATIONS, TABLES, VIEWS
from streams.store import Store
from streams.waiting import WaitLog
from tests.support.any_block import BLOCKS
from tests.support.deadline import eventually
from tests.support.faulty_proxy import (
    GREETING,
    CutAnswer,
    CutRequest,
    Delay,
    Drip,
    Fault,
    FaultyProxy,
    Refusal,
    Silence,
    faulty_proxy,
)
from tests.support.local_clickhouse import start_clickhouse
from tests.support.processes import stopped
from tests.support.touchpoints import ANNA, ANNAS_ACCOUNT, TENANT

pytestmark = pytest.mark.stack

#: What workers write in blocks; rollups are written by ClickHouse itself, from its own tables.
TABLE_NAMES = [
    table.name for table in TABLES if table not in (SCHEMA_MIGRATIONS, *(rollup.table for rollup in ROLLUPS))
]
Lines = list[MutableMapping[str, Any]]
Scenario = Callable[[Store], Awaitable[Any]]


class Server(NamedTuple):
    """An engine with our schema, and where it is: directly, and through a network that may fail."""

    process: subprocess.Popen[str]
    direct: ClickHouseAddress
    http: int
    proxy: FaultyProxy

    def proxied(self, **fields: Any) -> ClickHouseAddress:
        return ClickHouseAddress(port=self.proxy.port, **fields)

    def run(self, sql: str) -> Any:
        client = connect(self.direct)
        try:
            return client.execute(sql)
        finally:
            client.disconnect()

    def seen(self, table: str) -> int:
        """Rows as analysts see them, or as workers do where there is no view."""
        counted = f"v_{table}" if f"v_{table}" in VIEWS else f"{table} FINAL"
        ((count,),) = self.run(f"SELECT count() FROM {counted}")
        return int(count)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    process, ports = start_clickhouse(tmp_path_factory.mktemp("clickhouse"))
    with stopped(process), faulty_proxy(ports.native) as proxy:
        direct = ClickHouseAddress(port=ports.native)
        migrate(direct)
        yield Server(process, direct, ports.http, proxy)


@pytest.fixture
def server(engine: Server) -> Iterator[Server]:
    yield engine
    engine.proxy.heal()


@pytest.fixture
def waits() -> Iterator[Lines]:
    """Lines of the log about waiting, as a worker writes them."""
    hooks = get_on_retry_hooks()
    set_on_retry_hooks([WaitLog()])
    with capture_logs() as lines:
        yield lines
    set_on_retry_hooks(hooks)


def with_store(address: ClickHouseAddress, scenario: Scenario, within_s: float = 100) -> Any:
    async def whole() -> Any:
        store = Store(address)
        try:
            return await scenario(store)
        finally:
            await store.close()

    return asyncio.run(asyncio.wait_for(whole(), within_s))


def inserted(address: ClickHouseAddress, block: PreparedBlock) -> Any:
    return with_store(address, lambda store: store.insert(block))


def into(table: str) -> str:
    return f"INSERT INTO `{table}`"


@pytest.mark.parametrize("table", TABLE_NAMES)
def test_a_reset_anywhere_in_an_insert_is_repaired_with_the_same_bytes(server: Server, table: str) -> None:
    inserted(server.proxied(), BLOCKS[table](f"{table} whole  "))
    whole = len(server.proxy.asked(into(table))[-1].sent)
    before, asked = server.seen(table), len(server.proxy.asked(into(table)))
    cuts: dict[str, Fault] = {
        "first": CutRequest(1),
        "middle": CutRequest(whole // 2),
        "last": CutRequest(whole - 1),
        "answer": CutAnswer(),
    }
    for number, (name, fault) in enumerate(cuts.items(), start=1):
        block = BLOCKS[table](f"{table} {name:7}")
        server.proxy.order(fault, on=into(table))
        assert inserted(server.proxied(), block) == ()
        assert server.seen(table) == before + number
        cut, again = server.proxy.asked(into(table))[asked:]
        asked += 2
        assert cut.fault == fault
        assert len(cut.sent) == (fault.at_byte if isinstance(fault, CutRequest) else whole)
        assert again.sent.startswith(cut.sent)
        assert len(again.sent) == whole
        assert block.token.encode() in again.sent


def test_an_insert_that_was_done_though_nobody_heard_is_stored_once(server: Server) -> None:
    server.run("SYSTEM STOP MERGES")
    server.proxy.order(CutAnswer(), on=into("sessions"), times=3)
    before = server.run("SELECT count() FROM sessions")[0][0]
    inserted(server.proxied(), BLOCKS["sessions"]("nobody heard"))
    assert server.run("SELECT count() FROM sessions")[0][0] == before + 1
    server.run("SYSTEM START MERGES")


def test_a_late_answer_is_waited_for(server: Server) -> None:
    server.proxy.order(Delay(0.5), on=into("journeys"))
    asked = len(server.proxy.asked(into("journeys")))
    inserted(server.proxied(answer_timeout_s=20.0), BLOCKS["journeys"]("late"))
    assert len(server.proxy.asked(into("journeys"))) == asked + 1


@pytest.mark.parametrize(
    ("on", "tried"),
    [
        (GREETING, r"reading the schema of 127\.0\.0\.1:\d+/journeys: Code: 209\. \(127\.0\.0\.1:\d+\)"),
        ("system.columns", r"reading the schema of 127\.0\.0\.1:\d+/journeys: timed out"),
        (into("persons"), r"writing persons to 127\.0\.0\.1:\d+/journeys: timed out"),
    ],
)
def test_a_server_that_takes_everything_and_says_nothing_is_given_up_and_asked_again(
    server: Server, waits: Lines, on: str, tried: str
) -> None:
    before = server.seen("persons")
    server.proxy.order(Silence(), on=on)
    inserted(server.proxied(answer_timeout_s=1.0), BLOCKS["persons"](f"silence {on}"))
    assert server.seen("persons") == before + 1
    (line,) = waits
    assert re.fullmatch(tried, line["error"])


def test_an_answer_that_drips_is_given_up_however_often_a_byte_comes(server: Server, waits: Lines) -> None:
    address = server.proxied(answer_timeout_s=1.0)
    server.proxy.order(Drip(0.2), on="FROM checkpoints")
    with_store(address, lambda store: store.read(lambda reader: reader.load_checkpoints("drips")))
    assert [request.fault for request in server.proxy.asked("FROM checkpoints")[-2:]] == [Drip(0.2), None]
    (line,) = waits
    assert line["error"] == f"reading checkpoints from {address}: no whole answer within 5 s"


def test_a_mutation_may_be_silent_for_longer_than_a_server_that_does_not_greet(server: Server, waits: Lines) -> None:
    inserted(server.direct, BLOCKS["touchpoints"]("to be erased"))
    gone = ErasedIdentifier(
        tenant=TENANT, identifier=ANNA, identity=ANNAS_ACCOUNT, requested_at=1, source="crm", id="1", version=1
    )
    greeted = len(server.proxy.asked(GREETING))
    server.proxy.order(Silence(), on=GREETING)
    server.proxy.order(Delay(2.5), on="ALTER TABLE touchpoints DELETE")
    with_store(server.proxied(answer_timeout_s=1.0), lambda store: store.erase(methodcaller("delete", [gone])))
    assert server.seen("touchpoints") == 0
    assert [line["attempts"] for line in waits] == [1]
    # To the silent one, then one each to look at the tables and to erase.
    assert len(server.proxy.asked(GREETING)) == greeted + 3


@pytest.fixture(params=["too many parts", "read-only table", "disk full"])
def pressed(request: pytest.FixtureRequest, server: Server) -> Iterator[tuple[str, Callable[[], None]]]:
    """Trouble that the engine really has: what it says, and what ends it."""
    match request.param:
        case "too many parts":
            server.run("SYSTEM STOP MERGES sessions")
            inserted(server.direct, BLOCKS["sessions"]("a part"))
            server.run("ALTER TABLE sessions MODIFY SETTING parts_to_delay_insert = 1, parts_to_throw_insert = 1")
            begun, end = "code 252: Too many parts", "RESET SETTING parts_to_delay_insert, parts_to_throw_insert"
        case "read-only table":
            server.run("ALTER TABLE sessions MODIFY SETTING table_readonly = 1")
            begun, end = "code 774: Table is in readonly mode", "MODIFY SETTING table_readonly = 0"
        case _:
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
            begun, end = "code 243: the rows could not be kept: File too large", ""

    def relieve() -> None:
        if end:
            server.run(f"ALTER TABLE sessions {end}")
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    yield begun, relieve
    relieve()
    server.run("SYSTEM START MERGES sessions")


def test_trouble_that_the_engine_really_has_is_waited_out(
    server: Server, pressed: tuple[str, Callable[[], None]], waits: Lines
) -> None:
    said, relieve = pressed
    before, asked = server.seen("sessions"), len(server.proxy.asked(into("sessions")))
    block = BLOCKS["sessions"](said)

    async def scenario(store: Store) -> None:
        inserting = asyncio.create_task(store.insert(block))
        await eventually(lambda: len(server.proxy.asked(into("sessions"))) >= asked + 2)
        assert not inserting.done()
        await asyncio.to_thread(relieve)
        assert await inserting == ()

    with_store(server.proxied(), scenario)
    assert server.seen("sessions") == before + 1
    (line,) = waits
    assert line["error"].startswith(f"writing sessions to {server.proxied()}: {said}")


@pytest.mark.parametrize("code", [159, 202, 241, 242, 319, 425])
def test_trouble_that_a_server_reports_is_waited_out(server: Server, waits: Lines, code: int) -> None:
    before = server.seen("frictions")
    server.proxy.order(Refusal(code, "DB::Exception: not now"), on=into("frictions"), times=2)
    inserted(server.proxied(), BLOCKS["frictions"](f"after {code}"))
    assert server.seen("frictions") == before + 1
    assert waits == [
        {
            "event": "waiting",
            "log_level": "warning",
            "dependency": "clickhouse",
            "error": f"writing frictions to {server.proxied()}: code {code}: DB::Exception: not now",
            "attempts": 1,
        }
    ]


def test_an_answer_that_nobody_knows_may_pass(server: Server, waits: Lines) -> None:
    server.run("ALTER TABLE alerts ADD CONSTRAINT odd CHECK dictHas('missing', 1)")
    before, asked = server.seen("alerts"), len(server.proxy.asked(into("alerts")))

    async def scenario(store: Store) -> None:
        inserting = asyncio.create_task(store.insert(BLOCKS["alerts"]("odd")))
        await eventually(lambda: len(server.proxy.asked(into("alerts"))) >= asked + 2)
        await asyncio.to_thread(server.run, "ALTER TABLE alerts DROP CONSTRAINT odd")
        assert await inserting == ()

    with_store(server.proxied(), scenario)
    assert server.seen("alerts") == before + 1
    assert "code 36: Dictionary (`missing`) not found" in waits[0]["error"]


@pytest.mark.parametrize(
    ("code", "on", "says"),
    [
        (516, GREETING, "user or password is wrong; check user and password (JOURNEYS_CLICKHOUSE__USER, "),
        (192, GREETING, "user or password is wrong; check user and password (JOURNEYS_CLICKHOUSE__USER, "),
        (497, GREETING, "the user lacks a permission; grant it, or use another user (JOURNEYS_CLICKHOUSE__USER)"),
        (
            497,
            into("sessions"),
            "the user lacks a permission; grant it, or use another user (JOURNEYS_CLICKHOUSE__USER)",
        ),
    ],
)
def test_a_user_whom_the_server_does_not_want_is_not_waited_for(
    server: Server, waits: Lines, code: int, on: str, says: str
) -> None:
    server.proxy.order(Refusal(code, "DB::Exception: writer: no"), on=on, times=None)
    asked = len(server.proxy.asked(on))
    with pytest.raises(SchemaMismatch) as caught:
        inserted(server.proxied(), BLOCKS["sessions"]("unwanted"))
    tried = "reading the schema of" if on == GREETING else "writing sessions to"
    assert str(caught.value).startswith(f"{tried} {server.proxied()}: {says}")
    assert str(caught.value).endswith(f"(code {code}: DB::Exception: writer: no)")
    assert len(server.proxy.asked(on)) == asked + 1
    assert waits == []


def test_a_user_who_may_only_read_is_not_waited_for(server: Server) -> None:
    with pytest.raises(
        SchemaMismatch, match=r"writing sessions .* use one that may write \(JOURNEYS_CLICKHOUSE__USER\)"
    ):
        inserted(server.proxied(user="reader"), BLOCKS["sessions"]("reading"))


def test_a_port_that_speaks_something_else_is_not_waited_out(server: Server) -> None:
    with pytest.raises(AnswerUnknown, match=r"reading the schema .* Unexpected packet from server .* \(expected Hello"):
        Reader(ClickHouseAddress(port=server.http)).require_tables()


def test_a_database_that_is_missing_is_not_waited_for(server: Server) -> None:
    with pytest.raises(
        SchemaMismatch, match=r"the database is missing; .* \(journeys migrate, JOURNEYS_CLICKHOUSE__DA"
    ):
        inserted(server.proxied(database="nowhere"), BLOCKS["sessions"]("nowhere"))


@pytest.mark.parametrize(
    ("drift", "at_start", "later"),
    [
        (
            "DROP TABLE sessions",
            "sessions: the table is missing",
            "a table is missing; apply the migrations of this version (journeys migrate) (code 60: ",
        ),
        (
            "ALTER TABLE sessions DROP COLUMN touches",
            "sessions: column touches is missing",
            "a column is missing; apply the migrations of this version (journeys migrate) (code 16: ",
        ),
        (
            "ALTER TABLE sessions DROP COLUMN first_touchpoint, ADD COLUMN first_touchpoint UInt64",
            "sessions: column first_touchpoint is UInt64, expected String",
            "sessions: column first_touchpoint is UInt64, expected String",
        ),
    ],
)
def test_tables_that_drifted_stop_a_worker_at_its_start_and_later(
    server: Server, drift: str, at_start: str, later: str
) -> None:
    drifted = dataclasses.replace(server.direct, database="drifted")
    server.run("DROP DATABASE IF EXISTS drifted SYNC")
    migrate(drifted)

    async def scenario(store: Store) -> None:
        await store.insert(BLOCKS["sessions"]("before"))
        await asyncio.to_thread(server.run, drift.replace("TABLE ", "TABLE drifted."))
        with pytest.raises(SchemaMismatch, match=re.escape(later)):
            await store.insert(BLOCKS["sessions"]("after"))

    with_store(drifted, scenario)
    with pytest.raises(SchemaMismatch) as caught:
        inserted(drifted, BLOCKS["sessions"]("at the start"))
    assert str(caught.value) == (
        f"the tables at {drifted} are not those of this version: {at_start}. Apply the migrations (journeys migrate),"
        " undo what was changed by hand, and see that the user may read and write every table"
    )


def test_a_column_of_another_type_stops_a_worker_that_reads(server: Server) -> None:
    drifted = dataclasses.replace(server.direct, database="drifted_reading")
    migrate(drifted)

    async def scenario(store: Store) -> None:
        def deadlines(reader: Reader) -> list[Deadline]:
            return reader.load_deadlines(0)

        assert await store.read(deadlines) == []
        sql = "ALTER TABLE drifted_reading.persons MODIFY COLUMN next_deadline UInt64 DEFAULT 0"
        await asyncio.to_thread(server.run, sql)
        with pytest.raises(SchemaMismatch, match=r"another type than this version expects; apply the migrations .*43"):
            await store.read(deadlines)

    with_store(drifted, scenario)


def test_what_comes_back_may_be_another_server(server: Server, waits: Lines) -> None:
    other = dataclasses.replace(server.proxied(), database="set_back")
    migrate(dataclasses.replace(server.direct, database="set_back"))

    async def scenario(store: Store) -> None:
        await store.insert(BLOCKS["sessions"]("before"))
        await asyncio.to_thread(server.run, "DROP TABLE set_back.erasure_receipts")
        await store.insert(BLOCKS["sessions"]("nobody looked"))
        server.proxy.order(CutRequest(1), on=into("sessions"))
        with pytest.raises(SchemaMismatch, match="erasure_receipts: the table is missing"):
            await store.insert(BLOCKS["sessions"]("after"))

    with_store(other, scenario)
