"""Bringing the local stack up and down."""

import contextlib
import fcntl
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final, Literal, NamedTuple

import msgspec

from sinks.clickhouse.migrator import migrate
from streams.settings import (
    STACK_FILE,
    Settings,
    load_settings,
    make_pepper,
    parse_address,
    read_stack,
    settings_without_stack,
)
from streams.stack.apache_kafka import KafkaUnavailable, find_kafka
from streams.stack.local_files import deploy_root
from streams.stack.ports import LOOPBACK, WantedPort, claim_ports, is_listening
from streams.stack.processes import (
    STOP_WITHIN_S,
    ManagedProcess,
    interruptions_later,
    python_command,
    start_process,
    stop_processes,
)
from streams.store import clickhouse_address
from streams.topics import create_topics

Tell = Callable[[str], None]
#: Which broker to run: Apache Kafka where it can, else the embedded one; or the one that is named.
Broker = Literal["auto", "kafka", "embedded"]
#: Apache Kafka needs 5 s of two free cores; a busy machine may give it a tenth of that.
_START_WITHIN_S = 120.0
#: Enough to write to ClickHouse what a worker holds; the broker, which it would wait for, does not come back.
_STOP_WITHOUT_BROKER_WITHIN_S = 4.0
#: tansu lets a member into a group after half of the session timeout.
_TANSU_SESSION_TIMEOUT_S = 3.0
#: What is started together, in order; stopping is the other way round. Alerts are a process of their own, so that a
#: chat endpoint that hangs slows nothing down, and a worker that dies is not in the middle of telling somebody.
_SERVERS = ("broker", "clickhouse")
_CLIENTS = ("worker", "alerts", "door", "page")
PHASES = (_SERVERS, _CLIENTS)
ORDER = _SERVERS + _CLIENTS
#: What each broker means for those who use it.
BROKERS: Final = {
    "external": "not ours: up and down leave it alone",
    "kafka": "Apache Kafka: its log outlives `journeys down`",
    "tansu": "tansu: its log lives in memory and is gone after `journeys down`",
}
#: Processes that tell by a file that they are ready.
_WORKERS = {"worker": "intake,journeys", "alerts": "alerts"}


class StackError(RuntimeError):
    """The stack cannot come up; the message says what is wrong and where to look."""


class Ports(NamedTuple):
    """Ports on loopback; 0 takes a free one."""

    kafka: int = 9092
    clickhouse: int = 9000
    clickhouse_http: int = 8123
    door: int = 8080
    page: int = 8088


class StackState(msgspec.Struct, kw_only=True):
    """What `journeys up` wrote down: addresses and processes, readable by every other command."""

    kafka: str
    clickhouse: str
    clickhouse_http: str | None
    door: str
    page: str
    broker: Literal["external", "kafka", "tansu"]
    session_timeout_s: float
    processes: list[ManagedProcess]

    def process(self, name: str) -> ManagedProcess | None:
        """Process by name."""
        return next((process for process in self.processes if process.name == name), None)

    def is_running(self, name: str) -> bool:
        """Whether the process with this name runs."""
        process = self.process(name)
        return process is not None and process.handle() is not None


def load_state(data_dir: Path) -> StackState | None:
    """State of the stack of a data folder, or `None` when there is none."""
    stack = read_stack(data_dir)
    if stack is None:
        return None
    try:
        return msgspec.convert(stack, StackState)
    except msgspec.ValidationError:
        return None


def _save_state(data_dir: Path, state: StackState) -> None:
    path = data_dir / STACK_FILE
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(msgspec.to_builtins(state), indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


@contextlib.contextmanager
def _only_one(data_dir: Path, within_s: float = 1.0) -> Iterator[None]:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "stack.lock").open("w")
    except OSError as error:
        raise StackError(f"cannot keep a stack in {data_dir}: {error.strerror}") from None
    with lock:
        deadline = time.monotonic() + within_s
        while not _is_locked(lock):
            if time.monotonic() > deadline:
                raise StackError(f"another journeys up or down is at work on {data_dir}; try again when it is done")
            time.sleep(0.02)
        yield


def _is_locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def is_changing(data_dir: Path) -> bool:
    """Whether an `up` or `down` is at work on the stack of a data folder."""
    try:
        with _only_one(data_dir, within_s=0):
            return False
    except StackError:
        return True


class LocalStack:
    """The stack of one data folder."""

    def __init__(self, data_dir: Path, tell: Tell) -> None:
        self.data_dir = data_dir.resolve()
        self._tell = tell
        self._kafka_folder = self.data_dir / "kafka"
        self._why_embedded = ""

    def up(
        self, ports: Ports, *, broker: Broker = "auto", kafka: str | None = None, clickhouse: str | None = None
    ) -> tuple[StackState, bool]:
        """Start what does not run; the state, and whether anything had to be started.

        `kafka` and `clickhouse` name servers to use instead of starting our own; `broker` says which one to start.

        Raises:
            StackError: something does not come up, or the stack runs with other servers.
            KafkaUnavailable: Apache Kafka is asked for, or holds the log already, and cannot run.
            PortTaken: a port is in use.
            SettingsError: a setting is wrong.

        """
        with _only_one(self.data_dir):
            state = self._planned(ports, broker, kafka, clickhouse)
            wanted = [name for name in ORDER if self._is_ours(name, state)]
            if state.broker == "tansu" and not state.is_running("broker"):
                self._stop_clients(state)
            missing = [name for name in wanted if not state.is_running(name)]
            if not missing:
                return state, False
            make_pepper(self.data_dir / "pepper")
            if state.broker == "external" and missing == wanted:
                self._tell(self._ready_line("broker", state.kafka, state))
            try:
                for number, phase in enumerate(PHASES):
                    if number:
                        self._prepare(state)
                    started = [self._start(name, state) for name in phase if name in missing]
                    for process in started:
                        self._await_ready(process, state)
                        self._tell(self._ready_line(process.name, process.address, state))
            except BaseException:
                if len(missing) == len(wanted):
                    self._stop_all(state)
                raise
            return state, True

    def down(self) -> list[str]:
        """Stop everything that runs, in reverse order; names of what was stopped."""
        with _only_one(self.data_dir):
            state = load_state(self.data_dir)
            return self._stop_all(state) if state else []

    def _planned(self, ports: Ports, broker: Broker, kafka: str | None, clickhouse: str | None) -> StackState:
        old = load_state(self.data_dir)
        if old is not None and any(process.handle() for process in old.processes):
            self._refuse_other_servers(old, broker, kafka, clickhouse)
            return old
        settings = settings_without_stack(self.data_dir)
        if kafka is None and "bootstrap" in settings.kafka.model_fields_set:
            kafka = settings.kafka.bootstrap
        if clickhouse is None and "host" in settings.clickhouse.model_fields_set:
            clickhouse = f"{settings.clickhouse.host}:{settings.clickhouse.port}"
        if kafka and broker != "auto":
            raise StackError(
                f"--broker {broker} starts a broker, but --kafka or JOURNEYS_KAFKA__BOOTSTRAP names one, {kafka}; leave"
                " one of them out"
            )
        chosen = "external" if kafka else self._chosen_broker(broker)
        door = WantedPort(ports.door, "--door-port", "the HTTP door")
        page = WantedPort(ports.page, "--page-port", "the page")
        ours = WantedPort(ports.kafka, "--kafka-port", "the broker")
        native = WantedPort(ports.clickhouse, "--clickhouse-port", "ClickHouse")
        http = WantedPort(ports.clickhouse_http, "--clickhouse-http-port", "ClickHouse HTTP")
        wanted = [door, page, *([] if kafka else [ours]), *([] if clickhouse else [native, http])]
        address = {port: f"{LOOPBACK}:{number}" for port, number in zip(wanted, claim_ports(*wanted), strict=True)}
        return StackState(
            kafka=kafka or address[ours],
            clickhouse=clickhouse or address[native],
            clickhouse_http=None if clickhouse else f"http://{address[http]}",
            door=f"http://{address[door]}",
            page=f"http://{address[page]}",
            broker=chosen,
            session_timeout_s=_TANSU_SESSION_TIMEOUT_S if chosen == "tansu" else settings.kafka.session_timeout_s,
            processes=[],
        )

    def _chosen_broker(self, wanted: Broker) -> Literal["kafka", "tansu"]:
        if wanted == "embedded":
            return "tansu"
        try:
            find_kafka()
        except KafkaUnavailable as unavailable:
            if wanted == "kafka":
                raise
            if self._kafka_folder.exists():
                raise KafkaUnavailable(
                    f"the stack in {self.data_dir} has its log in Apache Kafka, which cannot run now. {unavailable}."
                    " To go on with an empty log, without what is in that one: --broker embedded"
                ) from None
            self._why_embedded = f"; {unavailable}"
            return "tansu"
        return "kafka"

    def _refuse_other_servers(
        self, state: StackState, broker: Broker, kafka: str | None, clickhouse: str | None
    ) -> None:
        others = []
        if kafka and kafka != state.kafka:
            others.append(f"Kafka at {state.kafka}")
        elif broker != "auto" and state.broker != {"kafka": "kafka", "embedded": "tansu"}[broker]:
            others.append(f"the broker {state.broker} at {state.kafka}")
        if clickhouse and parse_address(clickhouse, 9000) != parse_address(state.clickhouse, 9000):
            others.append(f"ClickHouse at {state.clickhouse}")
        if others:
            raise StackError(
                f"the stack in {self.data_dir} is running, with {' and '.join(others)}; to use other servers stop it"
                f" first: journeys down --data-dir {self.data_dir}"
            )

    def _stop_clients(self, state: StackState) -> None:
        """Stop what still holds offsets of the tansu that is gone: in its successor's empty log they mean nothing."""
        if any(state.is_running(name) for name in _CLIENTS):
            self._tell("the broker ended, and its log with it: what depends on it starts again")
            self._stop(_CLIENTS, state, _STOP_WITHOUT_BROKER_WITHIN_S)

    def _is_ours(self, name: str, state: StackState) -> bool:
        if name == "broker":
            return state.broker != "external"
        return name != "clickhouse" or state.clickhouse_http is not None

    def _settings(self, state: StackState) -> Settings:
        return load_settings(self.data_dir, kafka=state.kafka, clickhouse=state.clickhouse)

    def _prepare(self, state: StackState) -> None:
        settings = self._settings(state)
        applied = migrate(clickhouse_address(settings.clickhouse))
        if applied:
            self._tell(f"schema      {len(applied)} migrations applied")
        topics = create_topics(settings)
        created = [name for name, what in topics.items() if what == "created"]
        if created:
            self._tell(f"topics      {', '.join(created)} created")

    def _start(self, name: str, state: StackState) -> ManagedProcess:
        command, address, environment = self._command(name, state)
        log = self.data_dir / "logs" / f"{name}.log"
        with interruptions_later():
            process = start_process(name, command, address=address, log=log, environment=environment)
            others = [other for other in state.processes if other.name != name]
            state.processes = sorted([*others, process], key=lambda each: ORDER.index(each.name))
            _save_state(self.data_dir, state)
        return process

    def _ready_line(self, name: str, address: str, state: StackState) -> str:
        return f"{name:<11} {address}{self._remark(name, state)}"

    def _remark(self, name: str, state: StackState) -> str:
        if name == "broker":
            return f"   ({BROKERS[state.broker]}{self._why_embedded})"
        if name == "clickhouse":
            return f"   and {state.clickhouse_http} (read-only)"
        if name == "page":
            return "   (look at it in the browser)"
        return ""

    def _command(self, name: str, state: StackState) -> tuple[list[str], str, dict[str, str]]:
        local = {"PYTHONPATH": str(deploy_root())}
        reach = ["--data-dir", str(self.data_dir), "--kafka", state.kafka]
        ours = {"JOURNEYS_KAFKA__SESSION_TIMEOUT_S": str(state.session_timeout_s)}
        match name:
            case "broker":
                port = state.kafka.rpartition(":")[2]
                if state.broker == "tansu":
                    return python_command("deploy.local.broker", "--port", port), state.kafka, local
                found = find_kafka()
                run = ["--java", found.java, "--jars", str(found.jars), "--data-dir", str(self._kafka_folder)]
                return python_command("deploy.local.kafka", *run, "--port", port), state.kafka, local
            case "clickhouse":
                native = state.clickhouse.rpartition(":")[2]
                http = (state.clickhouse_http or "").rpartition(":")[2]
                arguments = (
                    "--data-dir",
                    str(self.data_dir / "clickhouse"),
                    "--native-port",
                    native,
                    "--http-port",
                    http,
                )
                return python_command("deploy.local.clickhouse", *arguments), state.clickhouse, local
            case "worker" | "alerts":
                worker = ["worker", "--agents", _WORKERS[name], *reach, "--clickhouse", state.clickhouse]
                worker += ["--ready-file", str(self._ready_file(name))]
                return python_command("streams.cli.main", *worker), f"{state.kafka} -> {state.clickhouse}", ours
            case "page":
                port = state.page.rpartition(":")[2]
                page = ["serve", "--data-dir", str(self.data_dir), "--clickhouse", state.clickhouse, "--port", port]
                return python_command("streams.cli.main", *page), state.page, {}
            case _:
                port = state.door.rpartition(":")[2]
                return python_command("streams.cli.main", "door", *reach, "--port", port), state.door, ours

    def _ready_file(self, name: str) -> Path:
        return self.data_dir / f"{name}.ready"

    def _await_ready(self, process: ManagedProcess, state: StackState) -> None:
        deadline = time.monotonic() + _START_WITHIN_S
        while True:
            # In this order: a port on which somebody listens may be another program's, whose listening ended ours.
            is_ready = self._is_ready(process, state)
            if process.handle() is None:
                raise StackError(f"{process.name} ended while starting:\n{_last_lines(Path(process.log))}")
            if is_ready:
                return
            if time.monotonic() > deadline:
                raise StackError(
                    f"{process.name} is not ready after {_START_WITHIN_S:.0f} s:\n{_last_lines(Path(process.log))}"
                )
            time.sleep(0.05)

    def _is_ready(self, process: ManagedProcess, state: StackState) -> bool:
        if process.name in _WORKERS:
            try:
                return self._ready_file(process.name).read_text().strip() == str(process.pid)
            except OSError:
                return False
        addresses = {
            "broker": [state.kafka],
            "clickhouse": [state.clickhouse, state.clickhouse_http or ""],
            "door": [state.door],
            "page": [state.page],
        }[process.name]
        return all(is_listening(int(address.rpartition(":")[2])) for address in addresses)

    def _stop_all(self, state: StackState) -> list[str]:
        stopped = [name for phase in reversed(PHASES) for name in self._stop(phase, state)]
        (self.data_dir / STACK_FILE).unlink(missing_ok=True)
        return stopped

    def _stop(self, names: Sequence[str], state: StackState, within_s: float = STOP_WITHIN_S) -> list[str]:
        """Stop those that run; their names."""
        running = [process for name in reversed(names) if (process := state.process(name)) and process.handle()]
        for process in stop_processes(running, within_s):
            self._tell(f"{process.name} did not stop by itself and was ended; see {process.log}")
        return [process.name for process in running]


def status(data_dir: Path) -> dict[str, Any]:
    """State of the stack for people and machines: addresses, and each process with its pid, address and state."""
    state = load_state(data_dir)
    if state is None:
        return {"data_dir": str(data_dir), "is_running": False, "processes": []}
    processes = [
        {
            "name": process.name,
            "pid": process.pid,
            "address": process.address,
            "state": process.state,
            "log": process.log,
        }
        for process in state.processes
    ]
    return {
        "data_dir": str(data_dir),
        "is_running": bool(processes) and all(process["state"] == "running" for process in processes),
        "broker": state.broker,
        "kafka": state.kafka,
        "clickhouse": state.clickhouse,
        "clickhouse_http": state.clickhouse_http,
        "door": state.door,
        "page": state.page,
        "processes": processes,
    }


def _last_lines(log: Path, count: int = 15) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()[-count:]
    except OSError:
        lines = []
    return "\n".join(f"  {line}" for line in (*lines, f"(all of it: {log})"))
