"""From facts to columns: prepared blocks that can be sent again and again and stay the same bytes."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from msgspec.structs import astuple

from schemas.erasure import ErasedIdentifier, ErasureReceipt
from schemas.identity import IdentityLink, PersonIdentifier, identifier_of
from schemas.outputs import EffortPosting, Evidence, Friction, Journey, Person, Session
from schemas.rule_changes import RuleChange
from schemas.touchpoint import TOUCHPOINT_FIELDS, AppliedTouchpoint
from sinks.clickhouse.records import (
    ActionRecord,
    AlertRecord,
    Attempt,
    Checkpoint,
    DeadLetterRecord,
    IncidentRecord,
    NoticeRecord,
    Retracted,
)
from sinks.clickhouse.tables import (
    ALERT_ACTIONS,
    ALERT_INCIDENTS,
    ALERT_NOTICES,
    ALERTS,
    ATTEMPTS,
    CHECKPOINTS,
    DEAD_LETTERS,
    EFFORT_POSTINGS,
    ERASED_IDENTIFIERS,
    ERASURE_RECEIPTS,
    FRICTIONS,
    IDENTITY_LINKS,
    JOURNEYS,
    PERSON_IDENTIFIERS,
    PERSONS,
    RULE_CHANGES,
    SESSIONS,
    TOUCHPOINTS,
    Table,
)

_MAX_UINT64 = 2**64 - 1
_Row = tuple[Any, ...]


class PreparedBlock(msgspec.Struct, frozen=True):
    """Rows of one table as columns, with the token by which ClickHouse knows an immediate repetition.

    The rows keep the order in which they were given: facts, then retractions. Columns in which no row says anything
    are left out. The token holds a hash of the rows, so different rows never share one.
    """

    table: str
    column_names: tuple[str, ...]
    columns: tuple[Sequence[Any], ...]
    token: str

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.columns[0]) if self.columns else 0

    def part(self, start: int, stop: int) -> "PreparedBlock":
        """Rows from `start` up to, not including, `stop`, with a token of their own."""
        return msgspec.structs.replace(
            self,
            columns=tuple(column[start:stop] for column in self.columns),
            token=f"{self.token}:{start}-{stop}",
        )


def touchpoint_block(touchpoints: Iterable[AppliedTouchpoint], *, token_prefix: str) -> PreparedBlock:
    """Rows of `touchpoints`. Repeating a touchpoint is harmless; of differing copies the first in the log counts."""
    rows = [
        (*astuple(applied.touchpoint), *astuple(applied)[1:-1], _MAX_UINT64 - applied.ingestion_time)
        for applied in touchpoints
    ]
    return _block(TOUCHPOINTS, (*TOUCHPOINT_FIELDS, *ADMISSION_FIELDS, "ingest_version"), rows, token_prefix)


def session_block(
    sessions: Iterable[tuple[Session, int]],
    retractions: Iterable[tuple[Retracted, int]] = (),
    *,
    token_prefix: str,
) -> PreparedBlock:
    """Rows of `sessions`, each with its version; likewise for what is withdrawn."""
    return _versioned_block(SESSIONS, Session, sessions, retractions, token_prefix=token_prefix)


def journey_block(
    journeys: Iterable[tuple[Journey, int]],
    retractions: Iterable[tuple[Retracted, int]] = (),
    *,
    token_prefix: str,
) -> PreparedBlock:
    """Rows of `journeys`, each with its version; likewise for what is withdrawn."""
    return _versioned_block(JOURNEYS, Journey, journeys, retractions, token_prefix=token_prefix)


def friction_block(
    frictions: Iterable[tuple[Friction, int]],
    retractions: Iterable[tuple[Retracted, int]] = (),
    *,
    token_prefix: str,
) -> PreparedBlock:
    """Rows of `frictions`, each with its version; likewise for what is withdrawn. Evidence becomes JSON."""
    return _versioned_block(
        FRICTIONS, Friction, frictions, retractions, token_prefix=token_prefix, to_row=_friction_row
    )


def effort_posting_block(
    postings: Iterable[tuple[EffortPosting, int]],
    retractions: Iterable[tuple[Retracted, int]] = (),
    *,
    token_prefix: str,
) -> PreparedBlock:
    """Rows of `effort_postings`, each with its version; likewise for what is withdrawn."""
    return _versioned_block(EFFORT_POSTINGS, EffortPosting, postings, retractions, token_prefix=token_prefix)


def person_block(
    persons: Iterable[tuple[Person, int, int]],
    retractions: Iterable[tuple[Retracted, int]] = (),
    *,
    token_prefix: str,
) -> PreparedBlock:
    """Rows of `persons`: each person with its version and the partition whose worker owns it."""
    return _versioned_block(PERSONS, Person, persons, retractions, token_prefix=token_prefix)


def link_block(links: Iterable[IdentityLink], *, token_prefix: str) -> PreparedBlock:
    """Rows of `identity_links`: the statements as given, which must come once for either end."""
    rows = [
        (
            *astuple(link),
            identifier_of(link.identity),
            identifier_of(link.other),
            _MAX_UINT64 - link.ingestion_time,
        )
        for link in links
    ]
    names = (*IdentityLink.__struct_fields__, "identifier", "other_identifier", "ingest_version")
    return _block(IDENTITY_LINKS, names, rows, token_prefix)


def identifier_block(identifiers: Iterable[PersonIdentifier], *, token_prefix: str) -> PreparedBlock:
    """Rows of `person_identifiers`."""
    return _record_block(PERSON_IDENTIFIERS, PersonIdentifier, identifiers, token_prefix)


def erased_block(identifiers: Iterable[ErasedIdentifier], *, token_prefix: str) -> PreparedBlock:
    """Rows of `erased_identifiers`."""
    return _record_block(ERASED_IDENTIFIERS, ErasedIdentifier, identifiers, token_prefix)


def receipt_block(receipts: Iterable[ErasureReceipt], *, token_prefix: str) -> PreparedBlock:
    """Rows of `erasure_receipts`."""
    return _record_block(ERASURE_RECEIPTS, ErasureReceipt, receipts, token_prefix)


def checkpoint_block(checkpoints: Iterable[Checkpoint], *, token_prefix: str) -> PreparedBlock:
    """Rows of `checkpoints`."""
    return _record_block(CHECKPOINTS, Checkpoint, checkpoints, token_prefix)


def attempt_block(attempts: Iterable[Attempt], *, token_prefix: str) -> PreparedBlock:
    """Rows of `attempts`."""
    return _record_block(ATTEMPTS, Attempt, attempts, token_prefix)


def rule_change_block(changes: Iterable[RuleChange], *, token_prefix: str) -> PreparedBlock:
    """Rows of `rule_changes`."""
    return _record_block(RULE_CHANGES, RuleChange, changes, token_prefix)


def dead_letter_block(letters: Iterable[DeadLetterRecord], *, token_prefix: str) -> PreparedBlock:
    """Rows of `dead_letters`."""
    return _record_block(DEAD_LETTERS, DeadLetterRecord, letters, token_prefix)


def alert_block(alerts: Iterable[AlertRecord], *, token_prefix: str) -> PreparedBlock:
    """Rows of `alerts`."""
    return _record_block(ALERTS, AlertRecord, alerts, token_prefix)


def incident_block(incidents: Iterable[IncidentRecord], *, token_prefix: str) -> PreparedBlock:
    """Rows of `alert_incidents`."""
    return _record_block(ALERT_INCIDENTS, IncidentRecord, incidents, token_prefix)


def notice_block(notices: Iterable[NoticeRecord], *, token_prefix: str) -> PreparedBlock:
    """Rows of `alert_notices`."""
    return _record_block(ALERT_NOTICES, NoticeRecord, notices, token_prefix)


def action_block(actions: Iterable[ActionRecord], *, token_prefix: str) -> PreparedBlock:
    """Rows of `alert_actions`."""
    return _record_block(ALERT_ACTIONS, ActionRecord, actions, token_prefix)


#: Fields of a touchpoint after admission that are columns as they are.
ADMISSION_FIELDS: tuple[str, ...] = tuple(
    field for field in AppliedTouchpoint.__struct_fields__ if field not in {"touchpoint", "rotated"}
)


def _friction_row(friction: Friction) -> _Row:
    return tuple(
        msgspec.json.encode(value).decode() if isinstance(value, Evidence) else value for value in astuple(friction)
    )


def _versioned_block(
    table: Table,
    fact: type[msgspec.Struct],
    facts: Iterable[tuple[Any, ...]],
    retractions: Iterable[tuple[Retracted, int]],
    *,
    token_prefix: str,
    to_row: Callable[[Any], _Row] = astuple,
) -> PreparedBlock:
    """Rows from facts (each followed by its version, and the partition where the table has one) and retractions."""
    fields = fact.__struct_fields__
    rest = ("version", "partition", "is_deleted") if table is PERSONS else ("version", "is_deleted")
    names = fields + rest
    rows = [(*to_row(value), *more, 0) for value, *more in facts]
    withdrawn = {column.name: column.default for column in table.columns}
    for retraction, version in retractions:
        # The id comes first in every fact; that of a person is its key.
        row = withdrawn | {"person_key": retraction.person_key, fields[0]: retraction.id, "tenant": retraction.tenant}
        row |= {"version": version, "is_deleted": 1}
        rows.append(tuple(row[name] for name in names))
    return _block(table, names, rows, token_prefix)


def _record_block(
    table: Table, record: type[msgspec.Struct], records: Iterable[msgspec.Struct], token_prefix: str
) -> PreparedBlock:
    return _block(table, record.__struct_fields__, [astuple(value) for value in records], token_prefix)


def _block(table: Table, names: tuple[str, ...], rows: list[_Row], token_prefix: str) -> PreparedBlock:
    defaults = {column.name: column.default for column in table.columns}
    columns: dict[str, Sequence[Any]] = {}
    for name, values in zip(names, zip(*rows, strict=True), strict=False):
        # Most columns of most blocks say nothing; the server fills them in for less than it costs to send them. Mostly
        # the first row tells, and looking through a whole column costs as much as sending it.
        if values[0] is None and values.count(None) == len(values):
            continue
        absent = defaults[name]
        column = [absent if value is None else value for value in values] if None in values else values
        if column[0] != absent or column.count(absent) != len(column):
            columns[name] = column
    content = tuple(columns.values())
    return PreparedBlock(table.name, tuple(columns), content, f"{token_prefix}:{table.name}:{_hash(columns)}")


def _hash(columns: dict[str, Sequence[Any]]) -> str:
    try:
        content = msgspec.msgpack.encode(columns)
    except (TypeError, ValueError, OverflowError):
        # A value that no store takes. The block must still have a token: the writer is who refuses rows.
        content = repr(columns).encode("utf-8", "backslashreplace")
    return hashlib.blake2b(content, digest_size=16).hexdigest()
