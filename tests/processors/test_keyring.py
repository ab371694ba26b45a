"""Which key holds when: at the boundaries, and the same as looking through all of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.keyring import BEGINNING, Key, Keyring

RING = Keyring((Key(b"first"), Key(b"second", 1_000), Key(b"third", 1_030)), window_ms=50)


@pytest.mark.parametrize(
    ("at", "current", "previous"),
    [
        (-1, b"first", None),
        (999, b"first", None),
        (1_000, b"second", b"first"),
        (1_029, b"second", b"first"),
        (1_030, b"third", b"second"),
        (1_079, b"third", b"second"),
        (1_080, b"third", None),
    ],
)
def test_a_key_holds_from_its_moment_on_and_the_one_before_it_counts_while_the_window_is_open(
    at: int, current: bytes, previous: bytes | None
) -> None:
    assert (RING.current_at(at), RING.previous_at(at)) == (current, previous)
    assert RING.keys_at(at) == tuple(key for key in (current, previous) if key is not None)


@pytest.mark.parametrize(
    ("at", "before"), [(999, ()), (1_000, (b"first",)), (1_030, (b"second", b"first")), (9_999, (b"second", b"first"))]
)
def test_keys_before_the_current_one_are_known_however_long_ago(at: int, before: tuple[bytes, ...]) -> None:
    assert RING.all_before(at) == before


def test_there_is_no_key_before_the_oldest_began() -> None:
    assert Keyring((Key(b"second", 1_000), Key(b"third", 2_000))).all_before(999) == ()


def test_a_key_that_was_removed_is_not_replaced_by_another() -> None:
    ring = Keyring((Key(b"second", 1_000), Key(b"third", 2_000)))
    assert (ring.current_at(999), ring.previous_at(999)) == (None, None)
    assert (ring.current_at(1_000), ring.previous_at(1_000)) == (b"second", None)
    assert (ring.current_at(2_000), ring.previous_at(2_000)) == (b"third", b"second")


def test_without_a_window_no_key_but_the_current_one_counts() -> None:
    assert Keyring((Key(b"a"), Key(b"b", 5)), window_ms=0).previous_at(5) is None


@pytest.mark.parametrize("moments", [[], [5, 5], [6, 5], [5, BEGINNING]])
def test_keys_are_in_order_and_there_is_one(moments: list[int]) -> None:
    with pytest.raises(ValueError, match="at least one key"):
        Keyring(tuple(Key(b"x", at) for at in moments))


def test_keys_are_not_shown() -> None:
    assert "second" not in repr(RING)


@given(st.sets(st.integers(0, 60), min_size=1), st.integers(0, 30), st.integers(-5, 70))
def test_keys_are_found_as_by_looking_through_all_of_them(moments: set[int], window_ms: int, at: int) -> None:
    keys = [Key(bytes([since]), since) for since in sorted(moments)]
    ring = Keyring(tuple(keys), window_ms)
    begun = [key for key in keys if key.since <= at]
    assert ring.current_at(at) == (begun[-1].secret if begun else None)
    is_open = len(begun) > 1 and at < begun[-1].since + window_ms
    assert ring.previous_at(at) == (begun[-2].secret if is_open else None)
