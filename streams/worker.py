"""The worker: runs agents until it is told to stop, and ends loudly when one of them cannot go on."""

import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final, Protocol, Self, cast, runtime_checkable

import faust
import structlog
from faust.types import TP

from streams import app as faust_app
from streams.agent import Agent, DecisionNeeded, Feed
from streams.broker import ReliableProducer
from streams.coordinator import LogName
from streams.lag import committed_offsets, end_offsets
from streams.log_check import LogCheck
from streams.metrics import Sample, served_metrics
from streams.rollup_keeper import RollupKeeper
from streams.settings import Settings
from streams.store import clickhouse_address
from streams.topics import INTAKE, JOURNEYS, KEYED, TOUCHPOINTS, incarnations, partition_count
from streams.transport import ChunkConsumer, ChunkTransport
from streams.trials import Cemetery, Journal, Trials
from streams.watchdog import Standing, Watchdog

_log = structlog.get_logger()
_TICK_S: Final = 0.1
_LOOK_AFTER_GROUP_EVERY_S: Final = 0.5
#: Whoever owns this partition of the journeys keeps the rollups.
_KEEPER_PARTITION: Final = 0
#: How long agents may take for their last flush; what is not done by then is replayed.
_FINISH_WITHIN_S: Final = 12.0
#: Supervisors kill after 30 s; ending by ourselves before leaves a message.
_STOP_WITHIN_S: Final = 25.0
#: Objects made and not yet gone before the collector looks at the newest (by default 700), how often it does that
#: before it looks at older ones, and how often that before it looks at all: with a million persons that takes 20 s, in
#: which the worker stands still. Most of all there are persons, and those that are let go of are gone at once.
_COLLECT_AFTER: Final = (50_000, 10, 10_000)


@runtime_checkable
class Measured(Protocol):
    """An agent that has more to tell than how far it is."""

    def measure(self) -> Iterable[Sample]:
        """Values by now; called from a thread."""


class _Run:
    """One agent with its Faust app."""

    def __init__(
        self, settings: Settings, agent: Agent, trials: Mapping[str, Trials], fail: Callable[[BaseException], None]
    ) -> None:
        self.agent = agent
        self.name = agent.name
        self._kafka = settings.kafka
        #: `None` while the group has not decided whose they are.
        self._partitions: frozenset[int] | None = None
        self._trials = trials
        self._fail = fail
        self._revocation_limit_s = faust_app.revocation_limit_s(settings.kafka)
        self._is_ending = False
        self.app = faust_app.build_app(settings, agent.name)
        self._feed = Feed(self.app, agent, trials)
        faust_app.register_agent(self.app, faust_app.chunk_topic(self.app, *agent.topics), self._read)
        self.app.on_partitions_assigned.connect(self._assigned)
        self.app.on_partitions_revoked.connect(self._revoked)

    async def tick(self) -> None:
        """Tick the agent until the end, which does not interrupt a tick."""
        while not self._is_ending:
            await self._guarded(self.agent.tick())
            await asyncio.sleep(_TICK_S)

    async def look_after_group(self) -> None:
        """End the worker when the group does not take it any more."""
        while not self._is_ending:
            await self._guarded(cast("ChunkConsumer", self.app.consumer).look_after_group())
            await asyncio.sleep(_LOOK_AFTER_GROUP_EVERY_S)

    async def watch(self) -> None:
        """Take notice of what does not kill the worker, for ever."""
        await asyncio.gather(*(self._guarded(trials.watch()) for trials in self._trials.values()))

    async def end_trials(self) -> None:
        """Nothing that happens from now on is the fault of a record."""
        for trials in self._trials.values():
            await self._guarded(trials.end())

    def end_reading(self) -> None:
        """Give the agent nothing more to do."""
        self._is_ending = True
        self._feed.close()

    async def finish(self) -> None:
        """Have the agent finish what it has in hand."""
        await self._guarded(self.agent.finish(_FINISH_WITHIN_S))

    def behind(self) -> Mapping[str, Standing]:
        """Partitions of ours with records that wait; of all partitions while the group does not come together."""
        if self.agent.pulse.is_good:
            return {}
        beats, ours = self.agent.pulse.beats, self._partitions
        if ours is not None and not ours:
            return {}
        found: dict[str, Standing] = {}
        for topic in self.agent.topics:
            committed = committed_offsets(self._kafka, self.app.conf.id, topic)
            for partition, end in end_offsets(self._kafka, topic).items():
                if ours is not None and partition not in ours:
                    continue
                done = committed.get(partition, 0)
                if done < end and (ours is None or self._has_more(TP(topic, partition), done, end)):
                    found[f"{topic}/{partition}"] = Standing(done, end, beats)
        return found

    def owns(self, partition: int) -> bool:
        """Whether the group has given a partition to this worker."""
        return partition in (self._partitions or ())

    def measure(self) -> Iterable[Sample]:
        """How far the agent is in each partition of ours, and what it says of itself."""
        consumer = cast("ChunkConsumer", self.app.consumer)
        for place in [TP(topic, number) for topic in self.agent.topics for number in sorted(self._partitions or ())]:
            labels = (self.name, place.topic, str(place.partition))
            yield Sample("journeys_records_read_total", labels, self._feed.read[place])
            committed, lag = consumer.committed_offset(place), consumer.lag(place)
            if committed is not None:
                yield Sample("journeys_committed_offset", labels, committed)
            if lag is not None:
                yield Sample("journeys_lag_records", labels, lag)
        for of in ("clickhouse", "kafka"):
            yield Sample("journeys_retries_total", (self.name, of), self.agent.pulse.retries[of])
        if isinstance(self.agent, Measured):
            yield from self.agent.measure()

    def _has_more(self, place: TP, done: int, end: int) -> bool:
        """Whether there is something to read or to commit; the end of a log may be marks that nobody is given."""
        handed_over, position = cast("ChunkConsumer", self.app.consumer).reached(place)
        return done < handed_over or position < end

    async def _read(self, stream: Any) -> None:
        await self._guarded(self._feed.run(stream))
        # Faust would start an agent that ends anew.
        await asyncio.get_running_loop().create_future()

    async def _assigned(self, *arguments: Any, **_: Any) -> None:
        _, assigned = arguments
        await self._guarded(self._assign(assigned))

    async def _assign(self, assigned: Iterable[TP]) -> None:
        partitions = partitions_together(assigned, self.agent.topics)
        _log.info("partitions_assigned", agent=self.agent.name, partitions=sorted(partitions))
        self._partitions = partitions
        await self.agent.assigned(partitions)

    async def _revoked(self, *_arguments: Any, **_: Any) -> None:
        self._partitions = None
        await self._guarded(self.agent.revoked(self._revocation_limit_s))
        await self.end_trials()

    async def _guarded(self, work: Awaitable[None]) -> None:
        """Do the work; an exception ends the worker. It is not raised: Faust would go on, or acknowledge."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the process
            self.end_reading()
            self._fail(error)


def partitions_together(assigned: Iterable[TP], topics: Sequence[str]) -> frozenset[int]:
    """Numbers of the partitions that were handed out, of each topic the same.

    Raises:
        RuntimeError: they are not the same; touchpoints of a person would come to two workers.

    """
    places = list(assigned)
    first, *others = (frozenset(place.partition for place in places if place.topic == topic) for topic in topics)
    if any(numbers != first for numbers in others):
        raise RuntimeError(
            f"{' and '.join(topics)} have to be handed out together, and were not: {sorted(places)}. Does a worker of"
            " the same group read only one of them? Stop all workers, and start them with the same settings"
        )
    return first


async def run_worker(
    settings: Settings,
    agents: Sequence[Agent],
    on_ready: Callable[[], None],
    *,
    journal: Journal | None = None,
    metrics_port: int | None = None,
) -> int:
    """Run agents until SIGTERM or SIGINT; exit code 0 after a clean stop, 1 when something could not go on.

    When they stand still without saying why, the process ends at once with the watchdog's code. With a `journal` it
    finds records that kill workers.

    Raises what an agent raises when it starts, and `SettingsError` when the port for metrics is taken: then nothing was
    read yet.
    """
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    failures: list[BaseException] = []

    def fail(error: BaseException) -> None:
        if not failures:
            if isinstance(error, DecisionNeeded):
                _log.error("decision_needed", what=str(error))
            else:
                _log.error("worker_fails", error=f"{type(error).__name__}: {error}", exc_info=error)
        failures.append(error)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    collect_less_often()
    court = await _Court.open(settings, journal)
    runs = [_Run(settings, agent, court.trials(agent), fail) for agent in agents]
    ticks: list[asyncio.Task[None]] = []
    watches: list[asyncio.Task[None]] = []
    watchdog = Watchdog(settings.watchdog, runs)
    serving = ExitStack()
    try:
        for run in runs:
            await run.agent.start()
        keeper = RollupKeeper(
            clickhouse_address(settings.clickhouse),
            settings.rollups_every_s,
            is_ours=lambda: any(run.name == JOURNEYS and run.owns(_KEEPER_PARTITION) for run in runs),
        )
        serving.enter_context(served_metrics(metrics_port, [*(run.measure for run in runs), keeper.measure]))
        serving.enter_context(keeper.at_work())
        if await _started(runs, court, watchdog, stopping, fail):
            ticks = [asyncio.create_task(run.tick()) for run in runs]
            watches = [asyncio.create_task(_watch(run.app, stopping, fail)) for run in runs]
            watches += [asyncio.create_task(run.look_after_group()) for run in runs]
            watches += [asyncio.create_task(run.watch()) for run in runs]
            _log.info("worker_ready", agents=[agent.name for agent in agents])
            on_ready()
            await stopping.wait()
        watchdog.stop()
        _end_process_if_stopping_hangs()
        for run in runs:
            run.end_reading()
        if not failures:
            await asyncio.gather(*ticks, *(run.finish() for run in runs))
        for task in (*ticks, *watches):
            task.cancel()
        await asyncio.gather(*(run.end_trials() for run in runs))
        for run in runs:
            await run.app.stop()
    finally:
        watchdog.stop()
        serving.close()
        for run in runs:
            await run.agent.close()
        await court.close()
    _log.info("worker_stopped", clean=not failures)
    return 1 if failures else 0


def collect_less_often() -> None:
    """Look for garbage after more allocations: persons are many objects that stay, and looking at them takes time."""
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


class _Court:
    """What the trials of all agents of a process share."""

    def __init__(
        self, settings: Settings, journal: Journal | None, lives: Mapping[str, str], keyed_partitions: int
    ) -> None:
        self._group_prefix = settings.group_prefix
        self._keyed_partitions = keyed_partitions
        self._check = LogCheck(
            settings.kafka,
            lives,
            keyed_partitions,
            configured_partitions=settings.partitions,
            accept_lost=settings.accept_lost_records,
        )
        self._journal = journal
        self._lives = lives
        self._producer = ReliableProducer(settings.kafka)
        self._in_turn = asyncio.Lock()

    @classmethod
    async def open(cls, settings: Settings, journal: Journal | None) -> Self:
        """Read what the topics look like; without a journal there are no trials."""
        if journal is None:
            return cls(settings, None, {}, 0)
        lives = await asyncio.to_thread(incarnations, settings.kafka)
        return cls(settings, journal, lives, await asyncio.to_thread(partition_count, settings.kafka, KEYED))

    def trials(self, agent: Agent) -> dict[str, Trials]:
        """Trials of one agent's records, by topic."""
        if self._journal is None:
            return {}
        cemetery = Cemetery(self._producer, self._lives)
        return {
            log.topic: Trials(
                log, self._keyed_partitions, self._journal, cemetery, in_turn=self._in_turn, pulse=agent.pulse
            )
            for log in self._logs(agent)
        }

    async def examine(self, runs: Iterable[_Run]) -> None:
        """Hold what the groups have read against the logs.

        Raises:
            DecisionNeeded: somebody has to decide before they may read on.

        """
        if self._journal is None:
            return
        for run in runs:
            made_anew: set[TP] = set()
            read_before: dict[TP, int] = {}
            for log in self._logs(run.agent):
                attempts = await self._journal.known(log.group, log.topic)
                passed_on = await self._passed_on(self._journal, log)
                found = await self._check.check(log, attempts, self._producer, passed_on)
                made_anew |= {TP(log.topic, partition) for partition in found}
                read_before |= {TP(log.topic, partition): offset for partition, offset in passed_on.items()}
            transport = cast("ChunkTransport", run.app.transport)
            transport.made_anew = frozenset(made_anew)
            if run.name != INTAKE:
                # Intake sends all of it on again: the keyed topic has to hold what tables that are lost do not.
                transport.read_before = read_before

    async def _passed_on(self, journal: Journal, log: LogName) -> dict[int, int]:
        """Up to where the raw topic was read in the other mode, fused or not."""
        if log.topic != TOUCHPOINTS:
            return {}
        intake, journeys = (f"{self._group_prefix}-{agent}" for agent in (INTAKE, JOURNEYS))
        other = log._replace(group=journeys if log.group == intake else intake)
        return await self._check.passed_on(other, await journal.known(other.group, other.topic))

    def _logs(self, agent: Agent) -> list[LogName]:
        group = f"{self._group_prefix}-{agent.name}"
        return [LogName(group, topic, self._lives[topic]) for topic in agent.topics]

    async def close(self) -> None:
        """Close connections."""
        await self._producer.stop()
        if self._journal is not None:
            await self._journal.close()


async def _started(
    runs: Sequence[_Run],
    court: _Court,
    watchdog: Watchdog,
    stopping: asyncio.Event,
    fail: Callable[[BaseException], None],
) -> bool:
    """Start the apps; False when one of them failed, or the worker was told to stop before they were ready."""

    async def start() -> None:
        # It waits for ClickHouse, however long that is away; only then is it to be expected that anything moves.
        await court.examine(runs)
        watchdog.start()
        # Every app waits for its group to come together; they do so at the same time.
        await asyncio.gather(*(run.app.start() for run in runs))

    async def be_told() -> None:
        await stopping.wait()

    starting, told = asyncio.create_task(start()), asyncio.create_task(be_told())
    await asyncio.wait({starting, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if not starting.done():
        starting.cancel()
        await asyncio.wait({starting})
    elif (error := starting.exception()) is not None:
        fail(error)
    return not stopping.is_set()


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
