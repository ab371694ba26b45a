"""Which changes teams may want to know of."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from processors.diff import FactKind
from schemas.alerts import AlertIntent
from schemas.outputs import Friction
from schemas.touchpoint import AppliedTouchpoint
from streams.owner import PersonChanges

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Because(NamedTuple):
    """Why a friction is none any more: half a sentence in each language, without personal data."""

    en: str
    de: str


#: Nothing new is known of the person, and still the friction is gone.
JUDGED_ANEW: Final = Because(
    "judged anew, it is none: a deadline, a rule or an identity made the difference",
    "neu beurteilt ist es keine: eine Frist, eine Regel oder eine Identität gab den Ausschlag",
)
MERGED: Final = Because(
    "the customer turned out to be the same as another",
    "der Kunde ist derselbe wie ein anderer",
)
#: Says no more: whoever asks to be forgotten need not be known to have asked.
NOT_TO_BE_SHOWN: Final = Because("it may not be shown any more", "sie darf nicht mehr gezeigt werden")


def intents_for(
    changes: Iterable[PersonChanges],
    watermarks: Mapping[int, int | None],
    max_age_ms: int,
    arrivals: Mapping[str, AppliedTouchpoint] | None = None,
) -> list[AlertIntent]:
    """Alert intents of changes, in their order. `arrivals` are the touchpoints that came last, by person.

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
        because = because_of(change, (arrivals or {}).get(change.person_key))
        intents.extend(
            retracted(retraction.id, retraction.tenant, retraction.person_key, version, because)
            for retraction, version in change.retractions
            if retraction.kind is FactKind.FRICTION
        )
    return intents


def because_of(change: PersonChanges, arrived: AppliedTouchpoint | None) -> Because:
    """Why frictions of a person are withdrawn, as far as can be said: what came last, unless the person is gone.

    That it came is true; that it alone made the difference is not claimed.
    """
    if change.judgement is None:
        return MERGED
    if arrived is None:
        return JUDGED_ANEW
    touchpoint = arrived.touchpoint
    what = f"{touchpoint.kind} ({touchpoint.channel})" if touchpoint.channel else touchpoint.kind
    at = f"{_EPOCH + timedelta(milliseconds=arrived.event_time):%Y-%m-%d %H:%M} UTC"
    return Because(f"{what} of {at} did arrive", f"{what} vom {at} ist doch eingetroffen")


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
        nearest_miss_de=friction.evidence.nearest_miss_de,
    )


def retracted(
    friction_id: str, tenant: str, person_key: str, version: int, because: Because = JUDGED_ANEW
) -> AlertIntent:
    """Intent that says of a friction that it is none, and why."""
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
        because_en=because.en,
        because_de=because.de,
    )
