"""The way out to receivers of notices, with all that keeps it safe.

https only off this machine, addresses checked and held (address.py), no redirects, no proxies from the environment, no
cookies, one total time limit, and no more of an answer read than it takes to judge it.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self

import msgspec
from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    InvalidURL,
    TCPConnector,
    ThreadedResolver,
)
from aiohttp.abc import AbstractResolver

from sinks.alerts.address import ForbiddenAddressError, GuardedResolver, Reach, guarded_socket_factory
from sinks.alerts.endpoint import Endpoint
from sinks.alerts.outcome import Delivered, Outcome, Refused, Retry

#: However long a receiver asks to be left alone, it is asked again after this.
LONGEST_RETRY_AFTER_S: Final = 3600.0

_PIECE_BYTES: Final = 65_536

#: Answers that say "later", besides all 5xx: request timeout, too early, too many requests.
_LATER: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Caps on one delivery: seconds from name resolution to answer, bytes of the answer that are read."""

    total_s: float = 10.0
    answer_bytes: int = 4096


class Answer(msgspec.Struct, frozen=True):
    """What a receiver answered: status, the first bytes of the body, and the seconds of `Retry-After` if any."""

    status: int
    body: bytes
    retry_after_s: float | None


def utc_now() -> datetime:
    """The moment it is, in UTC."""
    return datetime.now(UTC)


class HttpSender:
    """Posts to endpoints. One for a process; an async context manager, to be used from one event loop.

    `resolver` and `now` are there to be replaced: by a resolver that knows other names, by a clock under control.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        resolver: AbstractResolver | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.now = now
        self.limits = limits or Limits()
        self._resolver = resolver
        self._sessions: dict[Reach, ClientSession] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Get ready to resolve names; sessions are opened when they are needed."""
        self._resolver = self._resolver or ThreadedResolver()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections."""
        self._sessions.clear()
        await self._stack.aclose()

    async def post(
        self, endpoint: Endpoint, body: bytes, headers: Mapping[str, str], *, answer_bytes: int | None = None
    ) -> Answer | Retry | Refused:
        """Post a body once. Whatever the network does is a value; no reason holds more of the URL than its host.

        Of the answer, what comes first is read, no more than the limit; or, with `answer_bytes`, all of it up to that.
        """
        where = endpoint.masked
        try:
            async with self._session(endpoint.reach).post(
                endpoint.url, data=body, headers=headers, allow_redirects=False
            ) as response:
                start = await response.content.read(min(answer_bytes or self.limits.answer_bytes, _PIECE_BYTES))
                while answer_bytes and len(start) < answer_bytes and not response.content.at_eof():
                    start += await response.content.read(min(answer_bytes - len(start), _PIECE_BYTES))
                return Answer(response.status, start, retry_after_s(response.headers.get("Retry-After"), self.now()))
        except InvalidURL:
            return Refused(f"{where} is not an address that can be posted to")
        except TimeoutError:
            return Retry(None, f"{where} did not answer within {self.limits.total_s:g} s", may_have_arrived=True)
        except ClientConnectorDNSError as error:
            if isinstance(error.os_error, ForbiddenAddressError):
                return Refused(f"{where}: {error.os_error}")
            return Retry(None, f"{where}: the name cannot be resolved")
        except ClientConnectorCertificateError:
            return Retry(None, f"{where}: its certificate is not accepted")
        except ClientConnectorError as error:
            if isinstance(error.os_error, ForbiddenAddressError):
                return Refused(f"{where}: {error.os_error}")
            return Retry(None, f"{where} cannot be reached: {type(error.os_error).__name__}")
        except (ClientError, OSError) as error:
            # Texts of these errors may quote the URL, so only their kind is told.
            return Retry(None, f"{where} broke off: {type(error).__name__}", may_have_arrived=True)

    async def dial(self, host: str, port: int, reach: Reach) -> socket.socket:
        """Connected TCP socket to one of a name's addresses, for what is not HTTP. Takes no longer than there is.

        Raises:
            ForbiddenAddressError: the name leads outside the reach.
            TimeoutError, OSError: it cannot be resolved or reached.

        """
        assert self._resolver is not None, "entered"  # noqa: S101
        async with asyncio.timeout(self.limits.total_s):
            found = await GuardedResolver(self._resolver, reach).resolve(host, port, socket.AF_UNSPEC)
            failure = OSError("the name has no address")
            for address in found:
                destination = (address["host"], address["port"])
                info = (address["family"], socket.SOCK_STREAM, socket.IPPROTO_TCP, "", destination)
                opened = guarded_socket_factory(reach)(info)
                opened.settimeout(0.0)
                try:
                    await asyncio.get_running_loop().sock_connect(opened, destination)
                except OSError as error:
                    opened.close()
                    failure = error
                except BaseException:
                    opened.close()
                    raise
                else:
                    return opened
            raise failure

    def _session(self, reach: Reach) -> ClientSession:
        """The session of a reach, so that a connection made for one never serves another."""
        if reach not in self._sessions:
            assert self._resolver is not None, "entered"  # noqa: S101
            connector = TCPConnector(
                resolver=GuardedResolver(self._resolver, reach),
                socket_factory=guarded_socket_factory(reach),
                use_dns_cache=False,
                # Notices are rare: a connection kept open would mostly be found closed, and look like a failure.
                force_close=True,
            )
            session = ClientSession(
                connector=connector,
                cookie_jar=DummyCookieJar(),
                timeout=ClientTimeout(total=self.limits.total_s),
                headers={"User-Agent": "customer-journeys", "Accept-Encoding": "identity"},
                # A compressed answer could be many times the size that is read.
                auto_decompress=False,
                trust_env=False,
            )
            self._sessions[reach] = session
            self._stack.push_async_callback(session.close)
        return self._sessions[reach]


def judge(answer: Answer, endpoint: Endpoint) -> Outcome:
    """Judge an answer by its status alone.

    2xx is delivered; 408, 425, 429 and 5xx are worth another try; everything else, redirects included, is refused.
    A server that failed, or a proxy before one, may have taken it all the same: 5xx, except for 503.
    """
    status = answer.status
    said = f"{endpoint.masked} answered {status}" + (f" {phrase}" if (phrase := _phrase(status)) else "")
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Delivered()
    if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        is_unsure = status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.SERVICE_UNAVAILABLE
        return Retry(answer.retry_after_s, said, may_have_arrived=is_unsure)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Refused(f"{said}; redirects are not followed")
    return Refused(said)


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Seconds that a `Retry-After` header asks for (seconds or an HTTP date, RFC 9110), at most one hour.

    None when there is no header or it says nothing; 0 for a date that has passed.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    # RFC 9110 dates are in GMT; one that does not say so is read the same.
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), LONGEST_RETRY_AFTER_S)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
