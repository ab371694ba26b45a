"""What ClickHouse costs at size: inserts, parts, bytes, FINAL, and every ready-made question.

A month of a generated company goes through the pipeline; SQL copies what came out until there are `--touchpoints`, with
all the facts that follow, spread over `--months` times four weeks. Then, on a ClickHouse of its own:

insert     rows a second through the worker's writer, by rows in a block
stored     rows, parts and compressed bytes of each table, and its dearest columns
read       what a worker reads of persons whom it does not hold, by how many there are
flush      parts and merges while a worker writes for `--flush-seconds`, one insert for each table and second
ask        every ready-made question: first answer with nothing in memory, median of three more, rows read, memory
final      what it costs to count rows once, by the share of rows that are there twice

Exit code 0: measured; 1: something broke; 2: a wrong option.
"""

import argparse
import dataclasses
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

from bench.filling import COPIED, FILLED, Filler, Month, block_of, make_month
from bench.pipeline import Progress, at_least, default_start
from bench.questions import Question, questions
from bench.report import machine
from bench.site import BenchError
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.migrator import migrate
from sinks.clickhouse.reader import Reader
from sinks.clickhouse.tables import TOUCHPOINTS, Table
from sinks.clickhouse.writer import Writer
from tests.support.local_clickhouse import start_clickhouse
from tests.support.processes import stopped

PARTS: Final = ("insert", "stored", "read", "flush", "ask", "final")
_RESULTS: Final = Path(__file__).parent / "results"
#: A statement that fills says nothing until it is done.
_ANSWER_TIMEOUT_S: Final = 3_600.0
_SETTLED_WITHIN_S: Final = 1_800.0
#: Rows of a block, and how many such blocks are written.
_BLOCKS: Final = {1_000: 20, 10_000: 10, 100_000: 3, 1_000_000: 1}
_BLOCKS_OF_FACTS: Final = {10_000: 5}
_WARM_RUNS: Final = 3
#: The goal for every question at 10 million touchpoints on two cores.
_SLOW_S: Final = 1.0
_DEAREST: Final = 5
_PERSONS: Final = (1, 100, 1_000)
_TWICE: Final = (0.0, 0.01, 0.1, 0.5)
_COLD: Final = ("MARK CACHE", "PRIMARY INDEX CACHE", "INDEX MARK CACHE", "UNCOMPRESSED CACHE", "QUERY CONDITION CACHE")

#: Ways to count touchpoints by kind; the first takes rows that are there twice for two.
_COUNTING: Final = {
    "as they are": "SELECT kind, count() FROM touchpoints GROUP BY kind",
    "FINAL": "SELECT kind, count() FROM touchpoints FINAL GROUP BY kind",
    "uniqExact": "SELECT kind, uniqExact(tenant, source, id) FROM touchpoints GROUP BY kind",
    "argMax": "SELECT kind, count() FROM (SELECT argMax(kind, ingest_version) AS kind FROM touchpoints"
    " GROUP BY tenant, identity_hash, event_time, source, id) GROUP BY kind",
    "LIMIT 1 BY": "SELECT kind, count() FROM (SELECT kind FROM touchpoints ORDER BY tenant, identity_hash, event_time,"
    " source, id, ingest_version DESC LIMIT 1 BY tenant, identity_hash, event_time, source, id) GROUP BY kind",
}


class Inserted(msgspec.Struct, frozen=True, kw_only=True):
    """Inserts of one size through the writer: by the clock, and CPU of either side; the engine's includes merges."""

    table: str
    rows: int
    inserts: int
    rows_per_second: int
    ms_per_insert: float
    us_of_client_per_row: float
    us_of_engine_per_row: float


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A table on disk, compressed; `dearest` are bytes per row of its largest columns."""

    table: str
    rows: int
    parts: int
    bytes: int
    bytes_per_row: float
    dearest: dict[str, float]


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker reads of so many persons at once: everything that happened to them, or what is published."""

    what: str
    persons: int
    seconds: float
    cpu_s: float
    rows_read: int


class Flushed(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's writing, a flush a second: parts of each table before, at most, and at the end.

    `rows_merged_per_row` is how often a written row was written again by merges, the fill's merges being over.
    """

    seconds: float
    flushes: int
    touchpoints_per_flush: int
    rows_per_flush: float
    ms_per_flush: float
    late_flushes: int
    rows_merged_per_row: float
    parts_before: dict[str, int]
    parts_most: dict[str, int]
    parts_after: dict[str, int]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A question: seconds by the clock, CPU seconds of the engine, and what it read and held for it.

    `plan` is how the engine goes about it, where that takes as long as people notice.
    """

    question: str
    cold_s: float
    warm_s: float
    cpu_s: float
    rows_read: int
    bytes_read: int
    memory_bytes: int
    rows: int
    plan: tuple[str, ...] = ()


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """Touchpoints counted by kind in one way, while so many of them are there twice and not merged."""

    twice: float
    how: str
    seconds: float
    cpu_s: float
    memory_bytes: int


class SinkResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured; a part that was not asked for is empty."""

    date: str
    touchpoints: int
    months: int
    clickhouse: str
    threads: int
    written_per_row: dict[str, float]
    rows_per_touchpoint: dict[str, float]
    fill_s: float
    machine: dict[str, Any]
    inserted: list[Inserted] = []
    stored: list[Stored] = []
    read: list[Read] = []
    flushed: Flushed | None = None
    asked: list[Asked] = []
    counted: list[Counted] = []


class Sink:
    """A ClickHouse that is filled, and everything that is asked of it."""

    def __init__(
        self, folder: Path, process_id: int, port: int, options: argparse.Namespace, progress: Progress
    ) -> None:
        self._folder = folder
        self._engine = psutil.Process(process_id)
        self._address = ClickHouseAddress(port=port, answer_timeout_s=_ANSWER_TIMEOUT_S)
        self._options = options
        self._progress = progress
        migrate(self._address)
        self.client = connect(self._address)
        self.client.execute(f"SET max_threads = {options.threads}")

    def fill(self, month: Month) -> tuple[Filler, int]:
        """Fill, unless it was; returns what filled it, and the number of copies."""
        filler = Filler(self._address, month, self._options.months)
        copies = -(-self._options.touchpoints // month.touchpoints)
        ((there,),) = self.client.execute("SELECT count() FROM touchpoints")
        if not there:
            filler.fill(self._options.touchpoints, self._progress.detail)
        return filler, copies

    def settle(self) -> None:
        """Wait until nothing is merged any more."""
        deadline, quiet = time.monotonic() + _SETTLED_WITHIN_S, 0
        while quiet < 5:
            ((merges,),) = self.client.execute("SELECT count() FROM system.merges")
            quiet = 0 if merges else quiet + 1
            if time.monotonic() > deadline:
                raise BenchError(f"merges do not come to an end within {_SETTLED_WITHIN_S:g} s")
            time.sleep(1)

    def insert(self, month: Month) -> Iterator[Inserted]:
        """Write the month's rows, in blocks of each size, to tables of a database of their own."""
        apart = dataclasses.replace(self._address, database="inserts")
        migrate(apart)
        writer, token = Writer(apart), 0
        for table in COPIED:
            columns = month.columns[table.name]
            if not columns:
                continue
            for size, inserts in (_BLOCKS if table is TOUCHPOINTS else _BLOCKS_OF_FACTS).items():
                self._progress.detail(f"{table.name}: {inserts} blocks of {size:,} rows")
                spent, client_s, engine_s = 0.0, 0.0, 0.0
                for _ in range(inserts):
                    token += 1
                    block = block_of(table, _repeated(table, columns, size, token), f"bench-{token}")
                    began, cpu_s, engine_before_s = time.monotonic(), time.process_time(), self._cpu_s()
                    writer.insert(block)
                    spent += time.monotonic() - began
                    client_s += time.process_time() - cpu_s
                    engine_s += self._cpu_s() - engine_before_s
                yield Inserted(
                    table=table.name,
                    rows=size,
                    inserts=inserts,
                    rows_per_second=round(inserts * size / spent),
                    ms_per_insert=round(spent / inserts * 1_000, 1),
                    us_of_client_per_row=round(client_s / inserts / size * 1e6, 2),
                    us_of_engine_per_row=round(engine_s / inserts / size * 1e6, 2),
                )
        writer.close()
        self.client.execute("DROP DATABASE inserts")

    def stored(self) -> Iterator[Stored]:
        for table in FILLED:
            ((rows, parts, size),) = self.client.execute(
                "SELECT sum(rows), count(), sum(bytes_on_disk) FROM system.parts"
                " WHERE active AND database = 'journeys' AND table = %(table)s",
                {"table": table.name},
            )
            dearest = self.client.execute(
                "SELECT column, sum(column_data_compressed_bytes) AS bytes FROM system.parts_columns"
                " WHERE active AND database = 'journeys' AND table = %(table)s GROUP BY column"
                " ORDER BY bytes DESC LIMIT %(limit)s",
                {"table": table.name, "limit": _DEAREST},
            )
            yield Stored(
                table=table.name,
                rows=rows,
                parts=parts,
                bytes=size,
                bytes_per_row=round(size / max(1, rows), 1),
                dearest={name: round(bytes_ / max(1, rows), 1) for name, bytes_ in dearest},
            )

    def rest(self) -> None:
        """Merge all months but the last two, as the engine does once nothing came to them for some hours."""
        partitions = self.client.execute(
            "SELECT DISTINCT partition FROM system.parts WHERE active AND database = 'journeys'"
            " AND table = 'touchpoints' ORDER BY partition DESC"
        )
        for (partition,) in partitions[2:]:
            self.client.execute(f"OPTIMIZE TABLE touchpoints PARTITION {partition} FINAL")

    def read(self) -> Iterator[Read]:
        """Persons spread over all that there are, each time others."""
        reader = Reader(self._address)
        for number, persons in enumerate(_PERSONS):
            rows = self.client.execute(
                "SELECT person_key FROM persons ORDER BY cityHash64(person_key, %(number)s) LIMIT %(persons)s",
                {"number": number, "persons": persons},
            )
            keys = [key for (key,) in rows]
            work: dict[str, Callable[[], object]] = {
                "touchpoints": partial(reader.load_touchpoints, keys),
                "what is published": partial(reader.load_published, keys),
                "last judgements": partial(reader.load_last_judged, keys),
                "identifiers": partial(reader.load_identifiers, keys),
            }
            for what, do in work.items():
                self._progress.detail(f"{what} of {persons:,} persons")
                do()
                (rows_before,), before_s, began = self._events("SelectedRows"), self._cpu_s(), time.monotonic()
                do()
                seconds, cpu_s = time.monotonic() - began, self._cpu_s() - before_s
                (rows_after,) = self._events("SelectedRows")
                yield Read(
                    what=what,
                    persons=persons,
                    seconds=round(seconds, 3),
                    cpu_s=round(cpu_s, 3),
                    rows_read=rows_after - rows_before,
                )
        reader.close()

    def flush(self, filler: Filler, copies: int) -> Flushed:
        """Write as a worker does, a flush each second."""
        seconds, touchpoints = self._options.flush_seconds, self._options.flush_touchpoints
        before = most = self._parts()
        merged, inserted = self._events("MergedRows", "InsertedRows")
        spent, late, began = 0.0, 0, time.monotonic()
        for number in range(seconds):
            time.sleep(max(0.0, began + number - time.monotonic()))
            self._progress.detail(f"flush {number + 1} of {seconds}")
            flushing = time.monotonic()
            filler.flush(number, touchpoints, copies)
            took = time.monotonic() - flushing
            spent, late = spent + took, late + (took > 1)
            now = self._parts()
            most = {name: max(most.get(name, 0), count) for name, count in now.items()}
        wall = time.monotonic() - began
        after = self._parts()
        merged_after, inserted_after = self._events("MergedRows", "InsertedRows")
        written = max(1, inserted_after - inserted)
        return Flushed(
            seconds=round(wall, 1),
            flushes=seconds,
            touchpoints_per_flush=touchpoints,
            rows_per_flush=round(written / seconds, 1),
            ms_per_flush=round(spent / seconds * 1_000, 1),
            late_flushes=late,
            rows_merged_per_row=round((merged_after - merged) / written, 2),
            parts_before=before,
            parts_most=most,
            parts_after=after,
        )

    def ask(self, asked: Sequence[Question]) -> Iterator[Asked]:
        """Questions, while nothing is merged."""
        self.client.execute("SYSTEM STOP MERGES")
        for question in asked:
            self._progress.detail(question.name)
            yield self._asked(question)
        self.client.execute("SYSTEM START MERGES")

    def _asked(self, question: Question) -> Asked:
        self._forget()
        cold, rows = self._timed(question)
        read = self._events("SelectedRows", "SelectedBytes")
        before_s = self._cpu_s()
        warm = [self._timed(question)[0]]
        cpu_s = self._cpu_s() - before_s
        read_after = self._events("SelectedRows", "SelectedBytes")
        warm += [self._timed(question)[0] for _ in range(_WARM_RUNS - 1)]
        with self._watched() as memory:
            self._timed(question)
        return Asked(
            question=question.name,
            cold_s=round(cold, 3),
            warm_s=round(statistics.median(warm), 3),
            cpu_s=round(cpu_s, 3),
            rows_read=read_after[0] - read[0],
            bytes_read=read_after[1] - read[1],
            memory_bytes=max(memory),
            rows=rows,
            plan=self._plan(question) if statistics.median(warm) >= _SLOW_S else (),
        )

    def _plan(self, question: Question) -> tuple[str, ...]:
        """How the engine goes about it, and what its indexes leave of each table."""
        sql = f"EXPLAIN indexes = 1 {question.sql}"
        return tuple(str(line) for (line,) in self.client.execute(sql, dict(question.parameters) or None))

    def count(self) -> Iterator[Counted]:
        """Count touchpoints by kind, while more and more of them are there twice."""
        self.client.execute("SYSTEM STOP MERGES")
        done = 0.0
        for twice in _TWICE:
            if twice > done:
                self._progress.detail(f"writing {twice:.0%} of the touchpoints again")
                self.client.execute(
                    "INSERT INTO touchpoints SELECT * FROM touchpoints WHERE cityHash64(identity_hash, id) % 1000"
                    f" >= {round(done * 1000)} AND cityHash64(identity_hash, id) % 1000 < {round(twice * 1000)}"
                )
                done = twice
            for how, sql in _COUNTING.items():
                self._progress.detail(f"{twice:.0%} twice: {how}")
                question = Question(how, sql)
                self._timed(question)
                before_s = self._cpu_s()
                seconds = statistics.median(self._timed(question)[0] for _ in range(_WARM_RUNS))
                cpu_s = (self._cpu_s() - before_s) / _WARM_RUNS
                with self._watched() as memory:
                    self._timed(question)
                yield Counted(
                    twice=twice,
                    how=how,
                    seconds=round(seconds, 3),
                    cpu_s=round(cpu_s, 3),
                    memory_bytes=max(memory),
                )
        self.client.execute("SYSTEM START MERGES")

    def _timed(self, question: Question) -> tuple[float, int]:
        began = time.monotonic()
        rows = self.client.execute(question.sql, dict(question.parameters) or None)
        return time.monotonic() - began, len(rows)

    def _cpu_s(self) -> float:
        times = self._engine.cpu_times()
        return float(times.user + times.system)

    def _events(self, *names: str) -> list[int]:
        found = dict(
            self.client.execute("SELECT event, value FROM system.events WHERE event IN %(names)s", {"names": names})
        )
        return [int(found.get(name, 0)) for name in names]

    def _parts(self) -> dict[str, int]:
        return dict(
            self.client.execute(
                "SELECT table, count() FROM system.parts WHERE active AND database = 'journeys' AND table IN %(names)s"
                " GROUP BY table ORDER BY table",
                {"names": [table.name for table in FILLED]},
            )
        )

    def _forget(self) -> None:
        """Let the engine and the system forget what they hold of the files in memory."""
        for cache in _COLD:
            self.client.execute(f"SYSTEM DROP {cache}")
        for file in self._folder.rglob("*.*"):
            try:
                number = os.open(file, os.O_RDONLY)
            except OSError:
                continue
            try:
                os.posix_fadvise(number, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(number)

    @contextmanager
    def _watched(self) -> Iterator[list[int]]:
        """What queries hold in memory at most, in the one element that is there on leaving."""
        found, done = [0], threading.Event()

        def watch() -> None:
            client = connect(self._address)
            while not done.wait(0.01):
                rows = client.execute(
                    "SELECT max(peak_memory_usage) FROM system.processes WHERE query NOT LIKE '%%system.processes%%'"
                )
                found.append(int(rows[0][0]))
            client.disconnect()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            done.set()
            thread.join()


def _repeated(table: Table, columns: Sequence[Sequence[Any]], rows: int, number: int) -> list[Sequence[Any]]:
    """So many rows, each different from all others in its key."""
    times = -(-rows // len(columns[0]))
    key = "id" if table is TOUCHPOINTS else table.columns[1].name
    found: list[Sequence[Any]] = []
    for column, values in zip(table.columns, columns, strict=True):
        many = (list(values) * times)[:rows]
        if column.name == key:
            many = [f"{value}-{number}-{index}" for index, value in enumerate(many)]
        found.append(many)
    return found


def main() -> int:
    """Measure as the command line says."""
    parser = _parser()
    options = parser.parse_args()
    if unknown := set(options.only or ()) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    progress = Progress()
    result = None
    date = datetime.now(UTC).strftime("%Y-%m-%d")
    out = options.out or _RESULTS / f"{date}-sink-{options.touchpoints}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with ExitStack() as folders:
            folder = options.data_dir or folders.enter_context(tempfile.TemporaryDirectory(prefix="journeys-bench-"))
            # The last parts take longest: what was measured before is kept when they are broken off.
            for result in _measure(Path(folder), date, options, progress):
                out.write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
    except BenchError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    assert result is not None
    progress.step(f"written to {out}")
    print(out.read_text(encoding="utf-8") if options.json else as_text(result))
    return 0


def _measure(folder: Path, date: str, options: argparse.Namespace, progress: Progress) -> Iterator[SinkResult]:
    """The result after each part, with all parts up to then."""
    progress.step(f"a month of {options.seed_events:,} events through the pipeline")
    month = make_month(
        options.seed_events, options.seed_persons, seed=options.seed, start=options.start, tell=progress.detail
    )
    process, ports = start_clickhouse(folder)
    with stopped(process):
        sink = Sink(folder, process.pid, ports.native, options, progress)
        progress.step(f"filling: {options.touchpoints:,} touchpoints")
        began = time.monotonic()
        filler, copies = sink.fill(month)
        fill_s = time.monotonic() - began
        progress.step("waiting for merges")
        sink.settle()
        sink.rest()
        ((version,),) = sink.client.execute("SELECT version()")
        result = SinkResult(
            date=date,
            touchpoints=options.touchpoints,
            months=options.months,
            clickhouse=version,
            threads=options.threads,
            written_per_row={t.name: round(month.written[t.name] / max(1, month.rows(t)), 2) for t in COPIED},
            rows_per_touchpoint={t.name: round(month.rows(t) / month.touchpoints, 4) for t in COPIED},
            fill_s=round(fill_s, 1),
            machine=machine(),
        )
        measure: dict[str, tuple[str, Callable[[], object]]] = {
            "insert": ("inserted", lambda: list(sink.insert(month))),
            "stored": ("stored", lambda: list(sink.stored())),
            "read": ("read", lambda: list(sink.read())),
            "flush": ("flushed", lambda: sink.flush(filler, copies)),
            "ask": ("asked", lambda: list(sink.ask(questions(sink.client)))),
            "final": ("counted", lambda: list(sink.count())),
        }
        for part in PARTS:
            if part in (options.only or PARTS):
                progress.step(part)
                field, do = measure[part]
                result = msgspec.structs.replace(result, **{field: do()})
                yield result
        sink.client.disconnect()


def as_text(result: SinkResult) -> str:
    """Tables for people."""
    machine_ = result.machine
    lines = [
        f"{result.touchpoints:,} touchpoints over {result.months} times four weeks, ClickHouse {result.clickhouse}",
        f"{result.threads} threads a query, {machine_['cpu']}, {machine_['cores']} cores",
    ]
    lines += _table(
        ("insert", "rows", "ms", "rows/s", "client us/row", "engine us/row"),
        [
            (
                i.table,
                f"{i.rows:,}",
                f"{i.ms_per_insert:,.1f}",
                f"{i.rows_per_second:,}",
                f"{i.us_of_client_per_row:g}",
                f"{i.us_of_engine_per_row:g}",
            )
            for i in result.inserted
        ],
    )
    lines += _table(
        ("stored", "rows", "parts", "MB", "bytes/row", "dearest columns"),
        [
            (
                s.table, f"{s.rows:,}", f"{s.parts}", f"{s.bytes / 1e6:,.0f}", f"{s.bytes_per_row:g}",
                ", ".join(f"{name} {size:g}" for name, size in s.dearest.items()),
            )
            for s in result.stored
        ],
    )  # fmt: skip
    lines += _table(
        ("read", "persons", "s", "CPU s", "rows read"),
        [(r.what, f"{r.persons:,}", f"{r.seconds:.2f}", f"{r.cpu_s:.2f}", f"{r.rows_read:,}") for r in result.read],
    )
    if flushed := result.flushed:
        size = f"{flushed.touchpoints_per_flush:,} touchpoints ({flushed.rows_per_flush:,} rows)"
        lines += ["", f"{flushed.flushes} flushes of {size} in {flushed.seconds:g} s, {flushed.ms_per_flush:g} ms each"]
        lines += [
            f"{flushed.late_flushes} took over a second; merges wrote each row {flushed.rows_merged_per_row} times"
        ]
        lines += _table(
            ("parts", "before", "most", "after"),
            [
                (name, str(flushed.parts_before.get(name, 0)), str(most), str(flushed.parts_after.get(name, 0)))
                for name, most in flushed.parts_most.items()
            ],
        )
    lines += _table(
        ("question", "cold s", "warm s", "CPU s", "rows read", "MB read", "MB held", "rows"),
        [
            (
                a.question, *(f"{seconds:.2f}" for seconds in (a.cold_s, a.warm_s, a.cpu_s)), f"{a.rows_read:,}",
                *(f"{size / 1e6:,.0f}" for size in (a.bytes_read, a.memory_bytes)), f"{a.rows:,}",
            )
            for a in result.asked
        ],
    )  # fmt: skip
    lines += _table(
        ("counted", "twice", "s", "CPU s", "MB held"),
        [
            (c.how, f"{c.twice:.0%}", f"{c.seconds:.2f}", f"{c.cpu_s:.2f}", f"{c.memory_bytes / 1e6:,.0f}")
            for c in result.counted
        ],
    )
    for a in result.asked:
        if a.plan:
            lines += ["", f"plan of {a.question}", *(f"  {line}" for line in a.plan)]
    return "\n".join(lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    return ["", *("  ".join(_aligned(row, widths)).rstrip() for row in (head, *rows))]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for number, (cell, width) in enumerate(zip(row, widths, strict=True)):
        is_text = number == 0 or not cell[:1].isdigit()
        yield f"{cell:<{width}}" if is_text else f"{cell:>{width}}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench-sink", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--touchpoints", type=at_least(int, 1_000), default=10_000_000, help="in the end, about (default: %(default)s)")
    add(
        "--months",
        type=at_least(int, 1),
        default=6,
        help="of four weeks each, over which they spread (default: %(default)s)",
    )
    add(
        "--seed-events",
        type=at_least(int, 1_500),
        default=50_000,
        help="touchpoints of the month (default: %(default)s)",
    )
    add("--seed-persons", type=at_least(int, 60), default=2_000, help="its persons (default: %(default)s)")
    add("--seed", type=int, default=1, help="decides the data (default: %(default)s)")
    add("--threads", type=at_least(int, 1), default=2, help="of a question (default: %(default)s)")
    add("--flush-seconds", type=at_least(int, 1), default=60, help="how long a worker writes (default: %(default)s)")
    add("--flush-touchpoints", type=at_least(int, 1), default=2_000, help="in a flush (default: %(default)s)")
    add("--only", nargs="+", metavar="PART", help=f"not all parts: {', '.join(PARTS)}")
    add("--data-dir", type=Path, metavar="DIR", help="keep the tables there, and take those that are there already")
    add(
        "--out",
        type=Path,
        metavar="FILE",
        help="result as JSON, written after each part (default: bench/results/DATE-sink-TOUCHPOINTS.json)",
    )
    add("--json", action="store_true", help="print the result as JSON instead of tables")
    parser.set_defaults(start=default_start())
    return parser


if __name__ == "__main__":
    sys.exit(main())
