"""One person: the set of their touchpoints, and everything that follows from it."""

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import NamedTuple

from processors.diff import FactKind, Judgement
from processors.entries import Entry, Order
from processors.fold import Fold, Revision
from processors.friction.assessment import Assessment, assess
from processors.friction.attention import Attention
from processors.friction.finding import FrictionRule
from processors.friction.story import Story
from processors.identifiers import RULE_CHANGE, content_hash, pack_version, unpack_version
from processors.membership import Membership
from processors.settings import CoreSettings
from processors.telling import Telling
from schemas.outputs import EffortPosting, Journey, Person, Session
from schemas.touchpoint import AppliedTouchpoint


class StepResult(Enum):
    """What became of a touchpoint. Every one is either applied or a duplicate."""

    APPLIED = "applied"
    #: Applied, but older than a session that had been published as over.
    APPLIED_LATE = "applied_late"
    DUPLICATE = "duplicate"

    @property
    def is_late(self) -> bool:
        """Whether it came after what it belongs to had been published as over."""
        return self is StepResult.APPLIED_LATE


class _Assessed(NamedTuple):
    """An assessment and how long it holds: for this revision of the story, from one deadline to the next."""

    assessment: Assessment
    revision: Revision
    since: int | None
    until: int | None

    def holds(self, watermark: int) -> bool:
        """Whether no deadline lies between."""
        return (self.since is None or self.since <= watermark) and (self.until is None or watermark < self.until)


class PersonState:
    """The set of touchpoints of one person, and what was derived from it so far.

    `membership` says which identifiers the person is, `None` for the one of its key that never met another;
    `archived` is how many touchpoints are counted but no longer held. Everything derived is a cache; the set alone
    decides what holds.
    """

    __slots__ = (
        "_assessed",
        "_attention",
        "_entries",
        "_fold",
        "_folded",
        "_over_until",
        "_set",
        "_telling",
        "archived",
        "membership",
        "person_key",
        "tenant",
    )

    def __init__(
        self, tenant: str, person_key: str, *, membership: Membership | None = None, archived: int = 0
    ) -> None:
        self.tenant = tenant
        self.person_key = person_key
        self.membership = membership
        self.archived = archived
        self._set: dict[tuple[str, str], Entry] = {}
        self._entries: list[Entry] = []
        self._fold: Fold | None = None
        self._folded = 0
        self._attention = Attention(())
        self._assessed: _Assessed | None = None
        self._telling = Telling(person_key)
        self._over_until: int | None = None

    def __len__(self) -> int:
        return len(self._set)

    @property
    def touchpoints(self) -> Iterator[AppliedTouchpoint]:
        """All touchpoints in story order."""
        return (entry.applied for entry in self._entries)

    @property
    def epoch(self) -> int:
        """How many sets of identifiers the person has been."""
        return 0 if self.membership is None else self.membership.epoch

    @property
    def identifiers(self) -> tuple[str, ...]:
        """The identifiers that make up the person, sorted."""
        return (self.person_key,) if self.membership is None else tuple(sorted(self.membership.members))

    def rise_above(self, version: int) -> None:
        """Count as another set of identifiers, later than that of a version."""
        if self.membership is not None:
            self.membership = self.membership._replace(epoch=unpack_version(version)[0] + 1)

    def let_go(self) -> None:
        """Forget everything: touchpoints and what they are part of know each other, and would stay as garbage."""
        for entry in self._entries:
            entry.strand = entry.contact = None
        self._set.clear()
        self._entries.clear()
        self._fold = self._assessed = None

    def is_home_of(self, applied: AppliedTouchpoint) -> bool:
        """Whether a touchpoint belongs to this person."""
        if self.membership is None:
            return applied.identity_hash == self.person_key
        return self.membership.holds(applied.touchpoint)

    def holds(self, applied: AppliedTouchpoint) -> bool:
        """Whether this very copy of a touchpoint counts, not another one with the same key."""
        entry = self._set.get((applied.touchpoint.source, applied.touchpoint.id))
        return entry is not None and entry.applied is applied


def step(state: PersonState, applied: AppliedTouchpoint) -> StepResult:
    """Take one touchpoint into the set.

    One that is newer than all others costs a dictionary entry now and one fold step at the next judgement; an older
    one makes that judgement fold anew. Of two touchpoints with one key the one earlier in the log counts, so
    the outcome does not depend on the order of arrival.

    Raises:
        ValueError: the touchpoint belongs to another tenant.

    """
    touchpoint = applied.touchpoint
    if touchpoint.tenant != state.tenant:
        msg = f"touchpoint of tenant {touchpoint.tenant!r} given to a person of {state.tenant!r}"
        raise ValueError(msg)
    key = (touchpoint.source, touchpoint.id)
    known = state._set.get(key)
    if known is not None:
        _settle_duplicate(state, known, applied)
        return StepResult.DUPLICATE
    entry = state._set[key] = Entry(applied)
    entries = state._entries
    if not entries or entry.order > entries[-1].order:
        entries.append(entry)
    else:
        insort(entries, entry, key=_order)
        state._fold = None
    over_until = state._over_until
    return StepResult.APPLIED_LATE if over_until is not None and entry.start <= over_until else StepResult.APPLIED


def restore(
    tenant: str,
    person_key: str,
    touchpoints: Iterable[AppliedTouchpoint],
    *,
    membership: Membership | None = None,
    archived: int = 0,
) -> PersonState:
    """State with these touchpoints, in whatever order and however often they come."""
    state = PersonState(tenant, person_key, membership=membership, archived=archived)
    for applied in sorted(touchpoints, key=lambda applied: applied.order):
        step(state, applied)
    return state


def judge(
    state: PersonState,
    rules: tuple[FrictionRule, ...],
    watermark: int,
    settings: CoreSettings,
    moments: Sequence[int] = (),
) -> Judgement:
    """All that holds for a person as of the watermark (UTC milliseconds).

    `moments` are those from which on changes to the rules hold, sorted: see `processors.friction.book`.

    A pure function of the set, rules, watermark and settings: caches in the state only save work. No clock is read;
    whatever depends on time is a deadline that has passed when `watermark >= deadline`.

    Raises:
        ValueError: the person has no touchpoints.

    """
    if not state._entries:
        msg = "a person without touchpoints cannot be judged"
        raise ValueError(msg)
    fold = _fold(state, rules, settings)
    assessment = _assess(state, fold, watermark)
    judgement = _judgement(state, fold, assessment, watermark, bisect_right(moments, state._entries[-1].start))
    for visit in reversed(fold.visits):
        if visit.ended_at + settings.session_gap_ms < watermark:
            state._over_until = visit.ended_at + settings.session_gap_ms
            break
    return judgement


def _settle_duplicate(state: PersonState, known: Entry, applied: AppliedTouchpoint) -> None:
    if _log_place(applied) >= _log_place(known.applied):
        return
    is_same = (
        applied.touchpoint == known.applied.touchpoint
        and applied.event_time == known.applied.event_time
        and applied.end_time == known.applied.end_time
    )
    if is_same:
        known.applied = applied
        return
    known.strand = known.contact = None
    entry = Entry(applied)
    state._set[applied.touchpoint.source, applied.touchpoint.id] = entry
    state._entries = sorted(state._set.values(), key=_order)
    state._fold = None


def _log_place(applied: AppliedTouchpoint) -> tuple[int, str, int, int]:
    return applied.ingestion_time, applied.origin_topic, applied.origin_partition, applied.origin_offset


def _order(entry: Entry) -> Order:
    return entry.order


def _fold(state: PersonState, rules: tuple[FrictionRule, ...], settings: CoreSettings) -> Fold:
    """The fold over all entries, shown to the rules; goes on from where it stands unless something came in between."""
    fold, attention = state._fold, state._attention
    if fold is None or fold.settings != settings or attention.rules != rules:
        fold = state._fold = Fold(settings)
        attention = state._attention = Attention(rules)
        state._folded = 0
        state._assessed = None
        state._telling = Telling(state.person_key)
    found = () if state._assessed is None else state._assessed.assessment.found
    add, show = fold.add, attention.show
    for entry in state._entries[state._folded :] if state._folded else state._entries:
        acts = fold.acts
        if add(entry):
            show(entry, fold, is_act=fold.acts != acts, found=found)
    state._folded = len(state._entries)
    return fold


def _assess(state: PersonState, fold: Fold, watermark: int) -> Assessment:
    """The assessment of the fold; the last one while it holds, else a new one that takes over what stayed."""
    kept, rules = state._assessed, state._attention.rules
    stale = state._attention.take_stale(all_begun=kept is None or kept.revision.relations != fold.revision.relations)
    if kept is None or stale or kept.revision != fold.revision or not kept.holds(watermark):
        assessment = assess(
            Story(fold),
            rules,
            watermark,
            person_key=state.person_key,
            settings=fold.settings,
            stale=stale,
            previous=None if kept is None else kept.assessment,
        )
        kept = state._assessed = _Assessed(
            assessment,
            fold.revision,
            max((deadline for deadline in assessment.deadlines if deadline <= watermark), default=None),
            min((deadline for deadline in assessment.deadlines if deadline > watermark), default=None),
        )
    return kept.assessment


def _judgement(state: PersonState, fold: Fold, assessment: Assessment, watermark: int, rule_changes: int) -> Judgement:
    """The judgement; `rule_changes` is how many changes to the rules concern the person."""
    telling, ledger = state._telling, assessment.ledger
    sessions = telling.sessions(fold)
    journeys = telling.journeys(fold, assessment, watermark)
    frictions = assessment.told
    deadlines, passed = telling.deadlines, telling.passed
    touchpoints = len(state._set) + state.archived
    wake_at = deadlines[passed] if passed < len(deadlines) else None
    person = Person(
        person_key=state.person_key,
        tenant=state.tenant,
        merged_into=None,
        first_seen_at=state._entries[0].start,
        last_seen_at=state._entries[-1].start,
        touchpoints=touchpoints,
        contacts=len(fold.contacts),
        sessions=len(sessions.facts),
        journeys=len(journeys.facts),
        frictions=len(frictions.facts),
        effort_minutes=ledger.minutes,
        next_deadline=wake_at,
        identifiers=state.identifiers,
        rule_changes=rule_changes,
    )
    return Judgement(
        tenant=state.tenant,
        person_key=state.person_key,
        sessions=sessions.facts,
        journeys=journeys.facts,
        frictions=frictions.facts,
        postings=ledger.postings,
        person=person,
        wake_at=wake_at,
        version=pack_version(state.epoch, touchpoints + RULE_CHANGE * rule_changes, passed),
        hashes={
            FactKind.SESSION: sessions.hashes,
            FactKind.FRICTION: frictions.hashes,
            FactKind.JOURNEY: journeys.hashes,
            FactKind.POSTING: ledger.hashes,
            FactKind.PERSON: {person.person_key: content_hash(person)},
        },
        anchor_epochs=_anchor_epochs(state, sessions.facts, journeys.facts, assessment, ledger.postings),
    )


def _anchor_epochs(
    state: PersonState,
    sessions: Iterable[Session],
    journeys: Iterable[Journey],
    assessment: Assessment,
    postings: Iterable[EffortPosting],
) -> dict[FactKind, dict[str, int]]:
    """How often what each fact hangs on has changed hands, where it has."""
    membership = state.membership
    if membership is None or not any(membership.epochs.values()):
        return {}
    by_ref = {entry.ref: membership.anchor_epoch(entry.touchpoint) for entry in state._entries}
    by_friction = {assessed.friction[0].friction_id: by_ref[assessed.anchor.ref] for assessed in assessment.frictions}
    return {
        FactKind.SESSION: {session.session_id: by_ref[session.first_touchpoint] for session in sessions},
        FactKind.JOURNEY: {journey.journey_id: by_ref[journey.touchpoint_keys[0]] for journey in journeys},
        FactKind.FRICTION: by_friction,
        FactKind.POSTING: {
            posting.posting_id: by_ref[posting.voucher]
            if posting.friction_id is None
            else by_friction[posting.friction_id]
            for posting in postings
        },
        FactKind.PERSON: {state.person_key: membership.epochs.get(state.person_key, 0)},
    }
