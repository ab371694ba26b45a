"""People who are not told, and people who ask to be forgotten."""

import time
from typing import Final

from tests.faults import acts, workload
from tests.faults.experiment import Scale, experiment
from tests.faults.run import Run
from tests.support.chat_endpoint import Answer

_NO_ANSWERS: Final = {
    "429": Answer(status=429, headers={"Retry-After": "1"}),
    "500": Answer(status=500),
    # Who hangs and is then closed still answers: not with 200, which would be a delivery.
    "no answer at all": Answer(status=500, hangs=True),
}


@experiment("the endpoint of the alerts answers 429, 500, not at all, or is gone")
def alerts_refused(run: Run, scale: Scale) -> None:
    acts.staff(run)
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
    run.site.desk.answer_always(acts.OK)


@experiment("people ask to be forgotten, while workers die")
def forgotten(run: Run, scale: Scale) -> None:
    workers = acts.staff(run, "worker", "second")
    touchpoints, leaving = workload.with_requests(run.chances, workload.usual(run.seed, scale.events), people=30)
    run.observer.is_excused = leaving
    run.note(f"30 people ask to be forgotten, of whom {len(leaving)} touchpoints tell")
    acts.again_and_again(run, scale, (1, 6), lambda: acts.kill(run, run.chances.choice(workers)), touchpoints)
