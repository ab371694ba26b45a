"""`journeys dead-letters`: records that could not be processed."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.addressing import AsJson, ClickHouse, DataDir, Kafka

if TYPE_CHECKING:
    from sinks.clickhouse.records import DeadLetterRecord
    from streams.settings import Settings

app = typer.Typer(
    help="Records that could not be processed: kept byte for byte, each once, with the reason.", no_args_is_help=True
)
Place = Annotated[
    str, typer.Argument(metavar="TOPIC/PARTITION/OFFSET", help="Which one, as `list` shows it, e.g. touchpoints/2/11.")
]


@app.command("list")
def list_letters(
    reason: Annotated[str | None, typer.Option(help="Only with this reason.")] = None,
    show_all: Annotated[bool, typer.Option("--all", help="Also those that were replayed.")] = False,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 100,
    data_dir: DataDir = None,
    clickhouse: ClickHouse = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the newest first."""
    from schemas.json_form import iso_time
    from schemas.log import REASONS
    from streams.cli.output import print_json, print_table

    _check_reason(reason)
    letters = _letters(_settings(data_dir, None, clickhouse), reason=reason, show_all=show_all, limit=limit)
    if as_json:
        print_json([_as_json(letter) for letter in letters])
        return
    if not letters:
        typer.echo("no dead letters")
        return
    rows = [
        [_place(letter), iso_time(letter.appended_at), letter.reason, letter.field, letter.detail, letter.state]
        for letter in letters
    ]
    print_table(["place", "received", "reason", "field", "detail", "state"], rows)
    for name in dict.fromkeys(letter.reason for letter in letters):
        typer.echo(f"{name}: {REASONS.get(name, 'unknown to this version')}", err=True)


@app.command("show")
def show(
    place: Place,
    data_dir: DataDir = None,
    kafka: Kafka = None,
    clickhouse: ClickHouse = None,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter with its bytes. They may hold personal data."""
    import base64

    from streams.cli.output import print_json

    settings = _settings(data_dir, kafka, clickhouse)
    letter = _find(settings, place)
    raw = _payload(settings, letter).value
    found = _as_json(letter) | {"raw_base64": None if raw is None else base64.b64encode(raw).decode()}
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        if name != "raw_base64":
            typer.echo(f"{name:<18} {'' if value is None else value}")
    typer.echo(_hex_dump(raw or b""))


@app.command("replay")
def replay(
    place: Annotated[str | None, typer.Argument(metavar="TOPIC/PARTITION/OFFSET", help="Which one.")] = None,
    all_open: Annotated[bool, typer.Option("--all", help="Every open one.")] = False,
    reason: Annotated[str | None, typer.Option(help="With --all: only with this reason.")] = None,
    data_dir: DataDir = None,
    kafka: Kafka = None,
    clickhouse: ClickHouse = None,
    as_json: AsJson = False,
) -> None:
    """Send dead letters through the normal path again, with their original bytes and key.

    What is still wrong becomes a new dead letter. Replay after the cause is mended: a schema added, a producer fixed.
    Exit code 1: some could not be sent; the others were.
    """
    from streams.cli.output import print_json
    from streams.dead_letters import replay_letters

    if (place is None) == (not all_open):
        raise typer.BadParameter("name one dead letter, or --all")
    if reason is not None and not all_open:
        raise typer.BadParameter("--reason goes with --all")
    _check_reason(reason)
    settings = _settings(data_dir, kafka, clickhouse)
    if place is not None:
        letters = [_find(settings, place)]
    else:
        letters = _letters(settings, reason=reason, show_all=False, limit=1_000_000)
    with _friendly():
        done = replay_letters(settings, letters)
    failures = {_place(letter): why for letter, why in done.failures}
    if as_json:
        print_json({"replayed": done.sent, "failures": failures})
    else:
        typer.echo(f"{done.sent} replayed")
    for name, why in failures.items():
        typer.echo(f"error: {name}: {why}", err=True)
    if failures:
        raise typer.Exit(1)


def _check_reason(reason: str | None) -> None:
    from schemas.log import REASONS

    if reason is not None and reason not in REASONS:
        raise typer.BadParameter(f"there is no reason {reason}; there are: {', '.join(REASONS)}", param_hint="--reason")


def _friendly() -> Any:
    from kafka.errors import KafkaError

    from sinks.clickhouse.errors import SchemaMismatch, StoreUnavailable
    from streams.cli.output import friendly_errors
    from streams.dead_letters import PayloadGone
    from streams.settings import SettingsError

    return friendly_errors(SettingsError, StoreUnavailable, SchemaMismatch, PayloadGone, KafkaError)


def _settings(data_dir: Any, kafka: str | None, clickhouse: str | None) -> "Settings":
    from streams.settings import load_settings

    with _friendly():
        return load_settings(data_dir, kafka=kafka, clickhouse=clickhouse)


def _letters(settings: "Settings", *, reason: str | None, show_all: bool, limit: int) -> "list[DeadLetterRecord]":
    from streams.dead_letters import list_letters

    with _friendly():
        return list_letters(settings, reason=reason, state=None if show_all else "open", limit=limit)


def _find(settings: "Settings", place: str) -> "DeadLetterRecord":
    from streams.dead_letters import find_letter

    parts = place.rsplit("/", 2)
    if len(parts) != 3 or not parts[1].isdigit() or not parts[2].isdigit():
        raise typer.BadParameter(f"expected TOPIC/PARTITION/OFFSET, got {place!r}")
    with _friendly():
        letter = find_letter(settings, parts[0], int(parts[1]), int(parts[2]))
    if letter is None:
        typer.echo(f"error: there is no dead letter at {place}; see: journeys dead-letters list --all", err=True)
        raise typer.Exit(1)
    return letter


def _payload(settings: "Settings", letter: "DeadLetterRecord") -> Any:
    from streams.dead_letters import read_payload

    with _friendly():
        return read_payload(settings.kafka, letter)


def _place(letter: "DeadLetterRecord") -> str:
    return f"{letter.topic}/{letter.partition}/{letter.offset}"


def _as_json(letter: "DeadLetterRecord") -> dict[str, Any]:
    import msgspec

    return {"place": _place(letter)} | msgspec.structs.asdict(letter)


def _hex_dump(raw: bytes, limit: int = 512) -> str:
    lines = []
    for start in range(0, min(len(raw), limit), 16):
        part = raw[start : start + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{start:06x}  {part.hex(' '):<47}  {text}")
    if len(raw) > limit:
        lines.append(f"... {len(raw) - limit} more bytes; --json has all of them")
    return "\n".join(lines)
