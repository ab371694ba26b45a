"""The worker: runs agents until it is told to stop, and ends loudly when one of them cannot go on."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

import faust
import structlog
from kafka.errors import KafkaError

from streams import app as faust_app
from streams.agent import Agent, feed
from streams.settings import Settings

_log = structlog.get_logger()
_TICK_S: Final = 0.1
#: Supervisors kill after 30 s; ending by ourselves before leaves a message.
_STOP_WITHIN_S: Final = 25.0


class _Run:
    """One agent with its Faust app."""

    def __init__(self, settings: Settings, agent: Agent, fail: Callable[[BaseException], None]) -> None:
        self.agent = agent
        self._fail = fail
        self.app = faust_app.build_app(settings, agent.name)
        faust_app.register_agent(self.app, faust_app.chunk_topic(self.app, agent.topic), self._feed)
        self.app.on_partitions_assigned.connect(self._assigned)
        self.app.on_partitions_revoked.connect(self._revoked)

    async def _feed(self, stream: Any) -> None:
        await self._guarded(feed(self.app, stream, self.agent))

    async def _assigned(self, *arguments: Any, **_: Any) -> None:
        _, assigned = arguments
        partitions = frozenset(tp.partition for tp in assigned if tp.topic == self.agent.topic)
        _log.info("partitions_assigned", agent=self.agent.name, partitions=sorted(partitions))
        await self._guarded(self.agent.assigned(partitions))

    async def _revoked(self, *_arguments: Any, **_: Any) -> None:
        await self._guarded(self.agent.revoked())

    async def tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            await self._guarded(self.agent.tick())

    async def _guarded(self, work: Any) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, it ends the process
            self._fail(error)
            # Whoever called would acknowledge or restart; the process is ending, nothing more may happen here.
            await asyncio.get_running_loop().create_future()


async def run_worker(settings: Settings, agents: Sequence[Agent], on_ready: Callable[[], None]) -> int:
    """Run agents until SIGTERM or SIGINT; exit code 0 after a clean stop, 1 when something could not go on."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    failures: list[BaseException] = []

    def fail(error: BaseException) -> None:
        if not failures:
            _log.error("worker_fails", error=f"{type(error).__name__}: {error}", exc_info=error)
        failures.append(error)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    runs = [_Run(settings, agent, fail) for agent in agents]
    tasks: list[asyncio.Task[None]] = []
    try:
        for run in runs:
            await run.agent.start()
        # Every app waits for its group to come together; they do so at the same time.
        await asyncio.gather(*(run.app.start() for run in runs))
        for run in runs:
            tasks += [asyncio.create_task(run.tick()), asyncio.create_task(_watch(run.app, stopping, fail))]
        _log.info("worker_ready", agents=[agent.name for agent in agents])
        on_ready()
        await stopping.wait()
    except KafkaError as error:
        fail(error)
    _end_process_if_stopping_hangs()
    for task in tasks:
        task.cancel()
    for run in runs:
        if not failures:
            await run.agent.stop()
        await run.app.stop()
    _log.info("worker_stopped", clean=not failures)
    return 1 if failures else 0


async def _watch(app: faust.App, stopping: asyncio.Event, fail: Callable[[BaseException], None]) -> None:
    await app.wait_until_stopped()
    if not stopping.is_set():
        fail(app.crash_reason or RuntimeError(f"the Faust app {app.conf.id} stopped by itself"))


def _end_process_if_stopping_hangs() -> None:
    def end() -> None:
        sys.stderr.write(f"worker: stopping took over {_STOP_WITHIN_S:.0f} s; ending now, the rest is replayed\n")
        sys.stderr.flush()
        os._exit(1)

    timer = threading.Timer(_STOP_WITHIN_S, end)
    timer.daemon = True
    timer.start()
