"""When the watchdog says that something stands still, in literal seconds. In real processes: see test_worker.py."""

from hypothesis import given
from hypothesis import strategies as st

from streams.cli.worker import HELP
from streams.pulse import Pulse
from streams.watchdog import EXIT_CODE, ProgressJudge, Standing, Standstill, Stillness

PLACE = ("journeys", "touchpoints/2")
AT_100 = Standing(committed=100, end=250, beats=7)


def looks(judge: ProgressJudge, *rows: tuple[float, Standing | None]) -> list[float | None]:
    """For each look at one partition, at a time: for how long it has stood still too long, if it has."""
    found = (judge.look(now_s, {} if standing is None else {PLACE: standing}) for now_s, standing in rows)
    return [standstill and standstill.seconds for standstill in found]


def test_a_partition_that_stands_still_for_60_seconds_while_records_wait_is_found() -> None:
    judge = ProgressJudge(60)
    assert judge.look(1000, {PLACE: AT_100}) is None
    assert judge.look(1029, {PLACE: AT_100}) is None
    assert judge.look(1059, {PLACE: AT_100}) is None
    assert judge.look(1060, {PLACE: AT_100}) == Standstill("journeys", "touchpoints/2", AT_100, 60)


def test_the_help_of_the_command_names_the_exit_code() -> None:
    assert f" {EXIT_CODE}: the watchdog" in HELP


def test_what_people_are_told() -> None:
    assert str(Standstill("journeys", "touchpoints/2", AT_100, 60.4)) == (
        "agent journeys has not moved on from offset 100 of touchpoints/2 for 60 s, while records up to offset 250 wait"
    )


def test_a_commit_a_sign_of_life_or_an_end_of_the_waiting_begins_the_time_anew() -> None:
    for other in (AT_100._replace(committed=101), AT_100._replace(beats=8), None):
        assert (
            looks(ProgressJudge(60), (0, AT_100), (30, AT_100), (59, other), (61, AT_100), (90, AT_100)) == [None] * 5
        )


def test_records_that_arrive_meanwhile_are_no_progress() -> None:
    later = AT_100._replace(end=900)
    assert looks(ProgressJudge(60), (0, AT_100), (30, later), (60, later)) == [None, None, 60]


def test_one_partition_that_moves_does_not_hide_another_that_does_not() -> None:
    judge = ProgressJudge(60)
    moving, still = ("journeys", "touchpoints/1"), ("intake", "touchpoints/3")
    for now_s in (0, 30):
        assert judge.look(now_s, {moving: AT_100._replace(committed=now_s), still: AT_100}) is None
    found = judge.look(60, {moving: AT_100._replace(committed=60), still: AT_100})
    assert found == Standstill("intake", "touchpoints/3", AT_100, 60)


def test_a_process_that_was_suspended_for_hours_is_not_blamed_for_them() -> None:
    assert looks(ProgressJudge(60), (0, AT_100), (7200, AT_100), (7215, AT_100), (7230, AT_100)) == [
        None,
        None,
        None,
        60,
    ]


def test_stillness_counts_from_the_first_look_and_each_step_up_to_its_limit() -> None:
    still = Stillness(longest_step_s=10)
    assert [still.look(now_s, "a") for now_s in (5, 6, 16, 27)] == [0, 1, 11, 21]
    assert [still.look(now_s, "b") for now_s in (28, 28.5)] == [0, 0.5]


@given(st.lists(st.tuples(st.floats(0.1, 40), st.booleans()), max_size=40))
def test_only_looks_that_all_saw_the_same_for_60_seconds_find_anything(steps: list[tuple[float, bool]]) -> None:
    judge, now_s, committed, since = ProgressJudge(60), 0.0, 0, 0.0
    judge.look(now_s, {PLACE: AT_100._replace(committed=0)})
    for step_s, moves in steps:
        now_s += step_s
        if moves:
            committed, since = committed + 1, now_s
        found = judge.look(now_s, {PLACE: AT_100._replace(committed=committed)})
        assert found is None or now_s - since >= 59.999
        if all(step <= 30 for step, _ in steps) and now_s - since >= 60.001:
            assert found is not None


def test_a_pulse_is_good_for_as_long_as_its_last_beat_said() -> None:
    now_s = 1000.0
    pulse = Pulse(lambda: now_s)
    assert (pulse.beats, pulse.is_good) == (0, False)
    pulse.beat(65)
    now_s = 1064.9
    assert (pulse.beats, pulse.is_good) == (1, True)
    now_s = 1065.0
    assert not pulse.is_good
    pulse.beat(65)
    pulse.beat()
    assert (pulse.beats, pulse.is_good) == (3, False)
