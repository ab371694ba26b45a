"""Judging a handful of touchpoints in one line."""

from collections.abc import Iterable

from processors.diff import Judgement
from processors.friction.catalogue import default_rules
from processors.person import judge, restore
from processors.settings import CoreSettings
from schemas.outputs import Check, Friction
from schemas.touchpoint import AppliedTouchpoint
from tests.support.touchpoints import ANNA, TENANT

RULES = default_rules()


def judged(
    *touchpoints: AppliedTouchpoint, watermark: int | None = None, settings: CoreSettings | None = None
) -> Judgement:
    """What holds for Anna after these touchpoints; the watermark is the latest of them unless one is given."""
    latest = max(applied.event_time for applied in touchpoints)
    state = restore(TENANT, ANNA, touchpoints)
    return judge(state, RULES, latest if watermark is None else watermark, settings or CoreSettings())


def frictions(
    rule_id: str, touchpoints: Iterable[AppliedTouchpoint], *, watermark: int | None = None
) -> list[Friction]:
    """Frictions of one rule that these touchpoints make."""
    judgement = judged(*touchpoints, watermark=watermark)
    return [friction for friction in judgement.frictions if friction.rule_id == rule_id]


def named(checks: Iterable[Check], name: str) -> Check:
    """The check of that name."""
    return next(check for check in checks if check.name == name)
