"""From a file to the topic: what goes through goes, what does not is reported with its number and reason."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from schemas.touchpoint import Touchpoint
from streams.producing.producer import TouchpointProducer

#: A wrong mapping refuses every row; a summary has no use for all of them.
KEPT_REFUSALS = 100


class Refusal(msgspec.Struct, frozen=True):
    """A line or row that is no touchpoint: its number in the file (from 1), the field if one was wrong, the reason."""

    number: int
    field: str | None
    reason: str

    def __str__(self) -> str:
        """Text for people, without the number."""
        return f"{self.field}: {self.reason}" if self.field else self.reason


class TransferSummary(msgspec.Struct, kw_only=True):
    """What became of a file. `read` and `refused` count lines or rows, `produced` acknowledged touchpoints.

    `refusals` holds the first `KEPT_REFUSALS` of the refused.
    """

    read: int = 0
    produced: int = 0
    refused: int = 0
    refusals: list[Refusal] = []


#: One line or row: its touchpoints (one, or several per row), or why there are none.
Parsed = Sequence[Touchpoint] | Refusal


def transfer(
    parsed: Iterable[Parsed],
    producer: TouchpointProducer,
    on_refusal: Callable[[Refusal], None] | None = None,
) -> TransferSummary:
    """Send all touchpoints and wait for their acknowledgement.

    Raises:
        DeliveryFailed: the broker did not take one; the file is then sent in part, and sending it again is safe.
        BrokerUnavailable: the broker stopped answering.

    """
    summary = TransferSummary()
    for item in parsed:
        summary.read += 1
        if isinstance(item, Refusal):
            summary.refused += 1
            if len(summary.refusals) < KEPT_REFUSALS:
                summary.refusals.append(item)
            if on_refusal:
                on_refusal(item)
        else:
            for touchpoint in item:
                producer.send(touchpoint)
    producer.flush()
    summary.produced = producer.delivered
    return summary
