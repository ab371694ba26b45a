"""A worker that dies in the middle: what the tables say and what teams were told is as if it had not."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.chat_endpoint import chat_endpoint_in_thread
from tests.support.deadline import wait_until
from tests.support.generated import generated, of_planted_rules
from tests.support.running_stack import Stack, running_stack, without_versions
from tests.support.slack_rules import slack_violations

pytestmark = pytest.mark.stack

ROUTING = """
channels:
  desk: {type: slack, url_env: DESK_WEBHOOK}
  console: {type: console}
routes:
  - channels: [desk, console]
group_by: ["..."]
group_wait: 0s
minimum: false
digest: false
swarm: false
limit: false
"""


def frictions_told(endpoint: Any) -> Counter[str]:
    return Counter(request.body.decode() for request in endpoint.received)


def test_sigkill_in_the_middle_changes_no_count_and_tells_nobody_twice(tmp_path: Path) -> None:
    truth = generated(tmp_path, events=6000)
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines(keepends=True)
    routing = tmp_path / "alerts.yaml"
    routing.write_text(ROUTING)
    with chat_endpoint_in_thread() as desk:
        environment = {"JOURNEYS_ALERT_ROUTING": str(routing), "DESK_WEBHOOK": desk.url()}
        with running_stack(tmp_path, environment=environment) as stack:
            for part in range(3):
                third = lines[part * len(lines) // 3 : (part + 1) * len(lines) // 3]
                stack.produce(b"".join(third))
                # Whatever the worker is at now: intake, a flush, an alert.
                stack.kill("worker")
                assert stack.process("worker")["state"] == "stopped"
                assert "worker" in stack.up().stdout
            stack.wait()
            killed = stack.facts()
            counts = stack.counts()
            stack.kill("worker")
            stack.up()
            stack.wait()
            assert stack.counts() == counts
            to_be_told = wait_for_alerts(stack, desk)
            assert frictions_told(desk).total() == to_be_told, "nothing was told twice"
        for request in desk.received:
            assert slack_violations(request.json) == []
    assert counts["touchpoints"] == truth["totals"]["touchpoints"]
    planted = of_planted_rules(killed["frictions"], truth)
    assert len(planted) == truth["totals"]["frictions"]
    assert sum(bool(row["is_alertable"]) for row in planted) == sum(one["alertable"] for one in truth["frictions"])

    (tmp_path / "whole").mkdir()
    with running_stack(tmp_path / "whole") as stack:
        stack.run("down")
        copy_pepper(tmp_path / "data", stack.data_dir)
        stack.up()
        stack.produce(b"".join(lines))
        stack.wait()
        assert without_versions(stack.facts()) == without_versions(killed)


def copy_pepper(source: Path, target: Path) -> None:
    """Person keys depend on the pepper; with the same one the facts can be compared."""
    (target / "pepper").write_bytes((source / "pepper").read_bytes())


def wait_for_alerts(stack: Stack, desk: Any) -> int:
    """Wait until every friction that may be told was told; returns how many messages these were.

    What came too late for a guard may take back what was told already: that is a message too.
    """
    untold = """
        SELECT count() FROM v_frictions WHERE is_alertable AND friction_id NOT IN
        (SELECT friction_id FROM v_alerts WHERE channel = 'desk' AND state = 'delivered')
    """
    on_their_way = "SELECT count() FROM v_alert_notices WHERE state IN ('due', 'sending')"
    # Slack takes a message a second: some ninety of them need a minute and a half.
    wait_until(lambda: not int(stack.value(untold)) and not int(stack.value(on_their_way)), seconds=180)
    messages = int(stack.value("SELECT count() FROM v_alert_notices WHERE channel = 'desk' AND state = 'delivered'"))
    desk.wait_for(messages, 30)
    return messages
