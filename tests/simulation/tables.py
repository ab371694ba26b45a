"""The store as a worker sees it: the tables in memory, behind calls that fail, come late, or are cut off half way."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from processors.identities import follows
from schemas.touchpoint import TouchpointKey
from sinks.clickhouse.eraser import Eraser
from sinks.clickhouse.reader import Reader
from sinks.clickhouse.rows import PreparedBlock
from sinks.clickhouse.tables import FACTS
from sinks.clickhouse.writer import RefusedRow
from tests.simulation.scheduler import Process, Scheduler
from tests.simulation.story import REFUSED_SOURCE
from tests.simulation.violation import Fail
from tests.support.faults import Faults
from tests.support.memory_store import MemoryStore, Row, link_of, rows_of

_T = TypeVar("_T")
_IDS = {table.name: id_column for table, id_column in FACTS.values()}
#: What is right whenever it comes.
_AT_ANY_TIME = {"erased_identifiers", "erasure_receipts", "rule_changes"}
#: How likely a deletion ends after each table while things go wrong.
_CUT = 0.15


class _Cut(Exception):
    """The connection ended in the middle of a deletion."""


class Tables(MemoryStore):
    """All tables, and what is checked whenever somebody writes.

    One version of a fact has one content, so no reader, who sees the highest, sees an older one again.
    """

    def __init__(self, fail: Fail, on_checkpoint: Callable[[str, int, int], int], *, knows_tokens: bool) -> None:
        super().__init__()
        self._fail = fail
        self._knows_tokens = knows_tokens
        self._tokens: dict[str, list[Row]] = {}
        self._contents: dict[tuple[str, str, int], Row] = {}
        self.keys: set[TouchpointKey] = set()
        #: By identifier and other identifier: number of the first insert of a link that may join them.
        self.linked: dict[tuple[str, str], int] = {}
        self.inserts = 0
        #: By partition, as the log numbers them: up to where everything is durable, as checkpoints have it.
        self.checkpoints: dict[int, int] = {}
        self._on_checkpoint = on_checkpoint
        #: Identifiers of those who asked to be forgotten.
        self.erased: set[str] = set()

    def write(self, block: PreparedBlock, rows: Sequence[Row], *, is_whole: bool, is_owner: bool) -> None:
        """Have rows of a block; one that is known by its token is not written again.

        Somebody who is not the owner any more may write other contents under a version: they do not last.
        """
        known = self._tokens.get(block.token)
        if known is not None:
            if self._knows_tokens:
                return
        elif is_whole:
            self._tokens[block.token] = list(rows)
        self.inserts += 1
        self._check(block.table, rows, is_owner=is_owner)
        self.written[block.table] += rows

    def _check(self, table: str, rows: Sequence[Row], *, is_owner: bool) -> None:
        if table == "touchpoints":
            self.keys.update(TouchpointKey(row["tenant"], row["source"], row["id"]) for row in rows)
        elif table == "checkpoints":
            for row in rows:
                number = self._on_checkpoint(row["topic"], row["partition"], row["next_offset"])
                self.checkpoints[number] = max(row["next_offset"], self.checkpoints.get(number, 0))
        elif table == "erased_identifiers":
            self.erased.update(row["identifier"] for row in rows)
        elif table == "identity_links":
            for row in rows:
                if follows(link_of(row)):
                    self.linked.setdefault((row["identifier"], row["other_identifier"]), self.inserts)
        id_column = _IDS.get(table)
        if id_column is None or not is_owner:
            return
        for row in rows:
            id_, version = row[id_column], row["version"]
            content = self._contents.setdefault((table, id_, version), row)
            if content is not row and content != row:
                different = {name: (content[name], row[name]) for name in row if content[name] != row[name]}
                self._fail("one version, one content", f"{table} {id_} version {version}: {different}")

    def forgotten(self) -> None:
        """Rows were deleted: what is known of them goes too."""
        self.keys = self.touchpoint_keys()
        self._contents.clear()


class WorkerStore:
    """Implements `streams.store.StorePort` for one process."""

    def __init__(
        self,
        scheduler: Scheduler,
        process: Process,
        tables: Tables,
        owns: Callable[[], bool],
        is_member: Callable[[], bool],
    ) -> None:
        self._scheduler = scheduler
        self._process = process
        self._tables = tables
        self._owns = owns
        self._is_member = is_member

    async def insert(self, block: PreparedBlock) -> tuple[RefusedRow, ...]:
        if block.rows == 0:
            return ()
        if block.table not in _AT_ANY_TIME and not self._is_member():
            self._scheduler.fail("writes although the group may have gone on", f"{self._process.name}, {block.table}")
        rows = rows_of(block)
        refused: tuple[RefusedRow, ...] = ()
        if block.table == "touchpoints":
            refused = tuple(
                RefusedRow(index, "TYPE_MISMATCH (53)")
                for index, row in enumerate(rows)
                if row["source"] == REFUSED_SOURCE
            )
            rows = [row for row in rows if row["source"] != REFUSED_SOURCE]
        whole = len(rows)

        def write(some: Sequence[Row]) -> None:
            self._tables.write(block, some, is_whole=len(some) == whole, is_owner=self._owns())

        await self._process.call(f"insert {block.table}", rows, write)
        return refused

    async def read(self, question: Callable[[Reader], _T]) -> _T:
        return await self._process.call("read", (), lambda _: question(self._tables.reader()))

    async def erase(self, work: Callable[[Eraser], _T]) -> _T:
        while True:
            try:
                return await self._process.call("erase", (), lambda _: self._erase(work))
            except _Cut:
                self._process.note("erase cut off")

    def _erase(self, work: Callable[[Eraser], _T]) -> _T:
        tables = self._tables
        tables.faults = cast("Faults", _Cuts(self._scheduler))
        try:
            return work(tables.eraser())
        finally:
            tables.forgotten()

    def interrupt(self) -> None: ...

    async def close(self) -> None: ...


class _Cuts:
    """Deletions of one table after the other, each of which may be the last, and may be done in part."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def around(self, _: str, items: Sequence[Any], take_effect: Callable[[Sequence[Any]], object]) -> None:
        if not self._scheduler.is_healed and self._scheduler.random.random() < _CUT:
            take_effect(items[: self._scheduler.random.randint(0, len(items))])
            raise _Cut
        take_effect(items)
