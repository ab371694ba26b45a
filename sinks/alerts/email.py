"""Notices by e-mail, handed to a mail server (SMTP submission, RFC 6409) over TLS."""

import asyncio
import re
import socket
import ssl
from dataclasses import dataclass, field
from email.headerregistry import Address
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

import structlog
from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPTimeoutError,
)
from pydantic import AfterValidator, Field, SecretStr, model_validator

from sinks.alerts.address import ForbiddenAddressError, Reach, Zone, is_within
from sinks.alerts.allowed import is_literal, is_number
from sinks.alerts.channel import Channel, ChannelSettings, Opening
from sinks.alerts.mail_text import Envelope, mail, message_id
from sinks.alerts.message import Wording, build_message
from sinks.alerts.notice import Notice
from sinks.alerts.outcome import Delivered, Outcome, Refused, Retry
from sinks.alerts.posting import HttpSender
from sinks.alerts.secret_source import EnvironmentName, SecretError, SecretPath, check_one_source

_log = structlog.get_logger()

PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
#: Replies of 500 and above say that the same mail will never be taken (RFC 5321).
_NEVER: Final = 500
_NAME_CHARACTERS: Final = 100
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*")
_HOST: Final = re.compile(r"[A-Za-z0-9.:_-]{1,253}")
_UNSUBSCRIBE: Final = re.compile(r"(?:https://|mailto:)[!-;=?-~]{1,900}")


def _mailbox(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise ValueError("must be an e-mail address in ASCII, without a name")
    return text


def _name(text: str) -> str:
    if not text.isprintable() or not 1 <= len(text) <= _NAME_CHARACTERS:
        raise ValueError(f"must be one line of at most {_NAME_CHARACTERS} characters")
    return text


def _host(text: str) -> str:
    if not _HOST.fullmatch(text) or (is_number(text) and not is_literal(text)):
        raise ValueError("must be the name or the IP address of a mail server")
    return text


def _unsubscribe(text: str) -> str:
    if not _UNSUBSCRIBE.fullmatch(text):
        raise ValueError("must start with https:// or mailto: and hold no spaces")
    return text


Mailbox = Annotated[str, AfterValidator(_mailbox)]


class EmailSettings(ChannelSettings):
    """An `email` channel: the mail server, from whom and to whom, and where to find the password.

    `security` is `starttls` (port 587), `tls` (465) or, on this machine alone, `none` (25). `user` and a password go
    together. `ca_file` holds the certificates of those who may vouch for the server, where the system's do not.
    """

    type: Literal["email"]
    host: Annotated[str, AfterValidator(_host)]
    port: int | None = Field(default=None, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = Field(default=None, min_length=1)
    password_env: EnvironmentName | None = None
    password_file: SecretPath | None = None
    sender: Mailbox
    sender_name: Annotated[str, AfterValidator(_name)] = "Customer journeys"
    recipients: tuple[Mailbox, ...] = Field(min_length=1, max_length=50)
    unsubscribe: Annotated[str, AfterValidator(_unsubscribe)] | None = None
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _check_sources(self) -> Self:
        if self.user is None and (self.password_env or self.password_file):
            raise ValueError("a password needs a user")
        if self.user is not None:
            check_one_source("password", self.password_env, self.password_file)
        return self

    def open_channel(self, opening: Opening) -> Channel:
        """Read the password and return the channel."""
        password = opening.secret("password", self.password_env, self.password_file) if self.user else None
        reach = opening.allowed.reach_of(self.host)
        if is_literal(self.host) and not is_within(self.host, reach):
            raise SecretError("host", f"leads to {self.host}, which is not a public address")
        if self.security == "none" and reach.zone is not Zone.LOOPBACK:
            raise SecretError("security", "must be starttls or tls (none is for this machine only)")
        envelope = Envelope(
            sender=Address(self.sender_name, addr_spec=self.sender),
            recipients=tuple(Address(addr_spec=recipient) for recipient in self.recipients),
            list_name=opening.name,
            unsubscribe=self.unsubscribe,
        )
        server = MailServer(
            host=self.host,
            port=self.port or PORTS[self.security],
            security=self.security,
            user=self.user,
            password=password,
            reach=reach,
            tls=_tls_context(self.ca_file and opening.folder / self.ca_file) if self.security != "none" else None,
        )
        return EmailChannel(opening.name, opening.wording, server, envelope)


@dataclass(frozen=True)
class MailServer:
    """Where mails are handed in, and how."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    user: str | None
    password: SecretStr | None = field(repr=False)
    reach: Reach
    tls: ssl.SSLContext | None = field(repr=False)


@dataclass(frozen=True)
class EmailChannel:
    """Hands mails to one server. A reference is the Message-ID."""

    can_edit: ClassVar[bool] = False
    can_thread: ClassVar[bool] = True
    can_list: ClassVar[bool] = True
    min_interval_s: ClassVar[float] = 0.0

    name: str
    wording: Wording
    server: MailServer
    envelope: Envelope

    async def send(self, notice: Notice, http: HttpSender) -> Outcome:
        """Hand in one mail to all recipients. It is delivered when the server has taken it for one of them."""
        server = self.server
        where = f"smtp://{server.host}:{server.port}"
        message = build_message(notice, self.wording)
        built = mail(message, self.envelope, http.now())
        client = SMTP(
            hostname=server.host,
            local_hostname=_own_name(),
            timeout=http.limits.total_s,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            tls_context=server.tls,
            username=server.user,
            password=server.password.get_secret_value() if server.password else None,
        )
        is_connected = False
        try:
            async with asyncio.timeout(http.limits.total_s):
                await client.connect(sock=await http.dial(server.host, server.port, server.reach), port=None)
                is_connected = True
                refused, _ = await client.sendmail(
                    self.envelope.sender.addr_spec,
                    [recipient.addr_spec for recipient in self.envelope.recipients],
                    built,
                )
        except ForbiddenAddressError as error:
            return Refused(f"{where}: {error}")
        except (TimeoutError, SMTPTimeoutError):
            return Retry(None, f"{where} did not answer within {http.limits.total_s:g} s", is_connected)
        except SMTPRecipientsRefused as error:
            # If only one of them may be taken later, it is worth another try.
            return _judge(where, min(one.code for one in error.recipients), "takes mail for none of the recipients")
        except SMTPResponseException as error:
            return _judge(where, error.code, "does not take it")
        except SMTPNotSupported:
            # Somebody between may have taken the offer of TLS out; nothing is sent in plain text because of that.
            return Retry(None, f"{where} offers no TLS or no way to log in")
        except (SMTPException, OSError) as error:
            if isinstance(error.__cause__ or error, ssl.SSLCertVerificationError):
                return Retry(None, f"{where}: its certificate is not accepted")
            return Retry(None, f"{where} cannot be reached or broke off: {type(error).__name__}", is_connected)
        finally:
            # Without a farewell, of which nothing could be learnt: a mail that was taken is not to go out again.
            client.close()
        if refused:
            _log.warning("mail_refused_for_some", channel=self.name, recipients=len(refused))
        return Delivered(message_id(message.notice.notice_id, self.envelope))


def _judge(where: str, code: int, what: str) -> Outcome:
    # The text of a reply may hold anything, also what was sent: only its code is told.
    reason = f"{where} {what}: it answered {code}"
    return Refused(reason) if code >= _NEVER else Retry(None, reason)


def _own_name() -> str:
    """Name to greet with. Not the full one: looking that up may take a name server's patience."""
    name = socket.gethostname()
    return name if re.fullmatch(r"[A-Za-z0-9.-]{1,253}", name) else "localhost"


def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise SecretError("ca_file", f"the file {ca_file} holds no certificates that can be read") from error
