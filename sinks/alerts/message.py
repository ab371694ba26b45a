"""One notice in words: what every channel shows, each in its own format."""

import math
import re
import shlex
import string
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

import msgspec

from sinks.alerts.fitting import UNPRINTABLE, cut, one_line, plain_id, showable
from sinks.alerts.notice import Notice, NoticeKind, Subject
from sinks.alerts.vocabulary import DOCUMENT_TYPES, LABELS, REASONS, SEVERITY_WORDS, STATES
from sinks.alerts.vocabulary import Language as Language  # noqa: PLC0414 - offered from here too

#: What a link template may name.
LINK_FIELDS: Final = ("journey_id", "friction_id", "person_key", "tenant")

#: Longest text that is shown of each kind, in characters. Nobody reads more on a phone, and every channel has room.
SENTENCE_CHARACTERS: Final = 600
VALUE_CHARACTERS: Final = 120

#: References to touchpoints that are named; the rest are counted.
SHOWN_EVIDENCE: Final = 3

#: Entries of a digest that are named; the rest are counted.
SHOWN_ENTRIES: Final = 10

#: No address is longer; one that is has no button.
LINK_CHARACTERS: Final = 2048

_ACTION_ORDER: Final[tuple[str, ...]] = ("timeline", "query", "acknowledge", "snooze")
_ACTION_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,30}")
#: As many characters of an incident's id as tell it from the others that are open.
_SHOWN_ID: Final = 8
#: Kinds that show all that helps to deal with it; a test shows it for the sake of the example.
_IN_FULL: Final = frozenset({NoticeKind.OPENED, NoticeKind.UPDATED, NoticeKind.TEST})
#: Kinds that list their subjects.
_LISTS: Final = frozenset({NoticeKind.DIGEST, NoticeKind.EXPIRED})
_NEAREST_MISS: Final = re.compile(
    r"^(?:would not have (?:fired|been \w+(?: \w+)?) with|(?:hätte nicht angeschlagen|wäre \w+ \w+ ge\w+) mit) "
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST_MS: Final = -62_135_596_800_000
_LATEST_MS: Final = 253_402_300_799_999


class Wording(msgspec.Struct, frozen=True):
    """How a channel words its alerts.

    `link` is a template such as `https://dashboards.example/journey?id={journey_id}` with the names of `LINK_FIELDS`,
    for the button to the timeline where a notice brings no address of its own; None leaves it out.
    """

    language: Language = Language.ENGLISH
    link: str | None = None


class Fact(msgspec.Struct, frozen=True):
    """One labelled value, both ready to show."""

    label: str
    value: str


class Button(msgspec.Struct, frozen=True):
    """A labelled address. `name` is that of the action."""

    name: str
    label: str
    url: str


class AlertMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A notice in words. All texts are one line each, without control characters, not escaped for any format.

    `headline` is what a locked phone shows: the state and what happened, in one sentence. `title` is the state and
    the cause, `cause` the cause alone: it is the same for all notices of an incident, so it can be the subject of a
    thread. `paragraphs` are the sentences below the title, `further` those that a headline leaves to say, `entries` the
    lines of a digest, `left_out` how many more there are in words. `evidence` are references to touchpoints, the last
    one may count the rest. `severity` is the highest of the subjects, held to 1 to 5. `look_up` are the commands that
    show the incident and, where it is about one person, the timeline.
    """

    notice: Notice
    language: Language
    severity: int
    severity_word: str
    headline: str
    title: str
    cause: str
    paragraphs: tuple[str, ...]
    further: tuple[str, ...]
    entries: tuple[str, ...]
    left_out: str
    facts: tuple[Fact, ...]
    evidence: tuple[str, ...]
    prevention: str
    look_up: str
    buttons: tuple[Button, ...]
    labels: Mapping[str, str]


def build_message(notice: Notice, wording: Wording) -> AlertMessage:
    """Put a notice into words. Absent values (team, history, reasons) leave their place out."""
    language = wording.language
    notice = _showable(notice)
    subjects = notice.subjects
    first = subjects[0] if subjects else None
    severity = min(max(max((subject.severity for subject in subjects), default=1), 1), 5)
    severity_word = SEVERITY_WORDS[language][severity - 1]
    state = severity_word if notice.kind is NoticeKind.OPENED else STATES[language][notice.kind]
    is_list = notice.kind in _LISTS
    is_in_full = notice.kind in _IN_FULL
    cause = _summary(notice, language) if is_list else _cause(first) if first else ""
    reason = (notice.because_de if language is Language.GERMAN else notice.because_en) or REASONS[language].get(
        notice.kind, ""
    )
    entries = tuple(_entry(subject, language) for subject in subjects[:SHOWN_ENTRIES]) if is_list else ()
    hidden = notice.left_out + len(subjects) - len(entries) if is_list else 0
    labels = LABELS[language]
    said = _sentence_of(reason) if notice.kind is not NoticeKind.OPENED else ""
    story = _story(notice, first, language) if first and not is_list else ""
    is_story_told = notice.kind is NoticeKind.OPENED and first is not None and first.frictions <= 1
    return AlertMessage(
        notice=notice,
        language=language,
        severity=severity,
        severity_word=severity_word,
        headline=_headline(notice, state, reason, cause, language),
        title=": ".join(filter(None, (state, cause))),
        cause=cause,
        paragraphs=tuple(filter(None, (said, story))),
        further=tuple(filter(None, (said if is_list else "", "" if is_story_told else story))),
        entries=entries,
        left_out=labels["more"].format(count=hidden) if hidden > 0 else "",
        facts=tuple(_facts(notice, first, language)) if first and not is_list else (),
        evidence=_shown_evidence(first.evidence, labels) if first and is_in_full else (),
        prevention=_prevention(first, language) if first and is_in_full else "",
        look_up=" · ".join(_commands(first)) if first and is_in_full else "",
        buttons=tuple(_buttons(notice, wording, labels)),
        labels=labels,
    )


def document(message: AlertMessage) -> dict[str, Any]:
    """A notice for machines: `type`, `timestamp` and `data`, the body form of the Standard Webhooks specification.

    The timestamp is the moment of the decision to tell, so that every retry sends the same bytes.
    """
    notice = message.notice
    words = {
        "language": str(message.language),
        "severity": message.severity,
        "severity_word": message.severity_word,
        "headline": message.headline,
        "title": message.title,
        "paragraphs": list(message.paragraphs),
        "prevention": message.prevention,
        "look_up": message.look_up,
    }
    data = msgspec.to_builtins(notice)
    del data["reference"]
    data["actions"] = {button.name: button.url for button in message.buttons}
    timestamp = utc_moment(notice.decided_at).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"type": DOCUMENT_TYPES[notice.kind], "timestamp": timestamp, "data": data | words}


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
    if not template.startswith(("https://", "http://")) or UNPRINTABLE.search(template):
        return "must start with https:// or http:// and hold no spaces"
    return None


def utc_moment(milliseconds: int) -> datetime:
    """Moment of a time in milliseconds, UTC, clamped to the years 1 to 9999."""
    return _EPOCH + timedelta(milliseconds=min(max(milliseconds, _EARLIEST_MS), _LATEST_MS))


def _showable(notice: Notice) -> Notice:
    """The notice with every text fit to be shown, whoever wrote it."""
    return msgspec.structs.replace(
        notice,
        notice_id=plain_id(notice.notice_id),
        subjects=tuple(map(_showable_subject, notice.subjects)),
        because_en=showable(notice.because_en, VALUE_CHARACTERS),
        because_de=showable(notice.because_de, VALUE_CHARACTERS),
        acknowledged_by=cut(one_line(notice.acknowledged_by), VALUE_CHARACTERS),
    )


def _showable_subject(subject: Subject) -> Subject:
    def value(text: str) -> str:
        return showable(text, VALUE_CHARACTERS)

    def optional(text: str | None) -> str | None:
        return None if text is None else value(text)

    return msgspec.structs.replace(
        subject,
        incident_id=plain_id(subject.incident_id),
        tenant=value(subject.tenant),
        rule_id=value(subject.rule_id),
        variant=value(subject.variant),
        team=optional(subject.team),
        topic=optional(subject.topic),
        from_channel=optional(subject.from_channel),
        to_channel=optional(subject.to_channel),
        sentence_en=showable(subject.sentence_en, SENTENCE_CHARACTERS),
        sentence_de=showable(subject.sentence_de, SENTENCE_CHARACTERS),
        evidence=tuple(filter(None, map(value, subject.evidence))),
        nearest_miss=showable(subject.nearest_miss, SENTENCE_CHARACTERS),
        nearest_miss_de=showable(subject.nearest_miss_de, SENTENCE_CHARACTERS),
        friction_id=value(subject.friction_id),
        person_key=value(subject.person_key),
        journey_id=value(subject.journey_id),
        minutes=subject.minutes if math.isfinite(subject.minutes) else 0.0,
    )


def _headline(notice: Notice, state: str, reason: str, cause: str, language: Language) -> str:
    first = notice.subjects[0] if notice.subjects else None
    if notice.kind is NoticeKind.TEST or first is None:
        return ": ".join(filter(None, (state, reason or cause)))
    if notice.kind in _LISTS:
        return f"{state}: {cause}"
    if notice.kind is NoticeKind.OPENED:
        if first.frictions <= 1 and (sentence := _sentence(first, language)):
            return f"{state}: {sentence}"
        return f"{state}: " + " · ".join(filter(None, (_counts(first, language), cause)))
    return f"{state}: " + " · ".join(filter(None, (reason or _counts(first, language), cause)))


def _story(notice: Notice, subject: Subject, language: Language) -> str:
    """The example of what happened, or of what had been said to have happened."""
    sentence = _sentence(subject, language)
    if not sentence:
        return ""
    labels = LABELS[language]
    match notice.kind:
        case NoticeKind.OPENED | NoticeKind.UPDATED:
            return sentence if subject.frictions <= 1 else labels["example"].format(sentence=sentence)
        case NoticeKind.TEST:
            return labels["example"].format(sentence=sentence)
        case NoticeKind.WITHDRAWN:
            return labels["had_said"].format(sentence=sentence)
        case _:
            return ""


def _sentence_of(reason: str) -> str:
    return reason and reason[0].upper() + reason[1:] + ("" if reason.endswith((".", "!", "?", "…")) else ".")


def _facts(notice: Notice, subject: Subject, language: Language) -> Iterable[Fact]:
    labels = LABELS[language]
    if notice.kind is not NoticeKind.WITHDRAWN:
        if counts := _counts(subject, language):
            yield Fact(labels["affected" if max(subject.customers, subject.frictions) > 1 else "minutes"], counts)
        if frequency := _frequency(subject, language):
            yield Fact(labels["this_week"], frequency)
        yield Fact(labels["since"], f"{utc_moment(subject.opened_at):%Y-%m-%d %H:%M} UTC")
    if subject.team:
        yield Fact(labels["team"], subject.team)
    if notice.acknowledged_by:
        yield Fact(labels["acknowledged_by"], notice.acknowledged_by)


def _summary(notice: Notice, language: Language) -> str:
    """What a list adds up to. Customers are not added up: the same one may be in several entries."""
    count = len(notice.subjects) + notice.left_out
    noun = "alert" if notice.kind is NoticeKind.EXPIRED else "cause"
    parts = [_counted(noun, count, language)]
    if not notice.left_out and notice.subjects:
        parts.append(_counted("case", sum(max(subject.frictions, 0) for subject in notice.subjects), language))
        parts.append(_minutes(sum(subject.minutes for subject in notice.subjects), language))
    return ", ".join(filter(None, parts))


def _entry(subject: Subject, language: Language) -> str:
    word = SEVERITY_WORDS[language][min(max(subject.severity, 1), 5) - 1]
    frequency = _frequency(subject, language)
    label = LABELS[language]["this_week"]
    parts = (_cause(subject), _counts(subject, language), f"{label}: {frequency}" if frequency else "")
    return f"{word}: " + " · ".join(filter(None, parts))


def _cause(subject: Subject) -> str:
    pattern = ", ".join(filter(None, (_words(subject.rule_id), _words(subject.variant))))
    channels = " → ".join(filter(None, (subject.from_channel, subject.to_channel)))
    return " · ".join(filter(None, (pattern, channels, subject.topic)))


def _counts(subject: Subject, language: Language) -> str:
    """Customers, cases and minutes, leaving out what goes without saying."""
    customers = _counted("customer", subject.customers, language) if subject.customers > 1 else ""
    cases = _counted("case", subject.frictions, language) if subject.frictions > max(subject.customers, 1) else ""
    return ", ".join(filter(None, (customers, cases, _minutes(subject.minutes, language))))


def _frequency(subject: Subject, language: Language) -> str:
    labels = LABELS[language]
    if subject.usual_week is not None and math.isfinite(subject.usual_week):
        usual = _number(subject.usual_week, language)
        return labels["usually"].format(count=_number(subject.this_week, language), usual=usual)
    return labels["no_history"].format(count=_number(subject.this_week, language)) if subject.this_week > 0 else ""


def _sentence(subject: Subject, language: Language) -> str:
    return subject.sentence_de if language is Language.GERMAN else subject.sentence_en


def _prevention(subject: Subject, language: Language) -> str:
    """What would have kept it from happening; of frictions of before it could be told in German, in English."""
    told = subject.nearest_miss_de if language is Language.GERMAN else ""
    return _NEAREST_MISS.sub("", told or subject.nearest_miss)


def _commands(subject: Subject) -> Iterable[str]:
    yield f"journeys alerts show {shlex.quote(subject.incident_id[:_SHOWN_ID])}"
    if subject.person_key:
        yield f"journeys timeline {shlex.quote(subject.person_key)}"


def _shown_evidence(evidence: Sequence[str], labels: Mapping[str, str]) -> tuple[str, ...]:
    shown = tuple(evidence[:SHOWN_EVIDENCE])
    hidden = len(evidence) - len(shown)
    return (*shown, labels["more"].format(count=hidden)) if hidden else shown


def _buttons(notice: Notice, wording: Wording, labels: Mapping[str, str]) -> Iterable[Button]:
    actions = dict(notice.actions)
    if wording.link is not None and "timeline" not in actions and len(notice.subjects) == 1:
        actions["timeline"] = _link(wording.link, notice.subjects[0])
    names = [name for name in _ACTION_ORDER if name in actions]
    names += [name for name in actions if name not in _ACTION_ORDER and _ACTION_NAME.fullmatch(name)]
    for name in names:
        url = actions[name]
        if url.startswith(("https://", "http://")) and len(url) <= LINK_CHARACTERS and not UNPRINTABLE.search(url):
            yield Button(name, labels.get(name) or _words(name), url)


def _link(template: str, subject: Subject) -> str:
    return template.format(**{name: quote(getattr(subject, name), safe="") for name in LINK_FIELDS})


def _words(identifier: str) -> str:
    return one_line(identifier.replace("_", " "))


def _counted(noun: str, count: int, language: Language) -> str:
    return LABELS[language][noun if count == 1 else noun + "s"].format(count=_number(count, language))


def _minutes(minutes: float, language: Language) -> str:
    return f"{_number(minutes, language)} min" if minutes > 0 else ""


def _number(value: float, language: Language) -> str:
    text = f"{value:,.1f}".removesuffix(".0") if abs(value) < 100 else f"{value:,.0f}"
    return text.translate(str.maketrans(",.", ".,")) if language is Language.GERMAN else text
