"""The same on Apache Kafka itself: found what was planted, and nothing twice when the worker dies."""

from pathlib import Path

import pytest

from tests.support.apache_kafka import running_kafka
from tests.support.generated import generated
from tests.support.running_stack import running_stack, without_versions

pytestmark = [pytest.mark.stack, pytest.mark.kafka]


def test_on_apache_kafka_a_killed_worker_changes_nothing_and_the_log_outlives_the_stack(tmp_path: Path) -> None:
    truth = generated(tmp_path, events=6000, seed=4)
    lines = (tmp_path / "events.jsonl").read_bytes()
    with running_kafka(tmp_path) as port, running_stack(tmp_path, "--kafka", f"127.0.0.1:{port}") as stack:
        assert "broker" not in [process["name"] for process in stack.status()["processes"]]
        stack.produce(lines)
        stack.kill("worker")
        stack.up()
        stack.wait()
        counts, facts = stack.counts(), stack.facts()
        assert counts["touchpoints"] == truth["totals"]["touchpoints"]
        found = sorted((row["rule_id"], row["variant"]) for row in facts["frictions"])
        assert found == sorted((friction["rule_id"], friction["variant"]) for friction in truth["frictions"])

        stack.run("down")
        stack.up("--kafka", f"127.0.0.1:{port}")
        stack.produce(lines)
        stack.wait()
        assert stack.counts() == counts
        assert without_versions(stack.facts()) == without_versions(facts)
