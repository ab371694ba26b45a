import datetime as dt
import socket
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from clickhouse_driver import Client
from clickhouse_driver.block import ColumnOrientedBlock
from clickhouse_driver.errors import ServerException

from tests.support.deadline import wait_until
from tests.support.local_clickhouse import ClickHousePorts

pytestmark = pytest.mark.stack

UNKNOWN_DATABASE = 81
READONLY = 164


@pytest.fixture
def table(client: Client) -> Iterator[str]:
    name = f"t_{uuid.uuid4().hex}"
    client.execute(
        f"CREATE TABLE {name} (number UInt64, text String) ENGINE = MergeTree ORDER BY number "
        "SETTINGS non_replicated_deduplication_window = 100"
    )
    yield name
    client.disconnect()
    client.execute(f"DROP TABLE {name}")


def refusal_of(client: Client, sql: str, *arguments: object, **options: object) -> int:
    with pytest.raises(ServerException) as raised:
        client.execute(sql, *arguments, **options)
    code: int = raised.value.code
    return code


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("UInt64", [0, 2**64 - 1]),
        ("Int8", [-128, 127]),
        ("String", ["", "it's é \\ \n\0", "x" * 1000]),
        ("LowCardinality(String)", ["a", "b", "a"]),
        ("LowCardinality(Nullable(String))", [None, "a", ""]),
        ("Nullable(Int32)", [None, 0, -5]),
        ("Nullable(Bool)", [None, False, True]),
        ("DateTime64(3, 'UTC')", [dt.datetime(2026, 1, 1, 23, 59, 59, 999000, tzinfo=dt.UTC)]),
        ("DateTime64(3, 'Europe/Berlin')", [dt.datetime(2026, 7, 1, tzinfo=dt.UTC)]),
        ("Date", [dt.date(2026, 2, 28)]),
        ("UUID", [uuid.UUID(int=0), uuid.UUID("6f9619ff-8b86-d011-b42d-00cf4fc964ff")]),
        ("Array(String)", [[], ["a", "", "b"]]),
        ("Array(LowCardinality(String))", [["a", "b"], [], ["b"]]),
        ("Array(Array(Nullable(UInt8)))", [[], [[1, None], []]]),
        ("Map(String, String)", [{}, {"a": "1", "b": ""}]),
        ("Map(LowCardinality(String), UInt8)", [{"a": 1}]),
        ("Tuple(UInt8, String)", [(1, "a")]),
        ("Decimal(18, 2)", [Decimal("-12345.67")]),
        ("Enum8('a b' = 1, 'c,d' = 2)", ["a b", "c,d"]),
        ("FixedString(3)", ["abc"]),
        ("Float64", [0.1, float("inf")]),
    ],
)
def test_values_of_every_type_come_back_as_they_were_written(client: Client, kind: str, values: list[Any]) -> None:
    client.execute(
        f"CREATE OR REPLACE TABLE typed (position UInt16, value {kind}) ENGINE = MergeTree ORDER BY position"
    )
    rows = list(enumerate(values))
    assert client.execute("INSERT INTO typed (position, value) VALUES", rows) == len(rows)
    sql = "SELECT position, value FROM typed ORDER BY position"
    found, columns = client.execute(sql, with_column_types=True)
    assert found == rows
    assert [name for name, _ in columns] == ["position", "value"]
    assert columns[1][1] == kind
    assert client.execute("SELECT value FROM typed WHERE 0", with_column_types=True) == ([], [("value", kind)])


def test_a_hundred_thousand_rows_in_columns_are_one_part(client: Client, table: str) -> None:
    numbers = list(range(100_000))
    client.execute(f"INSERT INTO {table} (text, number) VALUES", [["x"] * 100_000, numbers], columnar=True)
    assert client.execute(f"SELECT number FROM {table} ORDER BY number", columnar=True) == [tuple(numbers)]
    assert client.execute("SELECT count() FROM system.parts WHERE active AND table = %(t)s", {"t": table}) == [(1,)]


def test_many_blocks_of_one_insert_are_all_stored(client: Client, table: str) -> None:
    rows = ((number, str(number)) for number in range(10_000))
    client.execute(f"INSERT INTO {table} VALUES", rows, settings={"insert_block_size": 999})
    assert client.execute(f"SELECT count(), uniqExact(number), sum(number) FROM {table}") == [
        (10_000, 10_000, 49_995_000)
    ]


def test_a_result_larger_than_a_block_arrives_whole_and_in_order(client: Client) -> None:
    found = client.execute_iter("SELECT number, toString(number) FROM numbers(300000)")
    assert all(row == (index, str(index)) for index, row in enumerate(found))
    assert client.execute("SELECT count() FROM numbers(300000)") == [(300_000,)]


def test_an_insert_repeated_with_its_token_is_stored_once(client: Client, table: str) -> None:
    for token in ("a", "a", "b"):
        client.execute(
            f"INSERT INTO {table} VALUES", [(1, "x")], settings={"insert_deduplication_token": token, "async_insert": 0}
        )
    assert client.execute(f"SELECT count() FROM {table}") == [(2,)]


def test_settings_of_a_query_end_with_it(client: Client) -> None:
    client.execute("SET max_threads = 3")
    shown = "SELECT getSetting('max_threads'), getSetting('max_block_size')"
    before = client.execute(shown)
    assert client.execute(shown, settings={"max_threads": 1, "max_block_size": 7}) == [(1, 7)]
    assert client.execute(shown) == before
    assert refusal_of(client, "SELECT nope", settings={"max_threads": 1}) == 47
    client.execute("SET max_threads = 3")  # the driver came back on a new connection
    assert client.execute(shown) == before


def test_a_setting_the_engine_does_not_know_is_ignored_unless_it_is_important(ports: ClickHousePorts) -> None:
    settings = {"no_such_setting": 1, "max_threads": 1}
    shown = "SELECT getSetting('max_threads')"
    with Client("127.0.0.1", port=ports.native, settings=settings) as lenient:
        assert lenient.execute(shown) == [(1,)]
    with Client("127.0.0.1", port=ports.native, settings=settings, settings_is_important=True) as strict:
        assert refusal_of(strict, shown) == 115


def test_a_time_limit_stops_a_query(client: Client) -> None:
    endless = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"
    assert refusal_of(client, endless, settings={"max_execution_time": 1}) == 159


@pytest.mark.parametrize(
    ("sql", "rows", "code"),
    [
        ("SELECT nope", None, 47),
        ("SELECT * FROM nope", None, 60),
        ("SELECT * FROM nope.nope", None, 81),
        ("SELEC 1", None, 62),
        ("SELECT 1; SELECT 2", None, 62),
        ("SELECT throwIf(number = 200000) FROM numbers(300000)", None, 395),
        ("SHOW CREATE TABLE nope", None, 390),
        ("CREATE TABLE numbered (a Int8) ENGINE = Nope", None, 56),
        ("INSERT INTO nope VALUES", [(1,)], 60),
        ("INSERT INTO {table} (nope) VALUES", [(1,)], 16),
        ("INSERT INTO {table} SELECT 'x', 'y'", None, 6),
    ],
)
def test_errors_keep_the_code_of_the_engine(
    client: Client, table: str, sql: str, rows: list[Any] | None, code: int
) -> None:
    assert refusal_of(client, sql.format(table=table), rows) == code
    assert client.execute("SELECT 1") == [(1,)]


def test_a_refused_row_fails_the_whole_insert(client: Client) -> None:
    client.execute(
        "CREATE OR REPLACE TABLE checked (a Int8, CONSTRAINT small CHECK a < 10) ENGINE = MergeTree ORDER BY a"
    )
    rows = [(1,)] * 1000 + [(11,)] + [(2,)] * 1000
    assert refusal_of(client, "INSERT INTO checked VALUES", rows, settings={"insert_block_size": 100}) == 469
    assert client.execute("SELECT count() FROM checked") == [(0,)]


def test_defaults_fill_the_columns_that_were_not_sent(client: Client) -> None:
    client.execute(
        "CREATE OR REPLACE TABLE filled (a Int8, b String DEFAULT 'd', c Int8 MATERIALIZED a + 1, e Int8 ALIAS a) "
        "ENGINE = MergeTree ORDER BY a"
    )
    client.execute("INSERT INTO filled (a) VALUES", [(1,)])
    client.execute("INSERT INTO filled VALUES", [(2, "x")])
    assert client.execute("SELECT a, b, c, e FROM filled ORDER BY a") == [(1, "d", 2, 1), (2, "x", 3, 2)]


def test_parameters_of_the_client_cannot_leave_their_quotes(client: Client) -> None:
    value = "it's \\ %(x)s \n é"
    assert client.execute("SELECT %(value)s, %(numbers)s", {"value": value, "numbers": [1, 2]}) == [(value, [1, 2])]


def test_a_database_is_used_from_the_hello_on(client: Client, ports: ClickHousePorts) -> None:
    client.execute("CREATE DATABASE IF NOT EXISTS journeys")
    with Client("127.0.0.1", port=ports.native, database="journeys") as other:
        assert other.execute("SELECT currentDatabase()") == [("journeys",)]
    assert client.execute("SELECT currentDatabase()") == [("default",)]


def test_an_unknown_database_is_refused_at_the_hello(ports: ClickHousePorts) -> None:
    with Client("127.0.0.1", port=ports.native, database="not_there") as other:
        assert refusal_of(other, "SELECT 1") == UNKNOWN_DATABASE


def test_a_statement_that_lists_is_answered_like_a_query(client: Client, table: str) -> None:
    assert (table,) in client.execute("SHOW TABLES")
    assert client.execute(f"EXISTS TABLE {table}") == [(1,)]
    assert client.execute(f"DESCRIBE TABLE {table}")[0][:2] == ("number", "UInt64")


def test_names_and_types_come_with_every_result(client: Client) -> None:
    kinds = [("x", "UInt8"), ("y", "LowCardinality(String)")]
    sql = "SELECT toUInt8(number) AS x, toLowCardinality('a') AS y FROM numbers({})"
    for rows in (0, 2):
        found = client.execute(sql.format(rows), with_column_types=True)
        assert found == ([(number, "a") for number in range(rows)], kinds)
    assert client.execute("SHOW DATABASES LIKE 'default'", with_column_types=True) == (
        [("default",)],
        [("name", "String")],
    )


def test_a_format_clause_that_cannot_be_cut_off_is_an_error_not_noise(client: Client) -> None:
    assert refusal_of(client, "SELECT 1 AS x FORMAT JSONEachRow -- as text") == 48
    assert client.execute("SELECT 1") == [(1,)]


def test_a_format_clause_is_ignored_as_over_any_native_connection(client: Client) -> None:
    assert client.execute("SELECT 1 AS x FORMAT JSON") == [(1,)]


def test_a_cancelled_query_ends_and_the_connection_goes_on(client: Client) -> None:
    rows = client.execute_iter("SELECT number FROM system.numbers")
    assert next(rows) == (0,)
    client.cancel()
    wait_until(lambda: not running(client, "system.numbers"))


def test_compression_is_refused_with_a_hint(ports: ClickHousePorts) -> None:
    with Client("127.0.0.1", port=ports.native) as other:
        other.connection.force_connect()
        other.connection.compression = 1  # after the connection is made, because the driver would need a package for it
        other.connection.send_query("SELECT 1")
        with pytest.raises(ServerException, match="compression=False") as raised:
            other.receive_result()
    assert raised.value.code == 344


def running(client: Client, pattern: str) -> bool:
    found = client.execute(
        "SELECT count() FROM system.processes WHERE position(query, %(pattern)s) AND NOT position(query, 'processes')",
        {"pattern": pattern},
    )
    return bool(found[0][0])


def begun_insert(ports: ClickHousePorts, table: str) -> Client:
    """Return a client that has sent one whole block of an INSERT and no end."""
    other = Client("127.0.0.1", port=ports.native)
    other.connection.force_connect()
    other.connection.send_query(f"INSERT INTO {table} VALUES")
    other.connection.send_external_tables(None)
    sample = other.receive_sample_block()
    other.connection.send_data(ColumnOrientedBlock(sample.columns_with_types, [[1, 2, 3], ["a", "b", "c"]]))
    return other


def hang_up(other: Client) -> None:
    """Cut the client off and wait until the server has noticed and closed its end."""
    connection = other.connection.socket
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(4096):
        pass
    connection.close()


def test_a_client_cut_between_two_blocks_leaves_nothing_behind(
    client: Client, table: str, ports: ClickHousePorts
) -> None:
    other = begun_insert(ports, table)
    hang_up(other)
    assert client.execute(f"SELECT count() FROM {table}") == [(0,)]
    client.execute(f"INSERT INTO {table} VALUES", [(1, "x")])
    assert client.execute(f"SELECT count() FROM {table}") == [(1,)]


def test_a_client_cut_inside_a_block_leaves_nothing_behind(client: Client, table: str, ports: ClickHousePorts) -> None:
    other = begun_insert(ports, table)
    # Data packet without a table name, block info, two columns of five rows, and then half a column.
    half = b"\x02\x00\x01\x00\x02\xff\xff\xff\xff\x00\x02\x05\x06number\x06UInt64" + b"\x00" * 20
    other.connection.socket.sendall(half)
    hang_up(other)
    assert client.execute(f"SELECT count() FROM {table}") == [(0,)]


def test_a_client_gone_while_it_is_answered_ends_the_query(client: Client, ports: ClickHousePorts) -> None:
    with Client("127.0.0.1", port=ports.native) as other:
        next(other.execute_iter("SELECT number, 'left alone' FROM system.numbers"))
        assert running(client, "left alone")
    wait_until(lambda: not running(client, "left alone"))


@pytest.mark.parametrize(
    "noise",
    [b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x00" * 100, b"\xff" * 4096, b"\x00\xff\xff\xff\xff\x7f", b""],
)
def test_noise_on_the_port_harms_no_one(client: Client, ports: ClickHousePorts, noise: bytes) -> None:
    with socket.create_connection(("127.0.0.1", ports.native), timeout=10) as other:
        other.sendall(noise)
        other.shutdown(socket.SHUT_WR)
        while other.recv(4096):
            pass
    assert client.execute("SELECT 1") == [(1,)]


def test_an_unexpected_packet_inside_an_insert_ends_the_connection_and_the_insert(
    client: Client, table: str, ports: ClickHousePorts
) -> None:
    other = begun_insert(ports, table)
    other.connection.socket.sendall(b"\x04")  # a ping where data was due
    with pytest.raises(ServerException) as raised:
        other.receive_end_of_query()
    assert raised.value.code == 101
    assert client.execute(f"SELECT count() FROM {table}") == [(0,)]


def test_readers_see_whole_inserts_while_they_are_written(table: str, ports: ClickHousePorts) -> None:
    def write() -> None:
        with Client("127.0.0.1", port=ports.native) as writer:
            for batch in range(30):  # no two alike: the same rows again would be taken for a retry
                rows = [(batch * 1000 + number, "x") for number in range(1000)]
                writer.execute(f"INSERT INTO {table} VALUES", rows)

    def read() -> list[int]:
        seen = [0]
        with Client("127.0.0.1", port=ports.native) as reader:
            deadline = time.monotonic() + 60
            while seen[-1] < 30_000 and time.monotonic() < deadline:
                seen.append(reader.execute(f"SELECT count() FROM {table}")[0][0])
        return seen

    with ThreadPoolExecutor(5) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        pool.submit(write).result(timeout=60)
        for reading in readers:
            seen = reading.result(timeout=60)
            assert seen == sorted(seen)
            assert seen[-1] == 30_000
            assert all(count % 1000 == 0 for count in seen)


def test_the_user_reader_reads_and_nothing_else(client: Client, table: str, ports: ClickHousePorts) -> None:
    client.execute(f"INSERT INTO {table} VALUES", [(1, "x")])
    settings = {"max_threads": 1, "max_result_rows": 0}
    with Client("127.0.0.1", port=ports.native, user="reader", settings=settings) as reader:
        assert reader.execute(f"SELECT * FROM {table}") == [(1, "x")]
        for sql in (
            f"INSERT INTO {table} SELECT 2, 'y'",
            f"DROP TABLE {table}",
            "SET readonly = 0",
            "SELECT file('/etc/hostname')",
            "KILL QUERY WHERE 1",
        ):
            assert refusal_of(reader, sql) == READONLY
        assert refusal_of(reader, f"INSERT INTO {table} VALUES", [(2, "y")]) == READONLY
        assert refusal_of(reader, "SELECT * FROM numbers(1000001)") == 396


def test_a_query_that_calls_itself_read_only_is_held_to_it(client: Client, table: str) -> None:
    assert refusal_of(client, f"DROP TABLE {table}", settings={"readonly": 1}) == READONLY
    assert client.execute("SELECT 1", settings={"readonly": 1}) == [(1,)]
    client.execute(f"INSERT INTO {table} VALUES", [(1, "x")])


def test_external_tables_are_refused_and_read_to_their_end(client: Client) -> None:
    tables = [{"name": "ids", "structure": [("id", "UInt8")], "data": [{"id": 1}]}]
    assert refusal_of(client, "SELECT * FROM ids", external_tables=tables) == 48


def test_an_insert_without_rows_is_no_error(client: Client, table: str) -> None:
    assert client.execute(f"INSERT INTO {table} VALUES", []) == 0
    assert client.execute(f"SELECT count() FROM {table}") == [(0,)]
