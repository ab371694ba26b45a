"""Whatever Apprise knows: an optional library, in a thread, with a limit on everything."""

import asyncio
import builtins
import threading
from typing import Any

import pytest

from sinks.alerts.apprise_url import AppriseChannel
from sinks.alerts.message import Wording
from sinks.alerts.outcome import Delivered, Outcome, Refused, Retry
from sinks.alerts.posting import HttpSender, Limits
from sinks.alerts.secret_source import SecretError
from tests.support.channels import opened
from tests.support.chat_endpoint import Answer, ChatEndpoint
from tests.support.notices import EXAMPLES, SUBJECT, a_notice

EXAMPLE = EXAMPLES["opened"]


class Service:
    """A service in place of Apprise's, with its limits; does what it is told when it is notified."""

    def __init__(self, does: Any = True, title_maxlen: int = 250, body_maxlen: int = 32_768) -> None:
        self.does = does
        self.title_maxlen = title_maxlen
        self.body_maxlen = body_maxlen
        self.notified: list[tuple[str, str]] = []

    def notify(self, body: str, title: str) -> Any:
        self.notified.append((title, body))
        if isinstance(self.does, Exception):
            raise self.does
        return self.does() if callable(self.does) else self.does


def sent(service: Service, total_s: float = 5.0) -> Outcome:
    async def run() -> Outcome:
        async with HttpSender(Limits(total_s=total_s)) as http:
            return await AppriseChannel("team", Wording(), service).send(EXAMPLE, http)

    return asyncio.run(run())


def test_a_real_service_gets_title_and_text() -> None:
    async def run(endpoint: ChatEndpoint) -> Outcome:
        async with endpoint, HttpSender() as http:
            return await opened("apprise", endpoint.url()).send(EXAMPLE, http)

    endpoint = ChatEndpoint()
    assert asyncio.run(run(endpoint)) == Delivered()
    told = endpoint.received[0].json
    assert told["title"] == f"High: {SUBJECT.sentence_en}"
    assert told["message"].startswith("Customer time: 12.5 min · This week: 9, usually 2.5")


def test_a_redirect_is_not_followed() -> None:
    async def run(endpoint: ChatEndpoint) -> Outcome:
        async with endpoint, HttpSender() as http:
            return await opened("apprise", endpoint.url()).send(EXAMPLE, http)

    endpoint = ChatEndpoint(Answer(307, headers={"Location": "/elsewhere"}))
    assert isinstance(asyncio.run(run(endpoint)), Retry)
    assert len(endpoint.received) == 1


@pytest.mark.parametrize(
    ("does", "expected"),
    [
        (True, Delivered()),
        (False, Retry(None, "apprise could not send it, and does not say why", may_have_arrived=True)),
        (None, Retry(None, "apprise could not send it, and does not say why", may_have_arrived=True)),
        (TypeError("secret"), Refused("apprise cannot send this")),
        (RuntimeError("secret"), Retry(None, "apprise failed: RuntimeError", may_have_arrived=True)),
    ],
)
def test_what_apprise_says_is_understood_and_no_more_of_it_is_told(does: Any, expected: Outcome) -> None:
    assert sent(Service(does)) == expected


@pytest.mark.parametrize(("title_maxlen", "body_maxlen"), [(250, 32_768), (60, 100), (0, 160)])
def test_title_and_text_keep_the_limits_of_the_service(title_maxlen: int, body_maxlen: int) -> None:
    service = Service(title_maxlen=title_maxlen, body_maxlen=body_maxlen)
    assert sent(service) == Delivered()
    title, body = service.notified[0]
    assert len(title) <= title_maxlen
    assert 0 < len(body) <= body_maxlen
    assert (title or body).startswith("High: A customer asked on social media")


def test_one_notice_at_a_time_and_a_thread_that_hangs_holds_up_nothing_but_its_channel() -> None:
    may_end = threading.Event()
    service = Service(lambda: may_end.wait(30))

    async def run() -> list[Outcome]:
        async with HttpSender(Limits(total_s=0.2)) as http:
            channel = AppriseChannel("team", Wording(), service)
            other = AppriseChannel("other", Wording(), Service())
            outcomes = [await channel.send(EXAMPLE, http), await channel.send(EXAMPLE, http)]
            outcomes.append(await other.send(EXAMPLE, http))
            may_end.set()
            async with asyncio.timeout(10):
                while not isinstance(outcome := await channel.send(a_notice(), http), Delivered):
                    assert outcome == Retry(None, "apprise is still busy with the notice before")
                    await asyncio.sleep(0)
            return outcomes

    assert asyncio.run(run()) == [
        Retry(None, "apprise did not finish within 0.2 s", may_have_arrived=True),
        Retry(None, "apprise is still busy with the notice before"),
        Delivered(),
    ]


def test_without_the_library_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    there = builtins.__import__

    def absent(name: str, *rest: Any, **more: Any) -> Any:
        if name == "apprise":
            raise ImportError(name)
        return there(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(SecretError, match=r"pip install 'customer-journeys\[apprise\]'"):
        opened("apprise", "http://127.0.0.1:9/secret-part")
