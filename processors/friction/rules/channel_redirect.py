"""channel_redirect: the customer asked here and was sent there."""

from typing import Final, NamedTuple

from processors.durations import spell_duration
from processors.entries import Entry
from processors.fold import Fold
from processors.friction.finding import EVERY_ACT, Cost, Description, Finding, Findings, RuleParameters
from processors.friction.story import Moment, Story
from processors.friction.wording import COMMON_WORDS, NearestMiss, german_channel, miss, topic_of, words_for
from processors.kinds import FORM
from processors.settings import DAY_MS, HOUR_MS, MINUTE_MS
from schemas.outputs import Check, EffortKind

REDIRECTED: Final = "redirected"
FOLLOWED: Final = "followed"
FORM_DEMANDED: Final = "form"
CHAIN: Final = "chain"
LOST: Final = "lost"

#: Reasons of a redirect that are no friction: the customer wanted it, or lives depend on it.
ACCEPTED_REASONS: Final = frozenset({"customer_request", "emergency"})
#: Reasons that leave no choice; the redirect stays at the lowest base.
COMPELLING_REASONS: Final = frozenset({"authentication", "payment_security", "legal"})
COMPELLED_BASE: Final = 1


class ChannelRedirect(RuleParameters, frozen=True, kw_only=True):
    """Windows and minutes of the pattern; all are our defaults. Durations are milliseconds, bounds inclusive."""

    follow_window_ms: int = 48 * HOUR_MS
    form_window_ms: int = 48 * HOUR_MS
    lost_after_ms: int = 72 * HOUR_MS
    chain_window_ms: int = 14 * DAY_MS
    switch_ms: int = 3 * MINUTE_MS
    re_explain_ms: int = 2 * MINUTE_MS
    field_ms: int = MINUTE_MS // 2


def _sends_away(redirect: Entry) -> bool:
    touchpoint = redirect.touchpoint
    is_elsewhere = touchpoint.redirect_to not in {None, touchpoint.channel}
    return is_elsewhere and touchpoint.reason not in ACCEPTED_REASONS


class _Aftermath(NamedTuple):
    """Where a redirect led, and what came of it as far as the story goes."""

    target: str
    topic: str | None
    earlier: Entry | None
    arrival: Moment | None
    late_arrival: Moment | None
    form: Entry | None
    solution: Moment | None


class ChannelRedirectRule:
    """Finds redirects to another channel and what became of the customer.

    Anchor: the redirect. Variants, the first that holds: `chain` (sent away before about the same matter), `form` (a
    form or data was demanded), `followed` (arrived), `lost` (neither arrival nor solution), `redirected`.
    """

    PARAMETERS: Final = ChannelRedirect
    WORDS: Final = COMMON_WORDS | {"arrived_after", "since_earlier", "lost_after"}
    reads: Final = frozenset({EVERY_ACT})
    triggers: Final = frozenset({"contact.redirected"})

    def __init__(self, parameters: ChannelRedirect, content_hash: str) -> None:
        self.parameters = parameters
        self.content_hash = content_hash

    def may_begin(self, entry: Entry, fold: Fold, since_ms: int | None) -> bool:  # noqa: ARG002 - each is one
        """Whether it is a redirect to another channel that nobody had to accept."""
        return _sends_away(entry)

    def may_change(self, entry: Entry, since_ms: int, *, is_found: bool) -> bool:  # noqa: ARG002 - acts decide
        """What becomes of a redirect shows in whatever follows."""
        return True

    def find(self, story: Story, watermark: int) -> Findings:
        """Every redirect that is a friction, in story order; `lost` waits for its deadline."""
        findings = Findings()
        latest: dict[str, Entry] = {}
        for redirect in story.redirects:
            target = redirect.touchpoint.redirect_to
            if target is None or not _sends_away(redirect):
                continue
            earlier = max((latest[key] for key in redirect.matter if key in latest), key=_order, default=None)
            latest.update(dict.fromkeys(redirect.matter, redirect))
            if redirect.start < self.parameters.effective_from:
                continue
            if earlier is not None and redirect.start - earlier.start > self.parameters.chain_window_ms:
                earlier = None
            aftermath = self._aftermath(story, redirect, target, earlier)
            variant, deadline = self._variant(redirect, aftermath, watermark)
            if deadline is not None:
                findings.deadlines.append(deadline)
            findings.found.append(Finding(redirect, variant, aftermath))
        return findings

    def _aftermath(self, story: Story, redirect: Entry, target: str, earlier: Entry | None) -> _Aftermath:
        keys, after = redirect.matter, redirect.start + 1
        arrival = story.arrival(keys, target, after)
        late_arrival: Moment | None = None
        if arrival is not None and arrival.at > redirect.start + self.parameters.follow_window_ms:
            arrival, late_arrival = None, arrival
        form = None if arrival is None else self._form(story, redirect, target, arrival)
        solution = story.solution(redirect, after)
        return _Aftermath(target, topic_of(redirect), earlier, arrival, late_arrival, form, solution)

    def _variant(self, redirect: Entry, aftermath: _Aftermath, watermark: int) -> tuple[str, int | None]:
        """Variant as of the watermark, and the moment at which time alone makes it another."""
        if aftermath.earlier is not None:
            return CHAIN, None
        if aftermath.form is not None or demanded(redirect):
            return FORM_DEMANDED, None
        if aftermath.arrival is not None:
            return FOLLOWED, None
        lost_at = redirect.start + self.parameters.lost_after_ms
        if any(found and found.at <= lost_at for found in (aftermath.late_arrival, aftermath.solution)):
            return REDIRECTED, None
        return (LOST if watermark >= lost_at else REDIRECTED), lost_at

    def _form(self, story: Story, redirect: Entry, target: str, arrival: Moment) -> Entry | None:
        """The form filled or data demanded after arrival: the one that tells the time it took, else the first."""
        until = arrival.at + self.parameters.form_window_ms
        form = story.form(redirect.matter, target, arrival.at, until)
        return arrival.entry if form is None and arrival.entry.roles & FORM else form

    def describe(self, finding: Finding) -> Description:
        """Everything about one redirect."""
        told, redirect = self.parameters, finding.anchor
        touchpoint = redirect.touchpoint
        aftermath: _Aftermath = finding.facts
        has_context = touchpoint.context_carried is True and touchpoint.redirect_ref is not None
        is_compelled = touchpoint.reason in COMPELLING_REASONS
        arrived_after = 0 if aftermath.arrival is None else aftermath.arrival.at - redirect.start
        since_earlier = 0 if aftermath.earlier is None else redirect.start - aftermath.earlier.start
        involved = (aftermath.earlier, redirect, aftermath.arrival and aftermath.arrival.entry, aftermath.form)
        return Description(
            base=COMPELLED_BASE if has_context or is_compelled else told.variant(finding.variant).base,
            from_channel=touchpoint.channel,
            to_channel=aftermath.target,
            team=touchpoint.team or touchpoint.from_team,
            topic=aftermath.topic,
            costs=self._costs(redirect, aftermath),
            evidence=tuple(entry for entry in involved if entry is not None),
            checks=self._checks(redirect, aftermath),
            guards=(
                Check("customer_request", touchpoint.reason or "no reason given", "not asked for", passed=True),
                Check("compelling_reason", touchpoint.reason or "no reason given", "base 1", passed=not is_compelled),
                Check(
                    "context_carried",
                    f"context {touchpoint.context_carried}, reference {touchpoint.redirect_ref is not None}",
                    "base 1 when both",
                    passed=not has_context,
                ),
            ),
            nearest_miss=self._nearest_miss(redirect, finding.variant, aftermath),
            words=words_for(
                touchpoint.channel,
                aftermath.target,
                aftermath.topic,
                arrived_after=spell_duration(arrived_after),
                since_earlier=spell_duration(since_earlier),
                lost_after=spell_duration(told.lost_after_ms),
            ),
        )

    def _costs(self, redirect: Entry, aftermath: _Aftermath) -> tuple[Cost, ...]:
        told = self.parameters
        costs = [Cost("switch", EffortKind.SWITCH, told.switch_ms, is_measured=False, voucher=redirect)]
        if redirect.touchpoint.context_carried is not True:
            costs.append(Cost("re_explain", EffortKind.REWORK, told.re_explain_ms, is_measured=False, voucher=redirect))
        form = aftermath.form
        if form is not None and form.touchpoint.active_ms:
            costs.append(Cost("form", EffortKind.REWORK, form.touchpoint.active_ms, is_measured=True, voucher=form))
            return tuple(costs)
        for demand in (form, redirect):
            if demand is not None and (count := demanded(demand)):
                cost = Cost("form", EffortKind.REWORK, count * told.field_ms, is_measured=False, voucher=demand)
                return (*costs, cost)
        return tuple(costs)

    def _checks(self, redirect: Entry, aftermath: _Aftermath) -> tuple[Check, ...]:
        told = self.parameters
        arrival, earlier, solution = aftermath.arrival, aftermath.earlier, aftermath.solution
        come = arrival or aftermath.late_arrival
        after = "none" if come is None else f"{spell_duration(come.at - redirect.start)} after"
        solved = "none" if solution is None else f"{spell_duration(solution.at - redirect.start)} after"
        fields = f"{demanded(redirect)} demanded at once"
        return (
            Check("other_channel", aftermath.target, f"not {redirect.touchpoint.channel}", passed=True),
            Check("arrival", after, f"within {spell_duration(told.follow_window_ms)}", passed=arrival is not None),
            Check(
                "form",
                fields if aftermath.form is None else f"{fields}, {aftermath.form.touchpoint.kind} after arrival",
                f"at once, or within {spell_duration(told.form_window_ms)} after arrival",
                passed=aftermath.form is not None or demanded(redirect) > 0,
            ),
            Check(
                "earlier_redirect",
                "none" if earlier is None else f"{spell_duration(redirect.start - earlier.start)} before",
                f"within {spell_duration(told.chain_window_ms)}",
                passed=earlier is not None,
            ),
            Check("solution", solved, f"none within {spell_duration(told.lost_after_ms)}", passed=solution is None),
        )

    def _nearest_miss(self, redirect: Entry, variant: str, aftermath: _Aftermath) -> NearestMiss:
        told = self.parameters
        if variant == LOST:
            lost_at = redirect.start + told.lost_after_ms
            late = [found.at for found in (aftermath.late_arrival, aftermath.solution) if found is not None]
            if late:
                is_arrival = aftermath.late_arrival is not None and aftermath.late_arrival.at == min(late)
                word, word_de = ("an arrival", "einer Ankunft") if is_arrival else ("a solution", "einer Lösung")
                earlier = spell_duration(min(late) - lost_at)
                return NearestMiss(
                    f"would not have been lost with {word} {earlier} earlier",
                    f"wäre nicht verloren gegangen mit {word_de} {earlier} früher",
                )
            limit = spell_duration(told.lost_after_ms)
            return NearestMiss(
                f"would not have been lost with an arrival or a solution within {limit}",
                f"wäre nicht verloren gegangen mit einer Ankunft oder Lösung innerhalb von {limit}",
            )
        if variant == CHAIN and aftermath.earlier is not None:
            spare = spell_duration(told.chain_window_ms - (redirect.start - aftermath.earlier.start))
            return NearestMiss(
                f"would not have been a chain with the second redirect more than {spare} later",
                f"wäre keine Kette gewesen mit dem zweiten Verweis über {spare} später",
            )
        channel = redirect.touchpoint.channel
        return miss(f"an answer on {channel} itself", f"einer Antwort auf demselben Kanal ({german_channel(channel)})")


def demanded(entry: Entry) -> int:
    """Number of data that the customer has to enter: fields, else the items asked for."""
    return entry.touchpoint.fields_required or len(entry.touchpoint.items_requested)


def _order(entry: Entry) -> tuple[int, str, str]:
    return entry.order
