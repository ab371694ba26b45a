"""`journeys verify`: whether stored frictions follow from the stored touchpoints."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from streams.cli.addressing import AsJson, ClickHouse, DataDir

if TYPE_CHECKING:
    from streams.verifying import Outcome, Verdict

HELP = """Derive a friction again from the stored touchpoints alone, and say where what is stored differs.

Asks ClickHouse and no worker. Run it with the settings that workers have (sessions, journeys, identities). Exit code
0: equal; 1: it differs, or is overdue for judgement; 2: it was found by a rule that is not at hand. With --all the
worst of them.
"""
_DIFFERS: Final = 1
_UNKNOWN: Final = 2
_FOR_EVER_MS: Final = 10_000_000_000_000
_MOST_SHOWN: Final = 20


def command(
    friction: Annotated[str | None, typer.Argument(metavar="FRICTION_ID", help="As `journeys frictions` shows.")] = (
        None
    ),
    *,
    all_: Annotated[bool, typer.Option("--all", help="Every friction there is.")] = False,
    since: Annotated[
        str | None, typer.Option("--since", metavar="T", help="With --all: from this event time on, ISO 8601.")
    ] = None,
    data_dir: DataDir = None,
    clickhouse: ClickHouse = None,
    as_json: AsJson = False,
) -> None:
    """Derive frictions again and compare."""
    import asyncio

    from schemas.json_form import milliseconds
    from sinks.clickhouse.errors import SchemaMismatch, StoreUnavailable
    from sinks.clickhouse.period_reader import Period
    from streams.cli.output import friendly_errors, part_progress
    from streams.cli.sending import fail
    from streams.rederiving import Installation, rules_of
    from streams.settings import SettingsError, load_settings
    from streams.store import ReadingStore
    from streams.verifying import Outcome, Verdicts, verify, verify_all

    if all_ == (friction is not None) or (since is not None and not all_):
        raise typer.BadParameter("give a FRICTION_ID, or --all with or without --since")
    try:
        since_ms = milliseconds(since) if since else 0
    except ValueError as error:
        raise typer.BadParameter(
            f"expected a time such as 2026-03-02T09:20:00Z, got {since!r} ({error})", param_hint="--since"
        ) from None
    counts = dict.fromkeys(Outcome, 0)
    others: list[Verdict] = []
    with friendly_errors(SettingsError, StoreUnavailable, SchemaMismatch):
        installation = Installation.of(load_settings(data_dir, clickhouse=clickhouse))
        if friction is None:
            with part_progress("Verifying") as advance:
                for batch, batches in verify_all(installation, Period(since_ms, _FOR_EVER_MS)):
                    for outcome, count in batch.counts.items():
                        counts[outcome] += count
                    others += batch.others
                    advance(batches)
        else:
            store = ReadingStore(installation.address)
            verdicts = asyncio.run(verify(store, installation, rules_of(installation.changes), [friction]))
            store.close()
            if not verdicts:
                fail(f"there is no friction {friction}; it may have been withdrawn. See: journeys frictions")
            counts, others = Verdicts.of(verdicts).counts, verdicts
    others.sort(key=lambda verdict: (verdict.friction.anchor_at, verdict.friction.friction_id))
    _print(counts, others, is_all=all_, as_json=as_json)
    if counts[Outcome.DIFFERS] or counts[Outcome.DUE]:
        raise typer.Exit(_DIFFERS)
    if counts[Outcome.UNKNOWN_RULE]:
        raise typer.Exit(_UNKNOWN)


def _print(counts: "dict[Outcome, int]", verdicts: "list[Verdict]", *, is_all: bool, as_json: bool) -> None:
    from streams.cli.output import print_json

    if as_json:
        shown = [_as_json(verdict) for verdict in verdicts]
        print_json({"counts": counts, "frictions": shown} if is_all else shown[0])
        return
    for verdict in verdicts[:_MOST_SHOWN]:
        for line in verdict_lines(verdict):
            typer.echo(line)
    if len(verdicts) > _MOST_SHOWN:
        typer.echo(f"... and {len(verdicts) - _MOST_SHOWN:,} more; --json has all")
    if is_all:
        typer.echo(", ".join(f"{count:,} {outcome.replace('_', ' ')}" for outcome, count in counts.items()))


def _as_json(verdict: "Verdict") -> dict[str, object]:
    from schemas.json_form import iso_time

    friction = verdict.friction
    return {
        "friction_id": friction.friction_id,
        "rule_id": friction.rule_id,
        "rule_version": friction.rule_version,
        "outcome": verdict.outcome,
        "as_of": None if verdict.as_of is None else iso_time(verdict.as_of),
        "differences": verdict.differences,
    }


def verdict_lines(verdict: "Verdict") -> list[str]:
    """A verdict for people: what it is, and each field that differs."""
    from schemas.json_form import iso_time
    from streams.verifying import Outcome

    friction = verdict.friction
    as_of = "" if verdict.as_of is None else f" as of {iso_time(verdict.as_of)}"
    says = {
        Outcome.EQUAL: f"equal{as_of}",
        Outcome.DIFFERS: f"differs{as_of}",
        Outcome.DUE: f"was right{as_of}; a deadline has passed since, and no worker has judged it. Is one running?",
        Outcome.UNKNOWN_RULE: f"version {friction.rule_version} of {friction.rule_id} with the content"
        f" {friction.evidence.rule_hash[:8]} is not at hand",
    }
    head = f"{friction.friction_id} {friction.rule_id} {friction.variant}: {says[verdict.outcome]}"
    return [head, *(f"  {one.path}: stored {one.stored!r}, derived {one.derived!r}" for one in verdict.differences)]
