"""context_loss: the customer or the matter went elsewhere, and what was known stayed behind."""

from typing import Final, NamedTuple

from processors.continuity import Switch, SwitchKind
from processors.durations import spell_duration
from processors.entries import Entry
from processors.fold import Fold
from processors.friction.finding import EVERY_ACT, Cost, Description, Finding, Findings, RuleParameters
from processors.friction.story import Story
from processors.friction.wording import COMMON_WORDS, NearestMiss, miss, topic_of, words_for
from processors.settings import MINUTE_MS
from schemas.outputs import Check, EffortKind
from schemas.vocabulary import CONTACT_KINDS

LOST: Final = "lost"
TRANSFERRED: Final = "transferred"
#: Components of the continuity of a switch.
_GERMAN: Final = {
    "reference": "der Vorgang",
    "not_re_asked": "was schon angegeben war",
    "handler": "der Ansprechpartner",
    "first_answer": "eine zügige erste Antwort",
    "identity": "wer es ist",
}


class ContextLoss(RuleParameters, frozen=True, kw_only=True):
    """Limits and minutes of the pattern; all are our defaults. Durations are milliseconds.

    `below` is the score under which a switch is one, `least_known` how many of its components must be known.
    """

    below: float = 0.4
    least_known: int = 2
    re_explain_ms: int = 2 * MINUTE_MS
    item_ms: int = MINUTE_MS // 2


class _Lost(NamedTuple):
    """A switch, and what it was about: a conversation may name its topic later than it began."""

    switch: Switch
    topic: str | None


class ContextLossRule:
    """Finds switches to another channel or team with a continuity below the limit.

    Anchor: the first touchpoint of the new leg. Variants: `transferred` (to another team), `lost` (to another channel).
    """

    PARAMETERS: Final = ContextLoss
    WORDS: Final = COMMON_WORDS | {"score", "after"}
    reads: Final = frozenset({EVERY_ACT})
    triggers: Final = CONTACT_KINDS | {"form.started", "contact.transferred", "case.assigned"}

    def __init__(self, parameters: ContextLoss, content_hash: str) -> None:
        self.parameters = parameters
        self.content_hash = content_hash

    def may_begin(self, entry: Entry, fold: Fold, since_ms: int | None) -> bool:  # noqa: ARG002 - acts decide
        """Whether it may begin a new leg: not the first one."""
        return fold.acts > 1

    def may_change(self, entry: Entry, since_ms: int, *, is_found: bool) -> bool:  # noqa: ARG002 - acts decide
        """What becomes of a switch shows in what follows on its journey."""
        return entry.strand is not None and entry.strand.root().is_moved

    def find(self, story: Story, watermark: int) -> Findings:  # noqa: ARG002 - what was lost is lost at once
        """Every such switch in story order; time alone changes nothing."""
        told = self.parameters
        return Findings(
            [
                Finding(
                    switch.opening,
                    TRANSFERRED if switch.kind is SwitchKind.TRANSFER else LOST,
                    _Lost(switch, topic_of(switch.opening)),
                )
                for switch in story.switches
                if switch.known >= told.least_known and switch.score is not None and switch.score < told.below
            ]
        )

    def describe(self, finding: Finding) -> Description:
        """Everything about one switch."""
        told, anchor = self.parameters, finding.anchor
        lost: _Lost = finding.facts
        switch = lost.switch
        proofs = (switch.via, switch.before, anchor, *(entry for entry, _ in switch.asked_again))
        return Description(
            base=told.variant(finding.variant).base,
            from_channel=switch.from_channel,
            to_channel=switch.to_channel,
            team=switch.from_team,
            topic=lost.topic,
            costs=self._costs(switch),
            evidence=tuple(dict.fromkeys(entry for entry in proofs if entry is not None)),
            checks=(
                Check("continuity", str(switch.score), f"under {told.below}", passed=True),
                *(
                    Check(name, "unknown" if value is None else f"{value:.2f}", f"weight {weight}", passed=value == 1.0)
                    for name, weight, value in switch.components
                ),
            ),
            guards=(Check("known", str(switch.known), f"at least {told.least_known} components known", passed=True),),
            nearest_miss=self._nearest_miss(switch),
            words=words_for(
                switch.from_channel,
                switch.to_channel,
                lost.topic,
                score=f"{switch.score:.2f}",
                after=spell_duration(anchor.start - switch.before.start),
            ),
        )

    def _costs(self, switch: Switch) -> tuple[Cost, ...]:
        """Explaining the matter again, unless the redirect costs that already, and every item given again."""
        told = self.parameters
        costs = [
            Cost("re_entry", EffortKind.REWORK, number * told.item_ms, is_measured=False, voucher=entry)
            for entry, number in switch.asked_again
        ]
        if switch.kind is not SwitchKind.REDIRECT:
            cost = Cost("re_explain", EffortKind.REWORK, told.re_explain_ms, is_measured=False, voucher=switch.opening)
            costs.insert(0, cost)
        return tuple(costs)

    def _nearest_miss(self, switch: Switch) -> NearestMiss:
        lost = max(
            (component for component in switch.components if component.value is not None and component.value < 1),
            key=lambda component: component.weight * (1 - (component.value or 0)),
        )
        return miss(
            f"more of the {lost.name.replace('_', ' ')} kept, which cost the score most",
            f"mehr davon erhalten, was die Wertung am meisten kostete: {_GERMAN.get(lost.name, lost.name)}",
        )
