"""The batch oracle: everything that was acknowledged, folded at once in one process by the pure core."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from processors.kinds import ERASE_REQUESTED
from schemas.identity import identifier_of
from schemas.log import DeadLetter, Position
from schemas.outputs import touchpoint_ref
from schemas.ticks import SourceProgress, Tick
from schemas.touchpoint import AppliedTouchpoint
from streams.intake import read_record
from streams.settings import Settings
from tests.faults.ledger import Place, Record
from tests.faults.tables import HttpTables, Row, business_columns
from tests.support.keyed_log import Entry, KeyedLog, expected_store, without_erased

#: Group, then its numbers.
Aggregate = dict[tuple[Any, ...], tuple[float, ...]]


class Expected(NamedTuple):
    """What follows from a log.

    `touchpoints` are kind and event time by name, `dead` the places of records that are none; `facts` are rows by kind
    and id; `alertable` frictions somebody has to be told of. `erased` are hashes of identities that asked to be
    forgotten, `forgotten` the names of touchpoints that no table may hold for that, and of the requests.
    """

    touchpoints: Mapping[str, tuple[str, int]]
    sources: Mapping[str, int]
    dead: set[Place]
    facts: Mapping[str, Mapping[str, Row]]
    alertable: set[str]
    erased: set[str]
    forgotten: set[str]


def refold(records: Iterable[Record], settings: Settings, watermark: int) -> Expected:
    """Judge everybody in a log as of a watermark (UTC milliseconds) that has passed every deadline."""
    keyring, admission = settings.keyring(), settings.admission()
    applied: list[AppliedTouchpoint] = []
    dead: set[Place] = set()
    for record in records:
        position = Position(record.topic, record.partition, record.offset)
        result = read_record(record, position, keyring, admission)
        if isinstance(result, DeadLetter):
            dead.add(record.place)
        else:
            applied.append(result)
    # Requests name all identities of a person: nobody has to follow links to find them.
    erased = {
        identifier_of(identity)
        for one in applied
        if one.touchpoint.kind == ERASE_REQUESTED
        for identity in one.touchpoint.identities
    }
    left = [(one, without_erased(one, erased)) for one in applied]
    forgotten = {touchpoint_ref(one.key) for one, kept in left if kept is None}
    applied = [kept for _, kept in left if kept is not None]
    time_passed = Tick((SourceProgress(0, watermark),))
    partitions: dict[int, list[Entry]] = {number: [time_passed] for number in range(settings.partitions)}
    partitions[0] = [*applied, time_passed]
    store, alertable = expected_store(KeyedLog(partitions), settings.identity.limits())
    facts = {kind: {id_: business_columns(row) for id_, row in rows.items()} for kind, rows in store.facts().items()}
    first: dict[str, AppliedTouchpoint] = {}
    for one in sorted(applied, key=lambda one: (one.ingestion_time, one.origin_partition, one.origin_offset)):
        first.setdefault(touchpoint_ref(one.key), one)
    return Expected(
        {name: (one.touchpoint.kind, one.event_time) for name, one in first.items()},
        Counter(one.touchpoint.source for one in first.values()),
        dead,
        facts,
        alertable,
        erased,
        forgotten,
    )


# --- Aggregates ------------------------------------------------------------------------------------------------------

_QUESTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "frictions by rule, variant, team and day": (
        (
            "SELECT rule_id, variant, team, toString(toDate(anchor_at)) AS day, count() AS frictions,"
            " sum(minutes) AS minutes, sum(severity) AS severities FROM v_frictions GROUP BY ALL"
        ),
        ("rule_id", "variant", "team", "day"),
    ),
    "effort by kind and team": (
        "SELECT kind, team, count() AS postings, sum(minutes) AS minutes FROM v_effort_postings GROUP BY ALL",
        ("kind", "team"),
    ),
    "journeys by status and outcome": (
        (
            "SELECT status, outcome, count() AS journeys, sum(effort_minutes) AS effort,"
            " sum(touches) AS touches FROM v_journeys GROUP BY ALL"
        ),
        ("status", "outcome"),
    ),
    "sessions by day": (
        (
            "SELECT toString(toDate(started_at)) AS day, count() AS sessions, sum(touches) AS touches"
            " FROM v_sessions GROUP BY ALL"
        ),
        ("day",),
    ),
    "totals of persons": (
        (
            "SELECT tenant, count() AS persons, sum(touchpoints) AS touchpoints, sum(contacts) AS contacts,"
            " sum(sessions) AS sessions, sum(journeys) AS journeys, sum(frictions) AS frictions"
            " FROM v_persons GROUP BY ALL"
        ),
        ("tenant",),
    ),
    "touchpoints by source": ("SELECT source, touchpoints FROM v_producers", ("source",)),
}


def published_aggregates(tables: HttpTables) -> dict[str, Aggregate]:
    """Sums and counts as an analyst asks the views for them."""
    found = {}
    for name, (sql, groups) in _QUESTIONS.items():
        found[name] = {
            tuple(row.pop(group) for group in groups): tuple(float(value) for value in row.values())
            for row in tables.query(sql)
        }
    return found


def expected_aggregates(expected: Expected) -> dict[str, Aggregate]:
    """The same from the batch oracle's rows."""
    facts = expected.facts
    return {
        "frictions by rule, variant, team and day": _summed(
            ((row["rule_id"], row["variant"], row["team"], _day(row["anchor_at"])), (row["minutes"], row["severity"]))
            for row in facts["friction"].values()
        ),
        "effort by kind and team": _summed(
            ((row["kind"], row["team"]), (row["minutes"],)) for row in facts["posting"].values()
        ),
        "journeys by status and outcome": _summed(
            ((row["status"], row["outcome"]), (row["effort_minutes"], row["touches"]))
            for row in facts["journey"].values()
        ),
        "sessions by day": _summed(
            ((_day(row["started_at"]),), (row["touches"],)) for row in facts["session"].values()
        ),
        "totals of persons": _summed(
            (
                (row["tenant"],),
                tuple(row[name] for name in ("touchpoints", "contacts", "sessions", "journeys", "frictions")),
            )
            for row in facts["person"].values()
        ),
        "touchpoints by source": {(source,): (float(count),) for source, count in expected.sources.items()},
    }


def _summed(rows: Iterable[tuple[tuple[Any, ...], tuple[float, ...]]]) -> Aggregate:
    """Count first, then the sums, by group."""
    sums: defaultdict[tuple[Any, ...], list[float]] = defaultdict(list)
    for group, numbers in rows:
        known = sums[group] or [0.0] * (len(numbers) + 1)
        sums[group] = [total + number for total, number in zip(known, (1, *numbers), strict=True)]
    return {group: tuple(float(total) for total in totals) for group, totals in sums.items()}


def _day(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).date().isoformat()
