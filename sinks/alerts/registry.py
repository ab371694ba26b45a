"""The channel types there are. A new one is a module of its own and one line here."""

from typing import Annotated

from pydantic import Field

from sinks.alerts.apprise_url import AppriseSettings
from sinks.alerts.console import ConsoleSettings
from sinks.alerts.email import EmailSettings
from sinks.alerts.pagerduty import PagerDutySettings
from sinks.alerts.slack import SlackSettings
from sinks.alerts.slack_bot import SlackBotSettings
from sinks.alerts.teams import TeamsSettings
from sinks.alerts.webhook import WebhookSettings

AnyChannelSettings = Annotated[
    ConsoleSettings
    | SlackSettings
    | SlackBotSettings
    | TeamsSettings
    | EmailSettings
    | PagerDutySettings
    | WebhookSettings
    | AppriseSettings,
    Field(discriminator="type"),
]  # fmt: skip
