"""A worker on Apache Kafka that sleeps past its session with a flush in flight, and wakes after others went on."""

import os
import signal
from pathlib import Path

import pytest

from streams.settings import KafkaSettings
from tests.support.apache_kafka import running_kafka
from tests.support.deadline import wait_until
from tests.support.generated import generated, of_planted_rules
from tests.support.holding_proxy import holding_proxy
from tests.support.offset_observer import observed_offsets
from tests.support.running_stack import running_stack

pytestmark = [pytest.mark.stack, pytest.mark.kafka, pytest.mark.long]

GROUPS = ("journeys-intake", "journeys-journeys", "journeys-dead-letters")


@pytest.mark.timeout(900)
def test_what_a_sleeper_flushes_after_it_was_replaced_changes_nothing_and_sets_no_offset_back(tmp_path: Path) -> None:
    truth = generated(tmp_path, events=2000, seed=5)
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines(keepends=True)
    environment = {"JOURNEYS_KAFKA__SESSION_TIMEOUT_S": "6"}
    with (
        running_kafka(tmp_path) as port,
        running_stack(tmp_path, "--kafka", f"127.0.0.1:{port}", environment=environment) as stack,
        holding_proxy(int(stack.process("clickhouse")["address"].rpartition(":")[2])) as proxy,
        observed_offsets(KafkaSettings(bootstrap=f"127.0.0.1:{port}"), GROUPS) as observer,
    ):
        stack.kill("worker")
        ready = tmp_path / "ready"
        way = ("--agents", "intake,journeys", "--clickhouse", f"127.0.0.1:{proxy.port}", "--ready-file", str(ready))
        with stack.foreground("worker", *way) as sleeper:
            wait_until(ready.exists, seconds=90)
            proxy.hold(b"INSERT INTO `journeys`")
            stack.produce(b"".join(lines[:1500]))
            assert proxy.is_holding.wait(120)
            sleeper.send_signal(signal.SIGSTOP)
            try:
                proxy.release()
                # The next worker gets the partitions when the sleeper's session is over.
                stack.up()
                stack.wait()
                # One that goes leaves an empty group: the broker now takes offsets from anybody who has no name.
                replacement = stack.process("worker")["pid"]
                os.kill(replacement, signal.SIGTERM)
                wait_until(lambda: stack.process("worker")["state"] == "stopped", seconds=60)
            finally:
                sleeper.send_signal(signal.SIGCONT)
            stack.produce(b"".join(lines[1500:]))
            stack.wait()
            assert sleeper.poll() is None
        assert int(stack.value("SELECT count() FROM v_touchpoints")) == truth["totals"]["touchpoints"]
        rows = of_planted_rules(stack.query("SELECT rule_id, variant FROM v_frictions"), truth)
        found = sorted((row["rule_id"], row["variant"]) for row in rows)
        assert found == sorted((friction["rule_id"], friction["variant"]) for friction in truth["frictions"])
        assert observer.set_back() == {}
        assert {group for group, _, _ in observer.seen} >= {"journeys-intake", "journeys-journeys"}
