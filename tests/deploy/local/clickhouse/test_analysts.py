"""The clients that analysts have read the views while a worker writes, and can do nothing else over HTTP."""

import json
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from clickhouse_driver import Client

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.migrator import migrate
from sinks.clickhouse.rows import friction_block, touchpoint_block
from sinks.clickhouse.writer import Writer
from tests.support.facts import friction
from tests.support.local_clickhouse import ClickHousePorts
from tests.support.touchpoints import ANNA, MINUTE, MONDAY, happened

pytestmark = pytest.mark.stack

DATABASE = "analysts"
FLUSHES, ROWS = 20, 50
#: A flush is one insert, of which readers see all or nothing; the timeline has the touchpoints of Anna.
COUNTED = "SELECT count() FROM activity_stream WHERE activity = 'call.offered'"
TIMELINE = "SELECT countIf(what = 'touchpoint') FROM v_person_timeline(person_key = '{person}')"
RANKED = "SELECT sum(frictions) FROM v_friction_ranking"
QUESTIONS = (COUNTED, TIMELINE.format(person=ANNA), RANKED)


@pytest.fixture(scope="module")
def schema(ports: ClickHousePorts) -> ClickHousePorts:
    migrate(ClickHouseAddress(port=ports.native, database=DATABASE))
    return ports


def flush(writer: Writer, number: int) -> None:
    """What a worker writes at once: contacts of Anna, and a friction for each."""
    at = MONDAY + number * MINUTE
    calls = [happened("call.offered", at, id=f"{number}-{row}", channel="phone") for row in range(ROWS)]
    writer.insert(touchpoint_block(calls, token_prefix=f"{number}"))
    found = [friction(friction_id=f"{number}-{row}", anchor_at=at) for row in range(ROWS)]
    writer.insert(friction_block([(one, 1) for one in found], token_prefix=f"{number}"))


def over_http(ports: ClickHousePorts) -> Callable[[str], int]:
    """clickhouse-connect, which notebooks and Superset use."""
    client = clickhouse_connect.get_client(host="127.0.0.1", port=ports.http, database=DATABASE)
    return lambda sql: int(client.query(sql).result_rows[0][0])


def over_native(ports: ClickHousePorts) -> Callable[[str], int]:
    """clickhouse-driver, as the user that can only read."""
    client = Client("127.0.0.1", port=ports.native, user="reader", database=DATABASE)
    return lambda sql: int(client.execute(sql)[0][0])


def over_curl(ports: ClickHousePorts) -> Callable[[str], int]:
    """curl, with the query as the body."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    command = ["curl", "--silent", "--show-error", "--fail", f"http://127.0.0.1:{ports.http}/?database={DATABASE}"]

    def ask(sql: str) -> int:
        text = f"{sql} FORMAT JSONCompactEachRow"
        done = subprocess.run([*command, "--data-binary", text], capture_output=True, text=True, check=True)
        return int(json.loads(done.stdout)[0])

    return ask


@pytest.mark.parametrize("client", [over_http, over_native, over_curl])
def test_a_client_reads_views_while_a_worker_writes(
    schema: ClickHousePorts, client: Callable[[ClickHousePorts], Callable[[str], int]]
) -> None:
    ask = client(schema)
    before = [ask(sql) for sql in QUESTIONS]

    def write() -> None:
        writer = Writer(ClickHouseAddress(port=schema.native, database=DATABASE))
        for number in range(FLUSHES):
            flush(writer, number)
        writer.close()

    seen: list[list[int]] = [before]
    with ThreadPoolExecutor(1) as pool:
        writing: Future[None] = pool.submit(write)
        while not writing.done():
            seen.append([ask(sql) for sql in QUESTIONS])
        writing.result()
    seen.append([ask(sql) for sql in QUESTIONS])
    assert seen[-1] == [FLUSHES * ROWS] * 3
    for counts in zip(*seen, strict=True):
        assert list(counts) == sorted(counts)
        # Never a part of a flush.
        assert all(count % ROWS == 0 for count in counts)
    for table in ("touchpoints", "frictions"):
        Client("127.0.0.1", port=schema.native, database=DATABASE).execute(f"TRUNCATE TABLE {table}")


def test_parameters_of_a_view_are_given_as_parameters_of_the_query(schema: ClickHousePorts) -> None:
    client = clickhouse_connect.get_client(host="127.0.0.1", port=schema.http, database=DATABASE)
    nasty = {"person_key": "' OR 1 = 1 --"}
    sql = "SELECT count() FROM v_person_timeline(person_key = {person_key:String})"
    assert client.query(sql, parameters=nasty).result_rows == [(0,)]


@pytest.mark.parametrize(
    "act",
    [
        lambda client: client.command("CREATE TABLE written (a UInt8) ENGINE = Memory"),
        lambda client: client.command("DROP VIEW v_frictions"),
        lambda client: client.command("INSERT INTO sessions (tenant) VALUES ('x')"),
        lambda client: client.insert("sessions", [["x", "y"]], column_names=["tenant", "session_id"]),
        lambda client: client.query("SELECT * FROM file('/etc/hostname', 'LineAsString')"),
        lambda client: client.query("SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')"),
        lambda client: client.command("SET readonly = 0"),
        lambda client: client.query("SELECT 1 SETTINGS readonly = 0"),
    ],
)
def test_a_notebook_can_only_read(schema: ClickHousePorts, act: Callable[[Any], Any]) -> None:
    client = clickhouse_connect.get_client(host="127.0.0.1", port=schema.http, database=DATABASE)
    with pytest.raises(DatabaseError):
        act(client)
    assert client.query("SELECT count() FROM sessions").result_rows == [(0,)]
    assert client.query("SELECT count() FROM v_frictions").result_rows == [(0,)]
