import os
import signal
from pathlib import Path

import pytest
from clickhouse_driver import Client

from schemas.touchpoint import AppliedTouchpoint
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.errors import RowsRefused, SchemaMismatch, StoreUnavailable
from sinks.clickhouse.migrator import migrate
from sinks.clickhouse.rows import (
    effort_posting_block,
    friction_block,
    journey_block,
    person_block,
    session_block,
    touchpoint_block,
)
from sinks.clickhouse.writer import RefusedRow, Writer
from tests.support.facts import Withdrawn, friction, journey, person, posting, session
from tests.support.local_clickhouse import start_clickhouse
from tests.support.processes import stopped
from tests.support.touchpoints import ANNA, DAY, MONDAY, applied, touchpoint

pytestmark = pytest.mark.stack

UNWRITABLE = "\ud800"


@pytest.fixture
def client(address: ClickHouseAddress) -> Client:
    return connect(address)


@pytest.fixture
def tenant(request: pytest.FixtureRequest) -> str:
    """A tenant that no other test uses."""
    return str(request.node.name)


def event(tenant: str, id_: str, at: int = MONDAY, **fields: object) -> AppliedTouchpoint:
    return applied(touchpoint("contact.started", at, tenant=tenant, id=id_, **fields))


def counted(client: Client, table: str, tenant: str) -> int:
    ((count,),) = client.execute(f"SELECT count() FROM {table} WHERE tenant = %(tenant)s", {"tenant": tenant})
    return int(count)


def test_the_same_block_twice_in_a_row_is_stored_once(writer: Writer, client: Client, tenant: str) -> None:
    block = touchpoint_block([event(tenant, "1"), event(tenant, "2")], token_prefix="t")
    writer.insert(block)
    writer.insert(block)
    assert counted(client, "touchpoints", tenant) == 2


@pytest.mark.usefixtures("unmerged")
def test_the_same_rows_under_another_token_are_seen_once(writer: Writer, client: Client, tenant: str) -> None:
    rows = [event(tenant, "1"), event(tenant, "2")]
    writer.insert(touchpoint_block(rows, token_prefix="before the crash"))
    writer.insert(touchpoint_block(rows, token_prefix="after the crash"))
    assert counted(client, "touchpoints", tenant) == 4
    assert counted(client, "v_touchpoints", tenant) == 2


def test_of_differing_copies_the_one_that_entered_the_log_first_is_seen(
    writer: Writer, client: Client, tenant: str
) -> None:
    first = applied(touchpoint("contact.started", MONDAY, tenant=tenant, id="1", topic="first"), ingestion_time=1_000)
    second = applied(touchpoint("contact.started", MONDAY, tenant=tenant, id="1", topic="second"), ingestion_time=1_001)
    writer.insert(touchpoint_block([first], token_prefix="t"))
    writer.insert(touchpoint_block([second], token_prefix="t"))
    assert client.execute("SELECT topic FROM v_touchpoints WHERE tenant = %(t)s", {"t": tenant}) == [("first",)]


@pytest.mark.parametrize("newer_first", [False, True])
def test_the_newer_version_is_seen_whichever_came_first(
    writer: Writer, client: Client, tenant: str, newer_first: bool
) -> None:
    older = journey_block([(journey(tenant=tenant, touches=3), 7)], token_prefix="t")
    newer = journey_block([(journey(tenant=tenant, touches=4), 8)], token_prefix="t")
    for block in (newer, older) if newer_first else (older, newer):
        writer.insert(block)
    rows = client.execute("SELECT touches, version FROM v_journeys WHERE tenant = %(tenant)s", {"tenant": tenant})
    assert rows == [(4, 8)]


@pytest.mark.usefixtures("unmerged")
@pytest.mark.parametrize("retraction_first", [False, True])
def test_a_retraction_hides_the_row_whichever_came_first(
    writer: Writer, client: Client, tenant: str, retraction_first: bool
) -> None:
    fact = friction_block([(friction(tenant=tenant), 7)], token_prefix="t")
    retraction = friction_block([], [(Withdrawn("f1c7", tenant, ANNA), 8)], token_prefix="t")
    for block in (retraction, fact) if retraction_first else (fact, retraction):
        writer.insert(block)
    assert counted(client, "frictions", tenant) == 2
    assert counted(client, "v_frictions", tenant) == 0


def test_an_older_version_that_arrives_after_parts_were_merged_stays_hidden(
    writer: Writer, client: Client, tenant: str
) -> None:
    writer.insert(session_block([(session(tenant=tenant), 1)], token_prefix="t"))
    writer.insert(session_block([], [(Withdrawn("5e55", tenant, ANNA), 2)], token_prefix="t"))
    client.execute("OPTIMIZE TABLE sessions FINAL")
    writer.insert(session_block([(session(tenant=tenant), 1)], token_prefix="replay"))
    assert counted(client, "v_sessions", tenant) == 0


def test_what_was_withdrawn_can_come_back(writer: Writer, client: Client, tenant: str) -> None:
    for block in (
        session_block([(session(tenant=tenant), 1)], token_prefix="t"),
        session_block([], [(Withdrawn("5e55", tenant, ANNA), 2)], token_prefix="t"),
        session_block([(session(tenant=tenant), 3)], token_prefix="t"),
    ):
        writer.insert(block)
    assert counted(client, "v_sessions", tenant) == 1


def test_every_kind_of_fact_can_be_withdrawn(writer: Writer, client: Client, tenant: str) -> None:
    def gone(id_: str) -> list[tuple[Withdrawn, int]]:
        return [(Withdrawn(id_, tenant, ANNA), 2)]

    facts = [
        session_block([(session(tenant=tenant), 1)], token_prefix="t"),
        journey_block([(journey(tenant=tenant), 1)], token_prefix="t"),
        friction_block([(friction(tenant=tenant), 1)], token_prefix="t"),
        effort_posting_block([(posting(tenant=tenant), 1)], token_prefix="t"),
        person_block([(person(tenant=tenant), 1, 0)], token_prefix="t"),
    ]
    retractions = [
        session_block([], gone("5e55"), token_prefix="t"),
        journey_block([], gone("70a1"), token_prefix="t"),
        friction_block([], gone("f1c7"), token_prefix="t"),
        effort_posting_block([], gone("e0f7"), token_prefix="t"),
        person_block([], gone(ANNA), token_prefix="t"),
    ]
    for fact, retraction in zip(facts, retractions, strict=True):
        writer.insert(fact)
        assert counted(client, f"v_{fact.table}", tenant) == 1
        writer.insert(retraction)
        assert counted(client, f"v_{fact.table}", tenant) == 0


def test_an_empty_block_is_written_as_nothing(address: ClickHouseAddress) -> None:
    # No server answers there: nothing is asked.
    Writer(ClickHouseAddress(port=1)).insert(touchpoint_block([], token_prefix="t"))


def test_history_over_two_hundred_months_is_one_block(writer: Writer, client: Client, tenant: str) -> None:
    rows = [event(tenant, str(month), MONDAY + month * 31 * DAY) for month in range(200)]
    writer.insert(touchpoint_block(rows, token_prefix="t"))
    assert counted(client, "v_touchpoints", tenant) == 200


def test_a_value_that_cannot_be_written_is_refused_and_the_writer_goes_on(
    writer: Writer, client: Client, tenant: str
) -> None:
    with pytest.raises(RowsRefused) as caught:
        writer.insert(touchpoint_block([event(tenant, "1"), event(tenant, UNWRITABLE)], token_prefix="t"))
    assert (caught.value.table, caught.value.reason) == ("touchpoints", "UnicodeEncodeError")
    assert counted(client, "touchpoints", tenant) == 0
    writer.insert(touchpoint_block([event(tenant, "2")], token_prefix="t"))
    assert counted(client, "touchpoints", tenant) == 1


def test_bisecting_writes_the_good_rows_and_names_the_bad_ones(writer: Writer, client: Client, tenant: str) -> None:
    rows = [event(tenant, str(number)) for number in range(50)]
    rows[0] = event(tenant, UNWRITABLE)
    rows[31] = event(tenant, "31", active_ms=2**63)
    rows[49] = event(tenant, "49", topic=UNWRITABLE)
    refused = writer.bisect(touchpoint_block(rows, token_prefix="t"))
    assert [row.index for row in refused] == [0, 31, 49]
    assert refused[0] == RefusedRow(0, "UnicodeEncodeError")
    written = {id_ for (id_,) in client.execute("SELECT id FROM v_touchpoints WHERE tenant = %(t)s", {"t": tenant})}
    assert written == {str(number) for number in range(50)} - {"0", "31", "49"}


def test_bisecting_a_good_block_writes_it(writer: Writer, client: Client, tenant: str) -> None:
    assert writer.bisect(touchpoint_block([event(tenant, "1"), event(tenant, "2")], token_prefix="t")) == ()
    assert counted(client, "touchpoints", tenant) == 2


def test_without_the_database_the_writer_stops_with_advice(engine: ClickHouseAddress) -> None:
    writer = Writer(ClickHouseAddress(port=engine.port, database="nowhere"))
    with pytest.raises(SchemaMismatch, match="apply the migrations"):
        writer.insert(session_block([(session(), 1)], token_prefix="t"))


@pytest.mark.parametrize(
    ("columns", "advice"),
    [
        (None, "a table is missing; apply the migrations"),
        ("tenant String, session_id String", "a column is missing; apply the migrations"),
    ],
)
def test_without_the_table_or_a_column_the_writer_stops_with_advice(
    engine: ClickHouseAddress, columns: str | None, advice: str
) -> None:
    admin = connect(engine, database="default")
    admin.execute("CREATE DATABASE IF NOT EXISTS half_made")
    admin.execute("DROP TABLE IF EXISTS half_made.sessions")
    if columns is not None:
        admin.execute(f"CREATE TABLE half_made.sessions ({columns}) ENGINE = MergeTree ORDER BY tenant")
    writer = Writer(ClickHouseAddress(port=engine.port, database="half_made"))
    with pytest.raises(SchemaMismatch, match=advice):
        writer.insert(session_block([(session(), 1)], token_prefix="t"))


def test_when_no_row_fits_a_column_of_another_type_the_writer_stops_instead_of_refusing_all(
    engine: ClickHouseAddress,
) -> None:
    other = ClickHouseAddress(port=engine.port, database="other_types")
    migrate(other)
    connect(other).execute("ALTER TABLE sessions DROP COLUMN first_touchpoint")
    connect(other).execute("ALTER TABLE sessions ADD COLUMN first_touchpoint UInt64")
    writer = Writer(other)
    block = session_block([(session(session_id=id_), 1) for id_ in "ab"], token_prefix="t")
    with pytest.raises(RowsRefused):
        writer.insert(block)
    with pytest.raises(SchemaMismatch, match="column first_touchpoint is UInt64, expected String"):
        writer.bisect(block)


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_that_dies_is_unavailable_until_it_is_back(tmp_path: Path, ending: signal.Signals) -> None:
    process, ports = start_clickhouse(tmp_path)
    with stopped(process):
        address = ClickHouseAddress(port=ports.native)
        migrate(address)
        writer = Writer(address)
        writer.insert(touchpoint_block([event("t", "1")], token_prefix="t"))
        os.kill(process.pid, ending)
        process.wait(20)
        block = touchpoint_block([event("t", "2")], token_prefix="t")
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match=r"^writing touchpoints to 127\.0\.0\.1"):
                writer.insert(block)
    process, _ = start_clickhouse(tmp_path, "--native-port", str(ports.native))
    with stopped(process):
        writer.insert(block)
        client = connect(address)
        assert counted(client, "v_touchpoints", "t") == 2
        client.disconnect()
        writer.close()
