"""One channel of each type for tests, and the answer with which its receiver takes a notice."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from sinks.alerts.allowed import NOTHING_ALLOWED, AllowedAddresses
from sinks.alerts.channel import Channel, ChannelSettings, Opening
from sinks.alerts.message import Wording
from sinks.alerts.registry import AnyChannelSettings
from tests.support.chat_endpoint import Answer

SIGNING_SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
BOT_TOKEN = "xoxb-0000000000-secret-part"
ROUTING_KEY = "R" * 32
PASSWORD = "secret-part of the mail server"

SETTINGS: dict[str, dict[str, Any]] = {
    "apprise": {"type": "apprise", "url_env": "APPRISE"},
    "console": {"type": "console"},
    "email": {
        "type": "email",
        "host": "127.0.0.1",
        "port": 25,
        "security": "none",
        "sender": "journeys@shop.example",
        "recipients": ["care@shop.example", "lead@shop.example"],
    },
    "pagerduty": {"type": "pagerduty", "key_env": "KEY", "base_url": "TARGET"},
    "slack": {"type": "slack", "url_env": "TARGET"},
    "slack_bot": {"type": "slack_bot", "token_env": "TOKEN", "channel": "C0CARE", "base_url": "TARGET"},
    "teams": {"type": "teams", "url_env": "TARGET"},
    "webhook": {"type": "webhook", "url_env": "TARGET", "secret_env": "SIGNING"},
}

#: What a receiver says that takes a notice.
TAKEN: Mapping[str, Answer] = {
    "apprise": Answer(),
    "pagerduty": Answer(202, '{"status":"success","message":"Event processed","dedup_key":"k"}'),
    "slack": Answer(),
    "slack_bot": Answer(200, '{"ok":true,"channel":"C0CARE","ts":"1767262020.000100","message":{"text":"x"}}'),
    "teams": Answer(202, ""),
    "webhook": Answer(204, ""),
}


def settings_of(type_: str, url: str, **changes: Any) -> ChannelSettings:
    """Settings of the type's example; an address that is no secret is in them."""
    fields = SETTINGS[type_] | changes
    if fields.get("base_url") == "TARGET":
        fields["base_url"] = url
    if type_ == "email" and "port" not in changes:
        fields["port"] = int(url.rpartition(":")[2])
    checked: ChannelSettings = TypeAdapter(AnyChannelSettings).validate_python(fields)
    return checked


def opened(
    type_: str, url: str, *, wording: Wording | None = None, allowed: AllowedAddresses = NOTHING_ALLOWED, **changes: Any
) -> Channel:
    """The type's example, ready to send to an address: an URL, for e-mail `host:port`."""
    language = changes.pop("language", None)
    environment = {
        "TARGET": url,
        "SIGNING": SIGNING_SECRET,
        "TOKEN": BOT_TOKEN,
        "KEY": ROUTING_KEY,
        "PASSWORD": PASSWORD,
        "APPRISE": url.replace("http://", "json://"),
    }
    spoken = wording or (Wording(language=language) if language else Wording())
    return settings_of(type_, url, **changes).open_channel(Opening("team", spoken, environment, Path(), allowed))
