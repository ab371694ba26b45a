"""How far consumer groups are behind: committed offsets against the ends of partitions."""

import time
from collections.abc import Iterable, Mapping
from typing import Final

from kafka import KafkaConsumer, TopicPartition

from streams.settings import KafkaSettings, Settings
from streams.topics import DEAD, INTAKE, JOURNEYS, KEYED, TOUCHPOINTS, admin_client, client_options

_ANSWER_WITHIN_S: Final = 10.0
#: A broker that is there needs this long to answer; less would make short timeouts look like a dead broker.
_LEAST_PATIENCE_S: Final = 3.0

#: Owners send each other records for what they read, before they commit it: links wake identifiers, these their
#: persons, and touchpoints are handed on. So often what comes of it has to be waited for, unless nothing came.
_LONGEST_CASCADE: Final = 8

#: What a touchpoint passes through, in order: topic, and the agents one of which reads it. The raw topic is read by
#: intake or, in fused mode, by journeys; what the one had read before the mode was switched is done for the other.
_PATH: Final = ((TOUCHPOINTS, (INTAKE, JOURNEYS)), (KEYED, (JOURNEYS,)), (DEAD, ("dead-letters",)))


class LagUnknown(RuntimeError):
    """The broker did not tell the ends of a topic, or has no such topic."""


def end_offsets(kafka: KafkaSettings, topic: str, within_s: float = _ANSWER_WITHIN_S) -> dict[int, int]:
    """Partition to the offset that its next record will have.

    Read from the high watermark of a fetch: the embedded broker's answer to a question for the latest offset is the
    start of the last batch.

    Raises:
        LagUnknown: the broker did not tell in time, or has no such topic.
        KafkaError: it does not answer.

    """
    consumer = KafkaConsumer(
        enable_auto_commit=False,
        fetch_max_wait_ms=50,
        # Nobody looks at the records, and this client checks them in Python.
        check_crcs=False,
        max_poll_records=1,
        bootstrap_timeout_ms=int(within_s * 1000),
        **client_options(kafka),
    )
    try:
        numbers = consumer.partitions_for_topic(topic)
        if not numbers:
            raise LagUnknown(f"{kafka.bootstrap} has no topic {topic}; run: journeys topics create")
        places = [TopicPartition(topic, number) for number in sorted(numbers)]
        consumer.assign(places)
        for place, offset in consumer.end_offsets(places).items():
            consumer.seek(place, offset)
        deadline = time.monotonic() + within_s
        while True:
            consumer.poll(timeout_ms=100)
            marks = {place.partition: consumer.highwater(place) for place in places}
            if all(mark is not None for mark in marks.values()):
                return {partition: int(mark) for partition, mark in marks.items()}
            if time.monotonic() > deadline:
                raise LagUnknown(f"the broker does not tell where topic {topic} ends")
    finally:
        consumer.close()


def committed_offsets(kafka: KafkaSettings, group: str, topic: str) -> dict[int, int]:
    """Partition to the committed offset of a group; partitions without one are missing.

    Raises:
        KafkaError: the broker does not answer.

    """
    admin = admin_client(kafka)
    try:
        found = admin.list_group_offsets([group])
    finally:
        admin.close()
    return {place.partition: int(at.offset) for place, at in found.get(group, {}).items() if place.topic == topic}


def wait_until_done(settings: Settings, timeout_s: float) -> bool:
    """Wait until everything that is in the topics now is durable; False when that takes longer than `timeout_s`.

    Raises:
        LagUnknown: the broker did not tell the ends of a topic.
        KafkaError: it does not answer.

    """
    deadline = time.monotonic() + timeout_s
    for topic, agents in _PATH:
        groups = [f"{settings.group_prefix}-{agent}" for agent in agents]
        committed: dict[int, int] = {}
        for _ in range(_LONGEST_CASCADE if topic == KEYED else 1):
            patience_s = min(_ANSWER_WITHIN_S, max(_LEAST_PATIENCE_S, deadline - time.monotonic()))
            ends = {number: end for number, end in end_offsets(settings.kafka, topic, patience_s).items() if end > 0}
            if committed and _covers(committed, ends):
                break
            while not _covers(committed := _furthest(settings.kafka, groups, topic), ends):
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.1)
    return True


def _furthest(kafka: KafkaSettings, groups: Iterable[str], topic: str) -> dict[int, int]:
    furthest: dict[int, int] = {}
    for group in groups:
        for partition, offset in committed_offsets(kafka, group, topic).items():
            furthest[partition] = max(offset, furthest.get(partition, 0))
    return furthest


def _covers(committed: Mapping[int, int], ends: Mapping[int, int]) -> bool:
    return all(committed.get(number, 0) >= end for number, end in ends.items())
