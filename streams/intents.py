"""Which changes teams may want to know of."""

from collections.abc import Iterable, Mapping

from processors.diff import FactKind
from schemas.alerts import AlertIntent
from schemas.outputs import Friction
from streams.owner import PersonChanges


def intents_for(
    changes: Iterable[PersonChanges], watermarks: Mapping[int, int | None], max_age_ms: int
) -> list[AlertIntent]:
    """Alert intents of changes, in their order.

    An intent may repeat an earlier one, for instance after a restart: the ledger of who delivers decides. Frictions
    which opened more than `max_age_ms` behind the watermark come too late to help anybody and are left out.
    """
    intents: list[AlertIntent] = []
    for change in changes:
        watermark = watermarks.get(change.partition)
        oldest = watermark - max_age_ms if watermark is not None else None
        intents.extend(
            opened(fact, version)
            for fact, version in change.upserts
            if isinstance(fact, Friction) and fact.is_alertable and (oldest is None or fact.opened_at >= oldest)
        )
        intents.extend(
            retracted(retraction.id, retraction.tenant, retraction.person_key, version)
            for retraction, version in change.retractions
            if retraction.kind is FactKind.FRICTION
        )
    return intents


def opened(friction: Friction, version: int) -> AlertIntent:
    """Intent that tells of a friction as it is now."""
    return AlertIntent(
        action="open",
        friction_id=friction.friction_id,
        version=version,
        tenant=friction.tenant,
        rule_id=friction.rule_id,
        variant=friction.variant,
        severity=friction.severity,
        team=friction.owner_team or friction.team,
        topic=friction.topic,
        from_channel=friction.from_channel,
        to_channel=friction.to_channel,
        anchor_at=friction.anchor_at,
        minutes=friction.minutes,
        person_key=friction.person_key,
        journey_id=friction.journey_id,
        sentence_en=friction.sentence_en,
        sentence_de=friction.sentence_de,
        evidence=friction.evidence.touchpoints,
        nearest_miss=friction.evidence.nearest_miss,
    )


def retracted(friction_id: str, tenant: str, person_key: str, version: int) -> AlertIntent:
    """Intent that says of a friction that it is none."""
    return AlertIntent(
        action="retract",
        friction_id=friction_id,
        version=version,
        tenant=tenant,
        rule_id="",
        variant="",
        severity=0,
        team=None,
        topic=None,
        from_channel=None,
        to_channel=None,
        anchor_at=0,
        minutes=0.0,
        person_key=person_key,
        journey_id="",
        sentence_en="",
        sentence_de="",
        evidence=(),
        nearest_miss="",
    )
