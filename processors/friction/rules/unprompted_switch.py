"""unprompted_switch: the customer came again through another channel, because the first one did not help."""

from typing import Final

from processors.contacts import Contact
from processors.durations import spell_duration, spell_gap
from processors.friction.finding import Cost, Finding, Findings, RuleParameters, Variant
from processors.friction.guards import household, invited
from processors.friction.story import Moment, Related, Story
from processors.friction.wording import words_for
from processors.settings import HOUR_MS, MINUTE_MS
from schemas.outputs import Check, EffortKind

SWITCHED: Final = "switched"
AFTER_SELF_HELP: Final = "after_self_help"

VARIANTS: Final = (
    Variant(
        name=SWITCHED,
        base=2,
        sentence_en="A customer got no solution on {from_channel}{about} and tried {to_channel} {gap} later.",
        sentence_de=(
            "Ein Kunde bekam über {from_channel_de}{about_de} keine Lösung und versuchte es nach {gap} über"
            " {to_channel_de}."
        ),
    ),
    Variant(
        name=AFTER_SELF_HELP,
        base=3,
        sentence_en=(
            "A customer got no solution on {from_channel}{about}, looked for help online and called {gap} later."
        ),
        sentence_de=(
            "Ein Kunde bekam über {from_channel_de}{about_de} keine Lösung, suchte online Hilfe und rief nach {gap} an."
        ),
    ),
)


class UnpromptedSwitch(RuleParameters, frozen=True, kw_only=True):
    """Windows and minutes of the pattern; all are our defaults. Durations are milliseconds, bounds inclusive."""

    rule_id: str = "unprompted_switch"
    version: int = 1
    variants: tuple[Variant, ...] = VARIANTS
    window_ms: int = 24 * HOUR_MS
    self_help_window_ms: int = HOUR_MS
    switch_ms: int = 3 * MINUTE_MS


class UnpromptedSwitchRule:
    """Finds contacts whose closest earlier contact about the same matter was on another channel and did not help.

    Anchor: the second contact. Variant `after_self_help`: the second is a call, and the customer was on the web or in
    the app shortly before.
    """

    def __init__(self, parameters: UnpromptedSwitch | None = None) -> None:
        self.parameters = parameters or UnpromptedSwitch()

    def find(self, story: Story, watermark: int) -> Findings:  # noqa: ARG002 - a switch is one at once
        """Every switch in story order; time alone changes nothing."""
        findings = Findings()
        for second in story.contacts:
            related = story.closest_earlier(second, self.parameters.window_ms)
            if related is None or related.contact.channel == second.channel:
                continue
            first = related.contact
            if story.solution(first.keys, first.start, second.start) is not None:
                continue
            guards = (invited(story, first, second), household(first, second))
            if all(guard.passed for guard in guards):
                findings.found.append(self._finding(story, related, second, guards))
        return findings

    def _finding(self, story: Story, related: Related, second: Contact, guards: tuple[Check, ...]) -> Finding:
        told = self.parameters
        first = related.contact
        gap = second.start - first.end
        help_ = None
        if second.channel == "phone":
            # Strictly before: what starts in the same millisecond may stand on either side in the story.
            help_ = story.self_help(second.start - told.self_help_window_ms, second.start - 1)
        variant = SWITCHED if help_ is None else AFTER_SELF_HELP
        topic = second.topic or first.topic
        spent, is_measured = first.spent_ms()
        return Finding(
            anchor=second.first,
            variant=variant,
            base=told.variant(variant).base,
            keys=second.keys,
            from_channel=first.channel,
            to_channel=second.channel,
            team=first.team,
            topic=topic,
            costs=(
                Cost("switch", EffortKind.SWITCH, told.switch_ms, is_measured=False, voucher=second.first),
                Cost("rework", EffortKind.REWORK, spent, is_measured=is_measured, voucher=first.first),
            ),
            evidence=(*first.evidence(), *([] if help_ is None else [help_.entry]), second.first),
            checks=(
                Check("same_matter", related.key[1:], "a shared case, object or topic", passed=True),
                Check("other_channel", second.channel, f"not {first.channel}", passed=True),
                Check("gap", spell_gap(gap), f"at most {spell_duration(told.window_ms)}", passed=True),
                Check("unsolved", "no solution", "none before the second contact", passed=True),
                Check(
                    "self_help",
                    "none" if help_ is None else f"{spell_duration(second.start - help_.at)} before",
                    f"within {spell_duration(told.self_help_window_ms)} before a call",
                    passed=help_ is not None,
                ),
            ),
            guards=guards,
            nearest_miss=self._nearest_miss(gap, second, story.solution(first.keys, second.start + 1)),
            words=words_for(first.channel, second.channel, topic, gap=spell_duration(max(0, gap))),
        )

    def _nearest_miss(self, gap: int, second: Contact, solution: Moment | None) -> str:
        spare = self.parameters.window_ms - gap
        if solution is not None and solution.at - second.start < spare:
            return f"would not have fired with a solution {spell_duration(solution.at - second.start)} earlier"
        return f"would not have fired with the second contact more than {spell_duration(spare)} later"
