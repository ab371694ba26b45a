"""A broker and a ClickHouse of one's own, empty, on free ports of the loopback interface."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import NewTopic

from bench.plain_faust import CHANGELOG
from sinks.clickhouse.connection import connect
from sinks.clickhouse.migrator import migrate
from streams.lag import end_offsets
from streams.settings import ClickHouseSettings, KafkaSettings, Settings, make_pepper
from streams.stack.apache_kafka import find_kafka
from streams.stack.processes import interruptions_later
from streams.store import clickhouse_address
from streams.topics import admin_client, client_options, create_topics
from tests.support.local_broker import accepts, free_port
from tests.support.processes import REPOSITORY, stopped

Broker = Literal["embedded", "kafka"]

#: tansu lets a member into a group after half of it; the other is the product's default.
_SESSION_TIMEOUT_S: Final[dict[Broker, float]] = {"embedded": 3.0, "kafka": 10.0}
#: Apache Kafka needs 5 s of two free cores, a crowded machine gives it a tenth of that.
_STARTS_WITHIN_S: Final = 180.0
_LOG_LINES_SHOWN: Final = 20


class BenchError(RuntimeError):
    """A measurement cannot be finished; the message says why."""


class Site(NamedTuple):
    """Where everything is. `environment` is what a worker needs besides the addresses."""

    folder: Path
    settings: Settings
    environment: Mapping[str, str]

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of an answer of ClickHouse."""
        client = connect(clickhouse_address(self.settings.clickhouse))
        try:
            rows: list[tuple[Any, ...]] = client.execute(sql)
        finally:
            client.disconnect()
        return rows

    def latest(self, topic: str) -> dict[str, Any]:
        """Key to the latest value of a topic whose keys and values are JSON."""
        kafka = self.settings.kafka
        ends = {TopicPartition(topic, number): end for number, end in end_offsets(kafka, topic).items()}
        consumer = KafkaConsumer(enable_auto_commit=False, **client_options(kafka))
        found: dict[str, Any] = {}
        try:
            consumer.assign(list(ends))
            consumer.seek_to_beginning(*ends)
            while any(consumer.position(place) < end for place, end in ends.items()):
                for records in consumer.poll(timeout_ms=1_000, max_records=10_000).values():
                    found |= {record.key.decode(): record.value for record in records}
        finally:
            consumer.close()
        return {json.loads(key): json.loads(value) for key, value in found.items()}


@contextmanager
def running_site(broker: Broker, partitions: int) -> Iterator[Site]:
    """Start both servers, make topics and tables; on leaving both are ended and their data are gone."""
    with tempfile.TemporaryDirectory(prefix="journeys-bench-") as scratch, ExitStack() as servers:
        folder = Path(scratch)
        ports = {"kafka": free_port(), "native": free_port(), "http": free_port()}
        clickhouse = ["deploy.local.clickhouse", "--data-dir", str(folder / "clickhouse")]
        clickhouse += ["--native-port", str(ports["native"]), "--http-port", str(ports["http"])]
        started = []
        for name, words in (("broker", broker_command(broker, folder, ports["kafka"])), ("clickhouse", clickhouse)):
            log = folder / f"{name}.log"
            started.append((servers.enter_context(running([sys.executable, "-m", *words], log, {})), log))
        _wait_until_accepting(list(ports.values()), started)
        settings = Settings(
            data_dir=folder,
            kafka=KafkaSettings(bootstrap=f"127.0.0.1:{ports['kafka']}", session_timeout_s=_SESSION_TIMEOUT_S[broker]),
            clickhouse=ClickHouseSettings(port=ports["native"]),
            partitions=partitions,
        )
        make_pepper(settings.pepper_path)
        create_topics(settings)
        _create_changelog(settings)
        migrate(clickhouse_address(settings.clickhouse))
        timeout = str(_SESSION_TIMEOUT_S[broker])
        environment = {
            "JOURNEYS_KAFKA__SESSION_TIMEOUT_S": timeout,
            "JOURNEYS_PARTITIONS": str(partitions),
            "PLAIN_KAFKA": settings.kafka.bootstrap,
            "PLAIN_SESSION_TIMEOUT_S": timeout,
            "PLAIN_PARTITIONS": str(partitions),
            "PLAIN_FOLDER": str(folder / "plain"),
        }
        yield Site(folder, settings, environment)


def broker_command(broker: Broker, folder: Path, port: int) -> list[str]:
    """Module and options that start a broker."""
    if broker == "embedded":
        return ["deploy.local.broker", "--port", str(port)]
    kafka = find_kafka()
    where = ["--data-dir", str(folder / "kafka"), "--port", str(port)]
    return ["deploy.local.kafka", "--java", kafka.java, "--jars", str(kafka.jars), *where]


@contextmanager
def running(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process with a new `log`; on leaving it is asked to stop, and made to when that takes too long."""
    with ExitStack() as ending:
        with interruptions_later(), log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                text=True,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
                # Ctrl-C is for us: the servers have to outlive the workers that write to them.
                start_new_session=True,
            )
            ending.enter_context(stopped(process))
        yield process


def _create_changelog(settings: Settings) -> None:
    admin = admin_client(settings.kafka)
    try:
        config = {"cleanup.policy": "compact"}
        admin.create_topics([NewTopic(CHANGELOG, settings.partitions, 1, topic_configs=config)])
        admin.wait_for_topics([CHANGELOG], timeout_ms=30_000)
    finally:
        admin.close()


def require_alive(process: subprocess.Popen[str], log: Path) -> None:
    """Check that a process of ours runs.

    Raises:
        BenchError: it ended; the message has the last that it said.

    """
    if process.poll() is not None:
        last = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES_SHOWN:])
        raise BenchError(f"a process ended with {process.returncode}; the last it said:\n{last}")


def _wait_until_accepting(ports: Sequence[int], started: Sequence[tuple[subprocess.Popen[str], Path]]) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while not all(map(accepts, ports)):
        for process, log in started:
            require_alive(process, log)
        if time.monotonic() > deadline:
            raise BenchError(f"broker and ClickHouse do not accept connections within {_STARTS_WITHIN_S:g} s")
        time.sleep(0.02)
