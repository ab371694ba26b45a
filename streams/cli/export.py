"""`journeys export`: journeys as files for other programs."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.addressing import AsJson, ClickHouse, DataDir

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sinks.clickhouse.address import ClickHouseAddress
    from sinks.exports.extract import Extract, Progress, Row, Selection

HELP = """Write journeys to a file: an event log for process mining, or a table.

Formats: csv, parquet, xes (IEEE 1849-2016), ocel (OCEL 2.0 in JSON). Without --format the name of FILE tells: .csv,
.parquet, .xes, .jsonocel or .json; all but Parquet may end in .gz.

\b
  journeys export --output journeys.xes.gz
  journeys export --output events.parquet --since 2026-03-01T00:00:00Z --topic delivery
  journeys export --output fell-out.xes --status closed --outcome unsolved --rule channel_redirect
  journeys export --what frictions --output frictions.csv

Journeys are always whole; --since and --until choose those that began then (frictions: that happened then). Persons are
the hashes that the tables hold, teams stand for their employees. The file appears when it is complete.
"""


class Format(StrEnum):
    """What kind of file."""

    CSV = "csv"
    PARQUET = "parquet"
    XES = "xes"
    OCEL = "ocel"


class What(StrEnum):
    """What a row of the file is."""

    TOUCHPOINTS = "touchpoints"
    JOURNEYS = "journeys"
    FRICTIONS = "frictions"


class Outcome(StrEnum):
    """How a journey ended or stands."""

    SOLVED = "solved"
    UNSOLVED = "unsolved"
    OPEN = "open"


class Status(StrEnum):
    """Whether more may come: of a journey, or of a friction."""

    OPEN = "open"
    CLOSED = "closed"
    CLEARED = "cleared"


class Naming(StrEnum):
    """What an event is named by."""

    KIND = "kind"
    CHANNEL = "channel"
    KIND_CHANNEL = "kind-channel"


_SUFFIXES = {
    ".csv": Format.CSV,
    ".parquet": Format.PARQUET,
    ".xes": Format.XES,
    ".jsonocel": Format.OCEL,
    ".json": Format.OCEL,
}


def command(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write.")],
    format_: Annotated[
        Format | None, typer.Option("--format", help="Kind of file; default: as its name says.", show_default=False)
    ] = None,
    what: Annotated[
        What, typer.Option("--what", help="What a row is: a touchpoint of a journey, a journey, or a friction.")
    ] = What.TOUCHPOINTS,
    since: Annotated[
        str | None, typer.Option("--since", metavar="T", help="Only from this event time on, ISO 8601 with a zone.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="T", help="Only before this event time, ISO 8601 with a zone.")
    ] = None,
    topic: Annotated[
        list[str] | None, typer.Option("--topic", metavar="TOPIC", help="Only of this topic; give it again for more.")
    ] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", metavar="NAME", help="Only of this tenant.")] = None,
    outcome: Annotated[
        list[Outcome] | None,
        typer.Option("--outcome", help="Only journeys that ended or stand so; give it again for more."),
    ] = None,
    status: Annotated[
        Status | None,
        typer.Option("--status", help="Only open or closed journeys; only open or cleared frictions."),
    ] = None,
    channel: Annotated[
        list[str] | None,
        typer.Option("--channel", metavar="CHANNEL", help="Only what went through it; give it again for any of them."),
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option("--rule", metavar="RULE", help="Only what met a friction of it; give it again for any of them."),
    ] = None,
    activity: Annotated[
        Naming, typer.Option("--activity", help="What names an event: its kind, its channel, or both.")
    ] = Naming.KIND,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    data_dir: DataDir = None,
    clickhouse: ClickHouse = None,
    as_json: AsJson = False,
) -> None:
    """Write journeys to a file."""
    from sinks.clickhouse.errors import SchemaMismatch, StoreUnavailable
    from sinks.clickhouse.questions import QuestionRefused
    from sinks.exports.extract import Selection
    from sinks.exports.files import FileRefused, refuse_existing, written_whole
    from streams.cli.output import friendly_errors, part_progress, print_json
    from streams.settings import SettingsError, load_settings
    from streams.store import reading_address

    chosen, compressed = _chosen(format_, output, what, activity)
    _refuse_misfits(what, outcome, status)
    selection = Selection(
        since=_time(since, "--since"),
        until=_time(until, "--until"),
        topics=tuple(topic or ()),
        tenant=tenant,
        outcomes=tuple(each.value for each in outcome or ()),
        status=status.value if status else None,
        channels=tuple(channel or ()),
        rules=tuple(rule or ()),
    )
    with friendly_errors(SettingsError, FileRefused, QuestionRefused, StoreUnavailable, SchemaMismatch):
        refuse_existing(output, force=force)
        address = reading_address(load_settings(data_dir, clickhouse=clickhouse))
        with written_whole(output, force=force) as part, part_progress(f"writing {output.name}") as progress:
            counted = _Counted(_extract(what, address, selection, activity, progress))
            _write(chosen, counted.extract, part, compressed=compressed)
    size = output.stat().st_size
    if as_json:
        summary = {"file": str(output), "format": chosen, "what": what, "rows": counted.rows, "bytes": size}
        print_json(summary | ({"journeys": counted.journeys} if what is What.TOUCHPOINTS else {}))
        return
    of_journeys = f" of {counted.journeys:,} journeys" if what is What.TOUCHPOINTS else ""
    typer.echo(f"{output}: {counted.rows:,} {what}{of_journeys}, {size:,} bytes")


class _Counted:
    """An extract that says afterwards how many rows, and how many journeys one after the other, were in it."""

    def __init__(self, extract: "Extract") -> None:
        self.rows = 0
        self.journeys = 0
        self._last: object = None
        self._blocks = extract.blocks
        self.extract = extract._replace(blocks=self._read())

    def _read(self) -> "Iterator[Sequence[Row]]":
        for block in self._blocks:
            self.rows += len(block)
            for row in block:
                self.journeys += row[0] != self._last
                self._last = row[0]
            yield block


def _chosen(format_: Format | None, output: Path, what: What, activity: Naming) -> tuple[Format, bool]:
    """Format, and whether the file is compressed."""
    compressed = output.suffix == ".gz"
    suffix = Path(output.stem).suffix if compressed else output.suffix
    chosen = format_ or _SUFFIXES.get(suffix.lower())
    if chosen is None:
        raise typer.BadParameter(f"{output.name} does not tell the format; give --format", param_hint="--output")
    if chosen is Format.PARQUET and compressed:
        raise typer.BadParameter("Parquet is compressed in itself; leave .gz away", param_hint="--output")
    if chosen in {Format.XES, Format.OCEL} and what is not What.TOUCHPOINTS:
        raise typer.BadParameter(f"{chosen} holds touchpoints; for {what} use csv or parquet", param_hint="--what")
    if activity is not Naming.KIND and what is not What.TOUCHPOINTS:
        raise typer.BadParameter("only touchpoints are named", param_hint="--activity")
    return chosen, compressed


def _refuse_misfits(what: What, outcome: list[Outcome] | None, status: Status | None) -> None:
    is_frictions = what is What.FRICTIONS
    if is_frictions and outcome:
        raise typer.BadParameter(
            "frictions have none; it selects journeys and their touchpoints", param_hint="--outcome"
        )
    if status is (Status.CLOSED if is_frictions else Status.CLEARED):
        fitting = "open or cleared" if is_frictions else "open or closed"
        raise typer.BadParameter(f"expected {fitting}, got {status}", param_hint="--status")


def _time(text: str | None, option: str) -> int | None:
    from schemas.json_form import milliseconds

    try:
        return None if text is None else milliseconds(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"expected a time such as 2026-03-02T09:20:00Z, got {text!r} ({error})", param_hint=option
        ) from None


def _extract(
    what: What, address: "ClickHouseAddress", selection: "Selection", activity: Naming, progress: "Progress"
) -> "Extract":
    from sinks.exports import extract

    if what is What.JOURNEYS:
        return extract.journeys(address, selection, progress=progress)
    if what is What.FRICTIONS:
        return extract.frictions(address, selection, progress=progress)
    return extract.events(address, selection, activity=extract.Activity(activity.value), progress=progress)


def _write(format_: Format, extract: "Extract", part: Path, *, compressed: bool) -> None:
    from sinks.exports.ocel import write_ocel
    from sinks.exports.tables import write_csv, write_parquet
    from sinks.exports.xes import write_xes

    match format_:
        case Format.CSV:
            write_csv(extract, part, compressed=compressed)
        case Format.PARQUET:
            write_parquet(extract, part)
        case Format.XES:
            write_xes(extract, part, compressed=compressed)
        case Format.OCEL:
            write_ocel(extract, part, compressed=compressed)
