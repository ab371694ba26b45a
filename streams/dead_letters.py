"""Dead letters for people: listing them, reading their bytes back, and sending them again."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from sinks.clickhouse.reader import Reader
from sinks.clickhouse.records import DeadLetterRecord
from sinks.clickhouse.rows import dead_letter_block
from sinks.clickhouse.writer import Writer
from streams.settings import KafkaSettings, Settings
from streams.store import clickhouse_address
from streams.topics import TOUCHPOINTS, client_options

_FETCH_WITHIN_MS: Final = 5_000
REPLAYED: Final = "replayed"


class PayloadGone(RuntimeError):
    """The bytes of a dead letter are no longer in the dead-letter topic."""


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
    consumer = KafkaConsumer(enable_auto_commit=False, **client_options(kafka))
    try:
        return _fetch(consumer, letter)
    finally:
        consumer.close()


def replay_letters(settings: Settings, letters: Sequence[DeadLetterRecord]) -> int:
    """Send the original bytes and keys to the raw topic again, and note it; the number sent.

    Raises:
        PayloadGone: bytes are no longer in the topic; those before it were sent and noted.
        KafkaError: the broker does not answer or refuses.
        StoreUnavailable: ClickHouse does not answer.

    """
    consumer = KafkaConsumer(enable_auto_commit=False, **client_options(settings.kafka))
    producer = KafkaProducer(acks="all", **client_options(settings.kafka))
    writer = Writer(clickhouse_address(settings.clickhouse))
    try:
        for letter in letters:
            record = _fetch(consumer, letter)
            producer.send(TOUCHPOINTS, key=record.key or None, value=record.value).get(timeout=30)
            noted = msgspec.structs.replace(letter, state=REPLAYED, version=letter.version + 1)
            writer.insert(dead_letter_block([noted], token_prefix=REPLAYED))
        return len(letters)
    finally:
        writer.close()
        producer.close()
        consumer.close()


def _fetch(consumer: Any, letter: DeadLetterRecord) -> Any:
    place = TopicPartition(letter.dead_topic, letter.dead_partition)
    consumer.assign([place])
    consumer.seek(place, letter.dead_offset)
    for records in consumer.poll(timeout_ms=_FETCH_WITHIN_MS, max_records=1).values():
        record = records[0]
        headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
        origin = (letter.topic, letter.topic_incarnation, str(letter.partition), str(letter.offset))
        found = tuple(headers.get(name, "") for name in ("topic", "incarnation", "partition", "offset"))
        if record.offset == letter.dead_offset and found == origin:
            return record
    raise PayloadGone(
        f"the bytes of {letter.topic}/{letter.partition}/{letter.offset} are no longer in {letter.dead_topic}: its log"
        " was lost (the embedded broker keeps it in memory) or its retention is over"
    )
