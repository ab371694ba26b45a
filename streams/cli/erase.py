"""`journeys erase`: forget a person."""

from typing import Annotated

import typer

from streams.cli.addressing import DataDir, Kafka

HELP = """Forget the person with an identity, for good.

IDENTITY is namespace:value as producers send it, e.g. customer_no:4711. Everything known of the person under any of \
their identities is deleted from all tables, and nothing is taken under these any more, not in a replay either. It \
cannot be undone. The workers do it; see: journeys erasures."""


def command(
    identity: Annotated[str, typer.Argument(metavar="IDENTITY", help="namespace:value.")],
    tenant: Annotated[str, typer.Option(help="The company or brand.")] = "default",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    kafka: Kafka = None,
) -> None:
    """Send the request that a person be forgotten."""
    import time
    import uuid

    from processors.kinds import ERASE_REQUESTED
    from schemas.identities import usable_identities
    from schemas.touchpoint import Touchpoint
    from streams.cli.sending import fail
    from streams.producing.producer import BrokerUnavailable, DeliveryFailed, TouchpointProducer
    from streams.settings import SettingsError, load_settings

    if not usable_identities((identity,)):
        fail(f"{identity!r} identifies nobody; expected namespace:value such as customer_no:4711")
    if not yes:
        typer.confirm(f"Forget everything about {identity}? This cannot be undone", abort=True, err=True)
    request = Touchpoint(
        id=uuid.uuid4().hex,
        source="journeys-erase",
        kind=ERASE_REQUESTED,
        occurred_at=time.time_ns() // 1_000_000,
        identities=(identity,),
        tenant=tenant,
        actor="system",
    )
    try:
        with TouchpointProducer(load_settings(data_dir, kafka=kafka).kafka) as producer:
            producer.send(request)
    except (SettingsError, BrokerUnavailable, DeliveryFailed, ValueError) as error:
        fail(str(error))
    typer.echo(f"requested as {request.source}/{request.id}; what it takes out: journeys erasures")
