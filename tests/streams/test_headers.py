import pytest

from schemas.log import Position
from streams.headers import is_tick, origin_headers, origin_of

HERE = Position("touchpoints.keyed", 1, 2)


def test_the_origin_comes_back_as_it_was_written() -> None:
    place = Position("touchpoints", 7, 123_456_789_012)
    assert origin_of(origin_headers(place), "touchpoints", HERE) == place


@pytest.mark.parametrize("value", [None, b"", b"7", b":", b"7:", b"-1:4", b"a:b", b"1:2:3", "²:1".encode()])
def test_a_header_that_names_no_place_is_not_believed(value: bytes | None) -> None:
    assert origin_of([("origin", value)], "touchpoints", HERE) == HERE


def test_only_the_header_makes_a_tick() -> None:
    assert is_tick([("other", b""), ("tick", b"1")])
    assert not is_tick([("origin", b"1:2")])
