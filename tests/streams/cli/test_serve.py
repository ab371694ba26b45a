"""`journeys serve` as people start it: where it listens, what it says, and how it ends."""

import signal
import socket
import subprocess
import sys
from contextlib import closing
from http.client import HTTPConnection

import pytest

from tests.support.local_broker import free_port
from tests.support.processes import REPOSITORY, first_line, stopped

SERVE = (sys.executable, "-m", "streams.cli.main", "serve")


def test_it_listens_on_loopback_says_where_and_ends_with_0_on_sigterm() -> None:
    command = [*SERVE, "--port", "0", "--clickhouse", f"127.0.0.1:{free_port()}"]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    with stopped(process):
        said = first_line(process).strip()
        assert said.startswith("page ready http://127.0.0.1:")
        with closing(HTTPConnection(said.rpartition("/")[2], timeout=30)) as page:
            page.request("GET", "/")
            assert b"<title>customer journeys</title>" in page.getresponse().read()
            page.request("GET", "/healthz")
            assert page.getresponse().status == 503
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def test_a_taken_port_ends_with_4() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*SERVE, "--port", port], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 4
    assert done.stderr == f"error: port {port} on 127.0.0.1 is taken; choose another with --port\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--clickhouse-http", "localhost:8123"), "expected an address such as http://127.0.0.1:8123"),
        (("--clickhouse", "127.0.0.1:http"), "expected host:port, got '127.0.0.1:http'"),
    ],
)
def test_a_wrong_option_is_told(options: tuple[str, ...], said: str) -> None:
    done = subprocess.run([*SERVE, *options], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert said in " ".join(done.stderr.replace("│", " ").split())
