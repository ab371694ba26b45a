"""What experiments are made of: workers that are hired, a load that goes on meanwhile, one fault at a time."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from schemas.touchpoint import Touchpoint
from tests.faults import workload
from tests.faults.experiment import Scale
from tests.faults.processes import Worker
from tests.faults.run import Run
from tests.support.chat_endpoint import Answer

OK = Answer()


# --- Workers and load ------------------------------------------------------------------------------------------------


def staff(run: Run, *names: str, **changes: Any) -> list[Worker]:
    """Workers for the pipeline, one if none is named, and one for alerts; `changes` go into what each is told.

    That is the staff of `journeys up`. Returns when all are ready, the one for alerts last.
    """
    agents = dict.fromkeys(names or ("worker",), ("intake", "journeys")) | {"alerts": ("alerts",)}
    workers = [run.hire(run.site.worker(name, its_own, **changes)) for name, its_own in agents.items()]
    for worker in workers:
        worker.wait_until_ready()
    run.note("workers ready")
    return workers


@contextmanager
def producing(run: Run, touchpoints: Sequence[Touchpoint], seconds: float) -> Iterator[Callable[[], bool]]:
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
    thread.join(180 + seconds)
    if failures:
        raise failures[0]
    assert not thread.is_alive(), "the producer hangs"


def again_and_again(
    run: Run,
    scale: Scale,
    pause_s: tuple[float, float],
    fault: Callable[[], object],
    touchpoints: Sequence[Touchpoint] = (),
) -> None:
    """Send touchpoints, the usual ones if none are given, and let the fault happen after pauses until time is over."""
    with producing(run, touchpoints or workload.usual(run.seed, scale.events), scale.seconds) as is_over:
        while not is_over():
            time.sleep(run.chances.uniform(*pause_s))
            fault()


def in_parts(run: Run, touchpoints: Sequence[Touchpoint]) -> None:
    """Send touchpoints after time has passed; each part is judged and published before the next one corrects it."""
    staff(run)
    run.pass_time()
    for part in workload.parts_of(touchpoints, 6):
        run.produce(part)
        run.wait_until_done()


# --- Faults ----------------------------------------------------------------------------------------------------------


def kill(run: Run, worker: Worker) -> None:
    """SIGKILL a worker; its supervisor starts it again."""
    run.note(f"SIGKILL {worker.name}")
    run.cuts += "alerts" in worker.agents
    worker.kill()


def kill_clickhouse(run: Run) -> None:
    """SIGKILL ClickHouse, and start it again a moment later."""
    run.note("SIGKILL clickhouse")
    run.site.clickhouse.kill()
    time.sleep(run.chances.uniform(0, 4))
    run.site.clickhouse.start()
    run.note("clickhouse is back")


def kill_broker(run: Run) -> None:
    """SIGKILL the broker, and start it again a moment later."""
    run.note("SIGKILL broker")
    run.site.broker.kill()
    time.sleep(run.chances.uniform(0, 4))
    run.site.broker.start()
    run.note("the broker is back")


def pause(run: Run, name: str, seconds: float) -> None:
    """SIGSTOP the broker or ClickHouse for so long."""
    server = {"broker": run.site.broker, "clickhouse": run.site.clickhouse}[name]
    run.note(f"SIGSTOP {name} for {seconds:.1f} s")
    server.pause()
    time.sleep(seconds)
    server.resume()


def pause_worker(run: Run, worker: Worker, seconds: float) -> None:
    """SIGSTOP a worker for so long."""
    run.note(f"SIGSTOP {worker.name} for {seconds:.1f} s")
    worker.pause()
    time.sleep(seconds)
    worker.resume()


def stop_and_start(run: Run, worker: Worker) -> None:
    """SIGTERM a worker, and start it again."""
    ended = worker.terminate_when_ready()
    run.note(f"{worker.name} stopped with {ended.code} after {ended.seconds} s")
    worker.start()


def silence_desk(run: Run, seconds: float) -> None:
    """Let the endpoint of the alerts fail for so long."""
    run.note(f"the alert endpoint answers 500 for {seconds:.1f} s")
    run.site.desk.answer_always(Answer(status=500))
    time.sleep(seconds)
    run.site.desk.answer_always(OK)
