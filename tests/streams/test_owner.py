import pytest

from processors.diff import FactKind, fact_id
from processors.friction.catalogue import default_rules
from processors.identifiers import anchor_epoch_of, anchored, pack_version, unpack_version
from processors.membership import Membership
from processors.person import StepResult
from processors.settings import CoreSettings
from schemas.outputs import Person
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


def an_owner(max_persons: int = 100, max_touchpoints: int = 1000) -> Owner:
    owner = Owner(default_rules(), CoreSettings(), max_persons, max_touchpoints)
    owner.assign(0, ())
    return owner


def of_ben(at: int = MONDAY) -> AppliedTouchpoint:
    return applied(touchpoint("page.viewed", at, identities=(f"customer_no:{BEN}",)))


def flushed(owner: Owner, watermark: int | None = MONDAY) -> list[PersonChanges]:
    changes = owner.freeze({0: watermark})
    owner.published(changes)
    return changes


def ids(changes: PersonChanges, kind: FactKind) -> set[str]:
    return {fact_id(fact) for fact, _ in changes.upserts if type(fact).__name__.lower() == kind.value}


def versions(changes: PersonChanges) -> set[int]:
    return {version for _, version in [*changes.upserts, *changes.retractions]}


def frictions(changes: PersonChanges) -> list[str]:
    assert changes.judgement is not None
    return [friction.variant for friction in changes.judgement.frictions]


def test_a_new_person_is_published_whole_and_then_only_what_changes() -> None:
    owner = an_owner()
    owner.apply(0, ANNA, REDIRECT)
    (first,) = flushed(owner)
    assert {type(fact).__name__ for fact, _ in first.upserts} >= {"Session", "Friction", "Journey", "Person"}
    assert flushed(owner) == []

    owner.apply(0, ANNA, happened("page.viewed", MONDAY + 5 * HOUR))
    (second,) = flushed(owner)
    assert min(versions(second)) > max(versions(first))
    assert ids(second, FactKind.FRICTION) == set()
    assert len(ids(second, FactKind.SESSION)) == 1


def test_changes_that_were_not_written_are_frozen_again() -> None:
    owner = an_owner()
    owner.apply(0, ANNA, REDIRECT)
    assert owner.freeze({0: MONDAY}) == owner.freeze({0: MONDAY})


def test_a_repeated_touchpoint_has_its_person_judged_again_and_changes_nothing() -> None:
    owner = an_owner()
    owner.apply(0, ANNA, REDIRECT)
    flushed(owner)
    assert owner.apply(0, ANNA, REDIRECT) is StepResult.DUPLICATE
    (again,) = flushed(owner)
    assert (again.upserts, again.retractions) == ([], [])


def test_what_the_store_knows_of_a_loaded_person_is_written_anew_and_what_no_longer_holds_withdrawn() -> None:
    owner = an_owner()
    owner.load(0, ANNA, Cold(TENANT, [REDIRECT], {FactKind.FRICTION: {"phantom": 1}, FactKind.PERSON: {ANNA: 1}}))
    owner.wake([ANNA])
    (changes,) = flushed(owner)
    assert [(gone.kind, gone.id) for gone, _ in changes.retractions] == [(FactKind.FRICTION, "phantom")]
    assert ids(changes, FactKind.PERSON) == {ANNA}
    owner.apply(0, ANNA, REDIRECT)
    assert owner.freeze({0: MONDAY})[0].retractions == []


def test_a_loaded_person_has_the_version_of_one_that_stayed_in_memory() -> None:
    kept = an_owner()
    for at in range(5):
        kept.apply(0, ANNA, happened("page.viewed", MONDAY + at * HOUR))
    loaded = an_owner()
    loaded.load(0, ANNA, Cold(TENANT, [happened("page.viewed", MONDAY + at * HOUR) for at in range(5)], {}))
    loaded.wake([ANNA])
    assert versions(flushed(kept, LOST_AT)[0]) == versions(flushed(loaded, LOST_AT)[0])


def test_nobody_is_woken_before_the_deadline_and_everybody_at_it() -> None:
    owner = an_owner()
    owner.apply(0, ANNA, REDIRECT)
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
    owner.apply(0, ANNA, REDIRECT)
    flushed(owner)
    owner.apply(0, BEN, of_ben())
    flushed(owner)
    assert len(owner) == 1
    due = owner.due({0: LOST_AT}, 10)
    assert ANNA in due[0]
    assert ANNA not in owner


def test_persons_are_let_go_of_least_recently_seen_first_and_never_before_they_are_published() -> None:
    owner = an_owner(max_persons=1)
    owner.apply(0, ANNA, REDIRECT)
    owner.apply(0, BEN, of_ben())
    assert ANNA in owner
    assert BEN in owner
    flushed(owner)
    assert ANNA not in owner
    assert BEN in owner


def test_the_cap_counts_the_touchpoints_of_all() -> None:
    owner = an_owner(max_touchpoints=3)
    for at in range(3):
        owner.apply(0, ANNA, happened("page.viewed", MONDAY + at * HOUR))
    flushed(owner)
    assert (ANNA in owner, owner.touchpoints) == (True, 3)
    owner.apply(0, BEN, of_ben())
    assert owner.touchpoints == 4
    flushed(owner)
    assert (ANNA in owner, BEN in owner, owner.touchpoints) == (False, True, 1)
    assert owner.forget([BEN]) == {0: {BEN: TENANT}}
    assert owner.touchpoints == 0


def test_of_somebody_who_is_merged_everything_is_withdrawn_and_whom_they_became_is_noted() -> None:
    owner = an_owner()
    published = {FactKind.SESSION: {"s": anchored(pack_version(4, 2, 0), 1)}, FactKind.PERSON: {ANNA: 7}}
    membership = Membership(frozenset(), frozenset(), {ANNA: 2}, 5)
    owner.load(0, ANNA, Cold(TENANT, [], published, membership, merged_into=BEN))
    owner.wake([ANNA])
    (changes,) = flushed(owner)
    ((person, person_version),) = changes.upserts
    assert isinstance(person, Person)
    assert (person.merged_into, person.touchpoints, person.next_deadline) == (BEN, 0, None)
    assert person_version == anchored(pack_version(5, 0, 0), 2)
    ((gone, version),) = changes.retractions
    assert (gone.kind, gone.id) == (FactKind.SESSION, "s")
    assert anchored(pack_version(4, 2, 0), 1) < version < anchored(pack_version(0, 1, 0), 2)
    assert ANNA not in owner
    assert flushed(owner) == []


def test_of_somebody_without_touchpoints_the_person_is_withdrawn_too() -> None:
    owner = an_owner()
    owner.load(
        0, ANNA, Cold(TENANT, [], {FactKind.PERSON: {ANNA: 7}}, Membership(frozenset({ANNA}), frozenset(), {}, 1))
    )
    owner.wake([ANNA])
    (changes,) = flushed(owner)
    assert changes.upserts == []
    assert [(gone.kind, gone.id) for gone, _ in changes.retractions] == [(FactKind.PERSON, ANNA)]


def test_facts_on_a_touchpoint_that_changed_hands_outrank_all_that_its_former_holder_wrote() -> None:
    page = applied(touchpoint("page.viewed", MONDAY, id="1", identities=(f"email:{BEN}", f"cookie:{ANNA}")))
    owner = an_owner()
    membership = Membership(frozenset({ANNA, BEN}), frozenset(), {BEN: 3, ANNA: 2}, 9)
    owner.load(0, ANNA, Cold(TENANT, [page], {}, membership))
    owner.wake([ANNA])
    (changes,) = flushed(owner)
    epochs = {type(fact).__name__: anchor_epoch_of(version) for fact, version in changes.upserts}
    assert epochs == {"Session": 3, "Person": 2}
    assert {unpack_version(version) for version in versions(changes)} == {(9, 1, 0)}


def membership(epoch: int) -> Membership:
    return Membership(frozenset({ANNA}), frozenset(), {}, epoch)


@pytest.mark.parametrize(
    ("floor", "version"),
    [
        (pack_version(3, 1, 0), pack_version(3, 1, 0)),
        # Of more touchpoints, or later, than what is known.
        (pack_version(3, 1, 1), pack_version(4, 1, 0)),
        (pack_version(5, 2, 0), pack_version(6, 1, 0)),
    ],
)
def test_what_is_written_of_a_loaded_person_outranks_all_that_others_wrote(floor: int, version: int) -> None:
    owner = an_owner()
    owner.load(0, ANNA, Cold(TENANT, [REDIRECT], {FactKind.SESSION: {"gone": 1}}, membership(3), floor=floor))
    owner.wake([ANNA])
    (changes,) = flushed(owner)
    assert versions(changes) == {version}
    owner.apply(0, ANNA, happened("page.viewed", MONDAY + 1))
    (changes,) = flushed(owner)
    assert versions(changes) == {pack_version(unpack_version(version)[0], 2, 0)}


def test_a_person_seen_again_stays_longer() -> None:
    owner = an_owner(max_persons=2)
    cleo = applied(touchpoint("page.viewed", MONDAY, identities=(f"customer_no:{'c' * 32}",)))
    for seen in (REDIRECT, of_ben(), REDIRECT, cleo):
        owner.apply(0, seen.identity_hash, seen)
    flushed(owner)
    assert [key in owner for key in (ANNA, BEN, "c" * 32)] == [True, False, True]


def test_forgotten_persons_are_as_if_never_seen() -> None:
    owner = an_owner()
    owner.apply(0, ANNA, REDIRECT)
    assert owner.forget([ANNA, BEN]) == {0: {ANNA: TENANT}}
    assert owner.freeze({0: MONDAY}) == []
    assert ANNA not in owner


def test_changes_come_sorted_by_partition_and_person() -> None:
    owner = an_owner()
    owner.assign(1, ())
    for partition, key in ((1, "1" * 32), (0, BEN), (0, ANNA)):
        owner.apply(partition, key, applied(touchpoint("page.viewed", MONDAY, identities=(f"customer_no:{key}",))))
    order = [(change.partition, change.person_key) for change in owner.freeze({0: MONDAY, 1: MONDAY})]
    assert order == [(0, ANNA), (0, BEN), (1, "1" * 32)]


def test_whoever_owns_nothing_any_more_remembers_nothing() -> None:
    owner = an_owner()
    owner.apply(0, ANNA, REDIRECT)
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
    assert owner.apply(0, ANNA, first) is StepResult.APPLIED
    assert owner.apply(0, ANNA, second) is StepResult.DUPLICATE
    assert owner.holds(ANNA, earlier)
    assert not owner.holds(ANNA, later)
