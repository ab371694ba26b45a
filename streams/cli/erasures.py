"""`journeys erasures`: receipts."""

from typing import Annotated

import typer

from streams.cli.addressing import AsJson, ClickHouse, DataDir

HELP = "List requests to be forgotten, the latest first, with the rows that were taken out of each table."

_SQL = """
SELECT requested_at, tenant, source, id, identifiers, rows_before, rows_after, is_done, recorded_at FROM v_erasures
ORDER BY requested_at DESC, tenant, source, id LIMIT %(limit)s
"""


def command(
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1)] = 100,
    data_dir: DataDir = None,
    clickhouse: ClickHouse = None,
    as_json: AsJson = False,
) -> None:
    """List receipts."""
    from sinks.clickhouse.errors import SchemaMismatch, StoreUnavailable
    from sinks.clickhouse.questions import QuestionRefused, ask
    from streams.cli.output import friendly_errors, print_json, print_table
    from streams.settings import SettingsError, load_settings
    from streams.store import reading_address

    with friendly_errors(SettingsError, QuestionRefused, StoreUnavailable, SchemaMismatch):
        address = reading_address(load_settings(data_dir, clickhouse=clickhouse))
        found = ask(address, _SQL, {"limit": limit}).records()
    if as_json:
        print_json(found)
    elif found:
        rows = [
            [
                one["requested_at"],
                f"{one['source']}/{one['id']}",
                len(one["identifiers"]),
                ", ".join(f"{table} {number}" for table, number in sorted(one["rows_before"].items())),
                one["rows_after"],
                "done" if one["is_done"] else "under way",
            ]
            for one in found
        ]
        print_table(["requested", "request", "identities", "rows taken out", "rows left", "state"], rows)
    else:
        typer.echo("nobody asked to be forgotten")
