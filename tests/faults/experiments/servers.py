"""ClickHouse and the broker die, stand still, hang up, have no room."""

import time

from sinks.clickhouse.tables import CHECKPOINTS, FACTS, TOUCHPOINTS
from tests.faults import acts, workload
from tests.faults.experiment import Scale, experiment
from tests.faults.run import Run
from tests.support.faulty_proxy import CutAnswer

_WRITTEN = [table.name for table in (TOUCHPOINTS, CHECKPOINTS, *(table for table, _ in FACTS.values()))]


@experiment("SIGKILL of ClickHouse while it is written to")
def clickhouse_killed(run: Run, scale: Scale) -> None:
    acts.staff(run)
    acts.again_and_again(run, scale, (2, 7), lambda: acts.kill_clickhouse(run))


@experiment("SIGSTOP of ClickHouse: connections stay open, nobody answers")
def clickhouse_paused(run: Run, scale: Scale) -> None:
    acts.staff(run)
    acts.again_and_again(run, scale, (1, 4), lambda: acts.pause(run, "clickhouse", run.chances.uniform(2, 15)))


@experiment("connections to ClickHouse are reset between the last block and the answer")
def answers_cut(run: Run, scale: Scale) -> None:
    acts.staff(run, clickhouse=f"127.0.0.1:{run.site.proxy.port}")

    def cut() -> None:
        run.site.proxy.order(CutAnswer(), on=f"INSERT INTO `{run.chances.choice(_WRITTEN)}`")

    acts.again_and_again(run, scale, (0.2, 1.5), cut)
    # What was ordered and has not come yet comes now.
    run.wait_until_done()
    for table in _WRITTEN:
        asked = run.site.proxy.asked(f"INSERT INTO `{table}`")
        run.note(
            f"{sum(one.fault is not None for one in asked)} of {len(asked)} inserts into {table} without an answer"
        )


@experiment("the disk of ClickHouse is full for a while: no file can grow")
def disk_full(run: Run, scale: Scale) -> None:
    acts.staff(run)

    def fill() -> None:
        seconds = run.chances.uniform(2, 10)
        run.note(f"no room on the disk for {seconds:.1f} s")
        run.site.clickhouse.limit_files(0)
        time.sleep(seconds)
        run.site.clickhouse.limit_files(None)

    acts.again_and_again(run, scale, (1, 6), fill)


@experiment("SIGKILL of the broker, and its start with the same log", ("kafka",))
def broker_restarted(run: Run, scale: Scale) -> None:
    acts.staff(run)
    acts.again_and_again(run, scale, (5, 15), lambda: acts.kill_broker(run))


@experiment("SIGSTOP of the broker for longer than a session")
def broker_paused(run: Run, scale: Scale) -> None:
    acts.staff(run)
    acts.again_and_again(run, scale, (3, 8), lambda: acts.pause(run, "broker", run.chances.uniform(2, 12)))


@experiment("every insert takes seconds")
def slow_sink(run: Run, scale: Scale) -> None:
    slow_s = min(20.0, scale.seconds / 30)
    run.hire(run.site.worker("front", ("intake", "alerts")))
    run.hire(run.site.worker("owner", ("journeys",), slow_s=slow_s))
    for part in workload.parts_of(workload.usual(run.seed, scale.events), 3):
        run.produce(part)
        time.sleep(run.chances.uniform(1, 3))
    run.note(f"{slow_s:g} s for each insert")
