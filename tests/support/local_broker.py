"""A Kafka-compatible broker of one's own, as a process on loopback."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests.support.deadline import wait_until
from tests.support.processes import REPOSITORY, START_SECONDS, stopped


def free_port() -> int:
    """Return a port nobody listens on at this moment."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def accepts(port: int) -> bool:
    """Whether somebody listens on a port of 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def start_broker(port: int) -> tuple[subprocess.Popen[str], int]:
    """Start a broker and wait until it accepts; the caller ends the process."""
    command = [sys.executable, "-m", "deploy.local.broker", "--port", str(port)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, text=True)
    wait_until_accepting(process, port)
    return process, port


@contextmanager
def running_broker() -> Iterator[int]:
    """Run a broker and yield its port on 127.0.0.1; on leaving it is stopped and its log is gone."""
    process, port = start_broker(free_port())
    with stopped(process):
        yield port


def wait_until_accepting(process: subprocess.Popen[str], port: int, seconds: float = START_SECONDS) -> None:
    """Wait until a broker accepts connections; it is killed when it does not."""

    def is_ready() -> bool:
        assert process.poll() is None, f"the broker ended with {process.returncode}"
        return accepts(port)

    try:
        wait_until(is_ready, seconds=seconds)
    except AssertionError:
        process.kill()
        process.wait()
        raise
