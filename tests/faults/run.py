"""One run: an application on a site is watched while things happen to it, healed, and judged."""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any

import msgspec

from schemas.touchpoint import Touchpoint
from streams.lag import end_offsets
from streams.topics import TOUCHPOINTS
from tests.faults.invariants import (
    Delivered,
    Evidence,
    Finding,
    LedgerEntry,
    Live,
    Resources,
    Tally,
    findings,
    violated,
)
from tests.faults.ledger import Ledger, Record, TopicReader
from tests.faults.measures import MemoryGrowth, MemorySample, growth
from tests.faults.observer import Observer
from tests.faults.processes import Worker, at_once
from tests.faults.refold import Expected, expected_aggregates, published_aggregates, refold
from tests.faults.site import Site
from tests.faults.tables import HttpTables
from tests.faults.workload import TIME_PASSED, sentinels
from tests.support.sql_oracle import SqlOracle, published_frictions, published_sessions

#: Generous: what is to be found is whether lag returns to 0 at all; how long it took is in the report.
RECOVERS_WITHIN_S = 600.0
_DONE_WITHIN_S = 600.0
#: Questions about everything that a large run has written take minutes.
_ANSWERS_WITHIN_S = 600.0


class Result(msgspec.Struct, frozen=True):
    """What a run came to. Times are seconds; the timeline is (seconds since the start, what happened)."""

    name: str
    broker: str
    seed: int
    events: int
    seconds: float
    recovery_s: float | None
    replay_ratio: float | None
    memory_mb: float
    #: By worker, MB per hour over the second half of the run.
    memory_growth: dict[str, MemoryGrowth]
    #: After each death that somebody had partitions to take over from; `None` where that never came.
    recoveries_s: list[float | None]
    timeline: list[tuple[float, str]]
    findings: list[Finding]

    @property
    def violated(self) -> list[str]:
        """Ids of violated invariants."""
        return violated(self.findings)


class Run:
    """What an experiment works with."""

    def __init__(
        self,
        site: Site,
        ledger: Ledger,
        seed: int,
        *,
        application: str = "journeys",
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.site = site
        self.ledger = ledger
        self.seed = seed
        self.chances = Random(seed)
        self.application = application
        self.settings = site.settings(application)
        self.tables = site.tables(application)
        self.observer = Observer(
            site.bootstrap, application, self.settings.partitions, self.tables, is_fused=self.settings.fused
        )
        self.workers: list[Worker] = []
        self.timeline: list[tuple[float, str]] = []
        self.cuts = 0
        self.untellable: set[str] = set()
        self.recoveries_s: list[float | None] = []
        self.recovery_s: float | None = None
        self.evidence: Evidence | None = None
        self.expected: Expected | None = None
        self._tell = tell
        self._begun = time.monotonic()
        self._healed_at: float | None = None

    # --- What experiments do ---

    def note(self, what: str) -> None:
        """Write something into the timeline."""
        self.timeline.append((round(time.monotonic() - self._begun, 1), what))
        self._tell(what)

    def hire(self, worker: Worker) -> Worker:
        """Start a worker, and have it judged with the others."""
        self.workers.append(worker)
        worker.start()
        return worker

    def produce(self, touchpoints: Iterable[Touchpoint], partition: int | None = None) -> None:
        """Send touchpoints; returns when the broker has answered for all."""
        self.ledger.produce(touchpoints, partition)

    def pass_time(self) -> None:
        """Let event time pass every deadline, in every partition."""
        for partition, one in sentinels(self.settings.partitions):
            accepted = self.ledger.accepted
            self.ledger.produce([one], partition)
            assert self.ledger.accepted > accepted, "the broker takes nothing any more, so no time passes"

    def wait_until_done(self, within_s: float = _DONE_WITHIN_S) -> bool:
        """Wait until everything that was sent is durable and told."""
        return self.site.wait_until_done(within_s, self.application, with_alerts=self.has_alerts)

    @property
    def has_alerts(self) -> bool:
        """Whether a worker tells teams."""
        return any("alerts" in worker.agents for worker in self.workers)

    def healed(self) -> None:
        """The last fault is over: from here on everything has to come right by itself."""
        self.site.broker.resume()
        self.site.clickhouse.resume()
        self.note("healed")
        self._healed_at = time.monotonic()

    # --- How a run ends ---

    def finish(self, *, time_has_passed: bool = False) -> Result:
        """Wait for the recovery, stop the workers, gather what can be seen, and judge."""
        if self._healed_at is None:
            self.healed()
        assert self._healed_at is not None
        if not time_has_passed:
            self.pass_time()
        if self.wait_until_done(RECOVERS_WITHIN_S):
            self.recovery_s = round(time.monotonic() - self._healed_at, 1)
            self.note("done")
        else:
            self.note("not done in time")
        at_once(*(worker.terminate_when_ready for worker in self.workers if worker.is_wanted))
        self.note("workers stopped")
        self.observer.stop()
        self.evidence, self.expected = self._evidence()
        found = findings(self.evidence, self.expected, expected_aggregates(self.expected))
        return Result(
            name="",
            broker=self.site.kind,
            seed=self.seed,
            events=self.ledger.accepted,
            seconds=round(time.monotonic() - self._begun, 1),
            recovery_s=self.recovery_s,
            replay_ratio=self._replay_ratio(),
            memory_mb=max((worker.memory_mb for worker in self.workers), default=0.0),
            # What comes after the last fault is no load of anybody's: time passes, and every deadline with it.
            memory_growth={
                worker.name: grown
                for worker in self.workers
                if (grown := self._memory_growth(worker, self._healed_at)) is not None
            },
            recoveries_s=self.recoveries_s,
            timeline=self.timeline,
            findings=found,
        )

    def _memory_growth(self, worker: Worker, until: float) -> MemoryGrowth | None:
        alive = [note for note in self._notes(worker) if "blocks" in note and note["at"] <= until]
        resident = growth([one for one in worker.memory if one.at <= until])
        if resident is None:
            return None
        blocks = growth([MemorySample(one["pid"], one["at"], one["blocks"]) for one in alive])
        malloced = growth([MemorySample(one["pid"], one["at"], one["malloced_mb"]) for one in alive])
        last: dict[str, Any] = alive[-1] if alive else {"blocks": 0, "malloced_mb": 0.0}
        return MemoryGrowth(
            resident_mb=round(resident, 1),
            blocks=None if blocks is None else round(blocks),
            blocks_alive=last["blocks"],
            malloced_mb=None if malloced is None else round(malloced, 1),
            malloced_alive_mb=round(last["malloced_mb"], 1),
        )

    def _evidence(self) -> tuple[Evidence, Expected]:
        tables, ledger = self.site.tables(self.application, _ANSWERS_WITHIN_S), self.ledger
        log = self._raw_log()
        acknowledged = {place for places in ledger.acknowledged.values() for place in places} | ledger.poison
        gone = acknowledged - {record.place for record in log}
        assert not gone, f"the broker lost {len(gone)} acknowledged records: {sorted(gone)[:3]}"
        expected = refold(log, self.settings, TIME_PASSED - round(self.settings.allowed_lateness_s * 1000))
        observer = self.observer
        evidence = Evidence(
            acknowledged=set(ledger.acknowledged),
            poison=set(map(str, ledger.poison)),
            sent=set(ledger.sent),
            base=_base(tables),
            dead=tables.dead_places(),
            published={kind: tables.published(kind) for kind in expected.facts},
            aggregates=published_aggregates(tables),
            asked_in_sql=_asked_in_sql(tables),
            live=Live(
                observer.samples,
                [text for safety in observer.safety.values() for text in safety.violations],
                sum(safety.checked for safety in observer.safety.values()),
                observer.offsets.violations,
                observer.versions.violations,
            ),
            alerts=self._delivered() if self.has_alerts else None,
            alert_ledger=_alert_ledger(tables),
            cuts=self.cuts + self._abandoned_alerts(),
            recovery_s=self.recovery_s,
            resources=self._resources(),
            tallies=list(self._tallies()),
            exits=[one for worker in self.workers for one in worker.exits],
            remains=_remains(tables, expected),
            untellable=self.untellable,
        )
        return evidence, expected

    def _raw_log(self) -> list[Record]:
        reader = TopicReader(self.site.bootstrap, TOUCHPOINTS, self.settings.partitions)
        try:
            reader.read_to(end_offsets(self.settings.kafka, TOUCHPOINTS))
            return [record for records in reader.records.values() for record in records]
        finally:
            reader.close()

    def _delivered(self) -> list[Delivered]:
        return [
            Delivered(request.json["data"]["subjects"][0]["friction_id"], request.at, request.json["data"]["kind"])
            for request in self.site.desk.received
            if not request.answer.hangs and 200 <= request.answer.status < 300
        ]

    def _abandoned_alerts(self) -> int:
        """Times that a worker which tells teams dropped what it was at; between answer and ledger that is a cut."""
        logs = {worker.log for worker in self.workers if "alerts" in worker.agents}
        return sum(log.read_text(errors="replace").count("work_abandoned") for log in logs)

    def _resources(self) -> Resources:
        parts = self.tables.value(
            "SELECT max(parts) FROM (SELECT count() AS parts FROM system.parts WHERE active GROUP BY table, partition)"
        )
        return Resources(
            {worker.name: round(worker.memory_mb, 1) for worker in self.workers},
            {worker.name: worker.files for worker in self.workers},
            int(parts),
        )

    def _notes(self, worker: Worker) -> Iterable[dict[str, Any]]:
        path = self.site.tally_of(worker.name)
        if path.exists():
            for line in path.read_text().splitlines():
                yield json.loads(line)

    def _tallies(self) -> Iterable[Tally]:
        for worker in self.workers:
            by_process: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
            for note in self._notes(worker):
                by_process[note["pid"]].append(note)
            log = worker.log.read_text(errors="replace") if worker.log.exists() else ""
            for pid, notes in by_process.items():
                counts = [note["counts"] for note in notes if "counts" in note]
                if not counts:
                    continue
                consumed: Counter[str] = Counter()
                for note in notes:
                    if "consumed" in note:
                        consumed[str(note["partition"])] += note["consumed"]
                yield Tally(f"{worker.name} {pid}", consumed, counts[-1], was_cut="work_abandoned" in log)

    def _replay_ratio(self) -> float | None:
        """Touchpoints that owners took from intake or the raw topic, against those that are in the log."""
        fresh = sum(note.get("fresh", 0) for worker in self.workers for note in self._notes(worker))
        return round(fresh / self.ledger.accepted, 2) if fresh else None


def _base(tables: HttpTables) -> Sequence[tuple[str, str, int]]:
    rows = tables.query(
        "SELECT touchpoint_key, kind, toUnixTimestamp64Milli(event_time) AS at FROM v_touchpoints ORDER BY at"
    )
    return [(row["touchpoint_key"], row["kind"], int(row["at"])) for row in rows]


def _asked_in_sql(tables: HttpTables) -> dict[str, tuple[set[Any], set[Any]]]:
    oracle = SqlOracle(tables)
    return {
        "sessions": (set(oracle.sessions()), set(published_sessions(tables))),
        "redirects": (set(oracle.redirects()), set(published_frictions(tables, "channel_redirect"))),
        "repeats": (set(oracle.repeats()), set(published_frictions(tables, "repeat_contact"))),
    }


def _remains(tables: HttpTables, expected: Expected) -> dict[str, int]:
    if not expected.erased:
        return {}
    undone = int(tables.value("SELECT count() FROM v_erasures WHERE NOT is_done"))
    return tables.naming(sorted(expected.erased)) | ({"requests that are not done": undone} if undone else {})


def _alert_ledger(tables: HttpTables) -> list[LedgerEntry]:
    rows = tables.query(
        "SELECT friction_id, channel, state, version, toUnixTimestamp64Milli(recorded_at) AS at FROM v_alerts"
    )
    return [LedgerEntry(row["friction_id"], row["state"], int(row["version"]), int(row["at"])) for row in rows]
