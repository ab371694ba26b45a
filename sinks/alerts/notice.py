"""One notice: what a team is told at one moment, before it is worded for a channel."""

from enum import StrEnum

import msgspec


class NoticeKind(StrEnum):
    """Why a team is told."""

    OPENED = "opened"
    UPDATED = "updated"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"
    DIGEST = "digest"
    EXPIRED = "expired"
    TEST = "test"


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What a notice is about: frictions of one cause, one of them told as the example.

    `incident_id` is the same for all notices about it (32 hexadecimal characters). `customers`, `frictions` and
    `minutes` (of customers) count its members as they are now, `opened_at` is the event time of the earliest of them
    in milliseconds, UTC. `severity` is the highest, 1 to 5. `person_key` and `journey_id` name the one there is, and
    are empty where there are several. `this_week` counts frictions of this cause in the last seven days; `usual_week`
    is the median of the four weeks before, None where there is no history. Everything optional is None or empty when
    unknown.
    """

    incident_id: str
    tenant: str
    rule_id: str
    variant: str
    severity: int
    team: str | None
    topic: str | None
    from_channel: str | None
    to_channel: str | None
    opened_at: int
    customers: int
    frictions: int
    minutes: float
    sentence_en: str
    sentence_de: str
    evidence: tuple[str, ...]
    nearest_miss: str
    nearest_miss_de: str = ""
    friction_id: str
    person_key: str
    journey_id: str
    this_week: int
    usual_week: float | None


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What one channel is to be told, once.

    `notice_id` is the same on every retry and differs between notices (32 hexadecimal characters). `subjects` is one
    subject, or several for a digest and a summary of what expired, the most severe first; `left_out` counts those
    that a digest had no room for. `because_en` and `because_de` say why something was withdrawn, closed or changed, in
    half a sentence; empty otherwise. `reference` is what the channel answered to the first notice of the incident
    (empty when it gave none, or nothing was told yet): with it a message can be edited, answered in its thread or
    resolved. `acknowledged_by` names who has taken it, empty for nobody. `actions` are addresses behind buttons, by
    name (`timeline`, `query`, `acknowledge`, `snooze`); what is missing is not offered.
    """

    notice_id: str
    kind: NoticeKind
    decided_at: int
    subjects: tuple[Subject, ...]
    left_out: int = 0
    because_en: str = ""
    because_de: str = ""
    reference: str = ""
    acknowledged_by: str = ""
    actions: dict[str, str] = {}
