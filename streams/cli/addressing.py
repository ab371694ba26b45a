"""Options with which a command finds the stack it talks to."""

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder of the local stack, where addresses are found (default .journeys)."),
]
Kafka = Annotated[
    str | None, typer.Option("--kafka", metavar="HOST:PORT", help="Kafka to talk to instead of the local stack's.")
]
ClickHouse = Annotated[
    str | None,
    typer.Option(
        "--clickhouse", metavar="HOST[:PORT]", help="ClickHouse (native protocol) instead of the local stack's."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
