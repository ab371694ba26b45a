"""Apache Kafka as the local stack runs it: formatted once, ended by a signal, friendly about what is wrong."""

import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from tests.support.apache_kafka import KAFKA_START_SECONDS, running_kafka, start_kafka
from tests.support.local_broker import free_port, wait_until_accepting
from tests.support.processes import REPOSITORY, stopped


def outcome(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.local.kafka", "--jars", "/nowhere", *options]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)


def cluster_id(port: int) -> str:
    with closing(KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}")) as admin:
        found: str = admin.describe_cluster()["cluster_id"]
    return found


@pytest.mark.kafka
@pytest.mark.timeout(900)
def test_a_folder_is_one_cluster_for_ever_and_keeps_what_was_produced(tmp_path: Path) -> None:
    # Kafka reads its settings as Latin-1 and takes a comma for the end of a path.
    folder = tmp_path / "śćieżka, with a comma"
    with running_kafka(folder) as port:
        address = f"127.0.0.1:{port}"
        with closing(KafkaAdminClient(bootstrap_servers=address)) as admin:
            admin.create_topics([NewTopic("touchpoints", 1, 1)])
        with closing(KafkaProducer(bootstrap_servers=address, acks="all")) as producer:
            producer.send("touchpoints", key=b"k", value=b"v").get(timeout=30)
        first = cluster_id(port)
    with running_kafka(folder) as other:
        assert other != port
        assert cluster_id(other) == first
        with closing(
            KafkaConsumer(
                bootstrap_servers=f"127.0.0.1:{other}", auto_offset_reset="earliest", consumer_timeout_ms=30_000
            )
        ) as consumer:
            consumer.assign([TopicPartition("touchpoints", 0)])
            record = next(iter(consumer))
    assert (record.key, record.value) == (b"k", b"v")
    with running_kafka(tmp_path / "another") as port:
        assert cluster_id(port) != first


@pytest.mark.kafka
@pytest.mark.timeout(900)
def test_a_signal_ends_it(tmp_path: Path) -> None:
    port = free_port()
    process = start_kafka(tmp_path, port)
    with stopped(process):
        wait_until_accepting(process, port, KAFKA_START_SECONDS)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM


def test_a_taken_port_is_exit_code_four_and_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = outcome("--data-dir", str(tmp_path), "--port", str(port))
    assert ended.returncode == 4
    assert f"port {port} is taken" in ended.stderr


def test_a_folder_that_cannot_be_made_is_exit_code_five_and_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = outcome("--data-dir", str(tmp_path / "file"), "--port", str(free_port()))
    assert ended.returncode == 5
    assert f"cannot use {tmp_path / 'file'}: File exists" in ended.stderr


def test_a_java_that_is_not_there_is_exit_code_three_and_named(tmp_path: Path) -> None:
    ended = outcome("--java", "/not/there/java", "--data-dir", str(tmp_path), "--port", str(free_port()))
    assert ended.returncode == 3
    assert "cannot run /not/there/java: No such file or directory" in ended.stderr


def test_port_zero_is_refused_because_clients_are_told_the_port(tmp_path: Path) -> None:
    assert outcome("--data-dir", str(tmp_path), "--port", "0").returncode == 2
