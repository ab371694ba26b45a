"""Links that answer a notice: only ours, only unchanged, only for a while."""

import base64
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from sinks.alerts.action_links import ActionLinkError, AskedAction, check_action, parse_keys, sign_action

KEY = b"k" * 32
ASKED = AskedAction("acknowledge", "1c" * 16, 1_767_348_420)
TOKEN = sign_action(ASKED, KEY)
BEFORE = 1_767_348_419.999


def test_a_token_asks_for_what_was_signed_until_it_expires() -> None:
    assert check_action(TOKEN, [KEY], BEFORE) == ASKED
    with pytest.raises(ActionLinkError, match="expired") as caught:
        check_action(TOKEN, [KEY], 1_767_348_420.0)
    assert caught.value.is_expired


def test_a_token_needs_no_escaping_and_is_the_same_every_time() -> None:
    assert re.fullmatch(r"[A-Za-z0-9._-]+", TOKEN)
    assert sign_action(ASKED, KEY) == TOKEN
    assert len(TOKEN) <= 256


@given(st.integers(0, len(TOKEN) - 1), st.characters())
def test_a_token_with_another_character_anywhere_is_none_of_ours(place: int, character: str) -> None:
    changed = TOKEN[:place] + character + TOKEN[place + 1 :]
    if changed != TOKEN:
        with pytest.raises(ActionLinkError):
            check_action(changed, [KEY], 0)


@pytest.mark.parametrize(
    "change",
    [{"action": "snooze"}, {"incident_id": "2d" * 16}, {"expires_at_s": 1_767_348_421}],
)
def test_a_signature_is_of_one_action_one_incident_and_one_time(change: dict[str, object]) -> None:
    other = sign_action(msgspec.structs.replace(ASKED, **change), KEY)
    assert other.rpartition(".")[2] != TOKEN.rpartition(".")[2]
    forged = other.rpartition(".")[0] + "." + TOKEN.rpartition(".")[2]
    with pytest.raises(ActionLinkError, match="not one of ours") as caught:
        check_action(forged, [KEY], BEFORE)
    assert not caught.value.is_expired


def test_while_keys_change_links_of_both_hold_and_of_no_other() -> None:
    old, new = b"o" * 32, b"n" * 32
    assert check_action(sign_action(ASKED, old), [new, old], BEFORE) == ASKED
    assert check_action(sign_action(ASKED, new), [new, old], BEFORE) == ASKED
    with pytest.raises(ActionLinkError):
        check_action(TOKEN, [new, old], BEFORE)
    with pytest.raises(ActionLinkError):
        check_action(TOKEN, [], BEFORE)


@pytest.mark.parametrize(
    "token",
    [
        *("", ".", "v1", "v1....", "v2" + TOKEN[2:], TOKEN + "\n", TOKEN + "=", " " + TOKEN, TOKEN + "." + TOKEN),
        *("x" * 1_000_000, TOKEN.replace("1c", "é", 1), TOKEN.replace("1767348420", "\u0661767348420")),
    ],
)
def test_what_is_no_token_is_none_of_ours(token: str) -> None:
    with pytest.raises(ActionLinkError, match="not one of ours"):
        check_action(token, [KEY], 0)


@pytest.mark.parametrize(
    "asked",
    [
        AskedAction("", "1c", 1),
        AskedAction("Snooze", "1c", 1),
        AskedAction("snooze", "1c.2", 1),
        AskedAction("snooze", "", 1),
        AskedAction("snooze", "1c", -1),
        AskedAction("a.b", "1c", 1),
    ],
)
def test_what_a_token_cannot_hold_is_not_signed(asked: AskedAction) -> None:
    with pytest.raises(ValueError, match="an action is"):
        sign_action(asked, KEY)


def encoded(length: int) -> str:
    return base64.b64encode(b"k" * length).decode()


@pytest.mark.parametrize("length", [32, 33, 128])
def test_keys_are_32_to_128_bytes_with_and_without_padding(length: int) -> None:
    for text in (encoded(length), encoded(length).rstrip("="), f" {encoded(length)}\n"):
        assert parse_keys(SecretStr(text)) == (b"k" * length,)


def test_the_first_of_several_keys_is_the_one_that_signs() -> None:
    assert parse_keys(SecretStr(f"{encoded(32)}\n{encoded(64)}")) == (b"k" * 32, b"k" * 64)


@pytest.mark.parametrize("secret", ["", " ", encoded(31), encoded(129), "not base64 at all!", f"{encoded(32)} short"])
def test_a_key_that_is_none_is_an_error_that_does_not_show_it(secret: str) -> None:
    with pytest.raises(ValueError, match=r"must be 32 to 128 bytes in base64|is empty") as caught:
        parse_keys(SecretStr(secret))
    assert not any(word in str(caught.value) for word in secret.split() if len(word) > 6 and word != "base64")
