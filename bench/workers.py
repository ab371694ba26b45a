"""Workers under measurement: three kinds of processes, what they cost until everything is done, and how they end."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from bench.plain_faust import NAME as PLAIN_GROUP
from bench.site import BenchError, Site, require_alive, running
from streams.lag import end_offsets, wait_until_done
from streams.topics import INTAKE, JOURNEYS, KEYED, TOUCHPOINTS, admin_client

_ASSIGNED: Final = b"partitions_assigned"
_STARTS_WITHIN_S: Final = 180.0
_STOPS_WITHIN_S: Final = 60.0
#: Asking costs the broker and us some milliseconds, on cores that the workers use as well.
_ASK_EVERY_S: Final = 0.25

Tell = Callable[[str], None]


class Kind(StrEnum):
    """What is measured."""

    WHOLE = "whole path"
    DISCARDING = "rows discarded"
    PLAIN = "plain Faust"


class Cost(NamedTuple):
    """What all workers together took from their first partitions to the last commit; memory is the peak of them all."""

    wall_s: float
    cpu_s: float
    peak_rss_bytes: int


def command(kind: Kind, site: Site) -> list[str]:
    """What starts a worker."""
    kafka = site.settings.kafka.bootstrap
    clickhouse = f"127.0.0.1:{site.settings.clickhouse.port}"
    match kind:
        case Kind.WHOLE:
            where = ["--data-dir", str(site.folder), "--kafka", kafka, "--clickhouse", clickhouse]
            words = ["streams.cli.main", "worker", "--agents", "intake,journeys", *where]
        case Kind.DISCARDING:
            words = ["bench.discarding_worker", str(site.folder), kafka, clickhouse]
        case Kind.PLAIN:
            words = ["faust", "-A", "bench.plain_faust", "worker", "--without-web", "-l", "info"]
    return [sys.executable, "-m", *words]


class _Worker:
    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self.log = log
        self._handle: psutil.Process | None = None
        self._cpu_before_s = 0.0

    def has_begun(self) -> bool:
        """Whether it was given partitions; from the first time on its CPU counts."""
        require_alive(self.process, self.log)
        if self._handle is None and _ASSIGNED in self.log.read_bytes():
            # Under a profiler the worker is a child of what was started.
            own = psutil.Process(self.process.pid)
            self._handle = next(iter(own.children()), own)
            self._cpu_before_s = _cpu_s(self._handle)
        return self._handle is not None

    def cpu_s(self) -> float:
        """CPU seconds since it began."""
        assert self._handle is not None
        return _cpu_s(self._handle) - self._cpu_before_s

    def peak_rss_bytes(self) -> int:
        """The most memory that it had at any moment."""
        assert self._handle is not None
        status = Path(f"/proc/{self._handle.pid}/status")
        if not status.exists():
            return int(self._handle.memory_info().rss)
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024

    def end(self) -> None:
        """SIGTERM; what it had in hand is written before it ends."""
        assert self._handle is not None
        self._handle.send_signal(signal.SIGTERM)
        code = self.process.wait(_STOPS_WITHIN_S)
        if code:
            raise BenchError(f"a worker ended with {code} when it was asked to stop; see what it says in {self.log}")


class Workers:
    """Workers that were given all partitions."""

    def __init__(self, kind: Kind, site: Site, workers: Sequence[_Worker], begun_at: float) -> None:
        self._kind = kind
        self._site = site
        self._workers = workers
        self._begun_at = begun_at

    def cost(self) -> Cost:
        """What they took up to now."""
        wall_s = time.monotonic() - self._begun_at
        cpu_s = sum(worker.cpu_s() for worker in self._workers)
        return Cost(round(wall_s, 3), round(cpu_s, 3), sum(worker.peak_rss_bytes() for worker in self._workers))

    def drain(self, within_s: float, tell: Tell) -> Cost:
        """Wait until everything in the topics is committed, and so durable.

        Raises:
            BenchError: it takes longer, or a worker ended.

        """
        deadline = time.monotonic() + within_s
        settings = self._site.settings
        if self._kind is Kind.PLAIN:
            self._wait(PLAIN_GROUP, TOUCHPOINTS, deadline, tell)
            return self.cost()
        reader = JOURNEYS if settings.fused else INTAKE
        self._wait(f"{settings.group_prefix}-{reader}", TOUCHPOINTS, deadline, tell)
        self._wait(f"{settings.group_prefix}-journeys", KEYED, deadline, tell)
        # Owners may have told each other something with their last commits.
        if not wait_until_done(settings, deadline - time.monotonic()):
            raise BenchError(f"{self._kind}: not everything was written within {within_s:g} s")
        return self.cost()

    def end(self) -> None:
        """Stop all.

        Raises:
            BenchError: one did not stop cleanly.

        """
        for worker in self._workers:
            worker.end()

    def _wait(self, group: str, topic: str, deadline: float, tell: Tell) -> None:
        ends = end_offsets(self._site.settings.kafka, topic)
        admin = admin_client(self._site.settings.kafka)
        try:
            while True:
                found = admin.list_group_offsets([group]).get(group, {})
                done = {place.partition: int(at.offset) for place, at in found.items() if place.topic == topic}
                tell(f"{topic}: {sum(done.values()):,} of {sum(ends.values()):,} records committed")
                if all(done.get(number, 0) >= end for number, end in ends.items()):
                    return
                for worker in self._workers:
                    require_alive(worker.process, worker.log)
                if time.monotonic() > deadline:
                    raise BenchError(f"{self._kind}: {group} did not reach the end of {topic} in time")
                time.sleep(_ASK_EVERY_S)
        finally:
            admin.close()


@contextmanager
def running_workers(kind: Kind, site: Site, number: int = 1, *, launcher: Sequence[str] = ()) -> Iterator[Workers]:
    """Start workers, `launcher` in front of the command of each; yields when each of them was given partitions.

    What is left of them on leaving is ended.

    Raises:
        BenchError: one ended, or they do not get partitions.

    """
    with ExitStack() as processes:
        workers = []
        for index in range(number):
            log = site.folder / f"{kind.name.lower()}-{index}.log"
            words = [*launcher, *command(kind, site)]
            process = processes.enter_context(running(words, log, site.environment))
            if launcher:
                # A profiler that is told to stop leaves what it started.
                processes.callback(_end_children, process.pid)
            workers.append(_Worker(process, log))
        deadline, begun_at = time.monotonic() + _STARTS_WITHIN_S, None
        while not all(has_begun := [worker.has_begun() for worker in workers]):
            if begun_at is None and any(has_begun):
                begun_at = time.monotonic()
            if time.monotonic() > deadline:
                raise BenchError(f"{kind}: the workers were not given partitions within {_STARTS_WITHIN_S:g} s")
            time.sleep(0.01)
        yield Workers(kind, site, workers, begun_at or time.monotonic())


def _end_children(pid: int) -> None:
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(pid).children():
            child.terminate()


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
