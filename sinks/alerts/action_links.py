"""Links with which somebody answers a notice: signed, so that nobody makes one up, and good for a while only.

A link says what is to be done to which incident, not by whom: whoever is told may do it, and who did is asked when it
is opened. Opening it must change nothing, for mail filters and chats open links to look at them; only what the page
behind it sends back may (a POST with the same token).
"""

import base64
import binascii
import hmac
import re
from collections.abc import Sequence
from typing import Final

import msgspec
from pydantic import SecretStr

#: Keys are at least as long as what they make (RFC 2104), and no longer than anybody means.
KEY_BYTES: Final = range(32, 129)

#: A token is no longer than this, in characters.
TOKEN_CHARACTERS: Final = 256

# What is signed begins with what it is for, so that a key that signs something else as well does no harm.
_PURPOSE: Final = "customer-journeys action v1"
_TOKEN: Final = re.compile(
    r"v1\.(?P<action>[a-z][a-z0-9_]{0,30})\.(?P<incident>[A-Za-z0-9_-]{1,64})\.(?P<expires>[0-9]{1,12})"
    r"\.(?P<signature>[A-Za-z0-9_-]{43})",
    re.ASCII,
)


class ActionLinkError(Exception):
    """A link cannot be used. `is_expired` when it once could."""

    def __init__(self, problem: str, *, is_expired: bool = False) -> None:
        super().__init__(problem)
        self.is_expired = is_expired


class AskedAction(msgspec.Struct, frozen=True):
    """What a link asks for: an action by name, the incident, and until when, in seconds since 1970, UTC."""

    action: str
    incident_id: str
    expires_at_s: int


def parse_keys(secret: SecretStr) -> tuple[bytes, ...]:
    """Keys from a secret: base64, separated by white space. The first signs, all of them are accepted.

    Raises:
        ValueError: says what is wrong without showing the secret.

    """
    keys = []
    for word in secret.get_secret_value().split():
        try:
            key = base64.b64decode(word + "=" * (-len(word) % 4), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) not in KEY_BYTES:
            raise ValueError(
                f"must be {KEY_BYTES[0]} to {KEY_BYTES[-1]} bytes in base64, as openssl rand -base64 32 makes"
            )
        keys.append(key)
    if not keys:
        raise ValueError("is empty")
    return tuple(keys)


def sign_action(asked: AskedAction, key: bytes) -> str:
    """Token that asks for an action, fit for a URL.

    Raises:
        ValueError: the action or the incident has no form that a token can hold.

    """
    body = f"v1.{asked.action}.{asked.incident_id}.{asked.expires_at_s}"
    token = f"{body}.{_signature(body, key)}"
    if not _TOKEN.fullmatch(token):
        raise ValueError("an action is small letters, digits and _, an incident letters, digits, _ and -")
    return token


def check_action(token: str, keys: Sequence[bytes], now_s: float) -> AskedAction:
    """What a token asks for, if one of the keys signed it and it still holds.

    Raises:
        ActionLinkError: it is none of ours, was changed, or has expired.

    """
    found = _TOKEN.fullmatch(token) if len(token) <= TOKEN_CHARACTERS else None
    body = token.rpartition(".")[0]
    # Compared with every key, whichever fits: how long it takes tells nothing.
    signatures = [_signature(body, key) for key in keys] if found else []
    fits = [hmac.compare_digest(signature, found["signature"]) for signature in signatures] if found else []
    if found is None or not any(fits):
        raise ActionLinkError("this link is not one of ours, or was changed on the way")
    asked = AskedAction(found["action"], found["incident"], int(found["expires"]))
    if now_s >= asked.expires_at_s:
        raise ActionLinkError("this link has expired", is_expired=True)
    return asked


def _signature(body: str, key: bytes) -> str:
    digest = hmac.digest(key, f"{_PURPOSE}\n{body}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
