import pytest
from clickhouse_driver import Client

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.schema_check import schema_differences
from sinks.clickhouse.tables import PARAMETERISED_VIEWS, TABLES, VIEWS

pytestmark = pytest.mark.stack


@pytest.fixture
def client(address: ClickHouseAddress) -> Client:
    return connect(address)


def test_the_live_schema_is_the_declared_one(client: Client) -> None:
    live: dict[str, list[tuple[str, str]]] = {}
    for table, column, type_ in client.execute(
        "SELECT table, name, type FROM system.columns WHERE database = 'journeys' ORDER BY table, position"
    ):
        live.setdefault(table, []).append((column, type_))
    declared = {table.name: [(column.name, column.type) for column in table.columns] for table in TABLES}
    views = {
        name
        for (name,) in client.execute("SELECT name FROM system.tables WHERE database = 'journeys' AND engine = 'View'")
    }
    assert {name: columns for name, columns in live.items() if name not in views} == declared
    assert sorted(name for name in live if name in views) == sorted(VIEWS)
    assert sorted(views.difference(live)) == sorted(PARAMETERISED_VIEWS)


def test_the_schema_check_finds_nothing_in_a_fresh_schema(address: ClickHouseAddress) -> None:
    assert schema_differences(address) == []


def test_every_table_view_and_column_says_what_it_is(client: Client) -> None:
    assert client.execute("SELECT name FROM system.tables WHERE database = 'journeys' AND comment = ''") == []
    assert client.execute("SELECT table, name FROM system.columns WHERE database = 'journeys' AND comment = ''") == []


def test_a_view_says_the_same_of_a_column_as_its_table(client: Client) -> None:
    differing = client.execute(
        "SELECT v.table, v.name, v.type, t.type FROM system.columns v JOIN system.columns t"
        " ON v.database = t.database AND v.table = concat('v_', t.table) AND v.name = t.name"
        " WHERE v.database = 'journeys' AND (v.comment != t.comment OR v.type != t.type)"
    )
    assert differing == []


def test_every_table_absorbs_an_immediate_repetition_on_a_single_node(client: Client) -> None:
    engines = dict(
        client.execute("SELECT name, engine_full FROM system.tables WHERE database = 'journeys' AND engine != 'View'")
    )
    assert sorted(engines) == sorted(table.name for table in TABLES)
    assert [name for name, text in engines.items() if "non_replicated_deduplication_window = 1000" not in text] == []


def test_months_of_touchpoints_that_rest_become_one_part_which_needs_no_look_for_repeated_rows(client: Client) -> None:
    ((engine,),) = client.execute(
        "SELECT engine_full FROM system.tables WHERE database = 'journeys' AND name = 'touchpoints'"
    )
    assert "min_age_to_force_merge_seconds = 21600" in engine
    assert "min_age_to_force_merge_on_partition_only = 1" in engine


def test_sorting_keys_hold_only_what_never_changes_in_a_row(client: Client) -> None:
    keys = dict(client.execute("SELECT name, sorting_key FROM system.tables WHERE database = 'journeys'"))
    assert keys["touchpoints"] == "tenant, identity_hash, event_time, source, id"
    assert keys["journeys"] == "tenant, journey_id"
    assert keys["frictions"] == "tenant, friction_id"
    assert keys["identity_links"] == "tenant, identifier, other_identifier, source, id"
    assert keys["person_identifiers"] == "tenant, identifier"
    assert keys["dead_letters"] == "topic, topic_incarnation, partition, offset"


def test_views_read_with_the_rights_of_whoever_made_them(client: Client) -> None:
    # So analysts need no right on the tables, in which repeated and withdrawn rows are visible.
    for (create,) in client.execute(
        "SELECT create_table_query FROM system.tables WHERE database = 'journeys' AND engine = 'View'"
    ):
        assert "SQL SECURITY DEFINER" in create
