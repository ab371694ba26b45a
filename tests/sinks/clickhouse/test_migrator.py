import dataclasses
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import count

import pytest

from sinks.clickhouse import migrator
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.errors import SchemaMismatch, StoreUnavailable
from sinks.clickhouse.migrator import Migration, MigrationError, migrate, shipped_migrations
from sinks.clickhouse.schema_check import schema_differences
from tests.support.processes import REPOSITORY

_REPEATABLE = re.compile(
    r"CREATE TABLE IF NOT EXISTS|CREATE OR REPLACE VIEW"
    r"|ALTER TABLE \S+ \S+ (\w+ \w+ IF (NOT )?EXISTS|MODIFY SETTING)"
)

#: Far behind those that are shipped.
NEW = 9000


@pytest.fixture
def fresh(engine: ClickHouseAddress, request: pytest.FixtureRequest) -> ClickHouseAddress:
    """A database that does not exist yet, named after the test."""
    return ClickHouseAddress(port=engine.port, database=request.node.name)


@pytest.fixture
def dead_process() -> int:
    """Number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def living_process() -> Iterator[int]:
    """Number of a process that lives as long as the test."""
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    yield process.pid
    assert process.stdin is not None
    process.stdin.close()
    process.wait()


def record(
    address: ClickHouseAddress,
    number: int,
    *,
    state: str = "in_progress",
    checksum: str | None = None,
    host: str | None = None,
    process_id: int = 1,
    version: int = 3,
) -> None:
    """Record of another migrator; version 3 overrules what `migrate` wrote itself before."""
    known = {migration.number: migration for migration in shipped_migrations()}
    name = known[number].name if number in known else f"{number:04d}_from_the_future.sql"
    checksum = checksum or (known[number].checksum if number in known else "")
    row = (number, name, checksum, state, host or socket.gethostname(), process_id, int(time.time() * 1000), version)
    connect(address).execute(
        "INSERT INTO schema_migrations (number, name, checksum, state, host, process_id, recorded_at, version) VALUES",
        [row],
    )


def states(address: ClickHouseAddress) -> dict[int, str]:
    rows: list[tuple[int, str]] = connect(address).execute("SELECT number, state FROM schema_migrations FINAL")
    return dict(rows)


def test_every_statement_can_be_repeated() -> None:
    for migration in shipped_migrations():
        assert _REPEATABLE.match(migration.statement), migration.name


def test_every_file_holds_one_statement() -> None:
    for migration in shipped_migrations():
        assert ";" not in re.sub(r"'(?:[^'\\]|\\.)*'", "", migration.statement), migration.name


def test_on_a_cluster_every_statement_reaches_all_nodes_and_every_table_is_replicated() -> None:
    for migration in shipped_migrations():
        statement = migration.rendered("main")
        assert "ON CLUSTER `main`" in statement
        assert ("ENGINE = Replicated" in statement) == statement.startswith("CREATE TABLE")
        assert "$" not in statement
        assert "Replicated" not in migration.rendered(None)
        assert "ON CLUSTER" not in migration.rendered(None)


@pytest.mark.stack
def test_clickhouse_understands_the_statements_for_a_cluster(engine: ClickHouseAddress) -> None:
    client = connect(engine, database="default")
    for migration in shipped_migrations():
        client.execute(f"EXPLAIN AST {migration.rendered('main')}")


@pytest.mark.stack
def test_migrating_makes_the_database_and_a_second_time_does_nothing(fresh: ClickHouseAddress) -> None:
    told: list[str] = []
    assert migrate(fresh, tell=told.append) == [migration.name for migration in shipped_migrations()]
    assert schema_differences(fresh) == []
    assert migrate(fresh, tell=told.append) == []
    assert told == []
    assert set(states(fresh).values()) == {"completed"}


@pytest.mark.stack
def test_a_migration_left_by_a_process_that_died_is_applied_again(fresh: ClickHouseAddress, dead_process: int) -> None:
    migrate(fresh)
    record(fresh, 41, process_id=dead_process)
    connect(fresh).execute("DROP TABLE rule_changes")
    told: list[str] = []
    assert migrate(fresh, tell=told.append) == ["0041_rule_changes.sql"]
    assert schema_differences(fresh) == []
    (sentence,) = told
    assert sentence.startswith(
        f"0041_rule_changes.sql was begun by process {dead_process} on {socket.gethostname()} at "
    )
    assert sentence.endswith(" and never finished; applying it again, which does no harm")


@pytest.mark.stack
def test_a_migration_under_way_elsewhere_is_waited_for(fresh: ClickHouseAddress, living_process: int) -> None:
    migrate(fresh)
    record(fresh, 7, process_id=living_process)
    told: list[str] = []
    has_told = threading.Event()

    def tell(sentence: str) -> None:
        told.append(sentence)
        has_told.set()

    def finish() -> None:
        has_told.wait(20)
        record(fresh, 7, state="completed", process_id=living_process, version=4)

    other = threading.Thread(target=finish)
    other.start()
    assert migrate(fresh, tell=tell) == []
    other.join()
    (sentence,) = told
    assert "process" in sentence
    assert sentence.endswith("; waiting up to 60 s for it")


@pytest.mark.stack
def test_a_migration_under_way_on_another_host_is_given_up_after_the_patience(fresh: ClickHouseAddress) -> None:
    migrate(fresh)
    record(fresh, 7, host="elsewhere", process_id=os.getpid())
    told: list[str] = []
    assert migrate(fresh, patience_s=0.5, tell=told.append) == ["0007_effort_postings.sql"]
    assert "process" in told[0]
    assert "elsewhere" in told[0]
    assert "never finished" in told[-1]


@pytest.mark.stack
def test_several_migrators_at_once_end_with_one_schema(fresh: ClickHouseAddress) -> None:
    code = (
        "import sys;"
        "from sinks.clickhouse.address import ClickHouseAddress;"
        "from sinks.clickhouse.migrator import migrate;"
        "migrate(ClickHouseAddress(port=int(sys.argv[1]), database=sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, str(fresh.port), fresh.database]
    processes = [subprocess.Popen(command, cwd=REPOSITORY) for _ in range(3)]
    assert [process.wait(120) for process in processes] == [0, 0, 0]
    assert schema_differences(fresh) == []
    assert set(states(fresh).values()) == {"completed"}


@pytest.mark.stack
def test_an_applied_file_that_changed_is_refused(fresh: ClickHouseAddress) -> None:
    migrate(fresh)
    record(fresh, 4, state="completed", checksum="0" * 64)
    with pytest.raises(
        MigrationError, match=r"0004_sessions\.sql was applied by .* and has changed since: restore the"
    ):
        migrate(fresh)


@pytest.mark.stack
def test_a_database_newer_than_the_code_is_refused(fresh: ClickHouseAddress) -> None:
    migrate(fresh)
    # Numbers may have gaps: what is not known here is newer, wherever it stands.
    known = {migration.number for migration in shipped_migrations()}
    record(fresh, next(number for number in count(1) if number not in known), state="completed")
    with pytest.raises(MigrationError, match=r"the database is newer than this version: .*from_the_future"):
        migrate(fresh)


def more_migrations(*names: str) -> list[Migration]:
    """Shipped ones and, after them, some that change nothing."""
    shipped = shipped_migrations()
    statement = "ALTER TABLE sessions $on_cluster DROP COLUMN IF EXISTS nothing"
    return [
        *shipped,
        *(Migration(number, f"{number:04d}_{name}.sql", statement) for number, name in enumerate(names, NEW)),
    ]


@pytest.mark.stack
@pytest.mark.parametrize("record_every_s", [0.0, 3600.0], ids=["each", "all together"])
def test_a_statement_that_fails_names_its_file_and_is_tried_again(
    engine: ClickHouseAddress, monkeypatch: pytest.MonkeyPatch, record_every_s: float
) -> None:
    database = dataclasses.replace(engine, database=f"failing_{record_every_s:.0f}")
    migrate(database)
    monkeypatch.setattr(migrator, "_RECORD_EVERY_S", record_every_s)
    *before, last, broken, after = more_migrations("first", "second", "broken", "after")
    broken = broken._replace(statement="ALTER TABLE sessions $on_cluster DROP COLUMN IF EXISTS tenant")
    with pytest.raises(
        MigrationError, match=r"^9002_broken\.sql: code 524: .* Nothing after it was applied; it is tried"
    ):
        migrate(database, migrations=[*before, last, broken, after])
    assert {number: state for number, state in states(database).items() if number >= NEW} == {
        NEW: "completed",
        NEW + 1: "completed",
        NEW + 2: "in_progress",
    }
    mended = broken._replace(statement=after.statement)
    assert migrate(database, migrations=[*before, last, mended, after]) == ["9002_broken.sql", "9003_after.sql"]


@pytest.mark.stack
def test_a_migrator_that_dies_in_an_empty_database_is_followed_by_one_that_does_it_all(
    fresh: ClickHouseAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    *most, last = shipped_migrations()

    class Death(BaseException):
        pass

    def die(_migration: Migration, _cluster: str | None) -> str:
        if _migration == last:
            raise Death
        return rendered(_migration, _cluster)

    rendered = Migration.rendered
    with monkeypatch.context() as patched:
        patched.setattr(Migration, "rendered", die)
        with pytest.raises(Death):
            migrate(fresh)
    # Nothing is taken for done that nobody noted, and what is noted is repeated.
    assert set(states(fresh)) < {migration.number for migration in (*most, last)}
    assert "in_progress" in states(fresh).values()
    told: list[str] = []
    assert migrate(fresh, tell=told.append)[-1] == last.name
    assert told[-1].endswith(" and never finished; applying it again, which does no harm")
    assert schema_differences(fresh) == []
    assert states(fresh) == {migration.number: "completed" for migration in (*most, last)}


@pytest.mark.stack
def test_records_are_written_together_since_each_costs_more_than_a_statement(fresh: ClickHouseAddress) -> None:
    inserted = "SELECT value FROM system.events WHERE event = 'InsertQuery'"
    client = connect(fresh, database="default")
    migrate(fresh)
    ((before,),) = client.execute(inserted)
    migrate(fresh, migrations=more_migrations(*(f"number_{number}" for number in range(20))))
    ((after,),) = client.execute(inserted)
    # One insert for the first of them, one for all; a slow machine adds one every five seconds.
    assert after - before < 10


@pytest.mark.stack
def test_a_table_that_somebody_made_otherwise_is_named(fresh: ClickHouseAddress) -> None:
    admin = connect(fresh, database="default")
    admin.execute(f"CREATE DATABASE {fresh.database}")
    admin.execute(f"CREATE TABLE {fresh.database}.sessions (tenant UInt8) ENGINE = MergeTree ORDER BY tenant")
    with pytest.raises(SchemaMismatch) as caught:
        migrate(fresh)
    assert "sessions: column tenant is UInt8, expected LowCardinality(String)" in str(caught.value)
    assert "sessions: column session_id is missing" in str(caught.value)


def test_without_a_server_migrating_can_be_tried_again() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = ClickHouseAddress(port=taken.getsockname()[1])
        with pytest.raises(StoreUnavailable, match=r"^creating the database of 127\.0\.0\.1"):
            migrate(address)


def test_a_cluster_name_that_is_no_plain_name_is_refused() -> None:
    with pytest.raises(MigrationError, match="not a plain name"):
        migrate(ClickHouseAddress(), cluster="x` ENGINE")
