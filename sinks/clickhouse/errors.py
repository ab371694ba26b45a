"""What an error from ClickHouse means for us: try again, refuse rows, or stop."""

import struct
from typing import Final

from clickhouse_driver import errors as driver

from sinks.clickhouse.error_codes import ERROR_GROUPS, ErrorGroup, Meaning

_GROUPS: Final[dict[int, ErrorGroup]] = {code: group for group in ERROR_GROUPS for code in group.codes}
_CODE_NAMES: Final[dict[int, str]] = {
    **{value: name for name, value in vars(driver.ErrorCodes).items() if isinstance(value, int)},
    **{code: name for group in ERROR_GROUPS for code, name in group.codes.items()},
}

#: What the driver raises when the server refuses, answers oddly or is gone.
ANSWER_ERRORS: Final = (driver.Error, OSError, EOFError)
#: What the driver raises when it cannot put a value into bytes.
VALUE_ERRORS: Final = (TypeError, ValueError, AttributeError, OverflowError, struct.error)


class StoreUnavailable(Exception):
    """ClickHouse cannot answer now: try the same again, later, for ever."""


class AnswerUnknown(StoreUnavailable):
    """ClickHouse refuses for a reason that may pass or not: try the same again a few times, then stop."""


class SchemaMismatch(Exception):
    """Tables, columns, permissions or the address are not what the code expects: stop, a person has to act."""


class RowsRefused(Exception):
    """ClickHouse or the driver refuses a value for good; `Writer.bisect` finds the rows that hold it.

    `reason` names the error and never holds a value.
    """

    def __init__(self, table: str, reason: str) -> None:
        super().__init__(f"rows for {table} refused: {reason}")
        self.table = table
        self.reason = reason


def meaning(error: Exception) -> Meaning:
    """Classify one of `ANSWER_ERRORS` or `VALUE_ERRORS`, as `error_codes` has it."""
    if isinstance(error, driver.Error):
        group = _GROUPS.get(error.code)
        return Meaning.UNKNOWN if group is None else group.meaning
    return Meaning.RETRY if isinstance(error, OSError | EOFError) else Meaning.REFUSE


def reason(error: Exception) -> str:
    """Name of an error, without its text, which may quote values."""
    if isinstance(error, driver.Error):
        return f"{_CODE_NAMES.get(error.code, 'error')} ({error.code})"
    return type(error).__name__


def understood(error: Exception, action: str) -> StoreUnavailable | SchemaMismatch:
    """Our exception for an error met outside of writing rows; `action` says what we tried, e.g. "reading persons".

    A refused value is none of ours there, so nobody knows what would help.
    """
    match meaning(error):
        case Meaning.STOP:
            group = _GROUPS[getattr(error, "code", 0)]
            return SchemaMismatch(f"{action}: {group.wrong}; {group.advice} ({_first_line(error)})")
        case Meaning.RETRY:
            return StoreUnavailable(f"{action}: {_first_line(error)}")
        case _:
            return AnswerUnknown(f"{action}: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    if isinstance(error, driver.ServerException):
        first = str(error.message).split("Stack trace", maxsplit=1)[0].strip().partition("\n")[0]
        return f"code {error.code}: {first.rstrip('.')[:500]}"
    return str(error) or type(error).__name__
