"""Notices in Microsoft Teams, through a workflow that waits for a webhook and posts the Adaptive Card it gets.

A workflow says 202 before it has posted anything, and there is no way back to what it posted: a card can be neither
changed nor answered.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, Self

import msgspec
from pydantic import model_validator

from sinks.alerts.channel import Channel, ChannelSettings, Opening
from sinks.alerts.endpoint import Endpoint
from sinks.alerts.message import AlertMessage, Wording, build_message
from sinks.alerts.notice import Notice
from sinks.alerts.outcome import Outcome, Refused, Retry
from sinks.alerts.posting import HttpSender, judge
from sinks.alerts.secret_source import EnvironmentName, SecretPath, check_one_source

#: Bytes of a message: https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
BODY_LIMIT: Final = 28_000
#: Buttons that a card shows in Teams: https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-reference
ACTIONS_LIMIT: Final = 6

_VERSION: Final = "1.5"
_SCHEMA: Final = "http://adaptivecards.io/schemas/adaptive-card.json"


class TeamsSettings(ChannelSettings):
    """A `teams` channel: where to find the address of the workflow."""

    type: Literal["teams"]
    url_env: EnvironmentName | None = None
    url_file: SecretPath | None = None

    @model_validator(mode="after")
    def _check_sources(self) -> Self:
        check_one_source("url", self.url_env, self.url_file)
        return self

    def open_channel(self, opening: Opening) -> Channel:
        """Read the address and return the channel."""
        return TeamsChannel(opening.name, opening.wording, opening.endpoint(self.url_env, self.url_file))


@dataclass(frozen=True)
class TeamsChannel:
    """Posts to one workflow."""

    can_edit: ClassVar[bool] = False
    can_thread: ClassVar[bool] = False
    can_list: ClassVar[bool] = True
    #: 60 in 30 seconds, says the page that BODY_LIMIT names. It allows 100 an hour too, which a pause does not hold.
    min_interval_s: ClassVar[float] = 0.5

    name: str
    wording: Wording
    endpoint: Endpoint

    async def send(self, notice: Notice, http: HttpSender) -> Outcome:
        """Post one card."""
        body = teams_body(build_message(notice, self.wording))
        answer = await http.post(self.endpoint, body, {"Content-Type": "application/json; charset=utf-8"})
        return answer if isinstance(answer, Retry | Refused) else judge(answer, self.endpoint)


def teams_body(message: AlertMessage) -> bytes:
    """The message as bytes, with as many entries as there is room for."""
    while True:
        card = adaptive_card(message)
        attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
        # Characters as they are: spelt out, one would take up to twelve bytes.
        body = json.dumps({"type": "message", "attachments": [attachment]}, ensure_ascii=False).encode()
        if len(body) <= BODY_LIMIT or not message.entries:
            return body
        hidden = message.notice.left_out + len(message.notice.subjects) - len(message.entries) + 1
        left_out = message.labels["more"].format(count=hidden)
        message = msgspec.structs.replace(message, entries=message.entries[:-1], left_out=left_out)


def adaptive_card(message: AlertMessage) -> dict[str, Any]:
    """Adaptive Card. All text is in text runs, in which no markup is understood, so that nothing needs escaping."""
    body = [_text(_run(message.title, weight="Bolder", size="Medium"))]
    body += [_text(_run(paragraph)) for paragraph in message.paragraphs]
    body += [_text(_run(f"• {entry}"), spacing="Small") for entry in message.entries]
    if message.left_out:
        body.append(_text(_run(message.left_out, isSubtle=True), spacing="Small"))
    body += [_text(*_labelled(label, value), spacing="Small") for label, value in _labels_and_values(message)]
    actions = [
        {"type": "Action.OpenUrl", "title": button.label, "url": button.url}
        for button in message.buttons[:ACTIONS_LIMIT]
    ]
    return {
        "$schema": _SCHEMA,
        "type": "AdaptiveCard",
        "version": _VERSION,
        "body": body,
        **({"actions": actions} if actions else {}),
    }


def _labels_and_values(message: AlertMessage) -> Iterable[tuple[str, str]]:
    labels = message.labels
    yield from ((fact.label, fact.value) for fact in message.facts)
    if message.prevention:
        yield labels["prevention"], message.prevention
    if message.evidence:
        yield labels["evidence"], ", ".join(message.evidence)
    if message.look_up:
        yield labels["look_up"], message.look_up


def _labelled(label: str, value: str) -> Iterable[dict[str, Any]]:
    return _run(f"{label}: ", weight="Bolder"), _run(value)


def _text(*runs: dict[str, Any], spacing: str = "Default") -> dict[str, Any]:
    return {"type": "RichTextBlock", "spacing": spacing, "inlines": list(runs)}


def _run(text: str, **looks: str | bool) -> dict[str, Any]:
    return {"type": "TextRun", "text": text, **looks}
