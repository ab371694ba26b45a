"""The data dictionary: every table, view and column with what it means, read from the migrations that make them.

The comments in the migrations are the one place where meanings are written. Tests hold what is read here against what a
live ClickHouse says of itself.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from sinks.clickhouse.migrator import Migration, shipped_migrations

_TEXT: Final = r"'((?:[^'\\]|\\.)*)'"
_CREATE: Final = re.compile(r"CREATE (?:TABLE IF NOT EXISTS|OR REPLACE (VIEW)) (\w+)")
_COLUMN: Final = re.compile(rf"(?m)^    `(\w+)` (.+?) COMMENT {_TEXT},?$")
_WHOLE: Final = re.compile(rf"(?m)^COMMENT {_TEXT}$")
_ALTER: Final = re.compile(r"ALTER TABLE (\w+) ")
_ADD: Final = re.compile(rf"ADD COLUMN IF NOT EXISTS `(\w+)` (.+?) COMMENT {_TEXT}(?: AFTER `?(\w+)`?)?")
_COMMENT: Final = re.compile(rf"COMMENT COLUMN IF EXISTS `(\w+)` {_TEXT}")
_PARAMETER: Final = re.compile(r"\{(\w+):([\w()]+)\}")


class ColumnEntry(msgspec.Struct, frozen=True):
    """A column: its name, its ClickHouse type, and what it means."""

    name: str
    type: str
    comment: str


class Entry(msgspec.Struct, frozen=True):
    """A table or view: what it is, its columns in order, and the parameters that it wants, each with its type."""

    name: str
    is_view: bool
    comment: str
    columns: tuple[ColumnEntry, ...]
    parameters: tuple[tuple[str, str], ...] = ()

    def column(self, name: str) -> ColumnEntry:
        """A column by its name.

        Raises:
            KeyError: there is none of that name.

        """
        found = next((column for column in self.columns if column.name == name), None)
        if found is None:
            raise KeyError(f"{self.name} has no column {name}")
        return found


def dictionary(migrations: Sequence[Migration] | None = None) -> dict[str, Entry]:
    """Every table and view by its name, as the migrations leave them, sorted by name.

    Raises:
        ValueError: a migration changes columns in a way that is not understood here.

    """
    entries: dict[str, Entry] = {}
    for migration in shipped_migrations() if migrations is None else migrations:
        statement = migration.statement
        if (created := _CREATE.match(statement)) is not None:
            entries[created[2]] = _created(created[2], statement, is_view=created[1] is not None)
        elif (altered := _ALTER.match(statement)) is not None:
            entries[altered[1]] = _altered(entries[altered[1]], migration)
    return dict(sorted(entries.items()))


def _created(name: str, statement: str, *, is_view: bool) -> Entry:
    whole = _WHOLE.search(statement)
    columns = tuple(
        ColumnEntry(column, _bare(type_), _unescaped(comment)) for column, type_, comment in _COLUMN.findall(statement)
    )
    parameters = tuple(dict.fromkeys(_PARAMETER.findall(statement)))
    return Entry(name, is_view, _unescaped(whole[1]) if whole else "", columns, parameters)


def _altered(entry: Entry, migration: Migration) -> Entry:
    added = _ADD.findall(migration.statement)
    commented = _COMMENT.findall(migration.statement)
    if len(added) + len(commented) != len(re.findall(r" COLUMN IF ", migration.statement)):
        raise ValueError(f"{migration.name} changes columns in a way that the dictionary does not understand")
    for name, type_, comment, after in added:
        entry = _with(entry, ColumnEntry(name, _bare(type_), _unescaped(comment)), after)
    for name, comment in commented:
        entry = _told(entry, name, _unescaped(comment))
    return entry


def _with(entry: Entry, column: ColumnEntry, after: str) -> Entry:
    if any(known.name == column.name for known in entry.columns):
        return entry
    names = [known.name for known in entry.columns]
    place = len(names) if not after else names.index(after) + 1
    return msgspec.structs.replace(entry, columns=(*entry.columns[:place], column, *entry.columns[place:]))


def _told(entry: Entry, name: str, comment: str) -> Entry:
    columns = tuple(
        msgspec.structs.replace(column, comment=comment) if column.name == name else column for column in entry.columns
    )
    return msgspec.structs.replace(entry, columns=columns)


def _bare(type_: str) -> str:
    """A type without how it is compressed."""
    return type_.partition(" CODEC(")[0]


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
