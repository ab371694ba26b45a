"""What holds for every channel type there is. A new type joins by a line in SETTINGS; without it a test fails."""

import asyncio
import base64
import logging
from collections.abc import Mapping
from typing import Any, get_args

import pytest

from schemas.alerts import AlertIntent
from sinks.alerts.channel import Channel
from sinks.alerts.delivery import deliver
from sinks.alerts.outcome import Delivered, Outcome, Refused, Retry
from sinks.alerts.posting import HttpSender, Limits
from sinks.alerts.registry import AnyChannelSettings
from sinks.alerts.routing import Routing, RoutingError, open_channels
from tests.support.alert_intents import EXAMPLE, an_intent
from tests.support.chat_endpoint import Answer, ChatEndpoint

SIGNING_SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
SETTINGS: dict[str, dict[str, Any]] = {
    "console": {"type": "console"},
    "slack": {"type": "slack", "url_env": "TARGET"},
    "webhook": {"type": "webhook", "url_env": "TARGET", "secret_env": "SIGNING"},
}
OVER_HTTP = sorted(SETTINGS.keys() - {"console"})
ODD = an_intent(
    friction_id="",
    team=None,
    topic="\x00<!channel>\ud800",
    sentence_en="",
    severity=99,
    evidence=(),
    nearest_miss="",
    anchor_at=-(2**62),
    minutes=float("nan"),
)


def environment(url: str) -> Mapping[str, str]:
    return {"TARGET": url, "SIGNING": SIGNING_SECRET}


def opened(type_: str, url: str, **changes: str) -> Channel:
    settings = SETTINGS[type_] | changes
    routing = Routing.model_validate({"channels": {"team": settings}, "routes": [{"channels": ["team"]}]})
    return open_channels(routing, environment(url))["team"]


def delivered_to(
    endpoint: ChatEndpoint, type_: str, *intents: AlertIntent, total_s: float = 10.0, **changes: str
) -> list[Outcome]:
    async def run() -> list[Outcome]:
        async with endpoint, HttpSender(Limits(total_s=total_s)) as http:
            channel = opened(type_, endpoint.url(), **changes)
            return [await deliver(channel, intent, http) for intent in intents]

    return asyncio.run(run())


def test_every_channel_type_of_the_registry_is_held_to_this_contract() -> None:
    models = get_args(get_args(AnyChannelSettings)[0])
    assert {get_args(model.model_fields["type"].annotation)[0] for model in models} == SETTINGS.keys()


@pytest.mark.parametrize("type_", SETTINGS)
def test_an_alert_is_delivered_once_with_its_sentence_and_its_evidence(
    type_: str, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint = ChatEndpoint()
    assert delivered_to(endpoint, type_, EXAMPLE) == [Delivered()]
    told = [request.body.decode() for request in endpoint.received] or [capsys.readouterr().out]
    assert len(told) == 1
    for piece in (EXAMPLE.sentence_en, "acme/crm/1", EXAMPLE.nearest_miss, f"journeys timeline {EXAMPLE.person_key}"):
        assert piece in told[0]


@pytest.mark.parametrize("type_", SETTINGS)
def test_a_channel_speaks_the_language_it_is_given(type_: str, capsys: pytest.CaptureFixture[str]) -> None:
    endpoint = ChatEndpoint()
    delivered_to(endpoint, type_, EXAMPLE, language="de")
    told = "".join(request.body.decode() for request in endpoint.received) or capsys.readouterr().out
    assert EXAMPLE.sentence_de in told
    assert "Hoch: channel redirect" in told


@pytest.mark.parametrize("type_", SETTINGS)
def test_an_odd_intent_is_delivered_too(type_: str) -> None:
    assert delivered_to(ChatEndpoint(), type_, ODD) == [Delivered()]


@pytest.mark.parametrize("type_", OVER_HTTP)
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(200), Delivered),
        (Answer(204, ""), Delivered),
        (Answer(302, headers={"Location": "/elsewhere"}), Refused),
        (Answer(400, "nonsense"), Refused),
        (Answer(403), Refused),
        (Answer(404), Refused),
        (Answer(408), Retry),
        (Answer(410), Refused),
        (Answer(413), Refused),
        (Answer(429, headers={"Retry-After": "17"}), Retry),
        (Answer(500), Retry),
        (Answer(503, headers={"Retry-After": "5"}), Retry),
        (Answer(599), Retry),
        (Answer(299), Delivered),
        (Answer(streams_bytes=50_000_000), Delivered),
    ],
)
def test_each_answer_has_its_outcome_and_none_is_followed_or_repeated(
    type_: str, answer: Answer, expected: type[Outcome]
) -> None:
    endpoint = ChatEndpoint(answer)
    outcome = delivered_to(endpoint, type_, EXAMPLE)[0]
    assert type(outcome) is expected
    assert len(endpoint.received) == 1
    assert endpoint.bytes_streamed < 50_000_000
    if isinstance(outcome, Retry):
        assert outcome.after_s == {429: 17.0, 503: 5.0}.get(answer.status)


@pytest.mark.parametrize("type_", OVER_HTTP)
def test_a_receiver_that_hangs_is_a_retry_when_the_time_is_up(type_: str) -> None:
    endpoint = ChatEndpoint(Answer(hangs=True))
    outcome = delivered_to(endpoint, type_, EXAMPLE, total_s=0.3)[0]
    assert isinstance(outcome, Retry)
    assert "did not answer within 0.3 s" in outcome.reason


@pytest.mark.parametrize("type_", OVER_HTTP)
def test_the_same_alert_can_be_sent_again_after_a_retry(type_: str) -> None:
    endpoint = ChatEndpoint(Answer(500), Answer(429), Answer(200))
    outcomes = delivered_to(endpoint, type_, EXAMPLE, EXAMPLE, EXAMPLE)
    assert [type(outcome) for outcome in outcomes] == [Retry, Retry, Delivered]
    assert len({request.body for request in endpoint.received}) == 1


@pytest.mark.parametrize("type_", OVER_HTTP)
def test_no_secret_shows_in_channels_outcomes_or_logs(type_: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def run() -> list[str]:
        shown = []
        endpoint = ChatEndpoint(
            Answer(400, "/services/T00/B00/secret-part"), Answer(500), Answer(302), Answer(hangs=True)
        )
        async with endpoint, HttpSender(Limits(total_s=0.5)) as http:
            channel = opened(type_, endpoint.url())
            shown += [repr(channel), str(channel)]
            shown += [repr(await deliver(channel, EXAMPLE, http)) for _ in range(4)]
            dead = opened(type_, endpoint.url().replace("http:", "https:"))
            shown.append(repr(await deliver(dead, EXAMPLE, http)))
            await endpoint.stop()
            shown.append(repr(await deliver(channel, EXAMPLE, http)))
        return shown

    shown = "\n".join([*asyncio.run(run(), debug=True), caplog.text])
    assert "127.0.0.1" in shown
    for secret in ("secret-part", "T00", SIGNING_SECRET, SIGNING_SECRET.removeprefix("whsec_")):
        assert secret not in shown


@pytest.mark.parametrize("type_", OVER_HTTP)
@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/secret-part",
        "https://10.0.0.1/secret-part",
        "https://169.254.169.254/secret-part",
        "https://user:secret-part@hooks.example.com/",
        "ftp://hooks.example.com/secret-part",
        "secret-part",
    ],
)
def test_an_address_that_may_not_be_used_is_an_error_at_the_start_and_is_not_shown(type_: str, url: str) -> None:
    with pytest.raises(RoutingError) as caught:
        opened(type_, url)
    assert str(caught.value).startswith("alert routing: channels.team.url_env: ")
    assert "secret-part" not in repr(caught.value) + str(caught.value)
    assert caught.value.__cause__ is None
