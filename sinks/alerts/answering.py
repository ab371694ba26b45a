"""Answers to messages: the part of the routing file that says where links lead, and the links themselves."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

import msgspec
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sinks.alerts.action_links import AskedAction, parse_keys, sign_action
from sinks.alerts.policy import Duration
from sinks.alerts.secret_source import EnvironmentName, SecretError, SecretPath, check_one_source, read_secret
from sinks.alerts.slack_actions import check_signing_secret

#: Where a link leads below the public address.
PATH = "/alerts/act"
SLACK_PATH = "/alerts/slack"
ACTIONS = ("acknowledge", "snooze")


class AnsweringSettings(BaseModel):
    """Links in messages with which somebody takes an incident or snoozes it; left out: no links, and no open port."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    #: What stands before the path in links: a proxy with TLS in front of the port, usually.
    public_url: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$")]
    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65_535, strict=True)
    key_env: EnvironmentName | None = None
    key_file: SecretPath | None = None
    #: Signing secret of the Slack app whose buttons are pressed.
    slack_secret_env: EnvironmentName | None = None
    slack_secret_file: SecretPath | None = None
    #: For how long a link holds, and for how long it snoozes.
    valid: Duration = 604_800_000
    snooze: Duration = 7_200_000

    @model_validator(mode="after")
    def _check_sources(self) -> Self:
        check_one_source("key", self.key_env, self.key_file)
        if self.slack_secret_env and self.slack_secret_file:
            raise ValueError("give either slack_secret_env or slack_secret_file")
        return self

    def open(self, environment: Mapping[str, str], folder: Path) -> "Answering":
        """Read the secrets.

        Raises:
            SecretError: one is missing, unreadable, readable by others, or malformed.

        """
        secret = read_secret("key", self.key_env, self.key_file, environment, folder)
        try:
            keys = parse_keys(secret)
        except ValueError as error:
            raise SecretError("key_env" if self.key_env else "key_file", str(error)) from None
        slack_key = None
        if self.slack_secret_env or self.slack_secret_file:
            env, file = self.slack_secret_env, self.slack_secret_file
            try:
                slack_key = check_signing_secret(read_secret("slack_secret", env, file, environment, folder))
            except ValueError as error:
                raise SecretError("slack_secret_env" if env else "slack_secret_file", str(error)) from None
        return Answering(self, keys, slack_key)


class Answering(msgspec.Struct, frozen=True):
    """The settings with their keys; `repr` shows none."""

    settings: AnsweringSettings
    keys: tuple[bytes, ...]
    slack_key: bytes | None

    def __repr__(self) -> str:
        return "Answering(...)"

    def links(self, incident_id: str, now_ms: int) -> dict[str, str]:
        """Addresses behind the buttons of a message about an incident."""
        expires = (now_ms + self.settings.valid) // 1000
        base = self.settings.public_url.rstrip("/") + PATH
        return {
            action: f"{base}?token={sign_action(AskedAction(action, incident_id, expires), self.keys[0])}"
            for action in ACTIONS
        }
