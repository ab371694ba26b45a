"""What people see of alerts and do about them: incidents, messages, and actions that the alerts agent takes up."""

import hashlib
import time
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from sinks.alerts.incidents import ActionKind, Settlement
from sinks.clickhouse.reader import Reader
from sinks.clickhouse.records import ActionRecord, IncidentRecord, NoticeRecord
from sinks.clickhouse.rows import action_block
from sinks.clickhouse.writer import Writer
from streams.settings import Settings
from streams.store import clickhouse_address, refuse_nothing

_T = TypeVar("_T")
#: States of messages that a channel will not get by itself any more.
FAILED: Final = (Settlement.REFUSED.value, Settlement.EXPIRED.value)


class NoSuchIncident(LookupError):
    """No incident, or more than one, begins like this; no message has this id. The message says which."""


class IncidentStory(NamedTuple):
    """An incident with its messages, the newest first, and what people did, in order."""

    incident: IncidentRecord
    notices: list[NoticeRecord]
    actions: list[ActionRecord]


def list_incidents(settings: Settings, *, open_only: bool, limit: int) -> list[IncidentRecord]:
    """Incidents, the newest first.

    Raises:
        StoreUnavailable: ClickHouse does not answer.

    """
    return _asked(settings, lambda reader: reader.list_incidents(open_only=open_only, limit=limit))


def tell_story(settings: Settings, incident: str) -> IncidentStory:
    """All there is to know of an incident, which is named by the beginning of its id.

    Raises:
        NoSuchIncident: there is none, or more than one.
        StoreUnavailable: ClickHouse does not answer.

    """
    found = find_incident(settings, incident)
    return _asked(
        settings,
        lambda reader: IncidentStory(
            found,
            reader.list_notices(incident_id=found.incident_id, limit=1_000),
            reader.load_actions(incident_id=found.incident_id),
        ),
    )


def find_incident(settings: Settings, prefix: str) -> IncidentRecord:
    """The incident whose id begins so.

    Raises:
        NoSuchIncident: there is none, or more than one.
        StoreUnavailable: ClickHouse does not answer.

    """
    found = _asked(settings, lambda reader: reader.find_incidents(prefix))
    if len(found) != 1:
        which = "more than one incident begins" if found else "no incident begins"
        raise NoSuchIncident(f"{which} with {prefix}; see: journeys alerts list --all")
    return found[0]


def list_failed(settings: Settings, *, limit: int) -> list[NoticeRecord]:
    """Messages that were refused or given up, the newest first.

    Raises:
        StoreUnavailable: ClickHouse does not answer.

    """
    found = _asked(
        settings,
        lambda reader: [one for state in FAILED for one in reader.list_notices(state=state, limit=limit)],
    )
    return sorted(found, key=lambda notice: -notice.decided_at)[:limit]


def act(
    settings: Settings, kind: ActionKind, incident: IncidentRecord, by: str, *, until: int | None = None, text: str = ""
) -> ActionRecord:
    """Write down what somebody does about an incident; the alerts agent takes it up within seconds.

    Raises:
        StoreUnavailable: ClickHouse does not answer.

    """
    now = time.time_ns() // 1_000_000
    record = ActionRecord(
        action_id=_id(kind, incident.incident_id, by, str(now), text),
        kind=kind.value,
        tenant=incident.tenant,
        incident_id=incident.incident_id,
        cause=incident.cause,
        acted_by=by,
        acted_at=now,
        until=until,
        text=text,
    )
    _write(settings, [record])
    return record


def replay(settings: Settings, notices: list[NoticeRecord], by: str) -> list[ActionRecord]:
    """Ask for messages to be sent again, each under its own id.

    Raises:
        StoreUnavailable: ClickHouse does not answer.

    """
    now = time.time_ns() // 1_000_000
    records = [
        ActionRecord(
            action_id=_id(ActionKind.REPLAY, notice.notice_id, by, str(now), ""),
            kind=ActionKind.REPLAY.value,
            tenant=notice.tenant,
            incident_id=notice.incident_ids[0] if notice.incident_ids else "",
            notice_id=notice.notice_id,
            acted_by=by,
            acted_at=now,
        )
        for notice in notices
    ]
    _write(settings, records)
    return records


def _asked(settings: Settings, question: Callable[[Reader], _T]) -> _T:
    reader = Reader(clickhouse_address(settings.clickhouse))
    try:
        return question(reader)
    finally:
        reader.close()


def _write(settings: Settings, records: list[ActionRecord]) -> None:
    if not records:
        return
    writer = Writer(clickhouse_address(settings.clickhouse))
    try:
        block = action_block(records, token_prefix="actions")  # noqa: S106 - no secret
        writer.insert(block)
        refuse_nothing(block.table, ())
    finally:
        writer.close()


def _id(*parts: str) -> str:
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()
