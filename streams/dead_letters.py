"""Dead letters for people: listing them, reading their bytes back, and sending them again."""

import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import MessageSizeTooLargeError

from sinks.clickhouse.reader import Reader
from sinks.clickhouse.records import DeadLetterRecord
from sinks.clickhouse.rows import dead_letter_block
from sinks.clickhouse.writer import Writer
from streams.headers import appended_headers
from streams.settings import KafkaSettings, Settings
from streams.store import clickhouse_address
from streams.topics import TOUCHPOINTS, client_options

_FETCH_WITHIN_S: Final = 5.0
_ANSWER_WITHIN_MS: Final = 10_000
_ANY_SIZE: Final = 2**31 - 1
REPLAYED: Final = "replayed"


class PayloadGone(RuntimeError):
    """The bytes of a dead letter are no longer in the dead-letter topic."""


class Replayed(NamedTuple):
    """What a replay did: how many dead letters it sent, and the others with why they could not be."""

    sent: int
    failures: list[tuple[DeadLetterRecord, str]]


def list_letters(settings: Settings, *, reason: str | None, state: str | None, limit: int) -> list[DeadLetterRecord]:
    """Dead letters, newest first.

    Raises:
        StoreUnavailable: ClickHouse does not answer.

    """
    reader = Reader(clickhouse_address(settings.clickhouse))
    try:
        return reader.list_dead_letters(reason=reason, state=state, limit=limit)
    finally:
        reader.close()


def find_letter(settings: Settings, topic: str, partition: int, offset: int) -> DeadLetterRecord | None:
    """Latest dead letter of a place in the log, or `None`.

    Raises:
        StoreUnavailable: ClickHouse does not answer.

    """
    reader = Reader(clickhouse_address(settings.clickhouse))
    try:
        return next(iter(reader.find_dead_letters(topic, partition, offset)), None)
    finally:
        reader.close()


def read_payload(kafka: KafkaSettings, letter: DeadLetterRecord) -> Any:
    """Record of the dead-letter topic, with key, value and headers.

    Raises:
        PayloadGone: the topic does not hold it any more.
        KafkaError: the broker does not answer.

    """
    consumer = _consumer(kafka)
    try:
        return _fetch(consumer, letter)
    finally:
        consumer.close()


def replay_letters(settings: Settings, letters: Sequence[DeadLetterRecord]) -> Replayed:
    """Send the original bytes and keys to the raw topic again, and note each.

    A dead letter whose bytes are gone, or are more than the broker takes, does not keep the others from being sent.

    Raises:
        KafkaError: the broker does not answer or refuses.
        StoreUnavailable: ClickHouse does not answer.

    """
    consumer = _consumer(settings.kafka)
    producer = KafkaProducer(
        acks="all",
        # The broker has the last word on sizes: it took these bytes before.
        max_request_size=_ANY_SIZE,
        bootstrap_timeout_ms=_ANSWER_WITHIN_MS,
        **client_options(settings.kafka),
    )
    writer = Writer(clickhouse_address(settings.clickhouse))
    failures = []
    try:
        for letter in letters:
            try:
                if letter.reason == "lost_to_retention":
                    raise PayloadGone(letter.detail)
                record = _fetch(consumer, letter)
                producer.send(
                    TOUCHPOINTS,
                    key=_original_key(record),
                    value=record.value,
                    headers=appended_headers(letter.appended_at),
                ).get(timeout=30)
            except (PayloadGone, MessageSizeTooLargeError) as error:
                failures.append((letter, str(error)))
                continue
            noted = msgspec.structs.replace(letter, state=REPLAYED, version=letter.version + 1)
            writer.insert(dead_letter_block([noted], token_prefix=REPLAYED))
    finally:
        writer.close()
        producer.close()
        consumer.close()
    return Replayed(len(letters) - len(failures), failures)


def _consumer(kafka: KafkaSettings) -> Any:
    return KafkaConsumer(
        enable_auto_commit=False,
        # An offset that the log has no longer leads to its start, where another record shows that it is gone.
        auto_offset_reset="earliest",
        bootstrap_timeout_ms=_ANSWER_WITHIN_MS,
        **client_options(kafka),
    )


def _original_key(record: Any) -> bytes | None:
    """Key to send a record with: in the dead-letter topic an empty one stands for none, which a tombstone must not be.

    A client that is given neither key nor value sends nothing.
    """
    if record.key or record.value is None:
        return bytes(record.key or b"")
    return None


def _fetch(consumer: Any, letter: DeadLetterRecord) -> Any:
    place = TopicPartition(letter.dead_topic, letter.dead_partition)
    record = _record_at(consumer, place, letter.dead_offset)
    if record is not None:
        headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
        origin = (letter.topic, letter.topic_incarnation, str(letter.partition), str(letter.offset))
        found = tuple(headers.get(name, "") for name in ("topic", "incarnation", "partition", "offset"))
        if record.offset == letter.dead_offset and found == origin:
            return record
    raise PayloadGone(
        f"the bytes of {letter.topic}/{letter.partition}/{letter.offset} are no longer in {letter.dead_topic}: its log"
        " was lost (the embedded broker keeps it in memory) or its retention is over"
    )


def _record_at(consumer: Any, place: TopicPartition, offset: int) -> Any:
    """Record at an offset, or another that shows that it is gone; `None` when the log ends before it."""
    consumer.assign([place])
    consumer.seek(place, offset)
    deadline = time.monotonic() + _FETCH_WITHIN_S
    while time.monotonic() < deadline:
        for records in consumer.poll(timeout_ms=100, max_records=1).values():
            return records[0]
        end = consumer.highwater(place)
        if end is not None and consumer.position(place) >= end:
            break
    return None
