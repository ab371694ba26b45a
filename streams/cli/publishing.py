"""`journeys rules publish`, `retire` and `published`: rules for workers that run."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.addressing import AsJson, ClickHouse, DataDir, Kafka

if TYPE_CHECKING:
    from schemas.rule_changes import RuleChange

EffectiveFrom = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="TIME",
        help="Event time from which on it holds, ISO 8601 with a zone; default: a minute from now.",
    ),
]


def publish(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", exists=True, help="Rule files, or folders of them.")],
    effective_from: EffectiveFrom = None,
    data_dir: DataDir = None,
    kafka: Kafka = None,
    clickhouse: ClickHouse = None,
    as_json: AsJson = False,
) -> None:
    """Publish rules: workers judge by them without a restart.

    A rule judges what begins at --from or later (event time); what began earlier keeps the version of its time. With
    a moment in the past everybody whom it concerns is judged again. The version in the file must be a new one.

    Exit code 1: a file is wrong, an example fails, or the version is not new; then nothing is published.
    """
    from streams.publishing import publish_files

    with _friendly():
        changes = publish_files(_settings(data_dir, kafka, clickhouse), files, _moment(effective_from), _now())
    _tell(changes, as_json=as_json)


def retire(
    rule_id: Annotated[str, typer.Argument(metavar="ID", help="Which rule.")],
    effective_from: EffectiveFrom = None,
    data_dir: DataDir = None,
    kafka: Kafka = None,
    clickhouse: ClickHouse = None,
    as_json: AsJson = False,
) -> None:
    """Retire a rule: it finds nothing that begins at --from or later. A later version may bring it back."""
    from streams.publishing import retire_rule

    with _friendly():
        change = retire_rule(_settings(data_dir, kafka, clickhouse), rule_id, _moment(effective_from), _now())
    _tell([change], as_json=as_json)


def published(
    data_dir: DataDir = None, kafka: Kafka = None, clickhouse: ClickHouse = None, as_json: AsJson = False
) -> None:
    """List what was published and retired, and whether workers took it."""
    from schemas.json_form import iso_time
    from streams.cli.output import print_json, print_table
    from streams.publishing import publications

    with _friendly():
        found = publications(_settings(data_dir, kafka, clickhouse))
    if as_json:
        print_json([_as_json(one.change) | {"state": one.state, "why": one.why} for one in found])
    elif found:
        rows = [
            [
                one.change.rule_id,
                one.change.version,
                "retired" if one.change.text is None else "published",
                iso_time(one.change.effective_from),
                f"{one.state}: {one.why}" if one.why else one.state,
            ]
            for one in found
        ]
        print_table(["rule", "version", "", "from", "state"], rows)
    else:
        typer.echo("nothing was published: the shipped rules hold")


def _tell(changes: "list[RuleChange]", *, as_json: bool) -> None:
    from schemas.json_form import iso_time
    from streams.cli.output import print_json

    if as_json:
        print_json([_as_json(change) for change in changes])
        return
    for change in changes:
        moment = iso_time(change.effective_from)
        what = "ignores" if change.text is None else "judges"
        typer.echo(f"{change.rule_id} version {change.version} {what} what begins at {moment} or later")
    typer.echo("workers take it within seconds: journeys rules published")


def _as_json(change: "RuleChange") -> dict[str, Any]:
    from schemas.json_form import iso_time

    return {
        "rule_id": change.rule_id,
        "version": change.version,
        "is_retired": change.text is None,
        "effective_from": iso_time(change.effective_from),
        "published_at": iso_time(change.published_at),
    }


def _moment(text: str | None) -> int | None:
    from schemas.json_form import milliseconds

    try:
        return milliseconds(text) if text else None
    except ValueError as error:
        raise typer.BadParameter(
            f"expected a time such as 2026-03-02T09:20:00Z, got {text!r} ({error})", param_hint="--from"
        ) from None


def _now() -> int:
    return time.time_ns() // 1_000_000


def _settings(data_dir: Path | None, kafka: str | None, clickhouse: str | None) -> Any:
    from streams.settings import load_settings

    return load_settings(data_dir, kafka=kafka, clickhouse=clickhouse)


def _friendly() -> Any:
    from aiokafka.errors import KafkaError

    from processors.friction.loading import RuleFileError
    from sinks.clickhouse.errors import SchemaMismatch, StoreUnavailable
    from streams.cli.output import friendly_errors
    from streams.publishing import NotPublishable
    from streams.rule_log import RuleLogSilent
    from streams.settings import SettingsError

    return friendly_errors(
        SettingsError, RuleFileError, NotPublishable, RuleLogSilent, KafkaError, StoreUnavailable, SchemaMismatch
    )
