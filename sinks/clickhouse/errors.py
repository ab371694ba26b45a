"""What an error from ClickHouse means for us: try again, refuse rows, or stop."""

import struct
from enum import Enum, auto
from typing import Final

from clickhouse_driver import errors as driver

_CODE_NAMES: Final[dict[int, str]] = {
    value: name for name, value in vars(driver.ErrorCodes).items() if isinstance(value, int)
}


#: What the driver raises when the server refuses, answers oddly or is gone.
ANSWER_ERRORS: Final = (driver.Error, OSError, EOFError)
#: What the driver raises when it cannot put a value into bytes.
VALUE_ERRORS: Final = (TypeError, ValueError, AttributeError, OverflowError, struct.error)


class StoreUnavailable(Exception):
    """ClickHouse cannot answer now: try the same again, later, for ever."""


class SchemaMismatch(Exception):
    """Tables, columns or permissions are not what the code expects: stop, a person has to act."""


class RowsRefused(Exception):
    """ClickHouse or the driver refuses a value for good; `Writer.bisect` finds the rows that hold it.

    `reason` names the error and never holds a value.
    """

    def __init__(self, table: str, reason: str) -> None:
        super().__init__(f"rows for {table} refused: {reason}")
        self.table = table
        self.reason = reason


class Meaning(Enum):
    """What is to be done after an error."""

    RETRY = auto()
    REFUSE = auto()
    STOP = auto()


_STOP = {
    "THERE_IS_NO_COLUMN": "a column is missing; apply the migrations of this version",
    "NO_SUCH_COLUMN_IN_TABLE": "a column is missing; apply the migrations of this version",
    "UNKNOWN_IDENTIFIER": "a column is missing; apply the migrations of this version",
    "NUMBER_OF_COLUMNS_DOESNT_MATCH": "the columns differ; apply the migrations of this version",
    "UNKNOWN_TYPE": "a column has a type that the driver does not know; apply the migrations of this version",
    "UNKNOWN_TABLE": "a table is missing; apply the migrations of this version",
    "UNKNOWN_DATABASE": "the database is missing; apply the migrations, or name another database",
    "SYNTAX_ERROR": "this server does not understand the statement; it may be too old",
    "UNKNOWN_FUNCTION": "this server does not know a function; it may be too old",
    "NOT_IMPLEMENTED": "this server cannot do this; it may be too old",
    "QUERY_IS_PROHIBITED": "this server forbids the statement; use the port that may write",
    "READONLY": "the user may only read; use one that may write",
    "UNKNOWN_USER": "the user is unknown; check user and password",
    "WRONG_PASSWORD": "the password is wrong; check user and password",
    "REQUIRED_PASSWORD": "a password is needed; check user and password",
    "DATABASE_ACCESS_DENIED": "the user may not use the database; grant it, or use another user",
}
#: Codes younger than the driver's list.
_STOP_CODES = {
    497: "the user lacks a permission; grant it, or use another user",  # ACCESS_DENIED
    516: "user or password is wrong; check both",  # AUTHENTICATION_FAILED
}
_REFUSE = {
    "TYPE_MISMATCH",
    "CANNOT_PARSE_TEXT",
    "CANNOT_PARSE_DATE",
    "CANNOT_PARSE_DATETIME",
    "CANNOT_PARSE_NUMBER",
    "CANNOT_PARSE_QUOTED_STRING",
    "CANNOT_PARSE_ESCAPE_SEQUENCE",
    "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
    "CANNOT_PARSE_UUID",
    "CANNOT_CONVERT_TYPE",
    "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
    "ARGUMENT_OUT_OF_BOUND",
    "INCORRECT_DATA",
    "TOO_LARGE_STRING_SIZE",
    "TOO_LARGE_ARRAY_SIZE",
}
_REFUSE_CODES = {469}  # VIOLATED_CONSTRAINT


def meaning(error: Exception) -> Meaning:
    """Classify one of `ANSWER_ERRORS` or `VALUE_ERRORS`.

    An answer that is not known to be permanent is worth another try: waiting loses nothing, refusing loses rows.
    """
    if isinstance(error, driver.Error):
        name = _CODE_NAMES.get(error.code)
        if name in _STOP or error.code in _STOP_CODES:
            return Meaning.STOP
        return Meaning.REFUSE if name in _REFUSE or error.code in _REFUSE_CODES else Meaning.RETRY
    return Meaning.RETRY if isinstance(error, OSError | EOFError) else Meaning.REFUSE


def reason(error: Exception) -> str:
    """Name of an error, without its text, which may quote values."""
    if isinstance(error, driver.Error):
        return f"{_CODE_NAMES.get(error.code, 'error')} ({error.code})"
    return type(error).__name__


def understood(error: Exception, action: str) -> StoreUnavailable | SchemaMismatch:
    """Our exception for an error met outside of writing rows; `action` says what we tried, e.g. "reading persons"."""
    if meaning(error) is Meaning.STOP:
        code: int = getattr(error, "code", 0)
        advice = _STOP_CODES.get(code) or _STOP[_CODE_NAMES[code]]
        return SchemaMismatch(f"{action}: {advice} ({_first_line(error)})")
    return StoreUnavailable(f"{action}: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    if isinstance(error, driver.ServerException):
        first = str(error.message).split("Stack trace", maxsplit=1)[0].strip().partition("\n")[0]
        return f"code {error.code}: {first.rstrip('.')[:500]}"
    return str(error) or type(error).__name__
