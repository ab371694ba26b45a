"""A message as an e-mail: plain text and HTML, in one thread for an incident."""

import re
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from typing import Final

import msgspec

from sinks.alerts.fitting import cut
from sinks.alerts.message import AlertMessage
from sinks.alerts.notice import NoticeKind
from sinks.alerts.plain_text import plain_lines

#: RFC 5322 asks for lines of at most 998 characters; a subject is shown to some 70, and read on a phone to 40.
SUBJECT_LIMIT: Final = 200

_HEADER_LINE: Final = 500
_MESSAGE_ID: Final = re.compile(r"<[A-Za-z0-9._-]{1,128}@[A-Za-z0-9.-]{1,255}>")
_FOLLOWING: Final = frozenset({NoticeKind.UPDATED, NoticeKind.CLOSED, NoticeKind.WITHDRAWN})
_LISTS: Final = frozenset({NoticeKind.DIGEST, NoticeKind.EXPIRED, NoticeKind.TEST})


class Envelope(msgspec.Struct, frozen=True):
    """From whom, to whom, and what a mail of this channel says besides its message.

    `unsubscribe` is the address (`https:` or `mailto:`) of whoever wants no more of these mails, None for none.
    """

    sender: Address
    recipients: tuple[Address, ...]
    list_name: str
    unsubscribe: str | None = None


def message_id(notice_id: str, envelope: Envelope) -> str:
    """Id of a mail, the same for every attempt: a mailbox that gets it twice can tell."""
    return f"<{notice_id}@{envelope.sender.domain}>"


def mail(message: AlertMessage, envelope: Envelope, now: datetime) -> bytes:
    """The mail as it is handed in.

    Its subject is the cause, which stays the same: mailboxes make a thread of what answers each other under one
    subject. What is new is the first line of the text, which they show beside it.
    """
    notice = message.notice
    is_following = notice.kind in _FOLLOWING
    subject = message.title if notice.kind in _LISTS else message.cause or message.title
    built = EmailMessage(policy=SMTP)
    built["Subject"] = ("Re: " if is_following else "") + cut(subject, SUBJECT_LIMIT)
    built["From"] = envelope.sender
    built["To"] = envelope.recipients
    built["Date"] = format_datetime(now)
    built["Message-ID"] = message_id(notice.notice_id, envelope)
    if len(notice.subjects) == 1 and notice.kind not in _LISTS:
        # Nobody ever gets the mail with this id: it is the root that all mails of an incident have in common, whether
        # or not the first of them is known.
        root = f"<incident.{notice.subjects[0].incident_id}@{envelope.sender.domain}>"
        known = notice.reference if _MESSAGE_ID.fullmatch(notice.reference) else ""
        if is_following:
            built["In-Reply-To"] = known or root
        built["References"] = f"{root} {known}".strip()
    built["List-Id"] = f"<{envelope.list_name}.{envelope.sender.domain}>"
    if envelope.unsubscribe:
        built["List-Unsubscribe"] = f"<{envelope.unsubscribe}>"
    # Out-of-office notes are not to answer (RFC 3834, and what Exchange understands).
    built["Auto-Submitted"] = "auto-generated"
    built["X-Auto-Response-Suppress"] = "All"
    built["Content-Language"] = str(message.language)
    built.set_content("\n".join([message.headline, "", *plain_lines(message), ""]), cte="quoted-printable")
    built.add_alternative(mail_html(message), subtype="html", cte="quoted-printable")
    # The same bytes for every attempt but for the date.
    built.set_boundary(f"=_{notice.notice_id}")
    # Folded at 78 characters, a list of two ids would begin with an empty line, which not every receiver understands.
    return built.as_bytes(policy=SMTP.clone(max_line_length=_HEADER_LINE))


def mail_html(message: AlertMessage) -> str:
    """The message as HTML that loads nothing from anywhere; all text is escaped."""
    labels = message.labels
    parts = [f"<p><strong>{escape(message.headline)}</strong></p>"]
    parts += [f"<p>{escape(paragraph)}</p>" for paragraph in message.further]
    if message.entries:
        items = [f"<li>{escape(entry)}</li>" for entry in message.entries]
        items += [f"<li>{escape(message.left_out)}</li>"] if message.left_out else []
        parts.append(f"<ul>{''.join(items)}</ul>")
    rows = [(fact.label, fact.value) for fact in message.facts]
    if message.prevention:
        rows.append((labels["prevention"], message.prevention))
    if message.evidence:
        rows.append((labels["evidence"], ", ".join(message.evidence)))
    if message.look_up:
        rows.append((labels["look_up"], message.look_up))
    if rows:
        cells = (f'<tr><th align="left">{escape(label)}</th><td>{escape(value)}</td></tr>' for label, value in rows)
        parts.append(f'<table cellpadding="4">{"".join(cells)}</table>')
    if message.buttons:
        links = (f'<a href="{escape(button.url)}">{escape(button.label)}</a>' for button in message.buttons)
        parts.append(f"<p>{' &nbsp; '.join(links)}</p>")
    return f'<!doctype html><html lang="{message.language}"><body>{"".join(parts)}</body></html>\n'
