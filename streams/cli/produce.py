"""`journeys produce`: send a file of touchpoints, one JSON object a line."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.addressing import DataDir, Kafka

HELP = """Send touchpoints from a file of JSON lines.

One touchpoint a line; keys are the contract's field names, times are milliseconds or ISO 8601 with a zone. A line \
that is no touchpoint is reported with its number and reason, the others go through. Exit code 0: all were \
acknowledged; 1: the broker could not be reached or failed; 3: some lines were refused. Sending a file twice is safe."""


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File of JSON lines; - reads standard input.")],
    data_dir: DataDir = None,
    kafka: Kafka = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Send touchpoints from a file of JSON lines."""
    from streams.cli.sending import byte_progress, fail, send_parsed
    from streams.producing.jsonl import read_touchpoints

    with ExitStack() as stack:
        if str(file) == "-":
            stream, size, name = sys.stdin.buffer, None, "standard input"
        else:
            try:
                stream, size, name = stack.enter_context(file.open("rb")), file.stat().st_size, str(file)
            except OSError as error:
                fail(f"cannot read {file}: {error.strerror}")
        on_bytes = stack.enter_context(byte_progress(f"Sending {name}", size))
        lines = read_touchpoints(stream, on_bytes)
        send_parsed(lines, unit="line", name=name, data_dir=data_dir, kafka=kafka, as_json=as_json)
