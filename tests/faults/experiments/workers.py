"""Workers die, stop, come and go."""

import json
import time
from collections.abc import Iterable, Sequence
from itertools import chain, cycle
from typing import Final

import msgspec

from streams.topics import KEYED
from streams.trials import DEATHS
from tests.faults import acts, workload
from tests.faults.commits import Commits
from tests.faults.experiment import Scale, experiment
from tests.faults.processes import Worker
from tests.faults.run import Run
from tests.faults.spec import STEPS, Death, WorkerSpec
from tests.support.deadline import wait_until
from tests.support.faults import Moment

_DIES_WITHIN_S: Final = 40.0
#: Session of workers with names: the slowest start that was seen on a crowded machine.
_COMES_BACK_WITHIN_S: Final = 60.0
#: Touchpoints in the memory of each worker while many die.
_REMEMBERS: Final = 50_000


@experiment("no fault at all: what the others are compared with")
def healthy(run: Run, scale: Scale) -> None:
    acts.staff(run)
    run.produce(workload.usual(run.seed, scale.events))
    run.wait_until_done()


@experiment("SIGKILL of the journeys worker before, in the middle of and after every step of a flush")
def kill_at_each_step(run: Run, scale: Scale) -> None:
    # A seed that takes only some of them takes other moments than the next.
    deaths = [
        Death(step, list(Moment)[(number + run.seed + turn) % len(Moment)])
        for turn in range(len(Moment))
        for number, step in enumerate(STEPS)
    ][: scale.deaths]
    # Without a journal: it would find what these deaths have in common, a record that none of them is the fault of.
    _die_in_rows(run, scale, [deaths], keeps_journal=False)


@experiment("four quick deaths in a row, one short of a dead letter, and then a life that gets through")
def killed_in_a_row(run: Run, scale: Scale) -> None:
    rows = [
        [Death(run.chances.choice(STEPS), run.chances.choice(list(Moment))) for _ in range(DEATHS - 1)]
        for _ in range(max(1, min(scale.deaths // DEATHS, 3)))
    ]
    _die_in_rows(run, scale, rows, keeps_journal=True)


@experiment("SIGKILL of intake, journeys and alerts workers at random")
def kill_at_random(run: Run, scale: Scale) -> None:
    workers = acts.staff(run)
    acts.again_and_again(run, scale, (1, 6), lambda: acts.kill(run, run.chances.choice(workers)))


@experiment("one of three workers dies, at every step of a flush in turn, every third time anywhere")
def many_deaths(run: Run, scale: Scale) -> None:
    *workers, _ = acts.staff(run, "worker-0", "worker-1", "worker-2", max_touchpoints=_REMEMBERS)
    run.note(f"each worker remembers {_REMEMBERS} touchpoints at most")
    steps = [Death(step, moment) for step in STEPS for moment in Moment]
    run.chances.shuffle(steps)
    deaths = cycle(chain.from_iterable((one, other, None) for one, other in zip(steps[::2], steps[1::2], strict=False)))
    every_s = scale.seconds / (scale.deaths * 3 / 2)
    died: list[tuple[float, list[int]]] = []

    def die() -> None:
        # Five deaths over one place are held against the record that lies there: each has to be overcome first.
        if died and commits.recovery_s(*died[-1]) is None:
            return
        wait_until(lambda: any(worker.is_ready for worker in workers), seconds=_COMES_BACK_WITHIN_S)
        victim = run.chances.choice([worker for worker in workers if worker.is_ready] or workers)
        _die_of(run, victim, next(deaths))
        if partitions := _partitions_of(victim):
            died.append((time.monotonic(), partitions))

    with Commits(run.site.bootstrap, f"{run.application}-journeys", KEYED) as commits:
        acts.again_and_again(run, scale, (every_s / 4, every_s), die)
        run.wait_until_done()
    run.recoveries_s = [commits.recovery_s(*death) for death in died]


@experiment("three workers join, leave and die")
def rebalance_storm(run: Run, scale: Scale) -> None:
    *workers, _ = acts.staff(run, "worker-0", "worker-1", "worker-2")

    def change() -> None:
        worker = run.chances.choice(workers)
        if not worker.is_wanted:
            run.note(f"{worker.name} joins")
            worker.start()
            return
        # One that is no member yet neither leaves the group nor is missed in it.
        worker.wait_until_ready()
        if run.chances.random() < 0.5:
            acts.kill(run, worker)
        else:
            run.note(f"{worker.name} leaves")
            worker.terminate()

    acts.again_and_again(run, scale, (1, 5), change)
    for worker in workers:
        if not worker.is_wanted:
            worker.start()


@experiment("SIGTERM of workers under load")
def sigterm_under_load(run: Run, scale: Scale) -> None:
    workers = acts.staff(run)
    acts.again_and_again(run, scale, (2, 6), lambda: acts.stop_and_start(run, run.chances.choice(workers)))


@experiment("workers with names of their own are restarted in turn, one joins, one goes for good", ("kafka",))
def rolling_restart(run: Run, scale: Scale) -> None:
    run.hire(run.site.worker("alerts", ("alerts",)))
    workers = [run.hire(_named_worker(run, f"worker-{number}")) for number in range(2)]
    for worker in run.workers:
        worker.wait_until_ready()
    run.note("workers ready")
    with acts.producing(run, workload.usual(run.seed, scale.events), scale.seconds) as is_over:
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


# --- What they are made of -------------------------------------------------------------------------------------------


def _die_of(run: Run, victim: Worker, death: Death | None) -> None:
    """Have a worker die at a step, or at once; returns when it is dead, and the supervisor knows."""
    lives = victim.starts
    if death is not None:
        victim.order(death)
        try:
            wait_until(lambda: victim.starts > lives, seconds=_DIES_WITHIN_S)
            run.note(f"{victim.name} died {death}")
        except AssertionError:
            run.note(f"{victim.name} never came to {death}")
        else:
            return
    acts.kill(run, victim)
    wait_until(lambda: victim.starts > lives, seconds=_DIES_WITHIN_S)


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
            acts.stop_and_start(run, owner)
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


def _named_worker(run: Run, name: str) -> Worker:
    """A worker with static membership, and time to come back."""
    return run.site.worker(name, ("intake", "journeys"), instance_id=name, session_timeout_s=_COMES_BACK_WITHIN_S)


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
    agents = ("journeys",) if run.settings.fused else ("intake", "journeys")
    keyed = {(agent, number) for agent in agents for number in range(run.settings.partitions)}
    return given == keyed | {("dead-letters", 0)}


def _partitions_of(worker: Worker) -> list[int]:
    """Partitions that the journeys agent of this worker was given last."""
    given = [partitions for _, agent, partitions in _assignments([worker]) if agent == "journeys"]
    return list(given[-1]) if given else []


def _assignments(workers: Iterable[Worker]) -> list[tuple[str, str, tuple[int, ...]]]:
    """Worker, agent and partitions, each time they were given: whoever keeps what it has is not given it again."""
    return [
        (worker.name, said["agent"], tuple(said["partitions"]))
        for worker in workers
        for line in worker.log.read_text(errors="replace").splitlines()
        if '"partitions_assigned"' in line and (said := json.loads(line))
    ]
