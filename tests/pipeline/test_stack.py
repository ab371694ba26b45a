"""The local stack as users drive it: coming up, being looked at, losing parts, going down, coming back."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from kafka import KafkaProducer

from streams.topics import TOUCHPOINTS
from tests.support.command_line import one_line
from tests.support.deadline import wait_until
from tests.support.local_broker import free_port, running_broker
from tests.support.local_clickhouse import running_clickhouse
from tests.support.running_page import Page
from tests.support.running_stack import FREE_PORTS, Stack, running_stack, without_versions

pytestmark = pytest.mark.stack

NAMES = ["broker", "clickhouse", "worker", "alerts", "door", "page"]
ENDS_WITHIN_S = 60


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture
def cold(tmp_path: Path) -> Iterator[Stack]:
    """A stack that nobody has started yet, and that does not run any more in the end."""
    stack = Stack(tmp_path / "data", {})
    yield stack
    stack.run("down", code=None)


def pids(stack: Stack) -> dict[str, int]:
    return {process["name"]: process["pid"] for process in stack.status()["processes"]}


def states(stack: Stack) -> dict[str, str]:
    return {process["name"]: process["state"] for process in stack.status()["processes"]}


def lines(prefix: str, persons: range) -> bytes:
    """Two calls about one matter for each person: a repeat contact each."""
    begin = time.time_ns() // 1_000_000 - 86_400_000
    events = [
        {
            "id": f"{prefix}-{person}-{call}",
            "source": "hotline",
            "kind": "contact.started",
            "channel": "phone",
            "topic": "refund",
            "occurred_at": begin + call * 3_600_000,
            "identities": [f"customer_no:{prefix}{person}"],
        }
        for person in persons
        for call in (0, 1)
    ]
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def send_garbage(stack: Stack, value: bytes, count: int) -> None:
    producer = KafkaProducer(bootstrap_servers=stack.status()["kafka"], acks="all")
    try:
        for sent in [producer.send(TOUCHPOINTS, value=value, partition=0) for _ in range(count)]:
            sent.get(timeout=30)
    finally:
        producer.close()


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody collected does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def listening(pid: int) -> set[str]:
    """Addresses on which a process and its children accept connections."""
    process = psutil.Process(pid)
    return {
        connection.laddr.ip
        for each in (process, *process.children(recursive=True))
        for connection in each.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN or connection.type == socket.SOCK_DGRAM
    }


def test_status_lists_each_process_with_pid_address_and_state(stack: Stack) -> None:
    done = stack.run("status", "--json", code=0)
    found = json.loads(done.stdout)
    assert [process["name"] for process in found["processes"]] == NAMES
    for process in found["processes"]:
        assert {"name", "pid", "address", "state"} <= set(process)
        assert process["state"] == "running"
        assert psutil.pid_exists(process["pid"])
    assert found["broker"] == "tansu"
    by_name = {process["name"]: process["address"] for process in found["processes"]}
    assert by_name["broker"] == found["kafka"]
    assert by_name["clickhouse"] == found["clickhouse"]
    assert by_name["door"] == found["door"]
    assert by_name["page"] == found["page"]
    page = Page(found["page"])
    assert page.ask("span").status == 200
    assert page.get("/api").json["clickhouse_http"] == found["clickhouse_http"]
    table = stack.run("status", code=0).stdout
    assert table.splitlines()[0].split() == ["name", "state", "pid", "address"]
    assert [line.split()[0] for line in table.splitlines()[1:-1]] == NAMES
    assert table.splitlines()[-1] == (
        f"broker at {found['kafka']}: tansu: its log lives in memory and is gone after `journeys down`"
    )


def test_everything_listens_on_loopback_alone(stack: Stack) -> None:
    for name, pid in pids(stack).items():
        addresses = listening(pid)
        assert addresses <= {"127.0.0.1", "::1"}, name
        assert addresses or name in {"worker", "alerts"}, name


def test_a_second_up_says_that_it_runs_and_changes_nothing(stack: Stack) -> None:
    before = pids(stack)
    done = stack.up()
    assert f"the stack in {stack.data_dir} is already running" in done.stdout
    assert pids(stack) == before


def test_up_with_other_servers_than_those_that_run_is_refused(stack: Stack) -> None:
    before = pids(stack)
    done = stack.up("--kafka", "127.0.0.1:1", "--clickhouse", "127.0.0.1:2", code=1)
    assert f"is running, with Kafka at {stack.status()['kafka']} and ClickHouse at" in done.stderr
    assert "to use other servers stop it first: journeys down --data-dir" in done.stderr
    done = stack.up("--broker", "kafka", code=1)
    assert f"is running, with the broker tansu at {stack.status()['kafka']}; to use other servers stop" in done.stderr
    stack.up("--kafka", stack.status()["kafka"], code=0)
    stack.up("--broker", "embedded", code=0)
    assert pids(stack) == before


@pytest.mark.parametrize("killed", [["worker"], ["clickhouse", "alerts", "page"]], ids=["worker", "three parts"])
def test_up_after_parts_died_starts_those_alone(stack: Stack, killed: list[str]) -> None:
    before = pids(stack)
    for name in killed:
        os.kill(before[name], signal.SIGKILL)
        wait_until(lambda pid=before[name]: not is_alive(pid))  # type: ignore[misc]
    status = stack.run("status", code=1).stdout.splitlines()
    assert [line.split()[0] for line in status if line.split()[1] == "stopped"] == killed
    done = stack.up()
    assert [line.split()[0] for line in done.stdout.splitlines() if line.split()[0] in NAMES] == killed
    after = pids(stack)
    assert [name for name in NAMES if after[name] != before[name]] == killed
    assert list(after) == NAMES
    assert set(states(stack).values()) == {"running"}


def test_a_broker_that_died_takes_its_log_along_and_what_comes_then_is_processed_once(stack: Stack) -> None:
    first, second = lines("before", range(40)), lines("after", range(3))
    stack.produce(first)
    send_garbage(stack, b"old garbage", 3)
    stack.wait()
    counts, before = stack.counts(), pids(stack)
    stack.kill("broker")
    done = stack.up()
    assert "the broker ended, and its log with it: what depends on it starts again" in done.stdout
    after = pids(stack)
    assert [name for name in NAMES if after[name] == before[name]] == ["clickhouse"]

    stack.produce(first)
    stack.produce(second)
    # At the very places where others lay in the log that is gone.
    send_garbage(stack, b"new garbage", 2)
    stack.wait()
    more = {"touchpoints": 6, "persons": 3, "sessions": 6, "journeys": 3, "frictions": 3, "dead_letters": 2}
    grown = stack.counts()
    assert {name: grown[name] - counts[name] for name in more} == more


def test_data_survive_down_and_up_and_nothing_is_doubled(stack: Stack) -> None:
    first, second = lines("first", range(30)), lines("second", range(2))
    stack.produce(first)
    send_garbage(stack, b"garbage", 2)
    stack.wait()
    facts, counts = stack.facts(), stack.counts()
    assert counts["frictions"] >= 30
    old_log = stack.status()["kafka"]

    assert "stopped page, door, alerts, worker, clickhouse, broker" in stack.run("down").stdout
    assert stack.run("down").stdout == f"nothing runs in {stack.data_dir}\n"
    assert json.loads(stack.run("status", "--json", code=1).stdout)["processes"] == []
    assert "nothing runs in" in stack.run("status", code=1).stdout
    assert stack.up().returncode == 0

    assert stack.status()["kafka"] != old_log
    assert stack.counts() == counts
    assert stack.facts() == facts
    stack.wait()
    stack.produce(second)
    send_garbage(stack, b"garbage", 1)
    stack.wait()
    grown = stack.counts()
    assert grown["touchpoints"] == counts["touchpoints"] + 4
    assert grown["frictions"] == counts["frictions"] + 2
    assert grown["dead_letters"] == counts["dead_letters"] + 1
    stack.produce(first)
    stack.wait()
    assert stack.counts() == grown
    frictions = stack.query("SELECT * FROM v_frictions ORDER BY friction_id")
    of_first = {row["friction_id"] for row in facts["frictions"]}
    again = {"frictions": [row for row in frictions if row["friction_id"] in of_first]}
    assert without_versions(again) == without_versions({"frictions": facts["frictions"]})


def test_down_where_nothing_ever_was_says_so(tmp_path: Path) -> None:
    nowhere = Stack(tmp_path / "nowhere", {})
    assert nowhere.run("down").stdout == f"nothing runs in {tmp_path / 'nowhere'}\n"
    assert not nowhere.data_dir.exists()


@pytest.mark.parametrize("option", [word for word in FREE_PORTS if word.startswith("--")])
def test_a_taken_port_ends_with_4_and_names_port_and_option(tmp_path: Path, option: str) -> None:
    cold = Stack(tmp_path / "data", {})
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = cold.up(option, str(port), code=4)
    assert f"port {port} for " in done.stderr
    assert f"is taken; choose another with {option} PORT ({option} 0 takes a free one)" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert cold.status()["processes"] == []


def test_one_port_cannot_be_given_twice(tmp_path: Path) -> None:
    cold = Stack(tmp_path / "data", {})
    port = str(free_port())
    done = cold.up("--clickhouse-port", port, "--clickhouse-http-port", port, code=4)
    assert f"port {port} for ClickHouse HTTP is taken; choose another with --clickhouse-http-port" in done.stderr


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"JOURNEYS_PARTITIONS": "many"}, "setting partitions: Input should be a valid integer"),
        ({"JOURNEYS_KAFKA__BOOTSTRAP": "nowhere"}, "setting kafka.bootstrap: expected host:port, got 'nowhere'"),
    ],
)
def test_a_wrong_setting_ends_up_before_anything_starts(
    tmp_path: Path, environment: dict[str, str], message: str
) -> None:
    cold = Stack(tmp_path / "data", environment)
    done = cold.up(code=1)
    assert done.stderr.startswith(f"error: {message}")
    assert len(done.stderr.splitlines()) == 1
    assert cold.status()["processes"] == []


def test_apache_kafka_that_is_asked_for_and_not_installed_ends_up_before_anything_starts(cold: Stack) -> None:
    done = cold.up("--broker", "kafka", code=1)
    assert done.stderr == "error: Apache Kafka 4.3.1 is not installed; fetch it with: journeys kafka install\n"
    assert cold.status()["processes"] == []


def test_a_log_in_apache_kafka_is_not_left_behind_without_a_word(cold: Stack) -> None:
    (cold.data_dir / "kafka").mkdir(parents=True)
    done = cold.up(code=1)
    assert done.stderr == (
        f"error: the stack in {cold.data_dir} has its log in Apache Kafka, which cannot run now. Apache Kafka 4.3.1 is"
        " not installed; fetch it with: journeys kafka install. To go on with an empty log, without what is in that"
        " one: --broker embedded\n"
    )
    assert cold.status()["processes"] == []
    told = cold.up("--broker", "embedded").stdout.splitlines()
    assert told[0].endswith("(tansu: its log lives in memory and is gone after `journeys down`)")


@pytest.mark.parametrize(
    ("options", "environment"),
    [(("--kafka", "127.0.0.1:1"), {}), ((), {"JOURNEYS_KAFKA__BOOTSTRAP": "127.0.0.1:1"})],
    ids=["option", "environment"],
)
def test_a_broker_to_start_and_one_to_use_exclude_each_other(
    tmp_path: Path, options: tuple[str, ...], environment: dict[str, str]
) -> None:
    cold = Stack(tmp_path / "data", environment)
    done = cold.up("--broker", "embedded", *options, code=1)
    assert done.stderr == (
        "error: --broker embedded starts a broker, but --kafka or JOURNEYS_KAFKA__BOOTSTRAP names one, 127.0.0.1:1;"
        " leave one of them out\n"
    )
    assert cold.status()["processes"] == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    done = Stack(tmp_path / "data", {}).up(code=1)
    assert done.stderr == f"error: cannot keep a stack in {tmp_path / 'data'}: File exists\n"


def test_servers_that_are_there_already_are_used(cold: Stack, tmp_path: Path) -> None:
    with running_broker() as kafka, running_clickhouse(tmp_path / "clickhouse") as clickhouse:
        servers = ("--kafka", f"127.0.0.1:{kafka}", "--clickhouse", f"127.0.0.1:{clickhouse.native}")
        told = cold.up(*servers).stdout.splitlines()
        assert told[0] == f"broker      127.0.0.1:{kafka}   (not ours: up and down leave it alone)"
        assert list(pids(cold)) == ["worker", "alerts", "door", "page"]
        assert (cold.status()["kafka"], cold.status()["broker"]) == (f"127.0.0.1:{kafka}", "external")
        cold.produce(lines("external", range(5)))
        cold.wait()
        counts = cold.counts()
        assert (counts["touchpoints"], counts["frictions"]) == (10, 5)
        # What another machine's user would do: ask the server itself.
        elsewhere = Stack(tmp_path / "elsewhere", {})
        rows = elsewhere.run("query", "SELECT count() FROM v_frictions", "--format", "CSV", *servers[2:]).stdout
        assert rows.splitlines() == ["count()", "5"]

        cold.run("down")
        assert cold.status()["processes"] == []
        # Neither server is ours to stop: both answer, and the next start goes on where the last one ended. The
        # environment names them as well as options do.
        cold.environment |= {
            "JOURNEYS_KAFKA__BOOTSTRAP": servers[1],
            "JOURNEYS_CLICKHOUSE__HOST": "127.0.0.1",
            "JOURNEYS_CLICKHOUSE__PORT": str(clickhouse.native),
        }
        cold.up()
        assert list(pids(cold)) == ["worker", "alerts", "door", "page"]
        cold.produce(lines("external", range(6)))
        cold.wait()
        counts = cold.counts()
        assert (counts["touchpoints"], counts["frictions"]) == (12, 6)
        cold.run("down")


def test_a_server_that_is_not_there_is_named(cold: Stack, tmp_path: Path) -> None:
    with running_broker() as kafka:
        port = free_port()
        done = cold.up("--kafka", f"127.0.0.1:{kafka}", "--clickhouse", f"127.0.0.1:{port}", code=1)
    assert f"127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr
    assert cold.status()["processes"] == []


def _terminate(process: subprocess.Popen[str], _: Stack) -> None:
    process.send_signal(signal.SIGTERM)


def _down(_: subprocess.Popen[str], stack: Stack) -> None:
    stack.run("down")


@pytest.mark.parametrize("end", [_terminate, _down], ids=["sigterm", "down"])
def test_up_in_the_foreground_stops_everything_when_it_is_ended(
    cold: Stack, end: Callable[[subprocess.Popen[str], Stack], None]
) -> None:
    with cold.foreground("up", *FREE_PORTS) as process:
        assert process.stdout is not None
        told = [process.stdout.readline()]
        while "Ctrl-C stops everything" not in told[-1]:
            assert told[-1], told
            told.append(process.stdout.readline())
        assert [line.split()[0] for line in told if line.split()[0] in NAMES] == NAMES
        # Where Apache Kafka is not installed, auto says so and takes the embedded broker.
        assert told[0] == (
            f"broker      {cold.status()['kafka']}   (tansu: its log lives in memory and is gone after `journeys down`;"
            " Apache Kafka 4.3.1 is not installed; fetch it with: journeys kafka install)\n"
        )
        running = pids(cold)
        assert list(running) == NAMES
        end(process, cold)
        rest = process.communicate(timeout=ENDS_WITHIN_S)[0]
    assert process.returncode == 0
    assert rest in {"stopping\n", ""}
    assert not any(is_alive(pid) for pid in running.values())
    assert cold.status()["processes"] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_starts_leaves_nothing_behind(cold: Stack, number: int) -> None:
    with cold.foreground("up", *FREE_PORTS) as process:
        wait_until((cold.data_dir / "stack.json").exists)
        started = [each["pid"] for each in json.loads((cold.data_dir / "stack.json").read_text())["processes"]]
        assert started
        process.send_signal(number)
        told = process.communicate(timeout=ENDS_WITHIN_S)[0]
    assert process.returncode != 0
    assert "Traceback" not in told
    assert not any(is_alive(pid) for pid in started)
    assert cold.status()["processes"] == []


def test_a_process_that_ends_is_told_of_in_the_foreground_which_ctrl_c_ends(cold: Stack) -> None:
    with cold.foreground("up", *FREE_PORTS) as process:
        assert process.stdout is not None
        while "Ctrl-C stops everything" not in process.stdout.readline():
            assert process.poll() is None
        os.kill(pids(cold)["worker"], signal.SIGKILL)
        told = process.stdout.readline()
        assert told.startswith(f"worker ended; see {cold.data_dir / 'logs' / 'worker.log'}; start it again with: ")
        cold.up()
        assert set(states(cold).values()) == {"running"}
        running = pids(cold)
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=ENDS_WITHIN_S)[0]
    assert process.returncode == 0
    assert rest == "stopping\n"
    assert not any(is_alive(pid) for pid in running.values())
    assert cold.status()["processes"] == []


def test_two_ups_at_once_start_it_once_on_the_ports_that_were_asked_for(cold: Stack) -> None:
    kafka, door, page = free_port(), free_port(), free_port()
    chosen = ("--kafka-port", str(kafka), "--door-port", str(door), "--page-port", str(page))
    with cold.foreground("up", "--detach", *FREE_PORTS, *chosen) as first:
        wait_until((cold.data_dir / "stack.json").exists)
        done = cold.up(code=1)
        assert f"another journeys up or down is at work on {cold.data_dir}" in one_line(done.stderr)
        first.communicate(timeout=ENDS_WITHIN_S)
        assert first.returncode == 0
    assert list(pids(cold)) == NAMES
    status = cold.status()
    assert (status["kafka"], status["door"]) == (f"127.0.0.1:{kafka}", f"http://127.0.0.1:{door}")
    assert status["page"] == f"http://127.0.0.1:{page}"


def test_the_environment_names_the_folder_for_every_command(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "data", {"JOURNEYS_DATA_DIR": str(tmp_path / "named")})

    for words in (["status"], ["down"]):
        command = [sys.executable, "-m", "streams.cli.main", *words]
        done = subprocess.run(  # noqa: PLW1510 - `status` of nothing ends with 1
            command, env=stack.environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert f"nothing runs in {tmp_path / 'named'}" in done.stdout
