"""Writing to Kafka from the workers: acknowledged by the broker, or tried again for ever."""

import ssl
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, Protocol

import stamina
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.headers import Headers
from streams.pulse import Pulse
from streams.settings import KafkaSettings

_log = structlog.get_logger()
_LONGEST_PAUSE_S: Final = 15.0
#: The pause, and aiokafka's default of 40 s for an answer, for the metadata and for the records.
_NEXT_ATTEMPT_WITHIN_S: Final = _LONGEST_PAUSE_S + 2 * 40.0


class Outgoing(NamedTuple):
    """A record to be sent: place, bytes, append time to keep (UTC ms, or `None` for now), headers."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    timestamp: int | None
    headers: Headers


class ProducerPort(Protocol):
    """Where records are sent: waits for a broker that is away."""

    async def send(self, records: Sequence[Outgoing]) -> None:
        """Send records, in order per partition; returns when all are durable."""

    async def stop(self) -> None:
        """Let go of connections."""


def aiokafka_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Connection options for aiokafka clients."""
    options: dict[str, Any] = {
        "bootstrap_servers": kafka.servers,
        "security_protocol": kafka.security_protocol,
    }
    if kafka.security_protocol.endswith("SSL"):
        options["ssl_context"] = ssl.create_default_context(cafile=str(kafka.ca_file) if kafka.ca_file else None)
    if kafka.security_protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": kafka.sasl_mechanism,
            "sasl_plain_username": kafka.username,
            "sasl_plain_password": kafka.password.get_secret_value() if kafka.password else None,
        }
    return options


class ReliableProducer:
    """Sends records and returns when every one is acknowledged.

    A broker that is away is waited for, for ever: that is the backpressure. What is sent twice then is made once
    again downstream, because every record has a key that is its own.
    """

    def __init__(self, kafka: KafkaSettings, pulse: Pulse | None = None) -> None:
        self._kafka = kafka
        self._pulse = pulse or Pulse()
        self._producer: AIOKafkaProducer | None = None

    async def send(self, records: Sequence[Outgoing]) -> None:
        """Send records, in order per partition; returns when all are durable."""
        if not records:
            return
        async for attempt in stamina.retry_context(
            on=(KafkaError, OSError), attempts=None, timeout=None, wait_initial=0.2, wait_max=_LONGEST_PAUSE_S
        ):
            with attempt:
                try:
                    await self._send_once(records)
                except (KafkaError, OSError):
                    # What succeeds is no sign of life: the clock's ticks do, even when nothing is read any more.
                    self._pulse.retry("kafka", _NEXT_ATTEMPT_WITHIN_S)
                    await self.stop()
                    raise

    async def stop(self) -> None:
        """Close the connection; a later `send` opens a new one."""
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                await producer.stop()
            except (KafkaError, OSError) as error:
                _log.debug("producer_stop_failed", error=type(error).__name__)

    async def _send_once(self, records: Sequence[Outgoing]) -> None:
        producer = await self._started()
        places: dict[tuple[str, int], list[Outgoing]] = {}
        for record in records:
            places.setdefault((record.topic, record.partition), []).append(record)
        pending = [
            await producer.send_batch(batch, topic, partition=partition)
            for (topic, partition), group in places.items()
            for batch in _batches(producer, group)
        ]
        for acknowledged in pending:
            await acknowledged

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(acks="all", max_batch_size=512 * 1024, **aiokafka_options(self._kafka))
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer


def _batches(producer: AIOKafkaProducer, records: Iterable[Outgoing]) -> Iterable[Any]:
    batch = producer.create_batch()
    for record in records:
        fields = {
            "key": record.key,
            "value": record.value,
            "timestamp": record.timestamp,
            "headers": record.headers,
        }
        if batch.append(**fields) is None:
            yield batch
            batch = producer.create_batch()
            batch.append(**fields)
    batch.close()
    yield batch
