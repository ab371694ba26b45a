import http.client
import json
import urllib.parse
from typing import NamedTuple

import pytest
from clickhouse_driver import Client

from deploy.local.clickhouse.http_port import MAX_QUERY_BYTES
from tests.support.local_clickhouse import ClickHousePorts

pytestmark = pytest.mark.stack


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def ask(
    ports: ClickHousePorts,
    body: str = "",
    *,
    method: str = "POST",
    path: str = "/",
    headers: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
    **more_options: str,
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", ports.http, timeout=60)
    try:
        connection.request(
            method,
            f"{path}?{urllib.parse.urlencode({**(options or {}), **more_options})}",
            body.encode(),
            headers or {},
        )
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/", "/ping", "/replicas_status"])
def test_a_ping_is_answered_as_clickhouse_does(ports: ClickHousePorts, path: str) -> None:
    assert ask(ports, method="GET", path=path)[::2] == (200, b"Ok.\n")


def test_a_query_may_come_in_the_address_in_the_body_or_in_both(ports: ClickHousePorts) -> None:
    assert ask(ports, method="GET", query="SELECT 1, 'a'").body == b"1\ta\n"
    assert ask(ports, "SELECT 1, 'a'").body == b"1\ta\n"
    assert ask(ports, "1, 'a'", query="SELECT").body == b"1\ta\n"


@pytest.mark.parametrize(
    ("output_format", "content_type", "body"),
    [
        ("TabSeparated", "text/tab-separated-values", b"1\n"),
        ("CSVWithNames", "text/csv", b'"x"\n1\n'),
        ("JSONEachRow", "application/x-ndjson", b'{"x":1}\n'),
        ("JSONCompactColumns", "application/json", b"[\n\t[1]\n]\n"),
        ("RowBinary", "application/octet-stream", b"\x01"),
        ("Values", "text/plain", b"(1)"),
    ],
)
def test_the_format_is_chosen_by_clause_by_option_or_by_header(
    ports: ClickHousePorts, output_format: str, content_type: str, body: bytes
) -> None:
    sql = "SELECT 1 AS x"
    for answer in (
        ask(ports, f"{sql} FORMAT {output_format}", default_format="XML"),
        ask(ports, sql, default_format=output_format),
        ask(ports, sql, headers={"X-ClickHouse-Format": output_format}),
    ):
        assert (answer.status, answer.body) == (200, body)
        assert answer.headers.get_content_type() == content_type
        assert answer.headers["X-ClickHouse-Format"] == output_format


def test_a_large_result_is_one_json_document(ports: ClickHousePorts) -> None:
    answer = ask(ports, "SELECT number FROM numbers(200000) FORMAT JSONCompact")
    assert json.loads(answer.body)["rows"] == 200_000


def test_parameters_are_values_never_sql(ports: ClickHousePorts) -> None:
    sql = "SELECT {text:String} AS text, {numbers:Array(UInt8)} AS numbers FORMAT JSONEachRow"
    answer = ask(ports, sql, param_text="file('/etc/hostname') --'", param_numbers="[1,2]")
    assert json.loads(answer.body) == {"text": "file('/etc/hostname') --'", "numbers": [1, 2]}


def test_the_database_is_chosen_by_option_or_by_header(ports: ClickHousePorts, client: Client) -> None:
    client.execute("CREATE DATABASE IF NOT EXISTS journeys")
    sql = "SELECT currentDatabase()"
    assert ask(ports, sql, database="journeys").body == b"journeys\n"
    assert ask(ports, sql, headers={"X-ClickHouse-Database": "journeys"}).body == b"journeys\n"
    assert ask(ports, sql).body == b"default\n"


@pytest.mark.parametrize(
    ("sql", "code", "status"),
    [
        ("SELEC 1", 62, 400),
        ("SELECT nope", 47, 404),
        ("SELECT * FROM nope", 60, 404),
        ("SELECT * FROM nope.nope", 81, 404),
        ("SELECT 1 FORMAT Nope", 73, 404),
        ("SELECT toUInt8('x')", 6, 400),
        ("SELECT throwIf(1)", 395, 500),
    ],
)
def test_errors_carry_code_text_and_status(ports: ClickHousePorts, sql: str, code: int, status: int) -> None:
    answer = ask(ports, sql)
    assert answer.status == status
    assert answer.headers["X-ClickHouse-Exception-Code"] == str(code)
    assert answer.body.decode().startswith(f"Code: {code}. DB::Exception: ")


@pytest.fixture(scope="module")
def kept(ports: ClickHousePorts) -> str:
    with Client("127.0.0.1", port=ports.native) as writer:
        writer.execute("CREATE OR REPLACE TABLE kept (a UInt8) ENGINE = MergeTree ORDER BY a")
        writer.execute("INSERT INTO kept VALUES", [(1,)])
    return "kept"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "sql",
    [
        # Writing
        "INSERT INTO kept VALUES (2)",
        "INSERT INTO kept SELECT 2",
        "INSERT INTO kept FROM INFILE '/etc/hostname' FORMAT LineAsString",
        "INSERT INTO FUNCTION url('http://127.0.0.1:1/') SELECT 1",
        "CREATE TABLE written (a UInt8) ENGINE = Memory",
        "CREATE TEMPORARY TABLE written (a UInt8)",
        "CREATE FUNCTION written AS x -> x",
        "CREATE OR REPLACE VIEW written AS SELECT 1",
        "DROP TABLE kept",
        "TRUNCATE TABLE kept",
        "RENAME TABLE kept TO written",
        "ALTER TABLE kept DELETE WHERE 1",
        "DELETE FROM kept WHERE 1",
        "OPTIMIZE TABLE kept",
        "GRANT SELECT ON *.* TO default",
        "SYSTEM FLUSH LOGS",
        "SYSTEM SHUTDOWN",
        "KILL QUERY WHERE 1",
        "BACKUP TABLE kept TO File('/tmp/kept.zip')",
        "SELECT 1 INTO OUTFILE 'written.txt'",
        "SELECT 1 INTO OUTFILE 'written.txt' TRUNCATE FORMAT CSV",
        # Reaching beyond the tables
        "SELECT * FROM file('/etc/hostname', 'LineAsString')",
        "SELECT file('/etc/hostname')",
        "SELECT `file`('/etc/hostname')",
        "SELECT `fi\\x6ce`('/etc/hostname')",
        "SELECT `f\\x69l\\x65`('/etc/hostname')",
        "SELECT * APPLY(file) FROM (SELECT '/etc/hostname')",
        "SELECT file/**/('/etc/hostname')",
        "SELECT $a$'$a$, file('/etc/hostname'), $a$'$a$",
        "SELECT * FROM `/etc/hostname`",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "SELECT * FROM remote('127.0.0.1:1', 'system.one')",
        "SELECT * FROM s3('http://127.0.0.1:1/bucket/key.csv')",
        "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
        "SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
        "SELECT * FROM sqlite('/etc/x', 'y')",
        "SELECT * FROM executable('id', 'TSV', 'a String')",
        "SELECT * FROM icebergLocal('/etc')",
        "SELECT * FROM deltaLake('http://127.0.0.1:1/bucket/key/')",
        "SELECT * FROM filesystem('/etc')",
        "SELECT * FROM eval('SELECT 1')",
        "SELECT aiGenerate('x')",
        "DESCRIBE url('http://127.0.0.1:1/x.csv')",
        "DESCRIBE TABLE file('/etc/hostname')",
        "DESC remote('127.0.0.1:1', 'system.one')",
        "DESCRIBE (SELECT * FROM url('http://127.0.0.1:1/x.csv', 'CSV', 'a String'))",
        "EXPLAIN SELECT * FROM url('http://127.0.0.1:1/x.csv', 'CSV', 'a String')",
        # Getting rid of the lock
        "SET readonly = 0",
        "SET max_memory_usage = 0",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT 1 SETTINGS max_execution_time = 0",
        "SELECT 1; DROP TABLE kept",
        "SHOW TABLES; KILL QUERY WHERE 1",
        "/* /* */ SELECT */ KILL QUERY WHERE 1",
        "/* /* */ SELECT 1 */ DESCRIBE url('http://127.0.0.1:1/x.csv')",
    ],
)
def test_nothing_but_reading_tables_is_done(ports: ClickHousePorts, kept: str, sql: str, method: str) -> None:
    answer = ask(ports, query=sql, method=method)
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (403, "164"), answer.body
    assert ask(ports, f"SELECT a FROM {kept}").body == b"1\n"


@pytest.mark.parametrize(
    ("option", "sql"),
    [
        ("readonly", "CREATE TABLE written (a UInt8) ENGINE = Memory"),
        ("max_result_rows", "SELECT * FROM numbers(1000001) FORMAT Null"),
    ],
)
def test_settings_a_client_sends_are_left_out(ports: ClickHousePorts, option: str, sql: str) -> None:
    assert ask(ports, sql, options={option: "0"}).status != 200
    assert ask(ports, "SELECT 1", options={option: "0"}).body == b"1\n"


def test_settings_of_a_subquery_change_nothing(ports: ClickHousePorts) -> None:
    shown = "getSetting('readonly'), getSetting('max_result_rows'), getSetting('max_execution_time')"
    sql = f"SELECT * FROM (SELECT {shown} SETTINGS readonly = 0, max_result_rows = 0, max_execution_time = 0)"
    assert ask(ports, sql).body == b"1\t1000000\t30\n"
    reaching = "SELECT * FROM (SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString') SETTINGS readonly = 0)"
    assert ask(ports, reaching).status == 403


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM kept",
        "WITH 1 AS one SELECT one",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "-- why\nSELECT 1",
        "SELECT 'profile', 1 AS file_name",
        "SHOW TABLES",
        "SHOW CREATE TABLE kept",
        "DESCRIBE TABLE kept",
        "DESC default.kept FORMAT JSON",
        "DESCRIBE (SELECT 1)",
        "EXISTS TABLE kept",
        "EXPLAIN SELECT 1",
        "SELECT * FROM system.columns LIMIT 1",
        "SELECT count() FROM numbers(1000);",
    ],
)
def test_reading_in_all_its_forms_is_answered(ports: ClickHousePorts, kept: str, sql: str) -> None:
    assert kept
    assert ask(ports, sql).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rebound.example"},
        {"Host": "rebound.example:8123"},
        {"Host": "10.0.0.1"},
        {"Origin": "https://page.example"},
        {"Origin": "null"},
    ],
)
def test_pages_of_other_hosts_are_not_answered(ports: ClickHousePorts, headers: dict[str, str]) -> None:
    assert ask(ports, "SELECT 1", headers=headers).status == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:8123", "127.0.0.1", "[::1]:8123"])
def test_loopback_names_are_answered(ports: ClickHousePorts, host: str) -> None:
    assert ask(ports, "SELECT 1", headers={"Host": host}).body == b"1\n"


def test_a_result_past_the_limit_is_an_error_never_a_shorter_result(ports: ClickHousePorts) -> None:
    assert ask(ports, "SELECT number FROM numbers(1000000)").status == 200
    answer = ask(ports, "SELECT number FROM numbers(1000001)")
    assert answer.headers["X-ClickHouse-Exception-Code"] == "396"


def test_memory_is_limited(ports: ClickHousePorts) -> None:
    answer = ask(ports, "SELECT length(groupArray(number)) FROM numbers(400000000)")
    assert answer.headers["X-ClickHouse-Exception-Code"] == "241"


def test_the_compression_of_clickhouse_is_refused_and_that_of_http_offered(ports: ClickHousePorts) -> None:
    assert ask(ports, "SELECT 1", compress="1").headers["X-ClickHouse-Exception-Code"] == "344"
    headers = {"Accept-Encoding": "gzip"}
    assert ask(ports, "SELECT 1", headers=headers, enable_http_compression="1").headers["Content-Encoding"] == "gzip"
    assert ask(ports, "SELECT 1", headers=headers).headers["Content-Encoding"] is None


@pytest.mark.parametrize("output_format", ["DataFrame", "arrowtable", "a b", "x'"])
def test_formats_that_are_none_are_refused(ports: ClickHousePorts, output_format: str) -> None:
    assert ask(ports, "SELECT 1", default_format=output_format).headers["X-ClickHouse-Exception-Code"] == "73"


def test_a_query_beyond_the_size_limit_is_refused(ports: ClickHousePorts) -> None:
    assert ask(ports, "SELECT 1 --" + "x" * MAX_QUERY_BYTES).status == 413


def test_other_methods_are_refused(ports: ClickHousePorts) -> None:
    assert ask(ports, "SELECT 1", method="PUT").status == 405
