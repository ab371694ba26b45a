"""Planted stories: one person's touchpoints, and beside them what the rules must find in them and what not."""

from collections.abc import Callable
from random import Random
from typing import Any, Final

import msgspec

from schemas.touchpoint import Touchpoint
from streams.producing.company import AGENTS, CRM, QUEUES, SYSTEMS, TOPICS

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


class Anchor(msgspec.Struct, frozen=True):
    """Source and id of a touchpoint."""

    source: str
    id: str


class PlantedFriction(msgspec.Struct, frozen=True, kw_only=True):
    """A friction that must be found, and how. `anchor_at` is UTC milliseconds; `severity_base` is before modifiers."""

    scenario: str
    rule_id: str
    variant: str
    person: str
    anchor: Anchor
    anchor_at: int
    severity_base: int
    status: str
    alertable: bool
    silenced_by: str | None


class SilentCase(msgspec.Struct, frozen=True, kw_only=True):
    """A place at which a rule must not fire, and the reason why not."""

    scenario: str
    rule_id: str
    person: str
    touchpoint: Anchor
    reason: str


class PlantedExample(msgspec.Struct, frozen=True, kw_only=True):
    """A person who lives through the example of a rule that `says` so, and through nothing else."""

    rule_id: str
    says: str
    person: str


class Script:
    """Writes one person's story; times are milliseconds since `start`."""

    def __init__(self, scenario: str, person: str, start: int, make_id: Callable[[], str], rng: Random) -> None:
        self.rng = rng
        self.topic = rng.choice(list(TOPICS))
        self.touchpoints: list[Touchpoint] = []
        self.frictions: list[PlantedFriction] = []
        self.silent: list[SilentCase] = []
        #: Fields of every touchpoint that is added from now on.
        self.everywhere: dict[str, Any] = {"identities": (person,), "topic": self.topic}
        self._scenario = scenario
        self._person = person
        self._start = start
        self._make_id = make_id

    def known_as(self, *identities: str) -> None:
        """What is known of the person in every touchpoint that is added from now on, strongest first."""
        self.everywhere["identities"] = identities

    def talk_about(self, topic: str) -> None:
        """What every touchpoint that is added from now on is about."""
        self.topic = self.everywhere["topic"] = topic

    def moment(self, at: int) -> int:
        """UTC milliseconds of a time of this script."""
        return self._start + at

    def object(self, type_: str) -> str:
        """An object that nobody else has, `type:id`."""
        return f"{type_}:{self._make_id()}"

    def customer(self, kind: str, channel: str, at: int, **fields: Any) -> Touchpoint:
        """What the customer does."""
        return self._add(kind, channel, at, {"actor": "customer", "direction": "inbound"} | fields)

    def agent(self, kind: str, channel: str, at: int, **fields: Any) -> Touchpoint:
        """What somebody of the company does towards the customer."""
        team = TOPICS[self.topic]
        own = {"actor": "agent", "actor_id": self.rng.choice(AGENTS), "direction": "outbound", "team": team}
        return self._add(kind, channel, at, own | fields)

    def solve(self, at: int) -> Touchpoint:
        """The company closes the matter with a solution."""
        return self.agent("case.resolved", "other", at, direction="internal", source=CRM)

    def contact(self, channel: str, at: int, *, lasts: int = 0, outcome: str = "pending", **fields: Any) -> Touchpoint:
        """A contact of the customer; one that lasts is a conversation that ends with `outcome`."""
        kinds = {"email": "message.received", "social": "social.posted", "store": "visit.started"}
        if not lasts:
            return self.customer(kinds.get(channel, "contact.started"), channel, at, **fields)
        thread = self._make_id()
        place = self.rng.choice(QUEUES) if channel == "phone" else None
        first = self.customer(
            kinds.get(channel, "contact.started"), channel, at, thread_id=thread, touchpoint=place, **fields
        )
        self.agent("contact.ended", channel, at + lasts, thread_id=thread, outcome=outcome, active_ms=lasts)
        return first

    def redirect(self, channel: str, to: str | None, at: int, **fields: Any) -> Touchpoint:
        """The company sends the customer from one channel to another."""
        return self.agent("contact.redirected", channel, at, **({"redirect_to": to} | fields))

    def found(
        self, rule_id: str, variant: str, anchor: Touchpoint, base: int, *, status: str = "open", silenced: str = ""
    ) -> None:
        """The rule must find this."""
        self.frictions.append(
            PlantedFriction(
                scenario=self._scenario,
                rule_id=rule_id,
                variant=variant,
                person=self._person,
                anchor=Anchor(anchor.source, anchor.id),
                anchor_at=anchor.occurred_at,
                severity_base=base,
                status=status,
                alertable=not silenced,
                silenced_by=silenced or None,
            )
        )

    def nothing(self, rule_id: str, touchpoint: Touchpoint, reason: str) -> None:
        """The rule must not fire at this touchpoint."""
        anchor = Anchor(touchpoint.source, touchpoint.id)
        self.silent.append(
            SilentCase(scenario=self._scenario, rule_id=rule_id, person=self._person, touchpoint=anchor, reason=reason)
        )

    def _add(self, kind: str, channel: str, at: int, fields: dict[str, Any]) -> Touchpoint:
        known = {"source": SYSTEMS.get(channel, CRM)} | self.everywhere | fields
        touchpoint = Touchpoint(id=self._make_id(), kind=kind, channel=channel, occurred_at=self.moment(at), **known)
        self.touchpoints.append(touchpoint)
        return touchpoint
