"""The channel types there are. A new one is a module of its own and one line here."""

from typing import Annotated

from pydantic import Field

from sinks.alerts.console import ConsoleSettings
from sinks.alerts.slack import SlackSettings
from sinks.alerts.webhook import WebhookSettings

AnyChannelSettings = Annotated[
    ConsoleSettings
    | SlackSettings
    | WebhookSettings,
    Field(discriminator="type"),
]  # fmt: skip
