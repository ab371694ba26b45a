"""`journeys check-config`: the effective settings."""

from typing import Any

import typer

from streams.cli.addressing import AsJson, ClickHouse, DataDir, Kafka

HELP = """Print the effective settings, secrets masked, and check what they point to.

Settings come from options, then environment variables (JOURNEYS_KAFKA__BOOTSTRAP sets kafka.bootstrap), then the
local stack, then defaults. Exit code 1: something is wrong; every problem is named.
"""


def command(
    data_dir: DataDir = None, kafka: Kafka = None, clickhouse: ClickHouse = None, as_json: AsJson = False
) -> None:
    """Print and check the effective settings."""
    from processors.friction.catalogue import rule_ids
    from sinks.alerts.routing import RoutingError, default_routing, load_routing, open_answering, open_channels
    from streams.cli.output import friendly_errors, print_json, print_table
    from streams.settings import SettingsError, load_settings, unknown_variables

    with friendly_errors(SettingsError):
        settings = load_settings(data_dir, kafka=kafka, clickhouse=clickhouse)
    # No problem: secrets of alert channels may have such names.
    notes = [f"{name} is no setting; between levels stand two underscores" for name in unknown_variables()]
    problems = []
    began: list[str] = []
    try:
        began = [_moment(key.since) for key in settings.keyring().keys]
    except SettingsError as error:
        problems.append(str(error))
    try:
        path = settings.alert_routing
        routing = load_routing(path, rule_ids()) if path else default_routing()
        open_channels(routing, source=path)
        open_answering(routing, source=path)
    except RoutingError as error:
        problems.append(str(error))
    values = dict(_flat(settings.model_dump(mode="json")))
    if as_json:
        print_json({"settings": values, "keys": began, "problems": problems, "notes": notes})
    else:
        print_table(["setting", "value"], list(values.items()))
        if began:
            typer.echo(f"{len(began)} key{'s' * (len(began) > 1)} of the identity hashes, from: {', '.join(began)}")
        for note in notes:
            typer.echo(f"note: {note}", err=True)
        for problem in problems:
            typer.echo(f"problem: {problem}", err=True)
    if problems:
        raise typer.Exit(1)


def _moment(since: int) -> str:
    from processors.keyring import BEGINNING
    from schemas.json_form import iso_time

    return "the beginning" if since == BEGINNING else iso_time(since)


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", value))
    return found
