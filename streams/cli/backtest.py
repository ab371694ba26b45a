"""`journeys backtest`: what rules would have found."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from streams.cli.addressing import AsJson, ClickHouse, DataDir

HELP = """Judge stored touchpoints of a period by other rules, and compare with what is live.

Frictions belong to the day on which their anchor happened. What is live is compared with what the rules find today; \
with --as-of both sets of rules are judged as of that moment, without what happened later. A label file is CSV with \
the columns person or touchpoint, rule_id and perhaps variant.
"""
_DAY: Final = "%Y-%m-%d"


def command(
    since: Annotated[datetime, typer.Option("--from", metavar="DATE", formats=[_DAY], help="First day, UTC.")],
    until: Annotated[datetime, typer.Option("--to", metavar="DATE", formats=[_DAY], help="Last day, UTC.")],
    rules: Annotated[
        Path | None,
        typer.Option(
            "--rules",
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Rule files, in place of live rules.",
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", metavar="FILE", help="CSV that says what is a friction.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="T", help="Judge as of this event time, ISO 8601 with a zone.")
    ] = None,
    data_dir: DataDir = None,
    clickhouse: ClickHouse = None,
    as_json: AsJson = False,
) -> None:
    """Judge stored touchpoints by other rules."""
    from processors.friction.backtest import Tally, without_data
    from processors.friction.loading import RuleFileError
    from schemas.json_form import milliseconds
    from sinks.alerts.routing import RoutingError, default_routing, load_routing
    from sinks.clickhouse.errors import SchemaMismatch, StoreUnavailable
    from sinks.clickhouse.period_reader import Period
    from sinks.clickhouse.questions import QuestionRefused
    from streams.backtesting import Backtest, kinds_in, run_backtest
    from streams.cli.backtest_report import print_report, report_of
    from streams.cli.output import friendly_errors, part_progress, print_json
    from streams.label_files import LabelsUnusable, read_labels
    from streams.rederiving import Installation, rules_of
    from streams.settings import SettingsError, load_settings
    from streams.timeline import NobodyFound, find_person

    if until < since:
        raise typer.BadParameter(f"--to {until:{_DAY}} lies before --from {since:{_DAY}}", param_hint="--to")
    try:
        as_of_ms = milliseconds(as_of) if as_of else None
    except ValueError as error:
        raise typer.BadParameter(
            f"expected a time such as 2026-03-02T09:20:00Z, got {as_of!r} ({error})", param_hint="--as-of"
        ) from None
    period = Period(_milliseconds(since.date()), _milliseconds(until.date() + timedelta(days=1)))
    with friendly_errors(
        SettingsError,
        RuleFileError,
        RoutingError,
        LabelsUnusable,
        NobodyFound,
        QuestionRefused,
        StoreUnavailable,
        SchemaMismatch,
    ):
        settings = load_settings(data_dir, clickhouse=clickhouse)
        installation = Installation.of(settings)
        tested = rules_of(installation.changes, rules)
        told = (
            read_labels(
                labels,
                {rule.parameters.rule_id for rule in tested},
                lambda name: find_person(installation.address, name, tenant="default", keyring=settings.keyring()),
            )
            if labels
            else []
        )
        routing = load_routing(settings.alert_routing) if settings.alert_routing else default_routing()
        backtest = Backtest(installation, rules, period, as_of_ms, routing, tuple(told))
        kinds = kinds_in(installation, period)
        result = Tally()
        with part_progress("Judging") as advance:
            for part, batches in run_backtest(backtest):
                result.add(part)
                advance(batches)
    report = report_of(result, backtest, [rule.parameters.rule_id for rule in tested], kinds)
    report.without_data = {rule_id: sorted(needed) for rule_id, needed in without_data(tested, kinds)}
    if as_json:
        print_json(report)
    else:
        print_report(report)


def _milliseconds(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
