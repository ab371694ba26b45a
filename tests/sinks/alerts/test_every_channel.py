"""What holds for every channel type there is. A new type joins by a line in `channels.SETTINGS`, or a test fails."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest

from sinks.alerts.allowed import AllowedAddresses
from sinks.alerts.channel import Channel, Opening
from sinks.alerts.message import Language, Wording
from sinks.alerts.notice import Notice, NoticeKind
from sinks.alerts.outcome import Delivered, Outcome, Refused, Retry
from sinks.alerts.posting import HttpSender, Limits
from sinks.alerts.registry import AnyChannelSettings
from sinks.alerts.secret_source import SecretError
from tests.support.channels import (
    BOT_TOKEN,
    PASSWORD,
    ROUTING_KEY,
    SETTINGS,
    SIGNING_SECRET,
    TAKEN,
    opened,
    settings_of,
)
from tests.support.chat_endpoint import Answer, ChatEndpoint
from tests.support.mail_server import MailServer, Reply
from tests.support.notices import ACTIONS, EXAMPLES, SUBJECT, a_notice, a_subject

#: Those that answer with a status of HTTP, and those of them that we reach ourselves.
OVER_HTTP = sorted(SETTINGS.keys() - {"console", "email"})
GUARDED = sorted(set(OVER_HTTP) - {"apprise"})
EXAMPLE = EXAMPLES["opened"]
ODD = a_notice(
    NoticeKind.OPENED,
    a_subject(
        incident_id="",
        friction_id="",
        team=None,
        topic="\x00<!channel>\ud800",
        sentence_en="",
        severity=99,
        evidence=(),
        nearest_miss="",
        opened_at=-(2**62),
        minutes=float("nan"),
    ),
    notice_id="a\r\nb: c",
)
NOTHING = Notice(notice_id="", kind=NoticeKind.DIGEST, decided_at=0, subjects=())


def delivered_to(
    endpoint: ChatEndpoint, type_: str, *notices: Notice, total_s: float = 10.0, **changes: Any
) -> list[Outcome]:
    async def run() -> list[Outcome]:
        async with endpoint, HttpSender(Limits(total_s=total_s)) as http:
            channel = opened(type_, endpoint.url(), **changes)
            return [await channel.send(notice, http) for notice in notices]

    return asyncio.run(run())


def told(type_: str, capsys: pytest.CaptureFixture[str], *notices: Notice, **changes: Any) -> list[str]:
    """What arrives of notices that are all taken, as text without the escapes of its format."""

    async def mailed() -> list[str]:
        async with MailServer() as server, HttpSender() as http:
            channel = opened(type_, f"127.0.0.1:{server.port}", **changes)
            assert all([isinstance(await channel.send(notice, http), Delivered) for notice in notices])
            parts = [mail.parsed.get_body(("plain",)) for mail in server.mails]
            return [str(part.get_content()) for part in parts if part is not None]

    if type_ == "email":
        return asyncio.run(mailed())
    endpoint = ChatEndpoint(usual=TAKEN.get(type_))
    outcomes = delivered_to(endpoint, type_, *notices, **changes)
    assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    texts = ["\n".join(_strings(request.json)) for request in endpoint.received]
    return texts or capsys.readouterr().out.split("\n\n")


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in items for text in _strings(item)]


def test_every_channel_type_of_the_registry_is_held_to_this_contract() -> None:
    models = get_args(get_args(AnyChannelSettings)[0])
    assert {get_args(model.model_fields["type"].annotation)[0] for model in models} == SETTINGS.keys()


@pytest.mark.parametrize("type_", SETTINGS)
def test_a_notice_is_delivered_once_with_its_sentence_and_its_evidence(
    type_: str, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = told(type_, capsys, EXAMPLE)
    assert len(texts) == 1
    pieces = [SUBJECT.sentence_en, "acme/crm/1", "an answer on social itself"]
    # Machines get the numbers as numbers.
    pieces += ["12.5 min", "9, usually 2.5"] if type_ != "webhook" else []
    for piece in [*pieces, f"journeys timeline {SUBJECT.person_key}", ACTIONS["timeline"], ACTIONS["acknowledge"]]:
        assert piece in texts[0]


@pytest.mark.parametrize("type_", SETTINGS)
def test_a_channel_speaks_the_language_it_is_given(type_: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(type_, capsys, EXAMPLE, language=Language.GERMAN)[0]
    assert f"Hoch: {SUBJECT.sentence_de}" in text or SUBJECT.sentence_de in text
    assert ("9, sonst 2,5" in text) is (type_ != "webhook")


@pytest.mark.parametrize("type_", sorted(SETTINGS.keys() - {"pagerduty"}))
def test_what_is_withdrawn_is_said_to_be_so_and_why(type_: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(type_, capsys, EXAMPLES["withdrawn"])[0]
    assert "Withdrawn: " in text
    assert "eply did arrive at 09:41" in text


@pytest.mark.parametrize("type_", SETTINGS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_kind_of_notice_is_taken(type_: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(type_, capsys, EXAMPLES[name])


@pytest.mark.parametrize("type_", SETTINGS)
def test_an_odd_notice_is_delivered_too(type_: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(type_, capsys, ODD)
    assert told(type_, capsys, NOTHING)


@pytest.mark.parametrize("type_", SETTINGS)
def test_a_channel_says_what_it_can_do(type_: str) -> None:
    channel = opened(type_, "http://127.0.0.1:9")
    can = {
        "apprise": (False, False, True, 1.0),
        "console": (False, False, True, 0.0),
        "email": (False, True, True, 0.0),
        "pagerduty": (True, False, False, 0.5),
        "slack": (False, False, True, 1.0),
        "slack_bot": (True, True, True, 1.2),
        "teams": (False, False, True, 0.5),
        "webhook": (False, False, True, 0.0),
    }
    assert (channel.can_edit, channel.can_thread, channel.can_list, channel.min_interval_s) == can[type_]


@pytest.mark.parametrize("type_", SETTINGS)
def test_only_a_channel_that_can_come_back_to_it_gives_a_reference(type_: str) -> None:
    async def run() -> Outcome:
        async with MailServer() as server, ChatEndpoint(usual=TAKEN.get(type_)) as endpoint, HttpSender() as http:
            channel = opened(type_, f"127.0.0.1:{server.port}" if type_ == "email" else endpoint.url())
            outcome = await channel.send(EXAMPLE, http)
            assert isinstance(outcome, Delivered)
            assert bool(outcome.reference) is (channel.can_edit or channel.can_thread)
            return outcome

    references = {
        "email": f"<{EXAMPLE.notice_id}@shop.example>",
        "pagerduty": SUBJECT.incident_id,
        "slack_bot": "C0CARE:1767262020.000100",
    }
    assert asyncio.run(run()) == Delivered(references.get(type_, ""))


@pytest.mark.parametrize("type_", GUARDED)
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(302, headers={"Location": "/elsewhere"}), Refused),
        (Answer(307, headers={"Location": "http://169.254.169.254/"}), Refused),
        (Answer(400, "nonsense"), Refused),
        (Answer(401), Refused),
        (Answer(403), Refused),
        (Answer(404), Refused),
        (Answer(408), Retry),
        (Answer(410), Refused),
        (Answer(413), Refused),
        (Answer(429, headers={"Retry-After": "17"}), Retry),
        (Answer(500), Retry),
        (Answer(503, headers={"Retry-After": "5"}), Retry),
        (Answer(599), Retry),
        (Answer(cuts=True), Retry),
    ],
)
def test_each_answer_has_its_outcome_and_none_is_followed_or_repeated(
    type_: str, answer: Answer, expected: type[Outcome]
) -> None:
    endpoint = ChatEndpoint(answer)
    outcome = delivered_to(endpoint, type_, EXAMPLE)[0]
    assert type(outcome) is expected
    assert len(endpoint.received) == 1
    if isinstance(outcome, Retry):
        assert outcome.after_s == {429: 17.0, 503: 5.0}.get(answer.status)


@pytest.mark.parametrize("type_", sorted(set(GUARDED) - {"slack_bot"}))
@pytest.mark.parametrize("answer", [Answer(200), Answer(204, ""), Answer(299), Answer(streams_bytes=50_000_000)])
def test_the_status_2xx_is_a_delivery_whatever_the_rest_of_the_answer(type_: str, answer: Answer) -> None:
    endpoint = ChatEndpoint(answer)
    assert isinstance(delivered_to(endpoint, type_, EXAMPLE)[0], Delivered)
    assert endpoint.bytes_streamed < 50_000_000


@pytest.mark.parametrize("type_", sorted(set(GUARDED) - {"slack_bot"}))
def test_an_answer_that_drips_for_ever_is_judged_by_its_beginning(type_: str) -> None:
    assert isinstance(delivered_to(ChatEndpoint(Answer(drips=True)), type_, EXAMPLE, total_s=2.0)[0], Delivered)


@pytest.mark.parametrize("type_", OVER_HTTP)
def test_a_receiver_that_hangs_is_a_retry_when_the_time_is_up(type_: str) -> None:
    endpoint = ChatEndpoint(Answer(hangs=True))
    outcome = delivered_to(endpoint, type_, EXAMPLE, total_s=0.3)[0]
    assert isinstance(outcome, Retry)
    assert "within 0.3 s" in outcome.reason


@pytest.mark.parametrize("type_", OVER_HTTP)
def test_the_same_notice_can_be_sent_again_after_a_retry(type_: str) -> None:
    endpoint = ChatEndpoint(Answer(500), Answer(429), TAKEN[type_])
    outcomes = delivered_to(endpoint, type_, EXAMPLE, EXAMPLE, EXAMPLE)
    assert [type(outcome) for outcome in outcomes] == [Retry, Retry, Delivered]
    assert len({request.body for request in endpoint.received}) == 1


@pytest.mark.parametrize("type_", GUARDED)
def test_a_receiver_without_tls_behind_an_https_address_is_a_retry(type_: str) -> None:
    async def run() -> Outcome:
        async with ChatEndpoint() as endpoint, HttpSender() as http:
            return await opened(type_, endpoint.url().replace("http:", "https:")).send(EXAMPLE, http)

    assert isinstance(asyncio.run(run()), Retry)


@pytest.mark.parametrize("type_", sorted(SETTINGS.keys() - {"console"}))
def test_no_secret_shows_in_channels_outcomes_or_logs(
    type_: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)

    async def run() -> list[str]:
        shown = []
        mail: dict[str, Any] = {"user": "journeys", "password_env": "PASSWORD"} if type_ == "email" else {}
        replies = (Reply(at_end="451 secret-part later"), Reply(at_end="554 secret-part never"))
        endpoint = ChatEndpoint(Answer(500, "secret-part"), Answer(400, "secret-part"), Answer(302))
        async with MailServer(*replies, password=PASSWORD) as server, endpoint, HttpSender() as http:
            url = f"127.0.0.1:{server.port}" if type_ == "email" else endpoint.url()
            channel = opened(type_, url, **mail)
            shown += [repr(channel), repr(vars(channel))]
            shown += [repr(await channel.send(EXAMPLE, http)) for _ in range(3)]
            await endpoint.stop()
            shown.append(repr(await channel.send(EXAMPLE, http)))
        return shown

    shown = "\n".join([*asyncio.run(run(), debug=True), *_said_by(caplog, type_), capsys.readouterr().out])
    assert "Retry" in shown
    for secret in ("secret-part", "T00", SIGNING_SECRET, SIGNING_SECRET.removeprefix("whsec_"), BOT_TOKEN):
        assert secret not in shown
    assert ROUTING_KEY not in shown
    assert PASSWORD not in shown


def _said_by(caplog: pytest.LogCaptureFixture, type_: str) -> list[str]:
    # What a mail server and what Apprise log for debugging is theirs; both speak of this test's own address there.
    others = {"email": ("mail.log", "asyncio"), "apprise": ("apprise", "urllib3", "asyncio")}.get(type_, ())
    return [record.getMessage() for record in caplog.records if not record.name.startswith(others or "-")]


@pytest.mark.parametrize("type_", GUARDED)
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
    with pytest.raises(SecretError) as caught:
        opened(type_, url)
    assert caught.value.field == SETTINGS[type_].get("url_env", "base_url").replace("TARGET", "url_env")
    assert "secret-part" not in repr(caught.value) + str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("type_", GUARDED)
def test_an_address_within_the_network_is_taken_when_it_is_allowed(type_: str) -> None:
    allowed = AllowedAddresses.model_validate({"allowed_networks": ["10.1.0.0/16"], "allowed_hosts": ["chat.intern"]})
    for url in ("https://10.1.2.3/services", "https://chat.intern/services"):
        assert opened(type_, url, allowed=allowed).name == "team"
    with pytest.raises(SecretError, match=r"10\.2\.0\.1, which is not a public address"):
        opened(type_, "https://10.2.0.1/services", allowed=allowed)


@pytest.mark.parametrize(
    ("type_", "name", "value"),
    [
        ("slack", "TARGET", None),
        ("slack_bot", "TOKEN", None),
        ("slack_bot", "TOKEN", "secret-part"),
        ("teams", "TARGET", None),
        ("pagerduty", "KEY", None),
        ("pagerduty", "KEY", "secret-part"),
        ("webhook", "SIGNING", None),
        ("webhook", "SIGNING", "secret-part"),
        ("apprise", "APPRISE", None),
        ("apprise", "APPRISE", "unknown://secret-part"),
    ],
)
def test_a_secret_that_is_missing_or_malformed_is_named_by_its_field(type_: str, name: str, value: str | None) -> None:
    environment: Mapping[str, str | None] = {"TARGET": "http://127.0.0.1:9/", "SIGNING": SIGNING_SECRET, name: value}
    given = {key: one for key, one in environment.items() if one is not None}
    with pytest.raises(SecretError) as caught:
        _open_with(type_, given)
    assert caught.value.field.endswith("_env")
    assert "secret-part" not in str(caught.value)


def _open_with(type_: str, environment: Mapping[str, str]) -> Channel:
    return settings_of(type_, "http://127.0.0.1:9").open_channel(Opening("team", Wording(), environment, Path()))
