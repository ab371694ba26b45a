"""What Slack accepts in a message, written from its reference and independent of our builder.

https://docs.slack.dev/reference/block-kit/blocks, .../block-elements/button-element, .../composition-objects and
https://docs.slack.dev/messaging/formatting-message-text (escaping).
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

# Only these come from us; a message with any other is either malformed or says more than it should.
ENTITY = re.compile(r"&(?!amp;|lt;|gt;)")
# A raw `<` begins a link or a mention. Links to the web may be meant; mentions only come from unescaped text.
WEB_LINK = re.compile(r"<https?://[^<>|\s]+(\|[^<>|]+)?>")
#: Seen in practice: past this many characters in all, webhooks refuse what each limit alone allows.
WHOLE_MESSAGE = 13_000


def utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def slack_violations(payload: Any) -> list[str]:
    """Everything in a payload that Slack would refuse or show wrongly; empty when it is fine."""
    if not isinstance(payload, dict):
        return ["payload: not an object"]
    found = _unknown("payload", payload, {"text", "blocks"})
    found += _text_value("payload.text", payload.get("text"), 40_000, is_mrkdwn=True)
    blocks = payload.get("blocks")
    if not isinstance(blocks, list) or not 1 <= len(blocks) <= 50:
        return [*found, "payload.blocks: must be a list of 1 to 50"]
    for number, block in enumerate(blocks):
        where = f"blocks[{number}]"
        check = _BLOCKS.get(block.get("type")) if isinstance(block, dict) else None
        found += check(where, block) if check else [f"{where}: not a block that belongs in a message of ours"]
    if sum(map(utf16_length, _strings(blocks))) > WHOLE_MESSAGE:
        found.append(f"payload.blocks: over {WHOLE_MESSAGE} characters in all")
    return found


def _header(where: str, block: Mapping[str, Any]) -> list[str]:
    return _unknown(where, block, {"type", "text", "block_id"}) + _text(
        f"{where}.text", block.get("text"), 150, {"plain_text"}
    )


def _section(where: str, block: Mapping[str, Any]) -> list[str]:
    found = _unknown(where, block, {"type", "text", "fields", "block_id", "accessory", "expand"})
    if "text" not in block and "fields" not in block:
        found.append(f"{where}: needs text or fields")
    if "text" in block:
        found += _text(f"{where}.text", block["text"], 3000)
    if "fields" in block:
        fields = block["fields"]
        if not isinstance(fields, list) or not 1 <= len(fields) <= 10:
            return [*found, f"{where}.fields: must be a list of 1 to 10"]
        for number, field in enumerate(fields):
            found += _text(f"{where}.fields[{number}]", field, 2000)
    return found


def _context(where: str, block: Mapping[str, Any]) -> list[str]:
    found = _unknown(where, block, {"type", "elements", "block_id"})
    elements = block.get("elements")
    if not isinstance(elements, list) or not 1 <= len(elements) <= 10:
        return [*found, f"{where}.elements: must be a list of 1 to 10"]
    for number, element in enumerate(elements):
        found += _text(f"{where}.elements[{number}]", element, 3000)
    return found


def _actions(where: str, block: Mapping[str, Any]) -> list[str]:
    found = _unknown(where, block, {"type", "elements", "block_id"})
    elements = block.get("elements")
    if not isinstance(elements, list) or not 1 <= len(elements) <= 25:
        return [*found, f"{where}.elements: must be a list of 1 to 25"]
    for number, element in enumerate(elements):
        found += _button(f"{where}.elements[{number}]", element)
    ids = [element.get("action_id") for element in elements if isinstance(element, dict)]
    if len(set(ids)) < len(ids):
        found.append(f"{where}.elements: each needs an action_id of its own")
    return found


def _divider(where: str, block: Mapping[str, Any]) -> list[str]:
    return _unknown(where, block, {"type", "block_id"})


def _button(where: str, element: Any) -> list[str]:
    if not isinstance(element, dict) or element.get("type") != "button":
        return [f"{where}: must be a button"]
    found = _unknown(where, element, {"type", "text", "url", "action_id", "value", "style", "accessibility_label"})
    found += _text(f"{where}.text", element.get("text"), 75, {"plain_text"})
    for name, limit in (("action_id", 255), ("value", 2000)):
        if name in element and not (isinstance(element[name], str) and 1 <= utf16_length(element[name]) <= limit):
            found.append(f"{where}.{name}: must be a string of 1 to {limit}")
    url = element.get("url")
    if url is None and "value" in element:
        return found
    if not isinstance(url, str) or not re.match(r"https?://[^\s<>]+$", url) or utf16_length(url) > 3000:
        found.append(f"{where}.url: must be a web address of at most 3000 characters")
    return found


_BLOCKS: dict[Any, Callable[[str, Mapping[str, Any]], list[str]]] = {
    "header": _header,
    "section": _section,
    "context": _context,
    "actions": _actions,
    "divider": _divider,
}


def _text(
    where: str, value: Any, limit: int, types: frozenset[str] | set[str] = frozenset({"plain_text", "mrkdwn"})
) -> list[str]:
    if not isinstance(value, dict) or value.get("type") not in types:
        return [f"{where}: must be a text object of type {' or '.join(sorted(types))}"]
    is_mrkdwn = value["type"] == "mrkdwn"
    found = _unknown(where, value, {"type", "text", "verbatim"} if is_mrkdwn else {"type", "text", "emoji"})
    found += [
        f"{where}.{name}: must be true or false"
        for name in ("verbatim", "emoji")
        if not isinstance(value.get(name, True), bool)
    ]
    return found + _text_value(f"{where}.text", value.get("text"), limit, is_mrkdwn=is_mrkdwn)


def _text_value(where: str, text: Any, limit: int, *, is_mrkdwn: bool) -> list[str]:
    if not isinstance(text, str):
        return [f"{where}: must be a string"]
    found = []
    if not text.strip():
        found.append(f"{where}: must not be empty")
    if utf16_length(text) > limit:
        found.append(f"{where}: {utf16_length(text)} characters, at most {limit}")
    if any("\ud800" <= character <= "\udfff" for character in text):
        found.append(f"{where}: half a character (lone surrogate)")
    if is_mrkdwn and ENTITY.search(text):
        found.append(f"{where}: a raw or cut `&`")
    if is_mrkdwn and re.search(r"[<>]", WEB_LINK.sub("", text)):
        found.append(f"{where}: a raw `<` or `>`")
    return found


def _unknown(where: str, value: Mapping[str, Any], allowed: set[str]) -> list[str]:
    return [f"{where}.{name}: not known to Slack" for name in value.keys() - allowed]


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in items for text in _strings(item)]
