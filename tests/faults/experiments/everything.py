"""All kinds of faults, one after the other or all at once."""

import time
from collections.abc import Callable

from tests.faults import acts, workload
from tests.faults.experiment import Scale, experiment
from tests.faults.processes import Worker
from tests.faults.run import Run

#: Touchpoints and persons in the memory of each worker: so few that it is full when a process is warm.
_REMEMBERS, _KNOWS = 1_000, 500


@experiment("a fault at random every minute, or six in all where there is less time")
def soak(run: Run, scale: Scale) -> None:
    workers = acts.staff(run, "worker", "second", max_touchpoints=_REMEMBERS, max_persons=_KNOWS)
    run.note(f"each worker remembers {_REMEMBERS} touchpoints and {_KNOWS} persons at most")
    first, second, _ = workers
    faults: list[Callable[[], None]] = [
        lambda: acts.kill(run, run.chances.choice(workers)),
        lambda: acts.kill_clickhouse(run),
        lambda: acts.pause(run, "clickhouse", run.chances.uniform(2, 20)),
        lambda: acts.pause(run, "broker", run.chances.uniform(2, 12)),
        lambda: acts.pause_worker(run, run.chances.choice([first, second]), run.chances.uniform(2, 12)),
        lambda: acts.silence_desk(run, run.chances.uniform(2, 10)),
        lambda: acts.stop_and_start(run, second),
    ]
    if run.site.kind == "kafka":
        faults.append(lambda: acts.kill_broker(run))
    every_s = min(60.0, scale.seconds / 6)
    with acts.producing(run, workload.usual(run.seed, scale.events), scale.seconds) as is_over:
        while not is_over():
            begun = time.monotonic()
            run.chances.choice(faults)()
            time.sleep(max(0.0, every_s - (time.monotonic() - begun)))


@experiment("no fault, and an even load all the time: whether memory stays flat")
def steady(run: Run, scale: Scale) -> None:
    acts.staff(run, max_touchpoints=_REMEMBERS, max_persons=_KNOWS)
    run.note(f"the worker remembers {_REMEMBERS} touchpoints and {_KNOWS} persons at most; customers come and go")
    # Who stays has a story that gets longer, and whoever is in a flush is in memory with all of it, whatever the caps.
    customers = workload.customers_who_come_and_go(run.seed, scale.events)
    with acts.producing(run, customers, scale.seconds) as is_over:
        while not is_over():
            time.sleep(1.0)


@experiment("SIGKILL of everything at once: workers, ClickHouse and the broker")
def all_killed(run: Run, scale: Scale) -> None:
    workers = acts.staff(run)
    if run.site.kind == "kafka":
        acts.again_and_again(run, scale, (scale.seconds / 6, scale.seconds / 3), lambda: _kill_all(run, workers))
        return
    # Its log is in memory. What was committed has to be there all the same; producers send everything once more.
    touchpoints = workload.usual(run.seed, scale.events)
    for part in workload.parts_of(touchpoints, 2):
        first, rest = workload.parts_of(part, 2)
        run.produce(first)
        run.wait_until_done()
        run.produce(rest)
        time.sleep(run.chances.uniform(0, 3))
        _kill_all_with_the_log(run, workers)
    run.produce(touchpoints)


def _kill_all(run: Run, workers: list[Worker]) -> None:
    run.note("SIGKILL of everything")
    for worker in workers:
        acts.kill(run, worker)
    run.site.clickhouse.kill()
    run.site.broker.kill()
    time.sleep(run.chances.uniform(0, 4))
    run.site.broker.start()
    run.site.clickhouse.start()
    run.note("broker and clickhouse are back")


def _kill_all_with_the_log(run: Run, workers: list[Worker]) -> None:
    def kill() -> None:
        run.note("SIGKILL of everything, the broker last, which is asked what was committed")
        run.site.clickhouse.kill()
        for worker in workers:
            # Nobody starts them before there are topics: the broker would make those that they ask for.
            worker.is_wanted = False
            acts.kill(run, worker)
        committed = run.observer.committed_names()
        accepted = run.ledger.forget_log()
        run.site.broker.kill()
        run.site.broker.start()
        run.site.make_topics()
        run.site.clickhouse.start()
        run.ledger.connect()
        for worker in workers:
            worker.look()
            worker.start()
        there = run.tables.present(accepted)
        run.observer.found_again(committed, there)
        run.untellable |= run.tables.versions("friction").keys()
        run.note(
            f"{len(accepted)} touchpoints were accepted: {len(committed)} were committed, {len(committed - there)} of"
            f" them are gone; of the others {len(accepted - committed - there)} are gone"
        )

    run.observer.while_the_log_is_lost(kill)
