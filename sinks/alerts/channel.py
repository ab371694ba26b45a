"""What every channel type is: settings that a routing file holds, and the channel they open."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec
from pydantic import BaseModel, ConfigDict

from sinks.alerts.message import AlertMessage, Language, Wording
from sinks.alerts.outcome import Outcome
from sinks.alerts.posting import HttpSender


class Channel(Protocol):
    """A place where a team is told, ready to send: its secrets are read.

    `name` is the one given in the routing file; the ledger knows the channel by it.
    """

    @property
    def name(self) -> str:
        """Name in the routing file."""

    @property
    def wording(self) -> Wording:
        """Language and link of the messages it takes."""

    async def send(self, message: AlertMessage, http: HttpSender) -> Outcome:
        """Send one message once.

        Raises nothing for what the receiver or the network does: that is an outcome. No outcome, log line or `repr`
        holds a secret.
        """


class Opening(msgspec.Struct, frozen=True):
    """What settings need to become a channel: its name, its wording, and where secrets may be read from.

    `folder` is the folder of the routing file: relative secret files are looked for there.
    """

    name: str
    wording: Wording
    environment: Mapping[str, str]
    folder: Path


class ChannelSettings(BaseModel):
    """Settings that every channel type has; a type adds its own, and `type: Literal[...]`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    #: Overrides the language of the file for this channel.
    language: Language | None = None

    @abstractmethod
    def open_channel(self, opening: Opening) -> Channel:
        """Read the secrets and return the channel.

        Raises:
            SecretError: a secret is missing, unreadable, readable by others, or malformed. Names field and place,
                never the value.

        """
