"""Notices in Slack, through an incoming webhook, as Block Kit.

An incoming webhook answers `ok` and nothing else: a message can be neither threaded nor changed later.
"""

import json
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, Self

from pydantic import model_validator

from sinks.alerts.block_kit import block_kit
from sinks.alerts.channel import Channel, ChannelSettings, Opening
from sinks.alerts.endpoint import Endpoint
from sinks.alerts.message import Wording, build_message
from sinks.alerts.notice import Notice
from sinks.alerts.outcome import Outcome, Refused, Retry
from sinks.alerts.posting import Answer, HttpSender, judge
from sinks.alerts.secret_source import EnvironmentName, SecretPath, check_one_source

#: Words in which Slack says that the same message will never go through, and what they mean for an operator.
_REFUSALS: Final = {
    "invalid_payload": "the message is malformed",
    "invalid_blocks": "the message is malformed",
    "invalid_blocks_format": "the message is malformed",
    "no_text": "the message is malformed",
    "invalid_token": "the webhook address is not valid",
    "no_service": "the webhook was removed or disabled",
    "no_service_id": "the webhook address is not complete",
    "no_team": "the workspace does not exist",
    "team_disabled": "the workspace is disabled",
    "user_not_found": "the user it should go to does not exist",
    "channel_not_found": "the channel it should go to does not exist",
    "channel_is_archived": "the channel it should go to is archived",
    "action_prohibited": "an administrator does not allow it",
    "posting_to_general_channel_denied": "an administrator does not allow it in this channel",
}


class SlackSettings(ChannelSettings):
    """A `slack` channel: where to find the address of the incoming webhook."""

    type: Literal["slack"]
    url_env: EnvironmentName | None = None
    url_file: SecretPath | None = None

    @model_validator(mode="after")
    def _check_sources(self) -> Self:
        check_one_source("url", self.url_env, self.url_file)
        return self

    def open_channel(self, opening: Opening) -> Channel:
        """Read the address and return the channel."""
        endpoint = opening.endpoint(self.url_env, self.url_file)
        return SlackChannel(opening.name, opening.wording, endpoint)


@dataclass(frozen=True)
class SlackChannel:
    """Posts to one incoming webhook."""

    can_edit: ClassVar[bool] = False
    can_thread: ClassVar[bool] = False
    can_list: ClassVar[bool] = True
    #: One message a second: https://docs.slack.dev/apis/web-api/rate-limits
    min_interval_s: ClassVar[float] = 1.0

    name: str
    wording: Wording
    endpoint: Endpoint

    async def send(self, notice: Notice, http: HttpSender) -> Outcome:
        """Post one notice."""
        body = json.dumps(block_kit(build_message(notice, self.wording))).encode()
        answer = await http.post(self.endpoint, body, {"Content-Type": "application/json"})
        return answer if isinstance(answer, Retry | Refused) else judge_slack(answer, self.endpoint)


def judge_slack(answer: Answer, endpoint: Endpoint) -> Outcome:
    """Judge an answer by Slack's error word first, then by its status.

    The words come with 4xx today and came with 500 before, where the status alone would promise a later success.
    """
    word = answer.body.strip().decode("ascii", errors="replace")
    if word in _REFUSALS:
        return Refused(f"{endpoint.masked} answered {answer.status} {word}: {_REFUSALS[word]}")
    return judge(answer, endpoint)
