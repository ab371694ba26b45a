"""Sending notices: each channel by itself, the most severe first; what is sent is written down before and after."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec
import structlog

from sinks.alerts.breaker import Breaker, Circuit
from sinks.alerts.channel import Channel
from sinks.alerts.incidents import Settled, Settlement, decode_notice
from sinks.alerts.notice import NoticeKind
from sinks.alerts.outcome import Delivered, Outcome, Refused, Retry
from sinks.alerts.posting import HttpSender
from sinks.clickhouse.records import NoticeRecord
from streams.alert_records import DUE, SENDING

_log = structlog.get_logger()
#: First what was wrong, then what is over, then the most severe.
_RANKS: Final = {NoticeKind.WITHDRAWN.value: 0, NoticeKind.CLOSED.value: 1, NoticeKind.DIGEST.value: 3}
_ORDINARY: Final = 2
#: How often a pause is looked at; a clock that is put forward by hand is seen within it.
_LOOK_S: Final = 0.05

#: Steps of sending, by name; a test dies at them.
STEPS: Final = ("before_mark", "marked", "sent", "settled")


class ChannelSender:
    """Sends the notices of one channel, one at a time. `settled` is told of each that the channel needs no more of."""

    def __init__(
        self,
        name: str,
        channel: Channel,
        http: HttpSender,
        *,
        note: Callable[[NoticeRecord], Awaitable[None]],
        settled: Callable[[Settled], None],
        now_s: Callable[[], float],
        wall_ms: Callable[[], int],
    ) -> None:
        self.name = name
        self.channel = channel
        self.breaker = Breaker()
        #: Outcomes since the start of the process.
        self.counts: Counter[str] = Counter()
        self._http = http
        self._note = note
        self._settled = settled
        self._now_s = now_s
        self._wall_ms = wall_ms
        self._waiting: dict[str, NoticeRecord] = {}
        self._held: AbstractSet[str] = frozenset()
        self._in_flight: NoticeRecord | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._has_work = asyncio.Event()
        self._next_at = 0.0
        self._is_ending = False
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Notices that the channel has yet to get."""
        return len(self._waiting)

    @property
    def is_sending(self) -> bool:
        """Whether a message is on its way."""
        return self._in_flight is not None

    @property
    def circuit(self) -> Circuit:
        """Whether the endpoint is called."""
        return self.breaker.circuit(self._now_s())

    @property
    def failure(self) -> BaseException | None:
        """What ended it, if anything did."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            return None
        return self._task.exception()

    def start(self) -> None:
        """Begin to send."""
        self._task = asyncio.create_task(self._run(), name=f"alerts to {self.name}")

    def give(self, record: NoticeRecord) -> None:
        """One more notice to send."""
        self._waiting[record.notice_id] = record
        self._has_work.set()

    async def drop(self, notice_id: str, settlement: Settlement) -> Settled | None:
        """Do not send a notice; `None` when it is being sent at the moment or was sent before.

        One that may have arrived is not superseded but uncertain: a team may have seen it. One that expired goes into
        a summary all the same.
        """
        record = self._waiting.get(notice_id)
        if record is None or (self._in_flight is not None and self._in_flight.notice_id == notice_id):
            return None
        may_have_arrived = record.state == SENDING
        if settlement is Settlement.SUPERSEDED and may_have_arrived:
            settlement = Settlement.UNCERTAIN
        del self._waiting[notice_id]
        await self._note(_settled_record(record, settlement.value, self._wall_ms()))
        self.counts[settlement.value] += 1
        return Settled(notice_id=notice_id, channel=self.name, settlement=settlement, may_have_arrived=may_have_arrived)

    async def hold(self, incident_ids: AbstractSet[str]) -> None:
        """Send nothing that tells of one of these incidents until `release`; waits for what is being sent of them."""
        self._held = incident_ids
        while self._in_flight is not None and not self._held.isdisjoint(self._in_flight.incident_ids):
            await self._idle.wait()

    def release(self) -> None:
        """Send everything again."""
        self._held = frozenset()
        self._has_work.set()

    async def abandon(self) -> None:
        """Give up all that waits: the channel is no more."""
        for notice_id in list(self._waiting):
            await self.drop(notice_id, Settlement.SUPERSEDED)

    async def end(self, within_s: float) -> None:
        """Finish the notice in hand, or give up on its answer after so long; it is sent again after the next start."""
        self._is_ending = True
        self._has_work.set()
        if self._task is None:
            return
        _, late = await asyncio.wait({self._task}, timeout=max(within_s, 0.0))
        if late:
            if self._in_flight is not None:
                _log.warning("work_abandoned", channel=self.name, after_s=within_s)
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        while not self._is_ending:
            record = self._most_urgent()
            if record is None:
                self._has_work.clear()
                await self._has_work.wait()
            elif self._now_s() < self._next_at or self.circuit is Circuit.OPEN:
                await asyncio.sleep(_LOOK_S)
            else:
                self._in_flight = record
                self._idle.clear()
                try:
                    await self._send(record)
                finally:
                    self._in_flight = None
                    self._idle.set()

    def _most_urgent(self) -> NoticeRecord | None:
        free = [record for record in self._waiting.values() if self._held.isdisjoint(record.incident_ids)]
        return min(free, key=_urgency, default=None)

    async def _send(self, record: NoticeRecord) -> None:
        self.reached("before_mark")
        version = max(record.version + 1, self._wall_ms())
        attempts = record.attempts + 1
        marked = msgspec.structs.replace(record, state=SENDING, reason="", attempts=attempts, version=version)
        await self._note(marked)
        self.reached("marked")
        notice = decode_notice(record.content)
        outcome = await self.channel.send(notice, self._http)
        self.reached("sent")
        now = self._now_s()
        self.breaker = self.breaker.after(outcome, now)
        self._next_at = now + self.channel.min_interval_s
        await self._take(marked, outcome, was_unsure=record.state == SENDING)

    async def _take(self, record: NoticeRecord, outcome: Outcome, *, was_unsure: bool) -> None:
        version = max(record.version + 1, self._wall_ms())
        if isinstance(outcome, Retry):
            self.counts["retried"] += 1
            pause_s = round(self.breaker.open_until - self._now_s(), 1)
            _log.warning("alert_waits", channel=self.name, reason=outcome.reason, retry_in_s=pause_s)
            # As long as nobody knows whether one of the attempts arrived, it is marked as sent: a restart is to know.
            state = SENDING if was_unsure or outcome.may_have_arrived else DUE
            record = msgspec.structs.replace(record, state=state, reason=outcome.reason, version=version)
            self._waiting[record.notice_id] = record
            await self._note(record)
            return
        settlement = Settlement.REFUSED if isinstance(outcome, Refused) else Settlement.DELIVERED
        self.counts[settlement.value] += 1
        reason = outcome.reason if isinstance(outcome, Refused) else ""
        if isinstance(outcome, Refused):
            _log.error("alert_refused", channel=self.name, notice_id=record.notice_id, reason=reason)
        reference = outcome.reference if isinstance(outcome, Delivered) else ""
        settled = _settled_record(record, settlement.value, self._wall_ms())
        await self._note(msgspec.structs.replace(settled, reason=reason, reference=reference))
        self.reached("settled")
        del self._waiting[record.notice_id]
        self._settled(
            Settled(notice_id=record.notice_id, channel=self.name, settlement=settlement, reference=reference)
        )

    def reached(self, step: str) -> None:
        """A step of sending was reached; there to be replaced."""


def _urgency(record: NoticeRecord) -> tuple[int, int, int, str]:
    return _RANKS.get(record.kind, _ORDINARY), -record.severity, record.decided_at, record.notice_id


def _settled_record(record: NoticeRecord, state: str, now: int) -> NoticeRecord:
    settled = msgspec.structs.replace(record, state=state, settled_at=now, version=max(record.version + 1, now))
    # What may be asked for again is kept; nothing else may outlast somebody's wish to be forgotten.
    is_kept = state in {Settlement.REFUSED.value, Settlement.EXPIRED.value}
    return settled if is_kept else msgspec.structs.replace(settled, content="", person_keys=())
