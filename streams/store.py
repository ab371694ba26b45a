"""ClickHouse for the event loop: one thread, a connection each to write, to read and to erase, and patience."""

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, TypeVar

import stamina

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import longest_attempt_s
from sinks.clickhouse.eraser import MUTATION_TIMEOUT_S, Eraser
from sinks.clickhouse.errors import AnswerUnknown, RowsRefused, SchemaMismatch, StoreUnavailable
from sinks.clickhouse.reader import Reader
from sinks.clickhouse.rows import PreparedBlock
from sinks.clickhouse.writer import RefusedRow, Writer
from streams.pulse import Pulse
from streams.settings import ClickHouseSettings, Settings, read_stack

_T = TypeVar("_T")
_CLOSE_WITHIN_S: Final = 2.0
#: Answers in a row that nobody knows the meaning of: with the pauses between them, half a minute.
MOST_UNKNOWN: Final = 8
_LONGEST_PAUSE_S: Final = 15.0
#: Two inserts for each row of a block in which the store refuses all.
_BISECT_WITHIN_S: Final = 1_800.0
#: User of the local engine that can only read, and reaches neither files nor other hosts.
_LOCAL_READER: Final = "reader"


def clickhouse_address(settings: ClickHouseSettings) -> ClickHouseAddress:
    """Where ClickHouse is, in the sink's form."""
    return ClickHouseAddress(
        host=settings.host,
        port=settings.port,
        database=settings.database,
        user=settings.user,
        password=settings.password.get_secret_value(),
        secure=settings.secure,
        answer_timeout_s=settings.answer_timeout_s,
    )


class ReadPort(Protocol):
    """Where questions go."""

    async def read(self, question: Callable[[Reader], _T]) -> _T:
        """Answer of a question."""


class StorePort(ReadPort, Protocol):
    """Where results go: waits for a store that is away, raises only what nothing can be done about."""

    async def insert(self, block: PreparedBlock) -> tuple[RefusedRow, ...]:
        """Write a block durably; returns the rows that can never be written."""

    async def erase(self, work: Callable[[Eraser], _T]) -> _T:
        """Have something erased."""

    def interrupt(self) -> None:
        """Give up what nobody waits for any more."""

    async def close(self) -> None:
        """Let go of connections."""


def reading_address(settings: Settings) -> ClickHouseAddress:
    """The same for questions of people: the local stack's engine locks a user of its own to reading."""
    address = clickhouse_address(settings.clickhouse)
    stack = read_stack(settings.data_dir)
    is_local = (
        stack is not None and stack.get("clickhouse_http") and stack["clickhouse"] == f"{address.host}:{address.port}"
    )
    return dataclasses.replace(address, user=_LOCAL_READER) if is_local else address


class ReadingStore:
    """One connection that reads, for commands: a ClickHouse that is away ends them.

    `read` raises what `Reader` does.
    """

    def __init__(self, address: ClickHouseAddress) -> None:
        self._reader = Reader(address)

    async def read(self, question: Callable[[Reader], _T]) -> _T:
        """Answer of a question to the reader."""
        return question(self._reader)

    def close(self) -> None:
        """Close the connection."""
        self._reader.close()


class Store:
    """Reads and writes, waiting for a ClickHouse that is away for as long as it takes.

    The same block is written again after a failure, with the same token; the waiting is the backpressure. Tables that
    do not fit raise `SchemaMismatch`, before the first question and after every failure: what comes back may be another
    server. So does a refusal that nobody knows the meaning of, when it comes again and again: a person has to act.
    Every attempt is a beat of the pulse, whatever comes of it.
    """

    def __init__(self, address: ClickHouseAddress, pulse: Pulse | None = None) -> None:
        self._pulse = pulse or Pulse()
        self._attempt_s = longest_attempt_s(address)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="clickhouse")
        self._writer = Writer(address)
        self._reader = Reader(address)
        self._eraser = Eraser(address)
        self._has_tables = False

    async def insert(self, block: PreparedBlock) -> tuple[RefusedRow, ...]:
        """Write a block; returns the rows that can never be written, all others are durable."""
        if block.rows == 0:
            return ()
        try:
            await self._patiently(self._writer.insert, block)
        except RowsRefused:
            return await self._patiently(self._writer.bisect, block, within_s=_BISECT_WITHIN_S)
        return ()

    async def read(self, question: Callable[[Reader], _T]) -> _T:
        """Answer of a question to the reader."""
        return await self._patiently(question, self._reader)

    async def erase(self, work: Callable[[Eraser], _T]) -> _T:
        """What the eraser answers when it is done."""
        return await self._patiently(work, self._eraser, within_s=MUTATION_TIMEOUT_S)

    def interrupt(self) -> None:
        """Let the thread leave what nobody waits for any more; a server that is silent would hold it for a minute."""
        self._writer.interrupt()
        self._reader.interrupt()
        self._eraser.interrupt()

    async def close(self) -> None:
        """Close the connections and end the thread, at once when it is idle, else when it gets an answer."""
        loop = asyncio.get_running_loop()
        closing = [
            loop.run_in_executor(self._thread, connection.close)
            for connection in (self._writer, self._reader, self._eraser)
        ]
        await asyncio.wait(closing, timeout=_CLOSE_WITHIN_S)
        self._thread.shutdown(wait=False)

    async def _patiently(self, work: Callable[..., _T], *arguments: object, within_s: float | None = None) -> _T:
        """Try until it is done; one attempt takes `within_s` seconds at most, by default one question's time."""
        within_s = self._attempt_s if within_s is None else within_s
        loop = asyncio.get_running_loop()
        unknown = 0
        async for attempt in stamina.retry_context(
            on=StoreUnavailable, attempts=None, timeout=None, wait_initial=0.2, wait_max=_LONGEST_PAUSE_S
        ):
            with attempt:
                self._pulse.beat(within_s)
                try:
                    if not self._has_tables:
                        await loop.run_in_executor(self._thread, self._reader.require_tables)
                        self._has_tables = True
                        self._pulse.beat(within_s)
                    result = await loop.run_in_executor(self._thread, work, *arguments)
                except StoreUnavailable as error:
                    self._has_tables = False
                    self._pulse.retry("clickhouse", 2 * _LONGEST_PAUSE_S)
                    unknown = unknown + 1 if isinstance(error, AnswerUnknown) else 0
                    if unknown == MOST_UNKNOWN:
                        raise SchemaMismatch(
                            f"{error}. It said so {unknown} times in a row, and nothing tells that this will pass: mend"
                            " what it names, then start the worker again; what was not committed is read again"
                        ) from error
                    raise
                self._pulse.beat()
                return result
        raise AssertionError("endless")


def refuse_nothing(table: str, refused: Sequence[RefusedRow]) -> None:
    """Stop over rows that we derived ourselves and the store refuses: that is a bug of ours.

    Raises:
        RuntimeError: there are such rows.

    """
    if refused:
        raise RuntimeError(f"{table} refused {len(refused)} derived rows, first: {refused[0].reason}")
