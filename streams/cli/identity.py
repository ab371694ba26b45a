"""`journeys identity`: whose an identity is and why, and statements about people: link, unlink, refold."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from streams.cli.addressing import AsJson, ClickHouse, DataDir, Kafka

if TYPE_CHECKING:
    from schemas.touchpoint import Touchpoint
    from streams.cli.identity_facts import PersonFacts
    from streams.settings import Settings

app = typer.Typer(
    help="Whose an identity is and why; link two that are the same human, unlink two that are not; refold a story.",
    no_args_is_help=True,
)
Tenant = Annotated[str, typer.Option("--tenant", help="The company or brand.")]
OneIdentity = Annotated[
    str, typer.Argument(metavar="A", help="namespace:value as producers send it, e.g. customer_no:4711.")
]
OtherIdentity = Annotated[str, typer.Argument(metavar="B", help="The other one, e.g. email:anna@example.org.")]

#: Source of the statements that are made here.
SOURCE: Final = "journeys-cli"
_LINKED: Final = "identity.linked"
_UNLINKED: Final = "identity.unlinked"
_SHOW_HELP = """Show whose an identity is, and why.

All identities of the person, the touchpoint that made each link between them, and links that were refused, with the
reason. Identities are shown as namespace and the first 8 characters of the hash; --json has all 32.
"""
_REVIEW_HELP = """List links that were not made and wait for a person.

The newest first; above them, what is wrong with identities at large. The tables hold hashes: who it was is known to the
source of the touchpoint that names both identities. Look it up there, then say with link or unlink what is right; a
pair that was unlinked is decided and is not listed.
"""
_UNLINK_HELP = """Say that two identities are not the same human.

They are kept apart on whatever path they were joined, until the two are linked again; what happened is told as if they
had never met. The last statement about a pair counts. Exit code 0: the broker has it; workers act on it within a few
flushes.
"""
_LINK_HELP = """Say that two identities are the same human.

Limits on how many identities of one kind a person may have do not stop it; a placeholder, a pair that was unlinked, and
the largest size of a person do. The last statement about a pair counts. Exit code 0: the broker has it; workers act on
it within a few flushes.
"""
_REFOLD_HELP = """Have what came too late taken into a person's story.

What arrives more than the history horizon (JOURNEYS_HISTORY_HORIZON_DAYS) after it happened is stored and not judged.
This takes in all of it that has arrived for the person by now, under any of their identities; what comes too late after
that waits for the next time. Journeys and frictions are published again. Exit code 0: the broker has the request;
workers act on it within a few flushes.
"""


@app.command("show", help=_SHOW_HELP)
def show(
    identity: Annotated[
        str, typer.Argument(metavar="IDENTITY", help="namespace:value, or an identity's hash as the tables show it.")
    ],
    tenant: Tenant = "default",
    data_dir: DataDir = None,
    clickhouse: ClickHouse = None,
    as_json: AsJson = False,
) -> None:
    """Show whose an identity is, and why."""
    from streams.cli.identity_facts import load_person
    from streams.cli.output import print_json
    from streams.store import reading_address
    from streams.timeline import find_person

    with _friendly():
        settings = _settings(data_dir, None, clickhouse)
        address = reading_address(settings)
        found = load_person(address, find_person(address, identity, tenant=tenant, keyring=settings.keyring()))
    if as_json:
        print_json(found)
    else:
        _print_person(found)


@app.command("review", help=_REVIEW_HELP)
def review(
    limit: Annotated[int, typer.Option("--limit", help="At most so many of each.", min=1)] = 100,
    reason: Annotated[str | None, typer.Option("--reason", metavar="R", help="Only links with this reason.")] = None,
    data_dir: DataDir = None,
    clickhouse: ClickHouse = None,
    as_json: AsJson = False,
) -> None:
    """List links that wait for a person."""
    from processors.identities import RefusalReason
    from streams.cli.identity_facts import load_incidents, load_review
    from streams.cli.output import print_json
    from streams.store import reading_address

    reasons = [known.value for known in RefusalReason if known.is_for_review]
    if reason is not None and reason not in reasons:
        raise typer.BadParameter(f"there is no reason {reason}; there are: {', '.join(reasons)}", param_hint="--reason")
    with _friendly():
        address = reading_address(_settings(data_dir, None, clickhouse))
        incidents = load_incidents(address, limit=limit)
        links = load_review(address, reason=reason, limit=limit)
    if as_json:
        print_json({"incidents": incidents, "links": links})
        return
    for incident in incidents:
        typer.echo(f"{incident['kind']}: {incident['sentence_en']}")
    if incidents:
        typer.echo("")
    _print_review(links)


@app.command("unlink", help=_UNLINK_HELP)
def unlink(
    one: OneIdentity,
    other: OtherIdentity,
    tenant: Tenant = "default",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    kafka: Kafka = None,
    as_json: AsJson = False,
) -> None:
    """Say that two identities are not the same human."""
    with _friendly():
        settings = _settings(data_dir, kafka, None)
        statement = _statement(_UNLINKED, {"A": one, "B": other}, tenant, settings)
    if not yes:
        typer.confirm(f"Keep {' and '.join(statement.identities)} apart?", abort=True, err=True)
    _send(settings, statement, as_json=as_json)


@app.command("link", help=_LINK_HELP)
def link(
    one: OneIdentity,
    other: OtherIdentity,
    tenant: Tenant = "default",
    data_dir: DataDir = None,
    kafka: Kafka = None,
    as_json: AsJson = False,
) -> None:
    """Say that two identities are the same human."""
    with _friendly():
        settings = _settings(data_dir, kafka, None)
        statement = _statement(_LINKED, {"A": one, "B": other}, tenant, settings)
    _send(settings, statement, as_json=as_json)


@app.command("refold", help=_REFOLD_HELP)
def refold(
    identity: Annotated[
        str, typer.Argument(metavar="IDENTITY", help="namespace:value as producers send it, e.g. customer_no:4711.")
    ],
    tenant: Tenant = "default",
    data_dir: DataDir = None,
    kafka: Kafka = None,
    as_json: AsJson = False,
) -> None:
    """Have what came too late taken into a person's story."""
    from processors.history import REFOLD_REQUESTED

    with _friendly():
        settings = _settings(data_dir, kafka, None)
        statement = _statement(REFOLD_REQUESTED, {"IDENTITY": identity}, tenant, settings)
    _send(settings, statement, as_json=as_json)


def _friendly() -> Any:
    from sinks.clickhouse.errors import SchemaMismatch, StoreUnavailable
    from sinks.clickhouse.questions import QuestionRefused
    from streams.cli.output import friendly_errors
    from streams.producing.producer import BrokerUnavailable, DeliveryFailed
    from streams.settings import SettingsError
    from streams.timeline import NobodyFound

    return friendly_errors(
        SettingsError, NobodyFound, QuestionRefused, StoreUnavailable, SchemaMismatch, BrokerUnavailable, DeliveryFailed
    )


def _settings(data_dir: Any, kafka: str | None, clickhouse: str | None) -> "Settings":
    from streams.settings import load_settings

    return load_settings(data_dir, kafka=kafka, clickhouse=clickhouse)


def _statement(kind: str, arguments: dict[str, str], tenant: str, settings: "Settings") -> "Touchpoint":
    """The touchpoint that says so, now; its id tells no more of the identities than their keyed hashes do.

    `arguments` are the identities by the names that the command has for them.
    """
    import hashlib
    import time

    from processors.admission import hash_identity
    from schemas.identities import usable_identities
    from schemas.touchpoint import Touchpoint

    admission = settings.admission()
    blocked = admission.blocked | admission.blocked_by_tenant.get(tenant, frozenset())
    for place, identity in arguments.items():
        if not usable_identities((identity,), blocked):
            raise typer.BadParameter(
                f"{identity!r} identifies nobody; expected namespace:value such as customer_no:4711", param_hint=place
            )
    usable = usable_identities(arguments.values(), blocked)
    if len(usable) < len(arguments):
        raise typer.BadParameter("the two are one and the same identity", param_hint="B")
    now_ms = time.time_ns() // 1_000_000
    secret = settings.keyring().keys[-1].secret
    hashes = (hash_identity(secret, tenant, namespace, value, settings.partitions) for namespace, value in usable)
    return Touchpoint(
        id=hashlib.sha256("\x1f".join([kind, *hashes, str(now_ms)]).encode()).hexdigest()[:32],
        source=SOURCE,
        kind=kind,
        occurred_at=now_ms,
        sent_at=now_ms,
        identities=tuple(f"{namespace}:{value}" for namespace, value in usable),
        tenant=tenant,
        actor="agent",
        direction="internal",
    )


def _send(settings: "Settings", statement: "Touchpoint", *, as_json: bool) -> None:
    from processors.history import REFOLD_REQUESTED
    from schemas.json_form import iso_time
    from schemas.outputs import touchpoint_ref
    from streams.cli.output import print_json
    from streams.producing.producer import TouchpointProducer

    with _friendly(), TouchpointProducer(settings.kafka) as producer:
        producer.send(statement)
    if as_json:
        told = {"kind": statement.kind, "touchpoint_key": touchpoint_ref(statement.key)}
        print_json(told | {"occurred_at": iso_time(statement.occurred_at)})
        return
    one = statement.identities[0]
    both = " and ".join(statement.identities)
    if statement.kind == _UNLINKED:
        typer.echo(f"{both} will be two people, on whatever path they were joined.")
    elif statement.kind == _LINKED:
        typer.echo(f"{both} will be one person, unless one is a placeholder or the two sides were unlinked.")
    else:
        typer.echo(f"What came too late for {one} so far will be part of the story.")
    typer.echo(f"said by {SOURCE}/{statement.id}; workers act on it within a few flushes, see:")
    look = "timeline" if statement.kind == REFOLD_REQUESTED else "identity show"
    typer.echo(f"  journeys wait\n  journeys {look} {one}")


def _print_person(found: "PersonFacts") -> None:
    from streams.cli.identity_facts import WHY, short
    from streams.cli.output import print_table
    from streams.cli.storytelling import counted

    many = "1 identity" if len(found.identities) == 1 else f"{len(found.identities)} identities"
    typer.echo(f"Person {found.person_key}: {many}, {counted(found.links, 'link')}, {len(found.refused)} refused\n")
    print_table(
        ["identity", "seen with", ""],
        [
            [short(one.identity), one.companions, "placeholder: nobody's" if one.is_placeholder else ""]
            for one in found.identities
        ],
    )
    if found.links:
        typer.echo("\nLinks")
        print_table(
            ["when", "kind", "identity", "other", "touchpoint"],
            [
                [said.at, said.kind.value, short(said.identity), short(said.other), said.touchpoint]
                for said in found.links
            ],
        )
    if found.refused:
        typer.echo("\nRefused")
        print_table(
            ["reason", "identity", "other", "said by", "why"],
            [
                [
                    refusal.reason.value,
                    short(refusal.identity),
                    short(refusal.other),
                    [f"{said.at} {said.kind.value} {said.touchpoint}".rstrip() for said in refusal.statements],
                    WHY[refusal.reason],
                ]
                for refusal in found.refused
            ],
        )


def _print_review(links: list[dict[str, Any]]) -> None:
    from processors.identities import RefusalReason
    from schemas.json_form import iso_time
    from streams.cli.identity_facts import WHY, short
    from streams.cli.output import print_table

    if not links:
        typer.echo("no links wait for review")
        return
    rows = [
        [
            "" if link["at"] is None else iso_time(link["at"]),
            link["reason"],
            short(link["identity"]),
            short(link["other"]),
            link["tenant"],
            f"{link['source']}/{link['id']}" if link["source"] else "",
        ]
        for link in links
    ]
    print_table(["when", "reason", "identity", "other", "tenant", "touchpoint"], rows)
    for reason in dict.fromkeys(link["reason"] for link in links):
        typer.echo(f"{reason}: {WHY[RefusalReason(reason)]}", err=True)
    typer.echo(
        "Look up the two identities where the touchpoint comes from (source/id), then say what is right:\n"
        "  journeys identity link A B       they are the same human\n"
        "  journeys identity unlink A B     they are not",
        err=True,
    )
