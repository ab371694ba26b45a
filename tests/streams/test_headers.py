import pytest

from schemas.log import Position
from streams.headers import TICK_HEADERS, appended_at, appended_headers, is_tick, origin_headers, origin_of

HERE = Position("touchpoints.keyed", 1, 5)


def test_a_forwarded_record_names_its_place_in_the_raw_topic() -> None:
    assert origin_of(origin_headers(Position("touchpoints", 2, 11)), "touchpoints", HERE) == Position(
        "touchpoints", 2, 11
    )


@pytest.mark.parametrize("value", [b"", b"2", b"2:", b":11", b"a:b", b"-1:3", None])
def test_a_place_that_is_none_is_the_place_where_the_record_was_read(value: bytes | None) -> None:
    assert origin_of([("origin", value)], "touchpoints", HERE) == HERE


def test_a_replayed_record_keeps_the_time_at_which_it_was_first_appended() -> None:
    assert appended_at(appended_headers(1_790_000_000_000), 1_795_000_000_000) == 1_790_000_000_000


@pytest.mark.parametrize("value", [b"", b"soon", b"-5", b"9" * 15, None])
def test_a_time_that_is_none_is_the_time_of_the_record(value: bytes | None) -> None:
    assert appended_at([("appended_at", value)], 1_795_000_000_000) == 1_795_000_000_000


def test_ticks_are_told_from_touchpoints_by_their_header() -> None:
    assert is_tick(TICK_HEADERS)
    assert not is_tick(origin_headers(HERE))
