"""Memory and growth: what is measured is what was asked for, and adds up."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from bench.chart import Line, draw
from bench.growth import Result as Growth
from bench.held import WINDOW_MS, Held
from bench.memory import taken_apart
from bench.mix import make_mix
from bench.population import windows, write_population
from bench.steps import START_MS
from tests.support.processes import REPOSITORY

PERSONS, EVENTS = 60, 300
RECORDS = EVENTS + EVENTS // 200
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def population(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("population") / "records"
    write_population(file, PERSONS, EVENTS, 1)
    return file


def test_a_population_comes_back_in_windows_of_event_time(population: Path) -> None:
    found = list(windows(population, WINDOW_MS))
    assert sum(map(len, found)) == RECORDS
    touchpoints = make_mix(EVENTS, PERSONS, seed=1, start=START_MS).touchpoints
    edge, expected = 0, []
    for touchpoint in touchpoints:
        if touchpoint.occurred_at >= edge:
            edge = (touchpoint.occurred_at // 600_000 + 1) * 600_000
            expected.append(0)
        expected[-1] += 1
    assert [len(window) for window in found] == expected


def test_everybody_is_held_and_judged(population: Path) -> None:
    held = Held(sys.maxsize, sys.maxsize)
    spent = held.take(windows(population, WINDOW_MS))
    assert (len(held.owner), held.owner.touchpoints) == (PERSONS, EVENTS)
    assert spent.records == RECORDS
    assert 0 < spent.decode_s < spent.cpu_s
    assert all(any(one.published.values()) for one in held.owner._persons.values())


def test_what_an_owner_consists_of_is_told_by_purpose_and_by_type(population: Path) -> None:
    held = Held(sys.maxsize, sys.maxsize)
    held.take(windows(population, WINDOW_MS))
    parts, types = taken_apart(held.owner)
    assert all(size > 0 for size in parts.values())
    assert parts.total() == types.total()
    assert types["Touchpoint"] == EVENTS * sys.getsizeof(make_mix(1, 1, seed=1, start=START_MS).touchpoints[0])


def test_under_a_cap_no_more_is_held(population: Path) -> None:
    few = Held(10, sys.maxsize)
    few.take(windows(population, WINDOW_MS))
    assert len(few.owner) == 10


def test_growth_is_measured_against_the_first_point(tmp_path: Path) -> None:
    words = ["--persons", "20,40", "--touchpoints", "1,5", "--events", "100", "--whole-events", "0", "--runs", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "bench.growth", *words, "--out", str(tmp_path / "g.json"), "--charts", str(tmp_path)],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=250, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = msgspec.json.decode((tmp_path / "g.json").read_bytes(), type=Growth)
    assert [curve.name for curve in result.curves] == ["persons", "touchpoints"]
    for curve in result.curves:
        first, last = curve.points
        assert first.ratio == 1.0
        assert last.ratio == pytest.approx(last.us / first.us, abs=0.001)
        assert (tmp_path / f"growth-{curve.name}.svg").exists()
    assert "touchpoints of each" in done.stdout
    assert json.loads((tmp_path / "g.json").read_text())["correct"] is True


@pytest.mark.stack
def test_the_whole_path_is_measured_over_partitions_and_workers_that_share_partitions(tmp_path: Path) -> None:
    words = ["--persons", "", "--touchpoints", "", "--whole-events", "500", "--shares", "1,2", "--runs", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "bench.growth", *words, "--out", str(tmp_path / "g.json")],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = msgspec.json.decode((tmp_path / "g.json").read_bytes(), type=Growth)
    assert result.correct
    assert {curve.name: [point.value for point in curve.points] for curve in result.curves} == {
        "partitions": [1, 2],
        "workers": [1, 2],
    }
    assert all(point.us > 0 for curve in result.curves for point in curve.points)


def test_a_chart_has_its_points_where_the_axes_say() -> None:
    lines = [Line("measured", [(10, 40.0), (100, 50.0), (1_000, 80.0)]), Line("<bar>", [(10, 48.0), (1_000, 48.0)])]
    chart = ET.fromstring(draw(lines, x="persons", y="microseconds"))  # noqa: S314 - drawn by us
    dots = [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in chart.iter(f"{SVG}circle")][:3]
    (left, low), (middle, _), (right, high) = dots
    assert middle - left == pytest.approx(right - middle, abs=0.2), "a power of ten is as wide as the next"
    texts = {text.text: text.attrib for text in chart.iter(f"{SVG}text")}
    assert {"0", "20", "40", "60", "80", "10", "100", "1,000", "persons", "microseconds", "<bar>"} <= texts.keys()
    assert float(texts["80"]["y"]) - 4 == pytest.approx(high, abs=0.2)
    assert float(texts["40"]["y"]) - 4 == pytest.approx(low, abs=0.2)
    with pytest.raises(ValueError, match="no points"):
        draw([Line("nothing", [])], x="x", y="y")
