"""Real Apache Kafka as a process on loopback, from the artifacts that `deploy/local/kafka/pom.xml` pins."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.local_broker import free_port, wait_until_accepting
from tests.support.processes import REPOSITORY, stopped

#: Fetched once for all runs; a folder of the environment, so that `make clean` removes it.
_JARS = REPOSITORY / ".venv" / "share" / "kafka-jars"
_CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qk"
_FETCH_SECONDS = 600


def kafka_jars() -> Path:
    """Folder of the broker's jars; skips the test where Java or Maven is missing, but fails where CI wants them."""
    missing = [tool for tool in ("java", "mvn") if shutil.which(tool) is None]
    if missing:
        reason = f"Apache Kafka needs {' and '.join(missing)}, which this machine does not have"
        if os.environ.get("JOURNEYS_TEST_KAFKA") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    pom = REPOSITORY / "deploy" / "local" / "kafka" / "pom.xml"
    stamp = _JARS / "fetched"
    if not stamp.exists() or stamp.stat().st_mtime < pom.stat().st_mtime:
        shutil.rmtree(_JARS, ignore_errors=True)
        command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={_JARS}"]
        subprocess.run(command, check=True, timeout=_FETCH_SECONDS)
        stamp.touch()
    return _JARS


@contextmanager
def running_kafka(folder: Path) -> Iterator[int]:
    """Run a broker in KRaft mode with its log in `folder`; yields its port on 127.0.0.1."""
    port, controller = free_port(), free_port()
    properties = folder / "server.properties"
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": str(folder / "log"),
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "auto.create.topics.enable": "false",
    }
    properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    java = ["java", "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{kafka_jars()}/*"]
    form = [*java, "kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(properties)]
    subprocess.run(form, check=True, capture_output=True)
    with (folder / "kafka.log").open("w") as log:
        process = subprocess.Popen([*java, "kafka.Kafka", str(properties)], stdout=log, stderr=log, text=True)
        with stopped(process):
            wait_until_accepting(process, port)
            yield port
