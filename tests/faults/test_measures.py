"""How memory grew and how long recoveries took, with the numbers written out."""

import pytest

from tests.faults.commits import Reading, recovery_s
from tests.faults.measures import MemorySample, growth, percentile


def samples(pid: int, start: int, stop: int, megabytes: float, per_s: float = 0.0) -> list[MemorySample]:
    return [MemorySample(pid, float(at), megabytes + (at - start) * per_s) for at in range(start, stop)]


def test_memory_grows_by_the_hour_whatever_the_first_half_did() -> None:
    assert growth(samples(1, 0, 1_000, 100, per_s=0.001)) == pytest.approx(3.6)
    first_half_climbs = samples(1, 0, 500, 100, per_s=1.0) + samples(1, 500, 1_000, 600)
    assert growth(first_half_climbs) == pytest.approx(0.0)


def test_a_restart_is_no_shrinking_and_the_first_two_minutes_no_growth() -> None:
    lives = samples(1, 0, 700, 100, per_s=0.001) + samples(2, 700, 1_400, 50, per_s=0.001)
    assert growth(lives) == pytest.approx(3.6)
    climbs_at_first = samples(2, 700, 820, 20, per_s=1.0) + samples(2, 820, 1_400, 140)
    assert growth(samples(1, 0, 700, 100) + climbs_at_first) == pytest.approx(0.0)


def test_where_too_little_was_seen_nothing_is_said() -> None:
    assert growth([]) is None
    assert growth(samples(1, 0, 600, 100)) is None
    assert growth(samples(1, 0, 601, 100)) == 0.0
    always_new = [one for start in range(0, 1_000, 100) for one in samples(start, start, start + 100, 100)]
    assert growth(always_new) is None


def test_percentiles_are_values_that_were_measured() -> None:
    values = [5.0, 1.0, 3.0, 2.0, 4.0]
    assert percentile(values, 50) == 3.0
    assert percentile(values, 99) == 5.0
    assert percentile(values, 20) == 1.0
    assert percentile(values, 21) == 2.0
    assert percentile([7.0], 50) == 7.0


def test_a_death_is_over_when_all_its_partitions_were_committed_further_than_at_it() -> None:
    readings = [
        Reading(9.9, 10.1, {0: 5, 1: 7}),
        # The first that was asked for after the death: what the dead one had still committed counts for nothing.
        Reading(10.2, 10.3, {0: 6, 1: 7}),
        Reading(12.0, 12.5, {0: 7, 1: 7}),
        Reading(14.0, 14.5, {0: 8, 1: 7, 2: 1}),
        Reading(15.0, 15.5, {0: 8, 1: 8, 2: 1}),
    ]
    assert recovery_s(readings, 10.0, [0]) == 2.5
    assert recovery_s(readings, 10.0, [0, 1]) == 5.5
    assert recovery_s(readings, 10.0, [2]) == 4.5
    assert recovery_s(readings, 10.0, [0, 3]) is None
    assert recovery_s(readings, 16.0, [0]) is None
