"""What has to be known of a statement before the engine sees it."""

import re
from typing import NamedTuple

# Block comments nest for the engine; one with another inside is left standing.
_COMMENTS = re.compile(r"^(?:\s+|--[^\n]*(?:\n|$)|/\*(?:(?!/\*|\*/).)*\*/)+", re.DOTALL)
_TRAILING_FORMAT = re.compile(r"\s+FORMAT\s+(?P<format>\w+)[\s;]*$", re.IGNORECASE)
_TRAILING_VALUES = re.compile(r"[\s)]VALUES[\s;]*$", re.IGNORECASE)

_IDENTIFIER = r"(?:`(?:[^`\\]|\\.|``)+`|\"(?:[^\"\\]|\\.)+\"|[A-Za-z_]\w*)"
_INSERT = re.compile(
    rf"^INSERT\s+INTO\s+(?:TABLE\s+)?(?P<table>{_IDENTIFIER}(?:\s*\.\s*{_IDENTIFIER})?)"
    rf"\s*(?:\(\s*(?P<columns>{_IDENTIFIER}(?:\s*,\s*{_IDENTIFIER})*)\s*\))?",
    re.IGNORECASE,
)


class DataInsert(NamedTuple):
    """An INSERT whose rows follow as blocks."""

    target: str  # the statement up to its columns
    settings: str  # the SETTINGS clause, or nothing
    table: str  # as written, quoted if it was
    columns: tuple[str, ...]  # unquoted; empty when the statement names none


def read_data_insert(sql: str) -> DataInsert | None:
    """Return the parts of an INSERT that ends in VALUES or FORMAT, so that its rows follow; ``None`` for all else."""
    text = without_leading_comments(sql)
    match = _INSERT.match(text)
    if match is None:
        return None
    values = _TRAILING_VALUES.search(text)
    if values is not None:
        end = values.start() + 1  # the bracket before VALUES belongs to the column list
    else:
        trailing_format = _TRAILING_FORMAT.search(text)
        if trailing_format is None:
            return None
        end = trailing_format.start()
    between = text[match.end() : end].strip()
    if between and not between.upper().startswith("SETTINGS"):
        return None  # INSERT ... SELECT, or a form without blocks
    names = re.findall(_IDENTIFIER, match["columns"] or "")
    return DataInsert(text[: match.end()], between, match["table"], tuple(_unquoted(name) for name in names))


def without_format(sql: str) -> str:
    """Cut a FORMAT clause off the end: over the native protocol results travel as Native blocks, whatever it says."""
    match = _TRAILING_FORMAT.search(sql)
    return sql[: match.start()] if match else sql


def trailing_format(sql: str) -> str | None:
    """Return the name in the FORMAT clause at the end."""
    match = _TRAILING_FORMAT.search(sql)
    return match["format"] if match else None


def without_leading_comments(sql: str) -> str:
    """Cut white space and comments off the beginning."""
    return _COMMENTS.sub("", sql, count=1)


def quoted(text: str) -> str:
    """Return a string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def quoted_name(text: str) -> str:
    """Return a quoted identifier."""
    escaped = text.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def _unquoted(name: str) -> str:
    if name[0] not in '`"':
        return name
    return re.sub(r"\\(.)|``", lambda match: match[1] or "`", name[1:-1])
