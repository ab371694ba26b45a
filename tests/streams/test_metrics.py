"""What a worker serves for Prometheus, as Prometheus reads it."""

import socket
import urllib.request
from collections.abc import Iterable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streams.metrics import CATALOGUE, Sample, served_metrics
from streams.settings import SettingsError
from tests.support.deadline import wait_until
from tests.support.generated import generated
from tests.support.local_broker import free_port
from tests.support.running_stack import running_stack

Values = dict[tuple[str, tuple[str, ...]], float]


def scraped(port: int) -> Values:
    """Values by name and labels, in the order of the catalogue; those of the process itself without labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, tuple(sample.labels[name] for name in CATALOGUE.get(sample.name, ((), ""))[0])): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_samples_are_served_under_their_names_with_their_labels() -> None:
    def source() -> Iterable[Sample]:
        yield Sample("journeys_records_read_total", ("intake", "touchpoints", "3"), 17)
        yield Sample("journeys_persons", (), 4)

    port = free_port()
    with served_metrics(port, [source]):
        values = scraped(port)
    assert values["journeys_records_read_total", ("intake", "touchpoints", "3")] == 17
    assert values["journeys_persons", ()] == 4
    assert values["process_resident_memory_bytes", ()] > 1_000_000


def test_a_count_that_is_taken_back_does_not_fall() -> None:
    counts = iter([10.0, 9.0, 11.0])
    port = free_port()
    with served_metrics(port, [lambda: [Sample("journeys_touchpoints_total", ("applied",), next(counts))]]):
        assert [scraped(port)["journeys_touchpoints_total", ("applied",)] for _ in range(3)] == [10, 10, 11]


def test_nothing_is_served_without_a_port_and_to_other_machines_never() -> None:
    port = free_port()
    with served_metrics(None, []):
        assert not accepts("127.0.0.1", port)
    with served_metrics(port, []):
        assert accepts("127.0.0.1", port)
        assert not accepts("127.0.0.2", port)
    assert not accepts("127.0.0.1", port)


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"127.0.0.1:{port} .*--metrics-port"), served_metrics(port, []):
            pass


def accepts(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.mark.stack
def test_a_worker_serves_every_metric_of_the_catalogue_with_the_numbers_that_the_tables_show(tmp_path: Path) -> None:
    truth = generated(tmp_path, events=1000)
    port = free_port()
    with running_stack(tmp_path, environment={"JOURNEYS_ROLLUPS_EVERY_S": "0.5"}) as stack:
        stack.kill("worker")
        with stack.foreground("worker", "--agents", "intake,journeys", "--metrics-port", str(port)) as process:
            wait_until(lambda: process.poll() is not None or accepts("127.0.0.1", port), seconds=60)
            stack.produce((tmp_path / "events.jsonl").read_bytes())
            stack.wait()
            wait_until(lambda: lag(scraped(port)) == {0.0}, seconds=60)
            # The worker has rebuilt the rollups by itself.
            wait_until(lambda: stack.run("check-aggregates", code=None).returncode == 0, seconds=60)
            assert stack.value("SELECT sum(frictions) FROM v_friction_hourly") == stack.counts()["frictions"] > 0
            assert stack.value("SELECT sum(journeys) FROM v_journey_daily") == stack.counts()["journeys"] > 0
            # One look at everything, after the last looks at its own state were flushed too.
            values: Values = {}

            def has_come_to_rest() -> bool:
                values.clear()
                values.update(scraped(port))
                return differing(values) == unflushed(values) == {0.0}

            wait_until(has_come_to_rest, seconds=60)
        stored = stack.counts()
        watermark = stack.value("SELECT toUnixTimestamp64Milli(max(watermark)) / 1000 FROM checkpoints")
    # What whoever tells teams says of itself is held by a test of that agent.
    expected = {name for name in CATALOGUE if not name.startswith("journeys_alert_")}
    assert {name for name, _ in values if name.startswith("journeys_")} == expected

    def total(name: str, *first: str) -> float:
        return sum(
            value for (found, labels), value in values.items() if found == name and labels[: len(first)] == first
        )

    assert (
        total("journeys_records_read_total", "intake") == truth["totals"]["lines"] == total_committed(values, "intake")
    )
    assert total("journeys_touchpoints_total", "applied") == stored["touchpoints"]
    assert total("journeys_persons") > 0
    assert total("journeys_person_lookups_total", "new") >= total("journeys_persons")
    assert total("journeys_flush_rows_total") >= stored["touchpoints"]
    assert total("journeys_flushes_total") >= 1
    assert total("journeys_flush_seconds_total") > 0
    newest = max(value for (name, _), value in values.items() if name == "journeys_watermark_timestamp_seconds")
    assert newest == watermark


def differing(values: Values) -> set[float]:
    return {value for (name, _), value in values.items() if name == "journeys_rollup_days_differing"}


def unflushed(values: Values) -> set[float]:
    return {value for (name, _), value in values.items() if name == "journeys_oldest_unflushed_seconds"}


def lag(values: Values) -> set[float]:
    return {value for (name, _), value in values.items() if name == "journeys_lag_records"}


def total_committed(values: Values, agent: str) -> float:
    return sum(
        value for (name, labels), value in values.items() if name == "journeys_committed_offset" and labels[0] == agent
    )
