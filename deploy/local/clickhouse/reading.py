"""The lock for readers: what may be asked through a handle that must not change or reach anything.

``readonly = 1`` alone does not hold in an embedded engine. Seen with 26.9: the scalar function ``file()`` reads the
host's files, ``INTO OUTFILE`` writes them, ``DESCRIBE url(...)`` opens connections and ``KILL QUERY`` ends the queries
of others. So statements are looked at first, by the engine's own parser, and refused unless they only read.
"""

import re
from typing import NamedTuple

from deploy.local.clickhouse.engine import EngineError, Handle
from deploy.local.clickhouse.statements import without_leading_comments

SYNTAX_ERROR = 62
READONLY = 164

# Looked for everywhere in a statement, string literals included: to know what is a literal one would have to read SQL
# exactly as the engine does, and a difference would be the way around.
_FORBIDDEN_WORDS = re.compile(
    r"\b(?P<word>file|outfile|infile|eval|(?:deltalake|hdfs|hudi|iceberg|paimon|ytsaurus)\w*|bigquery|cosn|oss"
    r"|ai(?:generate|embed|classify|extract|filter|redact|similarity|translate))\b",
    re.IGNORECASE | re.ASCII,
)
_HEX_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")
_BEGINNING = re.compile(r"[A-Za-z(]")
_DESCRIBE = re.compile(r"DESC(?:RIBE)?\b", re.IGNORECASE)
_DESCRIBE_TABLE = re.compile(
    r"DESC(?:RIBE)?\s+(?:TABLE\s+)?(?:\(|(?:[`\"]?\w+[`\"]?\s*\.\s*)?[`\"]?\w+[`\"]?\s*(?:FORMAT\s+\w+\s*)?;?\s*$)",
    re.IGNORECASE | re.ASCII,
)


class ReadLimits(NamedTuple):
    """How much one query may take; past a limit it fails with an error, it is never cut short silently."""

    seconds: int = 30
    memory_bytes: int = 2_000_000_000
    rows: int = 1_000_000
    result_bytes: int = 128_000_000


def lock(handle: Handle, limits: ReadLimits) -> None:
    """Put the limits on a handle and lock it; what it is asked must pass ``refuse_unless_reading`` as well."""
    handle.run(
        f"SET max_execution_time = {limits.seconds}, timeout_overflow_mode = 'throw', "
        f"max_memory_usage = {limits.memory_bytes}, max_result_rows = {limits.rows}, "
        f"max_result_bytes = {limits.result_bytes}, result_overflow_mode = 'throw'"
    )
    handle.run("SET readonly = 1")


def refuse_unless_reading(handle: Handle, sql: str) -> None:
    """Check that ``sql`` is one statement that only reads tables.

    Raises:
        EngineError: it is not, or it is no SQL at all.

    """
    is_single_read = handle.is_single_read(sql)
    if is_single_read is None:
        for _ in handle.blocks(sql) or ():  # parsed as a whole before anything runs; the engine says where it fails
            break
        raise EngineError(SYNTAX_ERROR, "Syntax error: the statement cannot be read. (SYNTAX_ERROR)")
    if not is_single_read:
        raise _refused("only single statements that read can be asked here, such as SELECT, SHOW or DESCRIBE")
    unescaped = _HEX_ESCAPE.sub(lambda match: chr(int(match[1], 16)), sql)
    for text in (sql, unescaped, unescaped.replace("\\", "")):
        word = _FORBIDDEN_WORDS.search(text)
        if word is not None:
            raise _refused(
                f"the word {word['word']!r} cannot be used here, not even in a string: it is the name of something "
                "that reaches beyond the tables; pass such a value as a query parameter"
            )
    statement = without_leading_comments(sql)
    if not _BEGINNING.match(statement):
        raise _refused("a statement must begin with a word")
    if _DESCRIBE.match(statement) and not _DESCRIBE_TABLE.match(statement):
        raise _refused("only tables, views and queries can be described here")


def _refused(text: str) -> EngineError:
    return EngineError(READONLY, f"Cannot execute query in readonly mode: {text}. (READONLY)")
