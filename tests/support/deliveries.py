"""Deliveries as a transport hands them to agents, with notes on what agents do with them."""

from collections.abc import Iterable
from typing import Any

from aiokafka import ConsumerRecord

from streams.agent import Delivery
from tests.support.touchpoints import MONDAY


def a_record(value: bytes | None, *, offset: int, topic: str, partition: int = 0, **more: Any) -> Any:
    """Record as a consumer returns it."""
    fields = {"key": b"", "headers": (), "timestamp": MONDAY, **more}
    return ConsumerRecord(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp_type=1,
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=len(value or b""),
        **fields,
    )


class Deliveries:
    """A partition delivered chunk by chunk. `acknowledged` has the next offset of every such chunk, in order."""

    def __init__(self, topic: str, partition: int = 0) -> None:
        self.topic = topic
        self.partition = partition
        self.acknowledged: list[int] = []
        self.rewound_to: list[int] = []
        self._next = 0

    def chunk(self, values: Iterable[bytes | None], committed: int | None = None, **more: Any) -> Delivery:
        """The next chunk, one record for each value."""
        records = []
        for value in values:
            records.append(a_record(value, offset=self._next, topic=self.topic, partition=self.partition, **more))
            self._next += 1
        stop = self._next
        return Delivery(
            self.topic,
            self.partition,
            records,
            committed,
            lambda: self.acknowledged.append(stop),
            self.rewound_to.append,
            lambda: True,
        )
