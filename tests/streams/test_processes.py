"""Work on several cores: every part is done once, in other processes, and what goes wrong is told."""

import os
import pickle

import pytest

from schemas.rule_changes import RuleChange
from sinks.alerts.routing import default_routing
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.period_reader import Period
from streams.backtesting import Backtest
from streams.processes import in_processes
from streams.rederiving import Installation
from tests.support.keyed_log import CORE, LIMITS


def squared(number: int) -> tuple[int, int]:
    """The process that did it, and what it made of a number."""
    return os.getpid(), number * number


def refused(number: int) -> int:
    raise ValueError(f"no {number}")


def test_every_part_is_done_once_in_other_processes() -> None:
    done = list(in_processes(squared, range(6), 2))
    assert sorted(value for _, value in done) == [0, 1, 4, 9, 16, 25]
    assert os.getpid() not in {process for process, _ in done}


def test_one_part_needs_no_process_of_its_own() -> None:
    assert list(in_processes(squared, [3], 8)) == [(os.getpid(), 9)]
    assert list(in_processes(squared, [], 8)) == []


@pytest.mark.parametrize("processes", [1, 2])
def test_what_a_part_raises_is_raised(processes: int) -> None:
    with pytest.raises(ValueError, match=r"no [12]"):
        list(in_processes(refused, [1, 2], processes))


def test_what_a_backtest_is_told_reaches_another_process_whole() -> None:
    change = RuleChange(rule_id="a", version=2, effective_from=1, published_at=1, text=None)
    installation = Installation(ClickHouseAddress(), CORE, LIMITS, {}, (change,))
    told = Backtest(installation, None, Period(0, 1), None, default_routing())
    assert pickle.loads(pickle.dumps(told)) == told  # noqa: S301 - our own bytes
