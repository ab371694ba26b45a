"""The synchronous producer: touchpoints in, acknowledged records out, or an exception that says which were not."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

import msgspec
from kafka import KafkaProducer
from kafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError

from schemas.codec import encode
from schemas.identities import strongest_identity
from schemas.outputs import touchpoint_ref
from schemas.touchpoint import Touchpoint, TouchpointKey
from streams.settings import KafkaSettings
from streams.topics import TOUCHPOINTS, client_options

#: Larger than kafka-python's default of 16 KB: throughput grows with the batch, and a touchpoint has some 300 bytes.
_BATCH_BYTES: Final = 128 * 1024
_PROGRESS_STEP: Final = 1_000
#: The client gives a record up at the delivery timeout, but looks at the clock only now and then; and not at all
#: while it has no producer id yet, so that waiting for it needs an end of its own.
_GRACE_S: Final = 5.0


class BrokerUnavailable(ConnectionError):
    """No broker answers, or it has no such topic; the message names the address and what to do."""


class DeliveryFailed(RuntimeError):
    """Records that the broker did not acknowledge. `first` is the first that failed, `reason` says why.

    `failed` counts records known to have failed, `delivered` those acknowledged before. What failed may still be in
    the topic (an answer can get lost), so sending it again is right: the pipeline counts a touchpoint once.
    """

    def __init__(self, first: TouchpointKey, reason: str, failed: int, delivered: int) -> None:
        super().__init__(
            f"{failed} touchpoints were not acknowledged by the broker ({delivered} were). First:"
            f" {touchpoint_ref(first)}: {reason}"
        )
        self.first = first
        self.reason = reason
        self.failed = failed
        self.delivered = delivered


class ProducerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait and how much to keep in memory.

    `connect_timeout_s` bounds the search for a broker and the topic, `delivery_timeout_s` how long a record may stay
    without an answer before it counts as failed, `linger_ms` how long a batch waits to fill. `max_in_flight` is the
    number of records without an answer at which `send` waits (kafka-python itself has no limit).
    """

    connect_timeout_s: float = 10.0
    delivery_timeout_s: float = 60.0
    linger_ms: int = 20
    max_in_flight: int = 20_000


class TouchpointProducer:
    """Sends touchpoints to Kafka: idempotent, acknowledged by all replicas, keyed by the strongest identity.

    Use it as a context manager, or call `close`. Leaving the block normally means that everything was acknowledged;
    `on_progress` gets the number of acknowledged touchpoints now and then, from another thread.

    Raises:
        BrokerUnavailable: no broker answers, or the topic does not exist.

    """

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        topic: str = TOUCHPOINTS,
        limits: ProducerLimits | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> None:
        self._topic = topic
        self._limits = limits or ProducerLimits()
        self._on_progress = on_progress
        self._answered = threading.Condition()
        self._sent = 0
        self._delivered = 0
        self._failed = 0
        self._first_failure: tuple[TouchpointKey, str] | None = None
        self._producer: Any = _connect(kafka, topic, self._limits)

    @property
    def delivered(self) -> int:
        """Number of touchpoints that the broker acknowledged."""
        return self._delivered

    @property
    def in_flight(self) -> int:
        """Number of touchpoints sent and not answered yet."""
        return self._sent - self._delivered - self._failed

    def send(self, touchpoint: Touchpoint) -> None:
        """Hand a touchpoint over for sending; waits while `max_in_flight` are without an answer.

        Raises:
            DeliveryFailed: this or an earlier touchpoint failed; nothing more is accepted then.
            BrokerUnavailable: some have no answer long after the delivery timeout.
            ValueError: the touchpoint has no usable identity or does not fit the contract.

        """
        self._check()
        if self.in_flight >= self._limits.max_in_flight:
            with self._answered:
                has_room = self._answered.wait_for(
                    lambda: self.in_flight < self._limits.max_in_flight or self._failed, self._patience_s
                )
            self._check()
            if not has_room:
                raise self._no_answer()
        key, value = _key(touchpoint), encode(touchpoint)
        self._sent += 1
        self._send_record(key, value, self._acknowledge, partial(self._fail, touchpoint.key))

    def submit(self, touchpoints: Sequence[Touchpoint], on_done: Callable[[DeliveryFailed | None], None]) -> None:
        """Hand over a batch without waiting; `on_done` is called once, from another thread, when all are answered.

        Failures go to `on_done` alone and do not close the producer to others. Nothing is sent when one does not fit.
        A broker that dies before its first answer may leave a batch unanswered: bound the wait, then `abandon`.

        Raises:
            ValueError: a touchpoint has no usable identity or does not fit the contract.

        """
        records = [(touchpoint.key, _key(touchpoint), encode(touchpoint)) for touchpoint in touchpoints]
        batch = _Batch(len(records), on_done)
        if not records:
            on_done(None)
        for name, key, value in records:
            self._sent += 1
            self._send_record(key, value, partial(self._answer, batch, None), partial(self._refuse, batch, name))

    def flush(self) -> None:
        """Wait until every touchpoint is answered.

        Raises:
            DeliveryFailed: one failed.
            BrokerUnavailable: some have no answer long after the delivery timeout.

        """
        # What counts are the answers, below: the library's flush also fails for a batch that it merely split.
        with contextlib.suppress(KafkaError):
            self._producer.flush(self._patience_s)
        with self._answered:
            is_answered = self._answered.wait_for(lambda: self.in_flight == 0, self._patience_s)
        self._check()
        if not is_answered:
            raise self._no_answer()
        if self._on_progress:
            self._on_progress(self._delivered)

    def close(self) -> None:
        """Flush and disconnect.

        Raises:
            DeliveryFailed: a touchpoint failed.

        """
        try:
            self.flush()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Disconnect at once; what has no answer yet may or may not arrive, and counts as failed."""
        try:
            self._producer.close(timeout=0)
        except KafkaError:
            # Its close gives up on unanswered records, leaves its thread running, and complains again when it is
            # collected; there is no public way to end it.
            self._producer._sender.force_close()
            self._producer._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abandon()

    def _send_record(
        self, key: bytes, value: bytes, on_ack: Callable[[Any], None], on_error: Callable[[Exception], None]
    ) -> None:
        try:
            future = self._producer.send(self._topic, value, key=key)
        except KafkaError as error:
            on_error(error)
            return
        future.add_callback(on_ack)
        future.add_errback(on_error)

    def _acknowledge(self, _metadata: object) -> None:
        with self._answered:
            self._delivered += 1
            delivered = self._delivered
            if self.in_flight in (0, self._limits.max_in_flight // 2):
                self._answered.notify_all()
        if self._on_progress and delivered % _PROGRESS_STEP == 0:
            self._on_progress(delivered)

    def _fail(self, key: TouchpointKey, error: Exception) -> None:
        with self._answered:
            self._failed += 1
            if self._first_failure is None:
                self._first_failure = (key, _describe(error))
            self._answered.notify_all()

    def _answer(self, batch: "_Batch", failure: tuple[TouchpointKey, str] | None, _metadata: object = None) -> None:
        with self._answered:
            if failure is None:
                self._delivered += 1
            else:
                self._failed += 1
            self._answered.notify_all()
            is_done = batch.count(failure)
        if is_done:
            batch.on_done(batch.failure())

    def _refuse(self, batch: "_Batch", key: TouchpointKey, error: Exception) -> None:
        self._answer(batch, (key, _describe(error)))

    @property
    def _patience_s(self) -> float:
        return self._limits.delivery_timeout_s + _GRACE_S

    def _no_answer(self) -> BrokerUnavailable:
        return BrokerUnavailable(
            f"the broker did not answer for {self.in_flight} touchpoints within {self._patience_s:g} s"
        )

    def _check(self) -> None:
        if self._first_failure is not None:
            raise DeliveryFailed(*self._first_failure, self._failed, self._delivered)


class _Batch:
    """Answers still missing for a batch; guarded by the producer's lock."""

    def __init__(self, size: int, on_done: Callable[[DeliveryFailed | None], None]) -> None:
        self._size = size
        self._missing = size
        self._failed = 0
        self._first: tuple[TouchpointKey, str] | None = None
        self.on_done = on_done

    def count(self, failure: tuple[TouchpointKey, str] | None) -> bool:
        """Count one answer; tells whether it was the last."""
        self._missing -= 1
        if failure is not None:
            self._failed += 1
            self._first = self._first or failure
        return self._missing == 0

    def failure(self) -> DeliveryFailed | None:
        return DeliveryFailed(*self._first, self._failed, self._size - self._failed) if self._first else None


def _key(touchpoint: Touchpoint) -> bytes:
    identity = strongest_identity(touchpoint.identities)
    if identity is None:
        raise ValueError(f"{touchpoint_ref(touchpoint.key)}: no usable identity")
    return identity.encode()


def _connect(kafka: KafkaSettings, topic: str, limits: ProducerLimits) -> Any:
    milliseconds = int(limits.connect_timeout_s * 1000)
    # kafka-python wants room for at least one request and the linger in the delivery timeout.
    delivery_timeout_ms = max(int(limits.delivery_timeout_s * 1000), limits.linger_ms + 1_000)
    try:
        producer = KafkaProducer(
            client_id="journeys-producer",
            acks="all",
            enable_idempotence=True,
            allow_auto_create_topics=False,
            linger_ms=limits.linger_ms,
            batch_size=_BATCH_BYTES,
            bootstrap_timeout_ms=milliseconds,
            max_block_ms=milliseconds,
            delivery_timeout_ms=delivery_timeout_ms,
            request_timeout_ms=min(30_000, delivery_timeout_ms - limits.linger_ms),
            **client_options(kafka),
        )
    except (KafkaConnectionError, KafkaTimeoutError) as error:
        raise BrokerUnavailable(
            f"no Kafka broker answers at {kafka.bootstrap} within {limits.connect_timeout_s:g} s; is the stack up"
            f" (journeys up), or is another address meant (--kafka)? {_describe(error)}"
        ) from error
    try:
        partitions = producer.partitions_for(topic)
    except KafkaError as error:
        producer.close(timeout=0)
        raise BrokerUnavailable(
            f"{kafka.bootstrap} has no topic {topic}; run: journeys topics create ({_describe(error)})"
        ) from error
    if not partitions:
        producer.close(timeout=0)
        raise BrokerUnavailable(f"{kafka.bootstrap} has no topic {topic}; run: journeys topics create")
    return producer


def _describe(error: Exception) -> str:
    name = type(error).__name__
    text = str(error)
    return text if text.startswith(name) or name in text else f"{name}: {text}" if text else name
