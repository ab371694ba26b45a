"""`journeys demo`: the whole pipeline on generated customers, from an empty folder to a printed story."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from streams.producing.generator import GeneratedCompany
    from streams.settings import Settings

HELP = """Run the whole pipeline on generated customers and print what it found.

Starts the local stack in a temporary folder on free ports, sends a month of a made-up company's touchpoints through
Kafka, prints journeys and frictions from ClickHouse, holds them against what was planted, and stops everything. The
broker is the embedded one, which starts at once, whether Apache Kafka is installed or not.
"""
_SEED = 7
_WAIT_S = 120.0
_DAY_MS = 86_400_000

_JOURNEYS = """
SELECT arrayStringConcat(arraySlice(channels, 1, 5), ' > ') || if(length(channels) > 5, ' ...', '') AS path,
    if(topic = '', '-', topic) AS topic, contacts, redirects, round(effort_minutes) AS minutes, status
FROM v_journeys ORDER BY effort_minutes DESC, opened_at, contacts DESC LIMIT 5
"""
_BY_RULE = """
SELECT rule_id AS rule, variant, count() AS found, round(avg(severity), 1) AS severity,
    round(sum(minutes)) AS minutes
FROM v_frictions GROUP BY rule_id, variant ORDER BY rule_id, variant
"""
_WORST = """
SELECT person_key FROM v_frictions WHERE rule_id = 'channel_redirect'
GROUP BY person_key ORDER BY max(severity) DESC, sum(minutes) DESC, min(anchor_at) LIMIT 1
"""
_FOUND = """
SELECT rule_id, variant, toUnixTimestamp64Milli(anchor_at), evidence_touchpoints FROM v_frictions
"""
_COUNTS = """
SELECT (SELECT count() FROM v_touchpoints), (SELECT count() FROM v_persons), (SELECT count() FROM v_sessions),
    (SELECT count() FROM v_journeys), (SELECT count() FROM v_frictions), (SELECT count() FROM v_alerts)
"""


def command(
    persons: Annotated[int, typer.Option(help="Customers.", min=60)] = 150,
    events: Annotated[int, typer.Option(help="Touchpoints, about.", min=1500)] = 5000,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running, to look around.")] = False,
) -> None:
    """Run the whole pipeline on generated customers."""
    from streams.cli.output import friendly_errors
    from streams.stack.local import StackError, load_state

    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="journeys-demo-"))
    with friendly_errors(StackError), _running_stack(folder, keep=keep) as settings:
        company = _send(settings, persons, events)
        _print_findings(settings, company)
    _note(f"\ndone in {time.monotonic() - began:.0f} s")
    if keep:
        stack = load_state(folder)
        page = f"open {stack.page} in the browser, or: " if stack else ""
        typer.echo(f"\nstill running; to look around {page}journeys frictions --data-dir {folder}")
        typer.echo(f"stop it with: journeys down --data-dir {folder}")
    else:
        _note("to see it on a page in the browser: journeys demo --keep")


def _note(text: str) -> None:
    """Tell what goes on, beside the output."""
    sys.stderr.write(text + "\n")


@contextmanager
def _running_stack(folder: Path, *, keep: bool) -> "Iterator[Settings]":
    from streams.settings import load_settings
    from streams.stack.local import LocalStack, Ports

    # The demo tells the same on every machine: whatever is set for a real installation stays out of it.
    for name in [name for name in os.environ if name.startswith("JOURNEYS_")]:
        del os.environ[name]
    pepper = folder / "pepper"
    pepper.write_text("the demo keeps no secrets: everybody in it is made up\n")
    pepper.chmod(0o600)
    stack = LocalStack(folder, _note)
    _note("starting the local stack on free ports")
    is_kept = False
    try:
        stack.up(Ports(0, 0, 0, 0, 0), broker="embedded")
        yield load_settings(folder)
        is_kept = keep
    finally:
        if not is_kept:
            stack.down()
            shutil.rmtree(folder, ignore_errors=True)


def _send(settings: "Settings", persons: int, events: int) -> "GeneratedCompany":
    from streams.cli.output import friendly_errors
    from streams.lag import wait_until_done
    from streams.producing.generator import DEFAULT_SPAN_DAYS, GeneratedCompany
    from streams.producing.producer import BrokerUnavailable, DeliveryFailed, TouchpointProducer

    today = time.time_ns() // 1_000_000 // _DAY_MS * _DAY_MS
    company = GeneratedCompany(
        persons=persons, events=events, seed=_SEED, start=today - (DEFAULT_SPAN_DAYS + 2) * _DAY_MS
    )
    with friendly_errors(BrokerUnavailable, DeliveryFailed), TouchpointProducer(settings.kafka) as producer:
        for touchpoint in company.touchpoints():
            producer.send(touchpoint)
    _note(f"sent {producer.delivered:,} touchpoints to Kafka, waiting until they are queryable")
    if not wait_until_done(settings, _WAIT_S):
        typer.echo(f"error: not everything is queryable after {_WAIT_S:.0f} s", err=True)
        raise typer.Exit(1)
    return company


def _print_findings(settings: "Settings", company: "GeneratedCompany") -> None:
    from sinks.clickhouse.questions import ask
    from streams.cli.output import print_table
    from streams.cli.storytelling import day_text, story_lines
    from streams.store import reading_address
    from streams.timeline import load_story

    address = reading_address(settings)
    touchpoints, people, sessions, journeys, frictions, _ = ask(address, _COUNTS).rows[0]
    typer.echo(
        f"{touchpoints:,} touchpoints of {people:,} people became {sessions:,} sessions and {journeys:,} journeys"
        f" with {frictions:,} frictions.\n"
    )
    typer.echo("Journeys that cost customers most:\n")
    answer = ask(address, _JOURNEYS)
    print_table(answer.columns, answer.rows)
    typer.echo("\nFrictions:\n")
    answer = ask(address, _BY_RULE)
    print_table(answer.columns, answer.rows)
    typer.echo(f"\n{_verdict(settings, company)}\n")
    worst = str(ask(address, _WORST).rows[0][0])
    story = load_story(address, worst)
    first = min(touchpoint["at"] for touchpoint in story.touchpoints)
    typer.echo("One customer's story:\n")
    for line in story_lines(story, day_text(first // _DAY_MS * _DAY_MS)):
        typer.echo(line)


def _verdict(settings: "Settings", company: "GeneratedCompany") -> str:
    """Whether of the planted patterns all was found that was planted, and nothing else."""
    from schemas.outputs import touchpoint_ref
    from schemas.touchpoint import TouchpointKey
    from sinks.clickhouse.questions import ask
    from streams.store import reading_address

    rows = ask(reading_address(settings), _FOUND).rows
    planted = company.truth.frictions
    rules = {friction.rule_id for friction in planted}
    others = sum(row[0] not in rules for row in rows)
    missed = 0
    for friction in planted:
        anchor = touchpoint_ref(TouchpointKey("default", friction.anchor.source, friction.anchor.id))
        expected = (friction.rule_id, friction.variant, friction.anchor_at)
        missed += not any(row[:3] == expected and anchor in row[3] for row in rows)
    text = f"{len(planted)} frictions were planted: {len(planted) - missed} found, {missed} missed"
    text += f", {len(rows) - others - len(planted) + missed} found that were not planted."
    return f"{text}\nThe other patterns found {others} more in what these customers went through."
