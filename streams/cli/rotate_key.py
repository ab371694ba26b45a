"""`journeys rotate-key`: a new key for the identity hashes."""

from typing import Annotated

import typer

from streams.cli.addressing import DataDir

HELP = """Add a new key to the secret file of the identity hashes, to hold from a moment on.

Workers read the file when they start: choose a moment by which all of them have been started again. Keep the old keys
as long as the log keeps records of their time.
"""


def command(
    at: Annotated[
        str, typer.Option("--at", metavar="T", help="The moment, ISO 8601 with a zone; it has to be in the future.")
    ],
    data_dir: DataDir = None,
) -> None:
    """Add a key."""
    import time

    from schemas.json_form import iso_time, milliseconds
    from streams.cli.output import friendly_errors
    from streams.pepper_file import PepperError, add_key
    from streams.settings import SettingsError, load_settings

    try:
        since = milliseconds(at)
    except ValueError as error:
        raise typer.BadParameter(
            f"expected a time such as 2026-12-01T00:00:00Z, got {at!r} ({error})", param_hint="--at"
        ) from None
    with friendly_errors(SettingsError, PepperError, OSError):
        path = load_settings(data_dir).pepper_path
        add_key(path, since, now_ms=time.time_ns() // 1_000_000)
    typer.echo(f"{path} has a key that holds from {iso_time(since)} on; start all workers again before then")
