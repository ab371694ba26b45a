import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

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
    migrators = [subprocess.Popen(command, cwd=REPOSITORY) for _ in range(3)]
    assert [migrator.wait(120) for migrator in migrators] == [0, 0, 0]
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
    record(fresh, shipped_migrations()[-1].number + 1, state="completed")
    with pytest.raises(MigrationError, match=r"the database is newer than this version: .*from_the_future"):
        migrate(fresh)


@pytest.mark.stack
def test_a_statement_that_fails_names_its_file_and_is_tried_again(fresh: ClickHouseAddress) -> None:
    shipped = shipped_migrations()
    number = shipped[-1].number + 1
    broken = Migration(number, "9999_broken.sql", "ALTER TABLE sessions $on_cluster DROP COLUMN IF EXISTS tenant")
    after = Migration(number + 1, "9999_after.sql", "ALTER TABLE sessions $on_cluster DROP COLUMN IF EXISTS touches")
    with pytest.raises(
        MigrationError, match=r"^9999_broken\.sql: code 524: .* Nothing after it was applied; it is tried"
    ):
        migrate(fresh, migrations=[*shipped, broken, after])
    assert states(fresh)[number] == "in_progress"
    assert number + 1 not in states(fresh)
    mended = broken._replace(statement="ALTER TABLE sessions $on_cluster DROP COLUMN IF EXISTS nothing")
    assert migrate(fresh, migrations=[*shipped, mended]) == ["9999_broken.sql"]


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
