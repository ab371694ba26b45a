"""`journeys report`: what a week cost customers, as a page for people who lead teams."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.addressing import AsJson, ClickHouse, DataDir
from streams.reports.languages import Language

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from streams.reports.weeks import Week

HELP = """Write what a week cost customers as one HTML page, to be read, sent on or printed.

What hurt most in customer minutes, what is new, what got better, and three stories with their evidence. The page needs
nothing but itself, and persons are letters in it.

\b
  journeys report --output week.html
  journeys report --week 2026-W10 --team billing --language de --time-zone Europe/Berlin --output woche.html
  journeys report --output week.html --pdf

Without --week it is the last full week before the newest touchpoint.
"""


def command(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write the page.")],
    week: Annotated[
        str | None,
        typer.Option("--week", metavar="YYYY-Www", help="ISO week, e.g. 2026-W10; default the last full one."),
    ] = None,
    team: Annotated[
        str | None, typer.Option("--team", metavar="TEAM", help="Only what this team caused; default all teams.")
    ] = None,
    language: Annotated[Language, typer.Option("--language", help="Language of the page.")] = Language.ENGLISH,
    time_zone: Annotated[
        str, typer.Option("--time-zone", metavar="ZONE", help="Where weeks begin, e.g. Europe/Berlin.")
    ] = "UTC",
    tenant: Annotated[str | None, typer.Option("--tenant", metavar="NAME", help="Only of this tenant.")] = None,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Print it as well, into the same name with .pdf; needs Chromium or Chrome.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    data_dir: DataDir = None,
    clickhouse: ClickHouse = None,
    as_json: AsJson = False,
) -> None:
    """Write the report of a week."""
    from sinks.clickhouse.errors import SchemaMismatch, StoreUnavailable
    from sinks.clickhouse.questions import QuestionRefused
    from sinks.exports.files import FileRefused, refuse_existing, written_whole
    from streams.cli.output import friendly_errors, print_json
    from streams.reports.page import report_page
    from streams.reports.printing import NoPrinter, print_pdf
    from streams.reports.weekly import NothingToReport, Scope, last_full_week, week_report
    from streams.settings import SettingsError, load_settings
    from streams.store import reading_address

    zone, named = _zone(time_zone), _week(week)
    printed = output.with_suffix(".pdf")
    if pdf and printed == output:
        raise typer.BadParameter("the page is HTML; its PDF is written beside it", param_hint="--output")
    problems = (SettingsError, FileRefused, QuestionRefused, StoreUnavailable, SchemaMismatch)
    with friendly_errors(*problems, NothingToReport, NoPrinter):
        for path in (output, *([printed] if pdf else [])):
            refuse_existing(path, force=force)
        address = reading_address(load_settings(data_dir, clickhouse=clickhouse))
        told = named or last_full_week(address, zone, tenant)
        report = week_report(address, Scope(told, zone, team, tenant))
        with written_whole(output, force=force) as part:
            part.write_text(report_page(report, language), encoding="utf-8")
        if pdf:
            with written_whole(printed, force=force) as part:
                print_pdf(output, part)
    if as_json:
        totals = report.totals
        summary = {"file": str(output), "week": str(told), "frictions": totals.frictions, "minutes": totals.minutes}
        print_json(summary | ({"pdf": str(printed)} if pdf else {}))
        return
    typer.echo(
        f"{output}: week {told}, {report.totals.minutes:,.0f} customer minutes, {report.totals.frictions:,} frictions"
        + (f"; printed to {printed}" if pdf else "")
    )


def _week(text: str | None) -> "Week | None":
    from streams.reports.weeks import Week

    try:
        return None if text is None else Week.named(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--week") from None


def _zone(name: str) -> "ZoneInfo":
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise typer.BadParameter(
            f"there is no time zone {name!r}; names are such as Europe/Berlin", param_hint="--time-zone"
        ) from None
