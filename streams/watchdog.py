"""The watchdog: ends a worker that stands still without saying so, after writing down where it stands.

A worker that waits on purpose tries again and again, and its agents' pulses say so. What is left are bugs, ours and
those of the libraries below, whose only cure is a new process: records wait, the broker answers, and nothing moves.
"""

import asyncio
import faulthandler
import gc
import os
import threading
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, NoReturn, Protocol

import structlog

from streams.settings import WatchdogSettings

_log = structlog.get_logger()
#: Exit code of a worker that the watchdog ended.
EXIT_CODE: Final = 3
#: How often a limit is looked at before it is over.
_LOOKS: Final = 4
_STDERR: Final = 2
#: Attributes of coroutines, asynchronous generators and generators that name what they wait for.
_WAITS_FOR: Final = {"cr_frame": "cr_await", "ag_frame": "ag_await", "gi_frame": "gi_yieldfrom"}
#: No stack of tasks is longer; a circle must not keep the process alive.
_DEEPEST: Final = 100


class Standing(NamedTuple):
    """Where a partition stands: offset from which the group would read on, end of the log, signs of life."""

    committed: int
    end: int
    beats: int


class Watched(Protocol):
    """An agent as the watchdog sees it."""

    @property
    def name(self) -> str:
        """What people call it."""

    def behind(self) -> Mapping[str, Standing]:
        """Partitions, as `topic/number`, that are ours and have records waiting while nobody waits on purpose.

        Called from a thread. May raise anything: then it is not known how far the agent has come, and not held against
        it.
        """


class Stillness:
    """For how long something has not changed, in time that this process was awake.

    A process that was suspended finds that hours have passed in which it could not do anything: one step between two
    looks counts for `longest_step_s` seconds at most.
    """

    def __init__(self, longest_step_s: float) -> None:
        self._longest_step_s = longest_step_s
        self._mark: object = None
        self._looked_s: float | None = None
        self.seconds = 0.0

    def look(self, now_s: float, mark: object) -> float:
        """Note how it is now; returns for how many seconds it has been like that."""
        if self._looked_s is None or mark != self._mark:
            self.seconds = 0.0
        else:
            self.seconds += min(now_s - self._looked_s, self._longest_step_s)
        self._looked_s, self._mark = now_s, mark
        return self.seconds


class Standstill(NamedTuple):
    """A partition that has stood still for too long."""

    agent: str
    place: str
    standing: Standing
    seconds: float

    def __str__(self) -> str:
        return (
            f"agent {self.agent} has not moved on from offset {self.standing.committed} of {self.place} for"
            f" {self.seconds:.0f} s, while records up to offset {self.standing.end} wait"
        )


class ProgressJudge:
    """Decides from a row of looks whether a partition stands still; knows no clock, thread or broker."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._still: dict[tuple[str, str], Stillness] = {}

    def look(self, now_s: float, behind: Mapping[tuple[str, str], Standing]) -> Standstill | None:
        """Take in which partitions have records waiting, by agent; returns one that has stood still for too long.

        What is not named begins anew: it has nothing to do, belongs to others, or nobody knows.
        """
        self._still = {whose: self._still.get(whose) or self._new() for whose in behind}
        for (agent, place), standing in behind.items():
            seconds = self._still[agent, place].look(now_s, (standing.committed, standing.beats))
            if seconds >= self._limit_s:
                return Standstill(agent, place, standing, seconds)
        return None

    def _new(self) -> Stillness:
        # A suspended process may not be blamed for more than half of the limit at once.
        return Stillness(self._limit_s / 2)


class Watchdog:
    """Two threads beside an event loop: one looks at the loop itself, one asks the broker how far the agents are."""

    def __init__(self, settings: WatchdogSettings, agents: Sequence[Watched]) -> None:
        self._settings = settings
        self._agents = agents
        self._loop = asyncio.get_running_loop()
        self._stopped = threading.Event()
        self._beats = 0
        self._threads = [
            threading.Thread(target=work, name=f"watchdog-{what}", daemon=True)
            for what, work in (("loop", self._watch_loop), ("progress", self._watch_progress))
        ]

    def start(self) -> None:
        """Begin to watch; to be called in the loop."""
        self._beat()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Watch no longer: whatever still happens has a deadline of its own."""
        self._stopped.set()

    def _beat(self) -> None:
        self._beats += 1
        if not self._stopped.is_set():
            self._loop.call_later(self._settings.silence_s / (2 * _LOOKS), self._beat)

    def _watch_loop(self) -> None:
        limit_s = self._settings.silence_s
        still = Stillness(limit_s / 2)
        while not self._stopped.wait(limit_s / _LOOKS):
            if still.look(time.monotonic(), self._beats) >= limit_s:
                self._end_process(f"the event loop has been silent for {still.seconds:.0f} s")

    def _watch_progress(self) -> None:
        judge = ProgressJudge(self._settings.standstill_s)
        while not self._stopped.wait(self._settings.standstill_s / _LOOKS):
            found = judge.look(time.monotonic(), dict(_behind(self._agents)))
            if found is not None and not self._stopped.is_set():
                self._end_process(str(found))

    def _end_process(self, why: str) -> NoReturn:
        """Say why, write down all stacks, and end the process whatever its threads hold."""
        # Not through the logs: whoever is stuck may hold their lock.
        _write(f"worker: {why}; ending with code {EXIT_CODE}, start it again: nothing was lost. All stacks follow.\n")
        with suppress(Exception):
            faulthandler.dump_traceback(_STDERR, all_threads=True)
        with suppress(Exception):
            _write(_stacks(self._loop))
        os._exit(EXIT_CODE)


def _behind(agents: Iterable[Watched]) -> Iterable[tuple[tuple[str, str], Standing]]:
    for agent in agents:
        try:
            standings = agent.behind()
        except Exception as error:  # noqa: BLE001 - a broker that is away has many ways of saying nothing
            _log.info("watchdog_does_not_know", agent=agent.name, error=f"{type(error).__name__}: {error}")
            continue
        for place, standing in standings.items():
            yield (agent.name, place), standing


def _stacks(loop: asyncio.AbstractEventLoop) -> str:
    """Where the tasks of a loop wait: of those, the threads' stacks show nothing."""
    lines: list[str] = []
    for task in asyncio.all_tasks(loop):
        lines.append(f"\nTask {task.get_name()} (most recent call last):\n")
        waiting: Any = task.get_coro()
        for _ in range(_DEEPEST):
            frame = next((getattr(waiting, name) for name in _WAITS_FOR if hasattr(waiting, name)), None)
            if frame is not None:
                lines += traceback.format_list([(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name, None)])
            waiting = _awaited(waiting)
    return "".join(lines)


def _awaited(waiting: Any) -> Any:
    """What somebody waits for; `None` when that is no code of Python's."""
    for frame, awaited in _WAITS_FOR.items():
        if hasattr(waiting, frame):
            return getattr(waiting, awaited)
    # A wrapper names nobody, but holds what it wraps.
    held = gc.get_referents(waiting)
    return next((one for one in held if any(hasattr(one, frame) for frame in _WAITS_FOR)), None)


def _write(text: str) -> None:
    with suppress(OSError):
        os.write(_STDERR, text.encode())
