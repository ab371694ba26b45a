"""A rule compiled from its definition."""

from collections.abc import Iterator
from typing import NamedTuple

from processors.contacts import goes_on
from processors.entries import Entry
from processors.fold import Fold, is_invitation
from processors.friction.definition import Calendars, Guard, Pattern, RuleDefinition, kinds_in
from processors.friction.engine.absences import AbsenceMatcher
from processors.friction.engine.changes import ChangeMatcher
from processors.friction.engine.counts import CountMatcher
from processors.friction.engine.describing import (
    WORDS,
    channels_of,
    costs_of,
    general_words,
    postings_of,
    refuse_unknown_words,
    team_in,
    topic_in,
)
from processors.friction.engine.guarding import Form, Shown, Watch
from processors.friction.engine.matching import Known, Lookout, Match, Matcher, Scene
from processors.friction.engine.ratios import RatioMatcher
from processors.friction.engine.sequences import SequenceMatcher
from processors.friction.engine.surroundings import Frame
from processors.friction.finding import EVERY_ACT, Cost, Description, Finding, Findings, RuleParameters
from processors.friction.story import Moment, Story
from schemas.outputs import Check


class _Facts(NamedTuple):
    """All that describes a finding and may change with what follows."""

    pattern: int
    match: Match
    base: int
    costs: tuple[Cost, ...]
    witnesses: tuple[Entry, ...]
    checks: tuple[Check, ...]
    guards: tuple[Check, ...]
    known: Known
    team: str | None
    topic: str | None


class _Way:
    """One pattern of a rule, ready for use: its matcher, guards and variants."""

    def __init__(self, told: Pattern, definition: RuleDefinition, calendars: Calendars) -> None:
        self.matcher = _matcher(told, definition.ignore_places, calendars)
        until = "anchor" if told.absence is None else "due"
        guards: tuple[Guard, ...] = (*definition.guards, *told.guards)
        self.guards = tuple(Watch(guard, until=until) for guard in guards)
        variants = {variant.name: variant for variant in definition.variants}
        for name in told.variants:
            refuse_unknown_words(variants[name], WORDS | self.matcher.WORDS)
        self.forms = tuple(Form(variants[name], told.absence, until=until) for name in told.variants)

    def lookouts(self) -> Iterator[Lookout]:
        """What may change what it finds, when it comes after all others."""
        near_guards = [near for watch in self.guards for near in watch.near]
        is_steady = all(near.is_steady for near in near_guards)
        yield from (one._replace(for_found=one.for_found and is_steady) for one in self.matcher.lookouts)
        yield from (one for near in near_guards for one in near.lookouts)
        yield from (one._replace(for_found=True) for form in self.forms for near in form.near for one in near.lookouts)

    def show(self, match: Match, scene: Scene, frame: Frame) -> list[Shown]:
        """How a match shows, worst first; the last one always holds."""
        shown = [form.holds_from(self.matcher, match, scene, frame) for form in self.forms]
        shown[-1] = shown[-1]._replace(since=match.known_at)
        return shown


class CompiledRule:
    """A rule that finds the patterns of its definition.

    A finding waits until it is certain (`Match.known_at`); its variant is the first that is certain by now. Of an
    absence `checks` say whether late touchpoints may still contradict it. All that depends on the watermark changes at
    a deadline, and all deadlines follow from the touchpoints alone.
    """

    def __init__(
        self, definition: RuleDefinition, parameters: RuleParameters, content_hash: str, calendars: Calendars
    ) -> None:
        self.parameters = parameters
        self.content_hash = content_hash
        reads = kinds_in(definition.patterns) | kinds_in(definition.guards) | kinds_in(definition.variants)
        self._ways = tuple(_Way(pattern, definition, calendars) for pattern in definition.patterns)
        guards = (*definition.guards, *(guard for pattern in definition.patterns for guard in pattern.guards))
        self._guards_contacts = any(guard.builtin for guard in guards)
        self._measures_contacts = any(told.measured == "contact" for told in definition.minutes)
        if self._guards_contacts or self._measures_contacts:
            reads.add(EVERY_ACT)
        self.reads = frozenset(reads)
        self._begins: dict[str, list[Matcher]] = {}
        self._lookouts: dict[str, list[Lookout]] = {}
        for way in self._ways:
            for kind in way.matcher.trigger.kinds:
                self._begins.setdefault(kind, []).append(way.matcher)
            for lookout in way.lookouts():
                for kind in lookout.chooser.kinds:
                    self._lookouts.setdefault(kind, []).append(lookout)
        self._company_ms = {
            kind: max(matcher.company_ms for matcher in matchers) for kind, matchers in self._begins.items()
        }
        self.triggers = frozenset(self._begins)
        self._postings = postings_of(definition.minutes)
        self._team = definition.team

    def may_begin(self, entry: Entry, fold: Fold, since_ms: int | None) -> bool:
        """Whether a touchpoint, the newest, may be an anchor of one of its patterns, or go on with a match."""
        kind = entry.touchpoint.kind
        # Of most page views this is all there is to ask.
        if since_ms is None and entry.start - fold.before_at > self._company_ms[kind]:
            return False
        for matcher in self._begins[kind]:
            if matcher.trigger.passes(entry) and matcher.may_begin(entry, fold, since_ms):
                return True
        return False

    def may_change(self, entry: Entry, since_ms: int, *, is_found: bool) -> bool:
        """Whether one of its parts asks for a touchpoint that comes so long after the last anchor that may be one."""
        for lookout in self._lookouts.get(entry.touchpoint.kind, ()):
            if (
                (is_found or not lookout.for_found)
                and (lookout.within_ms is None or since_ms <= lookout.within_ms)
                and lookout.chooser.passes(entry)
            ):
                return True
        if self._guards_contacts or (self._measures_contacts and is_found):
            return goes_on(entry) or (since_ms == 0 and is_invitation(entry))
        return False

    def find(self, story: Story, watermark: int) -> Findings:
        """Every place in the story where a pattern holds, or will when its time is over."""
        findings = Findings()
        scene = Scene(story)
        for place, way in enumerate(self._ways):
            for match in way.matcher.find(scene):
                if match.anchor.start < self.parameters.effective_from:
                    continue
                finding = self._finding(place, match, scene, watermark, findings.deadlines)
                if finding is not None:
                    findings.found.append(finding)
        # The sort is stable: of several for one anchor the first pattern comes first.
        findings.found.sort(key=lambda finding: finding.anchor.order)
        return findings

    def _finding(self, place: int, match: Match, scene: Scene, watermark: int, deadlines: list[int]) -> Finding | None:
        """The finding of a match, if no guard makes it none; its deadlines are added."""
        way = self._ways[place]
        # Findings do not wait for their anchors: what is certain with the anchor is certain whatever the watermark.
        now = max(watermark, match.anchor.start)
        frame = Frame(match.first, match.anchor, match.due or match.anchor.start)
        known_at = match.known_at
        base: int | None = None
        checks: list[Check] = []
        for watch in way.guards:
            verdict = watch.judge(scene, frame)
            checks.append(verdict.check)
            if watch.base is None:
                if verdict.objects:
                    return None
                known_at = max(known_at, verdict.known_at)
            elif verdict.objects:
                if verdict.known_at > match.anchor.start:
                    deadlines.append(verdict.known_at)
                if now >= verdict.known_at:
                    base = watch.base if base is None else min(base, watch.base)
        shown = way.show(match, scene, frame)
        chosen = next((one for one in shown if one.since is not None and now >= one.since), shown[-1])
        moments = {known_at, match.confirmed_at, *(moment for one in shown for moment in one.moments())}
        deadlines.extend(moment for moment in moments if moment > match.anchor.start)
        known = _known(match, shown, now)
        topic, team = topic_in(match), team_in(match, self._team)
        facts = _Facts(
            pattern=place,
            match=match,
            base=chosen.form.base if base is None else base,
            costs=costs_of(self._postings, match, known, chosen.form.name),
            witnesses=chosen.witnesses,
            checks=tuple(_variant_checks(shown, now)),
            guards=tuple(checks),
            known=known,
            team=team,
            topic=topic,
        )
        answer = match.answer
        return Finding(
            match.anchor,
            chosen.form.name,
            facts,
            since=known_at if known_at > match.anchor.start else None,
            cleared_by=None if answer is None else Moment(answer.start, answer),
            is_confirmed=now >= match.confirmed_at,
        )

    def describe(self, finding: Finding) -> Description:
        """All there is to say about a finding."""
        facts: _Facts = finding.facts
        match, matcher = facts.match, self._ways[facts.pattern].matcher
        from_channel, to_channel = channels_of(match)
        checks = (*matcher.checks(match), *match.checks, *facts.checks)
        if match.confirmed_at:
            value = "certain" if finding.is_confirmed else "late touchpoints may still contradict it"
            checks += (Check("confirmed", value, "after the grace for late touchpoints", passed=finding.is_confirmed),)
        evidence = (*match.members, match.first, match.anchor, *facts.witnesses)
        return Description(
            base=facts.base,
            from_channel=from_channel,
            to_channel=to_channel,
            team=facts.team,
            topic=facts.topic,
            costs=facts.costs,
            evidence=evidence if match.answer is None else (*evidence, match.answer),
            checks=checks,
            guards=facts.guards,
            nearest_miss=matcher.nearest_miss(match),
            words=general_words(match, facts.topic, facts.team) | matcher.words(match, facts.known),
        )


def _known(match: Match, shown: list[Shown], now: int) -> Known:
    """How long what was due is known to have been absent."""
    if not match.confirmed_at:
        return Known(0, 0.0)
    levels = [(match.due, 1.0)]
    levels += [(one.level_at, one.form.level or 1.0) for one in shown if one.level_at is not None]
    until, times = max((level for level in levels if level[0] <= now), default=levels[0])
    if match.answer is not None:
        until = match.answer.start
        times = max(times for _, times in levels)
    return Known(until - match.anchor.end, times)


def _variant_checks(shown: list[Shown], now: int) -> Iterator[Check]:
    for one in shown:
        if one.form.level is not None:
            is_reached = one.level_at is not None and now >= one.level_at
            value = "reached" if is_reached else "not reached"
            yield Check(one.form.name, value, f"at least {one.form.level_text}", passed=is_reached)
        for known_at, check in one.checks:
            yield Check(check.name, check.value, check.threshold, passed=check.passed and now >= known_at)


def _matcher(told: Pattern, ignored_places: tuple[str, ...], calendars: Calendars) -> Matcher:
    if told.sequence is not None:
        return SequenceMatcher(told.sequence, ignored_places)
    if told.count is not None:
        return CountMatcher(told.count, ignored_places)
    if told.absence is not None:
        return AbsenceMatcher(told.absence, ignored_places, calendars)
    if told.change is not None:
        return ChangeMatcher(told.change, ignored_places)
    if told.ratio is not None:
        return RatioMatcher(told.ratio, ignored_places)
    msg = "a pattern is of one class"
    raise ValueError(msg)
