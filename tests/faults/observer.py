"""An observer outside of the pipeline: reads committed offsets first, then asks whether what lies before them is there.

In this order, because the other one proves nothing: an event may become durable between the two questions, but none
can stop being so. What it asks it asks broker and ClickHouse, as anybody could; no worker tells it anything.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from schemas.codec import Undecodable, decode
from schemas.outputs import touchpoint_ref
from streams.headers import forwarded_to, has_wakes, is_tick
from streams.lag import LagUnknown, end_offsets
from streams.settings import KafkaSettings
from streams.topics import DEAD, KEYED, OUTBOX, TOUCHPOINTS
from tests.faults.ledger import Place, Record, TopicReader
from tests.faults.tables import HttpTables

#: Topic and the agent whose group reads it.
GROUPS = {TOUCHPOINTS: "intake", KEYED: "journeys", DEAD: "dead-letters", OUTBOX: "alerts"}
_PAUSE_S = 0.5
_WATCHED_KINDS = ("journey", "friction")

Offsets = Mapping[int, int]


class OffsetsSeen:
    """Committed offsets by group as they were seen; those that went back are violations."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self._highest: dict[tuple[str, int], int] = {}

    def see(self, agent: str, offsets: Offsets) -> None:
        """Take one reading of a group's committed offsets."""
        for partition, offset in offsets.items():
            highest = self._highest.get((agent, partition), 0)
            if offset < highest:
                self.violations.append(f"{agent} {partition}: from {highest} back to {offset}")
            self._highest[agent, partition] = offset

    def forget(self, agent: str) -> None:
        """A person set this group's offsets; what follows is held against what they are now."""
        self._highest = {place: offset for place, offset in self._highest.items() if place[0] != agent}


class VersionsSeen:
    """Versions of facts as a reader saw them; those that fell are violations."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.readings = 0
        self._last: dict[tuple[str, str], int] = {}

    def see(self, kind: str, versions: Mapping[str, int]) -> None:
        """Take one reading of all facts of a kind, withdrawn ones too."""
        self.readings += 1
        for id_, now in versions.items():
            before = self._last.get((kind, id_))
            if before is not None and now < before:
                self.violations.append(f"{kind} {id_}: from version {before} to {now}")
            self._last[kind, id_] = now


class CommitSafety:
    """What lies before a committed offset must be in the tables; the rest of a partition is not looked at yet."""

    def __init__(self, lies_safe: Callable[[list[Record]], Iterable[Record]]) -> None:
        """`lies_safe` tells which of some records are durable where the group has to bring them."""
        self.violations: list[str] = []
        self.checked = 0
        self._lies_safe = lies_safe
        self._checked_to: dict[int, int] = {}

    def check(self, committed: Offsets, log: Mapping[int, list[Record]]) -> None:
        """Look for every record before these offsets that was not found before."""
        before = {
            partition: [
                record for record in log[partition] if self._checked_to.get(partition, 0) <= record.offset < offset
            ]
            for partition, offset in committed.items()
        }
        wanted = [record for records in before.values() for record in records]
        safe = {(record.topic, record.place) for record in self._lies_safe(wanted)} if wanted else set()
        for record in wanted:
            self.checked += 1
            if (record.topic, record.place) not in safe:
                self.violations.append(f"{record.topic} {record.place}, committed {committed[record.partition]}")
        for partition, offset in committed.items():
            self._checked_to[partition] = max(offset, self._checked_to.get(partition, 0))


class Observer:
    """Watches one consumer group prefix and one database, in a thread of its own, until it is stopped."""

    def __init__(self, bootstrap: str, group_prefix: str, partitions: int, tables: HttpTables) -> None:
        self.offsets = OffsetsSeen()
        self.versions = VersionsSeen()
        self.samples = 0
        self.missed = 0
        self.safety = {
            TOUCHPOINTS: CommitSafety(self._forwarded),
            KEYED: CommitSafety(self._written),
            DEAD: CommitSafety(self._noted),
        }
        self._bootstrap = bootstrap
        self._prefix = group_prefix
        self._tables = tables
        self._sizes = {TOUCHPOINTS: partitions, KEYED: partitions, DEAD: 1}
        self._readers: dict[str, TopicReader] = {}
        self._sent_on: set[tuple[str, Place]] = set()
        self._read_of: dict[tuple[str, int], int] = {}
        self._admin: Any = None
        self._changing = threading.Lock()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="observer", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Take a last sample, and end."""
        self._is_over.set()
        self._thread.join(120)
        assert not self._thread.is_alive(), "the observer hangs"
        self.sample()
        self._let_go()

    def offsets_changed_by_hand(self, agents: Iterable[str], change: Callable[[], None]) -> None:
        """Let a person set offsets of groups: that is no going back."""
        with self._changing:
            change()
            for agent in agents:
                self.offsets.forget(agent)

    def sample(self) -> None:
        """One reading: committed offsets, then whether what lies before them is where it has to be."""
        with self._changing:
            committed = self.committed()
            for topic, agent in GROUPS.items():
                self.offsets.see(agent, committed[topic])
            for topic, safety in self.safety.items():
                reader = self._reader(topic)
                reader.read_to(committed[topic])
                safety.check(committed[topic], reader.records)
            for kind in _WATCHED_KINDS:
                self.versions.see(kind, self._tables.versions(kind))
            self.samples += 1

    def committed(self) -> dict[str, dict[int, int]]:
        """Committed offsets by topic and partition, as the broker tells them."""
        if self._admin is None:
            self._admin = KafkaAdminClient(bootstrap_servers=self._bootstrap, request_timeout_ms=10_000)
        groups = {topic: f"{self._prefix}-{agent}" for topic, agent in GROUPS.items()}
        found = self._admin.list_group_offsets(list(groups.values()))
        return {
            topic: {
                place.partition: int(at.offset)
                for place, at in found.get(group, {}).items()
                if place.topic == topic and at.offset >= 0
            }
            for topic, group in groups.items()
        }

    def _watch(self) -> None:
        while not self._is_over.wait(_PAUSE_S):
            try:
                self.sample()
            except (KafkaError, LagUnknown, OSError, TimeoutError):
                # Broker or ClickHouse are away, which is what the experiment may be about.
                self.missed += 1
                self._let_go()
                time.sleep(_PAUSE_S)

    def _let_go(self) -> None:
        for one in (self._admin, *self._readers.values()):
            if one is not None:
                one.close()
        self._admin = None
        self._readers.clear()
        self._read_of.clear()

    def _reader(self, topic: str) -> TopicReader:
        if topic not in self._readers:
            self._readers[topic] = TopicReader(self._bootstrap, topic, self._sizes[topic])
        return self._readers[topic]

    def _forwarded(self, records: list[Record]) -> Iterable[Record]:
        """Raw records that lie in the keyed topic or among the dead letters."""
        for is_fresh in (False, True):
            self._read_on(KEYED, _origin, is_fresh=is_fresh)
            self._read_on(DEAD, _dead_origin, is_fresh=is_fresh)
            safe = [record for record in records if (TOUCHPOINTS, record.place) in self._sent_on]
            if len(safe) == len(records):
                break
        return safe

    def _written(self, records: list[Record]) -> Iterable[Record]:
        """Keyed records that say nothing themselves, or whose touchpoint is in the base table or a dead letter."""
        names = [_name(record) for record in records]
        present = self._tables.present(name for name in names if name)
        safe: list[Record] = []
        missing: list[Record] = []
        for name, record in zip(names, records, strict=True):
            (safe if name is None or name in present else missing).append(record)
        if missing:
            self._read_on(DEAD, _dead_origin, is_fresh=True)
            safe += [record for record in missing if (DEAD, _origin(record)) in self._sent_on]
        return safe

    def _read_on(self, topic: str, origin_of: Callable[[Record], Place | None], *, is_fresh: bool) -> None:
        """Take what a topic holds; with `is_fresh` surely up to the end that it has now."""
        reader = self._reader(topic)
        if is_fresh:
            reader.read_to(end_offsets(KafkaSettings(bootstrap=self._bootstrap), topic))
        else:
            reader.read()
        for partition, found in reader.records.items():
            start = self._read_of.get((topic, partition), 0)
            places = [place for one in found[start:] if (place := origin_of(one))]
            self._sent_on.update((to, place) for place in places for to in (TOUCHPOINTS, topic))
            self._read_of[topic, partition] = len(found)

    def _noted(self, records: list[Record]) -> Iterable[Record]:
        """Records of the dead-letter topic that the table lists."""
        noted = set(self._tables.dead_places())
        return [record for record in records if str(_dead_origin(record)) in noted]


def _header(record: Record, name: str) -> str | None:
    return next((value.decode() for key, value in record.headers if key == name and value is not None), None)


def _origin(record: Record) -> Place | None:
    """Place in the raw topic that a keyed record came from."""
    partition, colon, offset = (_header(record, "origin") or "").partition(":")
    return Place(int(partition), int(offset)) if colon else None


def _dead_origin(record: Record) -> Place | None:
    """Place in the raw topic that a dead letter came from."""
    partition, offset = _header(record, "partition"), _header(record, "offset")
    return Place(int(partition), int(offset)) if partition and offset else None


def _name(record: Record) -> str | None:
    """Touchpoint of a keyed record as it came from intake; `None` for what tells owners something else."""
    if is_tick(record.headers) or has_wakes(record.headers) or forwarded_to(record.headers):
        return None
    decoded = decode(record.value)
    return None if isinstance(decoded, Undecodable) else touchpoint_ref(decoded.touchpoint.key)
