"""The words of notices, in every language there is."""

from enum import StrEnum
from typing import Final

from sinks.alerts.notice import NoticeKind


class Language(StrEnum):
    """The languages an alert can be worded in."""

    ENGLISH = "en"
    GERMAN = "de"


#: The `type` of the document that machines receive.
DOCUMENT_TYPES: Final = {
    NoticeKind.OPENED: "friction.opened",
    NoticeKind.UPDATED: "friction.updated",
    NoticeKind.CLOSED: "friction.closed",
    NoticeKind.WITHDRAWN: "friction.withdrawn",
    NoticeKind.DIGEST: "alert.digest",
    NoticeKind.EXPIRED: "alert.expired",
    NoticeKind.TEST: "alert.test",
}
#: Words for severity 1 to 5.
SEVERITY_WORDS: Final = {
    Language.ENGLISH: ("Notice", "Low", "Medium", "High", "Critical"),
    Language.GERMAN: ("Hinweis", "Gering", "Mittel", "Hoch", "Kritisch"),
}
#: The first word of a notice; that of an opened one is its severity.
STATES: Final[dict[Language, dict[NoticeKind, str]]] = {
    Language.ENGLISH: {
        NoticeKind.UPDATED: "Update",
        NoticeKind.CLOSED: "Closed",
        NoticeKind.WITHDRAWN: "Withdrawn",
        NoticeKind.DIGEST: "Digest",
        NoticeKind.EXPIRED: "Not told in time",
        NoticeKind.TEST: "Test",
    },
    Language.GERMAN: {
        NoticeKind.UPDATED: "Neuer Stand",
        NoticeKind.CLOSED: "Beendet",
        NoticeKind.WITHDRAWN: "Zurückgezogen",
        NoticeKind.DIGEST: "Übersicht",
        NoticeKind.EXPIRED: "Nicht rechtzeitig gemeldet",
        NoticeKind.TEST: "Test",
    },
}
#: What is said where nobody gave a reason.
REASONS: Final[dict[Language, dict[NoticeKind, str]]] = {
    Language.ENGLISH: {
        NoticeKind.CLOSED: "nothing new has come",
        NoticeKind.WITHDRAWN: "it turned out not to be so",
        NoticeKind.EXPIRED: "this channel could not be reached",
        NoticeKind.TEST: "alerts reach this channel; nothing happened, and there is nothing to do",
    },
    Language.GERMAN: {
        NoticeKind.CLOSED: "es kam nichts Neues",
        NoticeKind.WITHDRAWN: "es war doch nicht so",
        NoticeKind.EXPIRED: "dieser Kanal war nicht erreichbar",
        NoticeKind.TEST: "Meldungen kommen hier an; es ist nichts geschehen und nichts zu tun",
    },
}
#: What formats put around the values. The names of actions are the labels of their buttons.
LABELS: Final[dict[Language, dict[str, str]]] = {
    Language.ENGLISH: {
        "minutes": "Customer time",
        "affected": "Affected",
        "this_week": "This week",
        "usually": "{count}, usually {usual}",
        "no_history": "{count}, no earlier weeks to compare",
        "team": "Team",
        "since": "Since",
        "acknowledged_by": "Taken by",
        "example": "For example: {sentence}",
        "had_said": "It had said: {sentence}",
        "evidence": "Evidence",
        "more": "and {count} more",
        "prevention": "Would have prevented it",
        "look_up": "Look it up",
        "timeline": "Open the journey",
        "query": "Show the data",
        "acknowledge": "I take it",
        "snooze": "Not now",
        "customer": "{count} customer",
        "customers": "{count} customers",
        "case": "{count} case",
        "cases": "{count} cases",
        "cause": "{count} cause",
        "causes": "{count} causes",
        "alert": "{count} alert",
        "alerts": "{count} alerts",
    },
    Language.GERMAN: {
        "minutes": "Zeit des Kunden",
        "affected": "Betroffen",
        "this_week": "Diese Woche",
        "usually": "{count}, sonst {usual}",
        "no_history": "{count}, keine früheren Wochen zum Vergleich",
        "team": "Team",
        "since": "Seit",
        "acknowledged_by": "Übernommen von",
        "example": "Zum Beispiel: {sentence}",
        "had_said": "Gemeldet war: {sentence}",
        "evidence": "Belege",
        "more": "und {count} weitere",
        "prevention": "Vermeidbar mit",
        "look_up": "Nachsehen",
        "timeline": "Kundenreise öffnen",
        "query": "Daten zeigen",
        "acknowledge": "Ich übernehme",
        "snooze": "Nicht jetzt",
        "customer": "{count} Kunde",
        "customers": "{count} Kunden",
        "case": "{count} Fall",
        "cases": "{count} Fälle",
        "cause": "{count} Ursache",
        "causes": "{count} Ursachen",
        "alert": "{count} Meldung",
        "alerts": "{count} Meldungen",
    },
}
