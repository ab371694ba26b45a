"""A Kafka-compatible broker of one's own, as a process on loopback."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests.support.processes import REPOSITORY, START_SECONDS, stopped


def free_port() -> int:
    """Return a port nobody listens on at this moment."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def running_broker() -> Iterator[int]:
    """Run a broker and yield its port on 127.0.0.1; on leaving it is stopped and its log is gone."""
    port = free_port()
    command = [sys.executable, "-m", "deploy.local.broker", "--port", str(port)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, text=True)
    with stopped(process):
        _await_accepting(process, port)
        yield port


def _await_accepting(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert process.poll() is None, f"the broker ended with {process.returncode}"
            assert time.monotonic() < deadline, "the broker does not accept connections"
            time.sleep(0.01)
        else:
            return
