"""Turns: one piece of work at a time, and an end to all of it that comes in time whatever the work waits for."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

_log = structlog.get_logger()

Work = Callable[[], Coroutine[Any, Any, None]]


class Turns:
    """Runs work one after the other, in rounds: what was asked for in a round that has ended is never begun.

    Work may wait for a store or a broker for as long as those are away. Whoever would hold up others meanwhile (a
    rebalance, a supervisor) ends the round: within a limit the work in hand is finished, after it it is cancelled.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._round = 0
        self._running: asyncio.Task[None] | None = None
        self._running_round = 0

    @property
    def is_busy(self) -> bool:
        """Whether there is work in hand."""
        return self._running is not None

    @property
    def is_ending(self) -> bool:
        """Whether the work in hand belongs to a round that is over: it does well to come to an end."""
        return self._running is not None and self._running_round != self._round

    async def take(self, work: Work) -> None:
        """Run `work` when what was asked for earlier is done; without effect when the round ends before it begins.

        Returns when the work is done or was cancelled by the end of its round, and raises what it raises.
        """
        asked_in = self._round
        async with self._lock:
            if asked_in == self._round:
                await self._run(work)

    async def end(self, within_s: float, last: Work | None = None) -> bool:
        """End the round: work in hand, then `last`, are done within `within_s` seconds, or cancelled.

        Returns whether they were done. Raises what `last` raises.
        """
        self._round += 1
        ending = asyncio.create_task(self.take(last or _nothing))
        _, late = await asyncio.wait({ending}, timeout=within_s)
        if not late:
            ending.result()
            return True
        _log.warning("work_abandoned", after_s=within_s)
        abandoned = {ending} | ({self._running} if self._running is not None else set())
        for task in abandoned:
            task.cancel()
        await asyncio.wait(abandoned)
        return False

    async def _run(self, work: Work) -> None:
        task = self._running = asyncio.create_task(work())
        self._running_round = self._round
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})
            raise
        finally:
            self._running = None
        if not task.cancelled():
            task.result()


async def _nothing() -> None:
    pass
