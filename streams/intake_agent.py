"""The intake agent: forwards what the raw topic brings, and acknowledges when the broker has it."""

import asyncio
import time
from typing import Final

from streams.agent import Delivery
from streams.broker import ReliableProducer
from streams.flood_guard import FloodGuard
from streams.intake import Intake, read_record
from streams.pulse import Pulse
from streams.settings import Settings
from streams.source_clocks import SourceClocks
from streams.topics import DEAD, INTAKE, KEYED, TOUCHPOINTS, incarnations, partition_count
from streams.turns import Turns

_TICK_EVERY_S: Final = 0.5


class IntakeAgent:
    """Reads `touchpoints`, writes `touchpoints.keyed` and `touchpoints.dead`."""

    name = INTAKE
    topics: tuple[str, ...] = (TOUCHPOINTS,)
    most_in_hand = 1

    def __init__(self, settings: Settings) -> None:
        self.pulse = Pulse()
        self._settings = settings
        self._producer = ReliableProducer(settings.kafka, self.pulse)
        self._intake: Intake | None = None
        self._guard: FloodGuard | None = None
        # Ticks must not overtake the touchpoints they speak of.
        self._turns = Turns()
        self._ticked_at = 0.0

    async def start(self) -> None:
        """Read what the topics look like, and the secret."""
        settings = self._settings
        keyring, admission = settings.keyring(), settings.admission()
        self._guard = FloodGuard(
            settings, TOUCHPOINTS, lambda record, position: read_record(record, position, keyring, admission)
        )
        self._intake = Intake(
            keyring=keyring,
            admission=admission,
            partitions=await asyncio.to_thread(partition_count, settings.kafka, KEYED),
            incarnations=await asyncio.to_thread(incarnations, settings.kafka),
            clocks=SourceClocks(int(settings.allowed_lateness_s * 1000)),
        )

    @property
    def intake(self) -> Intake:
        """The pure part."""
        assert self._intake is not None, "start() comes first"  # noqa: S101 - a broken promise of ours
        return self._intake

    @property
    def guard(self) -> FloodGuard:
        """What stops it when there are too many dead letters."""
        assert self._guard is not None, "start() comes first"  # noqa: S101 - a broken promise of ours
        return self._guard

    async def assigned(self, partitions: frozenset[int]) -> None:
        """Keep clocks for these partitions."""
        self.intake.assign(partitions)
        self.guard.forget()

    async def revoked(self, within_s: float) -> None:
        """Tell the time a last time; the next owner knows nothing of it."""
        await self._turns.end(within_s, self._tell_time)

    async def handle(self, delivery: Delivery) -> None:
        """Forward the records; acknowledge once the broker has all of them.

        Raises:
            DecisionNeeded: with these there are too many dead letters; none of them is forwarded.

        """

        async def forward() -> None:
            records = self.intake.forward(delivery.records)
            await self.guard.check(delivery.records, [record.topic == DEAD for record in records])
            # In the same breath: who waits until everything is in the tables also waits for what time then decides.
            await self._producer.send(records + self.intake.ticks())
            delivery.acknowledge()

        await self._turns.take(forward)

    async def tick(self) -> None:
        """Tell the owners how far event time has come."""
        now = time.monotonic()
        if now - self._ticked_at < _TICK_EVERY_S:
            return
        self._ticked_at = now
        await self._turns.take(self._tell_time)

    async def finish(self, within_s: float) -> None:
        """Finish sending what is in hand, and tell the time."""
        await self._turns.end(within_s, self._tell_time)

    async def close(self) -> None:
        """Close the connection."""
        await self._producer.stop()

    async def _tell_time(self) -> None:
        await self._producer.send(self.intake.ticks())
