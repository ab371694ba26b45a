"""What commands print: tables for people, JSON for machines, and errors that say what to do."""

import csv
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import msgspec
import typer

from sinks.csv_cells import defused


def print_json(value: object) -> None:
    """One JSON document on a line of its own."""
    sys.stdout.write(msgspec.json.encode(value, enc_hook=str).decode() + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table for people, as wide as it needs to be when it is not a terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(soft_wrap=not sys.stdout.isatty())
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold", no_wrap=not console.is_terminal)
    for row in rows:
        table.add_row(*(escape(cell_text(cell)) for cell in row))
    if console.is_terminal:
        console.print(table)
        return
    console.width = 10_000
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        sys.stdout.write(line.rstrip() + "\n")


def print_csv(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """CSV with a header; texts that a spreadsheet would run as a formula are defused with a quote."""
    line = io.StringIO()
    # The writer quotes what its own line end holds; a carriage return left bare would begin a row of its own.
    writer = csv.writer(line, lineterminator="\r\n")
    for row in (columns, *rows):
        writer.writerow([_defused(cell) for cell in row])
        sys.stdout.write(line.getvalue().removesuffix("\r\n") + "\n")
        line.seek(0)
        line.truncate()


def cell_text(cell: object) -> str:
    """A value as people read it."""
    match cell:
        case None:
            return ""
        case datetime():
            return f"{cell:%Y-%m-%d %H:%M:%S}"
        case float():
            return f"{cell:.6g}"
        case list() | tuple():
            return ", ".join(cell_text(item) for item in cell)
        case _:
            return str(cell)


def _defused(cell: object) -> object:
    """A cell as CSV shows it."""
    if isinstance(cell, list | tuple):
        cell = cell_text(cell)
    if isinstance(cell, str):
        return defused(cell)
    return "" if cell is None else cell


@contextmanager
def friendly_errors(*kinds: type[Exception], code: int = 1) -> Iterator[None]:
    """End the command with a message instead of a stack trace for errors that a person can mend."""
    try:
        yield
    except kinds as error:
        typer.echo(f"error: {error}{_advice(error)}", err=True)
        raise typer.Exit(code) from None


def _advice(error: Exception) -> str:
    """What to do about a server that does not answer."""
    from kafka.errors import KafkaConnectionError, KafkaTimeoutError

    from sinks.clickhouse.errors import AnswerUnknown, StoreUnavailable

    if isinstance(error, StoreUnavailable) and not isinstance(error, AnswerUnknown):
        return "; is the stack up (journeys up), or is another address meant (--clickhouse)?"
    if isinstance(error, KafkaConnectionError | KafkaTimeoutError):
        return "; is the stack up (journeys up), or is another address meant (--kafka)?"
    return ""


@contextmanager
def part_progress(title: str) -> Iterator[Callable[[int], None]]:
    """Progress bar over parts of some work, on standard error and only on a terminal.

    Yields what to call after each part, with the number of all.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda total: progress.update(task, advance=1, total=total)
