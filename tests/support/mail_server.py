"""A real mail server in place of a company's: keeps what it takes, answers as told. Bound to 127.0.0.1.

`async with MailServer() as server` in a running event loop. TLS with a certificate made for the occasion.
"""

import asyncio
import ssl
import subprocess
from collections import deque
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass(frozen=True)
class Reply:
    """How to answer one mail: after its sender, its recipients, or all of it. `hangs` and `cuts` come at the end."""

    at_recipient: str = "250 OK"
    at_end: str = "250 OK"
    hangs: bool = False
    cuts: bool = False


@dataclass(frozen=True)
class Mail:
    """A mail as it was handed in, with the user that did."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    user: str | None
    is_encrypted: bool

    @property
    def parsed(self) -> EmailMessage:
        message = message_from_bytes(self.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        return message


class MailServer:
    """Takes mail. `refused_recipients` are refused alone; `password` is that of every user, None for no log-in."""

    def __init__(
        self,
        *replies: Reply,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        starttls: bool = False,
        refused_recipients: tuple[str, ...] = (),
    ) -> None:
        self.mails: list[Mail] = []
        self.connections = 0
        self._replies = deque(replies)
        self._reply = Reply()
        self._password = password
        self._tls = tls
        self._is_starttls = starttls
        self._refused = refused_recipients
        self._server: asyncio.Server | None = None
        self._stopping = asyncio.Event()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        implicit = None if self._is_starttls else self._tls
        self._server = await loop.create_server(self._protocol, "127.0.0.1", 0, ssl=implicit)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopping.set()
        assert self._server is not None
        self._server.close()

    async def handle_MAIL(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self._reply = self._replies.popleft() if self._replies else Reply()
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self._refused:
            return "550 No such user"
        if self._reply.at_recipient.startswith("2"):
            envelope.rcpt_tos.append(address)
        return self._reply.at_recipient

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content: Any = envelope.content
        login: Any = session.auth_data
        user = login.decode() if isinstance(login, bytes) else None
        self.mails.append(
            Mail(
                sender=str(envelope.mail_from),
                recipients=tuple(map(str, envelope.rcpt_tos)),
                content=content,
                user=user,
                is_encrypted=session.ssl is not None or (self._tls is not None and not self._is_starttls),
            )
        )
        if self._reply.hangs:
            await self._stopping.wait()
        if self._reply.cuts:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return self._reply.at_end

    def _protocol(self) -> SMTP:
        self.connections += 1
        return SMTP(
            self,
            hostname="mail.example",
            tls_context=self._tls if self._is_starttls else None,
            require_starttls=self._is_starttls,
            authenticator=self._authenticate,
            auth_require_tls=self._tls is not None and self._is_starttls,
            auth_required=self._password is not None,
        )

    def _authenticate(self, _server: Any, _session: Any, _envelope: Any, mechanism: str, auth_data: Any) -> AuthResult:
        assert mechanism in ("LOGIN", "PLAIN")
        assert isinstance(auth_data, LoginPassword)
        is_right = self._password is not None and auth_data.password.decode() == self._password
        return AuthResult(success=is_right, handled=False, auth_data=auth_data.login)


def a_certificate(folder: Path, host: str = "127.0.0.1") -> tuple[ssl.SSLContext, Path]:
    """A server's context, and the file with which clients may check it."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    kind = "IP" if host[0].isdigit() else "DNS"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-keyout", str(key), "-out", str(certificate)),
            *("-subj", "/CN=test", "-addext", f"subjectAltName={kind}:{host}"),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate
