"""Adaptive Cards, held against what Teams accepts by a validator that knows nothing of the builder."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.alerts.message import Language, Wording, build_message
from sinks.alerts.notice import Notice, NoticeKind
from sinks.alerts.teams import BODY_LIMIT, teams_body
from tests.support.card_rules import card_violations
from tests.support.notices import ACTIONS, EXAMPLES, MANY, SUBJECT, a_notice, a_subject, any_notices


def body_of(notice: Notice, language: Language = Language.ENGLISH) -> bytes:
    return teams_body(build_message(notice, Wording(language=language)))


def card_of(notice: Notice) -> Any:
    return json.loads(body_of(notice))["attachments"][0]["content"]


def lines_of(notice: Notice) -> list[str]:
    return ["".join(run["text"] for run in block["inlines"]) for block in card_of(notice)["body"]]


@given(any_notices(), st.sampled_from(Language))
def test_teams_accepts_whatever_a_notice_holds(notice: Notice, language: Language) -> None:
    assert card_violations(body_of(notice, language)) == []


@pytest.mark.parametrize("character", ["x", "é", "漢", "😀", '"', "\\", "\x01"])
def test_100000_characters_in_every_field_stay_under_28_kb(character: str) -> None:
    text = character * 100_000
    subject = a_subject(topic=text, team=text, sentence_en=text, nearest_miss=text, evidence=(text,) * 9, rule_id=text)
    actions = {f"a{number}": "https://a.example/" + "x" * 2000 for number in range(9)}
    for kind in NoticeKind:
        notice = a_notice(kind, *[subject] * 12, because_en=text, acknowledged_by=text, actions=actions)
        assert card_violations(body_of(notice)) == []
        assert len(body_of(notice)) <= BODY_LIMIT


def test_entries_without_room_are_counted() -> None:
    wide = a_subject(topic="漢" * 120, team="漢" * 120, from_channel="漢" * 120, rule_id="漢" * 120, variant="漢" * 120)
    actions = {f"a{number}": "https://a.example/" + "x" * 2000 for number in range(6)}
    lines = lines_of(a_notice(NoticeKind.DIGEST, *[wide] * 12, left_out=8, actions=actions))
    entries = [line for line in lines if line.startswith("• ")]
    assert 1 <= len(entries) < 10
    assert lines[-1] == f"and {20 - len(entries)} more"


def test_a_card_shows_title_sentence_facts_and_buttons() -> None:
    card = card_of(a_notice(actions=ACTIONS))
    assert card["version"] == "1.5"
    assert lines_of(a_notice()) == [
        "High: channel redirect, form · social → web · invoice",
        SUBJECT.sentence_en,
        "Customer time: 12.5 min",
        "This week: 9, usually 2.5",
        "Since: 2026-01-01 10:05 UTC",
        "Team: social-care",
        "Would have prevented it: an answer on social itself",
        "Evidence: acme/crm/1, acme/web/2",
        "Look it up: journeys alerts show 1c1c1c1c · journeys timeline " + "ab" * 16,
    ]
    assert [(action["title"], action["url"]) for action in card["actions"]] == [
        ("Open the journey", ACTIONS["timeline"]),
        ("Show the data", ACTIONS["query"]),
        ("I take it", ACTIONS["acknowledge"]),
        ("Not now", ACTIONS["snooze"]),
    ]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_kind_says_in_its_first_line_what_it_is(name: str) -> None:
    assert lines_of(EXAMPLES[name])[0] == build_message(EXAMPLES[name], Wording()).title


def test_more_than_six_buttons_are_not_shown() -> None:
    actions = ACTIONS | {f"more{number}": "https://a.example" for number in range(5)}
    assert len(card_of(a_notice(actions=actions))["actions"]) == 6


def test_markup_in_text_stays_text() -> None:
    hostile = "[click](https://evil.example) **b** <at>all</at>"
    card = card_of(a_notice(NoticeKind.OPENED, a_subject(topic=hostile, sentence_en=hostile)))
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert hostile in "".join(lines_of(a_notice(NoticeKind.OPENED, a_subject(sentence_en=hostile))))


@pytest.mark.parametrize(
    ("changes", "violation"),
    [
        ({"version": "1.6"}, "1.0 to 1.5"),
        ({"body": []}, "not empty"),
        ({"body": [{"type": "TextBlock", "text": "x"}]}, "not an element"),
        ({"body": [{"type": "RichTextBlock", "inlines": ["x"]}]}, "must be a TextRun"),
        ({"body": [{"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": ""}]}]}, "not empty"),
        ({"body": [{"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "x", "size": "Big"}]}]}, "size"),
        ({"actions": [{"type": "Action.Submit", "title": "x"}]}, "Action.OpenUrl"),
        ({"actions": [{"type": "Action.OpenUrl", "title": "x", "url": "javascript:x"}]}, "web address"),
        ({"actions": [{"type": "Action.OpenUrl", "title": "x", "url": "https://a.example"}] * 7}, "at most 6"),
        ({"msteams": {}}, "not known"),
        ({"fallbackText": "x" * 30_000}, "bytes"),
    ],
)
def test_the_validator_itself_catches_cards_that_teams_would_refuse(changes: dict[str, Any], violation: str) -> None:
    payload = json.loads(body_of(a_notice(NoticeKind.CLOSED, MANY)))
    payload["attachments"][0]["content"] |= changes
    assert any(violation in found for found in card_violations(json.dumps(payload).encode()))
