"""`journeys migrate`: the ClickHouse schema."""

import typer

from streams.cli.addressing import ClickHouse, DataDir

HELP = "Bring the ClickHouse schema to the version of this code: create the database, tables and views."


def command(data_dir: DataDir = None, clickhouse: ClickHouse = None) -> None:
    """Apply the migrations that are missing."""
    from sinks.clickhouse.errors import SchemaMismatch, StoreUnavailable
    from sinks.clickhouse.migrator import MigrationError, migrate
    from streams.cli.output import friendly_errors
    from streams.settings import SettingsError, load_settings
    from streams.store import clickhouse_address

    with friendly_errors(SettingsError, MigrationError, StoreUnavailable, SchemaMismatch):
        settings = load_settings(data_dir, clickhouse=clickhouse)
        applied = migrate(clickhouse_address(settings.clickhouse))
    for name in applied:
        typer.echo(f"applied {name}")
    if not applied:
        typer.echo("the schema is up to date")
