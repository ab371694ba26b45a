"""The watchdog of real workers whose ClickHouse or broker is away for longer than its limits: they are let alone."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.deadline import wait_until
from tests.support.generated import generated
from tests.support.running_stack import running_stack

pytestmark = [pytest.mark.stack, pytest.mark.long]

LIMITS = {"JOURNEYS_WATCHDOG__STANDSTILL_S": "2"}
OUTAGE_S = 15.0


@pytest.mark.timeout(900)
def test_workers_whose_clickhouse_or_broker_is_away_wait_and_finish_without_dying(tmp_path: Path) -> None:
    truth = generated(tmp_path, events=2000)
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines(keepends=True)
    with running_stack(tmp_path, environment=LIMITS) as stack:
        before = {name: stack.process(name)["pid"] for name in ("worker", "alerts")}
        log = stack.data_dir / "logs" / "worker.log"

        stack.kill("clickhouse")
        stack.produce(b"".join(lines[:1000]))
        wait_until(lambda: '"waiting"' in log.read_text(), seconds=240)
        # Pauses between attempts double from 0.2 s: in an outage of this length two are longer than the limit.
        time.sleep(OUTAGE_S)
        stack.up()
        stack.wait()

        broker = stack.process("broker")["pid"]
        os.kill(broker, signal.SIGSTOP)
        try:
            asked = log.read_text().count('"watchdog_does_not_know"')
            wait_until(lambda: log.read_text().count('"watchdog_does_not_know"') >= asked + 2, seconds=240)
        finally:
            os.kill(broker, signal.SIGCONT)
        stack.produce(b"".join(lines[1000:]))
        stack.wait()

        assert {name: stack.process(name)["pid"] for name in before} == before
        assert "All stacks follow" not in log.read_text()
        assert stack.counts()["touchpoints"] == truth["totals"]["touchpoints"]
