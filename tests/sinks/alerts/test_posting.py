"""The way out over HTTP: where it goes, where it does not, and what it makes of answers."""

import asyncio
import socket
from datetime import UTC, datetime

import pytest

from sinks.alerts.outcome import Refused, Retry
from sinks.alerts.posting import Answer, HttpSender, Limits, retry_after_s
from tests.support.chat_endpoint import Answer as Reply
from tests.support.chat_endpoint import ChatEndpoint, chat_endpoint_in_thread
from tests.support.endpoints import an_endpoint
from tests.support.names import Names

PUBLIC_ADDRESS = "93.184.216.34"
NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def posted(url: str, names: Names | None = None, limits: Limits | None = None) -> Answer | Retry | Refused:
    async def run() -> Answer | Retry | Refused:
        async with HttpSender(limits, resolver=names) as http:
            return await http.post(an_endpoint(url), b"{}", {"Content-Type": "application/json"})

    return asyncio.run(run())


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["172.16.0.1"],
        ["192.168.1.1"],
        ["169.254.169.254"],
        ["100.64.0.1"],
        ["0.0.0.0"],  # noqa: S104
        ["::1"],
        ["fe80::1"],
        ["fd00::1"],
        ["::ffff:127.0.0.1"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::a00:1"],
        [PUBLIC_ADDRESS, "127.0.0.1"],
        ["127.0.0.1", PUBLIC_ADDRESS],
    ],
)
def test_a_name_that_leads_into_a_private_network_is_refused_before_anything_is_sent(addresses: list[str]) -> None:
    with chat_endpoint_in_thread() as endpoint:
        outcome = posted(f"https://chat.example:{endpoint.port}/secret-part", Names(addresses))
    private = next(address for address in addresses if address != PUBLIC_ADDRESS)
    assert outcome == Refused(f"https://chat.example:{endpoint.port}/…: {private} is not a public address")
    assert endpoint.connections == 0


def test_localhost_that_leads_elsewhere_is_refused() -> None:
    outcome = posted("http://localhost:9/", Names(["10.0.0.1"]))
    assert outcome == Refused("http://localhost:9/…: 10.0.0.1 is not a loopback address")


def test_a_name_is_resolved_once_and_the_connection_goes_to_the_address_that_was_checked() -> None:
    with chat_endpoint_in_thread() as endpoint:
        names = Names(["127.0.0.1"], ["10.0.0.1"])
        answer = posted(f"http://localhost:{endpoint.port}/", names)
    assert isinstance(answer, Answer)
    assert names.asked == ["localhost"]
    assert endpoint.connections == 1


def test_each_delivery_checks_anew_where_the_name_leads() -> None:
    async def run(endpoint: ChatEndpoint) -> list[Answer | Retry | Refused]:
        async with HttpSender(resolver=Names(["127.0.0.1"], ["10.0.0.1"])) as http:
            target = an_endpoint(f"http://localhost:{endpoint.port}/")
            return [await http.post(target, b"{}", {}) for _ in range(2)]

    with chat_endpoint_in_thread() as endpoint:
        first, second = asyncio.run(run(endpoint))
    assert isinstance(first, Answer)
    assert isinstance(second, Refused)
    assert len(endpoint.received) == 1


def test_an_unknown_name_is_a_retry() -> None:
    outcome = posted("https://chat.example/secret-part", Names())
    assert outcome == Retry(None, "https://chat.example/…: the name cannot be resolved")


def test_a_closed_port_is_a_retry() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        outcome = posted(f"http://127.0.0.1:{unused.getsockname()[1]}/secret-part")
    assert isinstance(outcome, Retry)
    assert "cannot be reached" in outcome.reason


def test_a_receiver_without_tls_behind_an_https_address_is_a_retry() -> None:
    with chat_endpoint_in_thread() as endpoint:
        outcome = posted(endpoint.url().replace("http:", "https:"))
    assert isinstance(outcome, Retry)


def test_no_more_of_an_answer_is_read_than_the_cap() -> None:
    with chat_endpoint_in_thread(Reply(streams_bytes=50_000_000)) as endpoint:
        answer = posted(endpoint.url(), limits=Limits(answer_bytes=100))
    assert isinstance(answer, Answer)
    assert len(answer.body) <= 100
    assert endpoint.bytes_streamed < 50_000_000


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with chat_endpoint_in_thread() as endpoint:
        assert isinstance(posted(endpoint.url()), Answer)


def test_cookies_of_a_receiver_are_not_sent_back() -> None:
    async def run(endpoint: ChatEndpoint) -> None:
        # By name: cookie jars ignore bare addresses anyway.
        async with HttpSender(resolver=Names(["127.0.0.1"], ["127.0.0.1"])) as http:
            for _ in range(2):
                await http.post(an_endpoint(f"http://localhost:{endpoint.port}/"), b"{}", {})

    with chat_endpoint_in_thread(Reply(headers={"Set-Cookie": "a=b"})) as endpoint:
        asyncio.run(run(endpoint))
    assert "cookie" not in endpoint.received[1].headers


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("30", 30.0),
        (" 30 ", 30.0),
        ("3600", 3600.0),
        ("3601", 3600.0),
        ("9" * 5000, 3600.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("²", None),
        ("Thu, 01 Jan 2026 12:01:30 GMT", 90.0),
        ("Thu, 01 Jan 2026 12:01:30 -0000", 90.0),
        ("Thu, 01 Jan 2026 14:01:30 +0200", 90.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("Fri, 02 Jan 2026 12:00:00 GMT", 3600.0),
        ("Thu, 99 Jan 2026 12:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, NOW) == seconds
