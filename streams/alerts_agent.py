"""The alerts agent: reads what happened to customers, and tells teams of it as their policy says.

Everything it knows is in ClickHouse before anything is acknowledged or sent: what came in is settled there at once, so
an endpoint that is away neither holds up the log nor fills the memory. What is decided is written in this order:
(1) the notices, (2) their incidents, (3) the members of those, in the ledger `alerts`; then (4) the records are
acknowledged and (5) each notice is sent, which is marked before (`sending`) and noted after. A death before (4) leaves
rows that the replay writes again; one between (5) and its note is the only moment at which a team may be told twice.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Final
from uuid import uuid4

import msgspec
import structlog

from processors.friction.catalogue import rule_ids
from schemas.alerts import AlertIntent, decode_intent
from sinks.alerts.answering import Answering
from sinks.alerts.breaker import Circuit
from sinks.alerts.channel import Channel
from sinks.alerts.deciding import Arrived, Decided, Known, step
from sinks.alerts.incidents import Action, ActionKind, Incident, Settled, Settlement, State
from sinks.alerts.ledger import RETRACT
from sinks.alerts.notice import Notice, NoticeKind
from sinks.alerts.policy import Policy, usual_customers
from sinks.alerts.posting import HttpSender
from sinks.alerts.routing import (
    Routing,
    RoutingError,
    default_routing,
    load_routing,
    open_answering,
    open_channels,
    policy_of,
    traits_of,
)
from sinks.clickhouse.records import ActionRecord, IncidentRecord, NoticeRecord
from sinks.clickhouse.rows import PreparedBlock, action_block, alert_block, incident_block, notice_block
from streams.agent import Delivery
from streams.alert_door import AlertDoor
from streams.alert_records import (
    DUE,
    SENDING,
    Stored,
    alert_record,
    entry_of,
    incident_of,
    incident_record,
    notice_record,
    restored,
)
from streams.alert_sending import ChannelSender
from streams.metrics import Sample
from streams.pulse import Pulse
from streams.settings import Settings
from streams.store import Store, StorePort, clickhouse_address, refuse_nothing
from streams.topics import OUTBOX
from streams.turns import Turns

_log = structlog.get_logger()
#: Seconds between two looks at what people did, and at the routing file.
_ASK_EVERY_S: Final = 2.0
_LOOK_AT_FILE_EVERY_S: Final = 5.0
#: Something may have become stale without anything arriving.
_STEP_EVERY_MS: Final = 60_000
_WEEKS: Final = 4
_ANSWERABLE: Final = frozenset({NoticeKind.OPENED, NoticeKind.UPDATED})
_WEEK_MS: Final = 604_800_000
_ATTEMPT_WITHIN_S: Final = 10.0
#: Steps of taking intents, by name; a test dies at them, and at those of sending.
STEPS: Final = ("notices", "incidents", "members", "acknowledged")
_CIRCUITS: Final = {Circuit.CLOSED: 0.0, Circuit.HALF_OPEN: 0.5, Circuit.OPEN: 1.0}


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


class AlertsAgent:
    """Reads `alerts.outbox`, which has one partition, and tells the channels that the routing names."""

    name = "alerts"
    topics: tuple[str, ...] = (OUTBOX,)
    most_in_hand = 1

    def __init__(
        self,
        settings: Settings,
        store: StorePort | None = None,
        now_s: Callable[[], float] = time.monotonic,
        wall_ms: Callable[[], int] = _wall_ms,
        http: HttpSender | None = None,
    ) -> None:
        self._now_s = now_s
        self._wall_ms = wall_ms
        self.pulse = Pulse()
        self._store = store or Store(clickhouse_address(settings.clickhouse), self.pulse)
        self._routing_path = settings.alert_routing
        self._routing = self._load()
        self._seen_file = _signature(self._routing_path)
        self._channels: dict[str, Channel] = {}
        self._policy: Policy = policy_of(self._routing)
        self._http = http or HttpSender()
        self._turns = Turns()
        self._senders: dict[str, ChannelSender] = {}
        self._answering: Answering | None = None
        #: Where teams answer, if the file asks for it; a changed file does not move it.
        self.door: AlertDoor | None = None
        self._state = State()
        self._last = 0
        self._wake_at: int | None = None
        self._settled: list[Settled] = []
        self._is_active = False
        self._asked_at = self._looked_at = float("-inf")

    async def start(self) -> None:
        """Read the channels' secrets."""
        self._use(self._routing, open_channels(self._routing, source=self._routing_path))
        self._answering = open_answering(self._routing, source=self._routing_path)
        await self._http.__aenter__()
        if self._answering is not None:
            self.door = AlertDoor(self._answering, self._acted, lambda: self._wall_ms() / 1000)
            await self.door.open()

    async def assigned(self, partitions: frozenset[int]) -> None:
        """Take up everything where it was left."""
        if partitions:
            await self._turns.take(self._take_up)

    async def revoked(self, within_s: float) -> None:
        """Finish the message in hand and forget the rest; whoever gets the partition reads it."""
        await self._end(within_s)

    async def handle(self, delivery: Delivery) -> None:
        """Settle intents in the tables; they are told later."""
        intents = tuple(_intents(delivery))

        async def settle() -> None:
            if not self._is_active:
                await self._take_up()
            await self._step(intents)
            self.reached("members")
            delivery.acknowledge()
            self.reached("acknowledged")

        await self._turns.take(settle)

    async def tick(self) -> None:
        """Decide what is due by the clock, do what people asked for, take a changed routing file."""
        for sender in self._senders.values():
            if (failure := sender.failure) is not None:
                raise failure
        now_s = self._now_s()
        if now_s - self._looked_at >= _LOOK_AT_FILE_EVERY_S:
            self._looked_at = now_s
            await self._look_at_file()
        if not self._is_active:
            return
        if now_s - self._asked_at >= _ASK_EVERY_S:
            self._asked_at = now_s
            await self._turns.take(self._act)
        elif self._settled or self._is_due():
            await self._turns.take(self._step)

    async def finish(self, within_s: float) -> None:
        """Finish the message in hand; the others are sent after the next start."""
        await self._end(within_s)

    async def close(self) -> None:
        """Close connections."""
        if self.door is not None:
            await self.door.close()
        await asyncio.gather(*(sender.end(0.0) for sender in self._senders.values()))
        await self._http.__aexit__(None, None, None)
        await self._store.close()

    def reached(self, step: str) -> None:
        """A step was reached, one of `STEPS`; there to be replaced."""

    def measure(self) -> Iterable[Sample]:
        """What waits, what became of messages, and which endpoints are left alone."""
        yield Sample("journeys_alert_incidents", (), len(self._state.incidents))
        for name, sender in self._senders.copy().items():
            yield Sample("journeys_alert_circuit", (name,), _CIRCUITS[sender.circuit])
            yield Sample("journeys_alert_notices_waiting", (name,), sender.waiting)
            for outcome, number in sender.counts.copy().items():
                yield Sample("journeys_alert_notices_total", (name, outcome), number)

    # The routing file.

    def _load(self) -> Routing:
        return load_routing(self._routing_path, rule_ids()) if self._routing_path else default_routing()

    def _use(self, routing: Routing, channels: dict[str, Channel]) -> None:
        self._routing, self._channels = routing, channels
        self._policy = policy_of(routing, traits_of(channels))

    async def _look_at_file(self) -> None:
        """Take the routing file if it changed; what is wrong with it is logged, and what holds goes on."""
        signature = _signature(self._routing_path)
        if signature is None or signature == self._seen_file:
            return
        self._seen_file = signature
        try:
            routing = self._load()
            channels = open_channels(routing, source=self._routing_path)
        except RoutingError as error:
            _log.error("routing_not_taken", problems=str(error).splitlines())
            return

        async def swap() -> None:
            self._use(routing, channels)
            await self._follow_channels()
            if self._is_active:
                await self._step()

        await self._turns.take(swap)
        _log.info("routing_taken", channels=sorted(channels))

    async def _follow_channels(self) -> None:
        for name in self._senders.keys() - self._channels.keys():
            gone = self._senders.pop(name)
            await gone.end(_ATTEMPT_WITHIN_S)
            await gone.abandon()
        for name, channel in self._channels.items():
            if (sender := self._senders.get(name)) is not None:
                sender.channel = channel
            elif self._is_active:
                self._senders[name] = self._sender(name, channel)
                self._senders[name].start()

    def _sender(self, name: str, channel: Channel) -> ChannelSender:
        return ChannelSender(
            name,
            channel,
            self._http,
            note=self._note,
            settled=self._settled.append,
            now_s=self._now_s,
            wall_ms=self._wall_ms,
        )

    # Beginning and end.

    async def _take_up(self) -> None:
        """Read what is known, and go on sending what was not sent."""
        if self._is_active:
            return
        now = self._wall_ms()
        open_incidents = await self._store.read(lambda reader: reader.load_open_incidents())
        waiting = await self._store.read(lambda reader: reader.load_unsettled_notices())
        incidents = await self._with_counts(open_incidents)
        in_hand = {telling.in_hand for one in incidents for telling in one.tellings.values() if telling.in_hand}
        unsaid = in_hand - {one.notice_id for one in waiting}
        held = await self._store.read(lambda reader: reader.load_notices(unsaid))
        longest = max((route.timing.group_interval for route in self._policy.routes), default=0)
        told = await self._store.read(lambda reader: reader.load_told_causes(now - longest))
        window = max((limit.within for limit in self._policy.limits.values() if limit), default=0)
        recent = await self._store.read(lambda reader: reader.load_recent_notices(now - window))
        snoozes = await self._store.read(lambda reader: reader.load_actions(snoozed_at=now))
        found = restored(
            Stored(
                incidents=tuple(incidents),
                notices={one.notice_id: one for one in (*waiting, *held)},
                told=told,
                recent=recent,
                snoozes=snoozes,
            )
        )
        self._state = found.state
        self._settled[:] = found.settled
        versions = [one.version for one in open_incidents] + [one.version for one in waiting]
        self._last = max((now - 1, *versions))
        # What a channel was to get that is no more is given up too.
        gone = [record for record in found.waiting if record.channel not in self._channels]
        self._settled += [
            Settled(notice_id=one.notice_id, channel=one.channel, settlement=Settlement.SUPERSEDED) for one in gone
        ]
        for record in (*found.needless, *gone):
            state = Settlement.SUPERSEDED.value
            await self._note(
                msgspec.structs.replace(record, state=state, settled_at=now, version=max(record.version + 1, now))
            )
        self._is_active = True
        self._senders = {name: self._sender(name, channel) for name, channel in self._channels.items()}
        for record in found.waiting:
            if (sender := self._senders.get(record.channel)) is not None:
                sender.give(record)
        # Of what waits, some may have been withdrawn before it was taken back.
        await self._step()
        for sender in self._senders.values():
            sender.start()
        _log.info("alerts_taken_up", incidents=len(self._state.incidents), notices=len(found.waiting))

    async def _end(self, within_s: float) -> None:
        until = self._now_s() + within_s
        if not await self._turns.end(within_s):
            self._store.interrupt()
        left_s = max(until - self._now_s(), 0.0)
        await asyncio.gather(*(sender.end(left_s) for sender in self._senders.values()))
        self._senders = {}
        self._state = State()
        self._settled.clear()
        self._is_active = False

    # One step.

    def _is_due(self) -> bool:
        now = self._wall_ms()
        return (self._wake_at is not None and now >= self._wake_at) or now - self._last >= _STEP_EVERY_MS

    async def _act(self) -> None:
        """Take into account what people did."""
        asked = await self._store.read(lambda reader: reader.load_actions(pending_only=True))
        if not asked:
            if self._settled or self._is_due():
                await self._step()
            return
        await self._step(actions=tuple(_action(record) for record in asked))
        for record in asked:
            if record.kind == ActionKind.REPLAY:
                await self._send_again(record.notice_id)
        now = self._wall_ms()
        applied = [msgspec.structs.replace(record, applied_at=now, version=2) for record in asked]
        await self._insert(action_block(applied, token_prefix=OUTBOX))
        _log.info("alert_actions_applied", actions=len(applied))

    async def _send_again(self, notice_id: str) -> None:
        for record in await self._store.read(lambda reader: reader.load_notices([notice_id])):
            sender = self._senders.get(record.channel)
            if sender is None or record.state in {DUE, SENDING} or not record.content:
                _log.error("alert_not_replayed", notice_id=notice_id, state=record.state)
                continue
            due = msgspec.structs.replace(
                record, state=DUE, settled_at=None, version=max(record.version + 1, self._wall_ms())
            )
            await self._note(due)
            sender.give(due)

    async def _step(self, intents: Sequence[AlertIntent] = (), actions: Sequence[Action] = ()) -> None:
        known = await self._known(intents, actions)
        withdrawn = {intent.friction_id for intent in intents if intent.action == RETRACT}
        concerned = {entry.incident_id for entry in known.entries if entry.friction_id in withdrawn}
        senders = list(self._senders.values())
        try:
            for sender in senders:
                await sender.hold(concerned)
            await self._decide(Arrived(intents=tuple(intents), known=known, actions=tuple(actions)))
        finally:
            for sender in senders:
                sender.release()

    async def _decide(self, arrived: Arrived) -> None:
        while True:
            settled, self._settled[:] = tuple(self._settled), []
            now = max(self._wall_ms(), self._last + 1)
            decided = step(self._policy, self._state, msgspec.structs.replace(arrived, settled=settled), now)
            records = await self._write(decided, now)
            self._state, self._last, self._wake_at = decided.state, now, decided.wake_at
            for record in records:
                self._senders[record.channel].give(record)
            for notice_id, settlement in decided.needless.items():
                for sender in self._senders.values():
                    if (dropped := await sender.drop(notice_id, settlement)) is not None:
                        self._settled.append(dropped)
            arrived = Arrived()
            if not self._settled:
                return

    async def _known(self, intents: Sequence[AlertIntent], actions: Sequence[Action]) -> Known:
        if not intents and not actions:
            return Known()
        ids = {intent.friction_id for intent in intents}
        entries = [entry_of(record) for record in await self._store.read(lambda reader: reader.load_alerts(ids))]
        causes = {self._policy.cause(intent) for intent in intents}
        named = {entry.incident_id for entry in entries if entry.incident_id}
        live = {
            id_
            for id_, incident in self._state.incidents.items()
            if incident.cause in causes or id_ in named or incident.is_overflow
        }
        past = (named | {action.incident_id for action in actions if action.incident_id}) - self._state.incidents.keys()
        records = await self._store.read(lambda reader: reader.load_incidents(past)) if past else []
        incidents = {one.incident_id: one for one in await self._with_counts(records)}
        keys = {intent.person_key for intent in intents} | {entry.person_key for entry in entries}
        concerned = live | incidents.keys()
        persons = await self._store.read(lambda reader: reader.load_alert_persons(concerned, keys))
        return Known(
            entries=tuple(entries), persons=persons, incidents=incidents, usual=await self._usual(live, intents)
        )

    async def _usual(self, live: set[str], intents: Sequence[AlertIntent]) -> dict[str, float]:
        """Customers who meet causes in the time of a swarm, usually: the mean of the last weeks.

        Asked only of what is about to be taken for a swarm, which is rare.
        """
        swarm = self._policy.swarm
        if swarm is None:
            return {}
        now = self._wall_ms()
        near = Counter(self._policy.cause(intent) for intent in intents)
        for incident in (self._state.incidents[id_] for id_ in live):
            near[incident.cause] += sum(at > now - swarm.within for at in incident.arrivals)
            if incident.is_swarm:
                del near[incident.cause]
        close = [cause for cause, number in near.items() if number >= swarm.customers]
        paces = (
            await self._store.read(lambda reader: reader.load_cause_paces(close, now - _WEEKS * _WEEK_MS))
            if close
            else {}
        )
        return {
            cause: usual_customers(customers, since, now, swarm.within) for cause, (customers, since) in paces.items()
        }

    async def _with_counts(self, records: Sequence[IncidentRecord]) -> list[Incident]:
        ids = [record.incident_id for record in records]
        tallies = {
            tally.incident_id: tally
            for tally in (await self._store.read(lambda reader: reader.load_alert_tallies(ids)) if ids else [])
        }
        return [incident_of(record, tallies.get(record.incident_id)) for record in records]

    async def _write(self, decided: Decided, now: int) -> list[NoticeRecord]:
        notices = await self._with_history(decided, now)
        records = [notice_record(notice, channel, now) for channel, notice in notices]
        records = [msgspec.structs.replace(record, incident_ids=decided.told[record.notice_id]) for record in records]
        await self._insert(notice_block(records, token_prefix=OUTBOX))
        self.reached("notices")
        rows = [incident_record(one, is_over=one.incident_id in decided.over, version=now) for one in decided.incidents]
        await self._insert(incident_block(rows, token_prefix=OUTBOX))
        self.reached("incidents")
        await self._insert(alert_block([alert_record(entry, now) for entry in decided.entries], token_prefix=OUTBOX))
        return records

    async def _with_history(self, decided: Decided, now: int) -> list[tuple[str, Notice]]:
        """The notices, with what is usual of their causes."""
        causes = {one.incident_id: one.cause for one in decided.incidents}
        if not decided.notices:
            return []
        weeks = await self._store.read(lambda reader: reader.load_cause_weeks(causes.values(), now))
        told = []
        for channel, notice in decided.notices:
            subjects = []
            for subject in notice.subjects:
                counts = weeks.get(causes.get(subject.incident_id, ""), ())
                this_week = max(counts[0] if counts else 0, subject.frictions)
                usual = float(median(counts[1:])) if any(counts[1:]) else None
                subjects.append(msgspec.structs.replace(subject, this_week=this_week, usual_week=usual))
            told.append(
                (channel, msgspec.structs.replace(notice, subjects=tuple(subjects), actions=self._links(notice)))
            )
        return told

    def _links(self, notice: Notice) -> dict[str, str]:
        if self._answering is None or notice.kind not in _ANSWERABLE:
            return {}
        return self._answering.links(notice.subjects[0].incident_id, notice.decided_at)

    async def _acted(self, kind: str, incident_id: str, by: str) -> bool:
        """Write down what somebody did through the door; whether there is such an incident."""
        found = await self._store.read(lambda reader: reader.load_incidents([incident_id]))
        if not found or self._answering is None:
            return False
        now = self._wall_ms()
        record = ActionRecord(
            action_id=uuid4().hex,
            kind=kind,
            tenant=found[0].tenant,
            incident_id=incident_id,
            cause=found[0].cause,
            acted_by=by,
            acted_at=now,
            until=now + self._answering.settings.snooze if kind == ActionKind.SNOOZE else None,
        )
        await self._insert(action_block([record], token_prefix=OUTBOX))
        return True

    async def _note(self, record: NoticeRecord) -> None:
        await self._insert(notice_block([record], token_prefix=OUTBOX))

    async def _insert(self, block: PreparedBlock) -> None:
        refuse_nothing(block.table, await self._store.insert(block))


def _intents(delivery: Delivery) -> Iterable[AlertIntent]:
    for record in delivery.records:
        try:
            yield decode_intent(record.value or b"")
        except msgspec.DecodeError as error:
            # Only the journeys agent writes here; a foreign record must not stop alerts for everybody.
            _log.error("alert_intent_unreadable", offset=record.offset, error=str(error))


def _action(record: ActionRecord) -> Action:
    return Action(
        action_id=record.action_id,
        kind=ActionKind(record.kind),
        incident_id=record.incident_id,
        cause=record.cause,
        by=record.acted_by,
        at=record.acted_at,
        until=record.until or 0,
        text=record.text,
    )


def _signature(path: Path | None) -> tuple[int, int] | None:
    """What changes with a file, or `None` when there is nothing to look at."""
    try:
        status = path.stat() if path else None
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size) if status else None
