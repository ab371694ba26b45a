"""A call-centre log goes in; the numbers that come out are those computed from the file itself."""

import json
from pathlib import Path

import pytest

from tests.support.callcenter import Answers, answers_from, write_log
from tests.support.processes import REPOSITORY
from tests.support.running_stack import Stack, running_stack

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


def test_sessions_can_end_where_touchpoints_begin(tmp_path: Path) -> None:
    log = tmp_path / "log.csv.gz"
    write_log(log, cases=150, seed=12)
    expected = answers_from(log)
    assert expected.sessions != expected.sessions_by_start
    with running_stack(tmp_path, environment={"JOURNEYS_SESSION_END": "occurred_at"}) as stack:
        assert imported(stack, log).sessions == expected.sessions_by_start


@pytest.mark.logs
@pytest.mark.skipif(not REAL_LOG.exists(), reason=f"the real log is not part of this repository ({REAL_LOG.name})")
def test_the_real_log_gives_the_numbers_computed_from_the_file(stack: Stack) -> None:
    expected = answers_from(REAL_LOG)
    assert imported(stack, REAL_LOG) == expected
