"""Holds the schema of a running ClickHouse against the one that the code expects."""

from clickhouse_driver import Client

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.errors import ANSWER_ERRORS, SchemaMismatch, understood
from sinks.clickhouse.tables import PARAMETERISED_VIEWS, TABLES, VIEWS


def require_tables(client: Client, address: ClickHouseAddress) -> None:
    """Stop unless every table has the columns of `tables.py`, with their types; a worker needs no views.

    Raises:
        StoreUnavailable: ClickHouse cannot answer now.
        SchemaMismatch: something is missing, is of another type, or is not shown to this user.

    """
    views = {*VIEWS, *PARAMETERISED_VIEWS}
    differences = [text for text in _differences(client, address) if text.partition(":")[0] not in views]
    if differences:
        raise SchemaMismatch(
            f"the tables at {address} are not those of this version: {'; '.join(differences)}. Apply the migrations"
            " (journeys migrate), undo what was changed by hand, and see that the user may read and write every table"
        )


def schema_differences(address: ClickHouseAddress) -> list[str]:
    """What differs between the live schema and `tables.py`, as `table: what` lines; empty when nothing does.

    Tables and columns that the code does not know are no difference: a newer version may have added them.

    Raises:
        StoreUnavailable: ClickHouse cannot answer now.
        SchemaMismatch: the user may not look, or the database is missing.

    """
    client = connect(address)
    try:
        return _differences(client, address)
    finally:
        client.disconnect()


def _differences(client: Client, address: ClickHouseAddress) -> list[str]:
    try:
        found = client.execute(
            "SELECT table, name, type FROM system.columns WHERE database = %(database)s ORDER BY table, position",
            {"database": address.database},
        )
        names = client.execute(
            "SELECT name FROM system.tables WHERE database = %(database)s", {"database": address.database}
        )
    except ANSWER_ERRORS as error:
        client.disconnect()
        raise understood(error, f"reading the schema of {address}") from error
    live: dict[str, dict[str, str]] = {}
    for table, column, type_ in found:
        live.setdefault(table, {})[column] = type_
    present = {name for (name,) in names}
    differences = [f"{view}: the view is missing" for view in (*VIEWS, *PARAMETERISED_VIEWS) if view not in present]
    for table in TABLES:
        columns = live.get(table.name)
        if columns is None:
            differences.append(f"{table.name}: the table is missing")
            continue
        for column in table.columns:
            if column.name not in columns:
                differences.append(f"{table.name}: column {column.name} is missing")
            elif columns[column.name] != column.type:
                differences.append(
                    f"{table.name}: column {column.name} is {columns[column.name]}, expected {column.type}"
                )
    return differences
