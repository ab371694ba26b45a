"""Holds the raw topic against what fused mode needs: records lie where their strongest identity belongs.

One that does not is brought to its owner all the same, at the cost of the second topic. So a few do no harm; many mean
that producers place records in another way than was believed.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from processors.admission import owner_partition
from schemas.log import DeadLetter, Position
from schemas.touchpoint import AppliedTouchpoint
from streams.agent import DecisionNeeded
from streams.lag import end_offsets
from streams.log_reading import read_range
from streams.settings import KafkaSettings
from streams.topics import KEYED, TOUCHPOINTS, partition_count
from streams.transport import Record

#: Newest offsets of each partition that are looked at, and most partitions: each takes a connection.
_SAMPLE: Final = 300
_MOST_PARTITIONS: Final = 32
#: So many percent may lie elsewhere: identities that are blocked here, and not where they are produced.
_MOST_PERCENT: Final = 5
#: Nor is anything said of a handful: a topic of few records is no pattern.
_MOST: Final = 10

#: What a record is, as the agent that reads it sees it.
Judge = Callable[[Record, Position], AppliedTouchpoint | DeadLetter]


class Placement(NamedTuple):
    """Of how many touchpoints how many do not lie where they belong, one of them, and the partition it belongs in."""

    looked_at: int
    misplaced: int
    example: Position | None
    belongs_in: int | None

    @property
    def is_acceptable(self) -> bool:
        """Whether fused mode makes sense."""
        return self.misplaced <= _MOST or self.misplaced * 100 <= _MOST_PERCENT * self.looked_at


def hold_placement(kafka: KafkaSettings, judge: Judge) -> None:
    """Return when the newest records lie where they belong; an empty topic is fine.

    Raises:
        DecisionNeeded: too many do not, or the two topics differ in their number of partitions.
        LagUnknown: the broker did not tell the ends of the topic, or did not give the records.
        KafkaError: it does not answer.

    """
    raw, keyed = (partition_count(kafka, topic) for topic in (TOUCHPOINTS, KEYED))
    if raw != keyed:
        raise DecisionNeeded(
            f"{TOUCHPOINTS} has {raw} partitions, {KEYED} has {keyed}: in fused mode (JOURNEYS_FUSED) a worker owns the"
            " same partitions of both, so there must be as many. Unset JOURNEYS_FUSED. Nothing was read"
        )
    found = placement(kafka, judge, keyed)
    if not found.is_acceptable:
        raise DecisionNeeded(_explained(found))


def placement(kafka: KafkaSettings, judge: Judge, partitions: int) -> Placement:
    """How the newest records of the raw topic lie."""
    looked_at = misplaced = 0
    example: Position | None = None
    belongs_in: int | None = None
    ends = sorted(end_offsets(kafka, TOUCHPOINTS).items())
    for partition, end in ends[:: -(-len(ends) // _MOST_PARTITIONS)]:
        for record in read_range(kafka, TOUCHPOINTS, partition, max(0, end - _SAMPLE), end) if end else ():
            position = Position(TOUCHPOINTS, partition, record.offset)
            result = judge(record, position)
            if isinstance(result, DeadLetter):
                continue
            looked_at += 1
            owner = owner_partition(result.identity_hash, partitions)
            if owner != partition:
                misplaced += 1
                example, belongs_in = position, owner
    return Placement(looked_at, misplaced, example, belongs_in)


def _explained(found: Placement) -> str:
    at = found.example
    place = f"{at.topic}/{at.partition}/{at.offset} belongs in partition {found.belongs_in}" if at else ""
    return (
        f"{100 * found.misplaced // found.looked_at} % of the newest records of {TOUCHPOINTS} ({found.misplaced:,} of"
        f" {found.looked_at:,}) do not lie in the partition of their strongest identity: {place}, for example. Fused"
        " mode (JOURNEYS_FUSED) needs producers that give each record its strongest identity as key (namespace:value)"
        " and place it by murmur2, as all Kafka clients do but those on librdkafka, which need"
        " partitioner=murmur2_random. Mend the producers, or unset JOURNEYS_FUSED: then intake brings every record to"
        " its owner. Nothing was read"
    )
