"""The theorem of the core: what holds for a person is a function of the set of touchpoints and the watermark."""

import gc
import random
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from itertools import pairwise, permutations
from types import FrameType

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processors.diff import NOTHING_PUBLISHED, FactKind, Judgement, Published, diff, fact_id, published_after
from processors.identifiers import hash_id, unpack_version
from processors.matters import matter_keys
from processors.membership import Membership
from processors.person import PersonState, StepResult, judge, restore, step
from processors.settings import CoreSettings
from schemas.touchpoint import AppliedTouchpoint
from tests.support.judging import RULES, judged
from tests.support.oracle import contacts
from tests.support.stories import stories, watermarks
from tests.support.touchpoints import ANNA, DAY, HOUR, MINUTE, MONDAY, SECOND, TENANT, applied, happened, touchpoint

SETTINGS = CoreSettings()
#: Rules of which all evidence that names a matter lies on one journey; others look at all that a person did.
OF_ONE_MATTER = {"channel_redirect", "unprompted_switch", "repeat_contact", "complaint_after_resolution"}


def judge_now(state: PersonState, watermark: int) -> Judgement:
    return judge(state, RULES, watermark, SETTINGS)


@given(stories(), watermarks, st.data())
def test_any_order_duplication_and_chunking_gives_the_same_facts(
    story: list[AppliedTouchpoint], watermark: int, data: st.DataObject
) -> None:
    arrivals = data.draw(st.permutations(story + data.draw(st.lists(st.sampled_from(story), max_size=5))))
    state = PersonState(TENANT, ANNA)
    for arrival in arrivals:
        step(state, arrival)
        if data.draw(st.booleans()):
            judge_now(state, data.draw(watermarks))
    assert judge_now(state, watermark) == judged(*story, watermark=watermark)


@given(stories(), st.lists(watermarks, min_size=14, max_size=14).map(sorted))
def test_step_by_step_equals_folding_from_scratch_at_every_prefix(
    story: list[AppliedTouchpoint], rising: list[int]
) -> None:
    state = PersonState(TENANT, ANNA)
    for count, (arrival, watermark) in enumerate(zip(story, rising, strict=False), start=1):
        step(state, arrival)
        assert judge_now(state, watermark) == judged(*story[:count], watermark=watermark)


@pytest.fixture
def fresh_garbage() -> Iterator[Callable[[], int]]:
    """How many objects only the collector of garbage finds, of those made since the test began."""
    gc.collect()
    gc.freeze()
    gc.disable()
    yield gc.collect
    gc.enable()
    gc.unfreeze()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stories(), watermarks, st.data())
def test_a_person_that_is_let_go_of_leaves_no_garbage(
    fresh_garbage: Callable[[], int], story: list[AppliedTouchpoint], watermark: int, data: st.DataObject
) -> None:
    other_copies = [msgspec.structs.replace(one, ingestion_time=1, event_time=one.event_time + 1) for one in story]
    arrivals = data.draw(st.permutations(story + data.draw(st.lists(st.sampled_from(other_copies), max_size=5))))
    fresh_garbage()
    state = PersonState(TENANT, ANNA)
    for arrival in arrivals:
        step(state, arrival)
        judge_now(state, watermark)
    state.let_go()
    del state
    assert fresh_garbage() == 0


@given(stories(), watermarks, st.integers(0, 13))
def test_replaying_any_suffix_changes_nothing(story: list[AppliedTouchpoint], watermark: int, start: int) -> None:
    state = restore(TENANT, ANNA, story)
    before = judge_now(state, watermark)
    assert {step(state, again) for again in story[start:]} <= {StepResult.DUPLICATE}
    assert judge_now(state, watermark) == before


@given(stories(), st.data())
def test_every_touchpoint_is_applied_or_a_duplicate(story: list[AppliedTouchpoint], data: st.DataObject) -> None:
    arrivals = data.draw(st.lists(st.sampled_from(story), max_size=30))
    state = PersonState(TENANT, ANNA)
    results = Counter(step(state, arrival) for arrival in arrivals)
    assert results[StepResult.APPLIED] + results[StepResult.APPLIED_LATE] == len(state)
    assert results.total() == len(arrivals)


@given(stories(), watermarks)
def test_sessions_are_disjoint_by_more_than_the_gap(story: list[AppliedTouchpoint], watermark: int) -> None:
    sessions = judged(*story, watermark=watermark).sessions
    for one, other in pairwise(sessions):
        assert other.started_at - one.ended_at > SETTINGS.session_gap_ms


@given(stories(), watermarks)
def test_journeys_partition_the_contacts(story: list[AppliedTouchpoint], watermark: int) -> None:
    judgement = judged(*story, watermark=watermark)
    members = Counter(key for journey in judgement.journeys for key in journey.touchpoint_keys)
    assert set(members.values()) <= {1}
    expected = [f"default/test/{contact.first.touchpoint.id}" for contact in contacts(story)]
    assert set(expected) <= set(members)
    assert sum(journey.contacts for journey in judgement.journeys) == len(expected)


@given(stories(), watermarks, st.integers(0, 10**12), st.randoms(use_true_random=False))
def test_nothing_depends_on_when_or_where_a_touchpoint_was_read(
    story: list[AppliedTouchpoint], watermark: int, later: int, chances: random.Random
) -> None:
    places = chances.sample(range(len(story)), len(story))
    moved = [applied(one.touchpoint, ingestion_time=later + n, offset=n) for n, one in zip(places, story, strict=True)]
    assert judged(*moved, watermark=watermark) == judged(*story, watermark=watermark)


@given(stories(), watermarks, watermarks, st.integers(1, 13))
def test_restoring_at_any_point_equals_going_on(
    story: list[AppliedTouchpoint], early: int, late: int, cut: int
) -> None:
    going_on = restore(TENANT, ANNA, story[:cut])
    judge_now(going_on, min(early, late))
    restored = restore(TENANT, ANNA, list(going_on.touchpoints))
    for arrival in story[cut:]:
        step(going_on, arrival)
        step(restored, arrival)
    assert judge_now(going_on, late) == judge_now(restored, late)


@given(stories(), watermarks)
def test_friction_ids_are_unique_and_every_friction_lies_on_a_journey(
    story: list[AppliedTouchpoint], watermark: int
) -> None:
    judgement = judged(*story, watermark=watermark)
    ids = [friction.friction_id for friction in judgement.frictions]
    assert len(set(ids)) == len(ids)
    journeys = {journey.journey_id: set(journey.touchpoint_keys) for journey in judgement.journeys}
    refs = {f"default/test/{one.touchpoint.id}": one.touchpoint for one in story}
    for friction in judgement.frictions:
        named = {hash_id("friction", TENANT, friction.rule_id, ref): ref for ref in friction.evidence.touchpoints}
        assert named[friction.friction_id] in journeys[friction.journey_id]
        for ref in friction.evidence.touchpoints if friction.rule_id in OF_ONE_MATTER else ():
            # A contact may be longer than what it says of its matter, and reach to the next journey about it.
            keys = set(matter_keys(refs[ref].objects, refs[ref].topic))
            on_journey = journeys[friction.journey_id]
            theirs = {key for one in on_journey for key in matter_keys(refs[one].objects, refs[one].topic)}
            assert ref in on_journey or not keys or keys & theirs
        assert not any(refs[ref].probe for ref in friction.evidence.touchpoints)


@given(stories(), watermarks)
def test_minutes_of_postings_journeys_and_frictions_agree(story: list[AppliedTouchpoint], watermark: int) -> None:
    judgement = judged(*story, watermark=watermark)
    assert len({posting.posting_id for posting in judgement.postings}) == len(judgement.postings)
    for journey in judgement.journeys:
        posted = [posting for posting in judgement.postings if posting.journey_id == journey.journey_id]
        assert journey.effort_minutes == pytest.approx(sum(posting.minutes for posting in posted))
        assert {posting.voucher for posting in posted} <= set(journey.touchpoint_keys) | {
            ref for friction in judgement.frictions for ref in friction.evidence.touchpoints
        }
    for friction in judgement.frictions:
        posted = [posting for posting in judgement.postings if posting.friction_id == friction.friction_id]
        # What another friction claims with better reason is posted for that one.
        assert sum(posting.minutes for posting in posted) <= friction.minutes + 1e-9
        assert {posting.team for posting in posted} <= {friction.team}


@given(stories(), watermarks, watermarks)
def test_nothing_changes_between_a_judgement_and_its_wake_up(
    story: list[AppliedTouchpoint], one: int, other: int
) -> None:
    early, late = sorted((one, other))
    before, after = judged(*story, watermark=early), judged(*story, watermark=late)
    assert before.wake_at is None or before.wake_at > early
    if before.wake_at is None or late < before.wake_at:
        assert before == after
    else:
        assert after.version > before.version


@given(stories(), watermarks, watermarks)
def test_the_version_grows_with_every_change_and_equal_versions_mean_equal_facts(
    story: list[AppliedTouchpoint], one: int, other: int
) -> None:
    early, late = sorted((one, other))
    state = PersonState(TENANT, ANNA)
    previous = -1
    for arrival in story:
        step(state, arrival)
        version = judge_now(state, early).version
        assert version > previous
        previous = version
    before, after = judge_now(state, early), judge_now(state, late)
    assert after.version >= before.version
    assert (after.version == before.version) == (after == before)


def facts_by_id(judgement: Judgement) -> dict[tuple[FactKind, str], object]:
    return {(kind, fact_id(fact)): fact for kind, facts in judgement.facts() for fact in facts}


@given(stories().flatmap(st.permutations), st.lists(watermarks, min_size=14, max_size=14).map(sorted))
def test_upserts_and_retractions_keep_a_store_equal_to_the_judgement(
    story: list[AppliedTouchpoint], rising: list[int]
) -> None:
    state = PersonState(TENANT, ANNA)
    store: dict[tuple[FactKind, str], object] = {}
    published: Published = NOTHING_PUBLISHED
    for arrival, watermark in zip(story, rising, strict=False):
        step(state, arrival)
        judgement = judge_now(state, watermark)
        changes = diff(published, judgement)
        for kind, facts in judgement.facts():
            store |= {(kind, fact_id(fact)): fact for fact in facts if fact in changes.upserts}
        for gone in changes.retractions:
            del store[gone.kind, gone.id]
        assert store == facts_by_id(judgement)
        published = published_after(judgement)
        assert diff(published, judgement) == ([], [])


def test_a_touchpoint_older_than_a_session_that_is_over_is_late() -> None:
    state = restore(TENANT, ANNA, [happened("page.viewed", MONDAY)])
    judge_now(state, MONDAY + 30 * MINUTE)
    assert step(state, happened("page.viewed", MONDAY + 1)) is StepResult.APPLIED
    judge_now(state, MONDAY + 30 * MINUTE + 2)
    late = step(state, happened("page.viewed", MONDAY + 2))
    assert (late, late.is_late) == (StepResult.APPLIED_LATE, True)
    assert step(state, happened("page.viewed", MONDAY + DAY)) is StepResult.APPLIED


def test_of_two_touchpoints_with_one_key_the_earlier_in_the_log_counts() -> None:
    first = applied(touchpoint("page.viewed", MONDAY, id="x"), ingestion_time=1)
    second = applied(touchpoint("page.viewed", MONDAY + DAY, id="x", channel="app"), ingestion_time=2)
    copy = applied(second.touchpoint, ingestion_time=3)
    for arrivals in permutations([first, second, copy]):
        state = PersonState(TENANT, ANNA)
        for arrival in arrivals:
            step(state, arrival)
            judge_now(state, MONDAY)
        judgement = judge_now(state, MONDAY)
        assert [session.started_at for session in judgement.sessions] == [MONDAY]
        assert [session.channels for session in judgement.sessions] == [("other",)]
        assert judgement.person.touchpoints == 1


def test_a_copy_earlier_in_the_log_counts_as_the_place_of_the_touchpoint() -> None:
    touch = touchpoint("page.viewed", MONDAY, id="x")
    other = touchpoint("page.viewed", MONDAY + DAY, id="x")
    early, late = applied(touch, offset=1), applied(touch, offset=3)
    middle = applied(other, ingestion_time=MONDAY, offset=2)
    for arrivals in permutations([early, middle, late]):
        state = PersonState(TENANT, ANNA)
        for arrival in arrivals:
            step(state, arrival)
        assert list(state.touchpoints) == [early]


def test_a_person_counts_what_is_stored_and_what_is_judged() -> None:
    judgement = judged(
        happened("page.viewed", MONDAY, probe=True),
        happened("contact.started", MONDAY + DAY, channel="web"),
        happened("contact.started", MONDAY + 2 * DAY, channel="web", staff=True),
    )
    person = judgement.person
    assert (person.touchpoints, person.contacts, person.sessions, person.journeys) == (3, 1, 1, 1)
    assert (person.first_seen_at, person.last_seen_at) == (MONDAY, MONDAY + 2 * DAY)
    assert person.next_deadline == judgement.wake_at == MONDAY + 15 * DAY


def test_the_version_counts_epoch_touchpoints_and_deadlines_passed() -> None:
    story = [happened("contact.started", MONDAY, channel="web")]
    state = restore(TENANT, ANNA, story, membership=Membership(frozenset({ANNA}), frozenset(), {}, 3), archived=10)
    assert unpack_version(judge_now(state, MONDAY).version) == (3, 11, 0)
    assert unpack_version(judge_now(state, MONDAY + 14 * DAY - 1).version) == (3, 11, 0)
    assert unpack_version(judge_now(state, MONDAY + 14 * DAY).version) == (3, 11, 1)


def test_a_person_without_touchpoints_cannot_be_judged() -> None:
    with pytest.raises(ValueError, match="without touchpoints"):
        judge_now(PersonState(TENANT, ANNA), MONDAY)


def test_a_touchpoint_of_another_tenant_is_refused() -> None:
    with pytest.raises(ValueError, match="tenant"):
        step(PersonState(TENANT, ANNA), happened("page.viewed", MONDAY, tenant="other"))


def test_other_settings_fold_anew() -> None:
    state = restore(TENANT, ANNA, [happened("page.viewed", MONDAY), happened("page.viewed", MONDAY + HOUR)])
    assert len(judge_now(state, MONDAY).sessions) == 2
    assert len(judge(state, RULES, MONDAY, CoreSettings(session_gap_ms=HOUR)).sessions) == 1


def assert_same_step_by_step(*story: AppliedTouchpoint, watermark: int = MONDAY) -> None:
    """Judged after every step, the person is what a fold from scratch says."""
    state = PersonState(TENANT, ANNA)
    for count, arrival in enumerate(story, start=1):
        step(state, arrival)
        assert judge_now(state, watermark) == judged(*story[:count], watermark=watermark)


def test_a_page_view_is_an_arrival_only_after_the_redirect() -> None:
    assert_same_step_by_step(
        happened("contact.redirected", MONDAY, id="1", channel="chat", redirect_to="web", topic="a"),
        happened("page.viewed", MONDAY, id="2", channel="web"),
        happened("page.viewed", MONDAY + HOUR, channel="web"),
        happened("page.viewed", MONDAY + 2 * HOUR, channel="web"),
    )


def test_a_page_view_may_join_the_journey_of_a_friction_to_another() -> None:
    assert_same_step_by_step(
        happened("message.received", MONDAY, channel="email", objects=("case:1",)),
        happened("contact.redirected", MONDAY + DAY, channel="chat", redirect_to="phone", topic="a"),
        happened("page.viewed", MONDAY + 2 * DAY, channel="web", topic="a", objects=("case:1",)),
    )


def test_looking_around_may_name_the_topic_of_a_budget_or_measure_a_wait() -> None:
    assert_same_step_by_step(
        happened("call.offered", MONDAY, channel="phone", objects=("case:1",), wait_ms=35 * MINUTE),
        happened("page.viewed", MONDAY + MINUTE, channel="web", objects=("case:1",), topic="a"),
        happened("page.viewed", MONDAY + 2 * MINUTE, channel="web", topic="a", wait_ms=MINUTE),
    )


def test_a_conversation_may_say_later_what_it_is_about() -> None:
    assert_same_step_by_step(
        happened("contact.started", MONDAY, channel="chat", thread_id="t"),
        happened("contact.redirected", MONDAY + MINUTE, channel="chat", thread_id="t", redirect_to="web"),
        happened("form.submitted", MONDAY + HOUR, channel="web", topic="a"),
        happened("message.sent", MONDAY + DAY, channel="chat", thread_id="t", topic="a", actor="agent"),
    )


def count_calls(operation: Callable[[], object], functions: Collection[str]) -> int:
    """Calls of Python functions of these names during an operation: a measure of work that no clock disturbs."""
    calls = 0

    def profile(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code.co_name in functions

    sys.setprofile(profile)
    try:
        operation()
    finally:
        sys.setprofile(None)
    return calls


def test_a_touchpoint_in_order_is_one_step_and_not_another_fold() -> None:
    story = [happened("contact.started", MONDAY + n * HOUR, channel="web", topic="a") for n in range(200)]
    state = restore(TENANT, ANNA, story)
    judge_now(state, MONDAY)
    # No rule reads this one.
    step(state, happened("change.released", MONDAY + 201 * HOUR))
    assert count_calls(lambda: judge_now(state, MONDAY), {"join", "find"}) == 1
    step(state, happened("contact.started", MONDAY + 202 * HOUR, channel="web", topic="a"))
    # The repeat, and the journey over its budget, which has cost more by now.
    assert count_calls(lambda: judge_now(state, MONDAY), {"join", "describe"}) == 3


def test_looking_around_asks_no_rule_before_there_may_be_something_to_find() -> None:
    state = PersonState(TENANT, ANNA)

    def found(at: int) -> int:
        step(state, happened("page.viewed", at, channel="web", touchpoint="/"))
        return count_calls(lambda: judge_now(state, MONDAY), {"find"})

    # The first time it is the rule that judges the ledger.
    assert found(MONDAY) == 2
    # Twice within fifteen seconds is nothing yet, the third time it is going round in circles.
    later = MONDAY + DAY
    assert [found(at) for at in (MONDAY + MINUTE, later, later + 7 * SECOND)] == [0, 0, 0]
    assert found(later + 15 * SECOND) > 0


def test_work_grows_with_the_number_of_touchpoints_and_not_with_its_square() -> None:
    def work(touchpoints: int) -> int:
        kinds = ("contact.started", "contact.redirected", "page.viewed", "case.resolved")
        story = [
            happened(kinds[n % 4], MONDAY + n * MINUTE, channel="email", redirect_to="web", topic="a")
            for n in range(touchpoints)
        ]
        functions = {"add", "join", "find", "describe", "first", "last", "closest_earlier", "union", "_stand", "sort"}
        return count_calls(lambda: judge_now(restore(TENANT, ANNA, story), MONDAY), functions)

    assert work(1600) < 2.2 * work(800)
