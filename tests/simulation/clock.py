"""An event loop whose time is made up: it stands still while anything can run, and jumps when nothing can."""

import asyncio
from typing import Any


class NothingLeft(AssertionError):
    """Everybody waits, and nothing is ever going to happen."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """Runs callbacks in the order in which they were asked for, timers in order of time. Seconds begin at 0."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        # The base loop asks a selector to wait until the next timer: that is where time jumps.
        self._selector = self
        self._clock_resolution = 1e-6
        self.set_exception_handler(self._note)
        self.mishaps: list[BaseException] = []

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise NothingLeft("every task waits for another one")
        self._now += timeout
        return []

    def _process_events(self, event_list: list[Any]) -> None: ...

    def _write_to_self(self) -> None: ...

    def _note(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is not None:
            self.mishaps.append(error)
