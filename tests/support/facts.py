"""Builders of published facts for tests: complete, and different in what a test names."""

from typing import Any, NamedTuple

import msgspec

from schemas.outputs import (
    Check,
    EffortKind,
    EffortPosting,
    Evidence,
    Friction,
    FrictionStatus,
    Journey,
    JourneyStatus,
    Person,
    Session,
)
from tests.support.touchpoints import ANNA, MINUTE, MONDAY, TENANT


class Withdrawn(NamedTuple):
    """A fact that no longer holds."""

    id: str
    tenant: str
    person_key: str


_SESSION = Session(
    session_id="5e55",
    tenant=TENANT,
    person_key=ANNA,
    started_at=MONDAY,
    ended_at=MONDAY + 90_000,
    touches=2,
    channels=("web", "phone"),
    first_touchpoint="default/shop/1",
    last_touchpoint="default/hotline/2",
)
_JOURNEY = Journey(
    journey_id="70a1",
    tenant=TENANT,
    person_key=ANNA,
    status=JourneyStatus.CLOSED,
    opened_at=MONDAY,
    last_event_at=MONDAY + 90 * MINUTE,
    closed_at=MONDAY + 100 * MINUTE,
    topic="billing",
    channels=("social", "web"),
    first_channel="social",
    last_channel="web",
    touches=3,
    contacts=2,
    handoffs=1,
    redirects=1,
    handoff_chain=("care", "billing"),
    redirect_chain=("social", "web"),
    continuity=0.25,
    wait_minutes=2.5,
    effort_minutes=12.25,
    effort_budget_minutes=30.0,
    outcome="ok",
    objects=("case:1",),
    open_promises=1,
    touchpoint_keys=("default/shop/1", "default/a%2Fb/2"),
)
_FRICTION = Friction(
    friction_id="f1c7",
    tenant=TENANT,
    rule_id="channel_redirect",
    rule_version=1,
    variant="followed",
    status=FrictionStatus.OPEN,
    severity=3,
    person_key=ANNA,
    journey_id="70a1",
    anchor_at=MONDAY,
    opened_at=MONDAY + MINUTE,
    from_channel="social",
    to_channel="web",
    team="care",
    topic=None,
    minutes=5.5,
    evidence=Evidence(
        rule_id="channel_redirect",
        rule_version=1,
        rule_hash="ab",
        touchpoints=("default/shop/1", "default/shop/2"),
        checks=(Check("arrival_h", "3.5", "48", passed=True),),
        guards=(Check("reason", "none", "customer_request", passed=False),),
        severity_parts=(Check("base", "3", "", passed=True),),
        nearest_miss="would not have fired had the arrival come 44 h 30 min later",
    ),
    sentence_en="A customer was sent from social to web.",
    sentence_de="Ein Kunde wurde von Social ins Web geschickt.",
    is_alertable=True,
    silenced_by=None,
)
_POSTING = EffortPosting(
    posting_id="e0f7",
    tenant=TENANT,
    person_key=ANNA,
    journey_id="70a1",
    friction_id="f1c7",
    cause="channel_redirect",
    kind=EffortKind.SWITCH,
    minutes=3.0,
    is_measured=False,
    team="care",
    voucher="default/shop/1",
    posted_at=MONDAY,
)
_PERSON = Person(
    person_key=ANNA,
    tenant=TENANT,
    merged_into=None,
    first_seen_at=MONDAY,
    last_seen_at=MONDAY + MINUTE,
    touchpoints=3,
    contacts=2,
    sessions=1,
    journeys=1,
    frictions=1,
    effort_minutes=12.25,
    next_deadline=MONDAY + 60 * MINUTE,
)


def session(**fields: Any) -> Session:
    """Session of Anna on a Monday."""
    return msgspec.structs.replace(_SESSION, **fields)


def journey(**fields: Any) -> Journey:
    """Closed journey of Anna from social to web."""
    return msgspec.structs.replace(_JOURNEY, **fields)


def friction(**fields: Any) -> Friction:
    """Redirect of Anna from social to web, followed."""
    return msgspec.structs.replace(_FRICTION, **fields)


def posting(**fields: Any) -> EffortPosting:
    """Three minutes of Anna for changing the channel."""
    return msgspec.structs.replace(_POSTING, **fields)


def person(**fields: Any) -> Person:
    """Anna."""
    return msgspec.structs.replace(_PERSON, **fields)
