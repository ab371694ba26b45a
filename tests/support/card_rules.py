"""What Microsoft Teams accepts of a workflow's webhook, written from the documentation and independent of our builder.

Elements and their properties: https://adaptivecards.io/explorer, version 1.5 (the schema there is of
https://github.com/microsoft/AdaptiveCards, schemas/1.5.0, MIT). Envelope and size:
https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using. Only what a message
of ours has any business to hold is known here; an element beyond that is a violation too.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

SIZE = 28 * 1024
_SPACING = {"Default", "None", "Small", "Medium", "Large", "ExtraLarge", "Padding"}
_RUN_CHOICES = {
    "size": {"Default", "Small", "Medium", "Large", "ExtraLarge"},
    "weight": {"Default", "Lighter", "Bolder"},
    "color": {"Default", "Dark", "Light", "Accent", "Good", "Warning", "Attention"},
    "fontType": {"Default", "Monospace"},
}
_RUN_FLAGS = {"isSubtle", "italic", "strikethrough", "highlight", "underline"}


def card_violations(body: bytes) -> list[str]:
    """Everything in a request body that Teams would refuse or show wrongly; empty when it is fine."""
    found = [f"body: {len(body)} bytes, at most {SIZE}"] if len(body) > SIZE else []
    payload = json.loads(body)
    found += _unknown("message", payload, {"type", "attachments"})
    if payload.get("type") != "message":
        found.append("message.type: must be message")
    attachments = payload.get("attachments")
    if not isinstance(attachments, list) or len(attachments) != 1:
        return [*found, "message.attachments: must be one"]
    attachment = attachments[0]
    found += _unknown("attachment", attachment, {"contentType", "contentUrl", "content"})
    if attachment.get("contentType") != "application/vnd.microsoft.card.adaptive":
        found.append("attachment.contentType: must be that of an Adaptive Card")
    if attachment.get("contentUrl") is not None:
        found.append("attachment.contentUrl: must be null")
    return found + _card(attachment.get("content"))


def _card(card: Any) -> list[str]:
    if not isinstance(card, dict):
        return ["card: not an object"]
    found = _unknown("card", card, {"$schema", "type", "version", "body", "actions", "fallbackText"})
    if card.get("type") != "AdaptiveCard":
        found.append("card.type: must be AdaptiveCard")
    if card.get("version") not in {f"1.{minor}" for minor in range(6)}:
        found.append("card.version: must be 1.0 to 1.5")
    body, actions = card.get("body"), card.get("actions", [])
    if not isinstance(body, list) or not body:
        return [*found, "card.body: must be a list that is not empty"]
    for number, element in enumerate(body):
        where = f"body[{number}]"
        check = _ELEMENTS.get(element.get("type")) if isinstance(element, dict) else None
        found += check(where, element) if check else [f"{where}: not an element that belongs in a card of ours"]
    if not isinstance(actions, list) or len(actions) > 6:
        return [*found, "card.actions: must be a list of at most 6"]
    for number, action in enumerate(actions):
        found += _action(f"actions[{number}]", action)
    return found


def _rich_text(where: str, element: Mapping[str, Any]) -> list[str]:
    found = _unknown(where, element, {"type", "inlines", "spacing", "separator", "id", "horizontalAlignment"})
    if element.get("spacing", "Default") not in _SPACING:
        found.append(f"{where}.spacing: not one of {sorted(_SPACING)}")
    inlines = element.get("inlines")
    if not isinstance(inlines, list) or not inlines:
        return [*found, f"{where}.inlines: must be a list that is not empty"]
    for number, run in enumerate(inlines):
        found += _run(f"{where}.inlines[{number}]", run)
    return found


def _run(where: str, run: Any) -> list[str]:
    # A plain string is allowed as well, but then it is not sure that no Markdown is understood in it.
    if not isinstance(run, dict) or run.get("type") != "TextRun":
        return [f"{where}: must be a TextRun"]
    found = _unknown(where, run, {"type", "text", *_RUN_CHOICES, *_RUN_FLAGS})
    found += _string(f"{where}.text", run.get("text"))
    found += [
        f"{where}.{name}: not known" for name, known in _RUN_CHOICES.items() if run.get(name, "Default") not in known
    ]
    found += [
        f"{where}.{name}: must be true or false" for name in _RUN_FLAGS if not isinstance(run.get(name, True), bool)
    ]
    return found


def _action(where: str, action: Any) -> list[str]:
    if not isinstance(action, dict) or action.get("type") != "Action.OpenUrl":
        # Workflows cannot answer any other.
        return [f"{where}: must be an Action.OpenUrl"]
    found = _unknown(where, action, {"type", "title", "url", "style", "id"})
    found += _string(f"{where}.title", action.get("title"))
    if not re.match(r"https?://[^\s<>]+$", str(action.get("url"))):
        found.append(f"{where}.url: must be a web address")
    return found


_ELEMENTS: dict[Any, Callable[[str, Mapping[str, Any]], list[str]]] = {"RichTextBlock": _rich_text}


def _string(where: str, text: Any) -> list[str]:
    if not isinstance(text, str) or not text.strip():
        return [f"{where}: must be a string that is not empty"]
    if any("\ud800" <= character <= "\udfff" for character in text):
        return [f"{where}: half a character (lone surrogate)"]
    return []


def _unknown(where: str, value: Mapping[str, Any], allowed: set[str]) -> list[str]:
    return [f"{where}.{name}: not known to Teams" for name in value.keys() - allowed]
