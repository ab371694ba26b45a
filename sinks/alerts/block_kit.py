"""Slack's message format, Block Kit, held to its limits; what comes from events is escaped and never parsed."""

from collections.abc import Iterable
from typing import Any, Final

from sinks.alerts.fitting import cut, utf16_length
from sinks.alerts.message import AlertMessage
from sinks.alerts.notice import NoticeKind

#: Slack's limits, in characters: https://docs.slack.dev/reference/block-kit and, for `text`, chat.postMessage.
TEXT_LIMIT: Final = 4000
HEADER_LIMIT: Final = 150
SECTION_LIMIT: Final = 3000
FIELDS_LIMIT: Final = 10
BUTTON_TEXT_LIMIT: Final = 75
ACTION_ID_LIMIT: Final = 255

#: What can be answered in Slack itself, and the kinds of notice that ask for it.
ACTIONS: Final = ("acknowledge", "snooze")
_ANSWERABLE: Final = frozenset({NoticeKind.OPENED, NoticeKind.UPDATED})

# Ours, below Slack's, so that a whole message stays under some 13,000 characters, past which webhooks were seen to
# refuse what each limit alone allows.
_FIELD_ROOM: Final = 400
_CONTEXT_ROOM: Final = 1000
_ENTRY_ROOM: Final = 600
_BUTTONS_ROOM: Final = 5

_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
#: Slack takes no empty text.
_NOTHING: Final = "-"


def block_kit(message: AlertMessage, *, is_interactive: bool = False) -> dict[str, Any]:
    """A message: header, sentences, entries, facts, context, buttons, and `text` for notifications and old clients.

    Where it is interactive, the buttons to take an alert and to put it off carry the incident instead of an address.
    """
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(message.title, HEADER_LIMIT)}]
    blocks += [_section(fit(paragraph, SECTION_LIMIT)) for paragraph in message.paragraphs]
    blocks += [_section("• " + fit(entry, _ENTRY_ROOM)) for entry in message.entries]
    if message.facts:
        facts = message.facts[:FIELDS_LIMIT]
        fields = [_mrkdwn(_labelled(fact.label, fact.value, "\n", _FIELD_ROOM)) for fact in facts]
        blocks.append({"type": "section", "fields": fields})
    if context := [_mrkdwn(text) for text in _context(message)]:
        blocks.append({"type": "context", "elements": context})
    if buttons := list(_buttons(message, is_interactive=is_interactive)):
        blocks.append({"type": "actions", "elements": buttons[:_BUTTONS_ROOM]})
    return {"text": fit(message.headline, TEXT_LIMIT), "blocks": blocks}


def thread_reply(message: AlertMessage) -> dict[str, Any]:
    """What is said below an earlier message of the incident: the headline."""
    return {"text": fit(message.headline, TEXT_LIMIT), "blocks": [_section(fit(message.headline, SECTION_LIMIT))]}


def fit(text: str, limit: int) -> str:
    """Escape `&`, `<` and `>` and cut to `limit` characters of the result, never inside an escape.

    Characters are counted as UTF-16 does. Text that is empty becomes a dash.
    """
    fitted = cut((_ESCAPES.get(character, character) for character in text), limit)
    return fitted if fitted.strip() else _NOTHING


def _labelled(label: str, value: str, separator: str, limit: int) -> str:
    start = f"*{label}*{separator}"
    return start + fit(value, limit - utf16_length(start))


def _buttons(message: AlertMessage, *, is_interactive: bool) -> Iterable[dict[str, Any]]:
    notice = message.notice
    is_asked = is_interactive and notice.kind in _ANSWERABLE and len(notice.subjects) == 1
    for button in message.buttons:
        if not (is_asked and button.name in ACTIONS):
            yield {**_button(button.name, button.label), "url": button.url}
    if is_asked:
        for name in ACTIONS:
            yield {**_button(name, message.labels[name]), "value": notice.subjects[0].incident_id}


def _button(name: str, label: str) -> dict[str, Any]:
    text = _plain(label, BUTTON_TEXT_LIMIT)
    return {"type": "button", "action_id": cut(name, ACTION_ID_LIMIT) or _NOTHING, "text": text}


def _context(message: AlertMessage) -> Iterable[str]:
    labels = message.labels
    if message.left_out:
        yield fit(message.left_out, _CONTEXT_ROOM)
    if message.prevention:
        yield _labelled(labels["prevention"], message.prevention, ": ", _CONTEXT_ROOM)
    if message.evidence:
        yield _labelled(labels["evidence"], ", ".join(message.evidence), ": ", _CONTEXT_ROOM)
    if message.look_up:
        yield _labelled(labels["look_up"], message.look_up, ": ", _CONTEXT_ROOM)


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _mrkdwn(text)}


def _mrkdwn(text: str) -> dict[str, Any]:
    # `verbatim` keeps Slack from making links and mentions of what an event happens to hold.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _plain(text: str, limit: int) -> dict[str, Any]:
    # Slack does not parse plain text, so nothing in it is escaped.
    return {"type": "plain_text", "text": cut(text, limit).strip() or _NOTHING, "emoji": False}
