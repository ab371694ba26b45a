"""`journeys check-aggregates` and `journeys refresh-aggregates`: whether rollups say what their base tables say."""

from typing import TYPE_CHECKING, Final

import typer

from streams.cli.addressing import AsJson, ClickHouse, DataDir

if TYPE_CHECKING:
    from collections.abc import Callable

    from sinks.clickhouse.address import ClickHouseAddress
    from sinks.clickhouse.rollups.upkeep import Differing, Rollup

CHECK_HELP = """Hold every rollup against its base tables, day by day, and say where it differs.

Workers rebuild what differs every minute (JOURNEYS_ROLLUPS_EVERY_S), so what was written within the last minute may
differ. Exit code 0: all are right; 1: some day differs.
"""
REFRESH_HELP = "Rebuild rollups now where they differ from their base tables, and say which days those were."
_COLUMNS: Final = ("rollup", "tenant", "day", "missing", "other", "too_many")


def check(data_dir: DataDir = None, clickhouse: ClickHouse = None, as_json: AsJson = False) -> None:
    """Compare rollups with their bases."""
    from sinks.clickhouse.rollups.upkeep import ROLLUPS, differing_days

    found = _each(differing_days, data_dir, clickhouse)
    _tell(found, as_json=as_json)
    if not as_json:
        *names, last = (rollup.name for rollup in ROLLUPS)
        typer.echo(
            "cells that are not what the base says; they are rebuilt within a minute, or by journeys refresh-aggregates"
            if found
            else f"{', '.join(names)} and {last} say what their base tables say"
        )
    if found:
        raise typer.Exit(1)


def refresh(data_dir: DataDir = None, clickhouse: ClickHouse = None, as_json: AsJson = False) -> None:
    """Rebuild what differs."""
    from sinks.clickhouse.rollups.upkeep import rebuild

    found = _each(rebuild, data_dir, clickhouse)
    _tell(found, as_json=as_json)
    if not as_json:
        typer.echo(f"rebuilt {len(found)} day{'s' * (len(found) != 1)}" if found else "nothing differed")


def _each(
    work: "Callable[[ClickHouseAddress, Rollup], list[Differing]]", data_dir: DataDir, clickhouse: ClickHouse
) -> "list[Differing]":
    from sinks.clickhouse.errors import SchemaMismatch, StoreUnavailable
    from sinks.clickhouse.rollups.upkeep import ROLLUPS
    from streams.cli.output import friendly_errors
    from streams.settings import SettingsError, load_settings
    from streams.store import clickhouse_address

    with friendly_errors(SettingsError, StoreUnavailable, SchemaMismatch):
        address = clickhouse_address(load_settings(data_dir, clickhouse=clickhouse).clickhouse)
        return [day for rollup in ROLLUPS for day in work(address, rollup)]


def _tell(found: "list[Differing]", *, as_json: bool) -> None:
    from streams.cli.output import print_json, print_table

    if as_json:
        for day in found:
            print_json(day)
    elif found:
        print_table(_COLUMNS, [tuple(getattr(day, name) for name in _COLUMNS) for day in found])
