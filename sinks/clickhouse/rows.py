"""From facts to columns: prepared blocks that can be sent again and again and stay the same bytes."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from schemas.outputs import EffortPosting, Friction, Journey, Person, Session
from schemas.touchpoint import TOUCHPOINT_FIELDS, AppliedTouchpoint
from sinks.clickhouse.records import AlertRecord, Checkpoint, DeadLetterRecord, Retracted
from sinks.clickhouse.tables import (
    ALERTS,
    CHECKPOINTS,
    DEAD_LETTERS,
    EFFORT_POSTINGS,
    FRICTIONS,
    JOURNEYS,
    PERSONS,
    SESSIONS,
    TOUCHPOINTS,
    Table,
)

_MAX_UINT64 = 2**64 - 1
_Row = tuple[Any, ...]


class PreparedBlock(msgspec.Struct, frozen=True):
    """Rows of one table as columns, sorted, with the token by which ClickHouse knows an immediate repetition.

    The token holds a hash of the rows, so different rows never share one. Columns must not be changed.
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
        (*of_contract(applied.touchpoint), *of_admission(applied), _MAX_UINT64 - applied.ingestion_time)
        for applied in sorted(touchpoints, key=_story_order)
    ]
    return _block(TOUCHPOINTS, _TOUCHPOINT_COLUMNS, rows, token_prefix)


def session_block(
    sessions: Iterable[tuple[Session, int]],
    retractions: Iterable[tuple[Retracted, int]] = (),
    *,
    token_prefix: str,
) -> PreparedBlock:
    """Rows of `sessions`, each with its version; likewise for what is withdrawn."""
    return _versioned_block(SESSIONS, "session_id", sessions, retractions, token_prefix)


def journey_block(
    journeys: Iterable[tuple[Journey, int]],
    retractions: Iterable[tuple[Retracted, int]] = (),
    *,
    token_prefix: str,
) -> PreparedBlock:
    """Rows of `journeys`, each with its version; likewise for what is withdrawn."""
    return _versioned_block(JOURNEYS, "journey_id", journeys, retractions, token_prefix)


def friction_block(
    frictions: Iterable[tuple[Friction, int]],
    retractions: Iterable[tuple[Retracted, int]] = (),
    *,
    token_prefix: str,
) -> PreparedBlock:
    """Rows of `frictions`, each with its version; likewise for what is withdrawn. Evidence becomes JSON."""
    return _versioned_block(FRICTIONS, "friction_id", frictions, retractions, token_prefix)


def effort_posting_block(
    postings: Iterable[tuple[EffortPosting, int]],
    retractions: Iterable[tuple[Retracted, int]] = (),
    *,
    token_prefix: str,
) -> PreparedBlock:
    """Rows of `effort_postings`, each with its version; likewise for what is withdrawn."""
    return _versioned_block(EFFORT_POSTINGS, "posting_id", postings, retractions, token_prefix)


def person_block(
    persons: Iterable[tuple[Person, int, int]],
    retractions: Iterable[tuple[Retracted, int]] = (),
    *,
    token_prefix: str,
) -> PreparedBlock:
    """Rows of `persons`: each person with its version and the partition whose worker owns it."""
    return _versioned_block(PERSONS, "person_key", persons, retractions, token_prefix)


def checkpoint_block(checkpoints: Iterable[Checkpoint], *, token_prefix: str) -> PreparedBlock:
    """Rows of `checkpoints`."""
    return _record_block(CHECKPOINTS, checkpoints, token_prefix)


def dead_letter_block(letters: Iterable[DeadLetterRecord], *, token_prefix: str) -> PreparedBlock:
    """Rows of `dead_letters`."""
    return _record_block(DEAD_LETTERS, letters, token_prefix)


def alert_block(alerts: Iterable[AlertRecord], *, token_prefix: str) -> PreparedBlock:
    """Rows of `alerts`."""
    return _record_block(ALERTS, alerts, token_prefix)


#: Fields of a touchpoint after admission that are columns as they are.
ADMISSION_FIELDS: tuple[str, ...] = tuple(
    field for field in AppliedTouchpoint.__struct_fields__ if field != "touchpoint"
)
_TOUCHPOINT_COLUMNS = (*TOUCHPOINT_FIELDS, *ADMISSION_FIELDS, "ingest_version")
of_contract: Callable[[Any], _Row] = attrgetter(*TOUCHPOINT_FIELDS)
of_admission: Callable[[Any], _Row] = attrgetter(*ADMISSION_FIELDS)


def _story_order(applied: AppliedTouchpoint) -> tuple[str, str, int, str, str]:
    # The table's sorting key, so that the server need not sort.
    return (applied.touchpoint.tenant, applied.identity_hash, *applied.order)


def _versioned_block(
    table: Table,
    id_column: str,
    facts: Iterable[tuple[Any, ...]],
    retractions: Iterable[tuple[Retracted, int]],
    token_prefix: str,
) -> PreparedBlock:
    names = table.column_names
    rows: list[_Row] = []
    for fact, version, *rest in facts:
        row = msgspec.structs.asdict(fact) | {"version": version, "is_deleted": 0}
        if "partition" in names:
            (row["partition"],) = rest
        if "evidence" in names:
            row["evidence"] = msgspec.json.encode(row["evidence"]).decode()
        rows.append(tuple(row[name] for name in names))
    for retraction, version in retractions:
        row = {column.name: column.default for column in table.columns}
        row |= {"tenant": retraction.tenant, "person_key": retraction.person_key, id_column: retraction.id}
        row |= {"version": version, "is_deleted": 1}
        rows.append(tuple(row[name] for name in names))
    rows.sort(key=lambda row: (row[0], row[1]))
    return _block(table, names, rows, token_prefix)


def _record_block(table: Table, records: Iterable[Any], token_prefix: str) -> PreparedBlock:
    values: Callable[[Any], _Row] = attrgetter(*table.column_names)
    rows = sorted((values(record) for record in records), key=lambda row: row[:4])
    return _block(table, table.column_names, rows, token_prefix)


def _block(table: Table, names: tuple[str, ...], rows: list[_Row], token_prefix: str) -> PreparedBlock:
    defaults = {column.name: column.default for column in table.columns}
    columns = tuple(
        _with_default(column, defaults[name]) for name, column in zip(names, zip(*rows, strict=True), strict=False)
    )
    return PreparedBlock(table.name, names, columns, f"{token_prefix}:{table.name}:{_hash(columns)}")


def _with_default(column: Sequence[Any], default: object) -> Sequence[Any]:
    return column if default is None else [default if value is None else value for value in column]


def _hash(columns: tuple[Sequence[Any], ...]) -> str:
    try:
        content = msgspec.msgpack.encode(columns)
    except (TypeError, ValueError, OverflowError):
        # A value that no store takes. The block must still have a token: the writer is who refuses rows.
        content = repr(columns).encode("utf-8", "backslashreplace")
    return hashlib.blake2b(content, digest_size=16).hexdigest()
