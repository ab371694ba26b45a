"""The invariants of delivery, checked on what was seen of a run: holds, violated, or not checked and why."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from tests.faults.refold import Aggregate, Expected
from tests.faults.tables import Row

#: Resident memory of a worker in these experiments; the interpreter with its libraries takes 150 MB of it.
MEMORY_CAP_MB = 700
#: ClickHouse delays inserts at 1,000 active parts of a partition and refuses them at 3,000.
PARTS_CAP = 300
#: Half of the usual limit of a process.
FILES_CAP = 512
STOPS_WITHIN_S = 30.0
_SHOWN = 3


class Exit(NamedTuple):
    """The end of a worker: what ended it, with which code, and how long after it was asked to."""

    name: str
    cause: Literal["SIGKILL", "SIGTERM", "itself"]
    code: int
    seconds: float = 0.0


class Tally(NamedTuple):
    """What a worker that stopped cleanly had read, and what it says became of it; `was_cut` when work was dropped."""

    name: str
    consumed: Mapping[str, int]
    counts: Mapping[str, int]
    was_cut: bool = False


class Delivered(NamedTuple):
    """A message about one friction that an endpoint took, when (UTC milliseconds), and of which kind."""

    friction_id: str
    at: int
    kind: str = "opened"


class LedgerEntry(NamedTuple):
    """A row of the table of alerts."""

    friction_id: str
    state: str
    version: int
    recorded_at: int


class Live(NamedTuple):
    """What the observer saw while it ran."""

    samples: int
    unsafe_commits: Sequence[str]
    commits_checked: int
    backward_offsets: Sequence[str]
    fallen_versions: Sequence[str]


class Resources(NamedTuple):
    """Most of what was used at any moment."""

    memory_mb: Mapping[str, float]
    files: Mapping[str, int]
    parts: int


class Evidence(msgspec.Struct, kw_only=True):
    """Everything that the invariants are checked on. What is `None` was not looked at.

    `acknowledged` are names of good touchpoints that the broker took, `poison` places of bad records; `sent` are all
    names ever sent. `base` has name, kind and event time of every row of the view, `dead` the place of every dead
    letter. `cuts` counts what may have ended an alert between its answer and the ledger. `remains` are rows by table
    that still hold something of who asked to be forgotten, and requests that are not done. `untellable` are frictions
    that were known when a log was lost: what was to be told of them may have been in it.
    """

    acknowledged: set[str]
    poison: set[str]
    sent: set[str]
    base: Sequence[tuple[str, str, int]]
    dead: Sequence[str]
    published: Mapping[str, Mapping[str, Row]]
    aggregates: Mapping[str, Aggregate]
    asked_in_sql: Mapping[str, tuple[set[Any], set[Any]]]
    live: Live
    alerts: Sequence[Delivered] | None
    alert_ledger: Sequence[LedgerEntry]
    cuts: int
    recovery_s: float | None
    resources: Resources | None
    tallies: Sequence[Tally]
    exits: Sequence[Exit]
    remains: Mapping[str, int]
    untellable: set[str]


class Finding(msgspec.Struct, frozen=True):
    """What became of one invariant."""

    id: str
    says: str
    state: Literal["holds", "violated", "not checked"]
    evidence: str


_Check = tuple[Literal["holds", "violated", "not checked"], str]


def findings(evidence: Evidence, expected: Expected, aggregates: Mapping[str, Aggregate]) -> list[Finding]:
    """Every invariant with its outcome, in order; `aggregates` are those of the batch oracle."""
    checks: list[tuple[str, str, Callable[[], _Check]]] = [
        ("I1", "no loss", lambda: _loss(evidence, expected)),
        ("I2", "no phantom", lambda: _phantoms(evidence, expected)),
        ("I3", "once", lambda: _once(evidence)),
        ("I4", "journeys, sessions and persons as the batch has them", lambda: _facts(evidence, expected, _JOURNEYS)),
        ("I5", "frictions and effort as the batch has them", lambda: _facts(evidence, expected, _FRICTIONS)),
        ("I6", "aggregates as the batch and SQL have them", lambda: _aggregates(evidence, aggregates)),
        ("I7", "what is committed can be queried", lambda: _commit_safety(evidence.live)),
        ("I8", "committed offsets never go back", lambda: _seen(evidence.live.backward_offsets, evidence.live)),
        ("I9", "alerts once, none after its retraction", lambda: _alerts(evidence, expected)),
        ("I10", "lag returns to 0 by itself", lambda: _recovery(evidence)),
        ("I11", "memory, files and parts under caps", lambda: _resources(evidence.resources)),
        ("I12", "no reader sees a version fall", lambda: _seen(evidence.live.fallen_versions, evidence.live)),
        ("I13", "consumed equals what became of it", lambda: _bookkeeping(evidence.tallies)),
        ("I14", "ends in time and with the right code", lambda: _endings(evidence.exits)),
        ("I15", "nothing is left of who asked to be forgotten", lambda: _forgotten(evidence, expected)),
    ]
    return [Finding(id_, says, *check()) for id_, says, check in checks]


def violated(found: Iterable[Finding]) -> list[str]:
    """Ids of the violated ones."""
    return [finding.id for finding in found if finding.state == "violated"]


def as_table(found: Sequence[Finding]) -> str:
    """The report for people."""
    width = max(len(finding.says) for finding in found)
    return "\n".join(f"{one.id:<4} {one.says:<{width}}  {one.state:<11}  {one.evidence}" for one in found)


def _loss(evidence: Evidence, expected: Expected) -> _Check:
    base, dead = {name for name, _, _ in evidence.base}, set(evidence.dead)
    lost = sorted(name for name in evidence.acknowledged - expected.forgotten if name not in base)
    lost += sorted(f"dead letter of {place}" for place in evidence.poison | _places(expected) if place not in dead)
    counts = f"{len(evidence.acknowledged)} events and {len(evidence.poison)} bad records acknowledged"
    return _judged(lost, counts, "are neither in the base table nor dead letters")


def _phantoms(evidence: Evidence, expected: Expected) -> _Check:
    phantoms = [name for name, _, _ in evidence.base if name not in evidence.sent]
    phantoms += [
        f"{name} differs"
        for name, kind, event_time in evidence.base
        if name in evidence.sent and expected.touchpoints.get(name) != (kind, event_time)
    ]
    known = _places(expected) | evidence.poison
    phantoms += [f"dead letter of {place}" for place in evidence.dead if place not in known]
    return _judged(phantoms, f"{len(evidence.base)} rows go back to records", "go back to no record")


def _once(evidence: Evidence) -> _Check:
    names = Counter(name for name, _, _ in evidence.base) + Counter(evidence.dead)
    twice = [name for name, count in names.items() if count > 1]
    return _judged(twice, f"{names.total()} rows are {len(names)} touchpoints and dead letters", "come more than once")


_JOURNEYS = ("journey", "session", "person")
_FRICTIONS = ("friction", "posting")


def _facts(evidence: Evidence, expected: Expected, kinds: Sequence[str]) -> _Check:
    wrong = []
    for kind in kinds:
        published, wanted = evidence.published[kind], expected.facts[kind]
        wrong += [f"{kind} {id_} is missing" for id_ in wanted.keys() - published.keys()]
        wrong += [f"{kind} {id_} should not be" for id_ in published.keys() - wanted.keys()]
        for id_ in sorted(wanted.keys() & published.keys()):
            columns = [name for name, value in wanted[id_].items() if published[id_].get(name) != value]
            if columns:
                was, is_now = ({name: row.get(name) for name in columns} for row in (wanted[id_], published[id_]))
                wrong.append(f"{kind} {id_}: {json.dumps(is_now)}, expected {json.dumps(was)}")
    counts = ", ".join(f"{len(expected.facts[kind])} {kind}s" for kind in kinds)
    return _judged(wrong, f"{counts}, all columns", "differ")


def _aggregates(evidence: Evidence, wanted: Mapping[str, Aggregate]) -> _Check:
    wrong = [
        f"{name} {group}: {evidence.aggregates[name].get(group)}, expected {wanted[name].get(group)}"
        for name in wanted
        for group in sorted(wanted[name].keys() | evidence.aggregates[name].keys(), key=str)
        if not _are_equal(evidence.aggregates[name].get(group), wanted[name].get(group))
    ]
    groups = sum(map(len, wanted.values()))
    for name, (asked, published) in evidence.asked_in_sql.items():
        wrong += [f"{name} in SQL alone: {row}" for row in sorted(asked - published, key=str)]
        wrong += [f"{name} published alone: {row}" for row in sorted(published - asked, key=str)]
    rows = sum(len(asked) for asked, _ in evidence.asked_in_sql.values())
    return _judged(wrong, f"{groups} groups, and {rows} rows asked in SQL", "differ")


def _are_equal(numbers: Sequence[float] | None, others: Sequence[float] | None) -> bool:
    """Whether they are the same but for what the order of summing does to the last digits."""
    if numbers is None or others is None:
        return numbers is others
    return all(math.isclose(one, other, abs_tol=1e-6) for one, other in zip(numbers, others, strict=True))


def _commit_safety(live: Live) -> _Check:
    if not live.commits_checked:
        return "not checked", "nothing was committed while the observer looked"
    return _judged(
        live.unsafe_commits,
        f"{live.commits_checked} records in {live.samples} samples",
        "were committed before they were durable",
    )


def _seen(violations: Sequence[str], live: Live) -> _Check:
    return _judged(violations, f"{live.samples} samples", "did") if live.samples else ("not checked", "no samples")


def _alerts(evidence: Evidence, expected: Expected) -> _Check:
    if evidence.alerts is None:
        return "not checked", "nobody was to be alerted in this run"
    told = Counter(alert.friction_id for alert in evidence.alerts if alert.kind == "opened")
    taken_back = Counter(alert.friction_id for alert in evidence.alerts if alert.kind == "withdrawn")
    untold = expected.alertable - told.keys()
    wrong = [f"{id_} was never told" for id_ in sorted(untold - evidence.untellable)]
    versions = {entry.friction_id: entry.version for entry in evidence.alert_ledger if entry.state == "delivered"}
    retracted = {entry.friction_id: entry for entry in evidence.alert_ledger if entry.state == "retracted"}
    for alert in evidence.alerts:
        entry = retracted.get(alert.friction_id)
        is_late = entry is not None and alert.at > entry.recorded_at and alert.kind == "opened"
        if entry and is_late and versions.get(alert.friction_id, 0) < entry.version:
            wrong.append(f"{alert.friction_id} was told {alert.at - entry.recorded_at} ms after its retraction")
    # What was withdrawn where it had been told may be told again when it comes back.
    repeats = {id_: count - 1 - taken_back[id_] for id_, count in told.items() if count - 1 > taken_back[id_]}
    repeated = sum(repeats.values())
    if repeated > evidence.cuts:
        wrong.append(f"{repeated} told again with {evidence.cuts} cuts: {', '.join(list(repeats)[:_SHOWN])}")
    counts = f"{told.total()} alerts of {len(told)} frictions, {repeated} repeated with {evidence.cuts} cuts,"
    lost = f", {len(untold)} were in a log that is lost" if evidence.untellable else ""
    return _judged(wrong, f"{counts} {len(retracted)} retracted{lost}", "are wrong")


def _recovery(evidence: Evidence) -> _Check:
    if evidence.recovery_s is None:
        return "violated", "lag did not return to 0 in time"
    return "holds", f"{evidence.recovery_s:.1f} s after the last fault"


def _resources(used: Resources | None) -> _Check:
    if used is None:
        return "not checked", "not measured in this run"
    wrong = [f"{name}: {megabytes:.0f} MB" for name, megabytes in used.memory_mb.items() if megabytes > MEMORY_CAP_MB]
    wrong += [f"{name}: {count} files" for name, count in used.files.items() if count > FILES_CAP]
    wrong += [f"{used.parts} parts in a partition"] if used.parts > PARTS_CAP else []
    most = max(used.memory_mb.values(), default=0)
    counts = f"{most:.0f} MB (cap {MEMORY_CAP_MB}), {max(used.files.values(), default=0)} files (cap {FILES_CAP}),"
    return _judged(wrong, f"{counts} {used.parts} parts (cap {PARTS_CAP})", "are over their cap")


def _bookkeeping(tallies: Sequence[Tally]) -> _Check:
    whole = [tally for tally in tallies if not tally.was_cut]
    if not whole:
        return "not checked", "no journeys worker stopped cleanly without having dropped work"
    wrong = []
    for tally in whole:
        consumed, became = sum(tally.consumed.values()), sum(tally.counts.values())
        if consumed != became:
            wrong.append(f"{tally.name} consumed {consumed}, accounts for {became}: {dict(tally.counts)}")
    total = sum(sum(tally.consumed.values()) for tally in whole)
    return _judged(wrong, f"{total} records of {len(whole)} workers", "do not add up")


def _endings(exits: Sequence[Exit]) -> _Check:
    asked = [one for one in exits if one.cause == "SIGTERM"]
    if not asked:
        return "not checked", "no worker was asked to stop"
    wrong = [f"{one.name}: code {one.code}" for one in asked if one.code != 0]
    wrong += [f"{one.name}: after {one.seconds:.1f} s" for one in asked if one.seconds > STOPS_WITHIN_S]
    wrong += [f"{one.name} ended by itself with code 0" for one in exits if one.cause == "itself" and one.code == 0]
    loudly = sum(one.cause == "itself" and one.code != 0 for one in exits)
    slowest = max(one.seconds for one in asked)
    counts = f"{len(asked)} stopped within {slowest:.1f} s; {loudly} ended by themselves with an error"
    return _judged(wrong, counts, "ended wrongly")


def _forgotten(evidence: Evidence, expected: Expected) -> _Check:
    if not expected.erased:
        return "not checked", "nobody asked"
    wrong = [f"{count} {what}" for what, count in evidence.remains.items()]
    return _judged(wrong, f"{len(expected.erased)} identities, {len(expected.forgotten)} touchpoints", "remain")


def _judged(wrong: Sequence[str], fine: str, verb: str) -> _Check:
    if not wrong:
        return "holds", fine
    return "violated", f"{len(wrong)} {verb}: {'; '.join(wrong[:_SHOWN])}"


def _places(expected: Expected) -> set[str]:
    return set(map(str, expected.dead))
