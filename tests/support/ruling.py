"""Rules made in a test: a definition in a few words, and what it finds."""

from collections.abc import Mapping
from typing import Any

import yaml

from processors.diff import Judgement
from processors.friction.definition import Calendars, RuleDefinition
from processors.friction.engine import compiled
from processors.friction.engine.clock import ALWAYS_OPEN
from processors.friction.finding import FrictionRule
from processors.person import judge, restore
from processors.settings import CoreSettings
from schemas.outputs import Friction
from schemas.touchpoint import AppliedTouchpoint
from tests.support.touchpoints import ANNA, DAY, TENANT, happened


def definition(pattern: str | Mapping[str, Any], **more: Any) -> RuleDefinition:
    """Definition with one pattern (YAML or its value) and one variant `it`, unless `more` says otherwise."""
    told = yaml.safe_load(pattern) if isinstance(pattern, str) else dict(pattern)
    told.setdefault("variants", ["it"])
    more.setdefault("variants", [variant("it")])
    return RuleDefinition.model_validate(
        {
            "id": "made_up",
            "title": "made up",
            "version": 1,
            "effective_from": "2000-01-01T00:00:00Z",
            "source": "none",
            "patterns": [told],
            "examples": [
                {"says": "all", "fires": [one["name"] for one in more["variants"]], "touchpoints": [{"at": "0h"}]},
                {"says": "none", "touchpoints": [{"at": "0h"}]},
            ],
            **more,
        }
    )


def variant(name: str, base: int = 2, **more: Any) -> dict[str, Any]:
    """A variant with sentences."""
    return {"name": name, "base": base, "sentence_en": "It.", "sentence_de": "Es.", **more}


def made(pattern: str | Mapping[str, Any], *, calendars: Calendars = ALWAYS_OPEN, **more: Any) -> FrictionRule:
    """The rule of `definition`."""
    return compiled(definition(pattern, **more), calendars)


def judged_by(rule: FrictionRule, *touchpoints: AppliedTouchpoint, watermark: int | None = None) -> Judgement:
    """What holds for Anna by one rule; the watermark is a year after the last touchpoint unless one is given."""
    latest = max(applied.event_time for applied in touchpoints) + 365 * DAY
    state = restore(TENANT, ANNA, touchpoints)
    return judge(state, (rule,), latest if watermark is None else watermark, CoreSettings())


def found_by(rule: FrictionRule, *touchpoints: AppliedTouchpoint, watermark: int | None = None) -> list[Friction]:
    """Frictions that one rule finds."""
    return list(judged_by(rule, *touchpoints, watermark=watermark).frictions)


def numbered(kind: str, *moments: int, **fields: Any) -> list[AppliedTouchpoint]:
    """Touchpoints of a kind at moments (UTC milliseconds), each with an id of its own."""
    return [happened(kind, at, id=f"{kind}-{number}-{at}", **fields) for number, at in enumerate(moments)]
