"""What must be found in the examples of the rules, written down: `python -m streams.producing.example_truth`.

Run it after an example was added or changed, and read what it changes in `example_truth.jsonl`: from then on that is
what generated data say must be found. It refuses examples that do not come out as they say.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from processors.friction.catalogue import default_calendars, definitions
from processors.friction.definition import Example, RuleDefinition
from processors.friction.engine import compiled
from processors.friction.examples import applied, objecting_guards, tried, without
from processors.friction.finding import FrictionRule
from processors.identifiers import hash_id
from processors.person import judge, restore
from processors.settings import CoreSettings
from schemas.outputs import Friction, touchpoint_ref
from streams.producing.planted import DAY
from streams.producing.rule_examples import TRUTH_FILE, ExampleFriction, ExampleTruth, told_of

_PERSON: Final = "0" * 32
#: An example that is judged sooner shows what holds for a while only.
_IN_THE_END: Final = 400 * DAY


def truths() -> Iterator[ExampleTruth]:
    """What is true of every shipped example, in the order of the catalogue; not of those that hold for a while only.

    Raises:
        ValueError: an example does not come out as it says.

    """
    for definition in definitions():
        for example in definition.examples:
            if example.after == _IN_THE_END:
                yield truth_of(definition, example)


def truth_of(definition: RuleDefinition, example: Example) -> ExampleTruth:
    """What is true of an example.

    Raises:
        ValueError: it does not come out as it says.

    """
    story = _Story(definition, example)
    frictions = story.frictions(_rule(definition))
    shown = tuple(friction.variant for friction in frictions)
    if shown != example.fires:
        raise ValueError(f"{definition.id}: {example.says}: it shows as {shown}, and should show as {example.fires}")
    guard, silent = None, None if frictions else len(example.touchpoints)
    for objecting in objecting_guards(definition, example, _compiled)[:1]:
        usual = {friction.anchor for friction in frictions}
        bare = story.frictions(_rule(without(definition, (objecting,))))
        guard, silent = objecting.name, next(friction.anchor for friction in bare if friction.anchor not in usual)
    lasts = story.decided(_rule(definition), frictions) - story.first
    return ExampleTruth(
        rule_id=definition.id, says=example.says, lasts=lasts, frictions=frictions, guard=guard, silent=silent
    )


class _Story:
    """An example as it is planted, at the time of its rule file."""

    def __init__(self, definition: RuleDefinition, example: Example) -> None:
        touchpoints = told_of(example, (f"customer_no:{_PERSON}",), 0, "example")
        self.first = min(touchpoint.occurred_at for touchpoint in touchpoints)
        self._last = max(touchpoint.occurred_at for touchpoint in touchpoints)
        self._state = restore("default", _PERSON, map(applied, touchpoints))
        self._places = {
            hash_id("friction", "default", definition.id, touchpoint_ref(touchpoint.key)): place
            for place, touchpoint in enumerate(touchpoints, 1)
        }

    def frictions(self, rule: FrictionRule, watermark: int | None = None) -> tuple[ExampleFriction, ...]:
        """What a rule finds by a moment (UTC milliseconds), else in the end, in the order of the anchors."""
        end = self._last + _IN_THE_END if watermark is None else watermark
        found = judge(self._state, (rule,), end, CoreSettings()).frictions
        return tuple(map(self._told, sorted(found, key=lambda friction: friction.anchor_at)))

    def decided(self, rule: FrictionRule, frictions: tuple[ExampleFriction, ...]) -> int:
        """The moment from which on the rule finds just these, UTC milliseconds."""
        decided = now = self._last
        is_decided = self.frictions(rule, now) == frictions
        while (then := judge(self._state, (rule,), now, CoreSettings()).wake_at) and then <= self._last + _IN_THE_END:
            now = then
            was_decided, is_decided = is_decided, self.frictions(rule, now) == frictions
            if not was_decided:
                decided = now
        return decided

    def _told(self, friction: Friction) -> ExampleFriction:
        return ExampleFriction(
            anchor=self._places[friction.friction_id],
            variant=friction.variant,
            base=int(friction.evidence.severity_parts[0].value),
            status=friction.status.value,
            silenced_by=friction.silenced_by,
        )


def _compiled(definition: RuleDefinition) -> FrictionRule:
    return compiled(definition, default_calendars())


def _rule(definition: RuleDefinition) -> FrictionRule:
    return _compiled(tried(definition))


def as_text() -> str:
    """A line of JSON for every example."""
    return "".join(msgspec.json.encode(truth).decode() + "\n" for truth in truths())


if __name__ == "__main__":
    Path(__file__).with_name(TRUTH_FILE).write_text(as_text(), encoding="utf-8")
