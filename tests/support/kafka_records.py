"""What lies in a topic, read with a plain consumer, for tests that ask what really arrived."""

from collections.abc import Iterator
from contextlib import contextmanager

from kafka import KafkaConsumer, TopicPartition

from schemas.codec import Decoded, decode
from schemas.touchpoint import Touchpoint
from streams.settings import KafkaSettings, Settings
from streams.topics import TOUCHPOINTS, create_topics
from tests.support.local_broker import running_broker


@contextmanager
def broker_with_topics() -> Iterator[KafkaSettings]:
    """Run a broker that has all topics of the pipeline."""
    with running_broker() as port:
        kafka = KafkaSettings(bootstrap=f"127.0.0.1:{port}")
        create_topics(Settings(kafka=kafka))
        yield kafka


def touchpoints_in(kafka: KafkaSettings) -> list[tuple[bytes, Touchpoint]]:
    """Key and touchpoint of every record in the raw topic, in order per partition."""
    consumer = KafkaConsumer(
        bootstrap_servers=kafka.servers,
        enable_auto_commit=False,
        # By default a consumer that gets confused goes on at the end, and says nothing of what it left out.
        auto_offset_reset="none",
        consumer_timeout_ms=10_000,
    )
    try:
        partitions = [TopicPartition(TOUCHPOINTS, number) for number in consumer.partitions_for_topic(TOUCHPOINTS)]
        consumer.assign(partitions)
        for partition, beginning in consumer.beginning_offsets(partitions).items():
            consumer.seek(partition, beginning)
        ends = consumer.end_offsets(partitions)
        found = []
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for records in consumer.poll(timeout_ms=1_000).values():
                for record in records:
                    decoded = decode(record.value)
                    assert isinstance(decoded, Decoded), decoded
                    found.append((record.key, decoded.touchpoint))
        return found
    finally:
        consumer.close()
