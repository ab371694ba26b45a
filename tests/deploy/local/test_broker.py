import os
import signal
import socket
import subprocess
import sys
from contextlib import closing

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from tests.support.local_broker import free_port, running_broker, start_broker
from tests.support.processes import REPOSITORY, stopped

pytestmark = pytest.mark.stack

COMMAND = [sys.executable, "-m", "deploy.local.broker"]


def outcome(*options: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *options],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **(environment or {})},
    )


def test_what_is_produced_is_consumed() -> None:
    with running_broker() as port:
        address = f"127.0.0.1:{port}"
        producer = KafkaProducer(bootstrap_servers=address, acks="all")
        producer.send("touchpoints", key=b"k", value=b"v").get(timeout=30)
        producer.close()
        consumer = KafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest", consumer_timeout_ms=30_000)
        consumer.assign([TopicPartition("touchpoints", 0)])
        record = next(iter(consumer))
        consumer.close()
    assert (record.key, record.value) == (b"k", b"v")


def test_every_start_is_another_cluster_because_the_log_is_empty_again() -> None:
    seen = set()
    for _ in range(2):
        with running_broker() as port, closing(KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}")) as admin:
            seen.add(admin.describe_cluster()["cluster_id"])
    assert len(seen) == 2


def test_a_signal_ends_it() -> None:
    process, _ = start_broker(free_port())
    with stopped(process):
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_taken_port_is_exit_code_four_and_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = outcome("--port", str(port))
    assert ended.returncode == 4
    assert f"port {port} is taken" in ended.stderr
    assert "--port" in ended.stderr


def test_other_machines_are_never_served() -> None:
    ended = outcome("--host", "0.0.0.0")  # noqa: S104
    assert ended.returncode == 2
    assert "not a loopback address" in ended.stderr


def test_a_broker_that_is_not_there_is_exit_code_three_and_says_what_to_install() -> None:
    ended = outcome("--port", str(free_port()), environment={"CALF_TANSU_BIN": "/not/there"})
    assert ended.returncode == 3
    assert "customer-journeys[local]" in ended.stderr


def test_port_zero_is_refused_because_clients_are_told_the_port() -> None:
    assert outcome("--port", "0").returncode == 2
