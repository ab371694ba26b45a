"""A touchpoint that never came."""

from collections.abc import Iterator
from math import inf
from typing import ClassVar

from processors.durations import spell_duration
from processors.entries import Entry
from processors.fold import Fold
from processors.friction.definition import Absence, Calendars, Span
from processors.friction.engine.counts import spell_number
from processors.friction.engine.matching import Known, Lookout, Match, Scene
from processors.friction.engine.relations import are_related, links
from processors.friction.engine.selectors import Chooser, chooser
from processors.friction.engine.surroundings import Frame, excuses, nothing_around, surroundings
from processors.friction.wording import NearestMiss, miss
from schemas.outputs import Check


class AbsenceMatcher:
    """Finds what was due after a touchpoint and did not come in time."""

    WORDS: ClassVar[frozenset[str]] = frozenset({"late", "limit", "limit_de", "times", "window"})
    company_ms: ClassVar[float] = inf

    def __init__(self, told: Absence, ignored_places: tuple[str, ...], calendars: Calendars) -> None:
        self._told = told
        self._calendars = calendars
        self.trigger = chooser(told.after, ignored_places)
        self._expected = chooser(told.expected)
        self._renewed_by = None if told.renewed_by is None else chooser(told.renewed_by)
        self._links = links(told.relations)
        self._excused_by = surroundings(told.excused_by, until="due")
        # What came in time stays so, what was excused too unless excuses may lapse with a later deadline.
        answers = [one for one in (self._expected, self._renewed_by) if one is not None]
        for_found = all(condition.is_steady for condition in self._excused_by)
        for_found = for_found and not any(one.by_end for one in answers)
        self.lookouts = (
            *(Lookout(one, None, for_found) for one in answers),
            *(lookout for condition in self._excused_by for lookout in condition.lookouts),
        )

    def may_begin(self, entry: Entry, fold: Fold, since_ms: int | None) -> bool:  # noqa: ARG002 - each has its own limit
        """Whether something is due after it."""
        if self._told.first_in_contact and not begins_turn(entry):
            return False
        if self._told.due is not None and getattr(entry.touchpoint, self._told.due) is not None:
            return True
        return self._span(entry) is not None

    def find(self, scene: Scene) -> Iterator[Match]:
        """One match for every touchpoint after which nothing came in time, or has not yet."""
        told = self._told
        for after in scene.choose(self.trigger):
            if told.first_in_contact and not begins_turn(after):
                continue
            answer = self._next(scene, self._expected, after)
            since = self._since(scene, after, answer)
            if answer is not None and self._is_soon(after, since, answer):
                continue
            due = self._moment(after, since, 1.0)
            if due is None or (answer is not None and answer.start <= due):
                continue
            free = nothing_around(scene, Frame(after, after, due), self._excused_by)
            if free.holds:
                yield Match(
                    anchor=after,
                    first=after,
                    members=(after,),
                    measure=1.0,
                    gap_ms=0,
                    known_at=max(after.start, due, free.known_at),
                    checks=excuses(self._excused_by),
                    since=since,
                    due=due,
                    answer=answer,
                    confirmed_at=max(after.start, due, free.known_at) + told.grace,
                )

    def _next(self, scene: Scene, wanted: Chooser, after: Entry) -> Entry | None:
        for entry in scene.between(wanted, after.start, None):
            if entry.order > after.order and are_related(self._links, after, entry):
                return entry
        return None

    def _since(self, scene: Scene, after: Entry, answer: Entry | None) -> int:
        since = after.end
        if self._renewed_by is not None:
            for entry in scene.between(self._renewed_by, after.start, None):
                if answer is not None and entry.order > answer.order:
                    break
                if entry.order > after.order and are_related(self._links, after, entry):
                    since = max(since, entry.end)
        return since

    def _span(self, after: Entry) -> Span | None:
        return self._told.within_by_channel.get(after.touchpoint.channel, self._told.within)

    def _is_soon(self, after: Entry, since: int, answer: Entry) -> bool:
        """Whether it came in time whatever the calendar says: opening hours do not pass faster than others."""
        span = self._span(after)
        return self._told.due is None and span is not None and answer.start <= since + span.ms

    def _moment(self, after: Entry, since: int, times: float) -> int | None:
        """When so many times the limit are over; `None` without a limit."""
        due = None if self._told.due is None else getattr(after.touchpoint, self._told.due)
        if due is not None:
            slack = max(round(self._told.slack * max(0, due - since)), self._told.least_slack)
            return int(since + times * max(0, due + slack - since)) if times != 1.0 else int(due + slack)
        span = self._span(after)
        if span is None:
            return None
        span = Span(round(span.ms * times), round(span.working_days * times))
        if self._told.clock == "business":
            return self._calendars.of(after.touchpoint.channel).add(since, span)
        return since + span.ms

    def reached_at(self, match: Match, level: float) -> int | None:
        """When so many times the limit are over, unless it came before."""
        moment = self._moment(match.anchor, match.since, max(1.0, level))
        if moment is None or (match.answer is not None and match.answer.start <= moment):
            return None
        return max(moment, match.known_at)

    def checks(self, match: Match) -> tuple[Check, ...]:
        """What came at last beside the deadline."""
        came = "none" if match.answer is None else f"{spell_duration(match.answer.start - match.due)} late"
        kinds = " or ".join(self._expected.kinds)
        return (Check("answer", came, f"{kinds} within {self._limit(match)}", passed=False),)

    def nearest_miss(self, match: Match) -> NearestMiss:
        """How much earlier it would have had to come."""
        kinds = self._expected.kinds
        is_reply = "message.sent" in kinds
        what, what_de = ("a reply", "einer Antwort") if is_reply else (" or ".join(kinds), " oder ".join(kinds))
        if match.answer is None:
            limit = self._limit(match)
            return miss(f"{what} within {limit}", f"{what_de} innerhalb von {_in_german(limit, 'Arbeitstagen')}")
        late = spell_duration(match.answer.start - match.due)
        return miss(f"{what} {late} earlier", f"{what_de} {late} früher")

    def words(self, match: Match, known: Known) -> dict[str, str]:
        """The limit, how long it took or is known to have taken, and how many times the limit that is at least."""
        limit = self._limit(match)
        return {
            "limit": limit,
            "limit_de": _in_german(limit),
            "window": limit,
            "late": spell_duration(known.ms),
            "times": spell_number(known.times),
        }

    def _limit(self, match: Match) -> str:
        span = self._span(match.anchor)
        is_due = self._told.due is not None and getattr(match.anchor.touchpoint, self._told.due) is not None
        if is_due or span is None:
            return spell_duration(max(0, match.due - match.since))
        if span.working_days:
            return f"{span.working_days} working day{'s' if span.working_days > 1 else ''}"
        return spell_duration(span.ms)


def _in_german(limit: str, days: str = "Arbeitstage") -> str:
    return limit.replace("working days", days).replace("working day", "Arbeitstag")


def begins_turn(entry: Entry) -> bool:
    """Whether no other touchpoint of the customer lies between it and the company's last one in the conversation."""
    if entry.contact is None:
        return True
    for earlier in reversed(entry.contact.entries):
        if earlier.order < entry.order and earlier.touchpoint.kind != "message.auto_ack":
            if earlier.touchpoint.actor != "customer":
                return True
            if earlier.is_customer_act:
                return False
    return True
