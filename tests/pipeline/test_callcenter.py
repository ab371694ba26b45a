"""A call-centre log goes in; the numbers that come out are those computed from the file itself."""

import json
from pathlib import Path

import pytest

from processors.identifiers import hash_id
from schemas.outputs import touchpoint_ref
from schemas.touchpoint import TouchpointKey
from tests.support.callcenter import Answers, answers_from, write_log
from tests.support.callcenter_sql import log_in_sql
from tests.support.processes import REPOSITORY
from tests.support.running_stack import Stack, running_stack
from tests.support.sql_oracle import published_frictions

pytestmark = pytest.mark.stack

REAL_LOG = REPOSITORY.parent / "shared" / "data" / "callcenter" / "callcenter.csv.gz"


def imported(stack: Stack, log: Path) -> Answers:
    """Numbers of the product after importing a log."""
    summary = json.loads(stack.run("import", str(log), "--mapping", "callcenter", "--json").stdout)
    assert summary["refused"] == 0
    stack.wait()
    counts = stack.counts()
    by_start = stack.value(
        """
        SELECT sum(is_new) FROM (
            SELECT event_time - lagInFrame(event_time, 1, toDateTime64(0, 3, 'UTC'))
                OVER (PARTITION BY person_key ORDER BY event_time) > 1800 AS is_new FROM v_touchpoints
        )
        """
    )
    repeats = stack.value("SELECT count() FROM v_frictions WHERE rule_id = 'repeat_contact'")
    return Answers(counts["touchpoints"], counts["persons"], counts["sessions"], by_start, repeats)


def assert_sql_over_the_file_finds_the_same(stack: Stack, log: Path, folder: Path) -> None:
    """Every friction of the four rules that is published is one that SQL finds in the CSV file, and no other."""
    with log_in_sql(log, folder) as sql:
        expected = {
            "handoff_chain": sql.handoffs(),
            "ping_pong": set(),
            "repeat_contact": sql.repeats(),
            "unprompted_switch": sql.switches(),
        }
    for rule_id, found in expected.items():
        refs = {one: touchpoint_ref(TouchpointKey("default", "callcenter", one.anchor)) for one in found}
        rows = {(hash_id("friction", "default", rule_id, ref), one.variant, one.at) for one, ref in refs.items()}
        published = {(row.friction_id, row.variant, row.anchor_at) for row in published_frictions(stack, rule_id)}
        assert sorted(published ^ rows)[:3] == []


def test_a_log_with_the_faults_of_real_ones_gives_the_numbers_computed_from_the_file(
    stack: Stack, tmp_path: Path
) -> None:
    log = tmp_path / "log.csv.gz"
    lines = write_log(log, cases=400, seed=11)
    expected = answers_from(log)
    assert expected.touchpoints < lines
    assert expected.repeats > 100
    assert imported(stack, log) == expected
    # History tells nobody: it is long over.
    assert stack.value("SELECT count() FROM v_alerts") == 0

    assert imported(stack, log) == expected
    assert_sql_over_the_file_finds_the_same(stack, log, tmp_path)


def test_sessions_can_end_where_touchpoints_begin(tmp_path: Path) -> None:
    log = tmp_path / "log.csv.gz"
    write_log(log, cases=150, seed=12)
    expected = answers_from(log)
    assert expected.sessions != expected.sessions_by_start
    with running_stack(tmp_path, environment={"JOURNEYS_SESSION_END": "occurred_at"}) as stack:
        assert imported(stack, log).sessions == expected.sessions_by_start


@pytest.mark.logs
@pytest.mark.skipif(not REAL_LOG.exists(), reason=f"the real log is not part of this repository ({REAL_LOG.name})")
def test_the_real_log_gives_the_numbers_computed_from_the_file(stack: Stack, tmp_path: Path) -> None:
    expected = answers_from(REAL_LOG)
    assert imported(stack, REAL_LOG) == expected
    assert_sql_over_the_file_finds_the_same(stack, REAL_LOG, tmp_path)
