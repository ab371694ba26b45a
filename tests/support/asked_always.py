"""Rules that are asked anew at every touchpoint, whatever came: what the others save must change nothing."""

from typing import Final

from processors.entries import Entry
from processors.fold import Fold
from processors.friction.finding import (
    EVERY_ACT,
    Description,
    Finding,
    Findings,
    FrictionRule,
    LedgerRule,
    RuleParameters,
)
from processors.friction.story import Story
from schemas.vocabulary import KINDS

_EVERY_KIND: Final = frozenset({*KINDS, "something.new", EVERY_ACT})


class _AskedAlways:
    """A rule that never says that a touchpoint does not concern it."""

    reads: Final = _EVERY_KIND
    triggers: Final = _EVERY_KIND

    def __init__(self, rule: FrictionRule) -> None:
        self._rule = rule
        self.parameters: RuleParameters = rule.parameters
        self.content_hash = rule.content_hash

    def may_begin(self, entry: Entry, fold: Fold, since_ms: int | None) -> bool:  # noqa: ARG002 - always
        return True

    def may_change(self, entry: Entry, since_ms: int, *, is_found: bool) -> bool:  # noqa: ARG002 - always
        return True

    def find(self, story: Story, watermark: int) -> Findings:
        return self._rule.find(story, watermark)

    def describe(self, finding: Finding) -> Description:
        return self._rule.describe(finding)


def asked_always(rules: tuple[FrictionRule, ...]) -> tuple[FrictionRule, ...]:
    """The same rules; those that judge the ledger are asked every time anyway."""
    return tuple(rule if isinstance(rule, LedgerRule) else _AskedAlways(rule) for rule in rules)
