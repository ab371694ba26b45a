import pytest
from clickhouse_driver import Client

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.dictionary import dictionary
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


def test_the_dictionary_says_what_the_live_schema_says(client: Client) -> None:
    told = dictionary()
    tables = dict(client.execute("SELECT name, comment FROM system.tables WHERE database = 'journeys'"))
    assert {name: entry.comment for name, entry in told.items()} == tables
    live: dict[str, list[tuple[str, str, str]]] = {}
    for table, *column in client.execute(
        "SELECT table, name, type, comment FROM system.columns WHERE database = 'journeys' ORDER BY table, position"
    ):
        live.setdefault(table, []).append(tuple(column))
    asked_without = {name: entry for name, entry in told.items() if name not in PARAMETERISED_VIEWS}
    assert {
        name: [(column.name, column.type, column.comment) for column in entry.columns]
        for name, entry in asked_without.items()
    } == live


def test_every_column_of_a_view_with_parameters_says_what_it_is(client: Client) -> None:
    told = dictionary()
    assert {name for name, entry in told.items() if entry.parameters} == set(PARAMETERISED_VIEWS)
    values = {"String": "''", "UInt32": "1", "Array(String)": "['a']"}
    for name in PARAMETERISED_VIEWS:
        entry = told[name]
        asked = ", ".join(f"{parameter} = {values[type_]}" for parameter, type_ in entry.parameters)
        described = client.execute(f"DESCRIBE TABLE (SELECT * FROM {name}({asked}))")
        assert [(column.name, column.type) for column in entry.columns] == [tuple(row[:2]) for row in described]
        assert [column for column in entry.columns if not column.comment] == []


def test_what_is_in_two_views_under_one_name_is_one_thing() -> None:
    """A column that is named alike has one type everywhere, so that answers can be joined."""
    types: dict[str, set[str]] = {}
    for entry in dictionary().values():
        for column in entry.columns:
            types.setdefault(column.name, set()).add(column.type.removeprefix("LowCardinality(").removesuffix(")"))
    assert {len(types[name]) for name in ("tenant", "person_key", "journey_id", "friction_id", "contact_id")} == {1}
