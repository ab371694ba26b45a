"""The broker: topics, committed offsets, and the group that hands out partitions; everything is checked on the way."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from processors.admission import owner_partition
from processors.kinds import ERASE_REQUESTED
from schemas.alerts import AlertIntent, decode_intent
from schemas.identity import decode_wakes
from schemas.log import DeadLetter, Position
from schemas.ticks import Tick, decode_tick
from schemas.touchpoint import AppliedTouchpoint
from streams.broker import Outgoing
from streams.headers import Headers, has_wakes, is_tick, origin_of
from streams.intake import read_record
from streams.topics import DEAD, KEYED, OUTBOX, TOUCHPOINTS
from tests.simulation.scheduler import REBALANCE_TIMEOUT_S, SESSION_TIMEOUT_S, Process, Scheduler
from tests.simulation.story import ADMISSION, REFUSED_SOURCE, Story
from tests.simulation.tables import Tables


class Record(NamedTuple):
    """A record of a partition, with what of `aiokafka.ConsumerRecord` workers look at."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: Headers


Entry = AppliedTouchpoint | DeadLetter | None


class Log:
    """The keyed topic, and what was sent to the others. Dead letters are known by where they stood.

    In fused mode the raw topic is read too: as many partitions, numbered on from those of the keyed one.
    """

    def __init__(self, scheduler: Scheduler, story: Story, tables: Tables) -> None:
        self.owners = story.partitions
        logs = 2 * story.partitions if story.is_fused else story.partitions
        self.partitions: list[list[Record]] = [[] for _ in range(logs)]
        #: What each record of a partition is for its owner; `None` for ticks and wakes.
        self.entries: list[list[Entry]] = [[] for _ in range(logs)]
        self.intents: list[AlertIntent] = []
        self.dead: set[Position] = set()
        #: By identifier: how many inserts there had been when its owner was woken for news the last time.
        self.woken: dict[str, int] = {}
        self.ticks: list[list[Tick]] = [[] for _ in range(story.partitions)]
        self._scheduler = scheduler
        self._story = story
        self._tables = tables
        self._known: dict[tuple[bytes | None, int, str], AppliedTouchpoint | DeadLetter] = {}
        self._news = asyncio.Event()

    def append(self, records: Sequence[Outgoing]) -> None:
        for record in records:
            if record.topic in {KEYED, TOUCHPOINTS}:
                self._append(record)
            elif record.topic == OUTBOX:
                self._note_intent(decode_intent(record.value or b""))
            else:
                assert record.topic == DEAD
                headers = dict(record.headers)
                self.dead.add(Position(headers["topic"].decode(), int(headers["partition"]), int(headers["offset"])))
        self.wake_readers()

    def wake_readers(self) -> None:
        """Have those look again who wait for records."""
        self._news.set()
        self._news.clear()

    async def grown(self) -> None:
        """Return when something was appended."""
        await self._news.wait()

    def number_of(self, topic: str, partition: int) -> int:
        """Where a partition stands in `partitions`."""
        return partition if topic == KEYED else self.owners + partition

    def _append(self, out: Outgoing) -> None:
        number = self.number_of(out.topic, out.partition)
        log = self.partitions[number]
        record = Record(out.topic, out.partition, len(log), out.key, out.value, out.timestamp or 0, out.headers)
        log.append(record)
        self.entries[number].append(self._entry(record))

    def _entry(self, record: Record) -> Entry:
        if is_tick(record.headers):
            self.ticks[record.partition].append(decode_tick(record.value or b""))
            return None
        if has_wakes(record.headers):
            for wake in decode_wakes(record.value or b""):
                if wake.is_first:
                    self.woken[wake.identifier] = self._tables.inserts
            return None
        place = origin_of(record.headers, TOUCHPOINTS, Position(record.topic, record.partition, record.offset))
        known = (record.value, record.timestamp, str(place))
        if known not in self._known:
            self._known[known] = read_record(record, place, self._story.keyring, ADMISSION)
        return self._known[known]

    def _note_intent(self, intent: AlertIntent) -> None:
        self.intents.append(intent)
        if intent.action == "open":
            rows = [row for row in self._tables.written["frictions"] if row["friction_id"] == intent.friction_id]
            if not any(row["version"] == intent.version for row in rows) and not self._tables.erased:
                self._scheduler.fail("told of a friction that is not in the tables", intent.friction_id)

    def check_durable(self, what: str, partition: int, start: int, stop: int) -> None:
        """Nothing may be lost of these records when they are not read again."""
        for offset, entry in enumerate(self.entries[partition][start:stop], start):
            if not (self._is_durable(entry) or (partition >= self.owners and self._is_sent_on(entry))):
                self._scheduler.fail(what, f"partition {partition}, offset {offset} of {start} to {stop}: {entry}")

    def _is_sent_on(self, entry: Entry) -> bool:
        """Whether what does not belong in its raw partition is on its way to its owner."""
        if not isinstance(entry, AppliedTouchpoint):
            return False
        return entry in self.entries[owner_partition(entry.identity_hash, self.owners)]

    def _is_durable(self, entry: Entry) -> bool:
        erased = self._tables.erased
        if entry is None:
            return True
        if isinstance(entry, DeadLetter):
            return entry.position in self.dead
        if not erased.isdisjoint(_identifiers(entry)):
            return True
        if entry.touchpoint.kind == ERASE_REQUESTED:
            # What many share is nobody's, and nobody can be erased by it.
            return self._story.is_crowded
        if entry.touchpoint.source == REFUSED_SOURCE:
            return self._is_dead(entry)
        return entry.key in self._tables.keys

    def _is_dead(self, entry: AppliedTouchpoint) -> bool:
        """Whether it, or a copy of it, is a dead letter: one of them is enough while their person is in memory."""
        return any(
            Position(other.origin_topic, other.origin_partition, other.origin_offset) in self.dead
            for entries in self.entries
            for other in entries
            if isinstance(other, AppliedTouchpoint) and other.key == entry.key
        )


def _identifiers(entry: AppliedTouchpoint) -> set[str]:
    return {text.rpartition(":")[2] for text in (*entry.touchpoint.identities, *entry.rotated)}


class Member(Protocol):
    """A worker, as the group sees it."""

    process: Process

    async def revoked(self) -> None:
        """Give up all partitions."""

    async def assigned(self, partitions: frozenset[int], generation: int) -> None:
        """Own partitions."""


class Group:
    """The consumer group: who reads what, and up to where everything is done."""

    def __init__(self, scheduler: Scheduler, log: Log, tables: Tables) -> None:
        self.committed: list[int] = [0] * len(log.partitions)
        self.members: list[Member] = []
        self.generation = 0
        self._scheduler = scheduler
        self._log = log
        self._tables = tables
        self._rebalancing: asyncio.Task[None] | None = None
        self._is_stale = False

    def join(self, member: Member) -> None:
        if member not in self.members:
            self.members.append(member)
            self.rebalance()

    def leave(self, member: Member) -> None:
        if member in self.members:
            self.members.remove(member)
            self.rebalance()

    def lose(self, member: Member) -> None:
        """A member answers no more; that shows after the session timeout."""
        self._scheduler.loop.call_later(SESSION_TIMEOUT_S, self._give_up, member)

    def _give_up(self, member: Member) -> None:
        if not member.process.is_alive or member.process.is_paused:
            self.leave(member)

    def counts_on(self, member: Member, generation: int) -> bool:
        """The answer to a heartbeat."""
        is_stable = self._rebalancing is None or self._rebalancing.done()
        return is_stable and not self._is_stale and generation == self.generation and member in self.members

    def rebalance(self) -> None:
        """Hand out the partitions anew, soon."""
        self._is_stale = True
        if self._rebalancing is None or self._rebalancing.done():
            self._rebalancing = self._scheduler.loop.create_task(self._rebalance())

    async def _rebalance(self) -> None:
        while self._is_stale:
            self._is_stale = False
            await asyncio.sleep(0.05)
            members = [member for member in self.members if member.process.is_alive]
            revoking = {member.process.spawn(member.revoked()): member for member in members}
            if revoking:
                _, late = await asyncio.wait(revoking, timeout=REBALANCE_TIMEOUT_S)
                for task in late:
                    if revoking[task] in self.members:
                        self.members.remove(revoking[task])
            members = [member for member in members if member in self.members and member.process.is_alive]
            self.generation += 1
            order = list(range(self._log.owners))
            self._scheduler.random.shuffle(order)
            for number, member in enumerate(members):
                mine = frozenset(order[number :: len(members)])
                self._scheduler.note("group", "generation", self.generation, member.process.name, sorted(mine))
                member.process.spawn(member.assigned(mine, self.generation))

    def commit(self, member: Member, generation: int, offsets: Mapping[int, int]) -> bool:
        """Take offsets, unless they come from another generation; whether they were taken."""
        if generation != self.generation or member not in self.members:
            self._scheduler.note("group", "refused", dict(offsets), "of", member.process.name)
            return False
        for partition, offset in offsets.items():
            before = self.committed[partition]
            if offset > len(self._log.partitions[partition]):
                self._scheduler.fail("committed what was never written", f"partition {partition}: {offset}")
            if offset > self._tables.checkpoints.get(partition, 0):
                self._scheduler.fail("committed before the checkpoint", f"partition {partition}: {offset}")
            if offset < before:
                self._scheduler.fail("I8: an offset went back", f"partition {partition}: {before} -> {offset}")
            self._log.check_durable("I7: committed before it was durable", partition, before, offset)
            self.committed[partition] = offset
        return True

    @property
    def is_done(self) -> bool:
        """Whether everything in the log is committed."""
        return all(offset == len(records) for offset, records in zip(self.committed, self._log.partitions, strict=True))
