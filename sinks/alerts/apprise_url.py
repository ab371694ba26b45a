"""Notices through the library Apprise, to the many services that have no channel of their own here.

An optional extra and a last resort: Apprise opens its connections itself, so the guards of address.py and posting.py
do not cover it, it has no way to change or thread what it sent, and it says only whether something went through.
"""

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self

from pydantic import model_validator

from sinks.alerts.channel import Channel, ChannelSettings, Opening
from sinks.alerts.fitting import cut
from sinks.alerts.message import AlertMessage, Wording, build_message
from sinks.alerts.notice import Notice
from sinks.alerts.outcome import Delivered, Outcome, Refused, Retry
from sinks.alerts.plain_text import plain_lines
from sinks.alerts.posting import HttpSender
from sinks.alerts.secret_source import EnvironmentName, SecretError, SecretPath, check_one_source

if TYPE_CHECKING:
    from collections.abc import Callable

#: Ours: what is longer is not read there.
TITLE_LIMIT: Final = 250
BODY_LIMIT: Final = 2000

INSTALL: Final = "pip install 'customer-journeys[apprise]'"


class AppriseSettings(ChannelSettings):
    """An `apprise` channel: where to find the URL in Apprise's form (https://appriseit.com/services/), a secret."""

    type: Literal["apprise"]
    url_env: EnvironmentName | None = None
    url_file: SecretPath | None = None

    @model_validator(mode="after")
    def _check_sources(self) -> Self:
        check_one_source("url", self.url_env, self.url_file)
        return self

    def open_channel(self, opening: Opening) -> Channel:
        """Read the URL, load the library and return the channel."""
        where = "url_env" if self.url_env else "url_file"
        url = opening.secret("url", self.url_env, self.url_file).get_secret_value()
        try:
            import apprise  # noqa: PLC0415 - an optional extra
        except ImportError:
            raise SecretError("type", f"apprise is not installed; run: {INSTALL}") from None
        try:
            # Redirects are followed where the URL asks for it (`redirect=yes`), nowhere else.
            service = apprise.Apprise.instantiate(url, asset=apprise.AppriseAsset(http_redirects=False))
        except Exception:  # noqa: BLE001 - of whatever plugin; its text may hold the URL
            service = None
        if service is None:
            raise SecretError(where, "is no URL that Apprise knows")
        return AppriseChannel(opening.name, opening.wording, service)


@dataclass(frozen=True)
class AppriseChannel:
    """Notifies one service, one notice at a time, in a thread of its own."""

    can_edit: ClassVar[bool] = False
    can_thread: ClassVar[bool] = False
    can_list: ClassVar[bool] = True
    #: Ours: Apprise knows the limit of each service and sleeps as long as it takes.
    min_interval_s: ClassVar[float] = 1.0

    name: str
    wording: Wording
    service: Any = field(repr=False)
    _busy: threading.Lock = field(default_factory=threading.Lock, repr=False)

    async def send(self, notice: Notice, http: HttpSender) -> Outcome:
        """Notify once. A thread that outlives its time goes on alone; until it ends, nothing more is sent."""
        title, body = _texts(build_message(notice, self.wording), self.service)
        if not self._busy.acquire(blocking=False):
            return Retry(None, "apprise is still busy with the notice before")
        try:
            async with asyncio.timeout(http.limits.total_s):
                is_sent = await _in_thread(lambda: self.service.notify(body=body, title=title), self._busy.release)
        except TimeoutError:
            return Retry(None, f"apprise did not finish within {http.limits.total_s:g} s", may_have_arrived=True)
        except TypeError:
            return Refused("apprise cannot send this")
        except Exception as error:  # noqa: BLE001 - of whatever plugin; its text may hold the URL
            return Retry(None, f"apprise failed: {type(error).__name__}", may_have_arrived=True)
        # With some services it posts in several parts, of which the first may have arrived.
        unsent = Retry(None, "apprise could not send it, and does not say why", may_have_arrived=True)
        return Delivered() if is_sent else unsent


def _texts(message: AlertMessage, service: Any) -> tuple[str, str]:
    """Title and body within the limits of a service; where it has no title, the title starts the body."""
    title_limit = min(TITLE_LIMIT, service.title_maxlen)
    lines = [] if title_limit > 0 else [message.headline]
    body = cut("\n".join([*lines, *plain_lines(message)]), min(BODY_LIMIT, service.body_maxlen))
    return (cut(message.headline, title_limit) if title_limit > 0 else ""), body or message.headline


async def _in_thread(work: "Callable[[], Any]", done: "Callable[[], None]") -> Any:
    """Result of work in a daemon thread, which a worker that stops need not wait for."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[Any] = loop.create_future()

    def settle(value: Any, error: BaseException | None) -> None:
        if not result.done():
            result.set_result(value) if error is None else result.set_exception(error)

    def run() -> None:
        value, failure = None, None
        try:
            value = work()
        except Exception as error:  # noqa: BLE001 - passed on
            failure = error
        finally:
            done()
        # The worker may have stopped in the meantime.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, value, failure)

    threading.Thread(target=run, name="apprise", daemon=True).start()
    return await result
