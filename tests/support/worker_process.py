"""Scripted workers as processes, what they wrote down, and what their group has committed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from streams.lag import committed_offsets
from streams.settings import KafkaSettings
from streams.topics import TOUCHPOINTS
from tests.support.processes import REPOSITORY, stopped
from tests.support.scripted_worker import NAME, Behaviour

GROUP = f"journeys-{NAME}"
PARTITIONS = 4
#: As short as brokers allow: what one worker leaves behind, another gets after that time.
_SESSION = {"JOURNEYS_KAFKA__SESSION_TIMEOUT_S": "6"}


class Worker:
    """A scripted worker's process and what it wrote down."""

    def __init__(self, process: subprocess.Popen[str], file: Path) -> None:
        self.process = process
        self._file = file

    @property
    def lines(self) -> list[str]:
        return self._file.read_text().splitlines() if self._file.exists() else []

    @property
    def records(self) -> list[tuple[int, int]]:
        return [
            (int(partition), int(offset))
            for kind, partition, offset in (line.split() for line in self.lines if line.startswith("record "))
            if kind
        ]

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def worker(
    kafka: KafkaSettings, behaviour: Behaviour, file: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Worker]:
    command = [sys.executable, "-m", "tests.support.scripted_worker", kafka.bootstrap, TOUCHPOINTS, behaviour.value]
    with (
        file.with_suffix(".log").open("w") as log,
        subprocess.Popen(
            [*command, str(file)],
            cwd=REPOSITORY,
            stderr=log,
            text=True,
            env={**os.environ, **_SESSION, **(environment or {})},
        ) as process,
        stopped(process),
    ):
        yield Worker(process, file)


def send(kafka: KafkaSettings, count: int) -> None:
    producer = KafkaProducer(bootstrap_servers=kafka.servers, acks="all")
    for number in range(count):
        producer.send(TOUCHPOINTS, value=b"x" * 50, partition=number % PARTITIONS)
    producer.flush(30)
    producer.close()


def sent(kafka: KafkaSettings) -> set[tuple[int, int]]:
    """Partition and offset of every record in the topic."""
    consumer = KafkaConsumer(bootstrap_servers=kafka.servers, enable_auto_commit=False)
    try:
        places = [TopicPartition(TOUCHPOINTS, number) for number in range(PARTITIONS)]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        found: set[tuple[int, int]] = set()
        while records := consumer.poll(timeout_ms=1_000):
            found |= {(place.partition, record.offset) for place, group in records.items() for record in group}
        return found
    finally:
        consumer.close()


def committed_records(kafka: KafkaSettings) -> set[tuple[int, int]]:
    """Everything before the committed offsets."""
    offsets = committed_offsets(kafka, GROUP, TOUCHPOINTS)
    return {(partition, offset) for partition, end in offsets.items() for offset in range(end)}


def owned(worker: Worker) -> list[int]:
    """Partitions that a worker was assigned last."""
    assignments = [line for line in worker.lines if line.startswith("assigned")]
    return [int(partition) for partition in assignments[-1].split()[1:]] if assignments else []
