"""An observer outside of the pipeline: reads committed offsets first, then asks whether what lies before them is there.

In this order, because the other one proves nothing: an event may become durable between the two questions, but none
can stop being so. What it asks it asks broker and ClickHouse, as anybody could; no worker tells it anything.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import takewhile
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

_AGENTS = {TOUCHPOINTS: "intake", KEYED: "journeys", DEAD: "dead-letters", OUTBOX: "alerts"}
_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 2.0
_WATCHED_KINDS = ("journey", "friction")

Offsets = Mapping[int, int]


class OffsetsSeen:
    """Committed offsets by group as they were seen; those that went back are violations."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self._highest: dict[tuple[str, int], int] = {}

    def see(self, topic: str, offsets: Offsets) -> None:
        """Take one reading of the offsets that are committed of a topic."""
        for partition, offset in offsets.items():
            highest = self._highest.get((topic, partition), 0)
            if offset < highest:
                self.violations.append(f"{topic} {partition}: from {highest} back to {offset}")
            self._highest[topic, partition] = offset

    def forget(self, topic: str) -> None:
        """A person set the offsets of this topic; what follows is held against what they are now."""
        self._highest = {place: offset for place, offset in self._highest.items() if place[0] != topic}


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

    def check(self, committed: Offsets, pending: Mapping[int, deque[Record]]) -> None:
        """Look for every pending record before these offsets, and take out what was looked for."""
        wanted = [
            record
            for partition, offset in committed.items()
            for record in takewhile(lambda record, stop=offset: record.offset < stop, pending[partition])  # type: ignore[misc]
        ]
        if not wanted:
            return
        safe = {record.place for record in self._lies_safe(wanted)}
        for record in wanted:
            self.checked += 1
            if record.place not in safe:
                self.violations.append(f"{record.topic} {record.place}, committed {committed[record.partition]}")
            pending[record.partition].popleft()


class _Log:
    """What the topics of one log held so far, and what of it was not looked for yet."""

    def __init__(self, bootstrap: str, partitions: int) -> None:
        sizes = {TOUCHPOINTS: partitions, KEYED: partitions, DEAD: 1}
        self.pending = {topic: {number: deque[Record]() for number in range(size)} for topic, size in sizes.items()}
        #: Raw places whose records were seen to lie in the keyed topic, or among the dead letters.
        self.keyed: set[Place] = set()
        self.dead: set[Place] = set()
        self._readers = {topic: TopicReader(bootstrap, topic, size) for topic, size in sizes.items()}

    def read_on(self, topic: str, to: Offsets | None = None) -> None:
        """Take what a topic gives now, or surely everything up to these offsets."""
        reader = self._readers[topic]
        if to is None:
            reader.read()
        else:
            reader.read_to(to)
        for partition, found in reader.records.items():
            if topic == KEYED:
                self.keyed.update(place for one in found if (place := _origin(one)))
            elif topic == DEAD:
                self.dead.update(place for one in found if (place := _dead_origin(one)))
            self.pending[topic][partition] += found
            found.clear()

    def close(self) -> None:
        """Disconnect; reading goes on where it was."""
        for reader in self._readers.values():
            reader.close()


class Observer:
    """Watches one consumer group prefix and one database, in a thread of its own, until it is stopped."""

    def __init__(
        self, bootstrap: str, group_prefix: str, partitions: int, tables: HttpTables, *, is_fused: bool = False
    ) -> None:
        #: Topic and the agent whose group reads it.
        self.agents = {**_AGENTS, TOUCHPOINTS: "journeys"} if is_fused else _AGENTS
        self.offsets = OffsetsSeen()
        self.versions = VersionsSeen()
        self.samples = 0
        self.missed = 0
        #: Touchpoints of people who ask to be forgotten, and their requests: no table has to hold these.
        self.is_excused: Collection[str] = ()
        self.safety = {
            TOUCHPOINTS: CommitSafety(self._forwarded_or_written if is_fused else self._forwarded),
            KEYED: CommitSafety(self._written),
            DEAD: CommitSafety(self._noted),
        }
        self._bootstrap = bootstrap
        self._prefix = group_prefix
        self._tables = tables
        self._partitions = partitions
        self._log = _Log(bootstrap, partitions)
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

    def offsets_changed_by_hand(self, topics: Iterable[str], change: Callable[[], None]) -> None:
        """Let a person set offsets of topics: that is no going back."""
        with self._changing:
            change()
            for topic in topics:
                self.offsets.forget(topic)

    def while_the_log_is_lost(self, change: Callable[[], None]) -> None:
        """Look away while a broker loses its log; what is in the next one is looked at from its start."""
        with self._changing:
            # Whoever is still connected would have the next broker make the topics that it asks for.
            self._let_go()
            change()
            self._let_go()
            self._log = _Log(self._bootstrap, self._partitions)
            for topic in self.agents:
                self.offsets.forget(topic)

    def committed_names(self) -> set[str]:
        """Touchpoints that the journeys workers have committed."""
        committed = self.committed()[KEYED]
        reader = TopicReader(self._bootstrap, KEYED, self._partitions)
        try:
            reader.read_to(committed)
        finally:
            reader.close()
        before = (
            one for records in reader.records.values() for one in records if one.offset < committed[one.partition]
        )
        return {name for one in before if (name := _name(one))}

    def found_again(self, committed: Collection[str], there: Collection[str]) -> None:
        """Hold against each other what was committed in a log that is lost, and what is in the tables."""
        self.safety[KEYED].checked += len(committed)
        self.safety[KEYED].violations += [
            f"{name}, committed in a log that is lost" for name in committed if name not in there
        ]

    def sample(self) -> None:
        """One reading: committed offsets, then whether what lies before them is where it has to be."""
        with self._changing:
            committed = self.committed()
            for topic in self.agents:
                self.offsets.see(topic, committed[topic])
            for topic, safety in self.safety.items():
                self._log.read_on(topic, to=committed[topic])
                safety.check(committed[topic], self._log.pending[topic])
            for kind in _WATCHED_KINDS:
                self.versions.see(kind, self._tables.versions(kind))
            self.samples += 1

    def committed(self) -> dict[str, dict[int, int]]:
        """Committed offsets by topic and partition, as the broker tells them."""
        if self._admin is None:
            self._admin = KafkaAdminClient(bootstrap_servers=self._bootstrap, request_timeout_ms=10_000)
        groups = {topic: f"{self._prefix}-{agent}" for topic, agent in self.agents.items()}
        found = self._admin.list_group_offsets(list(set(groups.values())))
        return {
            topic: {
                place.partition: int(at.offset)
                for place, at in found.get(group, {}).items()
                if place.topic == topic and at.offset >= 0
            }
            for topic, group in groups.items()
        }

    def _watch(self) -> None:
        rest_s = _PAUSE_S
        while not self._is_over.wait(rest_s):
            begun = time.monotonic()
            try:
                self.sample()
                # Whoever looks at much leaves some time to those who are looked at.
                rest_s = min(max(_PAUSE_S, time.monotonic() - begun), _LONGEST_PAUSE_S)
            except (KafkaError, LagUnknown, OSError, TimeoutError):
                # Broker or ClickHouse are away, which is what the experiment may be about.
                self.missed += 1
                self._let_go()
                time.sleep(_PAUSE_S)

    def _let_go(self) -> None:
        self._log.close()
        if self._admin is not None:
            self._admin.close()
            self._admin = None

    def _forwarded(self, records: list[Record]) -> Iterable[Record]:
        """Raw records that lie in the keyed topic or among the dead letters."""
        for is_fresh in (False, True):
            for topic in (KEYED, DEAD):
                self._log.read_on(topic, to=self._end_of(topic) if is_fresh else None)
            safe = [record for record in records if record.place in self._log.keyed or record.place in self._log.dead]
            if len(safe) == len(records):
                break
        return safe

    def _forwarded_or_written(self, records: list[Record]) -> Iterable[Record]:
        """Raw records that are in the base table, where those are that lie nowhere else."""
        safe = list(self._forwarded(records))
        places = {record.place for record in safe}
        return [*safe, *self._written([record for record in records if record.place not in places])]

    def _written(self, records: list[Record]) -> Iterable[Record]:
        """Keyed records that say nothing themselves, or whose touchpoint is in the base table or a dead letter."""
        names = [_name(record) for record in records]
        present = self._tables.present(name for name in names if name)
        safe: list[Record] = []
        missing: list[Record] = []
        for name, record in zip(names, records, strict=True):
            is_there = name is None or name in present or name in self.is_excused
            (safe if is_there else missing).append(record)
        if missing:
            self._log.read_on(DEAD, to=self._end_of(DEAD))
            safe += [record for record in missing if _origin(record) in self._log.dead]
        return safe

    def _end_of(self, topic: str) -> Offsets:
        return end_offsets(KafkaSettings(bootstrap=self._bootstrap), topic)

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
