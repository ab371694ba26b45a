"""Mails: what they say, in which thread, to whom, and what becomes of them at a mail server."""

import asyncio
import email.utils
import ssl
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.alerts.allowed import AllowedAddresses
from sinks.alerts.mail_text import Envelope, mail
from sinks.alerts.message import Language, Wording, build_message
from sinks.alerts.notice import Notice, NoticeKind
from sinks.alerts.outcome import Delivered, Outcome, Refused, Retry
from sinks.alerts.posting import HttpSender, Limits
from sinks.alerts.secret_source import SecretError
from tests.support.channels import PASSWORD, opened
from tests.support.mail_server import MailServer, Reply, a_certificate
from tests.support.names import Names
from tests.support.notices import ACTIONS, EXAMPLES, MANY, OTHER, SUBJECT, a_notice, a_subject, any_notices

NOW = datetime(2026, 1, 1, 10, 7, 30, tzinfo=UTC)
ENVELOPE = Envelope(
    sender=Address("Customer journeys", addr_spec="journeys@shop.example"),
    recipients=(Address(addr_spec="care@shop.example"), Address(addr_spec="lead@shop.example")),
    list_name="social-care",
    unsubscribe="https://shop.example/unsubscribe?team=care",
)
ROOT = f"<incident.{SUBJECT.incident_id}@shop.example>"
FIRST = "<3e3e@shop.example>"
HEADERS = {
    *("Subject", "From", "To", "Date", "Message-ID", "In-Reply-To", "References", "List-Id", "List-Unsubscribe"),
    *("Auto-Submitted", "X-Auto-Response-Suppress", "Content-Language", "MIME-Version", "Content-Type"),
}


def mail_of(notice: Notice, language: Language = Language.ENGLISH) -> EmailMessage:
    """The mail as a receiver reads it from its bytes."""
    raw = mail(build_message(notice, Wording(language=language)), ENVELOPE, NOW)
    read = message_from_bytes(raw, policy=policy.default)
    assert isinstance(read, EmailMessage)
    return read


def text_of(read: EmailMessage, kind: str = "plain") -> str:
    part = read.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def delivered(server: MailServer, *notices: Notice, total_s: float = 5.0, **changes: Any) -> list[Outcome]:
    async def run() -> list[Outcome]:
        async with server, HttpSender(Limits(total_s=total_s)) as http:
            channel = opened("email", f"127.0.0.1:{server.port}", **changes)
            return [await channel.send(notice, http) for notice in notices or (EXAMPLES["opened"],)]

    return asyncio.run(run())


def test_a_mail_has_a_plain_and_an_html_part_that_say_the_same() -> None:
    read = mail_of(EXAMPLES["opened"])
    assert read.get_content_type() == "multipart/alternative"
    for kind in ("plain", "html"):
        said = text_of(read, kind)
        for piece in (f"High: {SUBJECT.sentence_en}", "9, usually 2.5", "acme/crm/1", "an answer on social itself"):
            assert piece in said
        for url in ACTIONS.values():
            assert url in said
    assert text_of(read).splitlines()[0] == f"High: {SUBJECT.sentence_en}"


def test_a_mail_says_from_whom_it_is_and_that_a_machine_wrote_it() -> None:
    read = mail_of(EXAMPLES["opened"])
    assert read["From"] == "Customer journeys <journeys@shop.example>"
    assert read["To"] == "care@shop.example, lead@shop.example"
    assert email.utils.parsedate_to_datetime(read["Date"]) == NOW
    assert read["Auto-Submitted"] == "auto-generated"
    assert read["List-Id"] == "<social-care.shop.example>"
    assert read["List-Unsubscribe"] == "<https://shop.example/unsubscribe?team=care>"


def test_all_mails_of_an_incident_are_one_thread_under_one_subject() -> None:
    subject = "channel redirect, form · social → web · invoice"
    opened_ = mail_of(a_notice())
    assert (opened_["Subject"], opened_["References"], opened_["In-Reply-To"]) == (subject, ROOT, None)
    assert opened_["Message-ID"] == f"<{'3e' * 16}@shop.example>"
    for kind in (NoticeKind.UPDATED, NoticeKind.CLOSED, NoticeKind.WITHDRAWN):
        known = mail_of(a_notice(kind, reference=FIRST, notice_id="4f" * 16))
        assert known["Subject"] == f"Re: {subject}"
        assert (known["References"], known["In-Reply-To"]) == (f"{ROOT} {FIRST}", FIRST)
        unknown = mail_of(a_notice(kind))
        assert (unknown["References"], unknown["In-Reply-To"]) == (ROOT, ROOT)


@pytest.mark.parametrize("kind", [NoticeKind.DIGEST, NoticeKind.EXPIRED, NoticeKind.TEST])
def test_a_list_belongs_to_no_thread(kind: NoticeKind) -> None:
    read = mail_of(a_notice(kind, MANY, OTHER, reference=FIRST))
    assert read["References"] is None
    assert read["Subject"].startswith(build_message(a_notice(kind, MANY, OTHER), Wording()).title.partition(":")[0])


@pytest.mark.parametrize("reference", ["x", "<a@b>\r\nBcc: x@example.com", "<a b@c>", "a@b", "<@>"])
def test_a_reference_that_is_no_message_id_is_not_used(reference: str) -> None:
    assert mail_of(a_notice(NoticeKind.CLOSED, reference=reference))["In-Reply-To"] == ROOT


def test_every_attempt_sends_the_same_bytes() -> None:
    first, again = (mail(build_message(a_notice(), Wording()), ENVELOPE, NOW) for _ in range(2))
    assert first == again


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]


@given(any_notices(), st.sampled_from(Language))
def test_whatever_a_notice_holds_no_header_and_no_markup_of_its_own_gets_in(notice: Notice, language: Language) -> None:
    raw = mail(build_message(notice, Wording(language=language)), ENVELOPE, NOW)
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
    read = message_from_bytes(raw, policy=policy.default)
    assert isinstance(read, EmailMessage)
    assert set(read.keys()) <= HEADERS
    assert len(read.keys()) == len(set(read.keys()))
    assert not read.defects
    html = _Links()
    html.feed(text_of(read, "html"))
    assert html.tags <= {"html", "body", "p", "strong", "ul", "li", "table", "tr", "th", "td", "a"}
    assert html.attributes <= {"lang", "align", "cellpadding", "href"}
    assert all(link.startswith(("https://", "http://")) for link in html.links)


@pytest.mark.parametrize("name", EXAMPLES)
def test_markup_in_any_text_of_any_kind_of_mail_is_shown_and_not_understood(name: str) -> None:
    hostile = "</td></a><script>alert(1)</script><img src=x>\"' onload=x"
    texts = dict.fromkeys(
        ("rule_id", "variant", "team", "topic", "from_channel", "sentence_en", "nearest_miss"), hostile
    )
    subjects = [a_subject(frictions=n, evidence=(hostile,), person_key=hostile, **texts) for n in (2, 3)]
    notice = EXAMPLES[name]
    notice = a_notice(notice.kind, *subjects, because_en=hostile, acknowledged_by=hostile, actions={"query": hostile})
    html = _Links()
    html.feed(text_of(mail_of(notice), "html"))
    assert html.tags <= {"html", "body", "p", "strong", "ul", "li", "table", "tr", "th", "td", "a"}
    assert html.attributes <= {"lang", "align", "cellpadding", "href"}


def test_100000_characters_in_every_field_are_a_mail_of_some_kilobytes() -> None:
    text = "😀\r\nBcc: x@example.com " * 5000
    subject = a_subject(topic=text, team=text, sentence_en=text, nearest_miss=text, evidence=(text,) * 9, rule_id=text)
    for kind in NoticeKind:
        notice = a_notice(kind, *[subject] * 12, because_en=text, acknowledged_by=text, reference=text)
        raw = mail(build_message(notice, Wording()), ENVELOPE, NOW)
        assert len(raw) < 100_000
        assert set(message_from_bytes(raw, policy=policy.default).keys()) <= HEADERS


def test_a_mail_goes_to_all_recipients_at_once() -> None:
    server = MailServer()
    assert delivered(server) == [Delivered(f"<{'3e' * 16}@shop.example>")]
    assert len(server.mails) == 1
    assert server.mails[0].sender == "journeys@shop.example"
    assert server.mails[0].recipients == ("care@shop.example", "lead@shop.example")
    assert server.mails[0].parsed["Subject"] == "channel redirect, form · social → web · invoice"


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (Reply(at_recipient="450 busy"), Retry, "takes mail for none of the recipients: it answered 450"),
        (Reply(at_recipient="550 nobody"), Refused, "takes mail for none of the recipients: it answered 550"),
        (Reply(at_end="421 closing"), Retry, "it answered 421"),
        (Reply(at_end="452 full"), Retry, "does not take it: it answered 452"),
        (Reply(at_end="552 too big"), Refused, "does not take it: it answered 552"),
        (Reply(at_end="554 secret spam"), Refused, "does not take it: it answered 554"),
        (Reply(cuts=True), Retry, "broke off"),
        (Reply(hangs=True), Retry, "did not answer within 0.5 s"),
    ],
)
def test_replies_of_a_mail_server_are_understood(reply: Reply, kind: type, words: str) -> None:
    outcome = delivered(MailServer(reply), total_s=0.5)[0]
    assert type(outcome) is kind
    assert words in getattr(outcome, "reason", "")
    assert "secret" not in repr(outcome)


def test_a_recipient_that_is_refused_does_not_keep_the_mail_from_the_others() -> None:
    server = MailServer(refused_recipients=("care@shop.example",))
    assert isinstance(delivered(server)[0], Delivered)
    assert server.mails[0].recipients == ("lead@shop.example",)


def test_a_recipient_that_may_be_taken_later_is_worth_another_try() -> None:
    server = MailServer(Reply(at_recipient="450 busy"), refused_recipients=("lead@shop.example",))
    outcome = delivered(server)[0]
    assert isinstance(outcome, Retry)
    assert "answered 450" in outcome.reason


def test_a_mail_that_was_put_off_goes_out_once_it_is_taken() -> None:
    server = MailServer(Reply(at_end="451 later"))
    notice = EXAMPLES["opened"]
    assert [type(outcome) for outcome in delivered(server, notice, notice)] == [Retry, Delivered]
    assert server.mails[0].parsed["Message-ID"] == server.mails[1].parsed["Message-ID"]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_mail_and_its_password_go_over_tls_to_a_server_with_a_certificate(security: str, tmp_path: Path) -> None:
    tls, certificate = a_certificate(tmp_path)
    server = MailServer(password=PASSWORD, tls=tls, starttls=security == "starttls")
    login: dict[str, Any] = {"user": "journeys", "password_env": "PASSWORD"}
    assert isinstance(delivered(server, security=security, ca_file=str(certificate), **login)[0], Delivered)
    assert server.mails[0].is_encrypted
    assert server.mails[0].user == "journeys"


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_that_nobody_vouches_for_is_a_retry_and_nothing_is_sent(security: str, tmp_path: Path) -> None:
    tls, _ = a_certificate(tmp_path)
    server = MailServer(tls=tls, starttls=security == "starttls")
    outcome = delivered(server, security=security)[0]
    assert isinstance(outcome, Retry)
    assert "certificate is not accepted" in outcome.reason
    assert server.mails == []


def test_a_certificate_of_another_name_is_a_retry(tmp_path: Path) -> None:
    tls, certificate = a_certificate(tmp_path, "mail.shop.example")
    server = MailServer(tls=tls)
    assert isinstance(delivered(server, security="tls", ca_file=str(certificate))[0], Retry)
    assert server.mails == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_server_that_offers_no_tls_gets_neither_mail_nor_password(security: str) -> None:
    server = MailServer(password=PASSWORD)
    changes: dict[str, Any] = {"security": security, "user": "journeys", "password_env": "PASSWORD"}
    assert isinstance(delivered(server, total_s=1.0, **changes)[0], Retry)
    assert server.mails == []


def test_a_wrong_password_is_refused_and_not_shown() -> None:
    server = MailServer(password="another")
    outcome = delivered(server, user="journeys", password_env="PASSWORD")[0]
    assert isinstance(outcome, Refused)
    assert "it answered 535" in outcome.reason
    assert PASSWORD not in repr(outcome)


def test_a_server_that_is_not_there_is_a_retry() -> None:
    async def run() -> Outcome:
        async with MailServer() as server:
            port = server.port
        async with HttpSender() as http:
            return await opened("email", f"127.0.0.1:{port}").send(a_notice(), http)

    outcome = asyncio.run(run())
    assert isinstance(outcome, Retry)
    assert "cannot be reached" in outcome.reason


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::ffff:192.168.0.1"])
def test_a_mail_server_whose_name_leads_into_a_private_network_is_refused(address: str) -> None:
    async def run() -> Outcome:
        async with HttpSender(resolver=Names([address])) as http:
            return await opened("email", "x:25", host="mail.shop.example", security="tls").send(a_notice(), http)

    assert asyncio.run(run()) == Refused(f"smtp://mail.shop.example:25: {address} is not a public address")


def test_a_mail_server_that_is_allowed_by_name_may_be_private(tmp_path: Path) -> None:
    tls, certificate = a_certificate(tmp_path, "mail.shop.example")
    server = MailServer(tls=tls)

    async def run() -> Outcome:
        async with server, HttpSender(resolver=Names(["127.0.0.1"])) as http:
            changes: dict[str, Any] = {"host": "mail.shop.example", "security": "tls", "ca_file": str(certificate)}
            allowed = AllowedAddresses(allowed_hosts=("mail.shop.example",))
            return await opened("email", f"x:{server.port}", allowed=allowed, **changes).send(a_notice(), http)

    assert isinstance(asyncio.run(run()), Delivered)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"host": "mail.shop.example", "security": "none"}, "security: must be starttls or tls"),
        ({"host": "10.0.0.1", "security": "tls"}, "host: leads to 10.0.0.1, which is not a public address"),
        ({"user": "journeys", "password_env": "ABSENT"}, "password_env: the environment variable ABSENT is not set"),
        ({"security": "tls", "ca_file": "absent.pem"}, "ca_file: the file absent.pem holds no certificates"),
    ],
)
def test_a_mail_server_that_cannot_be_used_is_an_error_at_the_start(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(SecretError) as caught:
        opened("email", "127.0.0.1:25", **changes)
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(
    "changes",
    [
        {"sender": "journeys@shop.example\r\nBcc: x@example.com"},
        {"sender": "Journeys <journeys@shop.example>"},
        {"sender": "journeys"},
        {"sender": "jöurneys@shop.example"},
        {"sender_name": "Journeys\r\nBcc: x@example.com"},
        {"recipients": []},
        {"recipients": ["care@shop.example, x@example.com"]},
        {"recipients": ["care@shop.example"] * 51},
        {"unsubscribe": "javascript:x"},
        {"unsubscribe": "https://shop.example/>\r\nBcc: x@example.com"},
        {"host": "mail shop"},
        {"host": "2130706433"},
        {"port": 0},
        {"user": "journeys"},
        {"password_env": "PASSWORD"},
        {"password": "in the file"},
        {"security": "maybe"},
    ],
)
def test_settings_that_could_do_harm_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        opened("email", "127.0.0.1:25", **changes)


def test_certificates_are_checked_by_default() -> None:
    channel = opened("email", "x:465", host="mail.shop.example", security="tls")
    tls = channel.server.tls  # type: ignore[attr-defined]
    assert tls.verify_mode is ssl.CERT_REQUIRED
    assert tls.check_hostname
