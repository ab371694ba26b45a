"""What was produced, and what the broker acknowledged: the truth that a run is held against."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from schemas.codec import encode
from schemas.identities import strongest_identity
from schemas.outputs import touchpoint_ref
from schemas.placement import partition_of
from schemas.touchpoint import Touchpoint
from streams.topics import TOUCHPOINTS

#: Longer than any broker is away in an experiment: what is not acknowledged then never will be.
_PATIENCE_S = 120
_LARGEST_REQUEST = 8_000_000


class Place(NamedTuple):
    """A place in the raw topic."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}/{self.offset}"


class Record(NamedTuple):
    """A record as anybody reads it from a topic; `timestamp` is the append time in UTC milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]

    @property
    def place(self) -> Place:
        """Where it lies in its topic."""
        return Place(self.partition, self.offset)


class Ledger:
    """Produces to the raw topic with a plain client, and remembers what became of every record.

    `acknowledged` names each good touchpoint by its places, `poison` has the places of bad records, `sent` everything
    that was ever handed to the client: what has no answer may be in the topic or not.
    """

    def __init__(self, bootstrap: str, partitions: int) -> None:
        self.acknowledged: dict[str, list[Place]] = {}
        self.poison: set[Place] = set()
        self.sent: set[str] = set()
        self.unanswered = 0
        #: How often the broker took a good touchpoint, in all lives of its log.
        self.accepted = 0
        self.encode: Callable[[Touchpoint], bytes] = encode
        self._bootstrap = bootstrap
        self._partitions = partitions
        self.connect()

    def partition_of(self, touchpoint: Touchpoint) -> int:
        """Raw partition of a touchpoint: that of its strongest identity, as producers do it."""
        key = strongest_identity(touchpoint.identities)
        assert key is not None
        return partition_of(key.encode(), self._partitions)

    def produce(self, touchpoints: Iterable[Touchpoint], partition: int | None = None) -> None:
        """Send touchpoints, by default where their persons' lie, and wait for the broker's answers."""
        pending = []
        for touchpoint in touchpoints:
            name = touchpoint_ref(touchpoint.key)
            key = strongest_identity(touchpoint.identities)
            assert key is not None
            self.sent.add(name)
            to = self.partition_of(touchpoint) if partition is None else partition
            pending.append((name, self._send(key.encode(), self.encode(touchpoint), to)))
        for name, place in self._answers(pending):
            self.acknowledged.setdefault(name, []).append(place)
            self.accepted += 1

    def produce_poison(self, values: Iterable[bytes | None], partition: int = 0) -> None:
        """Send records that nothing can be made of, and wait for the broker's answers.

        With a client of its own: of one that numbers its records a broker takes none after one that it refused, such as
        one that is too large.
        """
        producer = self._connected(enable_idempotence=False)
        pending = [
            ("", producer.send(TOUCHPOINTS, key=b"poison", value=value, partition=partition)) for value in values
        ]
        self.poison.update(place for _, place in self._answers(pending))
        producer.close(timeout=5)

    def forget_log(self) -> set[str]:
        """The log is about to be gone: no place in it counts any more. Returns what was acknowledged.

        The next broker does not know our sequence numbers: `connect` when it has topics.
        """
        self.close()
        names = set(self.acknowledged)
        self.acknowledged.clear()
        self.poison.clear()
        return names

    def close(self) -> None:
        """Disconnect."""
        self._producer.close(timeout=5)

    def connect(self) -> None:
        """Begin to produce."""
        self._producer = self._connected(enable_idempotence=True)

    def _connected(self, *, enable_idempotence: bool) -> KafkaProducer:
        return KafkaProducer(
            bootstrap_servers=self._bootstrap,
            acks="all",
            enable_idempotence=enable_idempotence,
            linger_ms=20,
            batch_size=128 * 1024,
            max_request_size=_LARGEST_REQUEST,
            delivery_timeout_ms=_PATIENCE_S * 1000,
            max_block_ms=_PATIENCE_S * 1000,
        )

    def _send(self, key: bytes, value: bytes | None, partition: int) -> Any:
        return self._producer.send(TOUCHPOINTS, key=key, value=value, partition=partition)

    def _answers(self, pending: list[tuple[str, Any]]) -> Iterable[tuple[str, Place]]:
        for name, answer in pending:
            try:
                at = answer.get(timeout=_PATIENCE_S)
            except KafkaError:
                self.unanswered += 1
                continue
            yield name, Place(at.partition, at.offset)


class TopicReader:
    """Reads a topic from its start, as a consumer without a group.

    `records` has what came by partition, until somebody takes it out. After `close` it goes on where it was.
    """

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        self.records: dict[int, deque[Record]] = {number: deque() for number in range(partitions)}
        self._bootstrap = bootstrap
        self._topic = topic
        self._next = {TopicPartition(topic, number): 0 for number in range(partitions)}
        self._consumer: KafkaConsumer | None = None

    def read(self) -> None:
        """Take what comes until nothing does for a moment; a broker that is slow may hold more."""
        while self._take(200):
            pass

    def read_to(self, offsets: Mapping[int, int]) -> None:
        """Read until before these offsets by partition. Raises `TimeoutError` when the broker does not give them."""
        deadline = time.monotonic() + _PATIENCE_S
        while any(position < offsets.get(at.partition, 0) for at, position in self._next.items()):
            self._take(200)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._topic} does not come to {dict(offsets)}")

    def close(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _take(self, timeout_ms: int) -> bool:
        if self._consumer is None:
            self._consumer = self._connected()
        found = self._consumer.poll(timeout_ms=timeout_ms)
        for at, records in found.items():
            for one in records:
                self.records[at.partition].append(
                    Record(self._topic, at.partition, one.offset, one.timestamp, one.key, one.value, list(one.headers))
                )
        self._next = {at: self._consumer.position(at) for at in self._next}
        return bool(found)

    def _connected(self) -> KafkaConsumer:
        consumer = KafkaConsumer(bootstrap_servers=self._bootstrap, enable_auto_commit=False, fetch_max_wait_ms=20)
        consumer.assign(list(self._next))
        for at, offset in self._next.items():
            consumer.seek(at, offset)
        return consumer
