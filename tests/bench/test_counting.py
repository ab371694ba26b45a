"""What the benchmark computes itself: the batch that plain Faust is held against, percentiles, and profiles."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.latency import percentile
from bench.load import make_load, simple_counts
from bench.profiling import read_profile
from tests.support.touchpoints import HOUR, MINUTE, MONDAY, touchpoint

WHO = "customer_no:1"


def counted(*moments: tuple[int, dict[str, Any]]) -> tuple[int, int]:
    """Sessions and followed redirects of one customer."""
    usual: dict[str, Any] = {"identities": (WHO,), "channel": "web"}
    touchpoints = [
        touchpoint("page.viewed", MONDAY + at, id=str(number), **(usual | fields))
        for number, (at, fields) in enumerate(moments)
    ]
    ((customer, counts),) = simple_counts(touchpoints).items()
    assert customer == WHO
    return counts


def sent(to: str) -> dict[str, Any]:
    return {"actor": "agent", "channel": "chat", "redirect_to": to}


def test_a_session_lasts_while_there_are_thirty_minutes_at_most_in_between() -> None:
    assert counted((0, {}), (30 * MINUTE, {})) == (1, 0)
    assert counted((0, {}), (30 * MINUTE + 1, {})) == (2, 0)


def test_what_comes_late_opens_no_session() -> None:
    assert counted((HOUR, {}), (0, {}), (HOUR + MINUTE, {})) == (1, 0)


def test_a_redirect_is_followed_within_a_day_by_the_customer_in_the_channel_it_names() -> None:
    assert counted((0, sent("phone")), (24 * HOUR, {"channel": "phone"}))[1] == 1
    assert counted((0, sent("phone")), (24 * HOUR + 1, {"channel": "phone"}))[1] == 0
    assert counted((0, sent("phone")), (HOUR, {"channel": "email"}))[1] == 0
    assert counted((0, sent("phone")), (HOUR, {"channel": "phone", "actor": "agent"}))[1] == 0


def test_a_redirect_is_followed_once_and_not_after_the_next_one() -> None:
    assert counted((0, sent("web")), (MINUTE, {}), (2 * MINUTE, {}))[1] == 1
    assert counted((0, sent("phone")), (MINUTE, sent("email")), (HOUR, {"channel": "phone"}))[1] == 0


def test_the_same_numbers_give_the_same_records() -> None:
    first, second = (make_load(1_000, 100, seed=7, start=MONDAY, partitions=4) for _ in range(2))
    assert first == second
    assert {record.partition for record in first.records} == {0, 1, 2, 3}
    assert first != make_load(1_000, 100, seed=8, start=MONDAY, partitions=4)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], 50) == 2.0
    assert percentile([float(number) for number in range(1, 101)], 99) == 99.0
    assert percentile([5.0], 99) == 5.0
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_a_profile_counts_the_main_thread_within_its_event_loop(tmp_path: Path) -> None:
    names = ("_run_module_as_main", "BaseEventLoop._run_once", "decode", "admit")
    frames = [{"name": name, "file": "/x/lib/python3.11/a.py", "line": 1} for name in names]
    profiles = [
        {"name": 'Thread 1 "MainThread"', "samples": [[0], [0, 1, 2], [0, 1, 2, 3], [0, 1, 3]]},
        {"name": 'Thread 2 "other"', "samples": [[2], [1, 2]]},
    ]
    file = tmp_path / "profile.json"
    file.write_text(json.dumps({"shared": {"frames": frames}, "profiles": profiles}))

    profile = read_profile(file)
    assert (profile.samples, profile.of_process) == (3, 6)
    assert profile.own == {"decode (a.py)": 1, "admit (a.py)": 2}
    assert profile.cumulative == {"BaseEventLoop._run_once (a.py)": 3, "decode (a.py)": 2, "admit (a.py)": 2}
    assert "66.7%  admit (a.py)" in profile.text(10)

    file.write_text(json.dumps({"shared": {"frames": frames}, "profiles": profiles[1:]}))
    with pytest.raises(ValueError, match="no samples of the main thread"):
        read_profile(file)
