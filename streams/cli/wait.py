"""`journeys wait`: until what was produced can be queried."""

from typing import Annotated

import typer

from streams.cli.addressing import DataDir, Kafka

HELP = """Return when everything produced so far is queryable in ClickHouse, or is a dead letter.

Exit code 0: it is; 2: not within the time.
"""
_TOO_LATE = 2


def command(
    timeout: Annotated[float, typer.Option("--timeout", metavar="S", help="Seconds to wait at most.", min=0)] = 120.0,
    data_dir: DataDir = None,
    kafka: Kafka = None,
) -> None:
    """Wait until everything produced so far is queryable."""
    from kafka.errors import KafkaError

    from streams.cli.output import friendly_errors
    from streams.lag import LagUnknown, wait_until_done
    from streams.settings import SettingsError, load_settings

    with friendly_errors(SettingsError, LagUnknown, KafkaError):
        is_done = wait_until_done(load_settings(data_dir, kafka=kafka), timeout)
    if not is_done:
        typer.echo(
            f"not everything is queryable after {timeout:g} s; is a worker running? see: journeys status", err=True
        )
        raise typer.Exit(_TOO_LATE)
