"""The way out over HTTP: where it goes, where it does not, and what it makes of answers."""

import asyncio
import socket
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from sinks.alerts.address import ForbiddenAddressError, Reach
from sinks.alerts.allowed import NOTHING_ALLOWED, AllowedAddresses
from sinks.alerts.endpoint import Endpoint
from sinks.alerts.outcome import Refused, Retry
from sinks.alerts.posting import Answer, HttpSender, Limits, retry_after_s
from tests.support.chat_endpoint import Answer as Reply
from tests.support.chat_endpoint import ChatEndpoint, chat_endpoint_in_thread
from tests.support.endpoints import an_endpoint
from tests.support.names import Names

PUBLIC_ADDRESS = "93.184.216.34"
NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def posted(
    url: str,
    names: Names | None = None,
    limits: Limits | None = None,
    allowed: AllowedAddresses = NOTHING_ALLOWED,
) -> Answer | Retry | Refused:
    async def run() -> Answer | Retry | Refused:
        async with HttpSender(limits, resolver=names) as http:
            endpoint = Endpoint.parse(SecretStr(url), allowed)
            return await http.post(endpoint, b"{}", {"Content-Type": "application/json"})

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
        ["64:ff9b:1::a00:1"],
        ["2002:a00:1::"],
        ["fd00:ec2::254"],
        ["168.63.129.16"],
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


def test_a_host_that_is_allowed_by_name_is_reached_in_a_private_network_and_no_other_host_is() -> None:
    allowed = AllowedAddresses(allowed_hosts=("chat.example",))
    with chat_endpoint_in_thread() as endpoint:
        # It speaks no TLS, so it is reached and then broken off: the point is that there is a connection.
        reached = posted(f"https://chat.example:{endpoint.port}/", Names(["127.0.0.1"]), allowed=allowed)
        assert isinstance(reached, Retry)
        assert endpoint.connections == 1
        other = posted(f"https://other.example:{endpoint.port}/", Names(["127.0.0.1"]), allowed=allowed)
        assert isinstance(other, Refused)
        assert endpoint.connections == 1


def test_a_host_that_is_allowed_by_name_cannot_lead_to_the_credentials_of_a_cloud() -> None:
    allowed = AllowedAddresses(allowed_hosts=("chat.example",))
    outcome = posted("https://chat.example/", Names(["169.254.169.254"]), allowed=allowed)
    assert outcome == Refused("https://chat.example/…: 169.254.169.254 is not an allowed address")


def test_connections_of_one_reach_are_never_used_for_another() -> None:
    async def run(endpoint: ChatEndpoint) -> list[Answer | Retry | Refused]:
        async with HttpSender(resolver=Names(["127.0.0.1"], ["127.0.0.1"])) as http:
            near = Endpoint.parse(SecretStr(f"http://localhost:{endpoint.port}/"))
            far = Endpoint.parse(SecretStr(f"https://chat.example:{endpoint.port}/"))
            return [await http.post(one, b"{}", {}) for one in (near, far)]

    with chat_endpoint_in_thread() as endpoint:
        near, far = asyncio.run(run(endpoint))
    assert isinstance(near, Answer)
    assert isinstance(far, Refused)
    assert endpoint.connections == 1


def test_headers_that_drip_for_ever_are_a_retry_when_the_time_is_up() -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"H")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            writer.close()

    async def run() -> Answer | Retry | Refused:
        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with HttpSender(Limits(total_s=0.3)) as http:
            outcome = await http.post(an_endpoint(f"http://127.0.0.1:{port}/"), b"{}", {})
        server.close()
        return outcome

    assert isinstance(asyncio.run(run()), Retry)


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "169.254.169.254"])
def test_no_connection_of_another_protocol_goes_into_a_private_network_either(address: str) -> None:
    async def run() -> None:
        async with HttpSender(resolver=Names([address])) as http:
            await http.dial("mail.example", 25, Reach.PUBLIC)

    with pytest.raises(ForbiddenAddressError, match=f"{address} is not a public address"):
        asyncio.run(run())


def test_the_next_address_of_a_name_is_tried_where_one_does_not_answer() -> None:
    async def run(port: int) -> str:
        async with HttpSender(resolver=Names(["127.0.0.2", "127.0.0.1"])) as http:
            with await http.dial("localhost", port, Reach.LOOPBACK) as connection:
                return str(connection.getpeername()[0])

    with chat_endpoint_in_thread() as endpoint:
        assert asyncio.run(run(endpoint.port)) == "127.0.0.1"
