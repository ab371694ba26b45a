"""unprompted_switch: the customer came again through another channel, because the first one did not help."""

from typing import Final, NamedTuple

from processors.acts import is_solution
from processors.contacts import Contact, Spent, goes_on
from processors.durations import spell_duration, spell_gap
from processors.entries import Entry
from processors.fold import Fold, is_invitation
from processors.friction.finding import EVERY_ACT, Cost, Description, Finding, Findings, RuleParameters
from processors.friction.guards import household, invited
from processors.friction.story import Moment, Related, Story
from processors.friction.wording import COMMON_WORDS, NearestMiss, miss, words_for
from processors.settings import HOUR_MS, MINUTE_MS
from schemas.outputs import Check, EffortKind
from schemas.vocabulary import CONTACT_KINDS

SWITCHED: Final = "switched"
AFTER_SELF_HELP: Final = "after_self_help"


class UnpromptedSwitch(RuleParameters, frozen=True, kw_only=True):
    """Windows and minutes of the pattern; all are our defaults. Durations are milliseconds, bounds inclusive."""

    window_ms: int = 24 * HOUR_MS
    self_help_window_ms: int = HOUR_MS
    switch_ms: int = 3 * MINUTE_MS


class _Switch(NamedTuple):
    """The two contacts of a switch, and what happened around the second."""

    key: str
    from_channel: str
    to_channel: str
    gap_ms: int
    proofs: tuple[Entry, ...]
    team: str | None
    topic: str | None
    spent: Spent
    self_help: Moment | None
    later_solution: Moment | None
    guards: tuple[Check, ...]


class UnpromptedSwitchRule:
    """Finds contacts whose closest earlier contact about the same matter was on another channel and did not help.

    Anchor: the second contact. Variant `after_self_help`: the second is a call, and the customer was on the web or in
    the app shortly before.
    """

    PARAMETERS: Final = UnpromptedSwitch
    WORDS: Final = COMMON_WORDS | {"gap"}
    reads: Final = frozenset({EVERY_ACT})
    triggers: Final = CONTACT_KINDS

    def __init__(self, parameters: UnpromptedSwitch, content_hash: str) -> None:
        self.parameters = parameters
        self.content_hash = content_hash

    def may_begin(self, entry: Entry, fold: Fold, since_ms: int | None) -> bool:  # noqa: ARG002 - each is one
        """Whether it is another contact."""
        return len(fold.contacts) > 1 and fold.contacts[-1].opening is entry

    def may_change(self, entry: Entry, since_ms: int, *, is_found: bool) -> bool:  # noqa: ARG002 - found or not
        """Whether a contact goes on, a solution comes, or an invitation in the moment in which the customer comes."""
        return goes_on(entry) or is_solution(entry) or (since_ms == 0 and is_invitation(entry))

    def find(self, story: Story, watermark: int) -> Findings:  # noqa: ARG002 - a switch is one at once
        """Every switch in story order; time alone changes nothing."""
        findings = Findings()
        for second in story.contacts:
            related = story.closest_earlier(second, self.parameters.window_ms)
            if related is None or related.contact.channel == second.channel:
                continue
            first = related.contact
            if story.solution(first.first, first.start, second.start) is not None:
                continue
            guards = (invited(story, first, second), household(first, second))
            if all(guard.passed for guard in guards):
                switch = self._switch(story, related, second, guards)
                variant = SWITCHED if switch.self_help is None else AFTER_SELF_HELP
                findings.found.append(Finding(second.first, variant, switch))
        return findings

    def _switch(self, story: Story, related: Related, second: Contact, guards: tuple[Check, ...]) -> _Switch:
        first = related.contact
        self_help: Moment | None = None
        if second.channel == "phone":
            # Strictly before: what starts in the same millisecond may stand on either side in the story.
            self_help = story.self_help(second.start - self.parameters.self_help_window_ms, second.start - 1)
        return _Switch(
            key=related.key,
            from_channel=first.channel,
            to_channel=second.channel,
            gap_ms=second.start - first.end,
            proofs=first.evidence(),
            team=first.team,
            topic=second.topic or first.topic,
            spent=first.spent(),
            self_help=self_help,
            later_solution=story.solution(first.first, second.start + 1),
            guards=guards,
        )

    def describe(self, finding: Finding) -> Description:
        """Everything about one switch."""
        told, second = self.parameters, finding.anchor
        switch: _Switch = finding.facts
        help_, gap = switch.self_help, switch.gap_ms
        return Description(
            base=told.variant(finding.variant).base,
            from_channel=switch.from_channel,
            to_channel=switch.to_channel,
            team=switch.team,
            topic=switch.topic,
            costs=(
                Cost("switch", EffortKind.SWITCH, told.switch_ms, is_measured=False, voucher=second),
                Cost("rework", EffortKind.REWORK, *switch.spent, voucher=switch.proofs[0]),
            ),
            evidence=(*switch.proofs, *([] if help_ is None else [help_.entry]), second),
            checks=(
                Check("same_matter", switch.key[1:], "a shared case, object or topic", passed=True),
                Check("other_channel", switch.to_channel, f"not {switch.from_channel}", passed=True),
                Check("gap", spell_gap(gap), f"at most {spell_duration(told.window_ms)}", passed=True),
                Check("unsolved", "no solution", "none before the second contact", passed=True),
                Check(
                    "self_help",
                    "none" if help_ is None else f"{spell_duration(second.start - help_.at)} before",
                    f"within {spell_duration(told.self_help_window_ms)} before a call",
                    passed=help_ is not None,
                ),
            ),
            guards=switch.guards,
            nearest_miss=self._nearest_miss(second, switch),
            words=words_for(switch.from_channel, switch.to_channel, switch.topic, gap=spell_duration(max(0, gap))),
        )

    def _nearest_miss(self, second: Entry, switch: _Switch) -> NearestMiss:
        spare = self.parameters.window_ms - switch.gap_ms
        solution = switch.later_solution
        if solution is not None and solution.at - second.start < spare:
            late = spell_duration(solution.at - second.start)
            return miss(f"a solution {late} earlier", f"einer Lösung {late} früher")
        later = spell_duration(spare)
        return miss(f"the second contact more than {later} later", f"dem zweiten Kontakt über {later} später")
