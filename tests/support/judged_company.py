"""The core over generated data, and the truth about them in the same words."""

from collections.abc import Iterator
from typing import NamedTuple

from processors.admission import AdmissionSettings, admit, owner_hash
from processors.friction.catalogue import default_rules
from processors.identifiers import hash_id
from processors.keyring import Key, Keyring
from processors.person import PersonState, judge, step
from processors.settings import CoreSettings
from schemas.json_form import milliseconds
from schemas.log import Position
from schemas.outputs import Friction, touchpoint_ref
from schemas.touchpoint import AppliedTouchpoint, Touchpoint, TouchpointKey
from streams.producing.generator import GeneratedCompany
from streams.producing.planted import PlantedFriction
from tests.support.generated import TrueOwners
from tests.support.touchpoints import DAY

PEPPER = b"only for tests, and long enough for one"
KEYRING = Keyring((Key(PEPPER),))
#: What the watermark may stay behind the newest touchpoint; the closing half hour of the data is longer.
ALLOWED_LATENESS = 600_000


class Found(NamedTuple):
    """A friction in the words of the truth."""

    rule_id: str
    person: str
    friction_id: str
    anchor_at: int
    variant: str
    severity_base: int
    status: str
    alertable: bool
    silenced_by: str | None


def as_found(friction: Friction) -> Found:
    """What was found."""
    base = next(int(part.value) for part in friction.evidence.severity_parts if part.name == "base")
    return Found(
        friction.rule_id,
        friction.person_key,
        friction.friction_id,
        friction.anchor_at,
        friction.variant,
        base,
        friction.status.value,
        friction.is_alertable,
        friction.silenced_by,
    )


def as_planted(friction: PlantedFriction) -> Found:
    """What must be found."""
    anchor = touchpoint_ref(TouchpointKey("default", friction.anchor.source, friction.anchor.id))
    return Found(
        friction.rule_id,
        person_key(friction.person),
        hash_id("friction", "default", friction.rule_id, anchor),
        friction.anchor_at,
        friction.variant,
        friction.severity_base,
        friction.status,
        friction.alertable,
        friction.silenced_by,
    )


def person_key(identity: str) -> str:
    """Key of the person with this raw identity and no other."""
    key = owner_hash(PEPPER, "default", identity, KEYRING.partitions)
    assert key is not None
    return key


def admitted(company: GeneratedCompany) -> Iterator[tuple[Touchpoint, AppliedTouchpoint]]:
    """Touchpoints as they are sent and as they are let in, in the order of sending."""
    append_time = milliseconds(company.truth.end) + DAY
    for offset, touchpoint in enumerate(company.touchpoints()):
        applied = admit(
            touchpoint,
            position=Position("touchpoints", 0, offset),
            append_time=append_time,
            schema_id=1,
            keyring=KEYRING,
            settings=AdmissionSettings(),
        )
        assert isinstance(applied, AppliedTouchpoint), applied
        yield touchpoint, applied


def judged(company: GeneratedCompany, *, by_identity: bool = False) -> list[Friction]:
    """Frictions of all persons once everything has arrived, in the order of sending.

    Persons are those of the truth, or else the strongest identities.
    """
    truth = company.truth
    owners = TrueOwners((person.identities for person in truth.people), truth.placeholders)
    states: dict[str, PersonState] = {}
    newest = 0
    for touchpoint, applied in admitted(company):
        key = applied.identity_hash if by_identity else person_key(owners.of(touchpoint.identities))
        step(states.setdefault(key, PersonState(touchpoint.tenant, key)), applied)
        newest = max(newest, applied.event_time)
    watermark = newest - ALLOWED_LATENESS
    rules = default_rules()
    return [
        friction for state in states.values() for friction in judge(state, rules, watermark, CoreSettings()).frictions
    ]
