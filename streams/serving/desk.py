"""Where the page's questions are asked: a few threads, each with a connection of its own, and limits on every query."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.errors import StoreUnavailable
from sinks.clickhouse.questions import Answer, Reading

_T = TypeVar("_T")
#: As many as the parts of a view, about; ClickHouse itself uses several cores for one question.
_THREADS: Final = 6
#: Nobody looks at a page for longer; past a limit a question fails and is never cut short.
LIMITS: Final[dict[str, int | str]] = {
    "max_execution_time": 20,
    "timeout_overflow_mode": "throw",
    "max_result_rows": 1_000_000,
    "max_result_bytes": 500_000_000,
    "result_overflow_mode": "throw",
    "max_memory_usage": 2_000_000_000,
}
_ROWS_PER_PART: Final = 2_000


class Desk:
    """Takes questions of the event loop."""

    def __init__(self, address: ClickHouseAddress) -> None:
        self._address = address
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="question")
        # Files take as long as whoever downloads them; they must not keep the page waiting.
        self._file_threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="file")
        self._own = threading.local()
        self._readings: list[Reading] = []

    async def ask(self, sql: str) -> Answer:
        """Answer of a query whose values are bound.

        Raises:
            QuestionRefused: the query is wrong or takes too much.
            StoreUnavailable: ClickHouse does not answer.

        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._asked, sql)

    async def ask_in_parts(self, sql: str) -> AsyncGenerator[Answer]:
        """The same in parts, as they come; the first tells the columns."""
        loop = asyncio.get_running_loop()
        parts = Reading(self._address, LIMITS).ask_in_parts(sql, _ROWS_PER_PART)
        try:
            while (part := await loop.run_in_executor(self._file_threads, next, parts, None)) is not None:
                yield part
        finally:
            await loop.run_in_executor(self._file_threads, _end, parts)

    def close(self) -> None:
        """Give up what is still asked, and let go of the connections."""
        for reading in self._readings:
            reading.interrupt()
        self._file_threads.shutdown(wait=False, cancel_futures=True)
        self._threads.shutdown(wait=True, cancel_futures=True)
        for reading in self._readings:
            reading.close()

    def _asked(self, sql: str) -> Answer:
        reading = getattr(self._own, "reading", None)
        if reading is None:
            reading = self._own.reading = Reading(self._address, LIMITS)
            self._readings.append(reading)
        try:
            return _twice(lambda: reading.ask(sql))
        except StoreUnavailable:
            reading.close()
            raise


def _twice(question: Callable[[], _T]) -> _T:
    """A connection that rested may be gone although the server is there: what only reads is asked again."""
    try:
        return question()
    except StoreUnavailable:
        return question()


def _end(parts: Generator[Answer]) -> None:
    """A part that is still on its way is waited for by nobody: the connection ends when it has come."""
    with suppress(ValueError):
        parts.close()
