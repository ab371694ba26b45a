"""Identifiers, hashes and versions that must be the same for ever."""

import subprocess
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.identifiers import anchor_epoch_of, anchored, content_hash, hash_id, pack_version, unpack_version
from schemas.outputs import Session

SESSION = Session(
    session_id="s",
    tenant="default",
    person_key="p",
    started_at=1,
    ended_at=2,
    touches=3,
    channels=("web",),
    first_touchpoint="a",
    last_touchpoint="b",
)


def test_ids_are_pinned() -> None:
    assert hash_id("session", "default", "crm", "1") == "a97b863d689ff33fbb3c48ae3c64104d"
    assert content_hash(SESSION) == 1573178932976352117


@given(st.lists(st.text()), st.lists(st.text()))
def test_only_equal_parts_give_equal_ids(one: list[str], other: list[str]) -> None:
    assert (hash_id(*one) == hash_id(*other)) == (one == other)


@pytest.mark.parametrize(("one", "other"), [(("ab", "c"), ("a", "bc")), (("a", ""), ("a",)), (("1:a",), ("a",))])
def test_the_cut_between_parts_is_part_of_an_id(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert hash_id(*one) != hash_id(*other)


def test_a_content_hash_changes_with_every_field() -> None:
    other = {name: 9 if isinstance(getattr(SESSION, name), int) else "x" for name in Session.__struct_fields__}
    changed = [msgspec.structs.replace(SESSION, **{name: value}) for name, value in other.items()]
    assert len({content_hash(fact) for fact in [SESSION, *changed]}) == len(other) + 1


def test_hashes_are_the_same_in_another_process() -> None:
    code = "from processors.identifiers import hash_id; print(hash_id('a', 'ü'))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == hash_id("a", "ü")


def test_a_version_packs_12_24_and_18_bits_below_10_of_the_anchor() -> None:
    assert pack_version(0, 0, 0) == 0
    assert pack_version(0, 0, 1) == 1
    assert pack_version(0, 1, 0) == 262_144
    assert pack_version(1, 0, 0) == 4_398_046_511_104
    assert pack_version(4095, 2**24 - 1, 2**18 - 1) == 2**54 - 1
    assert anchored(0, 1) == 2**54
    assert anchored(pack_version(4095, 2**24 - 1, 2**18 - 1), 1023) == 2**64 - 1


@given(st.integers(0, 1023), st.integers(0, 4095), st.integers(0, 2**24 - 1), st.integers(0, 2**18 - 1))
def test_every_part_of_a_version_is_found_again(anchor: int, epoch: int, touchpoints: int, deadlines: int) -> None:
    version = anchored(pack_version(epoch, touchpoints, deadlines), anchor)
    assert unpack_version(version) == (epoch, touchpoints, deadlines)
    assert anchor_epoch_of(version) == anchor


def test_each_part_outweighs_all_that_come_after_it() -> None:
    assert pack_version(0, 2, 0) > pack_version(0, 1, 2**18 - 1)
    assert pack_version(1, 0, 0) > pack_version(0, 2**24 - 1, 2**18 - 1)
    assert anchored(0, 1) > pack_version(4095, 2**24 - 1, 2**18 - 1)


def test_an_anchor_epoch_out_of_range_is_refused() -> None:
    for epoch in (-1, 1024):
        with pytest.raises(ValueError, match="anchor epoch"):
            anchored(0, epoch)


@pytest.mark.parametrize("parts", [(4096, 0, 0), (0, 2**24, 0), (0, 0, 2**18), (-1, 0, 0), (0, -1, 0)])
def test_a_version_out_of_range_is_refused(parts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="out of range"):
        pack_version(*parts)
