"""The benchmark of ClickHouse, small: it measures what it says, and what it fills the tables with hangs together."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.filling import COPIED, FILLED, SEED, Filler, Month, read_month
from bench.pipeline import Progress
from bench.questions import questions
from bench.sink import Sink
from processors.friction.catalogue import default_rules
from processors.person import PersonState, judge, step
from processors.settings import CoreSettings
from schemas.touchpoint import AppliedTouchpoint
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.migrator import migrate
from sinks.clickhouse.rows import (
    PreparedBlock,
    effort_posting_block,
    friction_block,
    journey_block,
    person_block,
    session_block,
    touchpoint_block,
)
from sinks.clickhouse.tables import SESSIONS, TOUCHPOINTS
from sinks.clickhouse.writer import Writer
from streams.producing.generator import GeneratedCompany
from tests.support.judged_company import admitted
from tests.support.local_clickhouse import start_clickhouse
from tests.support.processes import stopped

pytestmark = pytest.mark.stack

COPIES, FLUSHES, PER_FLUSH = 4, 2, 200
OPTIONS = {"threads": 1, "months": 3, "flush_seconds": FLUSHES, "flush_touchpoints": PER_FLUSH}


def blocks() -> Iterator[PreparedBlock]:
    """What a worker writes of a month of a company."""
    company = GeneratedCompany(persons=60, events=1_500, seed=1, start=1_772_323_200_000)
    touchpoints = [applied for _, applied in admitted(company)]
    yield touchpoint_block(touchpoints, token_prefix="company")
    persons: dict[str, list[AppliedTouchpoint]] = {}
    for applied in touchpoints:
        persons.setdefault(applied.identity_hash, []).append(applied)
    judgements = []
    for key, story in persons.items():
        state = PersonState("default", key)
        for applied in story:
            step(state, applied)
        judgements.append(judge(state, default_rules(), touchpoints[-1].event_time, CoreSettings()))
    for name, block in (
        ("sessions", session_block),
        ("journeys", journey_block),
        ("frictions", friction_block),
        ("postings", effort_posting_block),
    ):
        yield block([(fact, 1) for found in judgements for fact in getattr(found, name)], token_prefix="company")
    yield person_block([(found.person, 1, 0) for found in judgements], token_prefix="company")


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sink, Month]]:
    folder: Path = tmp_path_factory.mktemp("sink")
    process, ports = start_clickhouse(folder)
    with stopped(process):
        company = ClickHouseAddress(port=ports.native, database=SEED)
        migrate(company)
        writer = Writer(company)
        for block in blocks():
            writer.insert(block)
        writer.close()
        month = read_month(connect(company))
        options = argparse.Namespace(touchpoints=COPIES * month.touchpoints, **OPTIONS)
        yield Sink(folder, process.pid, ports.native, options, Progress()), month


@pytest.fixture(scope="module")
def filler(sink: tuple[Sink, Month]) -> Filler:
    filler, copies = sink[0].fill(sink[1])
    assert copies == COPIES
    return filler


def count(sink: Sink, sql: str) -> int:
    return int(sink.client.execute(sql)[0][0])


def test_what_is_copied_hangs_together(sink: tuple[Sink, Month], filler: Filler) -> None:
    tables, month = sink
    assert {table.name: month.rows(table) > 0 for table in COPIED} == {table.name: True for table in COPIED}
    for table in COPIED:
        assert count(tables, f"SELECT count() FROM {table.name} FINAL") == COPIES * month.rows(table)
    known = "(SELECT touchpoint_key FROM v_touchpoints)"
    for view, keys in (("v_journeys", "touchpoint_keys"), ("v_frictions", "evidence_touchpoints")):
        assert count(tables, f"SELECT sum(length({keys})) FROM {view}") > 0
        assert count(tables, f"SELECT count() FROM {view} ARRAY JOIN {keys} AS one WHERE one NOT IN {known}") == 0
    strangers = "SELECT count() FROM v_touchpoints WHERE person_key NOT IN (SELECT person_key FROM v_persons)"
    assert count(tables, strangers) == 0
    assert count(tables, "SELECT uniqExact(toYYYYMM(event_time)) FROM touchpoints") >= OPTIONS["months"]


def test_half_of_the_persons_have_a_cookie_under_which_half_of_their_touchpoints_are(
    sink: tuple[Sink, Month], filler: Filler
) -> None:
    tables, _ = sink
    persons = count(tables, "SELECT count() FROM v_persons")
    joined = count(tables, "SELECT uniqExact(person_key) FROM v_person_identifiers WHERE person_key != identifier")
    assert persons / 3 < joined < persons * 2 / 3
    assert count(tables, "SELECT count() FROM v_identity_links") == joined
    under = count(tables, "SELECT countIf(identity_hash != person_key) FROM v_touchpoints")
    assert 0.15 < under / count(tables, "SELECT count() FROM v_touchpoints") < 0.35


def test_everything_is_measured(sink: tuple[Sink, Month], filler: Filler) -> None:
    tables, month = sink
    stored = {stored.table: stored.rows for stored in tables.stored()}
    assert list(stored) == [table.name for table in FILLED]
    assert stored["touchpoints"] == COPIES * month.touchpoints
    assert {(read.what, read.persons) for read in tables.read()} >= {("touchpoints", 1), ("what is published", 1_000)}
    names = {"timeline: touchpoints of a person", "v_producers"}
    asked = {
        asked.question: asked
        for asked in tables.ask([question for question in questions(tables.client) if question.name in names])
    }
    assert asked["timeline: touchpoints of a person"].rows > 0
    assert asked["v_producers"].rows_read >= stored["touchpoints"]


def test_every_question_has_an_answer(sink: tuple[Sink, Month], filler: Filler) -> None:
    tables, _ = sink
    for question in questions(tables.client):
        tables.client.execute(question.sql, dict(question.parameters) or None)


def test_a_flush_adds_touchpoints_and_writes_facts_anew(sink: tuple[Sink, Month], filler: Filler) -> None:
    tables, month = sink
    flushed = tables.flush(filler, COPIES)
    assert flushed.flushes == FLUSHES
    added = count(tables, "SELECT count() FROM touchpoints FINAL") - COPIES * month.rows(TOUCHPOINTS)
    assert FLUSHES * PER_FLUSH / 2 < added < FLUSHES * PER_FLUSH * 2
    assert count(tables, "SELECT count() FROM sessions FINAL") == COPIES * month.rows(SESSIONS)
    assert count(tables, "SELECT countIf(version > 1) FROM sessions FINAL") > 0
