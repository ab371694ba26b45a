"""SIGKILL of the alerts worker at every step: nothing is lost, and only one step can tell a team twice."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka import KafkaProducer

from schemas.alerts import encode_intent
from streams import alert_sending, alerts_agent
from streams.topics import OUTBOX
from tests.support.alert_intents import an_intent
from tests.support.chat_endpoint import chat_endpoint_in_thread
from tests.support.deadline import wait_until
from tests.support.processes import REPOSITORY, stopped
from tests.support.running_stack import Stack, running_stack

pytestmark = [pytest.mark.stack, pytest.mark.long, pytest.mark.timeout(900)]

ROUTING = """
channels:
  desk: {type: webhook, url_env: DESK_URL, secret_env: DESK_SECRET}
routes:
  - channels: [desk]
group_by: ['...']
group_wait: 0s
minimum: false
digest: false
limit: false
"""
STEPS = (*alerts_agent.STEPS, *alert_sending.STEPS)


@contextmanager
def alerts_worker(stack: Stack, step: str, log: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.support.fragile_alerts", str(stack.data_dir), step]
    with (
        log.open("w") as out,
        subprocess.Popen(
            command, cwd=REPOSITORY, env=stack.environment, stdout=out, stderr=subprocess.STDOUT, text=True
        ) as process,
        stopped(process),
    ):
        yield process


def test_sigkill_at_every_step_loses_nothing_and_tells_twice_only_what_was_sent_and_not_noted(tmp_path: Path) -> None:
    routing = tmp_path / "alerts.yaml"
    routing.write_text(ROUTING)
    with chat_endpoint_in_thread() as desk:
        environment = {
            "JOURNEYS_ALERT_ROUTING": str(routing), "DESK_URL": desk.url(), "DESK_SECRET": "whsec_" + "A" * 32,
        }  # fmt: skip
        with running_stack(tmp_path, environment=environment) as stack:
            os.kill(stack.process("alerts")["pid"], signal.SIGTERM)
            wait_until(lambda: stack.process("alerts")["state"] == "stopped", seconds=60)
            producer = KafkaProducer(bootstrap_servers=stack.status()["kafka"], acks="all")
            for step in STEPS:
                producer.send(OUTBOX, encode_intent(an_intent(friction_id=step, person_key=step)), partition=0)
                producer.flush(30)
                with alerts_worker(stack, step, tmp_path / f"{step}.log") as mortal:
                    assert mortal.wait(90) == -signal.SIGKILL, step
            producer.close()
            with alerts_worker(stack, "none", tmp_path / "last.log") as survivor:
                told = "SELECT count() FROM v_alerts WHERE state = 'delivered'"
                wait_until(lambda: int(stack.value(told)) == len(STEPS), seconds=120)
                survivor.send_signal(signal.SIGTERM)
                assert survivor.wait(60) == 0
        requests = Counter(request.json["data"]["subjects"][0]["friction_id"] for request in desk.received)
        ids = {request.headers["webhook-id"] for request in desk.received}
        assert set(requests) == set(STEPS)
        assert len(ids) == len(STEPS), "a message keeps its id"
        assert requests.total() == len(STEPS) + 1, "the death after sending and before the note is the only cut"
