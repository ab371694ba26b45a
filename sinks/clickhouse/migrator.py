"""Brings the schema of a ClickHouse to the version of this code: numbered files, forward only.

Every statement may be repeated without harm, so a migration that somebody began and never finished is simply applied
again, and so are those after it. The records keep two migrators from treading on each other, and refuse files that
changed afterwards.
"""

import hashlib
import os
import re
import socket
import string
import time
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import NamedTuple

from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.errors import ANSWER_ERRORS, SchemaMismatch, understood
from sinks.clickhouse.schema_check import schema_differences
from sinks.clickhouse.tables import SCHEMA_MIGRATIONS

IN_PROGRESS = "in_progress"
COMPLETED = "completed"

#: How long a migration under way elsewhere is waited for before it counts as abandoned; a statement takes seconds.
PATIENCE_S = 60.0
_POLL_S = 0.2
#: A record costs more than most statements, so one is written for all that were applied in this time; those of a
#: migrator that died meanwhile are applied again. Well below the patience, which begins anew with every record.
_RECORD_EVERY_S = 5.0
_FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_CLUSTER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class MigrationError(Exception):
    """The schema cannot be brought to this version; the message says which file, why, and what to do."""


class Migration(NamedTuple):
    """One change of the schema: a file with one statement, which may be repeated without harm."""

    number: int
    name: str
    statement: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, hexadecimal."""
        return hashlib.sha256(self.statement.encode()).hexdigest()

    def rendered(self, cluster: str | None) -> str:
        """The statement for one node, or for all nodes of a cluster with replicated tables."""
        return string.Template(self.statement).substitute(
            on_cluster=f"ON CLUSTER `{cluster}`" if cluster else "",
            engine_prefix="Replicated" if cluster else "",
        )


class _Record(NamedTuple):
    name: str
    checksum: str
    state: str
    host: str
    process_id: int
    recorded_at: int

    @property
    def applier(self) -> str:
        return f"process {self.process_id} on {self.host}"

    def is_from_a_dead_process(self) -> bool:
        """Whether whoever began it is certainly gone; one on another host may always live."""
        if self.host != socket.gethostname():
            return False
        if self.process_id == os.getpid():
            return True
        try:
            os.kill(self.process_id, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False  # it lives, and is somebody else's
        return False


def shipped_migrations() -> list[Migration]:
    """Migrations of this version in order.

    Raises:
        MigrationError: a file's name is malformed, or a number is taken twice.

    """
    migrations = []
    folder = files("sinks.clickhouse").joinpath("migrations")
    for file in sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name):
        match = _FILE_NAME.fullmatch(file.name)
        if match is None:
            raise MigrationError(f"{file.name}: a migration is named like 0001_what.sql")
        migrations.append(Migration(int(match[1]), file.name, file.read_text(encoding="utf-8")))
    numbers = [migration.number for migration in migrations]
    # Numbers may be left out: changes that are made beside each other take ranges of their own.
    if len(set(numbers)) != len(numbers):
        raise MigrationError(f"two migrations must not have the same number, found {numbers}")
    return migrations


def migrate(
    address: ClickHouseAddress,
    *,
    cluster: str | None = None,
    patience_s: float = PATIENCE_S,
    tell: Callable[[str], None] = lambda _: None,
    migrations: Sequence[Migration] | None = None,
) -> list[str]:
    """Create the database when it is missing, apply what is not applied yet, and return the names of those files.

    `cluster` makes tables replicated on that cluster. `tell` receives a sentence when there is something to wait for
    or to repeat. `migrations` are the shipped ones unless others are given. Safe to call from several processes at
    once.

    Raises:
        MigrationError: an applied file has changed, the database is newer than this version, or a statement failed.
        StoreUnavailable: ClickHouse cannot answer now.
        SchemaMismatch: the user may not do this, or the schema is not what the migrations should have made of it.

    """
    if cluster is not None and not _CLUSTER_NAME.fullmatch(cluster):
        raise MigrationError(f"cluster {cluster!r} is not a plain name of letters, digits, dashes and underscores")
    if migrations is None:
        migrations = shipped_migrations()
    _create_database(address, cluster)
    client = connect(address)
    try:
        # The first file makes the table of records, so it cannot look itself up.
        client.execute(migrations[0].rendered(cluster))
        run = _Run(client, cluster, patience_s, tell)
        applied = run.apply(migrations)
    except ANSWER_ERRORS as error:
        raise understood(error, f"migrating {address}") from error
    finally:
        client.disconnect()
    if differences := schema_differences(address):
        raise SchemaMismatch(f"the schema of {address} was changed by hand: " + "; ".join(differences))
    return applied


def _create_database(address: ClickHouseAddress, cluster: str | None) -> None:
    client = connect(address, database="default")
    try:
        on_cluster = f" ON CLUSTER `{cluster}`" if cluster else ""
        client.execute(f"CREATE DATABASE IF NOT EXISTS `{address.database}`{on_cluster}")
    except ANSWER_ERRORS as error:
        raise understood(error, f"creating the database of {address}") from error
    finally:
        client.disconnect()


class _Run:
    """One migrator at work."""

    def __init__(self, client: Client, cluster: str | None, patience_s: float, tell: Callable[[str], None]) -> None:
        self._client = client
        self._cluster = cluster
        self._patience_s = patience_s
        self._tell = tell

    def apply(self, known: Sequence[Migration]) -> list[str]:
        """Apply those that are not, in order, and return their names."""
        pending = self._pending(known)
        done: list[Migration] = []
        recorded_at = 0.0
        for position, migration in enumerate(pending):
            if position == 0 or time.monotonic() - recorded_at >= _RECORD_EVERY_S:
                self._record(done, migration)
                recorded_at = time.monotonic()
                done = []
            try:
                self._client.execute(migration.rendered(self._cluster))
            except ServerException as error:
                self._record(done, migration)
                problem = understood(error, migration.name)
                raise MigrationError(f"{problem}. Nothing after it was applied; it is tried again next time") from error
            done.append(migration)
        self._record(done, None)
        return [migration.name for migration in pending]

    def _pending(self, known: Sequence[Migration]) -> list[Migration]:
        """Those to be applied, once nobody else is at work."""
        abandoned: set[int] = set()
        while True:
            records = self._records(known)
            under_way = next(
                (
                    migration
                    for migration in known
                    if migration.number not in abandoned
                    and migration.number in records
                    and records[migration.number].state == IN_PROGRESS
                ),
                None,
            )
            if under_way is None:
                break
            if not self._was_finished(under_way, records[under_way.number], known):
                abandoned.add(under_way.number)
        pending = []
        for migration in known:
            record = records.get(migration.number)
            if record is None or record.state == IN_PROGRESS:
                pending.append(migration)
            elif record.checksum != migration.checksum:
                raise MigrationError(
                    f"{migration.name} was applied by {record.applier} and has changed since: restore the file, and put"
                    " the change into a new migration"
                )
        return pending

    def _was_finished(self, migration: Migration, record: _Record, known: Sequence[Migration]) -> bool:
        """Wait for whoever began it; whether they finished, or it is to be repeated."""
        deadline = record.recorded_at / 1000 + self._patience_s
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(record.recorded_at / 1000))
        begun = f"{migration.name} was begun by {record.applier} at {since}"
        has_told = False
        while record.state == IN_PROGRESS:
            if record.is_from_a_dead_process() or time.time() >= deadline:
                self._tell(f"{begun} and never finished; applying it again, which does no harm")
                return False
            if not has_told:
                self._tell(f"{begun}; waiting up to {self._patience_s:.0f} s for it")
                has_told = True
            time.sleep(_POLL_S)
            record = self._records(known)[migration.number]
        return True

    def _records(self, known: Sequence[Migration]) -> dict[int, _Record]:
        rows = self._client.execute(
            "SELECT number, name, checksum, state, host, process_id, toUnixTimestamp64Milli(recorded_at)"
            " FROM schema_migrations FINAL ORDER BY number"
        )
        records = {number: _Record(*rest) for number, *rest in rows}
        numbers = {migration.number for migration in known}
        for number, record in records.items():
            if number not in numbers:
                raise MigrationError(
                    f"the database is newer than this version: {record.name} was applied by {record.applier}."
                    " Install the version that did it, or a later one"
                )
        return records

    def _record(self, done: Sequence[Migration], begun: Migration | None) -> None:
        """Note at once what was completed and what is begun next, so that nobody comes in between."""
        states = [(migration, COMPLETED) for migration in done]
        if begun is not None:
            states.append((begun, IN_PROGRESS))
        rows = [
            (
                migration.number,
                migration.name,
                migration.checksum,
                state,
                socket.gethostname(),
                os.getpid(),
                time.time_ns() // 1_000_000,
                {IN_PROGRESS: 1, COMPLETED: 2}[state],
            )
            for migration, state in states
        ]
        if rows:
            names = ", ".join(SCHEMA_MIGRATIONS.column_names)
            self._client.execute(f"INSERT INTO schema_migrations ({names}) VALUES", rows)  # our own names
