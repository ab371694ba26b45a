"""The checker itself: it finds every bug that is planted, by the invariant that names it, and none where none is.

Nine bugs are planted in a worker process that is made of the product's agents. The others are planted in what the
checker sees: an alert after its retraction, and what no worker of ours can be made to do.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import pytest

from streams.topics import TOUCHPOINTS
from tests.faults import workload
from tests.faults.invariants import Delivered, Evidence, Exit, Finding, LedgerEntry, Live, Tally, findings, violated
from tests.faults.ledger import Ledger, Place, Record
from tests.faults.observer import CommitSafety, OffsetsSeen, VersionsSeen
from tests.faults.refold import Expected, expected_aggregates
from tests.faults.run import Run
from tests.faults.site import Site, running_site
from tests.faults.spec import Plant

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_200)]

SEED = 5
#: Which invariant has to say so.
CAUGHT_BY = {
    Plant.COMMIT_BEFORE_WRITE: "I7",
    Plant.ACK_ON_FAILURE: "I1",
    Plant.SKIPPED_RECORD: "I1",
    Plant.DOUBLED_ROW: "I3",
    Plant.LOST_RETRACTION: "I5",
    Plant.STALE_VERSION: "I4",
    Plant.TOKEN_REUSE: "I1",
    Plant.SESSION_OFF_BY_ONE: "I4",
    Plant.DROPPED_DEAD_LETTER: "I1",
}


#: Records between two flushes, where 100 are too many: few frictions are withdrawn after they were written.
_SLICES: dict[Plant | None, int] = {Plant.LOST_RETRACTION: 20}


class Healthy(NamedTuple):
    """A site with a log that a healthy application has been through, and what was seen of it."""

    site: Site
    ledger: Ledger
    run: Run
    found: list[Finding]


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Healthy]:
    with running_site(tmp_path_factory.mktemp("checker") / "site", "embedded") as site:
        ledger = Ledger(site.bootstrap, site.settings().partitions)
        run = Run(site, ledger, SEED)
        run.observer.start()
        run.hire(site.worker("worker"))
        run.pass_time()
        run.produce(workload.shuffled(workload.usual(SEED, 900), SEED))
        ledger.produce_poison(workload.poison())
        yield Healthy(site, ledger, run, run.finish().findings)
        ledger.close()


def judged(healthy: Healthy, application: str, plant: Plant | None) -> list[Finding]:
    """What the checker says of an application that reads the same log with a bug."""
    site = healthy.site
    site.install(application)
    run = Run(site, healthy.ledger, SEED, application=application)
    # The raw topic was forwarded by the healthy one.
    site.set_offsets(f"{application}-intake", TOUCHPOINTS, healthy.run.observer.committed()[TOUCHPOINTS])
    run.observer.start()
    spec = msgspec.structs.replace(
        site.spec(application, ("journeys",), application=application), plant=plant, slice=_SLICES.get(plant, 100)
    )
    run.hire(site.worker_of(application, spec.agents, lambda: spec))
    return run.finish(time_has_passed=True).findings


def test_a_healthy_run_violates_nothing(healthy: Healthy) -> None:
    states = {finding.id: finding.state for finding in healthy.found}
    # Nobody asked to be forgotten.
    assert states == {f"I{number}": "holds" for number in range(1, 15)} | {"I15": "not checked"}
    assert healthy.run.evidence is not None
    assert len([row for row in healthy.run.evidence.alert_ledger if row.state == "delivered"]) > 10


def test_a_worker_without_a_bug_violates_nothing_on_the_same_log(healthy: Healthy) -> None:
    found = judged(healthy, "control", None)
    assert violated(found) == []
    # Nobody alerts there.
    assert [finding.id for finding in found if finding.state == "not checked"] == ["I9", "I15"]


@pytest.mark.parametrize("plant", CAUGHT_BY)
def test_a_planted_bug_is_caught_by_the_invariant_that_names_it(healthy: Healthy, plant: Plant) -> None:
    found = judged(healthy, plant.name.lower(), plant)
    assert CAUGHT_BY[plant] in violated(found), found


# --- Planted in what the checker sees --------------------------------------------------------------------------------


def judged_anew(healthy: Healthy, **changes: object) -> list[str]:
    evidence, expected = seen(healthy)
    return violated(findings(msgspec.structs.replace(evidence, **changes), expected, expected_aggregates(expected)))


def seen(healthy: Healthy) -> tuple[Evidence, Expected]:
    assert healthy.run.evidence is not None
    assert healthy.run.expected is not None
    return healthy.run.evidence, healthy.run.expected


def test_an_alert_after_its_retraction_is_caught(healthy: Healthy) -> None:
    evidence, _ = seen(healthy)
    alerts_so_far = evidence.alerts or []
    withdrawn = LedgerEntry("no-longer", "retracted", version=8, recorded_at=1_000)
    told_before = LedgerEntry("no-longer", "delivered", version=7, recorded_at=999)
    told_again = LedgerEntry("no-longer", "delivered", version=9, recorded_at=1_002)

    def with_alert(at: int, *entries: LedgerEntry) -> list[str]:
        alerts = [*alerts_so_far, Delivered("no-longer", at)]
        return judged_anew(healthy, alerts=alerts, alert_ledger=[*evidence.alert_ledger, *entries])

    assert with_alert(1_001, withdrawn, told_before) == ["I9"]
    assert with_alert(1_000, withdrawn, told_before) == []
    # It came back after the retraction, and that was told.
    assert with_alert(1_002, withdrawn, told_again) == []


def test_an_alert_that_never_came_or_came_twice_is_caught(healthy: Healthy) -> None:
    evidence, expected = seen(healthy)
    assert evidence.alerts is not None
    wanted = min(expected.alertable)
    others = [one for one in evidence.alerts if one.friction_id != wanted]
    assert judged_anew(healthy, alerts=others) == ["I9"]
    assert judged_anew(healthy, alerts=others, untellable={wanted}) == []
    again = [*evidence.alerts, Delivered(wanted, evidence.alerts[-1].at)]
    assert judged_anew(healthy, alerts=again) == ["I9"]
    assert judged_anew(healthy, alerts=again, cuts=1) == []


def test_rows_that_nobody_sent_are_caught(healthy: Healthy) -> None:
    evidence, _ = seen(healthy)
    name, kind, at = evidence.base[0]
    assert judged_anew(healthy, base=[*evidence.base, ("default/nobody/1", kind, at)]) == ["I2"]
    assert judged_anew(healthy, base=[(name, kind, at + 1), *evidence.base[1:]]) == ["I2"]
    assert judged_anew(healthy, dead=[*evidence.dead, "0/999999"]) == ["I2"]


def test_a_wrong_sum_is_caught(healthy: Healthy) -> None:
    evidence, _ = seen(healthy)
    name = "effort by kind and team"
    group, (count, minutes) = next(iter(evidence.aggregates[name].items()))
    wrong = {**evidence.aggregates, name: {**evidence.aggregates[name], group: (count, minutes + 0.001)}}
    assert judged_anew(healthy, aggregates=wrong) == ["I6"]
    asked, published = evidence.asked_in_sql["sessions"]
    assert judged_anew(healthy, asked_in_sql={"sessions": (asked, set(list(published)[1:]))}) == ["I6"]


def test_numbers_that_do_not_add_up_and_workers_that_end_wrongly_are_caught(healthy: Healthy) -> None:
    evidence, _ = seen(healthy)
    short = Tally("worker", {"0": 10, "1": 2}, {"applied": 7, "duplicate": 4})
    assert judged_anew(healthy, tallies=[*evidence.tallies, short]) == ["I13"]
    assert judged_anew(healthy, tallies=[*evidence.tallies, short._replace(was_cut=True)]) == []
    for ending, is_wrong in (
        (Exit("worker", "SIGTERM", 0, 30.0), False),
        (Exit("worker", "SIGTERM", 0, 30.1), True),
        (Exit("worker", "SIGTERM", 1, 2.0), True),
        (Exit("worker", "itself", 0), True),
        (Exit("worker", "itself", 1), False),
        (Exit("worker", "SIGKILL", -9), False),
    ):
        assert judged_anew(healthy, exits=[*evidence.exits, ending]) == (["I14"] if is_wrong else []), ending


def test_no_recovery_and_too_much_memory_are_caught(healthy: Healthy) -> None:
    evidence, _ = seen(healthy)
    assert judged_anew(healthy, recovery_s=None) == ["I10"]
    assert evidence.resources is not None
    assert judged_anew(healthy, resources=evidence.resources._replace(memory_mb={"worker": 700.1})) == ["I11"]
    assert judged_anew(healthy, resources=evidence.resources._replace(parts=301)) == ["I11"]


def test_an_observer_who_saw_nothing_proves_nothing(healthy: Healthy) -> None:
    evidence, expected = seen(healthy)
    blind = msgspec.structs.replace(evidence, live=Live(0, [], 0, [], []))
    states = {one.id: one.state for one in findings(blind, expected, expected_aggregates(expected))}
    assert {id_ for id_, state in states.items() if state == "not checked"} == {"I7", "I8", "I12", "I15"}


def test_rows_of_who_asked_to_be_forgotten_are_caught(healthy: Healthy) -> None:
    evidence, expected = seen(healthy)
    name = evidence.base[0][0]
    of_one = expected._replace(erased={"hash"}, forgotten={name})
    aggregates = expected_aggregates(expected)

    def found_with(**changes: object) -> list[str]:
        return violated(findings(msgspec.structs.replace(evidence, **changes), of_one, aggregates))

    assert found_with(base=evidence.base[1:]) == []
    assert found_with(base=evidence.base[1:], remains={"touchpoints": 1}) == ["I15"]


def test_offsets_that_go_back_are_seen_unless_a_person_set_them() -> None:
    seen = OffsetsSeen()
    seen.see("journeys", {0: 5, 1: 3})
    seen.see("intake", {0: 4})
    seen.see("journeys", {0: 5, 1: 4})
    assert seen.violations == []
    seen.see("journeys", {0: 4})
    assert seen.violations == ["journeys 0: from 5 back to 4"]
    seen.forget("journeys")
    seen.see("journeys", {0: 0, 1: 0})
    assert len(seen.violations) == 1


def test_versions_that_fall_are_seen_also_of_what_was_gone_meanwhile() -> None:
    seen = VersionsSeen()
    seen.see("journey", {"a": 3, "b": 1})
    seen.see("journey", {"a": 4, "b": 1})
    seen.see("journey", {"b": 2})
    assert seen.violations == []
    seen.see("journey", {"a": 3})
    assert seen.violations == ["journey a: from version 4 to 3"]


def test_a_commit_is_looked_at_up_to_its_offset_and_each_record_once() -> None:
    def record(offset: int) -> Record:
        return Record("touchpoints.keyed", 0, offset, 0, None, b"", [])

    asked: list[list[int]] = []

    def safe(records: list[Record]) -> list[Record]:
        asked.append([one.offset for one in records])
        return [one for one in records if one.place != Place(0, 1)]

    safety = CommitSafety(safe)
    log = {0: deque(record(offset) for offset in range(4))}
    safety.check({0: 1}, log)
    assert safety.violations == []
    safety.check({0: 2}, log)
    assert safety.violations == ["touchpoints.keyed 0/1, committed 2"]
    safety.check({0: 2}, log)
    assert asked == [[0], [1]]
    assert safety.checked == 2
    assert [one.offset for one in log[0]] == [2, 3]


def test_a_commit_that_nobody_could_be_asked_about_is_looked_at_again() -> None:
    def nobody_answers(_: list[Record]) -> list[Record]:
        raise ConnectionError

    log = {0: deque([Record("touchpoints.keyed", 0, 0, 0, None, b"", [])])}
    with pytest.raises(ConnectionError):
        CommitSafety(nobody_answers).check({0: 1}, log)
    safety = CommitSafety(lambda _: [])
    safety.check({0: 1}, log)
    assert safety.violations == ["touchpoints.keyed 0/0, committed 1"]
