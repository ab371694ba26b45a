"""Reading a stretch of a log apart from any group."""

import time
from typing import Final

from kafka import KafkaConsumer, TopicPartition

from streams.lag import LagUnknown
from streams.settings import KafkaSettings
from streams.topics import client_options
from streams.transport import Record

_READ_WITHIN_S: Final = 60.0


def read_range(kafka: KafkaSettings, topic: str, partition: int, start: int, stop: int) -> list[Record]:
    """Records of a partition from `start` up to, not including, `stop`, as far as the log has them still.

    Raises:
        LagUnknown: the broker did not give them within a minute.
        KafkaError: it does not answer.

    """
    place = TopicPartition(topic, partition)
    consumer = KafkaConsumer(enable_auto_commit=False, auto_offset_reset="earliest", **client_options(kafka))
    try:
        consumer.assign([place])
        consumer.seek(place, max(start, consumer.beginning_offsets([place])[place]))
        found: list[Record] = []
        deadline = time.monotonic() + _READ_WITHIN_S
        while consumer.position(place) < stop:
            if time.monotonic() > deadline:
                raise LagUnknown(f"the broker did not give {topic}/{partition} before offset {stop}")
            for records in consumer.poll(timeout_ms=200).values():
                found += [record for record in records if record.offset < stop]
        return found
    finally:
        consumer.close()
