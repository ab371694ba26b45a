"""Notices in Slack through a bot, which can change what it has said (https://docs.slack.dev/reference/methods).

The first notice of an incident is a message. Later ones change it, so that nobody reads what no longer holds, and what
calls for attention (an update, a withdrawal) is said in its thread as well. The change comes first: it may be repeated
after a lost answer, where a reply would be doubled.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Final, Literal, Self

import msgspec
from pydantic import AfterValidator, SecretStr, model_validator

from sinks.alerts.block_kit import block_kit, thread_reply
from sinks.alerts.channel import Channel, ChannelSettings, Opening
from sinks.alerts.endpoint import Endpoint
from sinks.alerts.message import Wording, build_message
from sinks.alerts.notice import Notice, NoticeKind
from sinks.alerts.outcome import Delivered, Outcome, Refused, Retry
from sinks.alerts.posting import Answer, HttpSender, judge
from sinks.alerts.secret_source import EnvironmentName, SecretError, SecretPath, check_one_source

API: Final = "https://slack.com/api"

#: Slack answers with the whole message.
_ANSWER_BYTES: Final = 262_144
_REFERENCE: Final = re.compile(r"([A-Z0-9]{2,32}):(\d{1,16}\.\d{1,16})")
_TOKEN: Final = re.compile(r"xox[a-z]-[A-Za-z0-9-]{10,500}")

#: Kinds that come back to what was said before.
_FOLLOWING: Final = frozenset({NoticeKind.UPDATED, NoticeKind.CLOSED, NoticeKind.WITHDRAWN})
#: Kinds that people are to notice, and not only to find changed.
_CALLING: Final = frozenset({NoticeKind.UPDATED, NoticeKind.WITHDRAWN})

#: Slack would fetch what a link leads to and show it below; that is for the reader to ask for.
_QUIET: Final = {"unfurl_links": False, "unfurl_media": False}

#: Errors that pass by themselves.
_LATER: Final = frozenset(
    {
        *("ratelimited", "rate_limited", "message_limit_exceeded", "internal_error", "fatal_error", "request_timeout"),
        *("service_unavailable", "team_added_to_org", "accesslimited"),
    }
)
#: Errors that say that the message is gone, and those that say that it can be changed no more.
_GONE: Final = frozenset({"message_not_found", "thread_not_found"})
_FIXED: Final = frozenset({"cant_update_message", "edit_window_closed", "update_failed"})

#: What other errors mean for an operator.
_REFUSALS: Final = {
    "not_in_channel": "the bot is no member of the channel; invite it",
    "channel_not_found": "the bot sees no such channel; give its id and invite the bot",
    "is_archived": "the channel is archived",
    "missing_scope": "the bot lacks the scope chat:write",
    "invalid_auth": "the token is not valid",
    "not_authed": "the token is not valid",
    "account_inactive": "the bot was removed",
    "token_revoked": "the token was revoked",
    "token_expired": "the token has expired",
    "restricted_action": "an administrator does not allow it",
    "ekm_access_denied": "an administrator does not allow it",
    "invalid_blocks": "the message is malformed",
    "invalid_blocks_format": "the message is malformed",
    "msg_too_long": "the message is malformed",
    "no_text": "the message is malformed",
}


def _channel_id(text: str) -> str:
    if not re.fullmatch(r"[CGD][A-Z0-9]{1,31}", text):
        raise ValueError("must be the id of a channel, such as C0123456789 (at the end of what its details show)")
    return text


class SlackBotSettings(ChannelSettings):
    """A `slack_bot` channel: where to find the bot's token (`xoxb-...`), and the id of the channel it posts in.

    With `interactive`, the buttons to take an alert and to put it off ask this application through Slack instead of
    opening a page; Slack must then know where to send what was pressed.
    """

    type: Literal["slack_bot"]
    token_env: EnvironmentName | None = None
    token_file: SecretPath | None = None
    channel: Annotated[str, AfterValidator(_channel_id)]
    interactive: bool = False
    base_url: str = API

    @model_validator(mode="after")
    def _check_sources(self) -> Self:
        check_one_source("token", self.token_env, self.token_file)
        return self

    def open_channel(self, opening: Opening) -> Channel:
        """Read the token and return the channel."""
        token = opening.secret("token", self.token_env, self.token_file)
        if not _TOKEN.fullmatch(token.get_secret_value()):
            raise SecretError("token_env" if self.token_env else "token_file", "is no token of a Slack bot (xoxb-...)")
        endpoint = opening.place("base_url", self.base_url)
        return SlackBotChannel(opening.name, opening.wording, endpoint, token, self.channel, self.interactive)


@dataclass(frozen=True)
class SlackBotChannel:
    """Posts, changes and answers messages in one channel. A reference is the channel's id and the message's time."""

    can_edit: ClassVar[bool] = True
    can_thread: ClassVar[bool] = True
    can_list: ClassVar[bool] = True
    #: chat.update allows 50 a minute, chat.postMessage one a second: https://docs.slack.dev/apis/web-api/rate-limits
    min_interval_s: ClassVar[float] = 1.2

    name: str
    wording: Wording
    endpoint: Endpoint
    token: SecretStr = field(repr=False)
    channel: str
    is_interactive: bool = False

    async def send(self, notice: Notice, http: HttpSender) -> Outcome:
        """Post a message, or change the one there is and say so below it."""
        message = build_message(notice, self.wording)
        payload = block_kit(message, is_interactive=self.is_interactive)
        known = _REFERENCE.fullmatch(notice.reference)
        if notice.kind not in _FOLLOWING or known is None:
            return await self._post(payload, http)
        channel, ts = known.groups()
        outcome = await self._call("chat.update", {"channel": channel, "ts": ts, **payload}, http)
        if isinstance(outcome, _Trouble):
            if outcome.word in _GONE:
                # Somebody deleted it. What still goes on is said anew; there is nothing left to take back.
                is_over = notice.kind is not NoticeKind.UPDATED
                return Delivered(notice.reference) if is_over else await self._post(payload, http)
            if outcome.word not in _FIXED:
                return Refused(outcome.said)
        elif not isinstance(outcome, Delivered):
            return outcome
        if notice.kind in _CALLING or isinstance(outcome, _Trouble):
            reply = {"channel": channel, "thread_ts": ts, **_QUIET, **thread_reply(message)}
            outcome = await self._call("chat.postMessage", reply, http)
            if isinstance(outcome, _Trouble) and outcome.word not in _GONE:
                return Refused(outcome.said)
            if isinstance(outcome, Retry | Refused):
                return outcome
        return Delivered(notice.reference)

    async def _post(self, payload: dict[str, Any], http: HttpSender) -> Outcome:
        outcome = await self._call("chat.postMessage", {"channel": self.channel, **_QUIET, **payload}, http)
        return Refused(outcome.said) if isinstance(outcome, _Trouble) else outcome

    async def _call(self, method: str, arguments: dict[str, Any], http: HttpSender) -> "Outcome | _Trouble":
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Authorization": f"Bearer {self.token.get_secret_value()}",
        }
        body = json.dumps(arguments).encode()
        answer = await http.post(self.endpoint.at(method), body, headers, answer_bytes=_ANSWER_BYTES)
        return answer if isinstance(answer, Retry | Refused) else judge_slack_api(answer, self.endpoint)


class _Trouble(msgspec.Struct, frozen=True):
    """An error of Slack in its own word, which depends on what was tried."""

    word: str
    said: str


class _SlackAnswer(msgspec.Struct):
    ok: bool
    error: str = ""
    channel: str = ""
    ts: str = ""


_decoder: Final = msgspec.json.Decoder(_SlackAnswer)


def judge_slack_api(answer: Answer, endpoint: Endpoint) -> Outcome | _Trouble:
    """Judge an answer of Slack's Web API: by its status if that is not 200, then by its own word.

    An answer that cannot be read is a retry: Slack may or may not have taken the message.
    """
    judged = judge(answer, endpoint)
    if not isinstance(judged, Delivered):
        return judged
    try:
        said = _decoder.decode(answer.body)
    except msgspec.DecodeError:
        said_what = f"{endpoint.masked} answered {answer.status} with something that is not Slack's"
        return Retry(None, said_what, may_have_arrived=True)
    if said.ok:
        reference = f"{said.channel}:{said.ts}"
        return Delivered(reference if _REFERENCE.fullmatch(reference) else "")
    word = said.error if re.fullmatch(r"[a-z_]{1,64}", said.error) else "an error without a name"
    if word in _LATER:
        return Retry(answer.retry_after_s, f"{endpoint.masked} answered {word}")
    meaning = f": {_REFUSALS[word]}" if word in _REFUSALS else ""
    return _Trouble(word, f"{endpoint.masked} answered {word}{meaning}")
