"""Notices for tests: one believable example of each kind, and strategies for any."""

import msgspec
from hypothesis import strategies as st

from sinks.alerts.notice import Notice, NoticeKind, Subject

SUBJECT = Subject(
    incident_id="1c" * 16,
    tenant="acme",
    rule_id="channel_redirect",
    variant="form",
    severity=4,
    team="social-care",
    topic="invoice",
    from_channel="social",
    to_channel="web",
    opened_at=1_767_261_900_000,  # 2026-01-01 10:05 UTC
    customers=1,
    frictions=1,
    minutes=12.5,
    sentence_en="A customer asked on social media about an invoice and was sent to the website to fill in a form.",
    sentence_de=(
        "Ein Kunde fragte über Social Media nach einer Rechnung und wurde an die Website verwiesen, um dort ein "
        "Formular auszufüllen."
    ),
    evidence=("acme/crm/1", "acme/web/2"),
    nearest_miss="would not have fired with an answer on social itself",
    nearest_miss_de="hätte nicht angeschlagen mit einer Antwort auf demselben Kanal (Social Media)",
    friction_id="0f" * 16,
    person_key="ab" * 16,
    journey_id="cd" * 16,
    this_week=9,
    usual_week=2.5,
)
MANY = msgspec.structs.replace(SUBJECT, customers=14, frictions=17, minutes=168.4, person_key="", journey_id="")
OTHER = msgspec.structs.replace(
    SUBJECT,
    incident_id="2d" * 16,
    rule_id="unanswered_contact",
    variant="never",
    severity=3,
    team="hotline",
    topic="delivery",
    from_channel="email",
    to_channel=None,
    customers=3,
    frictions=3,
    minutes=1240.0,
    sentence_en="A customer wrote about a delivery and got no answer within 2 days.",
    sentence_de="Ein Kunde schrieb wegen einer Lieferung und bekam binnen 2 Tagen keine Antwort.",
    this_week=3,
    usual_week=None,
)
ACTIONS = {
    "timeline": "https://journeys.example/timeline?journey=cd",
    "query": "https://journeys.example/query?incident=1c",
    "acknowledge": "https://journeys.example/alerts/act?token=a",
    "snooze": "https://journeys.example/alerts/act?token=s",
}
DECIDED_AT = 1_767_262_020_000  # 2026-01-01 10:07 UTC
WITHDRAWN_EN = "the reply did arrive at 09:41"
WITHDRAWN_DE = "die Antwort war um 09:41 doch gekommen"


def a_notice(kind: NoticeKind = NoticeKind.OPENED, *subjects: Subject, **changes: object) -> Notice:
    """A notice of a kind about subjects; the example alone when none is given."""
    notice = Notice(notice_id="3e" * 16, kind=kind, decided_at=DECIDED_AT, subjects=subjects or (SUBJECT,))
    return msgspec.structs.replace(notice, **changes)


def a_subject(**changes: object) -> Subject:
    """The example with some fields changed."""
    return msgspec.structs.replace(SUBJECT, **changes)


#: One of each kind, as a policy would send it.
EXAMPLES = {
    "opened": a_notice(actions=ACTIONS),
    "opened-many": a_notice(NoticeKind.OPENED, MANY, actions=ACTIONS),
    "updated": a_notice(
        NoticeKind.UPDATED,
        MANY,
        because_en="three times as many as an hour ago",
        because_de="dreimal so viele wie vor einer Stunde",
        acknowledged_by="Kim",
        actions=ACTIONS,
    ),
    "closed": a_notice(
        NoticeKind.CLOSED, MANY, because_en="nothing new for 24 hours", because_de="seit 24 Stunden nichts Neues"
    ),
    "withdrawn": a_notice(NoticeKind.WITHDRAWN, because_en=WITHDRAWN_EN, because_de=WITHDRAWN_DE),
    "digest": a_notice(NoticeKind.DIGEST, MANY, OTHER),
    "expired": a_notice(
        NoticeKind.EXPIRED,
        MANY,
        OTHER,
        left_out=5,
        because_en="this channel could not be reached for 9 hours",
        because_de="dieser Kanal war 9 Stunden lang nicht erreichbar",
    ),
    "test": a_notice(NoticeKind.TEST),
}

_numbers = st.integers(-(2**63), 2**63 - 1)
# Biased towards what escaping and cutting can get wrong.
_hostile = st.one_of(
    st.text(max_size=40),
    st.text('&<>;amplgt*_~`|@!#\n\t\x00\u202e😀é\\"', max_size=300),
    st.builds(
        lambda piece, times: piece * times,
        st.sampled_from(["&", "<", "a&", "😀", "é😀<", "x", '"', "\\", "\x01"]),
        st.integers(0, 1500),
    ),
    st.sampled_from(["<!channel>", "<@U123>", "<https://evil.example|click>", "&amp;", "\ud800", " ", "."]),
    st.sampled_from(
        [
            "@everyone @here <!here> <@U123|x>",
            "[click](https://evil.example) ![x](y) <at>all</at>",
            "# head\n* list\n```code``` **bold** _it_ ~no~",
            "</td><script>alert(1)</script>\"' onload=x",
            "Subject: x\r\nBcc: victim@example.com\r\n\r\nhello",
            "=cmd|' /C calc'!A0 kim@example.com +49 170 1234567",
            "\u202egnp.exe\u2066 \u200f{0}{journey_id}%s%n",
        ]
    ),
)


@st.composite
def any_subjects(draw: st.DrawFn) -> Subject:
    """Any subject whatever its texts and numbers say."""
    # One text a subject may be hostile in every field; more than one makes drawing slow and finds no more.
    text = draw(_hostile)
    optional = draw(st.sampled_from([None, text]))
    return Subject(
        incident_id=text,
        tenant=text,
        rule_id=text,
        variant=text,
        severity=draw(st.integers(-10, 10)),
        team=optional,
        topic=optional,
        from_channel=optional,
        to_channel=draw(st.sampled_from([None, text])),
        opened_at=draw(_numbers),
        customers=draw(st.integers(-1, 2**40)),
        frictions=draw(st.integers(-1, 2**40)),
        minutes=draw(st.floats(allow_nan=False, allow_infinity=False)),
        sentence_en=text,
        sentence_de=text,
        evidence=(text,) * draw(st.integers(0, 8)),
        nearest_miss=text,
        nearest_miss_de=text,
        friction_id=text,
        person_key=text,
        journey_id=text,
        this_week=draw(st.integers(-1, 2**40)),
        usual_week=draw(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))),
    )


@st.composite
def any_notices(draw: st.DrawFn) -> Notice:
    """Any notice, however senseless."""
    text = draw(_hostile)
    names = draw(st.sets(st.one_of(st.sampled_from([*ACTIONS, "mute_4h"]), _hostile), max_size=9))
    urls = st.sampled_from([ACTIONS["query"], "javascript:alert(1)", "https://a.example/" + "x" * 2100, "https://a b"])
    return Notice(
        notice_id=text,
        kind=draw(st.sampled_from(NoticeKind)),
        decided_at=draw(_numbers),
        subjects=tuple(draw(st.lists(any_subjects(), max_size=3))) * draw(st.sampled_from([1, 1, 8])),
        left_out=draw(st.integers(0, 10**6)),
        because_en=text,
        because_de=text,
        reference=draw(_hostile),
        acknowledged_by=text,
        actions={name: draw(urls) for name in names},
    )
