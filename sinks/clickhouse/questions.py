"""Questions of people: read-only queries, answered with names, types and rows."""

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

from clickhouse_driver.errors import ServerException

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect, interrupt
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


class Reading:
    """One connection for many questions, for one thread at a time.

    Whatever a question needs beyond `limits`, settings of ClickHouse by name, makes it fail, and never comes back cut
    short. After a failure the next question dials again.
    """

    def __init__(self, address: ClickHouseAddress, limits: Mapping[str, int | str]) -> None:
        self._address = address
        self._settings = {"readonly": 2, **limits}
        self._client = connect(address, whole_within_s=math.inf)

    def ask(self, sql: str) -> Answer:
        """Answer of one query.

        Raises:
            QuestionRefused: the query is wrong or takes more than the limits allow.
            StoreUnavailable: ClickHouse does not answer.

        """
        try:
            rows, described = self._client.execute(sql, with_column_types=True, settings=self._settings)
        except ANSWER_ERRORS as error:
            self.close()
            raise _meaning(error, self._address) from error
        return Answer(tuple(name for name, _ in described), tuple(kind for _, kind in described), rows)

    def ask_in_parts(self, sql: str, rows: int, parameters: Mapping[str, object] | None = None) -> Generator[Answer]:
        """The same in parts of so many rows, as they come, the first of which may hold none; then the connection ends.

        `parameters` fill `%(name)s` places.

        Raises:
            QuestionRefused: the query is wrong or takes more than the limits allow, which may come late.
            StoreUnavailable: ClickHouse does not answer.

        """
        try:
            filling = dict(parameters) if parameters else None
            chunks = self._client.execute_iter(
                sql, filling, with_column_types=True, settings=self._settings, chunk_size=rows
            )
            first = next(chunks)
            described = first[0]
            columns, types = (tuple(part) for part in zip(*described, strict=True))
            yield Answer(columns, types, first[1:])
            for chunk in chunks:
                yield Answer(columns, types, chunk)
        except ANSWER_ERRORS as error:
            raise _meaning(error, self._address) from error
        except VALUE_ERRORS as error:
            raise QuestionRefused(str(error)) from error
        finally:
            self.close()

    def interrupt(self) -> None:
        """Let another thread leave what it waits for; its question fails as if ClickHouse had gone."""
        interrupt(self._client)

    def close(self) -> None:
        """Close the connection."""
        self._client.disconnect()


def ask_in_blocks(
    address: ClickHouseAddress, sql: str, parameters: Mapping[str, object], rows: int
) -> Iterator[Sequence[tuple[Any, ...]]]:
    """Rows of the answer of one query, which may only read, at most so many at a time.

    What comes is handed on as it comes, so that an answer may be larger than memory. Raises as `ask` does, while the
    blocks are read.
    """
    # Whoever stops before all was read has the connection closed here.
    with closing(Reading(address, {}).ask_in_parts(sql, rows, parameters)) as parts:
        yield from (part.rows for part in parts if part.rows)


def _meaning(error: Exception, address: ClickHouseAddress) -> Exception:
    if isinstance(error, ServerException):
        text = str(error.message).partition("Stack trace")[0].strip()
        return QuestionRefused(f"{text} (code {error.code})")
    return understood(error, f"asking {address}")
