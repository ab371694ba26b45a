"""`journeys frictions`: what was found."""

from typing import Annotated

import typer

from streams.cli.addressing import AsJson, ClickHouse, DataDir

HELP = "List the frictions found, the latest first, each with a sentence that says what happened."

_SQL = """
SELECT {columns} FROM v_frictions
WHERE (%(rule)s = '' OR rule_id = %(rule)s) AND anchor_at >= fromUnixTimestamp64Milli(%(since)s)
ORDER BY anchor_at DESC, friction_id LIMIT %(limit)s
"""
_EARLIEST_MS = 0


def command(
    rule: Annotated[str | None, typer.Option("--rule", metavar="R", help="Only of this rule.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="T", help="Only from this event time on, ISO 8601 with a zone.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", help="At most so many.", min=1)] = 1000,
    data_dir: DataDir = None,
    clickhouse: ClickHouse = None,
    as_json: AsJson = False,
) -> None:
    """List frictions."""
    from processors.friction.catalogue import rule_ids
    from schemas.json_form import milliseconds
    from sinks.clickhouse.errors import SchemaMismatch, StoreUnavailable
    from sinks.clickhouse.questions import QuestionRefused, ask
    from streams.cli.output import friendly_errors, print_json, print_table
    from streams.settings import SettingsError, load_settings
    from streams.store import reading_address

    known = rule_ids()
    if rule is not None and rule not in known:
        raise typer.BadParameter(f"there is no rule {rule}; there are: {', '.join(known)}", param_hint="--rule")
    try:
        since_ms = milliseconds(since) if since else _EARLIEST_MS
    except ValueError as error:
        raise typer.BadParameter(
            f"expected a time such as 2026-03-02T09:20:00Z, got {since!r} ({error})", param_hint="--since"
        ) from None
    columns = "*" if as_json else "anchor_at, severity, rule_id, variant, minutes, team, sentence_en, friction_id"
    with friendly_errors(SettingsError, QuestionRefused, StoreUnavailable, SchemaMismatch):
        settings = load_settings(data_dir, clickhouse=clickhouse)
        parameters = {"rule": rule or "", "since": since_ms, "limit": limit}
        answer = ask(reading_address(settings), _SQL.format(columns=columns), parameters)
    if as_json:
        print_json(answer.records())
    elif answer.rows:
        print_table(["when", "sev", "rule", "variant", "min", "team", "what happened", "id"], answer.rows)
    else:
        typer.echo("no frictions found")
