"""The secret file: one key for ever, or a line per key; what is wrong is named by its line, never by what it holds."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.keyring import BEGINNING, Key
from schemas.json_form import iso_time
from streams.pepper_file import PepperError, add_key, parse_keyring
from tests.support.touchpoints import DAY, MONDAY

OLD = "old-" + "a" * 28
NEW = "new-" + "b" * 28
NEWER = "newer" + "c" * 27
FIRST_OF_DECEMBER = 1_796_083_200_000  # 2026-12-01T00:00:00Z


def keys_of(text: str) -> tuple[Key, ...]:
    return parse_keyring(text.encode(), window_ms=7).keys


@pytest.mark.parametrize("text", [OLD, f"{OLD}\n", f"\n  {OLD}\t\r\n\n"])
def test_a_key_alone_holds_from_the_beginning(text: str) -> None:
    assert keys_of(text) == (Key(OLD.encode(), BEGINNING),)


def test_further_lines_say_from_when_on_they_hold() -> None:
    text = f"{OLD}\r\n\n2026-12-01T00:00:00Z {NEW}\n 2027-01-01T01:00:00.250+01:00\t {NEWER}"
    assert keys_of(text) == (
        Key(OLD.encode(), BEGINNING),
        Key(NEW.encode(), FIRST_OF_DECEMBER),
        Key(NEWER.encode(), FIRST_OF_DECEMBER + 31 * DAY + 250),
    )


def test_a_first_line_with_a_time_leaves_older_records_without_a_key() -> None:
    ring = parse_keyring(f"2026-12-01T00:00:00Z {NEW}\n".encode(), window_ms=7)
    assert ring.current_at(FIRST_OF_DECEMBER - 1) is None
    assert ring.current_at(FIRST_OF_DECEMBER) == NEW.encode()
    assert ring.window_ms == 7


def test_a_first_key_may_be_a_sentence() -> None:
    sentence = "the demo keeps no secrets: everybody in it is made up"
    assert keys_of(f"{sentence}\n") == (Key(sentence.encode()),)
    assert keys_of(f"{sentence}\n2026-12-01T00:00:00Z {NEW}")[0] == Key(sentence.encode())


def test_random_bytes_are_one_key_whatever_line_breaks_are_among_them() -> None:
    key = b"\xff\xfe\n\x00" * 10 + b"end"
    assert parse_keyring(key, window_ms=0).keys == (Key(key),)
    with pytest.raises(PepperError, match="line 1: the key has 2 bytes"):
        parse_keyring(key + b"\n2026-12-01T00:00:00Z " + NEW.encode(), window_ms=0)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "line 1: the key has 0 bytes; at least 32 are needed"),
        ([OLD[:31]], "line 1: the key has 31 bytes"),
        ([OLD, f"2026-12-01T00:00:00Z {NEW[:31]}"], "line 2: the key has 31 bytes"),
        ([OLD, NEW], "line 2: expected a time with its zone, then a key"),
        ([OLD, "", f"# {NEW}"], "line 3: expected a time"),
        ([OLD, "2026-12-01T00:00:00Z"], "line 2: expected a time with its zone, then a key"),
        ([OLD, f"2026-12-01 {NEW}"], "line 2: the time is none, or has no zone"),
        ([OLD, f"2026-12-01T00:00:00 {NEW}"], "line 2: the time is none, or has no zone"),
        ([OLD, f"2026-13-01T00:00:00Z {NEW}"], "line 2: the time is none, or has no zone"),
        ([OLD, f"2026-12-01T00:00:00ß {NEW}"], "line 2: the time is none, or has no zone"),
        ([f"2026-12-32T00:00:00Z {NEW}"], "line 1: the time is none, or has no zone"),
        ([OLD, f"2026-12-01T00:00:00Z {NEW} # by Ada"], "line 2: expected nothing behind the key"),
        ([f"{OLD}2026-12-01T00:00:00Z {NEW}"], "line 1: a time stands behind a key; begin a new line"),
        ([OLD, f"2026-12-01T00:00:00Z {OLD}"], "line 2: an earlier line holds the same key"),
        (
            [OLD, f"2026-12-01T00:00:00Z {NEW}", f"2026-12-01T01:00:00+01:00 {NEWER}"],
            "line 3: its time is not after that of the line before",
        ),
        (
            [f"2026-12-01T00:00:00Z {NEW}", f"2026-11-30T23:59:59.999Z {OLD}"],
            "line 2: its time is not after that of the line before",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_line_and_no_key_is_shown(lines: list[str], message: str) -> None:
    with pytest.raises(PepperError) as refused:
        keys_of("\n".join(lines))
    assert str(refused.value).startswith(message)
    assert not any(key[:8] in str(refused.value) for key in (OLD, NEW, NEWER))


_KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=32, max_size=40)


@given(st.lists(_KEYS, min_size=1, max_size=4, unique=True), st.data())
def test_what_is_written_line_by_line_is_read(secrets: list[str], data: st.DataObject) -> None:
    moments = sorted(
        data.draw(st.sets(st.integers(0, 4_000_000_000_000), min_size=len(secrets), max_size=len(secrets)))
    )
    lines = [f"{iso_time(at)} {secret}" for at, secret in zip(moments, secrets, strict=True)]
    timed = tuple(Key(secret.encode(), at) for at, secret in zip(moments, secrets, strict=True))
    assert keys_of("\n".join(lines)) == timed
    assert keys_of("\n".join([secrets[0], *lines[1:]])) == (Key(secrets[0].encode()), *timed[1:])


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_key_is_added_behind_the_others_whether_or_not_the_last_line_ends(tmp_path: Path, end: str) -> None:
    path = tmp_path / "pepper"
    path.write_text(OLD + end)
    path.chmod(0o600)
    before = path.stat()
    add_key(path, MONDAY, now_ms=MONDAY - 1)
    add_key(path, MONDAY + DAY, now_ms=MONDAY - 1)
    first, second, third = parse_keyring(path.read_bytes(), window_ms=0).keys
    assert first == Key(OLD.encode())
    assert (second.since, third.since) == (MONDAY, MONDAY + DAY)
    assert len({second.secret, third.secret}) == 2
    assert len(second.secret) == len(third.secret) == 64
    assert (path.stat().st_ino, path.stat().st_mode) == (before.st_ino, before.st_mode)


def test_a_key_does_not_begin_in_the_past_nor_before_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "pepper"
    path.write_text(f"{OLD}\n")
    add_key(path, MONDAY + DAY, now_ms=MONDAY)
    content = path.read_bytes()
    for since, message in ((MONDAY, "in the future"), (MONDAY + DAY, "line 3: its time is not after")):
        with pytest.raises(PepperError, match=message):
            add_key(path, since, now_ms=MONDAY)
    assert path.read_bytes() == content


def test_nothing_is_added_to_a_file_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "pepper"
    path.write_text(f"{OLD}\n{NEW}\n")
    with pytest.raises(PepperError, match="line 2"):
        add_key(path, MONDAY, now_ms=0)
    assert path.read_text() == f"{OLD}\n{NEW}\n"
