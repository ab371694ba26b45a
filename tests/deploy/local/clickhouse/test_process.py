import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException

from tests.support.local_clickhouse import running_clickhouse, start_clickhouse
from tests.support.processes import REPOSITORY, stopped

pytestmark = pytest.mark.stack

COMMAND = [sys.executable, "-m", "deploy.local.clickhouse"]


def outcome(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *options], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_zero_and_the_data_is_there_again(tmp_path: Path, stop: signal.Signals) -> None:
    process, ports = start_clickhouse(tmp_path)
    with stopped(process), Client("127.0.0.1", port=ports.native) as client:
        client.execute("CREATE DATABASE journeys")
        client.execute("CREATE TABLE journeys.t (a UInt8) ENGINE = ReplacingMergeTree ORDER BY a")
        client.execute("INSERT INTO journeys.t VALUES", [(1,)])
        process.send_signal(stop)
        assert process.wait(10) == 0
    with running_clickhouse(tmp_path) as again, Client("127.0.0.1", port=again.native, database="journeys") as client:
        assert client.execute("SELECT a FROM t") == [(1,)]


def test_a_running_query_does_not_hold_it_up(tmp_path: Path) -> None:
    process, ports = start_clickhouse(tmp_path)
    with stopped(process), Client("127.0.0.1", port=ports.native) as client:
        rows = client.execute_iter("SELECT number FROM system.numbers")
        assert next(rows) == (0,)
        process.terminate()
        assert process.wait(15) == 0


def test_a_killed_process_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    process, ports = start_clickhouse(tmp_path)
    with stopped(process), Client("127.0.0.1", port=ports.native) as client:
        client.execute("CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
        for batch in range(10):
            client.execute("INSERT INTO t VALUES", [(batch * 1000 + number,) for number in range(1000)])
        process.kill()
        process.wait()
    with running_clickhouse(tmp_path) as again, Client("127.0.0.1", port=again.native) as client:
        assert client.execute("SELECT count(), uniqExact(a) FROM t") == [(10_000, 10_000)]
        client.execute("INSERT INTO t VALUES", [(10_000,)])


def test_a_process_killed_while_rows_arrive_starts_again_without_them(tmp_path: Path) -> None:
    process, ports = start_clickhouse(tmp_path)
    with stopped(process), Client("127.0.0.1", port=ports.native) as client:
        client.execute("CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
        client.connection.send_query("INSERT INTO t VALUES")
        client.connection.send_external_tables(None)
        client.receive_sample_block()
        process.kill()
        process.wait()
    with running_clickhouse(tmp_path) as again, Client("127.0.0.1", port=again.native) as client:
        assert client.execute("SELECT count() FROM t") == [(0,)]


def test_a_full_disk_is_an_error_of_the_insert_and_of_nothing_else(tmp_path: Path) -> None:
    process, ports = start_clickhouse(tmp_path)
    with stopped(process), Client("127.0.0.1", port=ports.native) as client:
        client.execute("CREATE TABLE t (a String) ENGINE = MergeTree ORDER BY a")
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))  # no file grows beyond 1 MB
        with pytest.raises(ServerException) as raised:
            client.execute("INSERT INTO t VALUES", [("x" * 100,)] * 20_000, settings={"insert_block_size": 1000})
        assert raised.value.code == 243
        client.execute("INSERT INTO t VALUES", [("y",)])
        assert client.execute("SELECT a FROM t") == [("y",)]


@pytest.mark.parametrize("option", ["--native-port", "--http-port"])
def test_a_taken_port_is_exit_code_four_and_named(tmp_path: Path, option: str) -> None:
    ports = {"--native-port": "0", "--http-port": "0"}
    with socket.create_server(("127.0.0.1", 0)) as other:
        ports[option] = str(other.getsockname()[1])
        ended = outcome("--data-dir", str(tmp_path), *(part for item in ports.items() for part in item))
    assert ended.returncode == 4
    assert f"port {ports[option]} is taken" in ended.stderr
    assert option in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_data_directory_in_use_is_exit_code_five_and_names_the_process(tmp_path: Path) -> None:
    process, _ = start_clickhouse(tmp_path)
    with stopped(process):
        ended = outcome("--data-dir", str(tmp_path), "--native-port", "0", "--http-port", "0")
    assert ended.returncode == 5
    assert f"{tmp_path} is in use by process {process.pid}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_data_directory_that_is_a_file_is_exit_code_five(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    ended = outcome("--data-dir", str(tmp_path / "taken"), "--native-port", "0", "--http-port", "0")
    assert ended.returncode == 5
    assert f"cannot open the data directory {tmp_path / 'taken'}" in ended.stderr


def test_other_machines_are_never_served(tmp_path: Path) -> None:
    ended = outcome("--data-dir", str(tmp_path), "--host", "0.0.0.0")  # noqa: S104
    assert ended.returncode == 2
    assert "not a loopback address" in ended.stderr


def test_the_help_names_every_option_and_exit_code() -> None:
    text = outcome("--help").stdout
    for word in ("--data-dir", "--host", "--native-port", "--http-port", "--read-seconds", "exit codes", "8123"):
        assert word in text
