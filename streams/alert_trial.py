"""One made-up message to one channel: to see what it looks like, and whether it arrives."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from processors.friction.catalogue import rule_ids
from sinks.alerts.endpoint import Endpoint
from sinks.alerts.message import build_message, document
from sinks.alerts.notice import Notice, NoticeKind, Subject
from sinks.alerts.outcome import Outcome, Refused, Retry
from sinks.alerts.posting import Answer, HttpSender
from sinks.alerts.routing import default_routing, load_routing, open_channels

SAMPLE: Final = Subject(
    incident_id="00000000000000000000000000000000",
    tenant="default",
    rule_id="channel_redirect",
    variant="form",
    severity=4,
    team="social",
    topic="delivery",
    from_channel="social",
    to_channel="web",
    opened_at=0,
    customers=7,
    frictions=9,
    minutes=84.0,
    sentence_en="A customer asked on social media about delivery and was sent to the website to fill in a form.",
    sentence_de="Ein Kunde fragte in sozialen Medien nach der Lieferung und wurde auf ein Formular verwiesen.",
    evidence=("default/social-desk/1", "default/web/2"),
    nearest_miss="",
    nearest_miss_de="",
    friction_id="00000000000000000000000000000000",
    person_key="",
    journey_id="",
    this_week=9,
    usual_week=2.0,
)


class UnknownChannel(LookupError):
    """The routing file has no channel of this name; the message names those that there are."""


class Trial(msgspec.Struct, frozen=True):
    """What was tried: the message for machines and for people, what was posted over HTTP if anything, the outcome.

    `outcome` is `None` when nothing was to be sent.
    """

    document: dict[str, Any]
    text: str
    body: str
    outcome: Outcome | None


async def try_channel(routing_path: Path | None, name: str, *, dry_run: bool) -> Trial:
    """Send a made-up message to a channel, or only word it.

    Raises:
        RoutingError: the file or a secret of this channel is not usable.
        UnknownChannel: there is no such channel.

    """
    routing = load_routing(routing_path, rule_ids()) if routing_path else default_routing()
    if name not in routing.channels:
        raise UnknownChannel(f"there is no channel {name}; there are: {', '.join(routing.channels)}")
    # Secrets of the others may not be there yet: a file is set up channel by channel.
    alone = routing.model_copy(update={"channels": {name: routing.channels[name]}})
    channel = open_channels(alone, source=routing_path)[name]
    now = time.time_ns() // 1_000_000
    notice = Notice(
        notice_id=f"{now:032x}",
        kind=NoticeKind.TEST,
        decided_at=now,
        subjects=(msgspec.structs.replace(SAMPLE, opened_at=now),),
    )
    message = build_message(notice, channel.wording)
    text = "\n".join(filter(None, (message.title, *message.paragraphs)))
    async with _Recording(is_dry=dry_run) as http:
        # Nothing may be sent in a dry run, so only channels that post over HTTP are asked to.
        is_http = routing.channels[name].type in _OVER_HTTP
        outcome = await channel.send(notice, http) if is_http or not dry_run else None
    return Trial(document(message), text, http.body, None if dry_run else outcome)


#: Channel types that do nothing but post with the sender they are given.
_OVER_HTTP: Final = frozenset({"slack", "slack_bot", "teams", "webhook", "pagerduty"})


class _Recording(HttpSender):
    """Remembers the last body; in a dry run it posts nothing and says that all is well."""

    def __init__(self, *, is_dry: bool) -> None:
        super().__init__()
        self._is_dry = is_dry
        self.body = ""

    async def post(
        self, endpoint: Endpoint, body: bytes, headers: Mapping[str, str], **more: Any
    ) -> Answer | Retry | Refused:
        self.body = body.decode(errors="replace")
        if self._is_dry:
            return Answer(200, b"ok", None)
        return await super().post(endpoint, body, headers, **more)
