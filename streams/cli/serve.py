"""`journeys serve`: the page."""

import errno
from typing import Annotated

import typer

from streams.cli.addressing import ClickHouse, DataDir

HELP = """Show what was found on a page in the browser: minutes lost, frictions, timelines, the pipeline.

It only reads, asks ClickHouse and nobody else, and loads nothing from the network. It has no authentication: it \
listens on loopback unless told otherwise, answers only to loopback names and to those of --name, and belongs behind a \
proxy that asks who is there when others shall see it. SIGTERM or Ctrl-C ends it. Exit code 4: the port is taken."""
DEFAULT_PORT = 8088
EXIT_PORT_TAKEN = 4


def command(
    *,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = DEFAULT_PORT,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="HOST", help="Further name under which browsers reach it; repeatable."),
    ] = None,
    data_dir: DataDir = None,
    clickhouse: ClickHouse = None,
    clickhouse_http: Annotated[
        str | None,
        typer.Option(
            "--clickhouse-http",
            metavar="URL",
            help="ClickHouse's HTTP address as browsers reach it, for links that open a query there; default: the"
            " local stack's.",
        ),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Serve the page."""
    import asyncio
    import signal
    import webbrowser

    from streams.cli.output import friendly_errors
    from streams.serving.page import Place, make_app, serve
    from streams.settings import SettingsError, is_loopback, load_settings, read_stack
    from streams.store import reading_address
    from streams.version import CODE_VERSION

    with friendly_errors(SettingsError):
        settings = load_settings(data_dir, clickhouse=clickhouse)
        address = reading_address(settings)
    if clickhouse_http is None:
        stack = read_stack(settings.data_dir) or {}
        is_local = stack.get("clickhouse") == f"{address.host}:{address.port}"
        clickhouse_http = stack.get("clickhouse_http") if is_local else None
    elif not clickhouse_http.startswith(("http://", "https://")):
        raise typer.BadParameter(
            f"expected an address such as http://127.0.0.1:8123, got {clickhouse_http!r}",
            param_hint="--clickhouse-http",
        )
    if not is_loopback(host):
        typer.echo(f"note: the page listens on {host} and asks nobody who they are; put a proxy before it", err=True)

    def tell(page: str) -> None:
        typer.echo(f"page ready {page}")
        if open_:
            webbrowser.open(page)

    place = Place(version=CODE_VERSION, database=address.database, clickhouse_http=clickhouse_http)
    app = make_app(address, place, frozenset(each.lower() for each in name or ()))

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(app, host=host, port=port, on_ready=tell, stop=stop)

    try:
        asyncio.run(run())
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            typer.echo(f"error: cannot listen on {host}:{port}: {error.strerror}", err=True)
            raise typer.Exit(1) from None
        typer.echo(f"error: port {port} on {host} is taken; choose another with --port", err=True)
        raise typer.Exit(EXIT_PORT_TAKEN) from None
