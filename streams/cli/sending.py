"""What the commands that send files share: the progress bar, how a refusal is told, and what the exit code says."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from streams.producing.producer import BrokerUnavailable, DeliveryFailed, TouchpointProducer
from streams.producing.transfer import Parsed, Refusal, TransferSummary, transfer
from streams.settings import SettingsError, load_settings

#: Some lines or rows were refused; everything else went through.
EXIT_REFUSED = 3


@contextmanager
def byte_progress(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Progress bar over the bytes of a file, on standard error and only on a terminal; yields what to report to."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _position: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda position: progress.update(task, completed=position)


def send_parsed(
    parsed: Iterator[Parsed], *, unit: str, name: str, data_dir: Path | None, kafka: str | None, as_json: bool
) -> None:
    """Send what was parsed, tell refusals on standard error and the summary on standard output.

    Raises:
        typer.Exit: code 1 when the broker cannot be reached or fails, `EXIT_REFUSED` when some were refused.

    """

    def tell(refusal: Refusal) -> None:
        typer.echo(f"{name}: {unit} {refusal.number}: {refusal}", err=True)

    try:
        settings = load_settings(data_dir, kafka=kafka)
        with TouchpointProducer(settings.kafka) as producer:
            summary = transfer(parsed, producer, tell)
    except (SettingsError, BrokerUnavailable, DeliveryFailed) as error:
        fail(str(error))
    _print_summary(summary, unit, as_json=as_json)
    if summary.refused:
        raise typer.Exit(EXIT_REFUSED)


def fail(message: str) -> NoReturn:
    """End the command with code 1 and a message on standard error."""
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(1)


def _print_summary(summary: TransferSummary, unit: str, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(summary).decode() + "\n")
        return
    refused = f", {summary.refused:,} refused" if summary.refused else ""
    typer.echo(f"{summary.produced:,} touchpoints produced from {summary.read:,} {unit}s{refused}")
