"""The scheduler: who goes on when, which call fails and how, and when a process dies or stops. All from one seed.

Every call of a worker to the store or the broker comes through `Process.call`. There the process may die before the
call, after half of its effect, or after all of it; the call may fail with or without its effect and is then made again;
others go on meanwhile; and the effect of a call that nobody waits for any more may come later.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple, NoReturn, TypeVar

from tests.simulation.clock import SimulatedLoop
from tests.simulation.story import Mishaps
from tests.simulation.violation import Violation
from tests.support.faults import Killed, Moment

_T = TypeVar("_T")
#: Seconds after which the group gives up a member that does not answer, and lets go of a rebalance that does not end.
SESSION_TIMEOUT_S = 2.0
REBALANCE_TIMEOUT_S = 3.0
#: Longest time that a call is under way after the caller has gone.
_LATEST_S = 1.5


class Event(NamedTuple):
    """A line of the trace."""

    at: float
    who: str
    what: tuple[object, ...]

    def __str__(self) -> str:
        return f"{self.at:9.3f}  {self.who:6}  {' '.join(map(str, self.what))}"


class Scheduler:
    """Time, chance and the trace of one schedule."""

    def __init__(self, seed: int, mishaps: Mishaps) -> None:
        self.loop = SimulatedLoop()
        self.random = random.Random(seed)
        self.mishaps = mishaps
        self.steps = 0
        self.is_healed = False
        self.trace: list[Event] = []
        self.violation: Violation | None = None

    def note(self, who: str, *what: object) -> None:
        self.trace.append(Event(self.loop.time(), who, what))

    def delay(self, pace: float = 1.0) -> float:
        """Seconds that a message takes to or from somebody who is `pace` times as slow as others."""
        chance = self.random.random()
        if self.is_healed:
            return chance * 0.02
        return self.random.uniform(0.3, 6.0) if chance < self.mishaps.slow else chance * 0.02 * pace

    def is_failing(self) -> bool:
        return not self.is_healed and self.random.random() < self.mishaps.errors

    def fail(self, what: str, details: str = "") -> NoReturn:
        found = Violation(what, details)
        self.note("world", "VIOLATION", found)
        self.violation = self.violation or found
        raise found

    def mishap(self, who: str, error: Exception) -> None:
        """A worker ends with an error that nobody ordered."""
        self.note(who, "ends with", repr(error))
        if self.violation is None:
            self.violation = Violation(f"a worker ends: {type(error).__name__}", str(error))
            self.violation.__cause__ = error

    def heal(self) -> None:
        """Nothing goes wrong from here on."""
        self.is_healed = True
        self.note("world", "healed")


class Process:
    """A worker's process: what it does has an effect only as long as it lives."""

    def __init__(
        self, scheduler: Scheduler, name: str, on_death: Callable[[], None], on_pause: Callable[[float], None]
    ):
        self.name = name
        self.is_alive = True
        self._scheduler = scheduler
        self._on_death = on_death
        self._on_pause = on_pause
        self._tasks: set[asyncio.Task[Any]] = set()
        self._paused_until = 0.0
        self._pace = scheduler.random.choice((1.0, 1.0, 1.0, 5.0, 40.0))

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._scheduler.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def note(self, *what: object) -> None:
        self._scheduler.note(self.name, *what)

    def die(self) -> None:
        """SIGKILL: no handler has any effect any more."""
        if self.is_alive:
            self.is_alive = False
            self.note("KILLED")
            for task in self._tasks:
                task.cancel()
            self._on_death()

    @property
    def is_paused(self) -> bool:
        return self._scheduler.loop.time() < self._paused_until

    async def awake(self) -> None:
        """Go on when the process runs."""
        while (left := self._paused_until - self._scheduler.loop.time()) > 0:  # noqa: ASYNC110 - nobody wakes it
            await asyncio.sleep(left)
        if not self.is_alive:
            raise Killed(self.name)

    async def call(self, name: str, items: Sequence[Any], take_effect: Callable[[Sequence[Any]], _T]) -> _T:
        """Have a call take effect, in the end, on all items at once; before, perhaps, on some or all of them.

        `take_effect` gets the items in the order given.
        """
        scheduler = self._scheduler
        while True:
            moment = self._fate(name)
            if moment is Moment.BEFORE:
                self._kill(name, moment)
            try:
                await asyncio.sleep(scheduler.delay(self._pace))
            except asyncio.CancelledError:
                self._let_go(name, items, take_effect)
                raise
            if self.is_paused or not self.is_alive:
                await self.awake()
            if moment is Moment.HALFWAY:
                take_effect(items[: scheduler.random.randint(0, len(items))])
                self._kill(name, moment)
            if scheduler.is_failing():
                part = items[: scheduler.random.choice([0, len(items) // 2, len(items)])]
                if part:
                    take_effect(part)
                self.note(name, "failed, done:", f"{len(part)}/{len(items)}")
                await asyncio.sleep(0.1)
                continue
            answer = take_effect(items)
            self.note(name, len(items))
            if moment is Moment.AFTER:
                self._kill(name, moment)
            if scheduler.random.random() < 0.5:
                await asyncio.sleep(scheduler.delay(self._pace))
                if self.is_paused or not self.is_alive:
                    await self.awake()
            return answer

    def _fate(self, name: str) -> Moment | None:
        """Count a step; whether and when the process dies in it."""
        if not self.is_alive:
            raise Killed(self.name)
        scheduler = self._scheduler
        scheduler.steps += 1
        if scheduler.is_healed:
            return None
        pause = scheduler.mishaps.pauses.get(scheduler.steps)
        if pause is not None:
            self.note("stopped in", name, "for", pause, "s")
            self._paused_until = scheduler.loop.time() + pause
            self._on_pause(pause)
        return scheduler.random.choice(list(Moment)) if scheduler.steps in scheduler.mishaps.crashes else None

    def _kill(self, name: str, moment: Moment) -> None:
        self.note("dies", moment.value, name)
        self.die()
        raise Killed(f"{moment.value} {name}")

    def _let_go(self, name: str, items: Sequence[Any], take_effect: Callable[[Sequence[Any]], object]) -> None:
        """The caller has gone; the call may arrive all the same."""
        if self._scheduler.random.random() < 0.5:
            delay = self._scheduler.random.uniform(0, _LATEST_S)
            self.note(name, "let go, arrives in", round(delay, 3), "s")

            def arrive() -> None:
                take_effect(items)
                self.note(name, len(items), "arrived late")

            self._scheduler.loop.call_later(delay, arrive)
