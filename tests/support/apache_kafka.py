"""Apache Kafka itself, as `journeys kafka install` fetches it and as the local stack runs it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streams.stack.apache_kafka import ApacheKafka, KafkaUnavailable, install_kafka
from tests.support.local_broker import free_port, wait_until_accepting
from tests.support.processes import REPOSITORY, stopped

#: Starting takes 5 s of two free cores, twice in a new folder; a crowded machine gives it a tenth of that.
KAFKA_START_SECONDS = 180


def apache_kafka() -> ApacheKafka:
    """Apache Kafka, fetched once; skips the test where it cannot run or be fetched, but fails where CI wants it."""
    try:
        return install_kafka(lambda _name: None)[0]
    except KafkaUnavailable as error:
        if os.environ.get("JOURNEYS_TEST_KAFKA") == "required":
            pytest.fail(str(error))
        pytest.skip(str(error))


def with_apache_kafka() -> dict[str, str]:
    """Environment in which a stack finds Apache Kafka; others find none, whatever this machine has."""
    return {"XDG_CACHE_HOME": str(apache_kafka().jars.parents[2])}


def kafka_command(folder: Path, port: int) -> list[str]:
    """What starts a broker with its log in `folder`, and becomes it."""
    kafka = apache_kafka()
    command = [sys.executable, "-m", "deploy.local.kafka", "--java", kafka.java, "--jars", str(kafka.jars)]
    return [*command, "--data-dir", str(folder), "--port", str(port)]


def start_kafka(folder: Path, port: int) -> subprocess.Popen[str]:
    """Start a broker with its log in `folder`; the caller waits for it and ends the process."""
    return subprocess.Popen(kafka_command(folder, port), cwd=REPOSITORY, text=True)


@contextmanager
def running_kafka(folder: Path) -> Iterator[int]:
    """Run a broker with its log in `folder`; yields its port on 127.0.0.1."""
    port = free_port()
    process = start_kafka(folder, port)
    with stopped(process):
        wait_until_accepting(process, port, KAFKA_START_SECONDS)
        yield port
