"""What PagerDuty's Events API v2 accepts, written from its reference and independent of our builder.

https://developer.pagerduty.com/docs/send-alert-event and https://developer.pagerduty.com/docs/events-api-v2-overview
"""

import json
import re
from datetime import datetime
from typing import Any

SIZE = 512 * 1024
_FIELDS = {"routing_key", "event_action", "dedup_key", "payload", "images", "links", "client", "client_url"}
_PAYLOAD_FIELDS = {"summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"}


def event_violations(event: Any) -> list[str]:
    """Everything in an event that PagerDuty would refuse or not understand; empty when it is fine."""
    if not isinstance(event, dict):
        return ["event: not an object"]
    found = [f"event.{name}: not known" for name in event.keys() - _FIELDS]
    if len(json.dumps(event).encode()) > SIZE:
        found.append("event: over 512 KB")
    if event.get("event_action") not in {"trigger", "acknowledge", "resolve"}:
        found.append("event_action: must be trigger, acknowledge or resolve")
    if not re.fullmatch("[A-Za-z0-9]{32}", str(event.get("routing_key", "k" * 32))):
        found.append("routing_key: must be 32 letters and digits")
    key = event.get("dedup_key")
    if not isinstance(key, str) or not 1 <= len(key) <= 255:
        found.append("dedup_key: must be a string of 1 to 255, as nothing else leads back to the alert")
    if event.get("event_action") == "trigger":
        found += _payload(event.get("payload"))
    for link in event.get("links", []):
        if set(link) != {"href", "text"} or not re.match(r"https?://\S+$", link["href"]) or not link["text"]:
            found.append("links: each must have a web address and a text")
    return found


def _payload(payload: Any) -> list[str]:
    if not isinstance(payload, dict):
        return ["payload: is required to trigger"]
    found = [f"payload.{name}: not known" for name in payload.keys() - _PAYLOAD_FIELDS]
    found += [
        f"payload.{name}: must be a string that is not empty"
        for name in ("summary", "source")
        if not isinstance(payload.get(name), str) or not payload[name].strip()
    ]
    if len(str(payload.get("summary"))) > 1024:
        found.append("payload.summary: at most 1024 characters")
    if payload.get("severity") not in {"critical", "error", "warning", "info"}:
        found.append("payload.severity: must be critical, error, warning or info")
    try:
        is_dated = datetime.fromisoformat(payload.get("timestamp", "2026-01-01T00:00:00+00:00")).tzinfo is not None
    except ValueError:
        is_dated = False
    if not is_dated:
        found.append("payload.timestamp: must be a moment of ISO 8601 with an offset")
    found += [
        f"payload.{name}: must be a string"
        for name in ("component", "group", "class")
        if not isinstance(payload.get(name, ""), str)
    ]
    if not isinstance(payload.get("custom_details", {}), dict):
        found.append("payload.custom_details: must be an object")
    return found
