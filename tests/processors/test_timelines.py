"""Entries found by key and time."""

from processors.entries import Entry
from processors.timelines import Timeline
from tests.support.touchpoints import happened


def entry(at: int, id_: str) -> Entry:
    return Entry(happened("page.viewed", at, id=id_))


A, B, C, D = entry(1, "a"), entry(2, "b"), entry(3, "c"), entry(3, "d")


def timeline() -> Timeline:
    """Added in story order, at times that are not in order."""
    line = Timeline()
    line.add("x", 30, A)
    line.add("x", 10, B)
    line.add("y", 20, C)
    line.add("x", 20, D)
    return line


def test_the_earliest_under_any_key_is_found_whatever_the_order_of_adding() -> None:
    assert timeline().first(["x", "y"], 0) == (10, B)
    assert timeline().first(["x"], 11) == (20, D)
    assert timeline().first(["y", "x"], 21) == (30, A)


def test_the_latest_under_any_key_is_found_whatever_the_order_of_adding() -> None:
    assert timeline().last(["x", "y"], 0, 100) == (30, A)
    assert timeline().last(["x"], 0, 19) == (10, B)
    assert timeline().last(["y"], 0, 100) == (20, C)


def test_equal_times_are_told_apart_by_the_order_of_the_story() -> None:
    assert timeline().first(["x", "y"], 20) == (20, C)
    assert timeline().last(["y", "x"], 0, 20) == (20, D)


def test_both_bounds_are_inclusive() -> None:
    assert timeline().first(["y"], 20, 20) == (20, C)
    assert timeline().first(["y"], 21) is None
    assert timeline().first(["y"], 0, 19) is None
    assert timeline().last(["y"], 20, 20) == (20, C)
    assert timeline().last(["y"], 21, 30) is None
    assert timeline().last(["y"], 0, 19) is None


def test_an_unknown_key_holds_nothing() -> None:
    assert timeline().first(["z"], 0) is None
    assert timeline().last(["z"], 0, 100) is None
