"""The facts of one fold, told anew only where something changed since they were told the last time."""

from bisect import bisect_right

from processors.diff import Told
from processors.fold import Fold
from processors.friction.assessment import Assessment
from schemas.outputs import Journey, Session


class Telling:
    """What was told of one person and one fold, which may have grown since, but must not be another one.

    `deadlines` are all moments (UTC milliseconds) at which time alone may change a friction or a journey, sorted;
    `passed` is how many of them the watermark had reached. Both are as of the last call of `journeys`.
    """

    __slots__ = ("_assessment", "_changes", "_journeys", "_person_key", "_sessions", "deadlines", "passed")

    def __init__(self, person_key: str) -> None:
        self.deadlines: list[int] = []
        self.passed = 0
        self._person_key = person_key
        self._sessions: Told[Session] = Told((), {})
        self._journeys: Told[Journey] = Told((), {})
        self._assessment: Assessment | None = None
        self._changes = 0

    def sessions(self, fold: Fold) -> Told[Session]:
        """All sessions. Of those told before only the last one may have grown."""
        told, hashes = self._sessions
        done = max(0, len(told) - 1)
        fresh = [visit.stamped(self._person_key) for visit in fold.visits[done:]]
        if [session for session, _ in fresh] != list(told[done:]):
            facts = (*told[:done], *(session for session, _ in fresh))
            self._sessions = Told(facts, {**hashes, **{session.session_id: hash_ for session, hash_ in fresh}})
        return self._sessions

    def journeys(self, fold: Fold, assessment: Assessment, watermark: int) -> Told[Journey]:
        """All journeys as of the watermark, with what they have cost by the assessment."""
        settings, changes = fold.settings, fold.stitching.changes
        is_new = assessment is not self._assessment or changes != self._changes
        if is_new:
            closing = (strand.outline(settings).closes_at for strand in fold.stitching.journeys())
            self.deadlines = sorted((*assessment.deadlines, *closing))
            self._assessment, self._changes = assessment, changes
        passed = bisect_right(self.deadlines, watermark)
        if is_new or passed != self.passed:
            self.passed = passed
            minutes = assessment.ledger.journey_minutes
            facts: list[Journey] = []
            hashes: dict[str, int] = {}
            for strand in fold.stitching.journeys():
                effort_minutes = minutes.get(strand.outline(settings).journey_id, 0.0)
                journey, hashes[journey.journey_id] = strand.stamped(
                    self._person_key, settings, effort_minutes=effort_minutes, watermark=watermark
                )
                facts.append(journey)
            self._journeys = Told(tuple(facts), hashes)
        return self._journeys
