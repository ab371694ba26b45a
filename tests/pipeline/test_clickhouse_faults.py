"""Workers as processes before a ClickHouse that dies, stands still, hangs or refuses: nothing is lost or doubled."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from schemas.codec import encode
from schemas.touchpoint import Touchpoint
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.migrator import migrate
from streams.lag import committed_offsets, end_offsets, wait_until_done
from streams.settings import KafkaSettings, Settings, make_pepper
from streams.topics import KEYED, TOUCHPOINTS
from tests.support.deadline import wait_until
from tests.support.faulty_proxy import GREETING, CutAnswer, Delay, FaultyProxy, Refusal, Silence, faulty_proxy
from tests.support.kafka_records import broker_with_topics
from tests.support.local_clickhouse import start_clickhouse
from tests.support.processes import REPOSITORY, stopped

pytestmark = pytest.mark.stack

HOUR = 3_600_000
#: Where a flush writes first, in between, and last.
FLUSHED = ("touchpoints", "persons", "checkpoints")
VIEWS = {
    "v_touchpoints": "id",
    "v_sessions": "session_id",
    "v_journeys": "journey_id",
    "v_frictions": "friction_id",
    "v_effort_postings": "posting_id",
    "v_persons": "person_key",
}


def into(table: str) -> str:
    return f"INSERT INTO `{table}`"


class Engine:
    """A ClickHouse that is killed and comes back with the same data on the same port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.process, ports = start_clickhouse(folder)
        self.port = ports.native

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def come_back(self) -> None:
        self.process, _ = start_clickhouse(self._folder, "--native-port", str(self.port))

    def run(self, sql: str, database: str = "journeys") -> list[tuple[Any, ...]]:
        client = connect(ClickHouseAddress(port=self.port, database=database))
        try:
            rows: list[tuple[Any, ...]] = client.execute(sql)
        finally:
            client.disconnect()
        return rows

    def stop(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        with stopped(self.process):
            pass


class Worker:
    """A `journeys worker` and what it logs."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self._log = log

    def said(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == event]

    def wait_for(self, event: str, count: int = 1) -> None:
        def has_come() -> bool:
            assert self.process.poll() is None, self._log.read_text()
            return len(self.said(event)) >= count

        wait_until(has_come, seconds=90)


class Cluster:
    """A broker and a ClickHouse behind a network that may fail; workers that read from the one to the other."""

    def __init__(self, folder: Path, kafka: KafkaSettings, engine: Engine, proxy: FaultyProxy) -> None:
        self.folder = folder
        self.kafka = kafka
        self.engine = engine
        self.proxy = proxy
        make_pepper(folder / "pepper")
        self.produced = 0

    @contextmanager
    def worker(self, name: str = "journeys", *options: str, port: int | None = None, **more: str) -> Iterator[Worker]:
        """A worker of a group of its own that writes to the database of this name."""
        log = self.folder / f"{name}.log"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("JOURNEYS_")} | {
            "PYTHONPATH": str(REPOSITORY),
            "JOURNEYS_GROUP_PREFIX": name,
            "JOURNEYS_CLICKHOUSE__DATABASE": name,
            "JOURNEYS_CLICKHOUSE__ANSWER_TIMEOUT_S": "3",
            **more,
        }
        command = [sys.executable, "-m", "streams.cli.main", "worker", "--data-dir", str(self.folder)]
        command += ["--kafka", self.kafka.bootstrap, "--clickhouse", f"127.0.0.1:{port or self.proxy.port}", *options]
        with (
            log.open("w") as file,
            subprocess.Popen(command, cwd=self.folder, stderr=file, env=environment, text=True) as process,
            stopped(process),
        ):
            yield Worker(process, log)

    def produce(self, count: int) -> None:
        """Touchpoints of ten people, a minute apart."""
        producer = KafkaProducer(bootstrap_servers=self.kafka.servers, acks="all")
        start = time.time_ns() // 1_000_000 - 48 * HOUR
        for number in range(self.produced, self.produced + count):
            touchpoint = Touchpoint(
                id=f"{number}",
                source="hotline",
                kind="contact.started",
                occurred_at=start + number * 60_000,
                identities=(f"customer_no:47{number % 10}",),
                channel="phone",
            )
            producer.send(TOUCHPOINTS, value=encode(touchpoint), partition=number % 4)
        producer.flush(30)
        producer.close()
        self.produced += count

    @contextmanager
    def asking(self, text: str) -> Iterator[None]:
        """Leave when somebody has asked for this anew."""
        before = len(self.proxy.asked(text))
        yield
        wait_until(lambda: len(self.proxy.asked(text)) > before, seconds=90)

    def wait(self) -> None:
        """Return when everything produced so far is committed."""
        assert wait_until_done(Settings(kafka=self.kafka), 90)

    def wait_for_owner(self, name: str) -> None:
        """The same for a worker of another group that reads the keyed topic alone."""
        ends = end_offsets(self.kafka, KEYED)

        def is_there() -> bool:
            committed = self.committed(name)
            return all(committed.get(partition, 0) >= end for partition, end in ends.items())

        wait_until(is_there, seconds=90)

    def committed(self, name: str) -> dict[int, int]:
        return committed_offsets(self.kafka, f"{name}-journeys", KEYED)

    def facts(self, database: str) -> dict[str, list[tuple[Any, ...]]]:
        """What analysts see, but for versions, which count what led to a row."""
        return {
            view: self.engine.run(f"SELECT * EXCEPT '^version$' FROM {view} ORDER BY {order}", database)
            for view, order in VIEWS.items()
        }


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    engine = Engine(folder / "clickhouse")
    try:
        with broker_with_topics() as kafka, faulty_proxy(engine.port) as proxy:
            migrate(ClickHouseAddress(port=engine.port))
            yield Cluster(folder, kafka, engine, proxy)
    finally:
        engine.stop()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running_cluster(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One for tests in which nothing is written; the keyed topic has records."""
    with running_cluster(tmp_path_factory.mktemp("cluster")) as running:
        running.produce(20)
        with running.worker():
            running.wait()
        yield running


def whole_and_once(cluster: Cluster) -> bool:
    """Whether all of it is there, as a worker writes it that nothing ever happened to."""
    migrate(ClickHouseAddress(port=cluster.engine.port, database="calm"))
    with cluster.worker("calm", "--agents", "journeys", port=cluster.engine.port):
        cluster.wait_for_owner("calm")
    assert cluster.facts("journeys") == cluster.facts("calm")
    assert cluster.engine.run("SELECT count(), uniq(id) FROM v_touchpoints") == [(cluster.produced, cluster.produced)]
    assert cluster.engine.run("SELECT count() FROM v_journeys")[0][0] >= 10
    return cluster.engine.run("SELECT count() FROM v_dead_letters") == [(0,)]


@pytest.mark.timeout(600)
def test_a_server_that_is_killed_before_and_in_every_insert_loses_and_doubles_nothing(cluster: Cluster) -> None:
    with cluster.worker() as worker:
        worker.wait_for("worker_ready")
        cluster.engine.kill()
        cluster.produce(40)
        worker.wait_for("waiting")
        cluster.engine.come_back()
        cluster.wait()
        for table in FLUSHED:
            # The statement has begun, and its rows are not there yet: the answer to its head is late.
            cluster.proxy.order(Delay(2.0), on=into(table))
            with cluster.asking(into(table)):
                cluster.produce(40)
            cluster.engine.kill()
            # When it is back: done, but nobody hears of it.
            cluster.proxy.order(CutAnswer(), on=into(table))
            cluster.engine.come_back()
            cluster.wait()
        assert worker.process.poll() is None
    assert whole_and_once(cluster)


@pytest.mark.timeout(600)
def test_a_server_that_stands_still_for_longer_than_it_is_waited_for_loses_and_doubles_nothing(
    cluster: Cluster,
) -> None:
    with cluster.worker() as worker:
        worker.wait_for("worker_ready")
        cluster.produce(40)
        cluster.wait()
        for table in ("touchpoints", "persons"):
            cluster.proxy.order(Delay(0.5), on=into(table))
            with cluster.asking(into(table)):
                cluster.produce(40)
            with cluster.asking(GREETING):
                cluster.engine.process.send_signal(signal.SIGSTOP)
            cluster.engine.process.send_signal(signal.SIGCONT)
            cluster.wait()
        assert re.search(r"timed out|Code: 209", worker.said("waiting")[0]["error"])
        assert worker.process.poll() is None
    assert whole_and_once(cluster)


def test_a_worker_before_a_server_that_never_answers_says_so_once_and_stops_when_it_is_told(shared: Cluster) -> None:
    shared.proxy.order(Silence(), times=None)
    with shared.worker("silent", "--agents", "journeys") as worker:
        worker.wait_for("waiting")
        for _ in range(2):
            with shared.asking(GREETING):
                pass
        (line,) = worker.said("waiting")
        assert worker.said("stamina.retry_scheduled") == []
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(40) == 0
    shared.proxy.heal()
    assert (line["level"], line["dependency"]) == ("warning", "clickhouse")
    assert line["error"].startswith(f"reading the schema of 127.0.0.1:{shared.proxy.port}/silent: Code: 209.")
    assert shared.committed("silent") == {}


def drifted(cluster: Cluster, database: str) -> None:
    cluster.engine.run("ALTER TABLE persons DROP COLUMN contacts, ADD COLUMN contacts String", database)


def without_a_table(cluster: Cluster, database: str) -> None:
    cluster.engine.run("DROP TABLE identity_links", database)


def with_a_wrong_password(cluster: Cluster, _: str) -> None:
    cluster.proxy.order(Refusal(516, "DB::Exception: default: Authentication failed"), on=GREETING, times=None)


def with_a_constraint_that_never_holds(cluster: Cluster, database: str) -> None:
    cluster.engine.run("ALTER TABLE touchpoints ADD CONSTRAINT odd CHECK dictHas('missing', 1)", database)


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (
            drifted,
            ["not those of this version: persons: column contacts is String, expected UInt32", "journeys migrate"],
        ),
        (without_a_table, ["not those of this version: identity_links: the table is missing", "journeys migrate"]),
        (
            with_a_wrong_password,
            ["user or password is wrong", "JOURNEYS_CLICKHOUSE__PASSWORD", "Authentication failed"],
        ),
        (
            with_a_constraint_that_never_holds,
            ["code 36: Dictionary (`missing`) not found", "It said so 8 times in a row", "then start the worker again"],
        ),
    ],
)
def test_what_does_not_pass_stops_the_worker_which_commits_nothing_and_says_what_to_do(
    shared: Cluster, trouble: Any, says: list[str]
) -> None:
    name = trouble.__name__
    migrate(ClickHouseAddress(port=shared.engine.port, database=name))
    trouble(shared, name)
    with shared.worker(name, "--agents", "journeys") as worker:
        assert worker.process.wait(120) == 1
    shared.proxy.heal()
    (line,) = worker.said("worker_fails")
    assert line["error"].startswith("SchemaMismatch: ")
    assert [words for words in says if words not in line["error"]] == []
    assert shared.committed(name) == {}
    assert shared.engine.run("SELECT count() FROM touchpoints", name) == [(0,)]
