"""Notices as PagerDuty alerts, through its Events API v2 (https://developer.pagerduty.com/docs/events-api-v2-overview).

One alert for an incident: its id is the deduplication key, so what is told again joins it, and what is closed or
withdrawn resolves it. PagerDuty calls people; it is for what cannot wait.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal, Self

from pydantic import SecretStr, model_validator

from sinks.alerts.channel import Channel, ChannelSettings, Opening
from sinks.alerts.endpoint import Endpoint
from sinks.alerts.fitting import cut
from sinks.alerts.message import AlertMessage, Wording, build_message, utc_moment
from sinks.alerts.notice import Notice, NoticeKind
from sinks.alerts.outcome import Delivered, Outcome, Refused, Retry
from sinks.alerts.posting import HttpSender, judge
from sinks.alerts.secret_source import EnvironmentName, SecretError, SecretPath, check_one_source

REGIONS: Final = {"us": "https://events.pagerduty.com", "eu": "https://events.eu.pagerduty.com"}

#: Limits of https://developer.pagerduty.com/docs/send-alert-event, in characters.
SUMMARY_LIMIT: Final = 1024
DEDUP_KEY_LIMIT: Final = 255

#: How long to leave PagerDuty alone where it names no time: "a few minutes", says its overview.
_BACK_OFF_S: Final = 120.0
_TOO_MANY: Final = 429
_SEVERITIES: Final = ("info", "info", "warning", "error", "critical")
_RESOLVING: Final = frozenset({NoticeKind.CLOSED, NoticeKind.WITHDRAWN})
#: Kinds that are about one incident; any other is an alert of its own, which nobody needs to get up for.
_OF_AN_INCIDENT: Final = frozenset({NoticeKind.OPENED, NoticeKind.UPDATED, *_RESOLVING})
_KEY: Final = re.compile(r"[A-Za-z0-9]{32}")


class PagerDutySettings(ChannelSettings):
    """A `pagerduty` channel: where to find the integration key of a service, and the region of the account."""

    type: Literal["pagerduty"]
    key_env: EnvironmentName | None = None
    key_file: SecretPath | None = None
    region: Literal["us", "eu"] = "us"
    base_url: str | None = None

    @model_validator(mode="after")
    def _check_sources(self) -> Self:
        check_one_source("key", self.key_env, self.key_file)
        return self

    def open_channel(self, opening: Opening) -> Channel:
        """Read the key and return the channel."""
        key = opening.secret("key", self.key_env, self.key_file)
        if not _KEY.fullmatch(key.get_secret_value()):
            problem = "is no integration key of PagerDuty (32 letters and digits)"
            raise SecretError("key_env" if self.key_env else "key_file", problem)
        endpoint = opening.place("base_url", self.base_url or REGIONS[self.region]).at("v2").at("enqueue")
        return PagerDutyChannel(opening.name, opening.wording, endpoint, key)


@dataclass(frozen=True)
class PagerDutyChannel:
    """Sends events to one service. A reference is the deduplication key."""

    can_edit: ClassVar[bool] = True
    can_thread: ClassVar[bool] = False
    can_list: ClassVar[bool] = False
    #: 120 a minute for an integration key, as PagerDuty's staff says in its forum; its overview says that it moves.
    #: https://community.pagerduty.com/forum/t/monitoring-api-rate-limiting/3318
    min_interval_s: ClassVar[float] = 0.5

    name: str
    wording: Wording
    endpoint: Endpoint
    key: SecretStr = field(repr=False)

    async def send(self, notice: Notice, http: HttpSender) -> Outcome:
        """Trigger, acknowledge or resolve."""
        event = pagerduty_event(build_message(notice, self.wording))
        body = json.dumps({"routing_key": self.key.get_secret_value(), **event}).encode()
        answer = await http.post(self.endpoint, body, {"Content-Type": "application/json"})
        if isinstance(answer, Retry | Refused):
            return answer
        outcome = judge(answer, self.endpoint)
        if isinstance(outcome, Delivered):
            return Delivered(event["dedup_key"])
        if isinstance(outcome, Retry) and answer.status == _TOO_MANY and outcome.after_s is None:
            return Retry(_BACK_OFF_S, outcome.reason, outcome.may_have_arrived)
        return outcome


def pagerduty_event(message: AlertMessage) -> dict[str, Any]:
    """The event, without the key that says where it belongs."""
    notice = message.notice
    first = notice.subjects[0] if notice.subjects else None
    is_of_incident = first is not None and notice.kind in _OF_AN_INCIDENT
    dedup_key = first.incident_id if first is not None and is_of_incident else notice.notice_id
    if is_of_incident and notice.kind in _RESOLVING:
        return {"event_action": "resolve", "dedup_key": dedup_key}
    if is_of_incident and notice.kind is NoticeKind.UPDATED and notice.acknowledged_by:
        return {"event_action": "acknowledge", "dedup_key": dedup_key}
    details = {
        **{fact.label: fact.value for fact in message.facts},
        **({message.labels["prevention"]: message.prevention} if message.prevention else {}),
        **({message.labels["evidence"]: ", ".join(message.evidence)} if message.evidence else {}),
        **({message.labels["look_up"]: message.look_up} if message.look_up else {}),
        **{f"{number}.": entry for number, entry in enumerate(message.entries, 1)},
        **({"…": message.left_out} if message.left_out else {}),
    }
    payload: dict[str, Any] = {
        "summary": cut(message.headline, SUMMARY_LIMIT),
        "source": (first and first.tenant) or "customer-journeys",
        "severity": _SEVERITIES[message.severity - 1] if is_of_incident else "info",
        "timestamp": utc_moment(notice.decided_at).isoformat(timespec="milliseconds"),
        "custom_details": details,
    }
    if first is not None and is_of_incident:
        named = {"class": message.cause, "component": first.from_channel, "group": first.team}
        payload |= {name: value for name, value in named.items() if value}
    return {
        "event_action": "trigger",
        "dedup_key": dedup_key,
        "client": "customer-journeys",
        "payload": payload,
        "links": [{"href": button.url, "text": button.label} for button in message.buttons],
    }
