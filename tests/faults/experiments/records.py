"""The log is strange: it is read again, comes in another order, holds what is no record or was written otherwise."""

import time
from collections.abc import Callable, Sequence

from streams.topics import KEYED, TOUCHPOINTS
from tests.faults import acts, contracts, workload
from tests.faults.experiment import Scale, experiment
from tests.faults.processes import Worker, at_once
from tests.faults.run import Run


@experiment("ranges of the raw and of the keyed topic are read again, and sent again")
def ranges_again(run: Run, scale: Scale) -> None:
    workers = acts.staff(run)
    touchpoints = workload.usual(run.seed, scale.events)
    run.produce(touchpoints)
    run.wait_until_done()
    start = run.chances.randrange(len(touchpoints) // 2)
    run.produce(touchpoints[start : start + len(touchpoints) // 4])
    _set_back(run, workers, lambda offset: run.chances.randrange(offset + 1))
    run.note("a quarter of the touchpoints sent again")


@experiment("all groups read the whole log again")
def group_reset(run: Run, scale: Scale) -> None:
    workers = acts.staff(run)
    run.produce(workload.usual(run.seed, scale.events))
    run.wait_until_done()
    _set_back(run, workers, lambda _: 0)


@experiment("one partition comes when all others are through")
def partition_held_back(run: Run, scale: Scale) -> None:
    acts.staff(run)
    touchpoints = workload.usual(run.seed, scale.events)
    held = run.chances.randrange(run.settings.partitions)
    run.produce(one for one in touchpoints if run.ledger.partition_of(one) != held)
    run.pass_time()
    run.wait_until_done()
    run.note(f"partition {held} follows")
    run.produce(one for one in touchpoints if run.ledger.partition_of(one) == held)


@experiment("in an order that makes no sense, after time has passed")
def shuffled(run: Run, scale: Scale) -> None:
    acts.in_parts(run, workload.shuffled(workload.usual(run.seed, scale.events), run.seed))


@experiment("the last one first")
def reversed_order(run: Run, scale: Scale) -> None:
    acts.in_parts(run, workload.usual(run.seed, scale.events)[::-1])


@experiment("records that are none between good ones, while the worker dies")
def poison(run: Run, scale: Scale) -> None:
    workers = acts.staff(run)
    for part in workload.parts_of(workload.usual(run.seed, scale.events), 4):
        run.produce(part)
        bad = workload.poison()
        run.chances.shuffle(bad)
        for number, value in enumerate(bad):
            run.ledger.produce_poison([value], number % run.settings.partitions)
        acts.kill(run, workers[0])
        time.sleep(run.chances.uniform(0, 3))


@experiment("nine of ten touchpoints are of one person")
def hot_key(run: Run, scale: Scale) -> None:
    acts.staff(run)
    many = workload.hot_person(run.seed, scale.events * 9 // 10)
    others = workload.company(run.seed, scale.events // 100, scale.events // 10)
    for part in workload.parts_of(sorted(many + others, key=lambda one: one.occurred_at), 8):
        run.produce(part)
    run.wait_until_done()


@experiment("clocks of producers are hours off, while workers die")
def clock_skew(run: Run, scale: Scale) -> None:
    workers = acts.staff(run)
    touchpoints = workload.with_wrong_clocks(run.chances, workload.usual(run.seed, scale.events))
    acts.again_and_again(run, scale, (1, 6), lambda: acts.kill(run, run.chances.choice(workers)), touchpoints)


@experiment("producers write with the contract of yesterday, of today and of tomorrow, while workers die")
def schemas_mixed(run: Run, scale: Scale) -> None:
    contracts.know_other_times()
    run.ledger.encode = contracts.in_turn()
    workers = acts.staff(run, knows_other_contracts=True)
    acts.again_and_again(run, scale, (1, 6), lambda: acts.kill(run, run.chances.choice(workers)))


def _set_back(run: Run, workers: Sequence[Worker], to: Callable[[int], int]) -> None:
    """Stop the workers, set the offsets of intake and journeys to what `to` says of the present ones, go on."""
    at_once(*(worker.terminate_when_ready for worker in workers))

    def change() -> None:
        committed = run.observer.committed()
        for topic in (TOUCHPOINTS, KEYED):
            agent = run.observer.agents[topic]
            offsets = {partition: to(offset) for partition, offset in committed[topic].items()}
            run.site.set_offsets(f"{run.application}-{agent}", topic, offsets)
            run.note(f"{agent} set back in {topic} from {committed[topic]} to {offsets}")

    run.observer.offsets_changed_by_hand((TOUCHPOINTS, KEYED), change)
    for worker in workers:
        worker.start()
