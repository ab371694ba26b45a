"""`journeys import`: send a table of events, after a mapping."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from streams.cli.addressing import DataDir, Kafka

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.producing.transfer import Parsed

HELP = """Import a log: CSV (any separator, also gzip), JSON lines or Parquet.

The mapping says which columns become which fields of the contract: a YAML file, or the name of one that comes with \
the product (callcenter, web-sessions, complaints). The id of a touchpoint is the hash of its row, so exact duplicates \
count once and importing a file twice is safe. A row that does not fit is reported with its number and reason, the \
others go through. Exit code 0: all were acknowledged; 1: the file, the mapping or the broker failed; 3: some rows \
were refused."""
_DRY_RUN_TOUCHPOINTS = 5


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, JSON lines or Parquet; text also gzipped.")],
    mapping: Annotated[
        str, typer.Option("--mapping", metavar="MAP.yaml|NAME", help="Mapping file, or name of a shipped mapping.")
    ],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the first touchpoints as JSON lines and send nothing.")
    ] = False,
    data_dir: DataDir = None,
    kafka: Kafka = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Import a log after a mapping."""
    from streams.cli.sending import byte_progress, fail, send_parsed
    from streams.producing.importing import import_rows
    from streams.producing.mapping_files import MappingError, load_mapping
    from streams.producing.table_rows import Table, TableError

    try:
        rules = load_mapping(mapping)
        for note in rules.notes():
            typer.echo(f"note: {mapping}: {note}", err=True)
        size = file.stat().st_size if file.exists() else None
        with byte_progress(f"Importing {file.name}", size) as on_bytes:
            table = Table(file, rules.format, rules.csv, on_bytes)
            table.require(rules.used_columns())
            parsed = import_rows(table, rules)
            if dry_run:
                _print_first(parsed)
            else:
                send_parsed(parsed, unit="row", name=str(file), data_dir=data_dir, kafka=kafka, as_json=as_json)
    except (MappingError, TableError) as error:
        fail(str(error))


def _print_first(parsed: "Iterator[Parsed]") -> None:
    from schemas.json_form import touchpoint_to_json
    from streams.cli.sending import EXIT_REFUSED
    from streams.producing.transfer import Refusal

    printed = 0
    is_refused = False
    for item in parsed:
        if isinstance(item, Refusal):
            is_refused = True
            typer.echo(f"row {item.number}: {item}", err=True)
            continue
        for touchpoint in item:
            sys.stdout.write(msgspec.json.encode(touchpoint_to_json(touchpoint)).decode() + "\n")
            printed += 1
        if printed >= _DRY_RUN_TOUCHPOINTS:
            break
    if is_refused:
        raise typer.Exit(EXIT_REFUSED)
