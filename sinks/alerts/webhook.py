"""Notices as signed webhooks, after the Standard Webhooks specification.

The body is `{"type", "timestamp", "data"}`; the headers `webhook-id` (the same for every retry, so that a receiver can
drop repetitions), `webhook-timestamp` (of this attempt) and `webhook-signature` (HMAC-SHA256 over id, timestamp and
body). During a change of keys the secret may be several, separated by white space: each signs, newest first.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final, Literal, Self

from pydantic import model_validator
from standardwebhooks import Webhook

from sinks.alerts.channel import Channel, ChannelSettings, Opening
from sinks.alerts.endpoint import Endpoint
from sinks.alerts.message import AlertMessage, Wording, build_message, document
from sinks.alerts.notice import Notice
from sinks.alerts.outcome import Outcome, Refused, Retry
from sinks.alerts.posting import HttpSender, judge
from sinks.alerts.secret_source import EnvironmentName, SecretError, SecretPath, check_one_source

_PREFIX: Final = "whsec_"
#: Lengths that the specification allows for a symmetric secret.
_SECRET_BYTES: Final = range(24, 65)


class WebhookSettings(ChannelSettings):
    """A `webhook` channel: where to find its address and its signing secret (`whsec_` and base64)."""

    type: Literal["webhook"]
    url_env: EnvironmentName | None = None
    url_file: SecretPath | None = None
    secret_env: EnvironmentName | None = None
    secret_file: SecretPath | None = None

    @model_validator(mode="after")
    def _check_sources(self) -> Self:
        check_one_source("url", self.url_env, self.url_file)
        check_one_source("secret", self.secret_env, self.secret_file)
        return self

    def open_channel(self, opening: Opening) -> Channel:
        """Read address and secret and return the channel."""
        endpoint = opening.endpoint(self.url_env, self.url_file)
        secret = opening.secret("secret", self.secret_env, self.secret_file)
        try:
            signers = tuple(map(_signer, secret.get_secret_value().split()))
        except ValueError as error:
            raise SecretError("secret_env" if self.secret_env else "secret_file", str(error)) from None
        return WebhookChannel(opening.name, opening.wording, endpoint, signers)


@dataclass(frozen=True)
class WebhookChannel:
    """Posts signed documents to one receiver."""

    can_edit: ClassVar[bool] = False
    can_thread: ClassVar[bool] = False
    can_list: ClassVar[bool] = True
    min_interval_s: ClassVar[float] = 0.0

    name: str
    wording: Wording
    endpoint: Endpoint
    signers: Sequence[Webhook] = field(repr=False)

    async def send(self, notice: Notice, http: HttpSender) -> Outcome:
        """Post one notice; 2xx is delivered, `410 Gone` says for good that nobody listens."""
        message = build_message(notice, self.wording)
        body = webhook_body(message)
        headers = signed_headers(message.notice.notice_id, http.now(), body, self.signers)
        answer = await http.post(self.endpoint, body.encode(), headers)
        return answer if isinstance(answer, Retry | Refused) else judge(answer, self.endpoint)


def webhook_body(message: AlertMessage) -> str:
    """Body of the message as ASCII JSON, the same bytes for every attempt."""
    return json.dumps(document(message), separators=(",", ":"))


def signed_headers(id_: str, now: datetime, body: str, signers: Sequence[Webhook]) -> dict[str, str]:
    """Headers of one attempt at `now` (UTC)."""
    return {
        "Content-Type": "application/json",
        "webhook-id": id_,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signer.sign(id_, now, body) for signer in signers),
    }


def _signer(secret: str) -> Webhook:
    try:
        encoded = secret.removeprefix(_PREFIX)
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or len(key) not in _SECRET_BYTES:
        raise ValueError(f"must be {_PREFIX} and {_SECRET_BYTES[0]} to {_SECRET_BYTES[-1]} bytes in base64")
    return Webhook(key)
