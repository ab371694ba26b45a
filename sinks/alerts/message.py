"""One alert in words: what every channel shows, each in its own format."""

import re
import shlex
import string
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote

import msgspec

from schemas.alerts import AlertIntent


class Language(StrEnum):
    """The languages an alert can be worded in."""

    ENGLISH = "en"
    GERMAN = "de"


#: What a link template may name.
LINK_FIELDS: Final = ("journey_id", "friction_id", "person_key", "tenant")

#: The type of the document that machines receive for an alert.
DOCUMENT_TYPE: Final = "friction.opened"

_SEVERITY_WORDS: Final = {
    Language.ENGLISH: ("Notice", "Low", "Medium", "High", "Critical"),
    Language.GERMAN: ("Hinweis", "Gering", "Mittel", "Hoch", "Kritisch"),
}
_LABELS: Final = {
    Language.ENGLISH: {
        "severity": "Severity",
        "of_5": "{severity} of 5",
        "channels": "Channels",
        "topic": "Topic",
        "team": "Team",
        "when": "When",
        "minutes": "Customer time",
        "rule": "Pattern",
        "journey": "Journey",
        "evidence": "Evidence",
        "more": "and {count} more",
        "nearest_miss": "Nearest miss",
        "look_up": "Look it up",
        "open": "Open the journey",
    },
    Language.GERMAN: {
        "severity": "Schwere",
        "of_5": "{severity} von 5",
        "channels": "Kanäle",
        "topic": "Thema",
        "team": "Team",
        "when": "Wann",
        "minutes": "Zeit des Kunden",
        "rule": "Muster",
        "journey": "Kundenreise",
        "evidence": "Belege",
        "more": "und {count} weitere",
        "nearest_miss": "Knapp daneben",
        "look_up": "Nachsehen",
        "open": "Kundenreise öffnen",
    },
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST_MS: Final = -62_135_596_800_000
_LATEST_MS: Final = 253_402_300_799_999

# Control characters could drive a terminal, surrogates cannot be encoded, and the bidirectional ones can make a line
# read as something else than it says.
_UNPRINTABLE = re.compile("[\x00-\x20\x7f-\xa0\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Wording(msgspec.Struct, frozen=True):
    """How a channel words its alerts.

    `link` is a template such as `https://dashboards.example/journey?id={journey_id}` with the names of `LINK_FIELDS`;
    None leaves the link out, the look-up command stays.
    """

    language: Language = Language.ENGLISH
    link: str | None = None


class Fact(msgspec.Struct, frozen=True):
    """One labelled value, both ready to show."""

    label: str
    value: str


class AlertMessage(msgspec.Struct, frozen=True, kw_only=True):
    """An alert in words. All texts are one line each, without control characters, not escaped for any format.

    `evidence` holds references to touchpoints, `look_up` the command that shows the person's timeline, `link` the
    address of the journey where one is configured, `labels` the words that formats put around the rest.
    """

    intent: AlertIntent
    language: Language
    title: str
    severity_word: str
    sentence: str
    facts: tuple[Fact, ...]
    evidence: tuple[str, ...]
    nearest_miss: str
    look_up: str
    link: str | None
    labels: Mapping[str, str]


def build_message(intent: AlertIntent, wording: Wording) -> AlertMessage:
    """Put an intent into words. Absent values (topic, team, channels) leave their fact out."""
    labels = _LABELS[wording.language]
    severity_word = _SEVERITY_WORDS[wording.language][min(max(intent.severity, 1), 5) - 1]
    pattern = ", ".join(filter(None, (_words(intent.rule_id), _words(intent.variant))))
    values = {
        "severity": labels["of_5"].format(severity=intent.severity) + f" ({severity_word.lower()})",
        "rule": pattern,
        "channels": " → ".join(filter(None, (intent.from_channel, intent.to_channel))),
        "topic": intent.topic or "",
        "team": intent.team or "",
        "when": f"{_utc(intent.anchor_at):%Y-%m-%d %H:%M} UTC",
        "minutes": _minutes(intent.minutes, wording.language),
        "journey": intent.journey_id,
    }
    facts = tuple(Fact(labels[name], one_line(value)) for name, value in values.items() if one_line(value))
    sentence = intent.sentence_de if wording.language is Language.GERMAN else intent.sentence_en
    return AlertMessage(
        intent=intent,
        language=wording.language,
        title=": ".join(filter(None, (severity_word, pattern))),
        severity_word=severity_word,
        sentence=one_line(sentence),
        facts=facts,
        evidence=tuple(filter(None, map(one_line, intent.evidence))),
        nearest_miss=one_line(intent.nearest_miss),
        look_up=f"journeys timeline {shlex.quote(one_line(intent.person_key))}",
        link=_link(wording.link, intent),
        labels=labels,
    )


def document(message: AlertMessage) -> dict[str, Any]:
    """An alert for machines: `type`, `timestamp` and `data`, the body form of the Standard Webhooks specification.

    The timestamp is the event time that the friction hangs on, so that every retry sends the same bytes.
    """
    intent = msgspec.to_builtins(message.intent)
    del intent["action"]
    timestamp = _utc(message.intent.anchor_at).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    words = {
        "evidence": list(message.intent.evidence),
        "language": str(message.language),
        "title": message.title,
        "severity_word": message.severity_word,
        "sentence": message.sentence,
        "look_up": message.look_up,
        "link": message.link,
    }
    return {"type": DOCUMENT_TYPE, "timestamp": timestamp, "data": intent | words}


def one_line(text: str) -> str:
    """Text as one printable line: control characters and runs of white space become single spaces."""
    return _UNPRINTABLE.sub(" ", _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)).strip()


def link_problem(template: str) -> str | None:
    """Say what is wrong with a link template, or None when it can be used."""
    try:
        fields = [field for field in string.Formatter().parse(template) if field[1] is not None]
    except ValueError as error:
        return f"is not a template: {error}"
    names = [name for _, name, _, _ in fields]
    if any(form or conversion for _, _, form, conversion in fields):
        return "may hold names in braces, and nothing else in the braces"
    if unknown := [name for name in names if name not in LINK_FIELDS]:
        return f"names {{{unknown[0]}}}; allowed: " + ", ".join(f"{{{name}}}" for name in LINK_FIELDS)
    if not names:
        return "names nothing to link to; put one of " + ", ".join(f"{{{name}}}" for name in LINK_FIELDS) + " in it"
    if not template.startswith(("https://", "http://")) or _UNPRINTABLE.search(template):
        return "must start with https:// or http:// and hold no spaces"
    return None


def _link(template: str | None, intent: AlertIntent) -> str | None:
    if template is None:
        return None
    return template.format(**{name: quote(one_line(getattr(intent, name)), safe="") for name in LINK_FIELDS})


def _words(identifier: str) -> str:
    return one_line(identifier.replace("_", " "))


def _minutes(minutes: float, language: Language) -> str:
    text = f"{minutes:.1f}".removesuffix(".0")
    return (text.replace(".", ",") if language is Language.GERMAN else text) + " min"


def _utc(milliseconds: int) -> datetime:
    """Moment of a time, clamped to the years 1 to 9999."""
    return _EPOCH + timedelta(milliseconds=min(max(milliseconds, _EARLIEST_MS), _LATEST_MS))
