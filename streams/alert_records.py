"""What the alerts agent knows, as rows of ClickHouse, and back."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

import msgspec

from schemas.alerts import AlertIntent
from sinks.alerts.incidents import (
    ChannelState,
    Incident,
    Phase,
    Settled,
    Settlement,
    Snooze,
    State,
    decode_incident,
    encode_incident,
    encode_notice,
)
from sinks.alerts.ledger import EntryState, LedgerEntry
from sinks.alerts.notice import Notice, NoticeKind
from sinks.clickhouse.records import ActionRecord, AlertRecord, IncidentRecord, NoticeRecord, Tally

DUE: Final = "due"
SENDING: Final = "sending"
_ENTRY_STATES: Final = frozenset(map(str, EntryState))
_SETTLEMENTS: Final = frozenset(map(str, Settlement))
_samples = msgspec.json.Decoder(tuple[AlertIntent, ...])


def entry_of(record: AlertRecord) -> LedgerEntry:
    """An entry of the ledger; what older workers delivered or were refused needs no message any more."""
    is_known = record.state in _ENTRY_STATES
    return LedgerEntry(
        friction_id=record.friction_id,
        channel=record.channel,
        state=EntryState(record.state) if is_known else EntryState.SILENCED,
        version=record.version,
        reason=record.reason,
        tenant=record.tenant,
        incident_id=record.incident_id,
        person_key=record.person_key,
        rule_id=record.rule_id,
        team=record.team,
        severity=record.severity,
        minutes=record.minutes,
        joined_at=record.joined_at,
    )


def alert_record(entry: LedgerEntry, now: int) -> AlertRecord:
    """Row of `alerts` for an entry that was made at a moment."""
    return AlertRecord(
        tenant=entry.tenant,
        friction_id=entry.friction_id,
        channel=entry.channel,
        state=entry.state.value,
        reason=entry.reason,
        rule_id=entry.rule_id,
        team=entry.team,
        severity=min(max(entry.severity, 0), 255),
        incident_id=entry.incident_id,
        person_key=entry.person_key,
        minutes=entry.minutes,
        joined_at=entry.joined_at,
        recorded_at=now,
        version=entry.version,
    )


def incident_record(incident: Incident, *, is_over: bool, version: int) -> IncidentRecord:
    """Row of `alert_incidents`."""
    shown = [sample.person_key for sample in incident.samples]
    return IncidentRecord(
        tenant=incident.tenant,
        incident_id=incident.incident_id,
        cause=incident.cause,
        rule_id=incident.rule_id,
        variant=incident.variant,
        team=incident.team,
        topic=incident.topic,
        from_channel=incident.from_channel,
        to_channel=incident.to_channel,
        phase=incident.phase.value,
        is_over=is_over,
        is_swarm=incident.is_swarm,
        severity=incident.severity,
        customers=incident.customers,
        frictions=incident.frictions,
        minutes=incident.minutes,
        started_at=incident.started_at,
        opened_at=incident.opened_at,
        last_member_at=incident.last_member_at,
        ended_at=incident.ended_at or None,
        because_en=incident.because_en,
        because_de=incident.because_de,
        acknowledged_by=incident.acknowledged_by,
        acknowledged_at=incident.acknowledged_at or None,
        assigned_to=incident.assigned_to,
        person_keys=tuple(dict.fromkeys(shown)),
        samples=msgspec.json.encode(incident.samples).decode(),
        content=encode_incident(msgspec.structs.replace(incident, samples=())),
        version=version,
    )


def incident_of(record: IncidentRecord, tally: Tally | None) -> Incident:
    """An incident with the counts that its members give; what was decided last may have lacked some of them."""
    incident = decode_incident(record.content)
    return msgspec.structs.replace(
        incident,
        samples=_samples.decode(record.samples),
        frictions=tally.frictions if tally else 0,
        customers=tally.customers if tally else 0,
        minutes=tally.minutes if tally else 0.0,
        by_severity=tally.by_severity if tally else (0, 0, 0, 0, 0),
    )


def notice_record(notice: Notice, channel: str, version: int) -> NoticeRecord:
    """Row of `alert_notices` for a notice that was decided."""
    first = notice.subjects[0]
    persons = [subject.person_key for subject in notice.subjects if subject.person_key]
    return NoticeRecord(
        notice_id=notice.notice_id,
        channel=channel,
        kind=notice.kind.value,
        state=DUE,
        tenant=first.tenant,
        incident_ids=tuple(subject.incident_id for subject in notice.subjects),
        rule_id=first.rule_id,
        team=first.team,
        severity=max(subject.severity for subject in notice.subjects),
        customers=sum(subject.customers for subject in notice.subjects),
        decided_at=notice.decided_at,
        person_keys=tuple(dict.fromkeys(persons)),
        content=encode_notice(notice),
        version=version,
    )


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What ClickHouse knows: open incidents with counts, notices that are not settled or that incidents still hold."""

    incidents: tuple[Incident, ...]
    notices: Mapping[str, NoticeRecord]
    told: Mapping[tuple[str, str], int]
    recent: Mapping[str, Collection[int]]
    snoozes: Iterable[ActionRecord]


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """The state to go on with, what was settled since it was written down, what is to be sent, and what must not be."""

    state: State
    settled: tuple[Settled, ...]
    waiting: tuple[NoticeRecord, ...]
    needless: tuple[NoticeRecord, ...]


def restored(stored: Stored) -> Restored:
    """State as of before the last step that was written whole.

    Notices are written first, then incidents, then their members, and only then is anything sent. So a notice that no
    incident holds was not sent, nor was one of an incident without members: their intents are read again.
    """
    incidents: dict[str, Incident] = {}
    held: set[str] = set()
    for incident in stored.incidents:
        in_hand = {telling.in_hand for telling in incident.tellings.values() if telling.in_hand}
        if not incident.frictions and incident.phase is Phase.OPEN:
            if not any(telling.is_shown and not telling.in_hand for telling in incident.tellings.values()):
                continue
            incident = msgspec.structs.replace(incident, phase=Phase.WITHDRAWN, ended_at=incident.last_member_at)  # noqa: PLW2901
        incidents[incident.incident_id] = incident
        held |= in_hand
    unsettled = [record for record in stored.notices.values() if record.state in {DUE, SENDING}]
    # What somebody had sent again belongs to no incident any more.
    waiting = [one for one in unsettled if one.content and (one.notice_id in held or one.attempts)]
    needless = [one for one in unsettled if one not in waiting]
    settled = [
        Settled(
            notice_id=record.notice_id,
            channel=record.channel,
            settlement=Settlement(record.state),
            reference=record.reference,
        )
        for record in stored.notices.values()
        if record.state in _SETTLEMENTS and record.notice_id in held
    ]
    settled += [
        Settled(notice_id=one.notice_id, channel=one.channel, settlement=Settlement.SUPERSEDED) for one in needless
    ]
    channels = {channel: ChannelState(recent=tuple(moments), in_hand={}) for channel, moments in stored.recent.items()}
    for record in stored.notices.values():
        if record in waiting or record.notice_id in held:
            channel = channels.get(record.channel, ChannelState())
            in_hand_now = {**channel.in_hand, record.notice_id: NoticeKind(record.kind)}
            channels[record.channel] = msgspec.structs.replace(channel, in_hand=in_hand_now)
    return Restored(
        state=State(
            incidents=incidents,
            channels=channels,
            snoozes={one.cause: Snooze(one.until or 0, one.acted_by) for one in stored.snoozes},
            told={f"{channel} {cause}": at for (channel, cause), at in stored.told.items()},
        ),
        settled=tuple(settled),
        waiting=tuple(waiting),
        needless=tuple(needless),
    )
