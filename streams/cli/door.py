"""`journeys door`: the HTTP door."""

import errno
from typing import Annotated

import typer

from streams.cli.addressing import DataDir, Kafka

HELP = """Run the HTTP door: POST /v1/events takes touchpoints as JSON and answers when Kafka has them.

Its OpenAPI document is at /openapi.json, its health at /healthz. It has no authentication: it listens on loopback \
unless told otherwise, and then belongs behind a proxy that asks who is there. SIGTERM ends it after open requests are \
answered. Exit code 4: the port is taken."""
DEFAULT_PORT = 8080
EXIT_PORT_TAKEN = 4


def command(
    *,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = DEFAULT_PORT,
    data_dir: DataDir = None,
    kafka: Kafka = None,
) -> None:
    """Run the HTTP door."""
    import asyncio

    from streams.cli.output import friendly_errors
    from streams.producing.door import serve
    from streams.settings import SettingsError, is_loopback, load_settings

    with friendly_errors(SettingsError):
        settings = load_settings(data_dir, kafka=kafka)
    if not is_loopback(host):
        typer.echo(f"note: the door listens on {host} and asks nobody who they are; put a proxy before it", err=True)

    def tell(address: str) -> None:
        typer.echo(f"door ready {address}")

    try:
        asyncio.run(serve(settings.kafka, host=host, port=port, on_ready=tell))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            typer.echo(f"error: cannot listen on {host}:{port}: {error.strerror}", err=True)
            raise typer.Exit(1) from None
        typer.echo(f"error: port {port} on {host} is taken; choose another with --port", err=True)
        raise typer.Exit(EXIT_PORT_TAKEN) from None
