"""The same on Apache Kafka itself, as `journeys up` runs it: found what was planted, whatever dies or is stopped."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from streams.lag import committed_offsets, end_offsets
from streams.settings import KafkaSettings
from streams.topics import DEAD, KEYED, TOUCHPOINTS, incarnations
from tests.support.apache_kafka import running_kafka, with_apache_kafka
from tests.support.deadline import wait_until
from tests.support.generated import generated, of_planted_rules
from tests.support.running_stack import FREE_PORTS, Stack, running_stack, without_versions

# A broker starts in 5 s of CPU time, and each test starts several.
pytestmark = [pytest.mark.stack, pytest.mark.kafka, pytest.mark.timeout(900)]

GROUPS = {TOUCHPOINTS: "journeys-intake", KEYED: "journeys-journeys", DEAD: "journeys-dead-letters"}
ENDS_WITHIN_S = 180


def log_of(address: str) -> dict[str, object]:
    """What must outlive a broker: which topics these are, where they end, and how far each group got."""
    kafka = KafkaSettings(bootstrap=address)
    return {
        "topics": incarnations(kafka),
        "ends": {topic: end_offsets(kafka, topic) for topic in GROUPS},
        "committed": {group: committed_offsets(kafka, group, topic) for topic, group in GROUPS.items()},
    }


def assert_found_what_was_planted(stack: Stack, truth: Mapping[str, Any]) -> None:
    assert stack.counts()["touchpoints"] == truth["totals"]["touchpoints"]
    rows = of_planted_rules(stack.query("SELECT rule_id, variant FROM v_frictions"), truth)
    found = sorted((row["rule_id"], row["variant"]) for row in rows)
    assert found == sorted((friction["rule_id"], friction["variant"]) for friction in truth["frictions"])


def test_on_apache_kafka_log_and_offsets_outlive_the_stack_and_a_killed_worker_changes_nothing(tmp_path: Path) -> None:
    truth = generated(tmp_path, events=6000, seed=4)
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines(keepends=True)
    first, second = b"".join(lines[:3000]), b"".join(lines[3000:])
    with running_stack(tmp_path, "--broker", "kafka", environment=with_apache_kafka()) as stack:
        stack.produce(first)
        stack.kill("worker")
        stack.up()
        stack.wait()
        # Nobody reads these before the stack goes down: they wait in the log.
        stack.kill("worker")
        stack.produce(second)
        before = log_of(stack.status()["kafka"])
        stack.run("down")

        with running_kafka(stack.data_dir / "kafka") as port:
            assert log_of(f"127.0.0.1:{port}") == before
        told = stack.up().stdout
        assert "(Apache Kafka: its log outlives `journeys down`)" in told
        assert "created" not in told
        stack.wait()
        assert_found_what_was_planted(stack, truth)

        counts, facts = stack.counts(), stack.facts()
        stack.produce(first + second)
        stack.wait()
        assert stack.counts() == counts
        assert without_versions(stack.facts()) == without_versions(facts)


def test_on_apache_kafka_what_was_killed_is_brought_back_with_its_log_and_goes_on(tmp_path: Path) -> None:
    truth = generated(tmp_path, events=3000, seed=5)
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines(keepends=True)
    with running_stack(tmp_path, environment=with_apache_kafka()) as stack:
        status = stack.status()
        assert status["broker"] == "kafka"
        # The broker takes no session of less than 6 s, and tansu's would be one.
        worker = psutil.Process(stack.process("worker")["pid"])
        assert worker.environ()["JOURNEYS_KAFKA__SESSION_TIMEOUT_S"] == "10.0"
        (broker, *others) = [psutil.Process(process["pid"]) for process in status["processes"]]
        assert {connection.laddr.ip for connection in broker.net_connections("inet")} == {"127.0.0.1"}

        stack.produce(b"".join(lines[:1500]))
        stack.kill("broker")
        told = stack.up().stdout.splitlines()
        assert [line.split()[0] for line in told[:-1]] == ["broker"]
        assert [process["pid"] for process in stack.status()["processes"]][1:] == [other.pid for other in others]
        assert stack.status()["kafka"] == status["kafka"]
        stack.wait()

        everybody = [process["pid"] for process in stack.status()["processes"]]
        stack.produce(b"".join(lines[1500:]))
        for pid in everybody:
            os.kill(pid, signal.SIGKILL)
        stack.up()
        stack.wait()
        assert_found_what_was_planted(stack, truth)


def test_a_signal_while_apache_kafka_starts_leaves_nothing_behind(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "data", with_apache_kafka())
    with stack.foreground("up", "--broker", "kafka", *FREE_PORTS) as process:
        wait_until((stack.data_dir / "kafka" / "log" / "__cluster_metadata-0").exists, seconds=ENDS_WITHIN_S)
        started = [psutil.Process(each["pid"]) for each in stack.status()["processes"]]
        process.send_signal(signal.SIGTERM)
        told = process.communicate(timeout=ENDS_WITHIN_S)[0]
    assert process.returncode != 0
    assert "Traceback" not in told
    assert not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in started)
    assert stack.status()["processes"] == []
