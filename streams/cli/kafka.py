"""`journeys kafka`: Apache Kafka as the broker of the local stack."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from streams.cli.addressing import AsJson

app = typer.Typer(help="Apache Kafka as the broker of the local stack, without Docker.", no_args_is_help=True)

_INSTALL_HELP = """Fetch Apache Kafka, once, so that `journeys up` runs it.

Needs Java 17 or newer, and Maven, which fetches 44 MB from Maven Central into the user's cache folder: XDG_CACHE_HOME,
or ~/.cache. To remove it, remove the folder customer-journeys there. A version of the application that comes with
another Kafka fetches it into a folder of its own.
"""
_STATUS_HELP = "Say whether Apache Kafka can run here. Exit code 0: it can; 1: it cannot, and why."


@app.command("install", help=_INSTALL_HELP)
def install() -> None:
    """Fetch Apache Kafka."""
    from streams.cli.output import friendly_errors
    from streams.stack.apache_kafka import KafkaUnavailable, install_kafka
    from streams.stack.local_files import LocalFilesMissing

    with friendly_errors(KafkaUnavailable, LocalFilesMissing), _progress() as on_file:
        kafka, is_new = install_kafka(on_file)
    if not is_new:
        typer.echo(f"Apache Kafka {kafka.version} is already in {kafka.jars}")
        return
    sizes = [jar.stat().st_size for jar in kafka.jars.glob("*.jar")]
    typer.echo(f"Apache Kafka {kafka.version} is in {kafka.jars}: {len(sizes)} jars, {sum(sizes) / 1e6:.0f} MB")
    typer.echo("`journeys up` runs it from now on; --broker embedded does without it")


@app.command("status", help=_STATUS_HELP)
def status(as_json: AsJson = False) -> None:
    """Say whether Apache Kafka can run here."""
    from streams.cli.output import friendly_errors, print_json
    from streams.stack.apache_kafka import KafkaUnavailable, find_kafka
    from streams.stack.local_files import LocalFilesMissing

    problem = None
    with friendly_errors(LocalFilesMissing):
        try:
            kafka = find_kafka()
        except KafkaUnavailable as error:
            problem = str(error)
    if as_json:
        ready = {"jars": kafka.jars, "java": kafka.java, "version": kafka.version} if problem is None else {}
        print_json({"is_ready": problem is None, "problem": problem, **ready})
    else:
        typer.echo(problem or f"Apache Kafka {kafka.version} is ready: {kafka.jars}, run by {kafka.java}")
    if problem is not None:
        raise typer.Exit(1)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """What is fetched, on standard error: as it changes on a terminal, every now and then elsewhere."""
    from rich.console import Console

    console = Console(stderr=True)
    count = 0
    with console.status("looking for Apache Kafka") as line:

        def on_file(name: str) -> None:
            nonlocal count
            count += 1
            line.update(f"fetching Apache Kafka with Maven: {count} files, last {name}")
            if not console.is_terminal and count % 100 == 1:
                console.print(f"fetching Apache Kafka with Maven: {count} files", highlight=False)

        yield on_file
