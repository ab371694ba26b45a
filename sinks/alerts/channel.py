"""What every channel type is: settings that a routing file holds, and the channel they open."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Protocol

import msgspec
from pydantic import BaseModel, ConfigDict, SecretStr

from sinks.alerts.allowed import NOTHING_ALLOWED, AllowedAddresses
from sinks.alerts.endpoint import Endpoint
from sinks.alerts.message import Wording
from sinks.alerts.notice import Notice
from sinks.alerts.outcome import Outcome
from sinks.alerts.posting import HttpSender
from sinks.alerts.secret_source import SecretError, read_secret
from sinks.alerts.vocabulary import Language


class Channel(Protocol):
    """A place where a team is told, ready to send: its secrets are read.

    `name` is the one given in the routing file; the ledger knows the channel by it. What a type can do is the same for
    all its channels:

    - `can_edit`: what was shown of an incident can be changed or resolved later, with the reference of its first
      notice where that gave one. A withdrawal then takes the place of what was wrong; elsewhere it is one more message.
    - `can_thread`: later notices of an incident are shown below the first, not among everything else.
    - `can_list`: a digest makes sense there. It can be sent anywhere; where this is False it would call somebody for
      nothing urgent.
    - `min_interval_s`: seconds between two notices that keep a channel below its receiver's published limit; 0 when
      there is none. A module that gives a number names its source.
    """

    can_edit: ClassVar[bool]
    can_thread: ClassVar[bool]
    can_list: ClassVar[bool]
    min_interval_s: ClassVar[float]

    @property
    def name(self) -> str:
        """Name in the routing file."""

    @property
    def wording(self) -> Wording:
        """Language and link of the messages it takes."""

    async def send(self, notice: Notice, http: HttpSender) -> Outcome:
        """Word one notice and send it once.

        Raises nothing for what the receiver or the network does: that is an outcome. No outcome, log line or `repr`
        holds a secret.
        """


class Opening(msgspec.Struct, frozen=True):
    """What settings need to become a channel: its name, its wording, and where secrets may be read from.

    `folder` is the folder of the routing file: relative secret files are looked for there. `allowed` is what may be
    reached off the internet.
    """

    name: str
    wording: Wording
    environment: Mapping[str, str]
    folder: Path
    allowed: AllowedAddresses = NOTHING_ALLOWED

    def secret(self, name: str, env: str | None, file: Path | None) -> SecretStr:
        """Read a secret from its one place.

        Raises:
            SecretError: it is missing, empty or unreadable, or others may read the file.

        """
        return read_secret(name, env, file, self.environment, self.folder)

    def endpoint(self, env: str | None, file: Path | None) -> Endpoint:
        """Read and check the address that `url_env` or `url_file` leads to.

        Raises:
            SecretError: it cannot be read, or is no address to post to.

        """
        return self._parsed("url_env" if env else "url_file", self.secret("url", env, file))

    def place(self, field: str, url: str) -> Endpoint:
        """Check an address that is no secret and stands in the file itself.

        Raises:
            SecretError: it is no address to post to.

        """
        return self._parsed(field, SecretStr(url))

    def _parsed(self, field: str, url: SecretStr) -> Endpoint:
        try:
            return Endpoint.parse(url, self.allowed)
        except ValueError as error:
            raise SecretError(field, str(error)) from None


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
