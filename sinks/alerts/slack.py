"""Alerts in Slack, through an incoming webhook, as Block Kit.

An incoming webhook answers `ok` and nothing else: a message can be neither threaded nor changed later.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from pydantic import model_validator

from sinks.alerts.channel import Channel, ChannelSettings, Opening
from sinks.alerts.endpoint import Endpoint
from sinks.alerts.message import AlertMessage, Wording
from sinks.alerts.outcome import Outcome, Refused, Retry
from sinks.alerts.posting import Answer, HttpSender, judge
from sinks.alerts.secret_source import EnvironmentName, SecretPath, check_one_source

#: Slack's limits, in characters: https://docs.slack.dev/reference/block-kit and, for `text`, chat.postMessage.
TEXT_LIMIT: Final = 40_000
HEADER_LIMIT: Final = 150
SECTION_LIMIT: Final = 3000
FIELD_LIMIT: Final = 2000
FIELDS_LIMIT: Final = 10
BUTTON_TEXT_LIMIT: Final = 75
BUTTON_URL_LIMIT: Final = 3000

# Ours, below Slack's, so that a whole message stays under some 13,000 characters, past which webhooks were seen to
# refuse what each limit alone allows.
_FIELD_ROOM: Final = 400
_CONTEXT_ROOM: Final = 1000
_SHOWN_EVIDENCE: Final = 5

_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ELLIPSIS: Final = "…"
#: Slack takes no empty text.
_NOTHING: Final = "-"

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
        endpoint = Endpoint.read(self.url_env, self.url_file, opening.environment, opening.folder)
        return SlackChannel(opening.name, opening.wording, endpoint)


@dataclass(frozen=True)
class SlackChannel:
    """Posts to one incoming webhook."""

    name: str
    wording: Wording
    endpoint: Endpoint

    async def send(self, message: AlertMessage, http: HttpSender) -> Outcome:
        """Post one alert."""
        body = json.dumps(slack_payload(message)).encode()
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


def slack_payload(message: AlertMessage) -> dict[str, Any]:
    """Block Kit message: header, sentence, facts, context, a button when there is a link, and `text` as fallback.

    Everything that comes from events is escaped and cut to Slack's limits.
    """
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(message.title, HEADER_LIMIT)},
        {"type": "section", "text": _mrkdwn(fit(message.sentence, SECTION_LIMIT))},
    ]
    if message.facts:
        facts = message.facts[:FIELDS_LIMIT]
        fields = [_mrkdwn(_labelled(fact.label, fact.value, "\n", _FIELD_ROOM)) for fact in facts]
        blocks.append({"type": "section", "fields": fields})
    blocks.append({"type": "context", "elements": [_mrkdwn(text) for text in _context(message)]})
    if message.link is not None and _length(message.link) <= BUTTON_URL_LIMIT:
        button = {"type": "button", "text": _plain(message.labels["open"], BUTTON_TEXT_LIMIT), "url": message.link}
        blocks.append({"type": "actions", "elements": [button]})
    return {"text": fit(f"{message.title} · {message.sentence}", TEXT_LIMIT), "blocks": blocks}


def fit(text: str, limit: int) -> str:
    """Escape `&`, `<` and `>` and cut to `limit` characters of the result, never inside an escape.

    Characters are counted as UTF-16 does, which is never fewer than Slack can mean. Text that is empty becomes a dash.
    """
    return _cut((_ESCAPES.get(character, character) for character in text), limit)


def _cut(pieces: Iterable[str], limit: int) -> str:
    kept: list[str] = []
    length = 0
    # Where to go back to when the text turns out too long for an ellipsis behind it.
    room_for_ellipsis = 0
    for piece in pieces:
        length += _length(piece)
        if length > limit:
            return "".join(kept[:room_for_ellipsis]) + _ELLIPSIS
        kept.append(piece)
        if length <= limit - len(_ELLIPSIS):
            room_for_ellipsis = len(kept)
    cut = "".join(kept)
    return cut if cut.strip() else _NOTHING


def _length(text: str) -> int:
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2


def _labelled(label: str, value: str, separator: str, limit: int) -> str:
    start = f"*{label}*{separator}"
    return start + fit(value, limit - _length(start))


def _context(message: AlertMessage) -> Iterable[str]:
    labels = message.labels
    if message.nearest_miss:
        yield _labelled(labels["nearest_miss"], message.nearest_miss, ": ", _CONTEXT_ROOM)
    if message.evidence:
        shown = list(message.evidence[:_SHOWN_EVIDENCE])
        if hidden := len(message.evidence) - len(shown):
            shown.append(labels["more"].format(count=hidden))
        yield _labelled(labels["evidence"], ", ".join(shown), ": ", _CONTEXT_ROOM)
    yield _labelled(labels["look_up"], message.look_up, ": ", _CONTEXT_ROOM)


def _mrkdwn(text: str) -> dict[str, Any]:
    # `verbatim` keeps Slack from making links and mentions of what an event happens to hold.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _plain(text: str, limit: int) -> dict[str, Any]:
    # Slack does not parse plain text, so nothing in it is escaped.
    return {"type": "plain_text", "text": _cut(text, limit), "emoji": False}
