"""What is sent: the touchpoints of the mix in Avro, and what has to come of them.

The same numbers give the same load. It is encoded before anything is measured, and handed to the broker in batches.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from bench.mix import make_mix
from schemas.codec import encode
from schemas.identities import strongest_identity
from schemas.placement import partition_of
from schemas.touchpoint import Touchpoint
from streams.broker import Outgoing, ReliableProducer
from streams.producing.generator import Truth
from streams.settings import KafkaSettings
from streams.topics import TOUCHPOINTS

_MINUTE_MS: Final = 60_000
#: The plain worker's job, which is in no contract of ours: a session ends after so long, a redirect is followed within.
SESSION_GAP_MS: Final = 30 * _MINUTE_MS
FOLLOW_WITHIN_MS: Final = 24 * 60 * _MINUTE_MS
_PER_SEND: Final = 50_000


class Shares(NamedTuple):
    """Of all records: how many are page views, and how many happened over a minute before one sent earlier."""

    page_views: float
    late: float


class Load(NamedTuple):
    """Records in the order of sending, and the truth about them."""

    records: Sequence[Outgoing]
    truth: Truth
    shares: Shares
    #: Customer to the number of their sessions and of the redirects that they followed, in the order of sending.
    simple_counts: dict[str, tuple[int, int]]


def make_load(events: int, persons: int, *, seed: int, start: int, partitions: int) -> Load:
    """Generate and encode; `start` is UTC milliseconds.

    Raises:
        ValueError: the numbers are too small for each other.

    """
    touchpoints, truth = make_mix(events, persons, seed=seed, start=start)
    records = [as_record(touchpoint, partitions) for touchpoint in touchpoints]
    return Load(records, truth, shares_of(touchpoints), simple_counts(touchpoints))


def as_record(touchpoint: Touchpoint, partitions: int) -> Outgoing:
    """The record that our producer would send, to the partition that every Kafka client would choose."""
    identity = strongest_identity(touchpoint.identities)
    assert identity is not None
    key = identity.encode()
    return Outgoing(TOUCHPOINTS, partition_of(key, partitions), key, encode(touchpoint), None, [])


def simple_counts(touchpoints: Iterable[Touchpoint]) -> dict[str, tuple[int, int]]:
    """The plain worker's job as a batch: sessions and followed redirects of each customer."""
    stories: dict[str, list[Touchpoint]] = {}
    for touchpoint in touchpoints:
        stories.setdefault(str(strongest_identity(touchpoint.identities)), []).append(touchpoint)
    return {customer: (_sessions(story), _followed(story)) for customer, story in stories.items()}


def fill(kafka: KafkaSettings, records: Sequence[Outgoing]) -> None:
    """Send records; all are acknowledged on return."""
    asyncio.run(_send(kafka, records))


async def _send(kafka: KafkaSettings, records: Sequence[Outgoing]) -> None:
    producer = ReliableProducer(kafka)
    try:
        for start in range(0, len(records), _PER_SEND):
            await producer.send(records[start : start + _PER_SEND])
    finally:
        await producer.stop()


def _sessions(story: Sequence[Touchpoint]) -> int:
    latest = list(_highest_before(touchpoint.occurred_at for touchpoint in story))
    return sum(
        before is None or touchpoint.occurred_at - before > SESSION_GAP_MS
        for touchpoint, before in zip(story, latest, strict=True)
    )


def _highest_before(moments: Iterable[int]) -> Iterator[int | None]:
    highest: int | None = None
    for moment in moments:
        yield highest
        highest = moment if highest is None else max(highest, moment)


def _followed(story: Sequence[Touchpoint]) -> int:
    """Redirects after which the customer turned up where they were sent, in time and before another redirect."""
    redirects = [number for number, touchpoint in enumerate(story) if touchpoint.redirect_to is not None]
    return sum(
        any(
            after.actor == "customer"
            and after.channel == story[number].redirect_to
            and 0 <= after.occurred_at - story[number].occurred_at <= FOLLOW_WITHIN_MS
            for after in story[number + 1 : end]
        )
        for number, end in pairwise([*redirects, len(story)])
    )


def shares_of(touchpoints: Sequence[Touchpoint]) -> Shares:
    """What touchpoints in the order of sending consist of."""
    latest = _highest_before(touchpoint.occurred_at for touchpoint in touchpoints)
    late = sum(
        before is not None and touchpoint.occurred_at < before - _MINUTE_MS
        for touchpoint, before in zip(touchpoints, latest, strict=True)
    )
    views = sum(touchpoint.kind == "page.viewed" for touchpoint in touchpoints)
    return Shares(round(views / len(touchpoints), 3), round(late / len(touchpoints), 4))
