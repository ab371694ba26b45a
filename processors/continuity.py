"""Continuity: how much of a matter survives when the customer has to go from one place or team to another.

A journey is cut into legs. A leg begins when the customer opens something in another place than where the journey was
(`channel`), when they arrive where they were sent (`redirect`), and when the matter goes to another team (`transfer`);
what belongs to a conversation stays on the leg of that conversation. Looking around begins no leg and counts for none.
Every leg that follows another one is a switch. Its score is the mean of five components from 0 to 1, by their weights,
over those that are known:

- `reference`: 1 when the first touchpoint of the new leg names a case of the old one, its `thread_id` or its
  `redirect_ref`, or in `reply_to` or `caused_by` one of its touchpoints; else what the redirect or transfer says in
  `context_carried`; else 0. Unknown when the old leg had no case, thread or reference. A thread goes on in a transfer
  whoever takes over, so there it is no reference.
- `not_re_asked`: the share of the items given before on the journey (`items_provided`) that the new leg neither asks
  for (`items_requested`) nor takes again. Unknown when none were given.
- `handler`: 1 when the redirect or transfer was `warm`, or when the same agent or partner (`actor_id`) acts last before
  and first after; 0 when another one does, or when it was said not to be warm. Unknown when nobody is named.
- `first_answer`: 1 when the first act of the new leg that moves the matter comes within what a first-time contact waits
  on that channel (`ContinuityScale.first_answer_ms`), beyond that this time divided by the time taken. Unknown without
  such an act or such a time: how long nobody answers is not a matter of continuity.
- `identity`: 1 when the customer had identified themselves on the journey (`identity.verified`, `login.succeeded`) and
  the new leg wants no further proof (`identity.*`, `login.*`), 0 when it does. Unknown without proof before.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from processors.acts import is_answer, is_handoff, is_opening
from processors.contacts import Contact
from processors.entries import Entry
from processors.kinds import QUIET, REDIRECT, family
from processors.matters import CASE
from processors.settings import ContinuityScale

_PROOFS_OF_IDENTITY: Final = frozenset({"identity.verified", "identity.failed", "login.succeeded", "login.failed"})
_IDENTIFIED: Final = frozenset({"identity.verified", "login.succeeded"})
_HANDLERS: Final = frozenset({"agent", "partner"})


class SwitchKind(StrEnum):
    """What made the customer, or the matter, go elsewhere."""

    CHANNEL = "channel"
    TRANSFER = "transfer"
    REDIRECT = "redirect"


class Component(NamedTuple):
    """One part of a score: `value` from 0 to 1, `None` where the touchpoints do not tell."""

    name: str
    weight: float
    value: float | None


class Switch(NamedTuple):
    """From one leg to the next: `opening` is the first touchpoint of the new one, `before` the last of the old one.

    `via` is the redirect or the transfer, `from_team` who passed on or was last named on the old leg. `asked_again` are
    touchpoints of the new leg that ask for known items, each with their number.
    """

    kind: SwitchKind
    before: Entry
    opening: Entry
    via: Entry | None
    from_team: str | None
    from_channel: str
    to_channel: str
    components: tuple[Component, ...]
    asked_again: tuple[tuple[Entry, int], ...]

    @property
    def known(self) -> int:
        """Number of components that are known."""
        return sum(component.value is not None for component in self.components)

    @property
    def score(self) -> float | None:
        """From 0 to 1, `None` where no component is known."""
        return score_of(self.components)


def score_of(components: Iterable[Component]) -> float | None:
    """Mean of the known components by their weights, rounded to a ten-thousandth; `None` where none is known."""
    total = weights = 0.0
    for _, weight, value in components:
        if value is not None:
            total += weight * value
            weights += weight
    return round(total / weights, 4) if weights else None


def lowest_score(switches: Iterable[Switch], scale: ContinuityScale) -> float | None:
    """The worst score among switches that are known well enough, `None` where none is."""
    scores = (switch.score for switch in switches if switch.known >= scale.least_known)
    return min((score for score in scores if score is not None), default=None)


class _Leg:
    """A stretch of a journey in one place, in the hands of one team; `begun_by` is what follows from the leg before."""

    __slots__ = ("begun_by", "channel", "entries")

    def __init__(self, channel: str, begun_by: "_Beginning | None" = None) -> None:
        self.channel = channel
        self.begun_by = begun_by
        self.entries: list[Entry] = []


class _Beginning(NamedTuple):
    """How a leg began, and what the journey knew by then; `place` counts the acts of the journey before it."""

    kind: SwitchKind
    opening: Entry
    via: Entry | None
    source: _Leg
    source_acts: int
    place: int
    items_given: int
    is_identified: bool


class _Walk:
    """Cuts the acts of one journey, given in story order, into legs."""

    def __init__(self) -> None:
        self.legs: list[_Leg] = []
        #: Item to the number of acts before the one that gave it first.
        self.given: dict[str, int] = {}
        self._current: _Leg | None = None
        self._by_contact: dict[Contact, _Leg] = {}
        self._by_place: dict[str, _Leg] = {}
        self._awaited: dict[str, tuple[_Leg, Entry]] = {}
        self._acts = 0
        self._is_identified = False
        self._has_opened = False

    def take(self, entry: Entry) -> None:
        """The next act."""
        leg = self._leg_of(entry)
        leg.entries.append(entry)
        if entry.contact is not None:
            self._by_contact[entry.contact] = leg
        touchpoint = entry.touchpoint
        if entry.roles & REDIRECT and touchpoint.redirect_to is not None:
            target = family(touchpoint.redirect_to)
            if target != family(touchpoint.channel):
                self._awaited[target] = (leg, entry)
        for item in touchpoint.items_provided:
            self.given.setdefault(item, self._acts)
        self._is_identified |= touchpoint.kind in _IDENTIFIED
        self._acts += 1

    def _leg_of(self, entry: Entry) -> _Leg:
        """Where an act belongs; begins a leg where it begins one."""
        current = self._current
        touchpoint = entry.touchpoint
        place = family(touchpoint.channel)
        own = None if entry.contact is None else self._by_contact.get(entry.contact)
        if is_handoff(entry) and (source := own or current) is not None:
            return self._begin(source.channel, SwitchKind.TRANSFER, entry, entry, source)
        if is_opening(entry):
            is_first, self._has_opened = not self._has_opened, True
            sent = self._awaited.pop(place, None)
            if sent is not None:
                return self._begin(touchpoint.channel, SwitchKind.REDIRECT, entry, sent[1], sent[0])
            if current is not None and not is_first and place != family(current.channel):
                return self._begin(touchpoint.channel, SwitchKind.CHANNEL, entry, None, current)
            if current is None or is_first:
                return self._now(_Leg(touchpoint.channel))
            return current
        return own or self._by_place.get(place) or current or self._now(_Leg(touchpoint.channel))

    def _begin(self, channel: str, kind: SwitchKind, opening: Entry, via: Entry | None, source: _Leg) -> _Leg:
        beginning = _Beginning(
            kind, opening, via, source, len(source.entries), self._acts, len(self.given), self._is_identified
        )
        return self._now(_Leg(channel, beginning))

    def _now(self, leg: _Leg) -> _Leg:
        self.legs.append(leg)
        self._current = leg
        self._by_place[family(leg.channel)] = leg
        return leg


def switches_of(entries: Iterable[Entry], scale: ContinuityScale) -> tuple[Switch, ...]:
    """Every switch of one journey, whose entries are given in story order."""
    walk = _Walk()
    for entry in entries:
        if not entry.roles & QUIET:
            walk.take(entry)
    return tuple(_switch(leg, leg.begun_by, walk.given, scale) for leg in walk.legs if leg.begun_by is not None)


def _switch(leg: _Leg, begun: _Beginning, given: Mapping[str, int], scale: ContinuityScale) -> Switch:
    before = begun.source.entries[: begun.source_acts]
    asked_again = {entry: known for entry in leg.entries if (known := _items(entry, given, begun.place))}
    again = frozenset[str]().union(*asked_again.values())
    return Switch(
        kind=begun.kind,
        before=before[-1],
        opening=begun.opening,
        via=begun.via,
        from_team=_team(begun, before),
        from_channel=begun.source.channel,
        to_channel=leg.channel,
        components=(
            Component("reference", scale.reference_weight, _reference(begun, before)),
            Component(
                "not_re_asked",
                scale.not_re_asked_weight,
                None if begun.items_given == 0 else 1 - len(again) / begun.items_given,
            ),
            Component("handler", scale.handler_weight, _handler(begun, before, leg)),
            Component("first_answer", scale.first_answer_weight, _first_answer(begun, leg, scale)),
            Component("identity", scale.identity_weight, _identity(begun, leg)),
        ),
        asked_again=tuple((entry, len(items)) for entry, items in asked_again.items()),
    )


def _team(begun: _Beginning, before: list[Entry]) -> str | None:
    passed_on_by = begun.opening.touchpoint.from_team if begun.kind is SwitchKind.TRANSFER else None
    named = (team for entry in reversed(before) if (team := entry.touchpoint.team) is not None)
    return passed_on_by or next(named, None)


def _items(entry: Entry, given: Mapping[str, int], place: int) -> frozenset[str]:
    """Items that it asks for or takes although they were given before the leg began."""
    items = (*entry.touchpoint.items_requested, *entry.touchpoint.items_provided)
    return frozenset(item for item in items if given.get(item, place) < place)


def _reference(begun: _Beginning, before: list[Entry]) -> float | None:
    opening, via = begun.opening.touchpoint, begun.via
    cases = {key for entry in before for key in entry.keys if key[0] == CASE}
    references = {text for entry in before if (text := entry.touchpoint.redirect_ref) is not None}
    named = {opening.reply_to, opening.caused_by}
    if begun.kind is not SwitchKind.TRANSFER:
        references.update(text for entry in before if (text := entry.touchpoint.thread_id) is not None)
        named |= {opening.thread_id, opening.redirect_ref, *opening.objects}
    named_touchpoints = named & {entry.touchpoint.id for entry in before}
    if named_touchpoints or named & references or cases.intersection(begun.opening.keys):
        return 1.0
    carried = None if via is None else via.touchpoint.context_carried
    if carried is not None:
        return float(carried)
    return 0.0 if cases or references else None


def _handler(begun: _Beginning, before: list[Entry], leg: _Leg) -> float | None:
    warm = None if begun.via is None else begun.via.touchpoint.warm
    if warm:
        return 1.0
    one = next((name for entry in reversed(before) if (name := _handler_of(entry)) is not None), None)
    names = (_handler_of(entry) for entry in leg.entries if entry is not begun.via)
    other = next((name for name in names if name is not None), None)
    if one is not None and other is not None:
        return float(one == other)
    return None if warm is None else 0.0


def _handler_of(entry: Entry) -> str | None:
    return entry.touchpoint.actor_id if entry.touchpoint.actor in _HANDLERS else None


def _first_answer(begun: _Beginning, leg: _Leg, scale: ContinuityScale) -> float | None:
    expected = scale.first_answer_ms.get(leg.channel)
    answers = (entry for entry in leg.entries if entry is not begun.opening and is_answer(entry))
    answer = next(answers, None)
    if expected is None or answer is None:
        return None
    taken = answer.start - begun.opening.start
    return 1.0 if taken <= expected else expected / taken


def _identity(begun: _Beginning, leg: _Leg) -> float | None:
    if not begun.is_identified:
        return None
    return float(not any(entry.touchpoint.kind in _PROOFS_OF_IDENTITY for entry in leg.entries))
