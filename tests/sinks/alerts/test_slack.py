"""Slack payloads, held against what Slack accepts by a validator that knows nothing of the builder."""

import html
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alerts import AlertIntent
from sinks.alerts.message import Language, Wording, build_message
from sinks.alerts.outcome import Delivered, Refused, Retry
from sinks.alerts.posting import Answer
from sinks.alerts.slack import fit, judge_slack, slack_payload
from tests.support.alert_intents import EXAMPLE, an_intent, any_intents, any_text
from tests.support.endpoints import an_endpoint
from tests.support.slack_rules import slack_violations, utf16_length

LINK = "https://d.example/{journey_id}"


def payload_of(intent: AlertIntent, wording: Wording = Wording()) -> dict[str, Any]:  # noqa: B008 - frozen
    return slack_payload(build_message(intent, wording))


@given(any_intents(), st.sampled_from([None, LINK, LINK + "x" * 3000]), st.sampled_from(list(Language)))
def test_slack_accepts_whatever_an_intent_holds(intent: AlertIntent, link: str | None, language: Language) -> None:
    assert slack_violations(payload_of(intent, Wording(language=language, link=link))) == []


def test_a_message_shows_header_sentence_facts_context_and_button_in_this_order() -> None:
    payload = payload_of(EXAMPLE, Wording(link=LINK))
    assert [block["type"] for block in payload["blocks"]] == ["header", "section", "section", "context", "actions"]
    header, sentence, facts, context, actions = payload["blocks"]
    assert header["text"] == {"type": "plain_text", "text": "High: channel redirect, form", "emoji": False}
    assert sentence["text"]["text"] == EXAMPLE.sentence_en
    assert facts["fields"][0]["text"] == "*Severity*\n4 of 5 (high)"
    assert [element["text"] for element in context["elements"]] == [
        "*Nearest miss*: would not have fired with context carried over",
        "*Evidence*: acme/crm/1, acme/web/2",
        "*Look it up*: journeys timeline " + "ab" * 16,
    ]
    assert actions["elements"][0]["url"] == "https://d.example/" + "cd" * 16
    assert payload["text"] == f"High: channel redirect, form · {EXAMPLE.sentence_en}"


def test_without_a_link_there_is_no_button() -> None:
    assert "actions" not in {block["type"] for block in payload_of(EXAMPLE)["blocks"]}


def test_a_link_of_3000_characters_is_a_button_and_one_of_3001_is_not() -> None:
    for length, has_button in ((3000, True), (3001, False)):
        template = "https://d.example/{friction_id}".ljust(length - len("0f" * 16) + len("{friction_id}"), "x")
        blocks = payload_of(EXAMPLE, Wording(link=template))["blocks"]
        assert (blocks[-1]["type"] == "actions") is has_button


def test_text_from_events_can_neither_mention_nor_link() -> None:
    intent = an_intent(topic="<!channel>", team="<https://evil.example|click>", sentence_en="a & b <@U1>")
    payload = payload_of(intent)
    assert payload["blocks"][1]["text"]["text"] == "a &amp; b &lt;@U1&gt;"
    fields = [field["text"] for field in payload["blocks"][2]["fields"]]
    assert "*Topic*\n&lt;!channel&gt;" in fields
    assert "*Team*\n&lt;https://evil.example|click&gt;" in fields
    assert all(field["verbatim"] is True for field in payload["blocks"][2]["fields"])


def test_more_than_five_evidence_references_are_counted() -> None:
    context = payload_of(an_intent(evidence=tuple(f"t/s/{n}" for n in range(8))))["blocks"][3]
    assert "t/s/4, and 3 more" in context["elements"][1]["text"]
    assert "t/s/5" not in context["elements"][1]["text"]


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("abcde", 5, "abcde"),
        ("abcdef", 5, "abcd…"),
        ("abc&", 8, "abc&amp;"),
        ("abc&d", 8, "abc…"),
        ("abc&d", 9, "abc&amp;d"),
        ("a&bc", 7, "a&amp;…"),
        ("😀😀", 4, "😀😀"),
        ("😀😀x", 4, "😀…"),
        ("", 5, "-"),
        ("  ", 5, "-"),
    ],
)
def test_cutting_at_the_limit_keeps_whole_characters_and_escapes(text: str, limit: int, expected: str) -> None:
    assert fit(text, limit) == expected


@given(any_text, st.integers(1, 200))
def test_cut_text_is_within_the_limit_and_a_beginning_of_the_whole(text: str, limit: int) -> None:
    cut = fit(text, limit)
    assert utf16_length(cut) <= limit
    if cut != "-":
        shown = html.unescape(cut)
        assert shown == text or (shown.endswith("…") and text.startswith(shown[:-1]))


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (200, b"ok", Delivered, ""),
        (200, b"", Delivered, ""),
        (400, b"invalid_payload", Refused, "invalid_payload: the message is malformed"),
        (404, b"no_service", Refused, "no_service: the webhook was removed or disabled"),
        (500, b"no_service\n", Refused, "no_service"),
        (410, b"channel_is_archived", Refused, "archived"),
        (403, b"action_prohibited", Refused, "administrator"),
        (403, b"<html>secret-looking page</html>", Refused, "answered 403 Forbidden"),
        (500, b"rollup_error", Retry, "answered 500"),
        (429, b"rate_limited", Retry, "answered 429"),
        (200, b"\xff\xfe", Delivered, ""),
    ],
)
def test_answers_of_slack_are_understood(status: int, body: bytes, kind: type, words: str) -> None:
    outcome = judge_slack(Answer(status, body, None), an_endpoint())
    assert type(outcome) is kind
    assert words in getattr(outcome, "reason", "")
    assert "secret" not in repr(outcome)


def mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text}


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def section(text: dict[str, Any]) -> dict[str, Any]:
    return {"type": "section", "text": text}


def fields(*texts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "section", "fields": list(texts)}


def button(text: str, url: str) -> dict[str, Any]:
    return {"type": "actions", "elements": [{"type": "button", "text": plain(text), "url": url}]}


FINE = section(mrkdwn("fine"))


@pytest.mark.parametrize(
    ("block", "violation"),
    [
        (section(mrkdwn("x" * 3001)), "at most 3000"),
        (section(mrkdwn("a & b")), "raw or cut `&`"),
        (section(mrkdwn("a &am")), "raw or cut `&`"),
        (section(mrkdwn("<!channel>")), "raw `<`"),
        (section({**plain("a"), "verbatim": True}), "verbatim"),
        ({"type": "section"}, "needs text or fields"),
        (fields(*[mrkdwn("a")] * 11), "1 to 10"),
        (fields(mrkdwn("x" * 2001)), "at most 2000"),
        (fields(mrkdwn("")), "must not be empty"),
        ({"type": "header", "text": plain("x" * 151)}, "at most 150"),
        ({"type": "header", "text": mrkdwn("x")}, "type plain_text"),
        ({"type": "context", "elements": [mrkdwn("a")] * 11}, "1 to 10"),
        (button("x" * 76, "https://a.example"), "at most 75"),
        (button("x", "ftp://a.example"), "web address"),
        (button("x", "https://a.example/" + "x" * 3000), "web address"),
        ({"type": "table"}, "not a block"),
        ({**FINE, "color": "red"}, "not known to Slack"),
    ],
)
def test_the_validator_itself_catches_blocks_that_slack_would_refuse(block: dict[str, Any], violation: str) -> None:
    assert any(violation in found for found in slack_violations({"text": "a", "blocks": [FINE, block]}))


@pytest.mark.parametrize(
    ("changes", "violation"),
    [
        ({"blocks": [FINE] * 51}, "1 to 50"),
        ({"text": "a" * 40_001}, "at most 40000"),
        ({"text": ""}, "must not be empty"),
        ({"blocks": [section(mrkdwn("x" * 3000))] * 5}, "characters in all"),
        ({"colour": "red"}, "not known to Slack"),
    ],
)
def test_the_validator_itself_catches_messages_that_slack_would_refuse(changes: dict[str, Any], violation: str) -> None:
    assert any(violation in found for found in slack_violations({"text": "a", "blocks": [FINE], **changes}))


def test_the_validator_itself_lets_a_plain_message_through() -> None:
    assert slack_violations({"text": "a", "blocks": [FINE, {"type": "divider"}]}) == []
