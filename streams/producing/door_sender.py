"""Between the door's event loop and the synchronous producer: one thread, a bounded number in flight."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from schemas.touchpoint import Touchpoint
from streams.producing.producer import DeliveryFailed, ProducerLimits, TouchpointProducer
from streams.settings import KafkaSettings

#: Somebody waits for the answer: rather say soon that the broker is down.
DOOR_LIMITS = ProducerLimits(connect_timeout_s=3.0, delivery_timeout_s=10.0, linger_ms=5, max_in_flight=20_000)
#: The client gives up at the delivery timeout, but looks at the clock only now and then.
_GRACE_S = 1.0


class Overloaded(RuntimeError):
    """So many touchpoints wait for the broker that no more are taken now."""


class DoorSender:
    """Sends batches for the door. Connects when first needed, and anew after a failed delivery.

    All methods belong to the event loop's thread; the producer lives in a thread of its own.
    """

    def __init__(self, kafka: KafkaSettings, limits: ProducerLimits = DOOR_LIMITS) -> None:
        self._kafka = kafka
        self._limits = limits
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="door-producer")
        self._connecting = asyncio.Lock()
        self._producer: TouchpointProducer | None = None
        self._in_flight = 0

    @property
    def in_flight(self) -> int:
        """Number of touchpoints that wait for the broker's acknowledgement."""
        return self._in_flight

    async def connect(self) -> TouchpointProducer:
        """Producer that is connected, or was when something was last sent.

        Raises:
            BrokerUnavailable: no broker answers, or the topic does not exist.

        """
        async with self._connecting:
            if self._producer is None:
                connect = partial(TouchpointProducer, self._kafka, limits=self._limits)
                self._producer = await asyncio.get_running_loop().run_in_executor(self._thread, connect)
            return self._producer

    async def send(self, touchpoints: Sequence[Touchpoint]) -> None:
        """Send a batch; returns when the broker has acknowledged all of it.

        Raises:
            Overloaded: too many wait already; nothing of this batch was sent.
            BrokerUnavailable: no broker answers, or the topic does not exist.
            DeliveryFailed: the broker did not acknowledge in time; some may have arrived.
            ValueError: a touchpoint does not fit the contract.

        """
        if self._in_flight and self._in_flight + len(touchpoints) > self._limits.max_in_flight:
            raise Overloaded(f"{self._in_flight} touchpoints wait for the broker")
        self._in_flight += len(touchpoints)
        try:
            await self._deliver(touchpoints)
        finally:
            self._in_flight -= len(touchpoints)

    async def close(self) -> None:
        """Disconnect; batches in flight should be answered by then."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, producer.abandon)
        self._thread.shutdown(wait=False)

    async def _deliver(self, touchpoints: Sequence[Touchpoint]) -> None:
        loop = asyncio.get_running_loop()
        producer = await self.connect()
        answered: asyncio.Future[None] = loop.create_future()

        def settle(failure: DeliveryFailed | None) -> None:
            if answered.done():
                return
            if failure is None:
                answered.set_result(None)
            else:
                answered.set_exception(failure)

        def on_done(failure: DeliveryFailed | None) -> None:
            loop.call_soon_threadsafe(settle, failure)

        await loop.run_in_executor(self._thread, producer.submit, touchpoints, on_done)
        try:
            # The client library may never answer; abandoning it makes it fail what is open.
            await asyncio.wait_for(asyncio.shield(answered), self._limits.delivery_timeout_s + _GRACE_S)
        except (TimeoutError, DeliveryFailed):
            if self._producer is producer:
                self._producer = None
                await loop.run_in_executor(self._thread, producer.abandon)
            await answered
