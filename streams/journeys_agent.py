"""The journeys agent: owns persons, stitches their journeys, finds friction, and writes it all to ClickHouse."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from operator import methodcaller
from typing import Final

import msgspec
import structlog

from processors.admission import owner_partition
from processors.friction.book import Book
from processors.keyring import Keyring
from processors.settings import CoreSettings, SessionEnd
from schemas.alerts import encode_intent
from schemas.identity import Wake, decode_wakes, encode_wakes
from schemas.json_form import iso_time
from schemas.log import DeadLetter, Position
from schemas.rule_changes import RuleChange
from schemas.ticks import Tick, decode_tick
from schemas.touchpoint import AppliedTouchpoint
from sinks.clickhouse.rows import rule_change_block
from streams.agent import Delivery
from streams.broker import Outgoing, ProducerPort, ReliableProducer
from streams.coordinator import Admitted, Batch, Coordinator, Forward, LogName, News, Unfinished
from streams.flood_guard import FloodGuard
from streams.headers import WAKE_HEADERS, forward_headers, forwarded_to, has_wakes, is_tick, origin_of, says_origin_only
from streams.identities import Identities
from streams.intake import dead_letter_record, keyed_record, read_record, tick_records
from streams.live_rules import LiveRules
from streams.metrics import Sample
from streams.owner import Owner
from streams.pace import Pace
from streams.placement_check import hold_placement
from streams.pulse import Pulse
from streams.rule_log import RuleLog
from streams.settings import Settings
from streams.source_clocks import SourceClocks
from streams.store import Store, StorePort, clickhouse_address, refuse_nothing
from streams.topics import JOURNEYS, KEYED, OUTBOX, RULES, TOUCHPOINTS, incarnations, partition_count
from streams.transport import MOST_FETCHED, Record
from streams.turns import Turns, Work

_log = structlog.get_logger()
_MINUTE_MS = 60_000
_TICK_EVERY_S: Final = 0.5
_DAY_MS = 86_400_000
_WAKES_PER_RECORD: Final = 2_000
#: Seconds after which a write that nobody waits for any more has arrived, or never will.
_SETTLED_S: Final = 2.0
#: Seconds that a worker which ends takes for what it has to make up for.
_MAKE_UP_WITHIN_S: Final = 4.0
#: Seconds that reading all published rules may take: a few hundred records at most.
_READ_RULES_WITHIN_S: Final = 60.0
#: What becomes of a touchpoint, one of these; see `Counts`.
_OUTCOMES: Final = (
    "applied",
    "control",
    "dead",
    "duplicate",
    "forwarded",
    "misplaced",
    "refused",
    "superseded",
    "too_late",
)


def core_settings(settings: Settings) -> CoreSettings:
    """The core's part of the settings."""
    return CoreSettings(
        session_gap_ms=round(settings.session_gap_minutes * _MINUTE_MS),
        session_end=SessionEnd(settings.session_end),
        journey_gap_ms=round(settings.journey_gap_days * _DAY_MS),
        history_horizon_ms=round(settings.history_horizon_days * _DAY_MS),
        effort=settings.effort.budgets(),
        effort_by_tenant=settings.effort_budgets_by_tenant(),
    )


class JourneysAgent:
    """Reads `touchpoints.keyed`, writes ClickHouse, `alerts.outbox` and `touchpoints.dead`.

    In fused mode it reads the same partitions of `touchpoints` as well, and does there what intake does: what belongs
    to other owners goes to `touchpoints.keyed`, all others it takes at once.
    """

    name = JOURNEYS
    #: As many as one fetch has at most: what is asked of the store for them is asked for once.
    most_in_hand = MOST_FETCHED

    def __init__(
        self, settings: Settings, store: StorePort | None = None, producer: ProducerPort | None = None
    ) -> None:
        self.topics: tuple[str, ...] = (TOUCHPOINTS, KEYED) if settings.fused else (KEYED,)
        self.pulse = Pulse()
        #: Deliveries of this round that no turn has taken yet.
        self._waiting: list[Delivery] = []
        self._settings = settings
        self._producer = producer or ReliableProducer(settings.kafka, self.pulse)
        self._store = store or Store(clickhouse_address(settings.clickhouse), self.pulse)
        self._admission = settings.admission()
        self._coordinator: Coordinator | None = None
        self._keyring: Keyring | None = None
        self._rule_log: RuleLog | None = None
        self._rules = LiveRules()
        self._in_use = self._rules.book
        self._turns = Turns()
        self._letting_go = asyncio.Lock()
        self._to_assign: frozenset[int] | None = None
        #: Topic and partition to the offset before which the tables hold everything, until the first records show it is
        #: enough.
        self._durable: dict[tuple[str, int], int] = {}
        self._partitions = 0
        self._guard = FloodGuard(settings, TOUCHPOINTS, self._admitted)
        # Of raw partitions; there are none unless they are read here.
        self._clocks = SourceClocks(int(settings.allowed_lateness_s * 1000), now_ms=lambda: _now_s() * 1000)
        self._ticked_at = 0.0
        self._last: Delivery | None = None
        self._making_up: set[asyncio.Task[None]] = set()
        self._pace = Pace(settings.flush)
        self._flushes = self._flushed_rows = 0
        self._flush_s = 0.0

    async def start(self) -> None:
        """Read what the topics look like, the published rules, and the secret.

        Raises:
            DecisionNeeded: the raw topic is not as fused mode needs it.

        """
        kafka = self._settings.kafka
        lives = await asyncio.to_thread(incarnations, kafka)
        self._rule_log = RuleLog(kafka)
        self.learn(await self._rule_log.read_all(_READ_RULES_WITHIN_S))
        self.begin(lives, await asyncio.to_thread(partition_count, kafka, KEYED), self._settings.keyring())
        if self._settings.fused:
            await asyncio.to_thread(hold_placement, kafka, self._admitted)

    def begin(self, lives: Mapping[str, str], partitions: int, keyring: Keyring) -> None:
        """Start with what is known: the incarnation of each topic, partitions of the keyed one, and the secret."""
        settings = self._settings
        group = f"{settings.group_prefix}-{self.name}"
        self._in_use = self._rules.book
        self._keyring = keyring
        self._partitions = partitions
        self._coordinator = Coordinator(
            Owner(self._rules.book.rules, core_settings(settings), settings.max_persons, settings.max_touchpoints),
            Identities(
                self._store,
                settings.identity.limits(),
                settings.limits_by_tenant(),
                settings.max_persons,
            ),
            self._store,
            _KafkaOutbox(self._producer, lives, partitions),
            LogName(group, KEYED, lives[KEYED]),
            alert_max_age_ms=round(settings.alert_max_age_days * _DAY_MS),
            wall_clock_ms=lambda: time.time_ns() // 1_000_000,
            is_member=self._is_member,
            raw=LogName(group, TOUCHPOINTS, lives[TOUCHPOINTS]) if settings.fused else None,
            tell_time=self._clocks.tick,
        )

    @property
    def coordinator(self) -> Coordinator:
        """The part that decides what is written when."""
        assert self._coordinator is not None, "start() comes first"  # noqa: S101 - a broken promise of ours
        return self._coordinator

    async def assigned(self, partitions: frozenset[int]) -> None:
        """Own these partitions. What the store knows of them is read with their first records: it may be away."""
        self._to_assign = partitions
        if self._settings.fused:
            self._clocks.assign(partitions)
            self._guard.forget()

    async def revoked(self, within_s: float) -> None:
        """Flush if there is time, then own nothing; what is not acknowledged is replayed by the next owner."""
        await self._end(within_s)

    async def handle(self, delivery: Delivery) -> None:
        """Take a chunk, with all others that wait meanwhile; flush when enough is collected."""
        waiting = self._waiting
        waiting.append(delivery)
        await self._turns.take(lambda: self._take(waiting))

    async def tick(self) -> None:
        """Take new rules; flush what has waited long enough."""
        if self._rule_log is not None:
            self.learn(await self._rule_log.read_new())
        if not self._uses_all_rules:
            await self._turns.take(self._use_rules)
        if self._pace.is_due(_now_s(), self.coordinator.rows):
            await self._turns.take(self._flush_if_due)
        if self._settings.fused and _now_s() - self._ticked_at >= _TICK_EVERY_S:
            self._ticked_at = _now_s()
            await self._turns.take(self._tell_time)

    def learn(self, changes: Iterable[RuleChange]) -> None:
        """Take changes to the rules that were published; workers judge by them from their next flush on."""
        learned = self._rules.learn(changes)
        for change in learned.taken:
            effective_from = iso_time(change.effective_from)
            _log.info("rule_taken", rule=change.key, effective_from=effective_from, is_retired=change.text is None)
        for change, why in learned.refused:
            _log.error("rule_refused", rule=change.key, why=why)

    async def finish(self, within_s: float) -> None:
        """Flush a last time."""
        await self._end(within_s)
        counts = self.coordinator.counts
        _log.info("records", **{name: getattr(counts, name) for name in counts.__slots__})

    async def close(self) -> None:
        """Make up for what was not finished, as far as there is time; close connections."""
        if self._coordinator is not None:
            await self._let_go(_MAKE_UP_WITHIN_S)
        if self._making_up:
            _, late = await asyncio.wait(self._making_up, timeout=_MAKE_UP_WITHIN_S)
            for task in late:
                task.cancel()
        if self._rule_log is not None:
            await self._rule_log.close()
        await self._producer.stop()
        await self._store.close()

    def measure(self) -> Iterable[Sample]:
        """How far it is; called from a thread."""
        if self._coordinator is None:
            return
        oldest, counts = self._pace.oldest, self._coordinator.counts
        for outcome in _OUTCOMES:
            yield Sample("journeys_touchpoints_total", (outcome,), getattr(counts, outcome))
        yield Sample("journeys_late_touchpoints_total", (), counts.late)
        for partition, watermark in self._coordinator.watermarks.items():
            if watermark is not None:
                yield Sample("journeys_watermark_timestamp_seconds", (str(partition),), watermark / 1000)
        yield Sample("journeys_flushes_total", (), self._flushes)
        yield Sample("journeys_flush_seconds_total", (), self._flush_s)
        yield Sample("journeys_flush_rows_total", (), self._flushed_rows)
        # The clock of event loops, of which there is none in this thread.
        waited_s = time.monotonic() - oldest if oldest is not None else 0.0
        yield Sample("journeys_oldest_unflushed_seconds", (), waited_s)
        yield Sample("journeys_persons", (), self._coordinator.persons)
        yield Sample("journeys_person_touchpoints", (), self._coordinator.person_touchpoints)
        for found, number in self._coordinator.lookups.items():
            yield Sample("journeys_person_lookups_total", (found,), number)

    @property
    def is_at_peace(self) -> bool:
        """Whether nothing is in hand, nothing to make up for, and it judges by all rules that it knows."""
        return not self._making_up and not self._turns.is_busy and self._uses_all_rules

    @property
    def _uses_all_rules(self) -> bool:
        """Whether it judges by all rules that it knows; before it has read of its partitions, that is still to come."""
        return self._to_assign is not None or self._in_use is self._rules.book

    async def _end(self, within_s: float) -> None:
        await self._let_go(within_s, self._flush)
        self._to_assign = None
        self._pace.begin(_now_s())
        self._durable.clear()
        # What they note may not have been told, nor be durable: whoever reads on begins anew.
        self._clocks.assign(frozenset())

    async def _let_go(self, within_s: float, last: Work | None = None) -> None:
        # Told to stop amid a rebalance it would drop what the last flush is about.
        async with self._letting_go:
            # What waits belongs to a round that ends, and is read again.
            self._waiting = []
            if not await self._turns.end(within_s, last):
                self._store.interrupt()
            unfinished = self.coordinator.revoke()
            if unfinished is not None:
                task = asyncio.create_task(self._make_up_for(unfinished))
                self._making_up.add(task)
                task.add_done_callback(self._making_up.discard)

    def _is_member(self) -> bool:
        return self._last is not None and self._last.is_member()

    async def _make_up_for(self, unfinished: Unfinished) -> None:
        """At once, since this process may not live long, and again when nothing of it can be under way any more."""
        await self.coordinator.make_up_for(unfinished)
        await asyncio.sleep(_SETTLED_S)
        await self.coordinator.make_up_for(unfinished)

    async def _take(self, waiting: list[Delivery]) -> None:
        """Take all that wait: what the store knows of their persons is asked for once."""
        deliveries = waiting.copy()
        waiting.clear()
        if not deliveries:
            return
        self._last = deliveries[-1]
        if self._to_assign is not None:
            await self._recall_rules()
            self._durable = await self.coordinator.assign(sorted(self._to_assign))
            self._to_assign = None
            self._pace.begin(_now_s())
        sound = [delivery for delivery in deliveries if not self._is_rewound(delivery)]
        if not sound:
            return
        await self.coordinator.take(*[await self._batch(delivery) for delivery in sound])
        self._pace.took(_now_s(), sum(len(record.value or b"") for one in sound for record in one.records))
        if any(delivery.is_urgent for delivery in sound):
            await self._flush()
        else:
            await self._flush_if_due()

    def _is_rewound(self, delivery: Delivery) -> bool:
        """Whether its partition has to be read again: the tables were lost, or set back to a backup.

        The log still has what they miss.
        """
        durable = self._durable.pop((delivery.topic, delivery.partition), None)
        if durable is None or delivery.committed is None or durable >= delivery.committed:
            return False
        _log.warning(
            "tables_behind_log", topic=delivery.topic, partition=delivery.partition, tables=durable,
            log=delivery.committed,
        )  # fmt: skip
        delivery.rewind(durable)
        return True

    async def _recall_rules(self) -> None:
        """Know all rules that any worker took: a broker may have lost its log, and what it said still holds.

        Later the tables tell which version of a rule a friction is from.
        """
        stored = await self._store.read(methodcaller("load_rule_changes"))
        self.learn(stored)
        await self._record_rules(change for change in self._rules.changes if change not in stored)
        await self._use(self._rules.book)

    async def _use_rules(self) -> None:
        book = self._rules.book
        await self._record_rules(self._rules.changes)
        await self._use(book)
        if not self.coordinator.is_idle:
            self._pace.took(_now_s(), 0)

    async def _use(self, book: Book) -> None:
        await self.coordinator.use(book)
        self._in_use = book

    async def _record_rules(self, changes: Iterable[RuleChange]) -> None:
        block = rule_change_block(changes, token_prefix=RULES)
        refuse_nothing(block.table, await self._store.insert(block))

    async def _flush_if_due(self) -> None:
        if self._pace.is_due(_now_s(), self.coordinator.rows):
            await self._flush()

    async def _flush(self) -> None:
        began, rows = _now_s(), self.coordinator.rows
        if not self.coordinator.is_idle:
            await self.coordinator.flush()
            self._flushes += 1
            self._flush_s += _now_s() - began
            self._flushed_rows += rows
        self._pace.flushed(began, _now_s(), is_idle=self.coordinator.is_idle)

    async def _tell_time(self) -> None:
        """Tell the owners what no flush is about to tell them: ticks must not overtake touchpoints in hand."""
        if not self.coordinator.holds_records:
            await self._producer.send(tick_records(self._clocks.tick(), self._partitions))

    def _admitted(self, record: Record, position: Position) -> AppliedTouchpoint | DeadLetter:
        assert self._keyring is not None, "start() comes first"  # noqa: S101 - a broken promise of ours
        return read_record(record, position, self._keyring, self._admission)

    async def _raw_batch(self, delivery: Delivery) -> Batch:
        """Batch of what producers sent, whose headers say nothing about where it belongs.

        Raises:
            DecisionNeeded: with these there are too many dead letters; nothing of them is taken.

        """
        admitted: list[Admitted] = []
        misplaced: list[Admitted] = []
        dead: list[DeadLetter] = []
        are_dead: list[bool] = []
        newest: int | None = None
        here, partitions, topic = delivery.partition, self._partitions, delivery.topic
        for record in delivery.records:
            result = self._admitted(record, Position(topic, here, record.offset))
            are_dead.append(isinstance(result, DeadLetter))
            if isinstance(result, DeadLetter):
                dead.append(result)
                continue
            if newest is None or result.event_time > newest:
                newest = result.event_time
            taken = Admitted(result, record.value or b"", record.key)
            if owner_partition(result.identity_hash, partitions) == here:
                admitted.append(taken)
            else:
                misplaced.append(taken)
        await self._guard.check(delivery.records, are_dead)
        self._clocks.note(delivery.partition, newest)
        return Batch(
            delivery.partition, delivery.next_offset, admitted, dead, (), delivery.acknowledge,
            is_raw=True, misplaced=misplaced,
        )  # fmt: skip

    async def _batch(self, delivery: Delivery) -> Batch:
        return await self._raw_batch(delivery) if delivery.topic == TOUCHPOINTS else self._keyed_batch(delivery)

    def _keyed_batch(self, delivery: Delivery) -> Batch:
        admitted: list[Admitted] = []
        dead: list[DeadLetter] = []
        ticks: list[tuple[int, Tick]] = []
        forwarded: list[Forward] = []
        wakes: list[Wake] = []
        for record in delivery.records:
            is_plain = says_origin_only(record.headers)
            if not is_plain and is_tick(record.headers):
                try:
                    ticks.append((record.offset, decode_tick(record.value or b"")))
                except msgspec.DecodeError as error:
                    # Only intake writes ticks; a foreign one tells no time and must not stop the partition.
                    _log.error("tick_unreadable", offset=record.offset, error=str(error))
                continue
            if not is_plain and has_wakes(record.headers):
                try:
                    wakes += decode_wakes(record.value or b"")
                except msgspec.DecodeError as error:
                    # Only owners write wakes; a foreign one wakes nobody and must not stop the partition.
                    _log.error("wakes_unreadable", offset=record.offset, error=str(error))
                continue
            here = Position(record.topic, record.partition, record.offset)
            position = origin_of(record.headers, TOUCHPOINTS, here)
            result = self._admitted(record, position)
            if isinstance(result, DeadLetter):
                dead.append(result)
                continue
            taken = Admitted(result, record.value or b"", record.key)
            to = None if is_plain else forwarded_to(record.headers)
            if to is None:
                admitted.append(taken)
            else:
                forwarded.append(Forward(taken, *to))
        return Batch(
            delivery.partition, delivery.next_offset, admitted, dead, ticks, delivery.acknowledge, forwarded, wakes
        )


def _now_s() -> float:
    """Clock of the event loop, by which everything else waits too."""
    return asyncio.get_running_loop().time()


class _KafkaOutbox:
    def __init__(self, producer: ProducerPort, lives: Mapping[str, str], partitions: int) -> None:
        self._producer = producer
        self._lives = lives
        self._partitions = partitions

    async def send(self, news: News) -> None:
        records = [
            Outgoing(OUTBOX, 0, intent.friction_id.encode(), encode_intent(intent), None, []) for intent in news.intents
        ]
        records += [dead_letter_record(letter, self._lives) for letter in news.dead_letters]
        records += [self._forward(forward) for forward in news.forwards]
        records += self._wakes(news.wakes)
        records += [keyed_record(one.applied, one.raw, self._partitions) for one in news.misplaced]
        records += tick_records(news.tick, self._partitions)
        await self._producer.send(records)

    def _forward(self, forward: Forward) -> Outgoing:
        """The original bytes with the original time, so that the other owner admits the same touchpoint."""
        applied = forward.admitted.applied
        return Outgoing(
            KEYED,
            owner_partition(forward.to, self._partitions),
            forward.to.encode(),
            forward.admitted.raw,
            applied.ingestion_time,
            forward_headers(applied.position, forward.to, forward.hops),
        )

    def _wakes(self, wakes: Iterable[Wake]) -> list[Outgoing]:
        by_owner: dict[int, list[Wake]] = {}
        for wake in wakes:
            by_owner.setdefault(owner_partition(wake.identifier, self._partitions), []).append(wake)
        return [
            Outgoing(KEYED, owner, None, encode_wakes(some), None, WAKE_HEADERS)
            for owner, all_of_it in sorted(by_owner.items())
            for some in _parts(all_of_it)
        ]


def _parts(wakes: list[Wake]) -> Iterable[list[Wake]]:
    for start in range(0, len(wakes), _WAKES_PER_RECORD):
        yield wakes[start : start + _WAKES_PER_RECORD]
