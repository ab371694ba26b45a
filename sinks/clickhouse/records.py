"""Rows that are no facts about a person: checkpoints, dead letters, alerts; field names are the columns'."""

import hashlib
from typing import NamedTuple, Protocol, Self

import msgspec

from schemas.log import DeadLetter, Position


class Retracted(Protocol):
    """A published fact that no longer holds, as the core names it."""

    @property
    def id(self) -> str:
        """The fact's id."""

    @property
    def tenant(self) -> str:
        """The company or brand."""

    @property
    def person_key(self) -> str:
        """The person whom it was about."""


class Deadline(NamedTuple):
    """When a person has to be judged again though nothing happened; event time, UTC milliseconds."""

    deadline: int
    tenant: str
    person_key: str


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Everything in the partition before `next_offset` is durable: in the tables or in the dead letters.

    `watermark` (event time) and `written_at` (clock) are UTC milliseconds; `watermark_state` is how the watermark came
    about, as JSON. The row with the highest `next_offset` counts, so a worker that was paused and writes late cannot
    set a checkpoint back.
    """

    consumer_group: str
    topic: str
    topic_incarnation: str
    partition: int
    next_offset: int
    watermark: int | None
    watermark_state: str
    written_at: int


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker began with: records of a partition from `offset` up to, not including, `until_offset`.

    `deaths` counts the workers in a row that died meanwhile; written before the attempt, it counts that one already,
    and is taken back when the worker turns out to live. `keyed_partitions` counts those of the keyed topic. The row
    with the highest `version` counts. `recorded_at` is UTC milliseconds.
    """

    consumer_group: str
    topic: str
    partition: int
    topic_incarnation: str
    keyed_partitions: int
    offset: int
    until_offset: int
    deaths: int
    recorded_at: int
    version: int


class DeadLetterRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter without its payload. Times are UTC milliseconds.

    `dead_topic`, `dead_partition` and `dead_offset` say where the bytes are. `state` is `open`, `replayed` or
    `dropped`; whoever changes it raises `version`, which a worker always writes as 1, so a replay of the log does
    not open again what somebody has settled.
    """

    topic: str
    topic_incarnation: str
    partition: int
    offset: int
    appended_at: int
    stage: str
    reason: str
    field: str | None
    detail: str
    raw_bytes: int | None
    raw_sha256: str
    key_hash: str
    code_version: str
    recorded_at: int
    dead_topic: str = ""
    dead_partition: int = -1
    dead_offset: int = -1
    state: str = "open"
    version: int = 1

    @classmethod
    def of(
        cls,
        letter: DeadLetter,
        *,
        topic_incarnation: str,
        key_hash: str,
        code_version: str,
        recorded_at: int,
        stored_at: Position | None = None,
    ) -> Self:
        """Record of a dead letter whose bytes lie at `stored_at` in the dead-letter topic.

        `key_hash` is a keyed hash, or '': a record's key may be an identifier, which a plain hash does not hide.
        """
        raw = letter.raw
        return cls(
            topic=letter.position.topic,
            topic_incarnation=topic_incarnation,
            partition=letter.position.partition,
            offset=letter.position.offset,
            appended_at=letter.timestamp,
            stage=letter.stage,
            reason=letter.reason,
            field=letter.field,
            detail=letter.detail,
            raw_bytes=None if raw is None else len(raw),
            raw_sha256="" if raw is None else hashlib.sha256(raw).hexdigest(),
            key_hash=key_hash,
            code_version=code_version,
            recorded_at=recorded_at,
            dead_topic="" if stored_at is None else stored_at.topic,
            dead_partition=-1 if stored_at is None else stored_at.partition,
            dead_offset=-1 if stored_at is None else stored_at.offset,
        )


class AlertRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the ledger of alerts: what is known of telling one friction to one channel.

    `state` is `waiting`, `silenced` (`reason` says by what) or `retracted`, in rows of older workers also `delivered`
    or `refused`; a retraction has an entry of its own, whose `channel` is empty. `version` is that of the friction that
    led to the entry; of several entries for a friction and channel the highest counts. Times are UTC milliseconds.
    """

    tenant: str
    friction_id: str
    channel: str
    state: str
    attempts: int = 0
    reason: str = ""
    rule_id: str = ""
    team: str | None = None
    severity: int = 0
    incident_id: str = ""
    person_key: str = ""
    minutes: float = 0.0
    joined_at: int = 0
    recorded_at: int
    version: int


class IncidentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `alert_incidents`; `samples` and `content` are JSON of whoever decides."""

    tenant: str
    incident_id: str
    cause: str
    rule_id: str
    variant: str
    team: str | None
    topic: str | None
    from_channel: str | None
    to_channel: str | None
    phase: str
    is_over: bool
    is_swarm: bool
    severity: int
    customers: int
    frictions: int
    minutes: float
    started_at: int
    opened_at: int
    last_member_at: int
    ended_at: int | None
    because_en: str
    because_de: str
    acknowledged_by: str
    acknowledged_at: int | None
    assigned_to: str
    person_keys: tuple[str, ...]
    samples: str
    content: str
    version: int


class NoticeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `alert_notices`; `content` is the notice as JSON."""

    notice_id: str
    channel: str
    kind: str
    state: str
    tenant: str
    incident_ids: tuple[str, ...]
    rule_id: str
    team: str | None
    severity: int
    customers: int
    decided_at: int
    attempts: int = 0
    settled_at: int | None = None
    reference: str = ""
    reason: str = ""
    person_keys: tuple[str, ...] = ()
    content: str = ""
    version: int


class ActionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `alert_actions`: what somebody did about an incident, and when it was taken into account."""

    action_id: str
    kind: str
    tenant: str = ""
    incident_id: str = ""
    cause: str = ""
    notice_id: str = ""
    acted_by: str = ""
    acted_at: int
    until: int | None = None
    text: str = ""
    applied_at: int | None = None
    version: int = 1


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Standing members of an incident, counted: `by_severity` from 1 to 5."""

    incident_id: str
    frictions: int
    customers: int
    minutes: float
    by_severity: tuple[int, ...]
