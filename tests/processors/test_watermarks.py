from hypothesis import given
from hypothesis import strategies as st

from processors.watermarks import Watermark
from schemas.ticks import SourceProgress, Tick, decode_tick, encode_tick


def tick(*sources: tuple[int, int | None, int]) -> Tick:
    return Tick(tuple(SourceProgress(*source) for source in sources))


def test_nothing_is_known_before_the_first_tick() -> None:
    assert Watermark().value is None


def test_the_slowest_partition_that_still_delivers_decides() -> None:
    watermark = Watermark()
    watermark.apply(tick((0, 5000, 0), (1, 3000, 0)))
    assert watermark.value == 3000


def test_a_quiet_partition_does_not_hold_time_back() -> None:
    watermark = Watermark()
    watermark.apply(tick((0, 5000, 0), (1, 3000, 0)))
    watermark.apply(tick((1, None, 100)))
    assert watermark.value == 5000


def test_while_all_are_quiet_time_goes_on_at_the_pace_of_the_clock() -> None:
    watermark = Watermark()
    watermark.apply(tick((0, 5000, 0), (1, 3000, 0)))
    watermark.apply(tick((0, None, 700), (1, None, 700)))
    watermark.apply(tick((0, None, 300)))
    assert watermark.value == 6000


def test_a_partition_that_never_delivered_does_not_count() -> None:
    watermark = Watermark()
    watermark.apply(tick((0, 5000, 0), (1, None, 900)))
    assert watermark.value == 5000


progress = st.tuples(st.integers(0, 3), st.none() | st.integers(0, 10_000), st.integers(0, 500))


@given(st.lists(progress))
def test_it_never_goes_back_and_survives_a_snapshot_at_any_point(steps: list[tuple[int, int | None, int]]) -> None:
    plain, restored = Watermark(), Watermark()
    reached = -1
    for step in steps:
        plain.apply(tick(step))
        restored = Watermark.restore(restored.snapshot())
        restored.apply(decode_tick(encode_tick(tick(step))))
        assert restored.value == plain.value
        if plain.value is not None:
            assert plain.value >= reached
            reached = plain.value
