"""Slack payloads, held against what Slack accepts by a validator that knows nothing of the builder."""

import html
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.alerts.block_kit import block_kit, fit, thread_reply
from sinks.alerts.message import Language, Wording, build_message
from sinks.alerts.notice import Notice, NoticeKind
from sinks.alerts.outcome import Delivered, Refused, Retry
from sinks.alerts.posting import Answer
from sinks.alerts.slack import judge_slack
from tests.support.alert_intents import any_text
from tests.support.endpoints import an_endpoint
from tests.support.notices import ACTIONS, EXAMPLES, MANY, SUBJECT, a_notice, a_subject, any_notices
from tests.support.slack_rules import slack_violations, utf16_length

LINK = "https://d.example/{journey_id}"


def payload_of(notice: Notice, wording: Wording = Wording(), *, is_interactive: bool = False) -> dict[str, Any]:  # noqa: B008 - frozen
    return block_kit(build_message(notice, wording), is_interactive=is_interactive)


@given(any_notices(), st.sampled_from([None, LINK, LINK + "x" * 3000]), st.sampled_from(Language), st.booleans())
def test_slack_accepts_whatever_a_notice_holds(
    notice: Notice, link: str | None, language: Language, is_interactive: bool
) -> None:
    wording = Wording(language=language, link=link)
    assert slack_violations(payload_of(notice, wording, is_interactive=is_interactive)) == []
    assert slack_violations(thread_reply(build_message(notice, wording))) == []


@pytest.mark.parametrize("character", ["x", "&", "<", "😀", "\u202e", "*"])
def test_slack_accepts_100000_characters_in_every_field(character: str) -> None:
    text = character * 100_000
    subject = a_subject(topic=text, team=text, sentence_en=text, nearest_miss=text, evidence=(text,) * 9, rule_id=text)
    for kind in NoticeKind:
        notice = a_notice(kind, *[subject] * 12, because_en=text, acknowledged_by=text, actions=ACTIONS)
        assert slack_violations(payload_of(notice)) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_kind_has_what_a_notification_shows_and_what_the_channel_shows(name: str) -> None:
    message = build_message(EXAMPLES[name], Wording())
    payload = block_kit(message)
    assert payload["text"] == message.headline
    assert payload["blocks"][0]["text"]["text"] == message.title


def test_a_message_shows_header_sentence_facts_context_and_buttons_in_this_order() -> None:
    payload = payload_of(a_notice(actions=ACTIONS))
    assert [block["type"] for block in payload["blocks"]] == ["header", "section", "section", "context", "actions"]
    header, sentence, facts, context, actions = payload["blocks"]
    title = "High: channel redirect, form · social → web · invoice"
    assert header["text"] == {"type": "plain_text", "text": title, "emoji": False}
    assert sentence["text"]["text"] == SUBJECT.sentence_en
    assert facts["fields"][0]["text"] == "*Customer time*\n12.5 min"
    assert [element["text"] for element in context["elements"]] == [
        "*Would have prevented it*: an answer on social itself",
        "*Evidence*: acme/crm/1, acme/web/2",
        "*Look it up*: journeys alerts show 1c1c1c1c · journeys timeline " + "ab" * 16,
    ]
    assert [(button["action_id"], button["url"]) for button in actions["elements"]] == list(ACTIONS.items())
    assert payload["text"] == f"High: {SUBJECT.sentence_en}"


def test_a_digest_lists_its_causes() -> None:
    blocks = payload_of(a_notice(NoticeKind.DIGEST, *[MANY] * 12))["blocks"]
    assert [block["type"] for block in blocks] == ["header"] + ["section"] * 10 + ["context"]
    assert blocks[1]["text"]["text"].startswith("• High: channel redirect, form · social → web")
    assert blocks[-1]["elements"][0]["text"] == "and 2 more"


def test_without_actions_there_is_no_button() -> None:
    assert "actions" not in {block["type"] for block in payload_of(a_notice())["blocks"]}


def test_an_interactive_message_asks_here_and_carries_the_incident() -> None:
    for kind in (NoticeKind.OPENED, NoticeKind.UPDATED):
        buttons = payload_of(a_notice(kind, actions=ACTIONS), is_interactive=True)["blocks"][-1]["elements"]
        assert [(button["action_id"], button.get("value")) for button in buttons] == [
            ("timeline", None),
            ("query", None),
            ("acknowledge", SUBJECT.incident_id),
            ("snooze", SUBJECT.incident_id),
        ]
    for kind in set(NoticeKind) - {NoticeKind.OPENED, NoticeKind.UPDATED}:
        assert payload_of(a_notice(kind), is_interactive=True)["blocks"][-1]["type"] != "actions"


def test_text_from_events_can_neither_mention_nor_link() -> None:
    subject = a_subject(topic="<!channel>", team="<https://evil.example|click>", sentence_en="a & b <@U1>")
    payload = payload_of(a_notice(NoticeKind.OPENED, subject))
    assert payload["blocks"][1]["text"]["text"] == "a &amp; b &lt;@U1&gt;"
    fields = [field["text"] for field in payload["blocks"][2]["fields"]]
    assert "*Team*\n&lt;https://evil.example|click&gt;" in fields
    assert all(field["verbatim"] is True for field in payload["blocks"][2]["fields"])
    assert payload["blocks"][0]["text"]["type"] == "plain_text"


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
        ({**button("x", "https://a.example"), "elements": [{"type": "button", "text": plain("x")}]}, "web address"),
        (
            {**button("x", "https://a.example"), "elements": button("x", "https://a.example")["elements"] * 2},
            "of its own",
        ),
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
