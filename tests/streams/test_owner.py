import pytest

from processors.diff import FactKind, fact_id
from processors.friction.catalogue import default_rules
from processors.person import StepResult
from processors.settings import CoreSettings
from schemas.touchpoint import AppliedTouchpoint
from streams.owner import Cold, Owner, PersonChanges
from tests.support.touchpoints import ANNA, HOUR, MONDAY, TENANT, applied, happened, touchpoint

BEN = "b" * 32
REDIRECT = happened(
    "contact.redirected",
    MONDAY,
    channel="social",
    redirect_to="web",
    topic="invoice",
    actor="agent",
    direction="outbound",
)
LOST_AT = MONDAY + 72 * HOUR


def an_owner(max_persons: int = 100) -> Owner:
    owner = Owner(default_rules(), CoreSettings(), max_persons)
    owner.assign(0, ())
    return owner


def of_ben(at: int = MONDAY) -> AppliedTouchpoint:
    return applied(touchpoint("page.viewed", at, identities=(f"customer_no:{BEN}",)))


def flushed(owner: Owner, watermark: int | None = MONDAY) -> list[PersonChanges]:
    changes = owner.freeze({0: watermark})
    owner.published(changes)
    return changes


def ids(changes: PersonChanges, kind: FactKind) -> set[str]:
    return {fact_id(fact) for fact in changes.upserts if type(fact).__name__.lower() == kind.value}


def frictions(changes: PersonChanges) -> list[str]:
    return [friction.variant for friction in changes.judgement.frictions]


def test_a_new_person_is_published_whole_and_then_only_what_changes() -> None:
    owner = an_owner()
    owner.apply(0, REDIRECT)
    (first,) = flushed(owner)
    assert {type(fact).__name__ for fact in first.upserts} >= {"Session", "Friction", "Journey", "Person"}
    assert flushed(owner) == []

    owner.apply(0, happened("page.viewed", MONDAY + 5 * HOUR))
    (second,) = flushed(owner)
    assert second.version > first.version
    assert ids(second, FactKind.FRICTION) == set()
    assert len(ids(second, FactKind.SESSION)) == 1


def test_changes_that_were_not_written_are_frozen_again() -> None:
    owner = an_owner()
    owner.apply(0, REDIRECT)
    assert owner.freeze({0: MONDAY}) == owner.freeze({0: MONDAY})


def test_a_repeated_touchpoint_has_its_person_judged_again_and_changes_nothing() -> None:
    owner = an_owner()
    owner.apply(0, REDIRECT)
    (first,) = flushed(owner)
    assert owner.apply(0, REDIRECT) is StepResult.DUPLICATE
    (again,) = flushed(owner)
    assert (again.version, again.upserts, again.retractions) == (first.version, [], [])


def test_what_the_store_knows_of_a_loaded_person_is_written_anew_and_what_no_longer_holds_withdrawn() -> None:
    owner = an_owner()
    owner.load(0, ANNA, Cold(TENANT, [REDIRECT], {FactKind.FRICTION: ("phantom",), FactKind.PERSON: (ANNA,)}))
    owner.wake([ANNA])
    (changes,) = flushed(owner)
    assert [(gone.kind, gone.id) for gone in changes.retractions] == [(FactKind.FRICTION, "phantom")]
    assert ids(changes, FactKind.PERSON) == {ANNA}
    owner.apply(0, REDIRECT)
    assert owner.freeze({0: MONDAY})[0].retractions == []


def test_a_loaded_person_has_the_version_of_one_that_stayed_in_memory() -> None:
    kept = an_owner()
    for at in range(5):
        kept.apply(0, happened("page.viewed", MONDAY + at * HOUR))
    loaded = an_owner()
    loaded.load(0, ANNA, Cold(TENANT, [happened("page.viewed", MONDAY + at * HOUR) for at in range(5)], {}))
    loaded.wake([ANNA])
    assert flushed(kept, LOST_AT)[0].version == flushed(loaded, LOST_AT)[0].version


def test_nobody_is_woken_before_the_deadline_and_everybody_at_it() -> None:
    owner = an_owner()
    owner.apply(0, REDIRECT)
    flushed(owner)
    assert owner.due({0: LOST_AT - 1}, 10) == {}
    assert not owner.has_due({0: LOST_AT - 1})
    assert owner.due({0: LOST_AT}, 10) == {0: {ANNA: TENANT}}
    owner.wake([ANNA])
    (changes,) = flushed(owner, LOST_AT)
    assert frictions(changes) == ["lost"]


def test_deadlines_without_a_watermark_wait() -> None:
    owner = an_owner()
    owner.assign(1, [(MONDAY, TENANT, BEN)])
    assert owner.due({1: None}, 10) == {}
    assert not owner.has_due({})


def test_deadlines_outlive_their_persons_in_memory() -> None:
    owner = an_owner(max_persons=1)
    owner.apply(0, REDIRECT)
    flushed(owner)
    owner.apply(0, of_ben())
    flushed(owner)
    assert len(owner) == 1
    due = owner.due({0: LOST_AT}, 10)
    assert ANNA in due[0]
    assert owner.missing(due[0]) == {ANNA}


def test_persons_are_let_go_of_least_recently_seen_first_and_never_before_they_are_published() -> None:
    owner = an_owner(max_persons=1)
    owner.apply(0, REDIRECT)
    owner.apply(0, of_ben())
    assert owner.missing([ANNA, BEN]) == set()
    flushed(owner)
    assert owner.missing([ANNA, BEN]) == {ANNA}


def test_a_person_seen_again_stays_longer() -> None:
    owner = an_owner(max_persons=2)
    cleo = applied(touchpoint("page.viewed", MONDAY, identities=(f"customer_no:{'c' * 32}",)))
    for seen in (REDIRECT, of_ben(), REDIRECT, cleo):
        owner.apply(0, seen)
    flushed(owner)
    assert owner.missing([ANNA, BEN, "c" * 32]) == {BEN}


def test_forgotten_persons_are_as_if_never_seen() -> None:
    owner = an_owner()
    owner.apply(0, REDIRECT)
    assert owner.forget([ANNA, BEN]) == {0: {ANNA: TENANT}}
    assert owner.freeze({0: MONDAY}) == []
    assert owner.missing([ANNA]) == {ANNA}


def test_changes_come_sorted_by_partition_and_person() -> None:
    owner = an_owner()
    owner.assign(1, ())
    for partition, key in ((1, "1" * 32), (0, BEN), (0, ANNA)):
        owner.apply(partition, applied(touchpoint("page.viewed", MONDAY, identities=(f"customer_no:{key}",))))
    order = [(change.partition, change.judgement.person_key) for change in owner.freeze({0: MONDAY, 1: MONDAY})]
    assert order == [(0, ANNA), (0, BEN), (1, "1" * 32)]


def test_whoever_owns_nothing_any_more_remembers_nothing() -> None:
    owner = an_owner()
    owner.apply(0, REDIRECT)
    flushed(owner)
    owner.drop_all()
    assert len(owner) == 0
    assert owner.due({0: LOST_AT}, 10) == {}
    assert owner.freeze({0: LOST_AT}) == []


@pytest.mark.parametrize("is_first_copy", [True, False])
def test_of_two_copies_the_one_earlier_in_the_log_is_the_one_that_counts(is_first_copy: bool) -> None:
    earlier = applied(touchpoint("page.viewed", MONDAY, id="1"), ingestion_time=MONDAY + 1)
    later = applied(touchpoint("page.viewed", MONDAY, id="1"), ingestion_time=MONDAY + 2)
    owner = an_owner()
    first, second = (earlier, later) if is_first_copy else (later, earlier)
    assert owner.apply(0, first) is StepResult.APPLIED
    assert owner.apply(0, second) is StepResult.DUPLICATE
    assert owner.holds(earlier)
    assert not owner.holds(later)
