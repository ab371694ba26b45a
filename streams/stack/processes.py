"""Processes of the local stack: starting, recognising, ending them by their id."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import psutil

#: A worker flushes when it is asked to stop; longer than its own limit, so that it gets to say what went wrong.
STOP_WITHIN_S = 28.0
#: SIGKILL takes effect when the system gets to it.
_KILLED_WITHIN_S = 5.0


class ManagedProcess(msgspec.Struct, frozen=True):
    """A process we started. `started_at` (seconds since 1970, by the system) tells it from a later one with its id."""

    name: str
    pid: int
    started_at: float
    address: str
    log: str

    def handle(self) -> psutil.Process | None:
        """The running process, or `None` when it ended."""
        try:
            process = psutil.Process(self.pid)
            is_same = abs(process.create_time() - self.started_at) < 1.0
            is_alive = process.status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
        except psutil.Error:
            return None
        return process if is_same and is_alive else None

    @property
    def state(self) -> str:
        """`running` or `stopped`."""
        return "running" if self.handle() is not None else "stopped"


def start_process(
    name: str, command: Sequence[str], *, address: str, log: Path, environment: Mapping[str, str]
) -> ManagedProcess:
    """Start a process of its own session (Ctrl-C in the terminal does not reach it), its output appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own commands
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **environment},
        )
    return ManagedProcess(name, process.pid, psutil.Process(process.pid).create_time(), address, str(log))


def stop_processes(processes: Sequence[ManagedProcess], within_s: float = STOP_WITHIN_S) -> list[ManagedProcess]:
    """Ask processes to stop, all at the same time, and wait for them; those that had to be ended by force."""
    _signal(processes, signal.SIGTERM)
    left = _left_after(within_s, processes)
    _signal(left, signal.SIGKILL)
    _left_after(_KILLED_WITHIN_S, left)
    return left


def _left_after(seconds: float, processes: Sequence[ManagedProcess]) -> list[ManagedProcess]:
    """Those that still run when the time is over; returns as soon as there are none."""
    # Not `Process.wait`: an ended process that nobody collects would be waited for until the time is over.
    deadline = time.monotonic() + seconds
    while (left := [process for process in processes if process.handle()]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _signal(processes: Sequence[ManagedProcess], number: signal.Signals) -> None:
    for managed in processes:
        process = managed.handle()
        if process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)


@contextlib.contextmanager
def interruptions_later() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM take effect on leaving: nothing may come between starting a process and noting its id."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    handlers = {
        number: signal.signal(number, lambda number, _frame: received.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if received:
            os.kill(os.getpid(), received[0])


def python_command(module: str, *arguments: str) -> list[str]:
    """Command that runs a module of ours; `-P` keeps the user's working folder out of the import path."""
    return [sys.executable, "-P", "-m", module, *arguments]
