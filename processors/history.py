"""Which of a person's touchpoints are judged: not statements, and not what came too late, unless somebody asks for it.

A touchpoint that is appended more than the history horizon after it happened is stored and counted, but the story that
it belongs to has long been told, and perhaps acted upon. It is judged once a `history.refold_requested` for the person
is appended after it. All of that follows from the touchpoints alone, so it does not matter when somebody looks.
"""

from collections.abc import Collection
from typing import Final

from processors.kinds import CONTROL_KINDS
from schemas.touchpoint import AppliedTouchpoint

REFOLD_REQUESTED: Final = "history.refold_requested"


def is_too_late(applied: AppliedTouchpoint, horizon_ms: int) -> bool:
    """Whether a touchpoint was appended more than the horizon (milliseconds) after it happened; history never is."""
    return applied.ingestion_time - applied.event_time > horizon_ms and not applied.touchpoint.backfill


def judged(touchpoints: Collection[AppliedTouchpoint], horizon_ms: int) -> list[AppliedTouchpoint]:
    """Those of a person's touchpoints that are judged, in the order given."""
    requests = (one.ingestion_time for one in touchpoints if one.touchpoint.kind == REFOLD_REQUESTED)
    refolded_at = max(requests, default=None)
    return [
        one
        for one in touchpoints
        if one.touchpoint.kind not in CONTROL_KINDS
        and (not is_too_late(one, horizon_ms) or (refolded_at is not None and one.ingestion_time <= refolded_at))
    ]
