"""`journeys alerts`: what teams were told, and what they do about it."""

import re
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from streams.cli.addressing import AsJson, ClickHouse, DataDir

if TYPE_CHECKING:
    from sinks.alerts.incidents import ActionKind
    from sinks.clickhouse.records import ActionRecord, IncidentRecord, NoticeRecord
    from streams.settings import Settings

app = typer.Typer(help="What teams were told, and what they do about it.", no_args_is_help=True)

IncidentId = Annotated[
    str, typer.Argument(metavar="INCIDENT", help="An incident, by its id as `list` shows it or all 32 characters.")
]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who does it; default: who is logged in.")]
_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?")
_UNITS_MS: Final = (86_400_000, 3_600_000, 60_000)
_SHOWN_ID: Final = 8
_TAKEN_UP: Final = "Whoever tells teams takes it up within seconds; exit code 0 says that it is written down."


@app.command("list")
def list_(
    show_all: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 50,
    data_dir: DataDir = None,
    clickhouse: ClickHouse = None,
    as_json: AsJson = False,
) -> None:
    """List incidents, the newest first."""
    from schemas.json_form import iso_time
    from streams.alert_actions import list_incidents
    from streams.cli.output import print_json, print_table

    with _friendly():
        found = list_incidents(_settings(data_dir, clickhouse), open_only=not show_all, limit=limit)
    if as_json:
        print_json([_as_json(one) for one in found])
        return
    if not found:
        typer.echo("no incidents")
        return
    print_table(
        ["incident", "phase", "severity", "customers", "last", "team", "cause", "taken by"],
        [
            [one.incident_id[:_SHOWN_ID], one.phase + " swarm" * one.is_swarm, one.severity, one.customers,
             iso_time(one.last_member_at), one.team, _cause(one), one.acknowledged_by]
            for one in found
        ],
    )  # fmt: skip


@app.command("show")
def show(
    incident: IncidentId, data_dir: DataDir = None, clickhouse: ClickHouse = None, as_json: AsJson = False
) -> None:
    """Show an incident: what it is, what channels were told of it, and who did what."""
    import msgspec

    from schemas.alerts import AlertIntent
    from schemas.json_form import iso_time
    from streams.alert_actions import tell_story
    from streams.cli.output import print_json, print_table

    with _friendly():
        story = tell_story(_settings(data_dir, clickhouse), incident)
    if as_json:
        print_json(
            _as_json(story.incident)
            | {"messages": list(map(_notice_json, story.notices)), "actions": list(map(_action_json, story.actions))}
        )
        return
    one = story.incident
    facts = {
        "incident": one.incident_id,
        "cause": _cause(one),
        "phase": f"{one.phase}{', ' + one.because_en if one.because_en else ''}",
        "severity": one.severity,
        "customers": f"{one.customers} with {one.frictions} frictions, {one.minutes:.0f} min of theirs",
        "since": iso_time(one.started_at),
        "taken by": one.acknowledged_by or "nobody",
        "assigned to": one.assigned_to or "nobody",
    }
    for name, value in facts.items():
        typer.echo(f"{name:<12} {value}")
    for sample in msgspec.json.decode(one.samples, type=list[AlertIntent]):
        typer.echo(f"e.g.         {sample.sentence_en} (journeys timeline {sample.person_key})")
    if story.notices:
        typer.echo("")
        print_table(
            ["decided", "channel", "message", "customers", "state", "attempts", "reason"],
            [
                [iso_time(n.decided_at), n.channel, n.kind, n.customers, n.state, n.attempts, n.reason]
                for n in story.notices
            ],
        )
    if story.actions:
        typer.echo("")
        print_table(
            ["when", "who", "what", "said", "taken up"],
            [
                [
                    iso_time(a.acted_at),
                    a.acted_by,
                    a.kind,
                    a.text,
                    iso_time(a.applied_at) if a.applied_at else "not yet",
                ]
                for a in story.actions
            ],
        )


@app.command(
    "ack",
    short_help="Take an incident: it is not repeated, unless its customers double.",
    help=f"Take an incident: it is not repeated, unless its customers double. {_TAKEN_UP}",
)
def ack(
    incident: IncidentId,
    by: By = None,
    data_dir: DataDir = None,
    clickhouse: ClickHouse = None,
    as_json: AsJson = False,
) -> None:
    """Take an incident."""
    _act("ACKNOWLEDGE", incident, by, data_dir, clickhouse, as_json=as_json)


@app.command(
    "snooze",
    short_help="Hear nothing of the cause of an incident for some time.",
    help=f"Hear nothing of the cause of an incident for some time. {_TAKEN_UP}",
)
def snooze(
    incident: IncidentId,
    for_: Annotated[str, typer.Option("--for", metavar="DURATION", help="Such as 30m, 2h or 1d.")],
    by: By = None,
    data_dir: DataDir = None,
    clickhouse: ClickHouse = None,
    as_json: AsJson = False,
) -> None:
    """Hear nothing of a cause for some time."""
    import time

    until = time.time_ns() // 1_000_000 + _duration_ms(for_)
    _act("SNOOZE", incident, by, data_dir, clickhouse, as_json=as_json, until=until)


@app.command(
    "assign", short_help="Say who looks after an incident.", help=f"Say who looks after an incident. {_TAKEN_UP}"
)
def assign(
    incident: IncidentId,
    to: Annotated[str, typer.Argument(metavar="NAME", help="Who it is.")],
    by: By = None,
    data_dir: DataDir = None,
    clickhouse: ClickHouse = None,
    as_json: AsJson = False,
) -> None:
    """Say who looks after an incident."""
    _act("ASSIGN", incident, by, data_dir, clickhouse, as_json=as_json, text=to)


@app.command(
    "comment", short_help="Note something about an incident.", help=f"Note something about an incident. {_TAKEN_UP}"
)
def comment(
    incident: IncidentId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is to be noted; no personal data.")],
    by: By = None,
    data_dir: DataDir = None,
    clickhouse: ClickHouse = None,
    as_json: AsJson = False,
) -> None:
    """Note something about an incident."""
    _act("COMMENT", incident, by, data_dir, clickhouse, as_json=as_json, text=text)


@app.command(
    "close",
    short_help="Close an incident; a new friction of its cause opens a new one.",
    help=f"Close an incident; a new friction of its cause opens a new one. {_TAKEN_UP}",
)
def close(
    incident: IncidentId,
    by: By = None,
    data_dir: DataDir = None,
    clickhouse: ClickHouse = None,
    as_json: AsJson = False,
) -> None:
    """Close an incident."""
    _act("CLOSE", incident, by, data_dir, clickhouse, as_json=as_json)


@app.command("failed")
def failed(
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 100,
    data_dir: DataDir = None,
    clickhouse: ClickHouse = None,
    as_json: AsJson = False,
) -> None:
    """List messages that a channel refused or that could not be sent in time, the newest first."""
    from schemas.json_form import iso_time
    from streams.alert_actions import list_failed
    from streams.cli.output import print_json, print_table

    with _friendly():
        found = list_failed(_settings(data_dir, clickhouse), limit=limit)
    if as_json:
        print_json([_notice_json(one) for one in found])
    elif not found:
        typer.echo("no failed messages")
    else:
        print_table(
            ["message", "decided", "channel", "kind", "state", "attempts", "reason"],
            [[n.notice_id, iso_time(n.decided_at), n.channel, n.kind, n.state, n.attempts, n.reason] for n in found],
        )


@app.command("replay")
def replay(
    message: Annotated[str | None, typer.Argument(metavar="MESSAGE", help="Which one, as `failed` shows it.")] = None,
    all_failed: Annotated[bool, typer.Option("--all", help="Every failed one.")] = False,
    by: By = None,
    data_dir: DataDir = None,
    clickhouse: ClickHouse = None,
    as_json: AsJson = False,
) -> None:
    """Send failed messages again, under the same id and with the same words. Mend the cause first."""
    from streams.alert_actions import NoSuchIncident, list_failed
    from streams.alert_actions import replay as ask_again
    from streams.cli.output import print_json

    if (message is None) == (not all_failed):
        raise typer.BadParameter("name one message, or --all")
    settings = _settings(data_dir, clickhouse)
    with _friendly():
        found = [one for one in list_failed(settings, limit=100_000) if all_failed or one.notice_id == message]
        if message is not None and not found:
            raise NoSuchIncident(f"{message} is no failed message; see: journeys alerts failed")
        asked = ask_again(settings, found, _who(by))
    if as_json:
        print_json({"replayed": [one.notice_id for one in asked]})
    else:
        typer.echo(f"{len(asked)} will be sent again")


@app.command("test")
def try_one(
    channel: Annotated[str, typer.Option("--channel", help="Which one, by its name in the routing file.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be sent, and send nothing.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Send a made-up message to one channel, or print it. Exit code 1: the channel did not take it."""
    import asyncio

    from sinks.alerts.outcome import Delivered
    from sinks.alerts.routing import RoutingError
    from streams.alert_trial import UnknownChannel, try_channel
    from streams.cli.output import friendly_errors, print_json

    settings = _settings(data_dir, None)
    with friendly_errors(RoutingError, UnknownChannel):
        trial = asyncio.run(try_channel(settings.alert_routing, channel, dry_run=dry_run))
    if as_json:
        print_json({"channel": channel, "outcome": trial.outcome, "message": trial.document, "body": trial.body})
    else:
        typer.echo(trial.body or trial.text)
        if trial.outcome is not None:
            typer.echo(
                "delivered" if isinstance(trial.outcome, Delivered) else f"error: {trial.outcome.reason}", err=True
            )
    if trial.outcome is not None and not isinstance(trial.outcome, Delivered):
        raise typer.Exit(1)


def _act(
    kind: str,
    incident: str,
    by: str | None,
    data_dir: Any,
    clickhouse: str | None,
    *,
    as_json: bool,
    until: int | None = None,
    text: str = "",
) -> None:
    from sinks.alerts.incidents import ActionKind
    from streams.alert_actions import act, find_incident
    from streams.cli.output import print_json

    settings = _settings(data_dir, clickhouse)
    with _friendly():
        done = act(
            settings, _kind(ActionKind, kind), find_incident(settings, incident), _who(by), until=until, text=text
        )
    if as_json:
        print_json(_action_json(done))
    else:
        typer.echo(f"{done.kind}: {done.incident_id} by {done.acted_by}")


def _kind(kinds: "type[ActionKind]", name: str) -> "ActionKind":
    return kinds[name]


def _who(by: str | None) -> str:
    import getpass

    if by:
        return by
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise typer.BadParameter("nobody is logged in; say who it is", param_hint="--by") from None


def _duration_ms(text: str) -> int:
    match = _DURATION.fullmatch(text)
    milliseconds = (
        sum(int(part or 0) * unit for part, unit in zip(match.groups(), _UNITS_MS, strict=True)) if match else 0
    )
    if not milliseconds:
        raise typer.BadParameter(f"{text!r} is no duration; write such as 30m, 2h or 1d", param_hint="--for")
    return milliseconds


def _friendly() -> Any:
    from sinks.clickhouse.errors import SchemaMismatch, StoreUnavailable
    from streams.alert_actions import NoSuchIncident
    from streams.cli.output import friendly_errors
    from streams.settings import SettingsError

    return friendly_errors(SettingsError, StoreUnavailable, SchemaMismatch, NoSuchIncident)


def _settings(data_dir: Any, clickhouse: str | None) -> "Settings":
    from streams.settings import load_settings

    with _friendly():
        return load_settings(data_dir, clickhouse=clickhouse)


def _cause(incident: "IncidentRecord") -> str:
    return incident.cause.removeprefix(f"{incident.tenant} ")


def _as_json(incident: "IncidentRecord") -> dict[str, Any]:
    import msgspec

    found = msgspec.structs.asdict(incident)
    for name in ("content", "samples", "version"):
        del found[name]
    return found


def _notice_json(notice: "NoticeRecord") -> dict[str, Any]:
    import msgspec

    found = msgspec.structs.asdict(notice)
    for name in ("content", "version"):
        del found[name]
    return found


def _action_json(action: "ActionRecord") -> dict[str, Any]:
    import msgspec

    found = msgspec.structs.asdict(action)
    del found["version"]
    return found
