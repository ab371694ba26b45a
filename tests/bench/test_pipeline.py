"""The benchmark of the whole path, small: it measures what it says, and takes no wrong result for a right one."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from bench.checks import problems
from bench.load import Load, fill, make_load
from bench.pipeline import default_start
from bench.plain_faust import CHANGELOG
from bench.profiling import launcher
from bench.report import Result
from bench.site import BenchError, Site, running_site
from bench.workers import Kind, running_workers
from sinks.clickhouse.connection import connect
from streams.store import clickhouse_address
from tests.support.deadline import wait_until
from tests.support.processes import REPOSITORY

pytestmark = pytest.mark.stack

EVENTS, PERSONS, PARTITIONS = 3_000, 300, 4
#: Runs, each with servers of its own, on a machine that does other things.
PATIENCE_S = 280
COMMAND = [sys.executable, "-m", "bench.pipeline", "--events", str(EVENTS), "--persons", str(PERSONS), "--runs", "1"]


def make_small_load() -> Load:
    return make_load(EVENTS, PERSONS, seed=1, start=default_start(), partitions=PARTITIONS)


class Drained(NamedTuple):
    site: Site
    load: Load


@pytest.fixture(scope="module")
def drained() -> Iterator[Drained]:
    """What a run of the whole path left behind, while it can still be spoilt."""
    load = make_small_load()
    with running_site("embedded", PARTITIONS) as site:
        fill(site.settings.kafka, load.records)
        with running_workers(Kind.WHOLE, site) as workers:
            workers.drain(PATIENCE_S, lambda _: None)
            workers.end()
        yield Drained(site, load)


@pytest.mark.timeout(PATIENCE_S + 20)
def test_it_measures_everything_and_finds_it_right(tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    done = subprocess.run(
        [*COMMAND, "--latency-seconds", "2", "--out", str(out)],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(out.read_text())
    assert set(result) == set(Result.__struct_fields__)
    assert result["correct"] is True
    assert set(result["runs"]) == {"whole path", "rows discarded", "plain Faust"}
    assert result["sizes"]["events"] == EVENTS
    assert result["sizes"]["records"] == 3_015, "every two hundredth is sent twice"
    for name in ("events_per_cpu_second", "events_per_cpu_second_discarding", "events_per_second", "peak_rss_bytes"):
        assert result[name] > 0, name
    whole, plain = result["runs"]["whole path"][0], result["runs"]["plain Faust"][0]
    assert result["events_per_cpu_second"] == round(3_015 / whole["cpu_s"])
    assert result["ratio_to_plain_faust"] == pytest.approx(plain["cpu_s"] / whole["cpu_s"], abs=0.01)
    assert 0 < result["p50_latency_s"] <= result["p99_latency_s"]
    assert result["p99_latency_idle_s"] > 0
    for shown in ("whole path", "plain Faust", "latency, half load", "latency, idle"):
        assert shown in done.stdout


def test_a_row_that_is_missing_is_no_right_result(drained: Drained) -> None:
    site, load = drained
    assert problems(Kind.WHOLE, site, load) == []

    address = clickhouse_address(site.settings.clickhouse)
    lost = load.truth.frictions[0].anchor
    client = connect(address)
    try:
        client.execute("ALTER TABLE touchpoints DELETE WHERE id = %(id)s SETTINGS mutations_sync = 1", {"id": lost.id})
        assert problems(Kind.WHOLE, site, load) == [
            "touchpoints in the table: 2,999 instead of 3,000",
            "touchpoints in the view: 2,999 instead of 3,000",
        ]
        rule = load.truth.frictions[0].rule_id
        client.execute(
            "ALTER TABLE frictions DELETE WHERE rule_id = %(rule)s SETTINGS mutations_sync = 1", {"rule": rule}
        )
    finally:
        client.disconnect()
    planted = len(load.truth.frictions)
    of_rule = sum(friction.rule_id == rule for friction in load.truth.frictions)
    told = f"frictions: {of_rule} of {planted} planted were not found, 0 were not planted"
    assert told in problems(Kind.WHOLE, site, load)


def test_a_customer_that_the_plain_worker_counts_wrong_is_told(drained: Drained) -> None:
    site, load = drained
    expected = dict(load.simple_counts)
    with running_workers(Kind.PLAIN, site) as workers:
        workers.drain(PATIENCE_S, lambda _: None)
        workers.end()
    assert problems(Kind.PLAIN, site, load) == []
    assert any(followed for _, followed in expected.values()), "some redirects of the data are followed"

    customer, (sessions, followed) = expected.popitem()
    spoilt = load._replace(simple_counts={**expected, customer: (sessions + 1, followed)})
    assert problems(Kind.PLAIN, site, spoilt) == [
        f"1 customers are counted wrong, such as {customer}: {sessions, followed} instead of {sessions + 1, followed}"
    ]
    assert len(site.latest(CHANGELOG)) == len(load.simple_counts)


def test_a_worker_that_ends_is_told_with_what_it_said_last(drained: Drained) -> None:
    with (
        pytest.raises(BenchError, match=r"(?s)ended with 7.*out of luck"),
        running_workers(Kind.WHOLE, drained.site, launcher=("sh", "-c", "echo out of luck; exit 7")),
    ):
        pass


@pytest.mark.long
def test_a_worker_under_a_profiler_ends_with_it(drained: Drained, tmp_path: Path) -> None:
    before = set(psutil.Process().children(recursive=True))
    with running_workers(Kind.WHOLE, drained.site, launcher=launcher(tmp_path / "profile.json")):
        started = set(psutil.Process().children(recursive=True)) - before
        assert len(started) == 2
    # What a profiler leaves behind is reaped by another process, when that gets to it.
    wait_until(lambda: not any(process.is_running() for process in started), seconds=30)


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_whoever_ends_it_leaves_no_process_behind(tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "result.json"
    with subprocess.Popen([*COMMAND, "--out", str(out)], cwd=REPOSITORY, stderr=subprocess.DEVNULL) as process:
        started = psutil.Process(process.pid)
        wait_until(lambda: len(started.children()) == 3, seconds=120)
        children = started.children(recursive=True)
        process.send_signal(number)
        assert process.wait(120) == 1
    assert not [child for child in children if child.is_running()]
    assert not out.exists()
