"""When a flush is due: at once after a pause, bounded by rows, bytes and age."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.pace import Pace
from streams.settings import FlushSettings

LIMITS = FlushSettings(max_rows=100, max_bytes=5_000, max_age_s=1.0, min_pause_s=0.25)


def pace(limits: FlushSettings = LIMITS) -> Pace:
    """One that last flushed at 10 s, in no time."""
    made = Pace(limits)
    made.begin(10.0)
    return made


def test_nothing_is_due_while_nothing_was_collected() -> None:
    assert not pace().is_due(1e9, rows=0)


def test_a_lone_touchpoint_is_written_at_once_when_the_last_flush_is_a_pause_ago() -> None:
    lone = pace()
    lone.took(10.25, 200)
    assert lone.is_due(10.25, rows=1)


def test_what_comes_sooner_waits_for_the_end_of_the_pause() -> None:
    early = pace()
    early.took(10.001, 200)
    assert not early.is_due(10.249, rows=1)
    assert early.is_due(10.25, rows=1)


@pytest.mark.parametrize(("took_s", "pause_s"), [(0.0, 0.25), (0.0625, 0.25), (0.1, 0.4), (0.25, 1.0)])
def test_the_pause_is_four_times_the_last_flush_and_at_least_the_least_one(took_s: float, pause_s: float) -> None:
    busy = Pace(LIMITS)
    busy.flushed(10.0, 10.0 + took_s, is_idle=True)
    end = 10.0 + took_s + pause_s
    busy.took(end - 0.002, 200)
    assert not busy.is_due(end - 0.001, rows=1)
    assert busy.is_due(end + 0.001, rows=1)


def test_however_long_a_flush_took_nothing_waits_longer_than_its_age() -> None:
    slow = Pace(LIMITS)
    slow.flushed(0.0, 10.0, is_idle=True)
    slow.took(10.5, 200)
    assert not slow.is_due(11.499, rows=99)
    assert slow.is_due(11.5, rows=1)


def test_enough_rows_or_bytes_wait_for_no_pause() -> None:
    full = pace()
    full.took(10.0, 4_999)
    assert not full.is_due(10.0, rows=99)
    assert full.is_due(10.0, rows=100)
    full.took(10.0, 1)
    assert full.is_due(10.0, rows=1)
    full.flushed(10.0, 10.0, is_idle=True)
    full.took(10.0, 4_999)
    assert not full.is_due(10.0, rows=1), "bytes count from the last flush on"


def test_records_without_a_touchpoint_wait_for_one_or_for_their_age() -> None:
    ticks = pace()
    ticks.took(11.0, 40)
    assert not ticks.is_due(11.999, rows=0)
    assert ticks.is_due(12.0, rows=0)
    assert ticks.is_due(11.0, rows=1)


def test_what_a_flush_left_to_do_waits_since_its_end() -> None:
    woken = Pace(LIMITS)
    woken.flushed(10.0, 10.5, is_idle=False)
    assert woken.oldest == 10.5
    assert not woken.is_due(11.499, rows=0)
    assert woken.is_due(11.5, rows=0)


@given(
    st.lists(st.tuples(st.floats(0.001, 3.0), st.floats(0.0, 0.2)), max_size=40),
    st.sampled_from([0.0, 0.25, 5.0]),
)
def test_flushes_are_a_pause_apart_or_were_forced_by_age(arrivals: list[tuple[float, float]], pause_s: float) -> None:
    limits = LIMITS.model_copy(update={"min_pause_s": pause_s})
    now, rows = 0.0, 0
    made = Pace(limits)
    made.begin(now)
    last_end = now
    for gap, duration in arrivals:
        now += gap
        made.took(now, 1)
        rows += 1
        assert made.oldest is not None
        if made.is_due(now, rows):
            assert now >= last_end + pause_s or now - made.oldest >= limits.max_age_s
            made.flushed(now, now + duration, is_idle=True)
            now += duration
            last_end, rows = now, 0
        else:
            assert now - made.oldest < limits.max_age_s
