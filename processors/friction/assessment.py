"""From what a rule found to a friction as a fact: severity, status, silence, sentence, effort."""

from collections.abc import Collection
from typing import Final, NamedTuple

from processors.acts import is_solution
from processors.diff import Told
from processors.durations import minutes
from processors.effort import Claim, Ledger, claim
from processors.entries import Entry, Order
from processors.friction.finding import Finding, Findings, FrictionRule, LedgerRule
from processors.friction.guards import reason_to_stay_silent
from processors.friction.severity import Circumstances, SeverityScale, severity_of
from processors.friction.story import Moment, Story
from processors.identifiers import content_hash, hash_id
from processors.journeys import Strand
from processors.settings import CoreSettings
from schemas.outputs import Evidence, Friction, FrictionStatus


class Assessed(NamedTuple):
    """A friction with its content hash, what it claims of the effort ledger, and its anchor."""

    friction: tuple[Friction, int]
    claims: tuple[Claim, ...]
    anchor: Entry


class _Standing(NamedTuple):
    """How one finding stands in its story. Together with the finding it decides everything, so equal ones are alike."""

    finding: Finding
    solution: Moment | None
    repeat_of: Entry | None
    is_aged: bool
    recovery: Moment | None
    refusal: Entry | None
    strand: Strand
    journey_id: str


class _Found(NamedTuple):
    """What one rule found, and how long that holds: from one of its deadlines to the next."""

    findings: Findings
    since: int | None
    until: int | None

    def holds(self, watermark: int) -> bool:
        """Whether no deadline of the rule lies between."""
        return (self.since is None or self.since <= watermark) and (self.until is None or watermark < self.until)


_NOTHING_POSTED: Final = Ledger()


class Assessment:
    """All frictions of a person, what they and waits cost, and every moment at which time alone may change one.

    Keeps what each rule found and what it described, so that the next assessment of the same fold only looks for what
    may have changed and only describes what is new. Of rules that found nothing and wait for nothing it keeps nothing.
    """

    __slots__ = ("_found", "_known", "_told", "deadlines", "frictions", "ledger")

    def __init__(self) -> None:
        self.frictions: list[Assessed] = []
        self.deadlines: list[int] = []
        self.ledger = _NOTHING_POSTED
        self._told: Told[Friction] | None = None
        self._found: dict[int, _Found] = {}
        self._known: dict[tuple[str, Order], tuple[_Standing, Assessed]] = {}

    @property
    def found(self) -> Collection[int]:
        """Places of the rules that found something, or wait for a deadline."""
        return self._found.keys()

    @property
    def told(self) -> Told[Friction]:
        """The frictions as facts, once all are there."""
        if self._told is None:
            stamped = [assessed.friction for assessed in self.frictions]
            self._told = Told(
                tuple(friction for friction, _ in stamped),
                {friction.friction_id: hash_ for friction, hash_ in stamped},
            )
        return self._told

    def find(
        self, story: Story, place: int, rule: FrictionRule, watermark: int, previous: "Assessment | None"
    ) -> Findings:
        """What the rule at a place finds; as before, if there is a previous assessment in which it found the same."""
        found = None if previous is None else previous._found.get(place)
        if found is None or not found.holds(watermark):
            findings = rule.find(story, watermark)
            deadlines = findings.deadlines
            if not findings.found and not deadlines:
                return findings
            found = _Found(
                findings,
                max((deadline for deadline in deadlines if deadline <= watermark), default=None),
                min((deadline for deadline in deadlines if deadline > watermark), default=None),
            )
        self._found[place] = found
        return found.findings

    def keep(self, rule_id: str, standing: _Standing, assessed: Assessed) -> None:
        """Add the friction of a finding."""
        self.frictions.append(assessed)
        self._known[rule_id, standing.finding.anchor.order] = (standing, assessed)

    def recall(self, rule_id: str, standing: _Standing) -> Assessed | None:
        """The friction of a finding that stands as it stood."""
        known = self._known.get((rule_id, standing.finding.anchor.order))
        return known[1] if known is not None and known[0] == standing else None


def assess(
    story: Story,
    rules: tuple[FrictionRule, ...],
    watermark: int,
    *,
    person_key: str,
    settings: CoreSettings,
    stale: Collection[int],
    previous: Assessment | None = None,
) -> Assessment:
    """Every friction that the rules find in a story, as of the watermark.

    `stale` are the places of the rules that may find something else than in the `previous` assessment, which must be of
    the same rules, settings and fold; without it, those that may find anything.
    """
    assessment = Assessment()
    #: By rule, so that a friction is the repetition of one that an earlier version found.
    last: dict[str, Finding] = {}

    def ask(place: int) -> None:
        rule = rules[place]
        is_last = isinstance(rule, LedgerRule)
        told = rule.parameters
        findings = assessment.find(story, place, rule, watermark, None if is_last or place in stale else previous)
        assessment.deadlines.extend(findings.deadlines)
        before = last.get(told.rule_id)
        for finding in findings.found:
            if finding.anchor.start < told.effective_from:
                continue
            standing, aged_at = _stand(
                story, finding, before, scale=told.severity, watermark=watermark, settings=settings
            )
            if is_last:
                # Its anchor may move to an earlier touchpoint when time passes; its deadline must move alike.
                assessment.deadlines.append(finding.opened_at + told.severity.age_ms)
            elif aged_at is not None:
                assessment.deadlines.append(aged_at)
            # What is not yet, what an earlier pattern found, and what is left to a later version: their deadlines count
            # all the same, so that deadlines depend neither on the watermark nor on what is published later.
            if (
                (finding.since is not None and finding.since > watermark)
                or (before is not None and before.anchor is finding.anchor)
                or (told.effective_until is not None and finding.anchor.start >= told.effective_until)
            ):
                continue
            assessed = None if previous is None else previous.recall(told.rule_id, standing)
            if assessed is None:
                assessed = _assessed(rule, standing, person_key=person_key)
            assessment.keep(told.rule_id, standing, assessed)
            before = last[told.rule_id] = finding

    for place in sorted(stale if previous is None else {*stale, *previous.found}):
        if not isinstance(rules[place], LedgerRule):
            ask(place)
    claims = (claim for assessed in assessment.frictions for claim in assessed.claims)
    assessment.ledger = story.ledger(claims, person_key)
    story.add_efforts(assessment.ledger)
    for place, rule in enumerate(rules):
        if isinstance(rule, LedgerRule):
            ask(place)
    return assessment


def _stand(
    story: Story,
    finding: Finding,
    before: Finding | None,
    *,
    scale: SeverityScale,
    watermark: int,
    settings: CoreSettings,
) -> tuple[_Standing, int | None]:
    """How a finding stands, and the moment at which it ages, passed or not; `before` is the rule's previous one."""
    anchor = finding.anchor
    solution = solution_of(story, finding)
    aged_at = finding.opened_at + scale.age_ms
    is_overdue = solution is None or solution.at > aged_at
    is_repeat = before is not None and anchor.start - before.anchor.start <= scale.repeat_window_ms
    if anchor.strand is None:
        msg = f"the anchor {anchor.ref} is on no journey"
        raise ValueError(msg)
    strand = anchor.strand.root()
    standing = _Standing(
        finding=finding,
        solution=solution,
        repeat_of=before.anchor if before is not None and is_repeat else None,
        is_aged=is_overdue and watermark >= aged_at,
        recovery=story.proactive_solution(anchor, anchor.start + 1, anchor.start + scale.recovery_window_ms),
        refusal=story.profiling_refusal(anchor.start),
        strand=strand,
        journey_id=strand.outline(settings).journey_id,
    )
    return standing, aged_at if is_overdue else None


def solution_of(story: Story, finding: Finding) -> Moment | None:
    """First solution of the matter after the anchor began, or what else cleared it; the anchor itself may be one."""
    anchor = finding.anchor
    if is_solution(anchor):
        return Moment(anchor.end, anchor)
    solution = story.solution(anchor, anchor.start + 1)
    cleared_by = finding.cleared_by
    if solution is None or (cleared_by is not None and cleared_by.at < solution.at):
        return cleared_by
    return solution


def _assessed(rule: FrictionRule, standing: _Standing, *, person_key: str) -> Assessed:
    told, finding = rule.parameters, standing.finding
    described = rule.describe(finding)
    anchor, journey_id = finding.anchor, standing.journey_id
    tenant = anchor.touchpoint.tenant
    friction_id = hash_id("friction", tenant, told.rule_id, anchor.ref)
    cost_ms = sum(cost.ms for cost in described.costs)
    circumstances = Circumstances(
        cost_ms=cost_ms,
        repeat_of=None if standing.repeat_of is None else standing.repeat_of.ref,
        is_aged=standing.is_aged,
        recovered_by=None if standing.recovery is None else standing.recovery.entry.ref,
    )
    severity, parts = severity_of(described.base, finding.variant, circumstances, told.severity)
    silenced_by = reason_to_stay_silent(described.evidence, standing.refusal, despite_incident=told.despite_incident)
    if told.shadow:
        silenced_by = "shadow"
    if silenced_by is None and not finding.is_confirmed:
        silenced_by = "unconfirmed"
    proofs = {entry.order: entry for entry in described.evidence}
    if standing.solution is not None:
        proofs[standing.solution.entry.order] = standing.solution.entry
    variant = told.variant(finding.variant)
    friction = Friction(
        friction_id=friction_id,
        tenant=tenant,
        rule_id=told.rule_id,
        rule_version=told.version,
        variant=finding.variant,
        status=FrictionStatus.OPEN if standing.solution is None else FrictionStatus.CLEARED,
        severity=severity,
        person_key=person_key,
        journey_id=journey_id,
        anchor_at=anchor.start,
        opened_at=finding.opened_at,
        from_channel=described.from_channel,
        to_channel=described.to_channel,
        team=described.team,
        topic=described.topic,
        minutes=minutes(cost_ms),
        evidence=Evidence(
            rule_id=told.rule_id,
            rule_version=told.version,
            rule_hash=rule.content_hash,
            touchpoints=tuple(proofs[order].ref for order in sorted(proofs)),
            checks=described.checks,
            guards=described.guards,
            severity_parts=parts,
            nearest_miss=described.nearest_miss.en,
            nearest_miss_de=described.nearest_miss.de,
        ),
        sentence_en=variant.sentence_en.format_map(described.words),
        sentence_de=variant.sentence_de.format_map(described.words),
        is_alertable=silenced_by is None,
        silenced_by=silenced_by,
        owner_team=told.owner_team,
    )
    if described.costs and isinstance(rule, LedgerRule):
        msg = f"{told.rule_id} judges the effort ledger, so it must not post to it"
        raise ValueError(msg)
    claims = (
        claim(
            cost.name,
            cost.kind,
            cost.ms,
            cost.voucher,
            anchor=anchor,
            person_key=person_key,
            journey_id=journey_id,
            team=described.team,
            cause=told.rule_id,
            is_measured=cost.is_measured,
            friction_id=friction_id,
        )
        for cost in (() if told.shadow else described.costs)
    )
    return Assessed((friction, content_hash(friction)), tuple(claims), anchor)
