"""Processes of an experiment: servers that can be killed, paused and started again, and workers under a supervisor."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import psutil

from tests.faults.invariants import Exit
from tests.faults.measures import MemorySample
from tests.faults.spec import Death, WorkerSpec
from tests.support.deadline import wait_until
from tests.support.processes import REPOSITORY

_STOPS_SURELY_WITHIN_S = 60
_START_WITHIN_S = 180.0
_READY_WITHIN_S = 180.0
_LOOK_EVERY_S = 0.1
_MEASURE_EVERY_S = 1.0
_MEGABYTE = 1_048_576


def own_environment(more: Mapping[str, str]) -> dict[str, str]:
    """The environment of this process without the product's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JOURNEYS_")}
    return {**kept, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1", **more}


def at_once(*works: Callable[[], object]) -> None:
    """Do several things that mean waiting for processes; returns when all are done, raises what one of them raised."""
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(work) for work in works]:
            done.result()


class Server:
    """A broker or a database: a process that accepts connections when it is ready."""

    def __init__(self, command: Sequence[str], log: Path, is_ready: Callable[[], bool]) -> None:
        self._command = list(command)
        self._log = log
        self._is_ready = is_ready
        self._process: psutil.Process | None = None

    @property
    def is_running(self) -> bool:
        """Whether the process is there and not paused for good."""
        process = self._process
        return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE

    def start(self) -> None:
        """Start with the same command as ever, and wait until connections are accepted."""
        with self._log.open("ab") as log:
            self._process = psutil.Popen(
                self._command, cwd=REPOSITORY, stdout=log, stderr=log, env=own_environment({}), start_new_session=True
            )
        wait_until(lambda: self._is_ready() or not self.is_running, seconds=_START_WITHIN_S)
        assert self.is_running, f"{self._command[0]} ended while it started; see {self._log}"

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(30)

    def pause(self) -> None:
        """SIGSTOP: connections stay open, and nobody answers."""
        assert self._process is not None
        self._process.suspend()

    def resume(self) -> None:
        """SIGCONT, if it is paused."""
        if self._process is not None and self.is_running:
            self._process.resume()

    def limit_files(self, size: int | None) -> None:
        """Let no file of it grow beyond so many bytes, as on a full disk; `None` takes that back."""
        assert self._process is not None
        limit = resource.RLIM_INFINITY if size is None else size
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def stop(self) -> None:
        """SIGTERM, then SIGKILL."""
        if self._process is None or not self.is_running:
            return
        self._process.resume()
        self._process.terminate()
        try:
            self._process.wait(20)
        except psutil.TimeoutExpired:
            self.kill()


class Worker:
    """A worker process that is started again whenever it ends, as supervisors do, until it is told to stop."""

    def __init__(
        self,
        name: str,
        agents: Sequence[str],
        spec: Callable[[], WorkerSpec],
        log: Path,
        environment: Mapping[str, str],
    ) -> None:
        self.name = name
        self.log = log
        self.agents = tuple(agents)
        self.exits: list[Exit] = []
        self.starts = 0
        self.is_wanted = False
        self.memory: list[MemorySample] = []
        self.files = 0
        self._spec = spec
        self._running: WorkerSpec | None = None
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._cause: str | None = None
        self._changing = threading.RLock()

    @property
    def memory_mb(self) -> float:
        """The most that it had at any moment."""
        return max((sample.megabytes for sample in self.memory), default=0.0)

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    @property
    def is_ready(self) -> bool:
        """Whether this very process has said that all of its agents run."""
        try:
            return self._running is not None and Path(self._running.ready).read_text() == str(self.pid)
        except OSError:
            return False

    def start(self) -> None:
        """Start, and keep it running."""
        with self._changing:
            self.is_wanted = True
            spec = self._spec()
            self._running = spec
            Path(spec.orders).unlink(missing_ok=True)
            command = [sys.executable, "-m", "tests.faults.worker", msgspec.json.encode(spec).decode()]
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    command, cwd=REPOSITORY, stdout=log, stderr=log, env=own_environment(self._environment)
                )
            self._cause = None
            self.starts += 1

    def wait_until_ready(self) -> None:
        """Wait until all agents run: before that, a signal meets the interpreter and not the worker."""
        wait_until(lambda: self.is_ready, seconds=_READY_WITHIN_S)

    def order(self, death: Death) -> None:
        """Have it die at the next step of a flush that this names, if one comes while this process lives."""
        assert self._running is not None
        orders = Path(self._running.orders)
        draft = orders.with_suffix(".draft")
        draft.write_bytes(msgspec.json.encode(death))
        draft.replace(orders)

    def kill(self) -> None:
        """SIGKILL; the supervisor starts it again if it is wanted."""
        self._signal(signal.SIGKILL, "SIGKILL")

    def pause(self) -> None:
        """SIGSTOP."""
        self._signal(signal.SIGSTOP, None)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT, None)

    def terminate(self) -> Exit:
        """SIGTERM, wait for the end, and do not start it again. Ask only one that is ready."""
        with self._changing:
            self.is_wanted = False
            self.look()
            if self.pid is None:
                return self.exits[-1]
            begun = time.monotonic()
            self._signal(signal.SIGTERM, "SIGTERM")
            assert self._process is not None
            try:
                code = self._process.wait(_STOPS_SURELY_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                code = self._process.wait()
            self._process = None
            self.exits.append(Exit(self.name, "SIGTERM", code, round(time.monotonic() - begun, 2)))
            return self.exits[-1]

    def terminate_when_ready(self) -> Exit:
        """The same, as soon as it can be asked."""
        self.wait_until_ready()
        return self.terminate()

    def look(self) -> None:
        """Measure it; if it ended, note how, and start it again if it is wanted."""
        with self._changing:
            if self._process is None:
                return
            code = self._process.poll()
            if code is None:
                self._measure(self._process.pid)
                return
            self._process = None
            is_killed = self._cause == "SIGKILL" or code == -signal.SIGKILL
            self.exits.append(Exit(self.name, "SIGKILL" if is_killed else "itself", code))
            if self.is_wanted:
                self.start()

    def _measure(self, pid: int) -> None:
        if self.memory and time.monotonic() - self.memory[-1].at < _MEASURE_EVERY_S:
            return
        try:
            process = psutil.Process(pid)
            self.memory.append(MemorySample(pid, time.monotonic(), process.memory_info().rss / _MEGABYTE))
            self.files = max(self.files, process.num_fds())
        except psutil.Error:
            return

    def _signal(self, number: int, cause: str | None) -> None:
        with self._changing:
            if self._process is not None and self._process.poll() is None:
                self._cause = cause or self._cause
                self._process.send_signal(number)


class Supervisor:
    """Looks after workers in a thread of its own."""

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="supervisor", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop every worker that still runs, and look no longer."""
        for worker in list(self.workers):
            worker.resume()
            worker.terminate()
        self._is_over.set()
        self._thread.join(10)

    def _look(self) -> None:
        while not self._is_over.wait(_LOOK_EVERY_S):
            for worker in list(self.workers):
                worker.look()
