"""Requests of Slack: whether they are Slack's, and what was pressed."""

import hashlib
import hmac
import json
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from sinks.alerts.block_kit import block_kit
from sinks.alerts.message import Wording, build_message
from sinks.alerts.slack_actions import (
    PressedButton,
    SlackRequestError,
    check_signing_secret,
    pressed_buttons,
    verify_slack_request,
)
from tests.support.notices import SUBJECT, a_notice

# The example of Slack's page on verifying requests.
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
PUBLISHED_TIMESTAMP = "1531420618"
PUBLISHED_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
    b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
    b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14"
    b"d10d2c447fce8b6703c"
)
PUBLISHED_SIGNATURE = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
KEY = b"0123456789abcdef0123456789abcdef"
NOW_S = 1_767_262_020
INCIDENT = SUBJECT.incident_id


def signed(body: bytes, timestamp: int = NOW_S, key: bytes = KEY) -> str:
    return "v0=" + hmac.new(key, f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()


def form(payload: Any) -> bytes:
    return urlencode({"payload": payload if isinstance(payload, str) else json.dumps(payload)}).encode()


def pressing(action_id: str = "acknowledge", value: str = INCIDENT, **changes: Any) -> dict[str, Any]:
    return {
        "type": "block_actions",
        "user": {"id": "U123", "username": "kim", "name": "kim", "team_id": "T1"},
        "api_app_id": "A1",
        "token": "not used any more",
        "container": {"type": "message", "message_ts": "1767262020.000100", "channel_id": "C0CARE"},
        "message": {"text": "x" * 10_000},
        "actions": [{"action_id": action_id, "block_id": "b", "value": value, "type": "button"}],
    } | changes


def test_the_example_that_slack_published_verifies() -> None:
    key = SECRET.encode()
    verify_slack_request(key, PUBLISHED_TIMESTAMP, PUBLISHED_SIGNATURE, PUBLISHED_BODY, int(PUBLISHED_TIMESTAMP))


@pytest.mark.parametrize(("age_s", "is_taken"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
def test_a_request_is_good_for_five_minutes(age_s: int, is_taken: bool) -> None:
    body = form(pressing())
    if is_taken:
        verify_slack_request(KEY, str(NOW_S), signed(body), body, NOW_S + age_s)
    else:
        with pytest.raises(SlackRequestError, match="too old"):
            verify_slack_request(KEY, str(NOW_S), signed(body), body, NOW_S + age_s)


@pytest.mark.parametrize(
    ("timestamp", "signature", "body"),
    [
        (None, signed(b"a"), b"a"),
        (str(NOW_S), None, b"a"),
        (str(NOW_S), "", b"a"),
        (str(NOW_S), signed(b"a").upper(), b"a"),
        (str(NOW_S), signed(b"a") + "0", b"a"),
        (str(NOW_S), signed(b"a").removeprefix("v0="), b"a"),
        (str(NOW_S), signed(b"a", key=b"x"), b"a"),
        (str(NOW_S), signed(b"a", NOW_S - 1), b"a"),
        (str(NOW_S), signed(b"a"), b"b"),
        (f" {NOW_S}", signed(b"a"), b"a"),
        (f"{NOW_S}.0", signed(b"a"), b"a"),
        ("-1", signed(b"a", -1), b"a"),
        ("9" * 5000, signed(b"a"), b"a"),
        (str(NOW_S), signed(b"a" * 1_000_001), b"a" * 1_000_001),
    ],
)
def test_what_slack_did_not_sign_is_refused(timestamp: str | None, signature: str | None, body: bytes) -> None:
    with pytest.raises(SlackRequestError, match="is not signed as Slack signs"):
        verify_slack_request(KEY, timestamp, signature, body, NOW_S)


@pytest.mark.parametrize("action", ["acknowledge", "snooze"])
def test_a_pressed_button_says_which_for_what_and_by_whom(action: str) -> None:
    assert pressed_buttons(form(pressing(action))) == (PressedButton(action, INCIDENT, "U123", "kim"),)


def test_the_buttons_that_a_message_shows_are_those_that_are_understood() -> None:
    shown = block_kit(build_message(a_notice(), Wording()), is_interactive=True)["blocks"][-1]["elements"]
    pressed = [pressed_buttons(form(pressing(one["action_id"], one["value"])))[0] for one in shown]
    assert [(one.action, one.incident_id) for one in pressed] == [("acknowledge", INCIDENT), ("snooze", INCIDENT)]


@pytest.mark.parametrize(
    ("action_id", "value"),
    [("timeline", ""), ("query", ""), ("delete", INCIDENT), ("acknowledge", "a'; DROP"), ("snooze", "")],
)
def test_a_button_that_only_opens_a_page_or_is_none_of_ours_asks_for_nothing(action_id: str, value: str) -> None:
    assert pressed_buttons(form(pressing(action_id, value))) == ()


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ({"id": "U123", "username": "kim"}, "kim"),
        ({"id": "U123", "name": "kim"}, "kim"),
        ({"id": "U123"}, "U123"),
        ({"id": "U123", "username": "kim\n<!channel>\u202e"}, "kim <!channel>"),
        ({"id": "U123", "username": "x" * 1000}, "x" * 79 + "…"),
    ],
)
def test_who_pressed_is_named_so_that_it_can_be_shown(user: dict[str, str], name: str) -> None:
    assert pressed_buttons(form(pressing(user=user)))[0].user_name == name


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"payload",
        b"payload=",
        b"other=%7B%7D",
        "payload=é".encode(),
        form("[]"),
        form("{}"),
        form('{"type":"block_actions"}'),
        form(pressing(user={"id": "u<script>"})),
        form(pressing(type="view_submission")),
        form(pressing(actions="acknowledge")),
        form("[" * 100_000),
        b"&".join(b"payload=%7B%7D" for _ in range(20)),
    ],
)
def test_what_is_not_understood_is_an_error_that_holds_nothing_of_it(body: bytes) -> None:
    with pytest.raises(SlackRequestError) as caught:
        pressed_buttons(body)
    assert caught.value.__cause__ is None
    assert "script" not in str(caught.value)


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(form)))
def test_whatever_comes_is_buttons_or_an_error(body: bytes) -> None:
    with suppress(SlackRequestError):
        assert pressed_buttons(body) == ()


def test_a_signing_secret_is_hexadecimal_and_not_shown_when_it_is_not() -> None:
    assert check_signing_secret(SecretStr("0123456789abcdef" * 2)) == KEY
    for wrong in ("", "xoxb-123", "0123456789ABCDEF" * 2, "0123"):
        with pytest.raises(ValueError, match="is no signing secret"):
            check_signing_secret(SecretStr(wrong))
