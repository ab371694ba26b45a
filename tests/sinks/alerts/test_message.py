"""What an alert says, in both languages."""

import json
import unicodedata

import pytest
from hypothesis import given

from sinks.alerts.message import Fact, Language, Wording, build_message, document, link_problem, one_line
from tests.support.alert_intents import EXAMPLE, an_intent, any_intents

ENGLISH = Wording()
GERMAN = Wording(language=Language.GERMAN)


def test_an_english_message_says_what_where_when_and_how_long() -> None:
    message = build_message(EXAMPLE, ENGLISH)
    assert message.title == "High: channel redirect, form"
    assert message.sentence == EXAMPLE.sentence_en
    assert message.facts == (
        Fact("Severity", "4 of 5 (high)"),
        Fact("Pattern", "channel redirect, form"),
        Fact("Channels", "social → web"),
        Fact("Topic", "invoice"),
        Fact("Team", "social-care"),
        Fact("When", "2026-01-01 10:05 UTC"),
        Fact("Customer time", "12.5 min"),
        Fact("Journey", "cd" * 16),
    )
    assert message.look_up == "journeys timeline " + "ab" * 16
    assert message.link is None


def test_a_german_message_is_german_throughout() -> None:
    message = build_message(EXAMPLE, GERMAN)
    assert message.title.startswith("Hoch: ")
    assert message.sentence == EXAMPLE.sentence_de
    assert Fact("Schwere", "4 von 5 (hoch)") in message.facts
    assert Fact("Zeit des Kunden", "12,5 min") in message.facts


def test_both_languages_label_the_same_things() -> None:
    assert build_message(EXAMPLE, ENGLISH).labels.keys() == build_message(EXAMPLE, GERMAN).labels.keys()


@pytest.mark.parametrize(
    ("severity", "word"),
    [(0, "Notice"), (1, "Notice"), (2, "Low"), (3, "Medium"), (4, "High"), (5, "Critical"), (6, "Critical")],
)
def test_every_severity_has_its_word(severity: int, word: str) -> None:
    assert build_message(an_intent(severity=severity), ENGLISH).severity_word == word


def test_what_is_absent_leaves_its_fact_out() -> None:
    message = build_message(an_intent(topic=None, team=None, from_channel=None, to_channel=None), ENGLISH)
    assert {fact.label for fact in message.facts} == {"Severity", "Pattern", "When", "Customer time", "Journey"}


def test_one_known_channel_stands_alone() -> None:
    assert Fact("Channels", "phone") in build_message(an_intent(from_channel=None, to_channel="phone"), ENGLISH).facts


def test_a_configured_link_is_filled_in_and_quoted() -> None:
    wording = Wording(link="https://d.example/{tenant}?j={journey_id}")
    link = build_message(an_intent(tenant="a/b &c", journey_id="j1"), wording).link
    assert link == "https://d.example/a%2Fb%20%26c?j=j1"


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


def test_control_characters_and_reordering_marks_become_spaces() -> None:
    assert one_line("a\x1b[31mb\r\nc\u202ed\x00\u2028e\x9bf") == "a [31mb c d e f"


@given(any_intents())
def test_whatever_an_intent_holds_every_text_is_one_encodable_line(intent: object) -> None:
    for wording in (ENGLISH, GERMAN, Wording(link="https://d.example/{journey_id}")):
        message = build_message(intent, wording)  # type: ignore[arg-type]
        texts = [message.title, message.sentence, message.nearest_miss, message.look_up, message.link or ""]
        texts += [text for fact in message.facts for text in (fact.label, fact.value)]
        texts += message.evidence
        for text in texts:
            text.encode()
            assert not any(unicodedata.category(character) == "Cc" for character in text)
            assert text == text.strip()
        assert all(fact.value for fact in message.facts)


def test_the_document_for_machines_holds_the_facts_and_the_event_time() -> None:
    told = document(build_message(EXAMPLE, ENGLISH))
    assert told.keys() == {"type", "timestamp", "data"}
    assert told["type"] == "friction.opened"
    assert told["timestamp"] == "2026-01-01T10:05:00.000Z"
    assert told["data"]["friction_id"] == EXAMPLE.friction_id
    assert told["data"]["severity"] == 4
    assert told["data"]["evidence"] == ["acme/crm/1", "acme/web/2"]
    assert told["data"]["sentence"] == EXAMPLE.sentence_en
    assert "action" not in told["data"]
    assert json.loads(json.dumps(told)) == told
