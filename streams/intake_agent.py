"""The intake agent: forwards what the raw topic brings, and acknowledges when the broker has it."""

import asyncio
import time
from typing import Final

from processors.admission import AdmissionSettings
from streams.agent import Delivery
from streams.broker import ReliableProducer
from streams.intake import Intake
from streams.settings import Settings
from streams.topics import KEYED, TOUCHPOINTS, incarnations, partition_count

_TICK_EVERY_S: Final = 0.5


class IntakeAgent:
    """Reads `touchpoints`, writes `touchpoints.keyed` and `touchpoints.dead`."""

    name = "intake"
    topic = TOUCHPOINTS

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer = ReliableProducer(settings.kafka)
        self._intake: Intake | None = None
        # Ticks must not overtake the touchpoints they speak of.
        self._sending = asyncio.Lock()
        self._ticked_at = 0.0

    async def start(self) -> None:
        """Read what the topics look like, and the secret."""
        settings = self._settings
        self._intake = Intake(
            pepper=settings.pepper(),
            admission=AdmissionSettings(blocked=settings.blocked_identities),
            partitions=await asyncio.to_thread(partition_count, settings.kafka, KEYED),
            incarnations=await asyncio.to_thread(incarnations, settings.kafka),
            allowed_lateness_ms=int(settings.allowed_lateness_s * 1000),
        )

    @property
    def intake(self) -> Intake:
        """The pure part."""
        assert self._intake is not None, "start() comes first"  # noqa: S101 - a broken promise of ours
        return self._intake

    async def assigned(self, partitions: frozenset[int]) -> None:
        """Keep clocks for these partitions."""
        self.intake.assign(partitions)

    async def revoked(self) -> None:
        """Nothing is held between chunks."""

    async def handle(self, delivery: Delivery) -> None:
        """Forward the records; acknowledge once the broker has all of them."""
        async with self._sending:
            records = self.intake.forward(delivery.records)
            # In the same breath: who waits until everything is in the tables also waits for what time then decides.
            await self._producer.send(records + self.intake.ticks())
            await delivery.acknowledge()

    async def tick(self) -> None:
        """Tell the owners how far event time has come."""
        now = time.monotonic()
        if now - self._ticked_at < _TICK_EVERY_S:
            return
        self._ticked_at = now
        async with self._sending:
            await self._producer.send(self.intake.ticks())

    async def stop(self) -> None:
        """Close the connection."""
        await self._producer.stop()
