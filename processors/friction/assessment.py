"""From what a rule found to a friction as a fact: severity, status, silence, sentence, effort."""

from typing import NamedTuple

from processors.durations import minutes
from processors.effort import post
from processors.friction.finding import Finding, FrictionRule, parameters_hash
from processors.friction.guards import reason_to_stay_silent
from processors.friction.severity import Circumstances, severity_of
from processors.friction.story import Moment, Story
from processors.identifiers import content_hash, hash_id
from processors.journeys import Strand, is_solution
from processors.settings import CoreSettings
from schemas.outputs import EffortPosting, Evidence, Friction, FrictionStatus


class Assessed(NamedTuple):
    """A friction with its content hash, its postings with theirs, its cost (ms) and the journey it belongs to."""

    friction: tuple[Friction, int]
    postings: tuple[tuple[EffortPosting, int], ...]
    cost_ms: int
    strand: Strand


class Assessment(NamedTuple):
    """All frictions of a person, and every moment at which time alone may change one."""

    frictions: tuple[Assessed, ...]
    deadlines: tuple[int, ...]


def assess(
    story: Story, rules: tuple[FrictionRule, ...], watermark: int, *, person_key: str, settings: CoreSettings
) -> Assessment:
    """Every friction that the rules find in a story, as of the watermark."""
    frictions: list[Assessed] = []
    deadlines: list[int] = []
    for rule in rules:
        findings = rule.find(story, watermark)
        deadlines.extend(findings.deadlines)
        rule_hash = parameters_hash(rule.parameters) if findings.found else ""
        previous: Finding | None = None
        for finding in findings.found:
            solution = solution_of(story, finding)
            aged_at = finding.anchor.start + rule.parameters.severity.age_ms
            is_overdue = solution is None or solution.at > aged_at
            if is_overdue:
                deadlines.append(aged_at)
            repeat_of = previous
            if previous is not None:
                apart = finding.anchor.start - previous.anchor.start
                repeat_of = previous if apart <= rule.parameters.severity.repeat_window_ms else None
            circumstances = Circumstances(
                cost_ms=sum(cost.ms for cost in finding.costs),
                repeat_of=None if repeat_of is None else repeat_of.anchor.ref,
                is_aged=is_overdue and watermark >= aged_at,
                recovered_by=recovery_of(story, finding, rule.parameters.severity.recovery_window_ms),
            )
            frictions.append(
                _assessed(
                    story,
                    rule,
                    finding,
                    circumstances,
                    solution,
                    rule_hash=rule_hash,
                    person_key=person_key,
                    settings=settings,
                )
            )
            previous = finding
    return Assessment(tuple(frictions), tuple(deadlines))


def solution_of(story: Story, finding: Finding) -> Moment | None:
    """First solution of the matter after the anchor began; the anchor itself may be one."""
    anchor = finding.anchor
    if is_solution(anchor):
        return Moment(anchor.end, anchor)
    return story.solution(finding.keys, anchor.start + 1)


def recovery_of(story: Story, finding: Finding, within_ms: int) -> str | None:
    """The touchpoint with which the company came with a solution soon after the anchor."""
    found = story.proactive_solution(finding.keys, finding.anchor.start + 1, finding.anchor.start + within_ms)
    return None if found is None else found.entry.ref


def _assessed(
    story: Story,
    rule: FrictionRule,
    finding: Finding,
    circumstances: Circumstances,
    solution: Moment | None,
    *,
    rule_hash: str,
    person_key: str,
    settings: CoreSettings,
) -> Assessed:
    told, anchor = rule.parameters, finding.anchor
    if anchor.strand is None:
        msg = f"the anchor {anchor.ref} of {told.rule_id} is on no journey"
        raise ValueError(msg)
    strand = anchor.strand.root()
    journey_id = strand.outline(settings).journey_id
    tenant = anchor.touchpoint.tenant
    friction_id = hash_id("friction", tenant, told.rule_id, anchor.ref)
    severity, parts = severity_of(finding.base, finding.variant, circumstances, told.severity)
    proofs = {entry.order: entry for entry in finding.evidence}
    silenced_by = reason_to_stay_silent(story, anchor, proofs.values())
    if solution is not None:
        proofs[solution.entry.order] = solution.entry
    variant = told.variant(finding.variant)
    friction = Friction(
        friction_id=friction_id,
        tenant=tenant,
        rule_id=told.rule_id,
        rule_version=told.version,
        variant=finding.variant,
        status=FrictionStatus.OPEN if solution is None else FrictionStatus.CLEARED,
        severity=severity,
        person_key=person_key,
        journey_id=journey_id,
        anchor_at=anchor.start,
        opened_at=anchor.start,
        from_channel=finding.from_channel,
        to_channel=finding.to_channel,
        team=finding.team,
        topic=finding.topic,
        minutes=minutes(circumstances.cost_ms),
        evidence=Evidence(
            rule_id=told.rule_id,
            rule_version=told.version,
            rule_hash=rule_hash,
            touchpoints=tuple(proofs[order].ref for order in sorted(proofs)),
            checks=finding.checks,
            guards=finding.guards,
            severity_parts=parts,
            nearest_miss=finding.nearest_miss,
        ),
        sentence_en=variant.sentence_en.format_map(finding.words),
        sentence_de=variant.sentence_de.format_map(finding.words),
        is_alertable=silenced_by is None,
        silenced_by=silenced_by,
    )
    postings = (
        post(
            cost.name,
            cost.kind,
            cost.ms,
            cost.voucher,
            person_key=person_key,
            journey_id=journey_id,
            team=finding.team,
            is_measured=cost.is_measured,
            friction_id=friction_id,
        )
        for cost in finding.costs
    )
    return Assessed(
        (friction, content_hash(friction)),
        tuple((posting, content_hash(posting)) for posting in postings),
        circumstances.cost_ms,
        strand,
    )
