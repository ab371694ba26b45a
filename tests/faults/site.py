"""A site of one's own for a run: broker, ClickHouse, an endpoint for alerts, workers under a supervisor."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
from kafka import KafkaConsumer, TopicPartition
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from sinks.clickhouse.migrator import migrate
from streams.lag import LagUnknown, committed_offsets, end_offsets, wait_until_done
from streams.settings import ClickHouseSettings, KafkaSettings, Settings, make_pepper
from streams.store import clickhouse_address
from streams.topics import OUTBOX, create_topics
from tests.faults.desk import Desk
from tests.faults.processes import Server, Supervisor, Worker, at_once
from tests.faults.spec import WorkerSpec
from tests.faults.tables import HttpTables
from tests.support.apache_kafka import kafka_command
from tests.support.faulty_proxy import FaultyProxy, faulty_proxy
from tests.support.local_broker import accepts, free_port

Broker = Literal["embedded", "kafka"]

_ROUTING = """
channels:
  desk: {type: webhook, url_env: FAULTS_DESK_URL, secret_env: FAULTS_DESK_SECRET}
routes:
  - channels: [desk]
# One message for each friction, at once: so that what was told can be held against what was to be told.
group_by: ["..."]
group_wait: 0s
group_interval: 0s
minimum: false
digest: false
swarm: false
limit: false
"""
_SECRET = "whsec_" + "Zm9yIHRlc3RzIG9ubHksIGFuZCBsb25nIGVub3VnaA=="
#: tansu lets a member into a group after half of the session timeout; Kafka allows no less than 6 s.
_SESSION_TIMEOUT_S: dict[Broker, float] = {"embedded": 3.0, "kafka": 6.0}
_ALL_AGENTS = ("intake", "journeys", "alerts")
_ASK_AGAIN_S = 0.3
_JOINS_WITHIN_S = 60
#: For questions about everything that a large run has written.
_LIMITS = (
    *("--read-seconds", "600", "--read-memory-mb", "8000"),
    *("--read-rows", "100000000", "--read-result-mb", "8000"),
)


class _Ports(NamedTuple):
    kind: Broker
    broker: int
    native: int
    http: int


class _Servers(NamedTuple):
    broker: Server
    clickhouse: Server
    #: On the way to ClickHouse, for workers that are told to take it.
    proxy: FaultyProxy
    desk: Desk


class _AsFaust(RangePartitionAssignor):  # type: ignore[misc]
    name = "faust"


class Site:
    """Addresses and processes of a run; made by `running_site`."""

    def __init__(self, folder: Path, servers: _Servers, ports: _Ports, *, is_fused: bool = False) -> None:
        self.folder = folder
        self.is_fused = is_fused
        self.kind = ports.kind
        self.broker, self.clickhouse, self.proxy, self.desk = servers
        self.supervisor = Supervisor()
        self.bootstrap = f"127.0.0.1:{ports.broker}"
        self._native = ports.native
        self._http = ports.http
        self._routing = folder / "alerts.yaml"
        self._routing.write_text(_ROUTING)
        make_pepper(folder / "pepper")
        self.make_topics()

    def settings(self, name: str = "journeys") -> Settings:
        """Settings of one application on this site: its name is database and prefix of its groups."""
        return Settings(
            data_dir=self.folder,
            kafka=KafkaSettings(bootstrap=self.bootstrap, session_timeout_s=_SESSION_TIMEOUT_S[self.kind]),
            clickhouse=ClickHouseSettings(port=self._native, database=name),
            group_prefix=name,
            alert_routing=self._routing,
            fused=self.is_fused,
        )

    def make_topics(self) -> None:
        """Make the topics of all applications, where there are none."""
        create_topics(self.settings())

    def tables(self, name: str = "journeys", within_s: float = 20.0) -> HttpTables:
        """What the application has written, asked by somebody who waits so long for an answer."""
        return HttpTables(self._http, name, within_s)

    def install(self, name: str = "journeys") -> None:
        """Make the tables of an application."""
        migrate(clickhouse_address(self.settings(name).clickhouse))

    def worker(
        self, name: str, agents: Sequence[str] = _ALL_AGENTS, *, application: str = "journeys", **changes: Any
    ) -> Worker:
        """A worker without faults, not started yet; `changes` go into what it is told."""
        spec = msgspec.structs.replace(self.spec(name, agents, application=application), **changes)
        return self.worker_of(name, agents, lambda: spec)

    def spec(self, name: str, agents: Sequence[str] = _ALL_AGENTS, *, application: str = "journeys") -> WorkerSpec:
        """What a worker without faults is told."""
        return WorkerSpec(
            data_dir=str(self.folder),
            kafka=self.bootstrap,
            clickhouse=f"127.0.0.1:{self._native}",
            database=application,
            group_prefix=application,
            agents=tuple(agents),
            tally=str(self.tally_of(name)),
            ready=str(self.folder / f"{name}.ready"),
            orders=str(self.folder / f"{name}.orders"),
            session_timeout_s=_SESSION_TIMEOUT_S[self.kind],
            max_touchpoints=self.settings().max_touchpoints,
            max_persons=self.settings().max_persons,
            alert_routing=str(self._routing),
            is_fused=self.is_fused,
        )

    def tally_of(self, name: str) -> Path:
        """File in which a worker notes what it reads."""
        return self.folder / f"{name}.tally"

    def worker_of(self, name: str, agents: Sequence[str], spec: Callable[[], WorkerSpec]) -> Worker:
        """A worker that asks before each start what it is to be."""
        environment = {"FAULTS_DESK_URL": self.desk.url, "FAULTS_DESK_SECRET": _SECRET}
        worker = Worker(name, agents, spec, self.folder / f"{name}.log", environment)
        self.supervisor.workers.append(worker)
        return worker

    def wait_until_done(self, within_s: float, name: str = "journeys", *, with_alerts: bool = True) -> bool:
        """Wait until everything in the topics is durable and told; False when that takes longer."""
        settings = self.settings(name)
        deadline = time.monotonic() + within_s
        while (left := deadline - time.monotonic()) > 0:
            try:
                if wait_until_done(settings, left) and (not with_alerts or self._all_told(settings)):
                    return True
            except (LagUnknown, KafkaError, OSError):
                # The broker is on its way back.
                pass
            time.sleep(_ASK_AGAIN_S)
        return False

    def set_offsets(self, group: str, topic: str, offsets: dict[int, int]) -> None:
        """Set committed offsets of a group in which nobody is any more.

        As its only member, who speaks as Faust's do: tansu takes nobody else once a group has had members.
        """
        consumer = KafkaConsumer(
            topic,
            bootstrap_servers=self.bootstrap,
            group_id=group,
            enable_auto_commit=False,
            session_timeout_ms=int(_SESSION_TIMEOUT_S[self.kind] * 1000),
            heartbeat_interval_ms=1_000,
            partition_assignment_strategy=[_AsFaust],
        )
        try:
            places = {TopicPartition(topic, number): offset for number, offset in offsets.items()}
            deadline = time.monotonic() + _JOINS_WITHIN_S
            while not consumer.assignment() >= places.keys():
                consumer.poll(timeout_ms=100, max_records=1)
                assert time.monotonic() < deadline, f"no place in group {group}"
            consumer.commit({place: OffsetAndMetadata(offset, "", -1) for place, offset in places.items()})
        finally:
            consumer.close()

    def _all_told(self, settings: Settings) -> bool:
        """Whether everything that teams are to be told is in the tables, and nothing of it waits for its endpoint."""
        ends = end_offsets(settings.kafka, OUTBOX)
        committed = committed_offsets(settings.kafka, f"{settings.group_prefix}-alerts", OUTBOX)
        if any(committed.get(number, 0) < end for number, end in ends.items()):
            return False
        tables = self.tables(settings.clickhouse.database)
        waiting = tables.value("SELECT count() FROM v_alerts WHERE state = 'waiting'")
        unsettled = tables.value("SELECT count() FROM v_alert_notices WHERE state IN ('due', 'sending')")
        return int(waiting) == 0 and int(unsettled) == 0


@contextmanager
def running_site(folder: Path, kind: Broker, *, is_fused: bool = False) -> Iterator[Site]:
    """Bring a site up in an empty folder; whatever happens, nothing of it is left running."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as cleaning:
        native, http = free_port(), free_port()
        clickhouse = Server(
            [
                *(sys.executable, "-m", "deploy.local.clickhouse", "--data-dir", str(folder / "clickhouse")),
                *("--native-port", str(native), "--http-port", str(http), *_LIMITS),
            ],
            folder / "clickhouse.log",
            lambda: accepts(native) and accepts(http),
        )
        port = free_port()
        broker = Server(_broker_command(folder, kind, port), folder / "broker.log", lambda: accepts(port))
        for server in (broker, clickhouse):
            cleaning.callback(server.stop)
        at_once(broker.start, clickhouse.start)
        proxy = cleaning.enter_context(faulty_proxy(native))
        desk = Desk()
        cleaning.callback(desk.close)
        servers, ports = _Servers(broker, clickhouse, proxy, desk), _Ports(kind, port, native, http)
        site = Site(folder, servers, ports, is_fused=is_fused)
        cleaning.callback(site.supervisor.end)
        site.install()
        yield site
        # Workers write their last to servers that are there.
        broker.resume()
        clickhouse.resume()
        clickhouse.limit_files(None)


def _broker_command(folder: Path, kind: Broker, port: int) -> list[str]:
    embedded = [sys.executable, "-m", "deploy.local.broker", "--port", str(port)]
    return kafka_command(folder / "kafka", port) if kind == "kafka" else embedded
