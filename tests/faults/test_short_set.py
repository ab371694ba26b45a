"""The experiments that run with every change: small, with fixed seeds. All of them, and longer, with `make faults`."""

from pathlib import Path

import pytest

from tests.faults.experiments import Scale, perform
from tests.faults.invariants import as_table
from tests.faults.site import Broker

#: A machine that does much else at the same time takes ten times as long.
pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_200)]

SMALL = Scale(events=600, seconds=8, deaths=8)


@pytest.mark.parametrize(
    ("name", "seed"),
    [
        ("kill-at-each-step", 101),
        ("clickhouse-killed", 102),
        pytest.param("ranges-again", 103, marks=pytest.mark.long),
        pytest.param("shuffled", 104, marks=pytest.mark.long),
    ],
)
def test_on_the_embedded_broker_every_invariant_holds(tmp_path: Path, name: str, seed: int) -> None:
    _assert_all_hold(tmp_path, name, "embedded", seed)


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("name", "seed"), [("rebalance-storm", 201), pytest.param("broker-restarted", 202, marks=pytest.mark.long)]
)
def test_on_apache_kafka_every_invariant_holds(tmp_path: Path, name: str, seed: int) -> None:
    _assert_all_hold(tmp_path, name, "kafka", seed)


def _assert_all_hold(folder: Path, name: str, broker: Broker, seed: int) -> None:
    result = perform(name, folder / "site", broker, seed=seed, scale=SMALL)
    told = "\n".join(f"{seconds:6.1f} s  {what}" for seconds, what in result.timeline)
    assert result.violated == [], f"{told}\n{as_table(result.findings)}"
    states = {finding.id: finding.state for finding in result.findings}
    # Where a worker had to drop work, its own counts cannot add up, and nobody asked to be forgotten; everything else
    # has to be looked at.
    assert {id_ for id_, state in states.items() if state == "not checked"} <= {"I13", "I15"}
