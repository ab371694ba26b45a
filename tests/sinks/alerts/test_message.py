"""What a notice says, in both languages."""

import json
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given

from sinks.alerts.console import text_lines
from sinks.alerts.message import (
    Button,
    Fact,
    Language,
    Wording,
    build_message,
    document,
    link_problem,
)
from sinks.alerts.notice import Notice, NoticeKind
from sinks.alerts.vocabulary import LABELS, REASONS, STATES
from tests.support.notices import ACTIONS, EXAMPLES, MANY, OTHER, SUBJECT, a_notice, a_subject, any_notices

ENGLISH = Wording()
GERMAN = Wording(language=Language.GERMAN)
WORDED = Path(__file__).with_name("worded")


def worded(language: Language) -> str:
    """Every kind of notice as it reads, one after the other."""
    wording = Wording(language=language)
    return "\n".join(f"-- {name}\n{text_lines(build_message(one, wording))}" for name, one in EXAMPLES.items())


@pytest.mark.parametrize("language", Language)
def test_every_kind_of_notice_reads_as_it_was_agreed(language: Language) -> None:
    assert worded(language) == (WORDED / f"{language}.txt").read_text()


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_first_60_characters_of_a_locked_phone_tell_what_it_is(name: str, language: Language) -> None:
    seen = build_message(EXAMPLES[name], Wording(language=language)).headline[:60]
    told = {
        "opened": ("High: A customer asked on social", "Hoch: Ein Kunde fragte"),
        "opened-many": ("High: 14 customers, 17 cases, 168 min", "Hoch: 14 Kunden, 17 Fälle, 168 min"),
        "updated": ("Update: three times as many", "Neuer Stand: dreimal so viele"),
        "closed": ("Closed: nothing new for 24 hours", "Beendet: seit 24 Stunden nichts Neues"),
        "withdrawn": ("Withdrawn: the reply did arrive at 09:41", "Zurückgezogen: die Antwort war um 09:41"),
        "digest": ("Digest: 2 causes, 20 cases, 1,408 min", "Übersicht: 2 Ursachen, 20 Fälle, 1.408 min"),
        "expired": ("Not told in time: 7 alerts", "Nicht rechtzeitig gemeldet: 7 Meldungen"),
        "test": ("Test: alerts reach this channel", "Test: Meldungen kommen hier an"),
    }[name]
    assert seen.startswith(told[list(Language).index(language)])


def test_both_languages_have_words_for_the_same_things() -> None:
    for table in (LABELS, STATES, REASONS):
        assert table[Language.ENGLISH].keys() == table[Language.GERMAN].keys()


@pytest.mark.parametrize(
    ("severity", "word"),
    [(0, "Notice"), (1, "Notice"), (2, "Low"), (3, "Medium"), (4, "High"), (5, "Critical"), (6, "Critical")],
)
def test_every_severity_has_its_word(severity: int, word: str) -> None:
    message = build_message(a_notice(NoticeKind.OPENED, a_subject(severity=severity)), ENGLISH)
    assert message.severity_word == word
    assert message.headline.startswith(f"{word}: ")


def test_a_digest_is_as_severe_as_the_worst_of_it() -> None:
    assert build_message(a_notice(NoticeKind.DIGEST, OTHER, MANY), ENGLISH).severity == 4


@pytest.mark.parametrize(
    ("this_week", "usual_week", "said"),
    [
        (9, 2.0, "9, usually 2"),
        (9, 2.5, "9, usually 2.5"),
        (0, 3.0, "0, usually 3"),
        (1200, 1000.0, "1,200, usually 1,000"),
        (9, None, "9, no earlier weeks to compare"),
        (9, float("nan"), "9, no earlier weeks to compare"),
        (0, None, None),
    ],
)
def test_how_often_it_happened_is_told_beside_what_is_usual(
    this_week: int, usual_week: float | None, said: str | None
) -> None:
    subject = a_subject(this_week=this_week, usual_week=usual_week)
    facts = {fact.label: fact.value for fact in build_message(a_notice(NoticeKind.OPENED, subject), ENGLISH).facts}
    assert facts.get("This week") == said


@pytest.mark.parametrize(
    ("customers", "frictions", "minutes", "said"),
    [
        (1, 1, 12.5, Fact("Customer time", "12.5 min")),
        (1, 3, 12.0, Fact("Affected", "3 cases, 12 min")),
        (3, 3, 99.96, Fact("Affected", "3 customers, 100 min")),
        (3, 5, 1234.5, Fact("Affected", "3 customers, 5 cases, 1,234 min")),
        (3, 3, 0.0, Fact("Affected", "3 customers")),
    ],
)
def test_customers_cases_and_minutes_are_told_where_they_say_something(
    customers: int, frictions: int, minutes: float, said: Fact
) -> None:
    subject = a_subject(customers=customers, frictions=frictions, minutes=minutes)
    assert build_message(a_notice(NoticeKind.OPENED, subject), ENGLISH).facts[0] == said


@pytest.mark.parametrize("minutes", [0.0, -3.0, float("nan"), float("inf")])
def test_minutes_that_say_nothing_are_left_out(minutes: float) -> None:
    subject = a_subject(minutes=minutes, this_week=0, usual_week=None, team=None)
    assert [fact.label for fact in build_message(a_notice(NoticeKind.OPENED, subject), ENGLISH).facts] == ["Since"]


def test_what_is_absent_leaves_its_place_out() -> None:
    subject = a_subject(topic=None, team=None, from_channel=None, to_channel="phone", variant="")
    message = build_message(a_notice(NoticeKind.OPENED, subject), ENGLISH)
    assert message.cause == "channel redirect · phone"
    assert {fact.label for fact in message.facts} == {"Customer time", "This week", "Since"}


def test_three_references_are_named_and_the_rest_is_counted() -> None:
    subject = a_subject(evidence=tuple(f"acme/crm/{number}" for number in range(1, 9)))
    message = build_message(a_notice(NoticeKind.OPENED, subject), ENGLISH)
    assert message.evidence == ("acme/crm/1", "acme/crm/2", "acme/crm/3", "and 5 more")


@pytest.mark.parametrize(
    ("nearest_miss", "said"),
    [
        ("would not have fired with an answer on social itself", "an answer on social itself"),
        ("would not have been lost with an arrival within 72 h", "an arrival within 72 h"),
        ("would not have been a chain with the second redirect more than 1 h later", "the second redirect more than"),
        ("something else", "something else"),
        ("", ""),
    ],
)
def test_what_would_have_prevented_it_is_said_without_ado(nearest_miss: str, said: str) -> None:
    message = build_message(a_notice(NoticeKind.OPENED, a_subject(nearest_miss=nearest_miss)), ENGLISH)
    assert message.prevention.startswith(said)


@pytest.mark.parametrize(
    ("german", "said"),
    [
        ("hätte nicht angeschlagen mit einer Antwort 3 h früher", "einer Antwort 3 h früher"),
        ("wäre nicht verloren gegangen mit einer Ankunft 2 h früher", "einer Ankunft 2 h früher"),
        ("wäre keine Kette gewesen mit dem zweiten Verweis über 1 h später", "dem zweiten Verweis über 1 h später"),
        ("", "an answer on social itself"),
    ],
)
def test_in_german_what_would_have_prevented_it_is_german_where_it_was_told(german: str, said: str) -> None:
    message = build_message(a_notice(NoticeKind.OPENED, a_subject(nearest_miss_de=german)), GERMAN)
    assert message.prevention == said


def test_ten_entries_of_a_digest_are_named_and_the_rest_is_counted() -> None:
    message = build_message(a_notice(NoticeKind.DIGEST, *[MANY] * 12, left_out=30), ENGLISH)
    assert len(message.entries) == 10
    assert message.left_out == "and 32 more"
    assert message.title == "Digest: 42 causes"


def test_the_customers_of_several_causes_are_not_added_up() -> None:
    assert "customers" not in build_message(a_notice(NoticeKind.DIGEST, MANY, MANY), ENGLISH).headline


def test_buttons_come_in_one_order_with_labels_in_the_language() -> None:
    actions = dict(reversed(ACTIONS.items())) | {"mute_4h": "https://journeys.example/m"}
    assert build_message(a_notice(actions=actions), GERMAN).buttons == (
        Button("timeline", "Kundenreise öffnen", ACTIONS["timeline"]),
        Button("query", "Daten zeigen", ACTIONS["query"]),
        Button("acknowledge", "Ich übernehme", ACTIONS["acknowledge"]),
        Button("snooze", "Nicht jetzt", ACTIONS["snooze"]),
        Button("mute_4h", "mute 4h", "https://journeys.example/m"),
    )


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "file:///etc/passwd", "https://a b", "https://a\nb", "https://a/" + "x" * 2048, ""]
)
def test_what_is_no_web_address_is_no_button(url: str) -> None:
    assert build_message(a_notice(actions={"timeline": url}), ENGLISH).buttons == ()


def test_a_configured_link_is_filled_in_and_quoted_where_a_notice_brings_none() -> None:
    wording = Wording(link="https://d.example/{tenant}?j={journey_id}")
    subject = a_subject(tenant="a/b &c", journey_id="j1")
    assert build_message(a_notice(NoticeKind.OPENED, subject), wording).buttons[0].url == (
        "https://d.example/a%2Fb%20%26c?j=j1"
    )
    assert build_message(a_notice(actions=ACTIONS), wording).buttons[0].url == ACTIONS["timeline"]


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("https://d.example/{journey_id}", None),
        ("http://127.0.0.1:3000/{friction_id}/{person_key}", None),
        ("https://d.example/", "names nothing"),
        ("https://d.example/{journey}", "{journey_id}, {friction_id}"),
        ("https://d.example/{journey_id.__class__}", "allowed"),
        ("https://d.example/{journey_id:>99999999}", "nothing else in the braces"),
        ("https://d.example/{journey_id!r}", "nothing else in the braces"),
        ("https://d.example/{journey_id", "not a template"),
        ("javascript:{journey_id}", "must start with"),
        ("https://d.example/ {journey_id}", "no spaces"),
    ],
)
def test_a_link_template_that_cannot_work_is_named(template: str, problem: str | None) -> None:
    found = link_problem(template)
    assert (found is None) if problem is None else (problem in (found or ""))


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("kim.lee+x@example.co.uk", "[…]"),
        ("invoice of kim@example.com, late", "invoice of […], late"),
        ("call +49 170 123-4567 now", "call […] now"),
        ("order 4711 at 10:05", "order 4711 at 10:05"),
        ("acme/crm/123456789", "acme/crm/123456789"),
    ],
)
def test_addresses_and_numbers_of_people_are_not_shown_wherever_they_come_from(raw: str, shown: str) -> None:
    subject = a_subject(topic=raw, evidence=(raw,), sentence_en=raw, nearest_miss=raw)
    message = build_message(a_notice(NoticeKind.OPENED, subject, because_en=raw), ENGLISH)
    told = json.dumps(document(message), ensure_ascii=False) + text_lines(message)
    assert shown in told
    for piece in ("kim", "1234567", "123-4567"):
        assert piece not in told or piece in shown


@given(any_notices())
def test_whatever_a_notice_holds_every_text_is_one_encodable_line(notice: Notice) -> None:
    for wording in (ENGLISH, GERMAN, Wording(link="https://d.example/{journey_id}")):
        message = build_message(notice, wording)
        texts = [message.headline, message.title, message.cause, message.prevention, message.look_up, message.left_out]
        texts += [*message.paragraphs, *message.further, *message.entries, *message.evidence]
        texts += [text for fact in message.facts for text in (fact.label, fact.value)]
        texts += [text for button in message.buttons for text in (button.label, button.url)]
        for text in texts:
            text.encode()
            assert not any(unicodedata.category(character) == "Cc" for character in text)
            assert not set("\u202e\u2066\u200f\u2028") & set(text)
            assert text == text.strip()
            assert len(text) <= 2500
        assert message.headline
        assert all(fact.value for fact in message.facts)


def test_a_text_of_a_million_characters_takes_no_time_and_no_room() -> None:
    texts = ["a" * 1_000_000, "a@" * 500_000, "+1" * 500_000, "@" * 1_000_000, "x@" + "a." * 500_000]
    start = time.monotonic()
    for text in texts:
        message = build_message(a_notice(NoticeKind.OPENED, a_subject(sentence_en=text, topic=text)), ENGLISH)
        assert len(message.headline) < 700
    assert time.monotonic() - start < 1.0


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        (NoticeKind.OPENED, "friction.opened"),
        (NoticeKind.UPDATED, "friction.updated"),
        (NoticeKind.CLOSED, "friction.closed"),
        (NoticeKind.WITHDRAWN, "friction.withdrawn"),
        (NoticeKind.DIGEST, "alert.digest"),
        (NoticeKind.EXPIRED, "alert.expired"),
        (NoticeKind.TEST, "alert.test"),
    ],
)
def test_the_document_for_machines_holds_the_facts_and_the_moment_of_the_decision(kind: NoticeKind, type_: str) -> None:
    told = json.loads(json.dumps(document(build_message(a_notice(kind, reference="C1:1.1", actions=ACTIONS), ENGLISH))))
    assert told.keys() == {"type", "timestamp", "data"}
    assert told["type"] == type_
    assert told["timestamp"] == "2026-01-01T10:07:00.000Z"
    assert told["data"]["notice_id"] == "3e" * 16
    assert told["data"]["subjects"][0]["incident_id"] == SUBJECT.incident_id
    assert told["data"]["subjects"][0]["evidence"] == ["acme/crm/1", "acme/web/2"]
    assert told["data"]["actions"] == ACTIONS
    assert "reference" not in told["data"]


@pytest.mark.parametrize("kind", NoticeKind)
def test_a_notice_about_nothing_can_be_worded_too(kind: NoticeKind) -> None:
    notice = Notice(notice_id="a", kind=kind, decided_at=0, subjects=())
    assert build_message(notice, ENGLISH).headline
