"""Signed webhooks, verified by the Standard Webhooks library as a receiver would."""

import asyncio
import base64
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from standardwebhooks import Webhook, WebhookVerificationError

from sinks.alerts.channel import Channel
from sinks.alerts.message import Wording, build_message
from sinks.alerts.notice import Notice, NoticeKind
from sinks.alerts.posting import HttpSender, utc_now
from sinks.alerts.routing import Routing, RoutingError, open_channels
from sinks.alerts.webhook import webhook_body
from tests.support.chat_endpoint import Answer, ChatEndpoint, Received
from tests.support.notices import EXAMPLES, SUBJECT, a_notice, a_subject, any_notices

EXAMPLE = EXAMPLES["opened"]


def a_secret(letter: bytes = b"k", length: int = 32) -> str:
    return "whsec_" + base64.b64encode(letter * length).decode()


def opened(url: str, secret: str) -> Channel:
    settings = {"type": "webhook", "url_env": "URL", "secret_env": "SECRET"}
    routing = Routing.model_validate({"channels": {"hook": settings}, "routes": [{"channels": ["hook"]}]})
    return open_channels(routing, {"URL": url, "SECRET": secret})["hook"]


def received(secret: str, *notices: Notice, times: list[datetime] | None = None) -> list[Received]:
    clock = iter(times) if times else None

    async def run() -> list[Received]:
        endpoint = ChatEndpoint(Answer(500))
        async with endpoint, HttpSender(now=lambda: next(clock) if clock else utc_now()) as http:
            channel = opened(endpoint.url(), secret)
            for notice in notices:
                await channel.send(notice, http)
        return endpoint.received

    return asyncio.run(run())


def test_a_receiver_can_verify_what_it_gets() -> None:
    request = received(a_secret(), EXAMPLE)[0]
    body = Webhook(a_secret()).verify(request.body, dict(request.headers))
    assert body["type"] == "friction.opened"
    assert body["timestamp"] == "2026-01-01T10:07:00.000Z"
    assert body["data"]["subjects"][0]["incident_id"] == SUBJECT.incident_id
    assert request.headers["content-type"] == "application/json"


def test_a_changed_body_and_another_secret_do_not_verify() -> None:
    request = received(a_secret(), EXAMPLE)[0]
    with pytest.raises(WebhookVerificationError):
        Webhook(a_secret()).verify(request.body.replace(b"invoice", b"refund!"), dict(request.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(a_secret(b"x")).verify(request.body, dict(request.headers))


def test_id_and_body_are_the_same_for_every_attempt_and_the_timestamp_is_of_each() -> None:
    start = datetime(2026, 1, 1, 12, 0, 0, 999_999, tzinfo=UTC)
    # A clock is read for the timestamp and for `Retry-After`: twice an attempt.
    times = [start, start, start + timedelta(seconds=90), start + timedelta(seconds=90)]
    first, second = received(a_secret(), EXAMPLE, EXAMPLE, times=times)
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == EXAMPLE.notice_id
    assert first.body == second.body
    assert first.headers["webhook-timestamp"] == "1767268800"
    assert second.headers["webhook-timestamp"] == "1767268890"
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


def test_another_notice_of_the_same_incident_has_another_id() -> None:
    requests = received(a_secret(), EXAMPLE, a_notice(NoticeKind.CLOSED, notice_id="4f" * 16))
    ids = [request.headers["webhook-id"] for request in requests]
    assert ids == ["3e" * 16, "4f" * 16]
    assert [request.json["type"] for request in requests] == ["friction.opened", "friction.closed"]


@pytest.mark.parametrize("notice_id", ["", "a\r\nx: y", "a.b", "\ud800", "x" * 1000])
def test_an_id_that_is_none_is_replaced_by_its_hash_in_header_and_body(notice_id: str) -> None:
    request = received(a_secret(), a_notice(notice_id=notice_id))[0]
    assert len(request.headers["webhook-id"]) == 32
    assert request.json["data"]["notice_id"] == request.headers["webhook-id"]
    Webhook(a_secret()).verify(request.body, dict(request.headers))


def test_the_channels_own_reference_stays_here() -> None:
    assert b"C1:1.1" not in received(a_secret(), a_notice(NoticeKind.CLOSED, reference="C1:1.1"))[0].body


@given(any_notices())
def test_whatever_a_notice_holds_the_document_is_one_of_the_specification(notice: Notice) -> None:
    body = webhook_body(build_message(notice, Wording()))
    assert body.isascii()
    told = json.loads(body, parse_constant=_refuse)
    assert told.keys() == {"type", "timestamp", "data"}
    assert re.fullmatch(r"[a-z]+\.[a-z]+", told["type"])
    assert datetime.fromisoformat(told["timestamp"]).tzinfo is not None
    assert isinstance(told["data"], dict)


def test_the_document_of_a_notice_is_small() -> None:
    text = "😀" * 100_000
    subject = a_subject(topic=text, team=text, sentence_en=text, nearest_miss=text, evidence=(text,) * 2, rule_id=text)
    # The specification recommends less than 20 kB.
    assert len(webhook_body(build_message(a_notice(NoticeKind.OPENED, subject), Wording()))) < 40_000
    assert len(webhook_body(build_message(EXAMPLE, Wording()))) < 4_000


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def test_while_keys_change_both_sign() -> None:
    request = received(f"{a_secret(b'n')} {a_secret(b'o')}", EXAMPLE)[0]
    assert request.headers["webhook-signature"].count("v1,") == 2
    for letter in (b"n", b"o"):
        Webhook(a_secret(letter)).verify(request.body, dict(request.headers))


@pytest.mark.parametrize("length", [24, 25, 64])
def test_secrets_of_24_to_64_bytes_are_taken_with_and_without_padding(length: int) -> None:
    for secret in (a_secret(length=length), a_secret(length=length).rstrip("=")):
        request = received(secret, EXAMPLE)[0]
        Webhook(secret).verify(request.body, dict(request.headers))


@pytest.mark.parametrize(
    "secret",
    [
        a_secret(length=23),
        a_secret(length=65),
        a_secret().removeprefix("whsec_"),
        "whsec_not base64!",
        "whsec_" + "é" * 40,
        "whsec_",
        "whpk_" + base64.b64encode(b"k" * 32).decode(),
        f"{a_secret()} {a_secret(length=5)}",
    ],
)
def test_a_secret_that_cannot_sign_is_an_error_that_does_not_show_it(secret: str) -> None:
    with pytest.raises(RoutingError) as caught:
        opened("https://hooks.example.com/", secret)
    assert "channels.hook.secret_env: must be whsec_ and 24 to 64 bytes in base64" in str(caught.value)
    assert not any(part in str(caught.value) for part in secret.split() if len(part) > len("whsec_"))
