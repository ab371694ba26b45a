"""What is stored follows from the stored touchpoints, and the live rules find exactly what is live.

The logs are those of `test_erasing` and `test_restitching`: people who are joined, parted and erased, touchpoints in
any order and some of them twice, so that facts move and are withdrawn.
"""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.friction.backtest import Change, Tally
from processors.identity_limits import IdentityLimits
from schemas.touchpoint import AppliedTouchpoint
from sinks.alerts.routing import default_routing
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.period_reader import KeyRange, Period
from sinks.clickhouse.rows import touchpoint_block
from streams.backtesting import Backtest, tally
from streams.cli.backtest_report import print_report, report_of
from streams.cli.verify import verdict_lines
from streams.rederiving import Installation
from streams.verifying import Outcome, Verdict, verify
from tests.streams.test_erasing import logs as erasing_logs
from tests.streams.test_restitching import FEW, POOL, logs, named, run, run_two
from tests.support.keyed_log import CORE, LIMITS, RULES, Entry, KeyedLog, written_to_log
from tests.support.touchpoints import DAY, HOUR, MONDAY, applied, touchpoint

EVER = Period(0, MONDAY + 3_000 * DAY)
HALVES = (KeyRange("", "00000001"), KeyRange("00000001", ""))


def installation(limits: IdentityLimits = LIMITS) -> Installation:
    return Installation(ClickHouseAddress(), CORE, limits, {})


def backtested(
    log: KeyedLog, limits: IdentityLimits = LIMITS, period: Period = EVER, as_of: int | None = None
) -> Tally:
    """Tally of the live rules, in two batches."""
    backtest = Backtest(installation(limits), None, period, as_of, default_routing())
    result = Tally()
    for keys in HALVES:
        result.add(asyncio.run(tally(log.store, backtest, keys)))
    return result


async def nobody_writes() -> None:
    """There is nothing to wait for."""


def verified(
    log: KeyedLog, limits: IdentityLimits = LIMITS, pause: Callable[[], Awaitable[None]] = nobody_writes
) -> list[Verdict]:
    """Verdicts on all frictions that are live."""
    ids = log.store.live("friction")
    verdicts = asyncio.run(verify(log.store, installation(limits), RULES, ids, pause))
    assert {verdict.friction.friction_id for verdict in verdicts} == ids.keys()
    return verdicts


def assert_nothing_differs(log: KeyedLog, limits: IdentityLimits = LIMITS) -> None:
    result = backtested(log, limits)
    assert result.examples == {}
    live = log.store.live("friction")
    assert sum(result.changes.values()) == len(live)
    assert {change for _, _, change in result.changes} <= {Change.SAME}
    assert sum(one.tested for one in result.found.values()) == len(live)
    assert result.persons == len([row for row in log.store.live("person").values() if not row["merged_into"]])
    assert {verdict.outcome for verdict in verified(log, limits)} <= {Outcome.EQUAL}


@given(logs(), st.integers(0, 99), st.sampled_from([LIMITS, FEW]))
@settings(max_examples=60)
def test_people_joined_and_parted(partitions: dict[int, list[Entry]], seed: int, limits: IdentityLimits) -> None:
    log = KeyedLog(partitions)
    run_two(log, seed, limits)
    assert_nothing_differs(log, limits)


@given(erasing_logs(), st.integers(0, 99))
@settings(max_examples=40)
def test_people_who_asked_to_be_forgotten(partitions: dict[int, list[Entry]], seed: int) -> None:
    log = KeyedLog(partitions)
    run(log, seed)
    assert_nothing_differs(log)


@given(logs(), st.integers(0, 99), st.integers(0, 40), st.integers(0, 20))
@settings(max_examples=40)
def test_any_period_has_the_frictions_that_are_live_in_it(
    partitions: dict[int, list[Entry]], seed: int, first: int, days: int
) -> None:
    log = KeyedLog(partitions)
    run(log, seed)
    period = Period(MONDAY + first * DAY, MONDAY + (first + days) * DAY)
    result = backtested(log, period=period)
    assert result.examples == {}
    within = [row for row in log.store.live("friction").values() if period.since <= row["anchor_at"] < period.until]
    assert sum(result.changes.values()) == len(within)


# --- One redirect


ANNA = POOL[0]


def redirected(*more: AppliedTouchpoint) -> KeyedLog:
    """Anna is sent to the website and does not go there; time passes by others, and a worker has seen all of it."""
    sent = touchpoint(
        "contact.redirected", MONDAY, id="sent", channel="phone", redirect_to="web", topic="bill", team="desk",
        actor="agent", direction="outbound",
    )  # fmt: skip
    later = touchpoint("page.viewed", MONDAY + 71 * HOUR, id="later")
    log = KeyedLog(
        written_to_log(
            [named(applied(sent), [ANNA]), named(applied(later), [POOL[1]]), *more], partitions=1, tick_every=1
        )
    )
    run(log, 0)
    return log


def corrupt(log: KeyedLog, table: str, **fields: Any) -> None:
    log.store.written[table][:] = [{**row, **fields} for row in log.store.written[table]]


def only(verdicts: Collection[Verdict]) -> Verdict:
    (verdict,) = verdicts
    return verdict


def test_a_friction_is_derived_as_of_the_watermark_of_its_partition() -> None:
    verdict = only(verified(redirected()))
    assert verdict.outcome is Outcome.EQUAL
    assert verdict.as_of == MONDAY + 71 * HOUR
    assert verdict.friction.variant == "redirected"
    passed = redirected(named(applied(touchpoint("page.viewed", MONDAY + 72 * HOUR, id="in time")), [POOL[1]]))
    assert only(verified(passed)).friction.variant == "lost"


@pytest.mark.parametrize(
    ("fields", "path"), [({"severity": 5}, "severity"), ({"team": ""}, "team"), ({"minutes": 5.5}, "minutes")]
)
def test_a_row_that_does_not_follow_differs_there(fields: dict[str, Any], path: str) -> None:
    log = redirected()
    corrupt(log, "frictions", **fields)
    verdict = only(verified(log))
    assert verdict.outcome is Outcome.DIFFERS
    assert [one.path for one in verdict.differences] == [path]
    assert [
        example.differences[0].path for example in backtested(log).examples["channel_redirect", Change.CHANGED]
    ] == [path]


def test_evidence_that_names_another_threshold_differs() -> None:
    log = redirected()
    (row,) = log.store.live("friction").values()
    corrupt(log, "frictions", evidence=row["evidence"].replace("72 h", "71 h"))
    verdict = only(verified(log))
    assert verdict.outcome is Outcome.DIFFERS
    assert all(one.path.startswith("evidence.") for one in verdict.differences)
    assert verdict.differences


def test_a_friction_whose_touchpoint_is_missing_does_not_follow() -> None:
    log = redirected()
    log.store.written["touchpoints"][:] = [row for row in log.store.written["touchpoints"] if row["id"] != "sent"]
    verdict = only(verified(log))
    assert (verdict.outcome, verdict.differences[0].path) == (Outcome.DIFFERS, "friction_id")
    assert backtested(log).changes == {("channel_redirect", "redirected", Change.GONE): 1}


def test_a_deadline_that_passed_and_nobody_acted_upon_is_said() -> None:
    log = redirected()
    corrupt(log, "checkpoints", watermark=MONDAY + 72 * HOUR)
    verdict = only(verified(log))
    assert verdict.outcome is Outcome.DUE
    assert verdict.as_of == MONDAY + 72 * HOUR - 1
    assert ("variant", "redirected", "lost") in [msgspec.structs.astuple(one) for one in verdict.differences]
    # As the tables stand it is right.
    assert backtested(log).examples == {}


def test_a_rule_that_is_not_at_hand_is_said() -> None:
    log = redirected()
    corrupt(log, "frictions", rule_version=7)
    assert only(verified(log)).outcome is Outcome.UNKNOWN_RULE
    (row,) = log.store.live("friction").values()
    corrupt(log, "frictions", rule_version=1, evidence=row["evidence"].replace('"rule_hash":"', '"rule_hash":"0'))
    assert only(verified(log)).outcome is Outcome.UNKNOWN_RULE


def test_what_is_written_while_one_looks_is_looked_at_again() -> None:
    log = redirected()
    arrived = named(
        applied(touchpoint("page.viewed", MONDAY + HOUR, id="arrived", channel="web", topic="bill")), [ANNA]
    )
    log.append(0, msgspec.structs.replace(arrived, ingestion_time=arrived.event_time, origin_offset=99))
    # Durable, and not judged yet.
    log.store.take(touchpoint_block([arrived], token_prefix=""))
    assert only(verified(log)).outcome is Outcome.DIFFERS
    pauses = 0

    async def a_worker_goes_on() -> None:
        nonlocal pauses
        pauses += 1
        await log.work(log.coordinator(), random.Random(0))

    verdict = only(verified(log, pause=a_worker_goes_on))
    assert (verdict.outcome, verdict.friction.variant, pauses) == (Outcome.EQUAL, "followed", 1)


def test_as_of_a_moment_what_happened_later_is_left_out() -> None:
    arrived = named(
        applied(touchpoint("page.viewed", MONDAY + 30 * HOUR, id="arrived", channel="web", topic="bill")), [ANNA]
    )
    log = redirected(arrived)
    assert backtested(log).found.keys() == {("channel_redirect", "followed")}
    then = backtested(log, as_of=MONDAY + 30 * HOUR - 1)
    assert then.found.keys() == {("channel_redirect", "redirected")}
    assert not then.differs
    assert backtested(log, as_of=MONDAY + 30 * HOUR).found.keys() == {("channel_redirect", "followed")}
    assert backtested(log, as_of=MONDAY - 1).found == {}


# --- What is printed


def block(number: int) -> str:
    """A block of output in the docs."""
    page = Path(__file__).parents[2] / "docs" / "backtest.md"
    blocks: list[str] = re.findall(r"(?ms)^```text\n(.*?)^```$", page.read_text())
    return blocks[number]


def tampered() -> KeyedLog:
    log = redirected()
    corrupt(log, "frictions", severity=5, team="nobody")
    return log


def test_the_docs_show_what_verify_prints() -> None:
    assert "\n".join(verdict_lines(only(verified(tampered())))) + "\n" == block(0)


def test_the_docs_show_what_backtest_prints(capsys: pytest.CaptureFixture[str]) -> None:
    backtest = Backtest(installation(), None, Period(MONDAY, MONDAY + DAY), None, default_routing())
    report = report_of(
        backtested(tampered(), period=backtest.period), backtest, ["channel_redirect"], {"contact.redirected": 1}
    )
    print_report(report)
    assert capsys.readouterr().out == block(1)
