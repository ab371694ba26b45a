"""`journeys generate`: data of a believable company, with frictions planted in it of which the truth is known."""

import os
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
import typer

HELP = """Generate touchpoints of a believable company, as JSON lines.

Persons visit, order, call and write; in some of their stories a friction is planted, and others come close to one and \
must stay silent. Which is which stands in truth.json, written next to the output file: every planted friction must be \
found, and of these patterns nothing else. With --catalogue every pattern is planted (docs/friction.md tells how to \
hold what was found against it). Data depend on the numbers, the seed and the start alone. Pipe it:

journeys generate | journeys produce -"""
_TRUTH_FILE = "truth.json"
_DEFAULT_AGE_DAYS = 30
_DAY_MS = 86_400_000


def command(
    *,
    persons: Annotated[int, typer.Option("--persons", min=1, help="Number of persons.")] = 500,
    events: Annotated[int, typer.Option("--events", min=1, help="Number of distinct touchpoints.")] = 20_000,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same data.")] = 1,
    start: Annotated[
        datetime | None,
        typer.Option(
            "--start",
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
            help="When it all begins, UTC (default: midnight 30 days ago).",
        ),
    ] = None,
    identities: Annotated[
        bool,
        typer.Option(
            "--identities",
            help="Add people beyond --persons who are known by several identities, or share them with others.",
        ),
    ] = False,
    catalogue: Annotated[
        bool,
        typer.Option(
            "--catalogue",
            help="Let some of the persons live through the examples of all rule files. From 410 persons and 2,000"
            " events on every variant and every guard is there, from 1,200 and 5,000 every example that fits into"
            " --days.",
        ),
    ] = False,
    days: Annotated[int, typer.Option("--days", help="Days in which everything happens, at least 24.")] = 28,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.jsonl", help="File to write (default: standard output).")
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option("--truth", metavar="FILE.json", help="Where the truth goes (default: truth.json next to --out)."),
    ] = None,
) -> None:
    """Generate touchpoints of a believable company."""
    from schemas.json_form import touchpoint_to_json
    from streams.cli.sending import fail
    from streams.producing.generator import GeneratedCompany

    begin = int(start.replace(tzinfo=UTC).timestamp()) * 1000 if start else _default_start()
    try:
        company = GeneratedCompany(
            persons=persons,
            events=events,
            seed=seed,
            start=begin,
            span_days=days,
            identities=identities,
            catalogue=catalogue,
        )
    except ValueError as error:
        fail(str(error))
    if begin + days * _DAY_MS > time.time_ns() // 1_000_000:
        typer.echo(
            "note: some of it lies in the future, where touchpoints are refused; choose --start earlier", err=True
        )
    truth_path = truth or (out.with_name(_TRUTH_FILE) if out else None)
    encoder = msgspec.json.Encoder()
    try:
        if truth_path:
            truth_path.write_bytes(msgspec.json.format(encoder.encode(company.truth)) + b"\n")
        with ExitStack() as stack:
            stream: BinaryIO = stack.enter_context(out.open("wb")) if out else sys.stdout.buffer
            lines = (encoder.encode(touchpoint_to_json(touchpoint)) + b"\n" for touchpoint in company.touchpoints())
            stream.writelines(lines)
            stream.flush()
    except BrokenPipeError:
        # The reader has had enough, as `head` does; what Python would flush at exit has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        fail(f"cannot write {error.filename}: {error.strerror}")
    if out:
        totals = company.truth.totals
        typer.echo(
            f"{totals.lines:,} lines of {totals.persons:,} persons in {out}; {totals.frictions} planted frictions and"
            f" {totals.silent} silent cases in {truth_path}",
            err=True,
        )


def _default_start() -> int:
    today = time.time_ns() // 1_000_000 // _DAY_MS
    return (today - _DEFAULT_AGE_DAYS) * _DAY_MS
