"""The experiments: what is done to an application while it works. Each is repeatable from its seed."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from schemas.touchpoint import Touchpoint
from streams.topics import KEYED, TOUCHPOINTS
from streams.trials import DEATHS
from tests.faults import workload
from tests.faults.ledger import Ledger
from tests.faults.processes import Worker
from tests.faults.run import Result, Run
from tests.faults.site import Broker, running_site
from tests.faults.spec import STEPS, Death, WorkerSpec
from tests.support.chat_endpoint import Answer
from tests.support.deadline import wait_until
from tests.support.faults import Moment

_DIES_WITHIN_S: Final = 40.0
#: Session of workers with names: the slowest start that was seen on a crowded machine.
_COMES_BACK_WITHIN_S: Final = 60.0
_OK: Final = Answer()
_NO_ANSWERS: Final = {
    "429": Answer(status=429, headers={"Retry-After": "1"}),
    "500": Answer(status=500),
    # Who hangs and is then closed still answers: not with 200, which would be a delivery.
    "no answer at all": Answer(status=500, hangs=True),
}


class Scale(NamedTuple):
    """How large an experiment is: about so many touchpoints, faults for so many seconds, so many deaths at steps."""

    events: int = 3_000
    seconds: float = 60.0
    deaths: int = len(STEPS) * len(Moment)


class Experiment(NamedTuple):
    """A name for the command line, what happens, and on which brokers it can."""

    name: str
    says: str
    act: Callable[[Run, Scale], None]
    brokers: tuple[Broker, ...]


EXPERIMENTS: dict[str, Experiment] = {}


def perform(
    name: str,
    folder: Path,
    broker: Broker,
    *,
    seed: int,
    scale: Scale,
    tell: Callable[[str], None] = lambda _: None,
) -> Result:
    """Bring a site up, let the experiment act on it, let it heal, and judge."""
    experiment = EXPERIMENTS[name]
    with running_site(folder, broker) as site:
        ledger = Ledger(site.bootstrap, site.settings().partitions)
        try:
            run = Run(site, ledger, seed, tell=tell)
            run.observer.start()
            experiment.act(run, scale)
            return msgspec.structs.replace(run.finish(), name=name)
        finally:
            ledger.close()


def _experiment(
    says: str, brokers: tuple[Broker, ...] = ("embedded", "kafka")
) -> Callable[[Callable[[Run, Scale], None]], Callable[[Run, Scale], None]]:
    def register(act: Callable[[Run, Scale], None]) -> Callable[[Run, Scale], None]:
        name = act.__name__.replace("_", "-")
        EXPERIMENTS[name] = Experiment(name, says, act, brokers)
        return act

    return register


# --- Workers die -----------------------------------------------------------------------------------------------------


@_experiment("no fault at all: what the others are compared with")
def healthy(run: Run, scale: Scale) -> None:
    _staff(run)
    run.produce(workload.usual(run.seed, scale.events))
    run.wait_until_done()


@_experiment("SIGKILL of the journeys worker before, in the middle of and after every step of a flush")
def kill_at_each_step(run: Run, scale: Scale) -> None:
    # A seed that takes only some of them takes other moments than the next.
    deaths = [
        Death(step, list(Moment)[(number + run.seed + turn) % len(Moment)])
        for turn in range(len(Moment))
        for number, step in enumerate(STEPS)
    ][: scale.deaths]
    # Without a journal: it would find what these deaths have in common, a record that none of them is the fault of.
    _die_in_rows(run, scale, [deaths], keeps_journal=False)


@_experiment("four quick deaths in a row, one short of a dead letter, and then a life that gets through")
def killed_in_a_row(run: Run, scale: Scale) -> None:
    rows = [
        [Death(run.chances.choice(STEPS), run.chances.choice(list(Moment))) for _ in range(DEATHS - 1)]
        for _ in range(max(1, min(scale.deaths // DEATHS, 3)))
    ]
    _die_in_rows(run, scale, rows, keeps_journal=True)


@_experiment("SIGKILL of intake, journeys and alerts workers at random")
def kill_at_random(run: Run, scale: Scale) -> None:
    workers = _staff(run)
    with _producing(run, workload.usual(run.seed, scale.events), scale.seconds) as is_over:
        while not is_over():
            time.sleep(run.chances.uniform(1, 6))
            _kill(run, run.chances.choice(workers))


@_experiment("three workers join, leave and die")
def rebalance_storm(run: Run, scale: Scale) -> None:
    run.hire(run.site.worker("alerts", ("alerts",)))
    workers = [run.hire(run.site.worker(f"worker-{number}", ("intake", "journeys"))) for number in range(3)]
    for worker in workers:
        worker.wait_until_ready()
    with _producing(run, workload.usual(run.seed, scale.events), scale.seconds) as is_over:
        while not is_over():
            time.sleep(run.chances.uniform(1, 5))
            worker = run.chances.choice(workers)
            if not worker.is_wanted:
                run.note(f"{worker.name} joins")
                worker.start()
                continue
            # One that is no member yet neither leaves the group nor is missed in it.
            worker.wait_until_ready()
            if run.chances.random() < 0.5:
                _kill(run, worker)
            else:
                run.note(f"{worker.name} leaves")
                worker.terminate()
    for worker in workers:
        if not worker.is_wanted:
            worker.start()


@_experiment("SIGTERM of workers under load")
def sigterm_under_load(run: Run, scale: Scale) -> None:
    workers = _staff(run)
    with _producing(run, workload.usual(run.seed, scale.events), scale.seconds) as is_over:
        while not is_over():
            time.sleep(run.chances.uniform(2, 6))
            worker = run.chances.choice(workers)
            worker.wait_until_ready()
            ended = worker.terminate()
            run.note(f"{worker.name} stopped with {ended.code} after {ended.seconds} s")
            worker.start()


@_experiment("workers with names of their own are restarted in turn, one joins, one goes for good", ("kafka",))
def rolling_restart(run: Run, scale: Scale) -> None:
    run.hire(run.site.worker("alerts", ("alerts",)))
    workers = [run.hire(_named_worker(run, f"worker-{number}")) for number in range(2)]
    for worker in run.workers:
        worker.wait_until_ready()
    run.note("workers ready")
    with _producing(run, workload.usual(run.seed, scale.events), scale.seconds) as is_over:
        for worker in workers:
            _restart(run, worker, workers)
        workers.append(run.hire(_named_worker(run, "worker-2")))
        workers[-1].wait_until_ready()
        run.note("worker-2 has joined")
        gone = workers.pop(0)
        ended = gone.terminate()
        run.note(f"{gone.name} went for good with {ended.code} after {ended.seconds} s")
        # Its partitions wait until its session is over, as if it were about to come back.
        wait_until(lambda: _have_everything(run, workers), seconds=_COMES_BACK_WITHIN_S + _DIES_WITHIN_S)
        run.note(f"the partitions of {gone.name} went to the others")
        while not is_over():
            for worker in workers:
                _restart(run, worker, workers)


# --- Servers die -----------------------------------------------------------------------------------------------------


@_experiment("SIGKILL of ClickHouse while it is written to")
def clickhouse_killed(run: Run, scale: Scale) -> None:
    _staff(run)
    with _producing(run, workload.usual(run.seed, scale.events), scale.seconds) as is_over:
        while not is_over():
            time.sleep(run.chances.uniform(2, 7))
            _kill_clickhouse(run)


@_experiment("SIGSTOP of ClickHouse: connections stay open, nobody answers")
def clickhouse_paused(run: Run, scale: Scale) -> None:
    _staff(run)
    with _producing(run, workload.usual(run.seed, scale.events), scale.seconds) as is_over:
        while not is_over():
            time.sleep(run.chances.uniform(1, 4))
            _pause(run, "clickhouse", run.chances.uniform(2, 15))


@_experiment("SIGKILL of the broker, and its start with the same log", ("kafka",))
def broker_restarted(run: Run, scale: Scale) -> None:
    _staff(run)
    with _producing(run, workload.usual(run.seed, scale.events), scale.seconds) as is_over:
        while not is_over():
            time.sleep(run.chances.uniform(5, 15))
            _kill_broker(run)


@_experiment("SIGSTOP of the broker for longer than a session")
def broker_paused(run: Run, scale: Scale) -> None:
    _staff(run)
    with _producing(run, workload.usual(run.seed, scale.events), scale.seconds) as is_over:
        while not is_over():
            time.sleep(run.chances.uniform(3, 8))
            _pause(run, "broker", run.chances.uniform(2, 12))


@_experiment("every insert takes seconds")
def slow_sink(run: Run, scale: Scale) -> None:
    run.hire(run.site.worker("front", ("intake", "alerts")))
    spec = msgspec.structs.replace(run.site.spec("owner", ("journeys",)), slow_s=min(20.0, scale.seconds / 30))
    owner = run.site.worker_of("owner", spec.agents, lambda: spec)
    run.hire(owner)
    for part in workload.parts_of(workload.usual(run.seed, scale.events), 3):
        run.produce(part)
        time.sleep(run.chances.uniform(1, 3))
    run.note(f"{spec.slow_s:g} s for each insert")


# --- The log is strange ----------------------------------------------------------------------------------------------


@_experiment("ranges of the raw and of the keyed topic are read again, and sent again")
def ranges_again(run: Run, scale: Scale) -> None:
    workers = _staff(run)
    touchpoints = workload.usual(run.seed, scale.events)
    run.produce(touchpoints)
    run.wait_until_done()
    start = run.chances.randrange(len(touchpoints) // 2)
    run.produce(touchpoints[start : start + len(touchpoints) // 4])
    _set_back(run, workers, lambda offset: run.chances.randrange(offset + 1))
    run.note("a quarter of the touchpoints sent again")


@_experiment("all groups read the whole log again")
def group_reset(run: Run, scale: Scale) -> None:
    workers = _staff(run)
    run.produce(workload.usual(run.seed, scale.events))
    run.wait_until_done()
    _set_back(run, workers, lambda _: 0)


@_experiment("one partition comes when all others are through")
def partition_held_back(run: Run, scale: Scale) -> None:
    _staff(run)
    touchpoints = workload.usual(run.seed, scale.events)
    held = run.chances.randrange(run.settings.partitions)
    run.produce(one for one in touchpoints if run.ledger.partition_of(one) != held)
    run.pass_time()
    run.wait_until_done()
    run.note(f"partition {held} follows")
    run.produce(one for one in touchpoints if run.ledger.partition_of(one) == held)


@_experiment("in an order that makes no sense, after time has passed")
def shuffled(run: Run, scale: Scale) -> None:
    _in_parts(run, workload.shuffled(workload.usual(run.seed, scale.events), run.seed))


@_experiment("the last one first")
def reversed_order(run: Run, scale: Scale) -> None:
    _in_parts(run, workload.usual(run.seed, scale.events)[::-1])


@_experiment("records that are none between good ones, while the worker dies")
def poison(run: Run, scale: Scale) -> None:
    workers = _staff(run)
    for part in workload.parts_of(workload.usual(run.seed, scale.events), 4):
        run.produce(part)
        bad = workload.poison()
        run.chances.shuffle(bad)
        for number, value in enumerate(bad):
            run.ledger.produce_poison([value], number % run.settings.partitions)
        _kill(run, workers[0])
        time.sleep(run.chances.uniform(0, 3))


@_experiment("nine of ten touchpoints are of one person")
def hot_key(run: Run, scale: Scale) -> None:
    _staff(run)
    many = workload.hot_person(run.seed, scale.events * 9 // 10)
    others = workload.company(run.seed, scale.events // 100, scale.events // 10)
    for part in workload.parts_of(sorted(many + others, key=lambda one: one.occurred_at), 8):
        run.produce(part)
    run.wait_until_done()


# --- Nobody takes alerts ---------------------------------------------------------------------------------------------


@_experiment("the endpoint of the alerts answers 429, 500, not at all, or is gone")
def alerts_refused(run: Run, scale: Scale) -> None:
    _staff(run)
    parts = workload.parts_of(workload.usual(run.seed, scale.events), len(_NO_ANSWERS) + 1)
    for part, (name, answer) in zip(parts, _NO_ANSWERS.items(), strict=False):
        run.note(f"the endpoint answers {name}")
        run.site.desk.answer_always(answer)
        run.produce(part)
        time.sleep(min(10.0, scale.seconds / 4))
    run.note("the endpoint is gone")
    run.site.desk.close()
    run.produce(parts[-1])
    time.sleep(min(10.0, scale.seconds / 4))
    run.site.desk.open()
    run.site.desk.answer_always(_OK)


# --- Everything ------------------------------------------------------------------------------------------------------


@_experiment("a fault at random every minute, or six in all where there is less time")
def soak(run: Run, scale: Scale) -> None:
    workers = _staff(run)
    second = run.hire(run.site.worker("second", ("intake", "journeys")))
    faults: list[Callable[[], None]] = [
        lambda: _kill(run, run.chances.choice([*workers, second])),
        lambda: _kill_clickhouse(run),
        lambda: _pause(run, "clickhouse", run.chances.uniform(2, 20)),
        lambda: _pause(run, "broker", run.chances.uniform(2, 12)),
        lambda: _pause_worker(run, run.chances.choice([workers[0], second]), run.chances.uniform(2, 12)),
        lambda: _silence_desk(run, run.chances.uniform(2, 10)),
        lambda: _leave_and_join(run, second),
    ]
    if run.site.kind == "kafka":
        faults.append(lambda: _kill_broker(run))
    every_s = min(60.0, scale.seconds / 6)
    with _producing(run, workload.usual(run.seed, scale.events), scale.seconds) as is_over:
        while not is_over():
            begun = time.monotonic()
            run.chances.choice(faults)()
            time.sleep(max(0.0, every_s - (time.monotonic() - begun)))


# --- What they are made of -------------------------------------------------------------------------------------------


def _die_in_rows(run: Run, scale: Scale, rows: Sequence[Sequence[Death]], *, keeps_journal: bool) -> None:
    """Have an owner die of every death in turn; after each row it gets through everything before the next begins."""
    run.hire(run.site.worker("front", ("intake", "alerts")))
    spec = msgspec.structs.replace(run.site.spec("owner", ("journeys",)), keeps_journal=keeps_journal)
    upcoming = chain.from_iterable((*row, None) for row in rows)

    def next_life() -> WorkerSpec:
        return msgspec.structs.replace(spec, death=next(upcoming, None), slice=100)

    owner = run.site.worker_of("owner", spec.agents, next_life)
    run.hire(owner)
    lives = 1
    # Mixed, so that people with several identities, without whom some steps never come, are in every part.
    touchpoints = workload.shuffled(workload.usual(run.seed, scale.events), run.seed)
    parts = iter(workload.parts_of(touchpoints, sum(map(len, rows))))
    for row in rows:
        if lives > 1:
            owner.wait_until_ready()
            owner.terminate()
            owner.start()
            lives += 1
        for death in row:
            lives += 1
            run.produce(next(parts))
            try:
                wait_until(lambda lives=lives: owner.starts >= lives, seconds=_DIES_WITHIN_S)  # type: ignore[misc]
                run.note(f"died {death}")
            except AssertionError:
                run.note(f"never came to {death}; killed")
                owner.kill()
                wait_until(lambda lives=lives: owner.starts >= lives, seconds=_DIES_WITHIN_S)  # type: ignore[misc]
        if keeps_journal:
            run.wait_until_done()
            suspicions = owner.log.read_text(errors="replace").count('"worker_died_here"')
            run.note(f"got through; lives began with a suspect partition {suspicions} times so far")


def _staff(run: Run) -> list[Worker]:
    """The workers of `journeys up`: one for the pipeline, one for alerts. Returns when both are ready."""
    workers = [
        run.hire(run.site.worker("worker", ("intake", "journeys"))),
        run.hire(run.site.worker("alerts", ("alerts",))),
    ]
    for worker in workers:
        worker.wait_until_ready()
    run.note("workers ready")
    return workers


@contextmanager
def _producing(run: Run, touchpoints: Sequence[Touchpoint], seconds: float) -> Iterator[Callable[[], bool]]:
    """Send touchpoints meanwhile, evenly over so many seconds; yields what tells whether that time is over.

    Leaving waits until all of them are sent, with all servers there.
    """
    parts = workload.parts_of(touchpoints, max(1, round(seconds * 2)))
    ends = time.monotonic() + seconds
    failures: list[BaseException] = []

    def send() -> None:
        begun = time.monotonic()
        try:
            for number, part in enumerate(parts):
                time.sleep(max(0.0, begun + number * seconds / len(parts) - time.monotonic()))
                run.produce(part)
            run.note("all is sent")
        except BaseException as error:  # noqa: BLE001 - raised again below, in the experiment's thread
            failures.append(error)

    thread = threading.Thread(target=send, name="producer", daemon=True)
    thread.start()
    try:
        yield lambda: time.monotonic() > ends
    finally:
        run.site.broker.resume()
        run.site.clickhouse.resume()
        thread.join(180)
    if failures:
        raise failures[0]
    assert not thread.is_alive(), "the producer hangs"


def _in_parts(run: Run, touchpoints: Sequence[Touchpoint]) -> None:
    _staff(run)
    run.pass_time()
    for part in workload.parts_of(touchpoints, 6):
        run.produce(part)
        # Each part is judged and published before the next one corrects it.
        run.wait_until_done()


def _kill(run: Run, worker: Worker) -> None:
    run.note(f"SIGKILL {worker.name}")
    run.cuts += "alerts" in worker.agents
    worker.kill()


def _kill_clickhouse(run: Run) -> None:
    run.note("SIGKILL clickhouse")
    run.site.clickhouse.kill()
    time.sleep(run.chances.uniform(0, 4))
    run.site.clickhouse.start()
    run.note("clickhouse is back")


def _kill_broker(run: Run) -> None:
    run.note("SIGKILL broker")
    run.site.broker.kill()
    time.sleep(run.chances.uniform(0, 4))
    run.site.broker.start()
    run.note("the broker is back")


def _pause(run: Run, name: str, seconds: float) -> None:
    server = {"broker": run.site.broker, "clickhouse": run.site.clickhouse}[name]
    run.note(f"SIGSTOP {name} for {seconds:.1f} s")
    server.pause()
    time.sleep(seconds)
    server.resume()


def _pause_worker(run: Run, worker: Worker, seconds: float) -> None:
    run.note(f"SIGSTOP {worker.name} for {seconds:.1f} s")
    worker.pause()
    time.sleep(seconds)
    worker.resume()


def _leave_and_join(run: Run, worker: Worker) -> None:
    worker.wait_until_ready()
    ended = worker.terminate()
    run.note(f"{worker.name} left with {ended.code} after {ended.seconds} s, and joins again")
    worker.start()


def _silence_desk(run: Run, seconds: float) -> None:
    run.note(f"the alert endpoint answers 500 for {seconds:.1f} s")
    run.site.desk.answer_always(Answer(status=500))
    time.sleep(seconds)
    run.site.desk.answer_always(_OK)


def _named_worker(run: Run, name: str) -> Worker:
    """A worker with static membership, and time to come back."""
    spec = msgspec.structs.replace(
        run.site.spec(name, ("intake", "journeys")), instance_id=name, session_timeout_s=_COMES_BACK_WITHIN_S
    )
    return run.site.worker_of(name, spec.agents, lambda: spec)


def _restart(run: Run, worker: Worker, workers: Sequence[Worker]) -> None:
    """Restart a worker by SIGTERM, and note whether the others were given partitions anew meanwhile."""
    others = [one for one in workers if one is not worker]
    before, begun = len(_assignments(others)), time.monotonic()
    ended = worker.terminate()
    worker.start()
    worker.wait_until_ready()
    wait_until(lambda: _have_everything(run, workers), seconds=_COMES_BACK_WITHIN_S + _DIES_WITHIN_S)
    moved = len(_assignments(others)) - before
    run.note(
        f"{worker.name} restarted: stopped with {ended.code} after {ended.seconds} s, back after"
        f" {time.monotonic() - begun:.0f} s; partitions of the others {f'moved ({moved}x)' if moved else 'stayed'}"
    )


def _have_everything(run: Run, workers: Iterable[Worker]) -> bool:
    """Whether what these workers were given last is all partitions of all their groups."""
    last = {(worker, agent): partitions for worker, agent, partitions in _assignments(workers)}
    given = {(agent, partition) for (_, agent), partitions in last.items() for partition in partitions}
    keyed = {(agent, number) for agent in ("intake", "journeys") for number in range(run.settings.partitions)}
    return given == keyed | {("dead-letters", 0)}


def _assignments(workers: Iterable[Worker]) -> list[tuple[str, str, tuple[int, ...]]]:
    """Worker, agent and partitions, each time they were given: whoever keeps what it has is not given it again."""
    return [
        (worker.name, said["agent"], tuple(said["partitions"]))
        for worker in workers
        for line in worker.log.read_text(errors="replace").splitlines()
        if '"partitions_assigned"' in line and (said := json.loads(line))
    ]


def _set_back(run: Run, workers: Sequence[Worker], to: Callable[[int], int]) -> None:
    """Stop the workers, set the offsets of intake and journeys to what `to` says of the present ones, go on."""
    for worker in workers:
        worker.wait_until_ready()
        worker.terminate()

    def change() -> None:
        committed = run.observer.committed()
        for topic, agent in ((TOUCHPOINTS, "intake"), (KEYED, "journeys")):
            offsets = {partition: to(offset) for partition, offset in committed[topic].items()}
            run.site.set_offsets(f"{run.application}-{agent}", topic, offsets)
            run.note(f"{agent} set back from {committed[topic]} to {offsets}")

    run.observer.offsets_changed_by_hand(("intake", "journeys"), change)
    for worker in workers:
        worker.start()
