"""Questions of people: read-only queries, answered with names, types and rows."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from clickhouse_driver.errors import ServerException

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.errors import ANSWER_ERRORS, VALUE_ERRORS, understood


class QuestionRefused(ValueError):
    """ClickHouse does not answer this question as it is: a mistake in it, or it would write."""


class Answer(NamedTuple):
    """Column names, ClickHouse types, and rows."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]

    def records(self) -> list[dict[str, Any]]:
        """Rows as dictionaries."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def ask(address: ClickHouseAddress, sql: str, parameters: Mapping[str, object] | None = None) -> Answer:
    """Answer of one query, which may only read. `parameters` fill `%(name)s` places.

    Raises:
        QuestionRefused: the query is wrong or would write; the message is ClickHouse's first line.
        StoreUnavailable: ClickHouse does not answer.

    """
    client = connect(address, whole_within_s=math.inf)
    try:
        rows, described = client.execute(
            sql, dict(parameters) if parameters else None, with_column_types=True, settings={"readonly": 2}
        )
    except ANSWER_ERRORS as error:
        raise _meaning(error, address) from error
    except VALUE_ERRORS as error:
        raise QuestionRefused(str(error)) from error
    finally:
        client.disconnect()
    return Answer(tuple(name for name, _ in described), tuple(kind for _, kind in described), rows)


def ask_in_blocks(
    address: ClickHouseAddress, sql: str, parameters: Mapping[str, object], rows: int
) -> Iterator[list[tuple[Any, ...]]]:
    """Rows of the answer of one query, which may only read, at most so many at a time.

    What comes is handed on as it comes, so that an answer may be larger than memory. Raises as `ask` does, while the
    blocks are read.
    """
    client = connect(address, whole_within_s=math.inf)
    try:
        # The driver frees the connection only when all was read; whoever stops before that has it closed here.
        yield from client.execute_iter(sql, dict(parameters), chunk_size=rows, settings={"readonly": 2})
    except ANSWER_ERRORS as error:
        raise _meaning(error, address) from error
    except VALUE_ERRORS as error:
        raise QuestionRefused(str(error)) from error
    finally:
        client.disconnect()


def _meaning(error: Exception, address: ClickHouseAddress) -> Exception:
    if isinstance(error, ServerException):
        text = str(error.message).partition("Stack trace")[0].strip()
        return QuestionRefused(f"{text} (code {error.code})")
    return understood(error, f"asking {address}")
