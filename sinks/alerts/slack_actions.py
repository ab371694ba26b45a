"""What somebody pressed in Slack: whether Slack really says so, and what it was.

https://docs.slack.dev/authentication/verifying-requests-from-slack and
https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
"""

import hmac
import re
from typing import Final
from urllib.parse import parse_qs

import msgspec
from pydantic import SecretStr

from sinks.alerts.block_kit import ACTIONS
from sinks.alerts.fitting import showable

#: A request that is older than this, or from further ahead, may be one that somebody recorded; Slack's own number.
LONGEST_AGE_S: Final = 300

#: Slack sends the whole message back; more than this it never is.
BODY_BYTES: Final = 1_000_000

_NAME_CHARACTERS: Final = 80
_SIGNATURE: Final = re.compile(r"v0=[0-9a-f]{64}")
_ID: Final = re.compile(r"[A-Z0-9]{2,32}")
_INCIDENT: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class SlackRequestError(Exception):
    """A request is not one of Slack's, or says nothing that is understood. Holds nothing of it."""


class PressedButton(msgspec.Struct, frozen=True):
    """One button that was pressed: which, for which incident, and by whom. `user_name` is fit to be shown."""

    action: str
    incident_id: str
    user_id: str
    user_name: str


class _User(msgspec.Struct):
    id: str
    username: str = ""
    name: str = ""


class _Action(msgspec.Struct):
    action_id: str
    value: str = ""


class _Payload(msgspec.Struct):
    type: str
    user: _User
    actions: tuple[_Action, ...] = ()


_decoder: Final = msgspec.json.Decoder(_Payload)


def check_signing_secret(secret: SecretStr) -> bytes:
    """The key of an app's signing secret.

    Raises:
        ValueError: says what is wrong without showing the secret.

    """
    text = secret.get_secret_value()
    if not re.fullmatch(r"[0-9a-f]{32,64}", text):
        raise ValueError("is no signing secret of a Slack app (32 digits and letters a to f)")
    return text.encode()


def verify_slack_request(key: bytes, timestamp: str | None, signature: str | None, body: bytes, now_s: float) -> None:
    """Hold a request to Slack's signature: the headers `X-Slack-Request-Timestamp` and `X-Slack-Signature`.

    `body` are the bytes as they came, before anything is made of them.

    Raises:
        SlackRequestError: a header is missing or malformed, the request is too old, or somebody else made it.

    """
    if timestamp is None or signature is None or len(body) > BODY_BYTES:
        raise SlackRequestError("is not signed as Slack signs")
    if not re.fullmatch(r"[0-9]{1,12}", timestamp, re.ASCII) or not _SIGNATURE.fullmatch(signature):
        raise SlackRequestError("is not signed as Slack signs")
    expected = "v0=" + hmac.new(key, b"v0:" + timestamp.encode() + b":" + body, "sha256").hexdigest()
    if not hmac.compare_digest(expected, signature):
        raise SlackRequestError("is not signed as Slack signs")
    if abs(now_s - int(timestamp)) > LONGEST_AGE_S:
        raise SlackRequestError("is too old, or a clock is wrong")


def pressed_buttons(body: bytes) -> tuple[PressedButton, ...]:
    """Buttons that a verified request says were pressed: none for those that only opened a page.

    Raises:
        SlackRequestError: it is no form with a payload, or not of the kind that buttons send.

    """
    try:
        fields = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=10)
        payload = _decoder.decode(fields["payload"][0])
    except (UnicodeDecodeError, ValueError, KeyError, RecursionError):
        raise SlackRequestError("holds no payload that is understood") from None
    if payload.type != "block_actions":
        raise SlackRequestError("is not about a button")
    if not _ID.fullmatch(payload.user.id):
        raise SlackRequestError("does not say who pressed")
    name = showable(payload.user.username or payload.user.name, _NAME_CHARACTERS) or payload.user.id
    return tuple(
        PressedButton(action.action_id, action.value, payload.user.id, name)
        for action in payload.actions
        if action.action_id in ACTIONS and _INCIDENT.fullmatch(action.value)
    )
