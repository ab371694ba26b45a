"""What `journeys backtest` says: rows for tables and JSON."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
import typer

from processors.friction.backtest import Change, Sides, Tally
from processors.friction.differences import Difference
from processors.friction.labels import Agreement
from processors.settings import MINUTE_MS
from schemas.json_form import iso_time
from schemas.outputs import Evidence
from streams.backtesting import Backtest
from streams.cli.output import print_table


class RuleRow(msgspec.Struct):
    """Frictions of a rule and variant: how many are live, how many the rules tested find, and what changes.

    `added` and `changed` ones are counted under the variant that they have now, those `gone` under the one they had.
    """

    rule_id: str
    variant: str
    live: int
    tested: int
    same: int
    added: int
    gone: int
    changed: int


class AlertRow(msgspec.Struct):
    """Alertable frictions of a day (UTC) and team that some channel takes; the team is '' where none is known."""

    day: str
    team: str
    live: int
    tested: int


class MinutesRow(msgspec.Struct):
    """Customer minutes of the frictions of a rule and team."""

    rule_id: str
    team: str
    live: float
    tested: float


class ExampleRow(msgspec.Struct):
    """One friction that was added, is gone or changed."""

    change: Change
    friction_id: str
    person_key: str
    rule_id: str
    variant: str
    severity: int
    anchor_at: str
    sentence_en: str
    evidence: Evidence
    differences: tuple[Difference, ...]


class LabelRow(msgspec.Struct):
    """How a rule agrees with the labels; precision and recall are `None` where nothing can be said."""

    rule_id: str
    labels: int
    found: int
    recall: float | None
    frictions: int
    right: int
    precision: float | None


class Report(msgspec.Struct):
    """The answer of a backtest. `without_data` has rules that had nothing to judge, with the kinds that they need."""

    first_day: str
    last_day: str
    as_of: str | None
    persons: int
    rules: list[RuleRow]
    alerts: list[AlertRow]
    minutes: list[MinutesRow]
    examples: list[ExampleRow]
    labels: list[LabelRow]
    labels_about_nobody: list[int]
    kinds: Mapping[str, int]
    without_data: dict[str, list[str]] = {}


def report_of(tally: Tally, backtest: Backtest, rule_ids: Collection[str], kinds: Mapping[str, int]) -> Report:
    """Rows of a tally: rules in the order given, those that are live only after them."""
    order = {rule_id: place for place, rule_id in enumerate(rule_ids)}
    seen = {*tally.found, *((rule_id, variant) for rule_id, variant, _ in tally.changes)}
    seen |= {(rule_id, "") for rule_id in rule_ids if rule_id not in {known for known, _ in seen}}
    unmet = [label for label in backtest.labels if label.line not in tally.met]
    agreement = dict(tally.agreement)
    for label in unmet:
        if label.rule_id is not None:
            known = agreement.setdefault(label.rule_id, Agreement())
            agreement[label.rule_id] = msgspec.structs.replace(known, labels=known.labels + 1)
    return Report(
        first_day=_day(backtest.period.since),
        last_day=_day(backtest.period.until - 1),
        as_of=None if backtest.as_of is None else iso_time(backtest.as_of),
        persons=tally.persons,
        rules=[
            _rule_row(tally, *names) for names in sorted(seen, key=lambda one: (order.get(one[0], len(order)), *one))
        ],
        alerts=[
            AlertRow(_day(day), team, count.live, count.tested) for (day, team), count in sorted(tally.alerts.items())
        ],
        minutes=[
            MinutesRow(rule_id, team, count.live / MINUTE_MS, count.tested / MINUTE_MS)
            for (rule_id, team), count in sorted(tally.customer_ms.items())
        ],
        examples=[
            ExampleRow(
                example.change,
                example.friction.friction_id,
                example.friction.person_key,
                example.friction.rule_id,
                example.friction.variant,
                example.friction.severity,
                iso_time(example.friction.anchor_at),
                example.friction.sentence_en,
                example.friction.evidence,
                example.differences,
            )
            for _, examples in sorted(tally.examples.items())
            for example in examples
        ],
        labels=[
            LabelRow(rule_id, one.labels, one.found, one.recall, one.frictions, one.right, one.precision)
            for rule_id, one in sorted(agreement.items())
        ],
        labels_about_nobody=sorted(label.line for label in unmet),
        kinds=kinds,
    )


def print_report(report: Report) -> None:
    """The same for people; warnings go to standard error."""
    as_of = f" as of {report.as_of}" if report.as_of else ""
    typer.echo(f"{report.first_day} to {report.last_day}{as_of}, persons judged: {report.persons:,}\n")
    for rule_id, kinds in report.without_data.items():
        needed = ", no ".join(kinds or ["touchpoint"])
        typer.echo(f"WARNING: nothing can be said of {rule_id}: the period holds no {needed}", err=True)
    _section("", report.rules, [row for row in report.rules if row.rule_id not in report.without_data or row.live])
    _section("Alerts by day and team", report.alerts, report.alerts)
    _section("Customer minutes by rule and team", report.minutes, report.minutes)
    _section("Labels", report.labels, report.labels)
    if report.labels_about_nobody:
        lines = ", ".join(map(str, report.labels_about_nobody[:10]))
        more = f" and {len(report.labels_about_nobody) - 10} more" if len(report.labels_about_nobody) > 10 else ""
        typer.echo(f"WARNING: nothing happened in the period to whom these lines are about: {lines}{more}", err=True)
    if not report.examples:
        typer.echo("no friction differs from what is live")
    for example in report.examples:
        typer.echo(f"{example.change} {example.rule_id} {example.variant}: {example.friction_id}")
        typer.echo(f"  {example.anchor_at} {example.sentence_en}")
        typer.echo(f"  evidence: {', '.join(example.evidence.touchpoints)}")
        for one in example.differences:
            typer.echo(f"  {one.path}: live {one.stored!r}, tested {one.derived!r}")


def _section(title: str, all_rows: Collection[msgspec.Struct], rows: Collection[msgspec.Struct]) -> None:
    if not rows:
        return
    if title:
        typer.echo(f"{title}:")
    names = next(iter(all_rows)).__struct_fields__
    print_table(names, [[getattr(row, name) for name in names] for row in rows])
    typer.echo("")


def _rule_row(tally: Tally, rule_id: str, variant: str) -> RuleRow:
    changes: dict[str, Any] = {change.value: tally.changes[rule_id, variant, change] for change in Change}
    count = tally.found.get((rule_id, variant), Sides())
    return RuleRow(rule_id=rule_id, variant=variant, live=count.live, tested=count.tested, **changes)


def _day(time_ms: int) -> str:
    return iso_time(time_ms)[:10]
