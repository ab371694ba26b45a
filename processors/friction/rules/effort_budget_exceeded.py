"""effort_budget_exceeded: a journey has cost the customer more than journeys of its type may."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

from processors.durations import spell_duration
from processors.effort import JourneyEffort, Posted
from processors.entries import Entry
from processors.friction.finding import (
    EVERY_ACT,
    Description,
    Finding,
    Findings,
    LedgerRule,
    RuleParameters,
)
from processors.friction.story import Story
from processors.friction.wording import COMMON_WORDS, miss, words_for
from processors.settings import MINUTE_MS
from schemas.outputs import Check

EXCEEDED: Final = "exceeded"
DOUBLED: Final = "doubled"


class EffortBudgetExceeded(RuleParameters, frozen=True, kw_only=True):
    """How far over its budget a journey is worse: `doubled_from` times the budget, inclusive; our default."""

    doubled_from: float = 2.0


class _Overspent(NamedTuple):
    """What a journey has cost, and who caused it; minutes by team and cause, most first."""

    first_channel: str
    topic: str | None
    minutes: float
    budget: float
    before: float
    teams: tuple[tuple[str, float], ...]
    causes: tuple[tuple[str, float], ...]
    proofs: tuple[Entry, ...]


class EffortBudgetExceededRule(LedgerRule):
    """Finds journeys whose postings sum up to more than their budget; what comes to exactly that is within it.

    Anchor: the touchpoint with whose posting the sum went over the budget. A journey is open at each of its
    touchpoints, so it was open then. Variants: `doubled` (a multiple of the budget), `exceeded`.
    """

    PARAMETERS: Final = EffortBudgetExceeded
    WORDS: Final = COMMON_WORDS | {"spent", "budget"}
    reads: Final = frozenset({EVERY_ACT})
    triggers: Final = frozenset({EVERY_ACT})

    def __init__(self, parameters: EffortBudgetExceeded, content_hash: str) -> None:
        self.parameters = parameters
        self.content_hash = content_hash

    def find(self, story: Story, watermark: int) -> Findings:  # noqa: ARG002 - time works on what others find
        """Every such journey, in order of the anchors."""
        found = [self._finding(effort) for effort in story.efforts if effort.minutes > effort.budget_minutes]
        return Findings(sorted(found, key=lambda finding: finding.anchor.order))

    def _finding(self, effort: JourneyEffort) -> Finding:
        postings = effort.postings()
        place, before = _crossing(postings, effort.budget_minutes)
        proofs = dict.fromkeys(posted.known_by for posted in postings[: place + 1])
        first = effort.strand.entries[0].touchpoint
        is_doubled = effort.minutes >= self.parameters.doubled_from * effort.budget_minutes
        overspent = _Overspent(
            first_channel=first.channel,
            topic=effort.topic,
            minutes=effort.minutes,
            budget=effort.budget_minutes,
            before=before,
            teams=_most((posted.posting.team or "", posted.posting.minutes) for posted in postings),
            causes=_most((posted.posting.cause, posted.posting.minutes) for posted in postings),
            proofs=tuple(proofs),
        )
        return Finding(postings[place].known_by, DOUBLED if is_doubled else EXCEEDED, overspent)

    def describe(self, finding: Finding) -> Description:
        """Everything about one journey over its budget; minutes are those of others, so it has none itself."""
        told, anchor = self.parameters, finding.anchor
        spent: _Overspent = finding.facts
        team, most = spent.teams[0]
        excess = _spell(spent.minutes - spent.budget)
        return Description(
            base=told.variant(finding.variant).base,
            from_channel=spent.first_channel,
            to_channel=anchor.touchpoint.channel,
            team=team or None,
            topic=spent.topic,
            costs=(),
            evidence=spent.proofs,
            checks=(
                Check("spent", _spell(spent.minutes), f"more than {_spell(spent.budget)}", passed=True),
                Check(
                    "doubled",
                    f"{spent.minutes / spent.budget:.2f} times the budget",
                    f"from {told.doubled_from:g} times on",
                    passed=finding.variant == DOUBLED,
                ),
                Check("costliest_team", f"{team or 'unknown'}: {_spell(most)}", "whose it is", passed=True),
                *(
                    Check(f"spent_on_{cause}", _spell(minutes), "a part of it", passed=True)
                    for cause, minutes in spent.causes
                ),
            ),
            guards=(Check("before", _spell(spent.before), "within the budget before the anchor", passed=True),),
            nearest_miss=miss(f"{excess} less of their time", f"{excess} weniger ihrer Zeit"),
            words=words_for(
                spent.first_channel,
                anchor.touchpoint.channel,
                spent.topic,
                spent=_spell(spent.minutes),
                budget=_spell(spent.budget),
            ),
        )


def _crossing(postings: list[Posted], budget: float) -> tuple[int, float]:
    """Place of the posting that goes over the budget, and the sum before it."""
    before = 0.0
    for place, posted in enumerate(postings):
        after = round(before + posted.posting.minutes, 4)
        if after > budget:
            return place, before
        before = after
    msg = "the postings do not go over the budget"
    raise ValueError(msg)


def _most(parts: Iterable[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    """Sums by name, the largest first, then by name."""
    sums: defaultdict[str, float] = defaultdict(float)
    for name, minutes in parts:
        sums[name] += minutes
    rounded = ((name, round(minutes, 4)) for name, minutes in sums.items())
    return tuple(sorted(rounded, key=lambda part: (-part[1], part[0])))


def _spell(minutes: float) -> str:
    return spell_duration(round(minutes * MINUTE_MS))
