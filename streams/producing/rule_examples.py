"""Stories made of the examples in the rule files: what every rule finds, and what every guard keeps it from finding.

What must be found in an example stands in `example_truth.jsonl`, which people read when it changes. So nothing that is
planted is expected only because the rules find it just now.
"""

from collections.abc import Sequence
from importlib.resources import files
from random import Random
from typing import Any, Final, NamedTuple

import msgspec

from processors.friction.catalogue import default_calendars, definitions
from processors.friction.definition import Calendar, Example, RuleDefinition, Span
from processors.friction.examples import touchpoint_of
from schemas.touchpoint import TIME_FIELDS, Touchpoint
from streams.producing.company import CRM
from streams.producing.planted import DAY, HOUR, PlantedExample, Script

TRUTH_FILE: Final = "example_truth.jsonl"
_WEEK: Final = 7 * DAY
#: A week that begins at the same hour of the day on both sides of a clock change is an hour longer or shorter.
_CLOCK_CHANGES: Final = (0, -HOUR, HOUR)


class ExampleFriction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a rule must find in an example; `anchor` is the place of the touchpoint there, from one on."""

    anchor: int
    variant: str
    base: int
    status: str = "open"
    silenced_by: str | None = None


class ExampleTruth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What must be found in the example of a rule that `says` so, by this rule.

    `lasts` is milliseconds from its first touchpoint until nothing changes any more. `guard` names the guard that
    objects, `silent` the place, from one on, at which the rule would fire otherwise.
    """

    rule_id: str
    says: str
    lasts: int
    frictions: tuple[ExampleFriction, ...] = ()
    guard: str | None = None
    silent: int | None = None

    @property
    def shows(self) -> set[tuple[str, str]]:
        """Variants and guards of the rule that the example is about."""
        shown = {("variant", friction.variant) for friction in self.frictions}
        return shown if self.guard is None else shown | {("guard", self.guard)}


class RuleExample(NamedTuple):
    """An example of a rule, and what must be found in it."""

    definition: RuleDefinition
    example: Example
    truth: ExampleTruth

    @property
    def scenario(self) -> str:
        """How the truth of generated data names it."""
        return f"{self.definition.id}: {self.example.says}"

    @property
    def first(self) -> int:
        """When it begins in its rule file, UTC milliseconds."""
        return min(touchpoint.occurred_at for touchpoint in touchpoints_of(self.example))

    def planted(self, person: str) -> PlantedExample:
        """What the truth says of the person who lives through it."""
        return PlantedExample(rule_id=self.definition.id, says=self.example.says, person=person)

    @property
    def runs_in_opening_hours(self) -> bool:
        """Whether what holds depends on the day and the hour."""
        return any(pattern.absence and pattern.absence.clock == "business" for pattern in self.definition.patterns)


def rule_examples() -> list[RuleExample]:
    """All examples of which the truth is written down, in the order of the catalogue."""
    lines = (files("streams.producing") / TRUTH_FILE).read_bytes()
    truths = {(truth.rule_id, truth.says): truth for truth in msgspec.json.Decoder(ExampleTruth).decode_lines(lines)}
    return [
        RuleExample(definition, example, truths[definition.id, example.says])
        for definition in definitions()
        for example in definition.examples
        if (definition.id, example.says) in truths
    ]


def most_telling_first(examples: Sequence[RuleExample], rng: Random) -> list[RuleExample]:
    """The examples in random order, but first those that show a rule, a variant or a guard that none before shows."""
    shuffled = rng.sample(examples, len(examples))
    seen: set[tuple[str, str, str]] = set()
    first: list[RuleExample] = []
    others: list[RuleExample] = []
    for one in shuffled:
        new = {(one.definition.id, *shown) for shown in one.truth.shows} - seen
        seen |= new
        (first if new else others).append(one)
    return first + others


def touchpoints_of(example: Example) -> list[Touchpoint]:
    """Touchpoints of an example, as it has them."""
    return [touchpoint_of(said, number) for number, said in enumerate(example.touchpoints)]


def told_of(example: Example, identities: tuple[str, ...], shift: int, own: str) -> list[Touchpoint]:
    """An example as the story of a person: `shift` milliseconds later, and all ids begin with `own`.

    All come from one system, and their ids keep those that happened at once in the order of the example.
    """
    return [
        _told(touchpoint, f"{own}-{number:02d}", own, identities, shift)
        for number, touchpoint in enumerate(touchpoints_of(example), 1)
    ]


def _told(touchpoint: Touchpoint, id_: str, own: str, identities: tuple[str, ...], shift: int) -> Touchpoint:
    changed: dict[str, Any] = {"id": id_, "source": CRM, "identities": identities}
    for name in TIME_FIELDS:
        if (moment := getattr(touchpoint, name)) is not None:
            changed[name] = moment + shift
    for name in ("thread_id", "promise_id"):
        if value := getattr(touchpoint, name):
            changed[name] = f"{own}-{value}"
    # The new part stands at the front of the id: order:1:2 is a part of order:1, and must stay one.
    changed["objects"] = tuple(text.replace(":", f":{own}-", 1) for text in touchpoint.objects)
    return msgspec.structs.replace(touchpoint, **changed)


class Places:
    """Where in a span, UTC milliseconds, an example can be told so that it comes out as it does in its rule file."""

    def __init__(self, earliest: int, latest: int) -> None:
        self._earliest = earliest
        self._latest = latest
        self._weeks: dict[tuple[frozenset[str], int, int], list[int]] = {}

    def has_room(self, one: RuleExample) -> bool:
        """Whether there is any place for it."""
        least, most = self._bounds(one)
        return least <= most and (not one.runs_in_opening_hours or bool(self._weeks_like(one)))

    def shift(self, one: RuleExample, rng: Random) -> int:
        """How much later than in its file an example is told for which there is room, milliseconds."""
        return rng.choice(self._weeks_like(one)) if one.runs_in_opening_hours else rng.randint(*self._bounds(one))

    def _bounds(self, one: RuleExample) -> tuple[int, int]:
        return self._earliest - one.first, self._latest - one.first - one.truth.lasts

    def _weeks_like(self, one: RuleExample) -> list[int]:
        """Shifts by whole weeks after which its channels are open at the same hours as in its file."""
        channels = frozenset(touchpoint.channel for touchpoint in touchpoints_of(one.example))
        least, most = self._bounds(one)
        known = self._weeks.get((channels, one.first, one.truth.lasts))
        if known is None:
            shifts = (
                week * _WEEK + change for week in range(least // _WEEK, most // _WEEK + 2) for change in _CLOCK_CHANGES
            )
            calendars = {default_calendars().of(channel) for channel in channels}
            hours = one.truth.lasts // HOUR + 1
            known = self._weeks[channels, one.first, one.truth.lasts] = [
                shift
                for shift in shifts
                if least <= shift <= most
                and all(_is_alike(calendar, one.first, hours, shift) for calendar in calendars)
            ]
        return known


def _is_alike(calendar: Calendar, first: int, hours: int, shift: int) -> bool:
    """Whether the opening hours from a moment on, so many hours long, are the same so much later."""
    for number in range(hours + 1):
        start = first + number * HOUR
        for span in (Span(ms=1), Span(ms=HOUR)):
            if calendar.add(start + shift, span) != calendar.add(start, span) + shift:
                return False
    return True


def tell(one: RuleExample, script: Script, shift: int, own: str) -> None:
    """Write an example into a script, with what must be found in it and what not; all its ids begin with `own`."""
    script.touchpoints.extend(told_of(one.example, script.everywhere["identities"], shift, own))
    for friction in one.truth.frictions:
        anchor = script.touchpoints[friction.anchor - 1]
        script.found(
            one.definition.id,
            friction.variant,
            anchor,
            friction.base,
            status=friction.status,
            silenced=friction.silenced_by or "",
        )
    if one.truth.silent is not None:
        script.nothing(one.definition.id, script.touchpoints[one.truth.silent - 1], one.truth.guard or one.example.says)
