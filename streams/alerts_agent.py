"""The alerts agent: tells teams of frictions, each once, and notes in the ledger what became of it."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec
import structlog

from processors.friction.catalogue import rule_ids
from schemas.alerts import AlertIntent, decode_intent
from sinks.alerts.channel import Channel
from sinks.alerts.delivery import deliver
from sinks.alerts.ledger import DueAlert, EntryState, LedgerEntry, entry_for, plan
from sinks.alerts.outcome import Retry
from sinks.alerts.posting import HttpSender
from sinks.alerts.routing import AlertRouter, Routing, default_routing, load_routing, open_channels
from sinks.clickhouse.records import AlertRecord
from sinks.clickhouse.rows import alert_block
from streams.agent import Delivery
from streams.pulse import Pulse
from streams.settings import Settings
from streams.store import Store, StorePort, clickhouse_address, refuse_nothing
from streams.topics import OUTBOX
from streams.turns import Turns

_log = structlog.get_logger()
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 300.0
_MOST_DOUBLINGS: Final = 10
#: Past so many intents that wait for a channel no more are read; the log keeps them.
_MOST_WAITING: Final = 10_000


class AlertsAgent:
    """Reads `alerts.outbox`, tells the channels that the routing names, keeps the ledger `alerts`.

    An endpoint that is away holds back its own alerts only: they wait here, unacknowledged, while later ones go to
    other channels and a retraction can still overtake them.
    """

    name = "alerts"
    topics: tuple[str, ...] = (OUTBOX,)

    def __init__(
        self, settings: Settings, store: StorePort | None = None, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._now_s = now_s
        self.pulse = Pulse()
        self._store = store or Store(clickhouse_address(settings.clickhouse), self.pulse)
        path = settings.alert_routing
        self._routing_path = path
        self._routing: Routing = load_routing(path, rule_ids()) if path else default_routing()
        self._router = AlertRouter(self._routing)
        self._channels: dict[str, Channel] = {}
        self._http = HttpSender()
        self._turns = Turns()
        self._waiting: list[AlertIntent] = []
        self._deliveries: list[tuple[Delivery, frozenset[str]]] = []
        self._pauses: dict[str, _Pause] = {}
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def start(self) -> None:
        """Read the channels' secrets."""
        self._channels = open_channels(self._routing, source=self._routing_path)
        await self._http.__aenter__()

    async def assigned(self, partitions: frozenset[int]) -> None:
        """Nothing to prepare: the ledger is asked when it matters."""

    async def revoked(self, within_s: float) -> None:
        """Finish the alert in hand and drop what waits; whoever gets the partitions reads it again."""
        await self._end(within_s)

    async def handle(self, delivery: Delivery) -> None:
        """Take intents, deliver what can be delivered now; returns when there is room for more."""
        intents = list(_intents(delivery))

        async def settle() -> None:
            self._waiting += intents
            self._deliveries.append((delivery, frozenset(intent.friction_id for intent in intents)))
            await self._settle()

        await self._turns.take(settle)
        await self._has_room.wait()

    async def tick(self) -> None:
        """Try again what waits for its channel."""
        now = self._now_s()
        if any(pause.until > now for pause in self._pauses.values()):
            # Intents wait for their channel, unacknowledged, for as long as it is away.
            self.pulse.beat()
        if self._waiting and any(0 < pause.until <= now for pause in self._pauses.values()):
            await self._turns.take(self._settle)

    async def finish(self, within_s: float) -> None:
        """Finish the alert in hand; what waits is read again after the next start."""
        await self._end(within_s)

    async def close(self) -> None:
        """Close connections."""
        await self._http.__aexit__(None, None, None)
        await self._store.close()

    async def _end(self, within_s: float) -> None:
        if not await self._turns.end(within_s):
            self._store.interrupt()
        self._waiting.clear()
        self._deliveries.clear()
        self._pauses.clear()
        self._has_room.set()

    async def _settle(self) -> None:
        friction_ids = {intent.friction_id for intent in self._waiting}
        records = await self._store.read(lambda reader: reader.load_alerts(friction_ids))
        known = [_entry(record) for record in records]
        decided = plan(self._waiting, known, self._router.channels)
        about = {intent.friction_id: intent for intent in self._waiting}
        if decided.retractions:
            await self._note([(about[entry.friction_id], entry, 0) for entry in decided.retractions])
        by_channel: dict[str, list[DueAlert]] = {}
        for alert in decided.due:
            by_channel.setdefault(alert.channel, []).append(alert)
        self._pauses = {
            **{channel: pause for channel, pause in self._pauses.items() if pause.until > self._now_s()},
            **{channel: self._pauses.get(channel) or _Pause() for channel in by_channel},
        }
        left = await asyncio.gather(*(self._deliver(channel, due) for channel, due in by_channel.items()))
        unsettled = {alert.intent.friction_id for alerts in left for alert in alerts}
        self._waiting = [intent for intent in self._waiting if intent.friction_id in unsettled]
        if len(self._waiting) > _MOST_WAITING:
            self._has_room.clear()
        else:
            self._has_room.set()
        while self._deliveries and not self._deliveries[0][1] & unsettled:
            self._deliveries.pop(0)[0].acknowledge()

    async def _deliver(self, channel: str, due: Sequence[DueAlert]) -> Sequence[DueAlert]:
        """Deliver to one channel in order; returns what has to wait."""
        pause = self._pauses[channel]
        if pause.until > self._now_s():
            return due
        for index, alert in enumerate(due):
            if self._turns.is_ending:
                return due[index:]
            pause.attempts += 1
            outcome = await deliver(self._channels[channel], alert.intent, self._http)
            entry = entry_for(alert, outcome)
            if entry is None:
                assert isinstance(outcome, Retry)  # noqa: S101 - every other outcome settles
                doublings = min(pause.attempts - 1, _MOST_DOUBLINGS)
                wait_s = outcome.after_s or min(_FIRST_PAUSE_S * 2**doublings, _LONGEST_PAUSE_S)
                pause.until = self._now_s() + wait_s
                _log.warning("alert_waits", channel=channel, reason=outcome.reason, retry_in_s=round(wait_s, 1))
                return due[index:]
            if entry.state is EntryState.REFUSED:
                _log.error("alert_refused", channel=channel, friction_id=entry.friction_id, reason=entry.reason)
            await self._note([(alert.intent, entry, pause.attempts)])
            pause.attempts = 0
            pause.until = 0.0
        return ()

    async def _note(self, entries: Iterable[tuple[AlertIntent, LedgerEntry, int]]) -> None:
        records = [_record(intent, entry, attempts) for intent, entry, attempts in entries]
        block = alert_block(records, token_prefix=OUTBOX)
        refuse_nothing(block.table, await self._store.insert(block))


class _Pause:
    __slots__ = ("attempts", "until")

    def __init__(self) -> None:
        self.attempts = 0
        self.until = 0.0


def _intents(delivery: Delivery) -> Iterable[AlertIntent]:
    for record in delivery.records:
        try:
            yield decode_intent(record.value or b"")
        except msgspec.DecodeError as error:
            # Only the journeys agent writes here; a foreign record must not stop alerts for everybody.
            _log.error("alert_intent_unreadable", offset=record.offset, error=str(error))


def _entry(record: AlertRecord) -> LedgerEntry:
    return LedgerEntry(
        friction_id=record.friction_id,
        channel=record.channel,
        state=EntryState(record.state),
        version=record.version,
        reason=record.reason,
    )


def _record(intent: AlertIntent, entry: LedgerEntry, attempts: int) -> AlertRecord:
    return AlertRecord(
        tenant=intent.tenant,
        friction_id=entry.friction_id,
        channel=entry.channel,
        state=entry.state.value,
        attempts=attempts,
        reason=entry.reason,
        rule_id=intent.rule_id,
        team=intent.team,
        severity=intent.severity,
        recorded_at=time.time_ns() // 1_000_000,
        version=entry.version,
    )
