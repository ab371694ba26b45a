"""Links between identities make persons: the same for every owner that reads them, and never a crowd."""

import random
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, pairwise
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.identities import (
    RefusalReason,
    RefusedLink,
    Resolution,
    both,
    follows,
    home,
    links_of,
    resolve,
)
from processors.identity_limits import IdentityLimits
from schemas.identity import IdentityLink, LinkKind, identifier_of
from tests.support.links import (
    LIMITLESS,
    PARTED,
    TIGHT,
    UNCROWDED,
    BruteForce,
    Journal,
    ends_of,
    identity,
    link,
    worlds,
)
from tests.support.touchpoints import DAY, MONDAY, happened

if TYPE_CHECKING:
    from _typeshed import TraceFunction

LINKED, UNLINKED, ROTATED = LinkKind.LINKED, LinkKind.UNLINKED, LinkKind.ROTATED
MAX_DAYS = 1000
limits_of_worlds = st.sampled_from([TIGHT, UNCROWDED])


class Told(NamedTuple):
    """What a resolution says of an identifier."""

    members: tuple[str, ...]
    is_placeholder: bool
    refused: tuple[RefusedLink, ...]


def told(resolution: Resolution, identities: Iterable[str]) -> dict[str, Told]:
    return {
        name: Told(resolution.members(name), name in resolution.placeholders, resolution.refused_of(name))
        for name in map(identifier_of, identities)
    }


def members(links: Iterable[IdentityLink], limits: IdentityLimits, of: str) -> tuple[str, ...]:
    return resolve(links, limits).members(identifier_of(of))


def reasons(links: Iterable[IdentityLink], limits: IdentityLimits, of: str) -> list[RefusalReason]:
    return [refused.reason for refused in resolve(links, limits).refused_of(identifier_of(of))]


def pairs_of(links: Iterable[IdentityLink]) -> set[tuple[str, str]]:
    return {(min(one.identity, one.other), max(one.identity, one.other)) for one in links}


def are_one(resolution: Resolution, one: str, other: str) -> bool:
    return resolution.person_key(identifier_of(one)) == resolution.person_key(identifier_of(other))


# --- A function of a set ---


@given(worlds(), limits_of_worlds, st.data())
def test_neither_order_nor_repetition_nor_direction_of_links_matters(
    world: list[IdentityLink], limits: IdentityLimits, data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(world), max_size=10))
    shuffled = [data.draw(st.sampled_from(both(one))) for one in data.draw(st.permutations(world + again))]
    everybody = ends_of(world)
    assert told(resolve(shuffled, limits), everybody) == told(resolve(world, limits), everybody)


@given(worlds(), limits_of_worlds)
def test_only_the_first_sight_the_first_rotation_and_the_last_statement_about_a_pair_matter(
    world: list[IdentityLink], limits: IdentityLimits
) -> None:
    said: dict[tuple[object, bool | str], list[IdentityLink]] = {}
    for one in world:
        what = one.kind if one.kind in {"seen", "rotated"} else "explicit"
        said.setdefault((frozenset((one.identity, one.other)), what), []).append(one)
    kept = [
        max(ones, key=lambda one: (one.order, one.kind == UNLINKED))
        if what == "explicit"
        else min(ones, key=lambda one: one.order)
        for (_, what), ones in said.items()
    ]
    everybody = ends_of(world)
    assert told(resolve(kept, limits), everybody) == told(resolve(world, limits), everybody)


@settings(max_examples=400)
@given(worlds(), limits_of_worlds)
def test_persons_and_refusals_are_those_of_brute_force(world: list[IdentityLink], limits: IdentityLimits) -> None:
    resolution, expected = resolve(world, limits), BruteForce(world, limits)
    refused = {}
    for end in ends_of(world):
        assert resolution.members(identifier_of(end)) == expected.members(identifier_of(end))
        for one in resolution.refused_of(identifier_of(end)):
            assert one.identity == end
            refused[frozenset((end, one.other))] = one.reason.value
    assert refused == expected.refused
    assert resolution.placeholders == set(map(identifier_of, expected.placeholders))


@given(worlds(), limits_of_worlds)
def test_what_an_owner_reaches_is_all_that_matters(world: list[IdentityLink], limits: IdentityLimits) -> None:
    whole, journal = resolve(world, limits), Journal(world)
    for end in ends_of(world):
        name = identifier_of(end)
        reached = [one for own in journal.around(end, limits.max_companions).values() for one in own]
        part = resolve(reached, limits)
        assert (name in part.placeholders) == (name in whole.placeholders)
        assert part.members(name) == whole.members(name)
        if name not in whole.placeholders:
            assert part.refused_of(name) == whole.refused_of(name)


def test_values_are_not_one_by_a_chain_of_placeholders_which_no_owner_sees_whole() -> None:
    anna, berta, mail = identity("customer_no", 1), identity("customer_no", 2), identity("email", 3)
    crowded = (identity("customer_no", 4), identity("customer_no", 5))
    links = [
        link(crowded[0], crowded[1], kind=ROTATED),
        *(link(crowded[number % 2], identity("email", number)) for number in range(10, 14)),
        link(anna, crowded[0], kind=ROTATED),
        link(berta, crowded[1], kind=ROTATED),
        link(anna, mail, MONDAY),
        link(berta, mail, MONDAY + 1),
    ]
    limits = IdentityLimits(max_companions=2)
    reached = [one for own in Journal(links).around(mail, 2).values() for one in own]
    assert members(links, limits, mail) == members(reached, limits, mail) == (f"{1:032x}", f"{3:032x}")


@given(worlds(), limits_of_worlds)
def test_persons_are_disjoint_and_named_after_their_smallest_identifier(
    world: list[IdentityLink], limits: IdentityLimits
) -> None:
    resolution = resolve(world, limits)
    for name in map(identifier_of, ends_of(world)):
        person = resolution.members(name)
        assert name in person
        assert list(person) == sorted(set(person))
        assert resolution.person_key(name) == min(person)
        assert {resolution.members(member) for member in person} == {person}


@given(worlds(), limits_of_worlds)
def test_a_pair_that_was_linked_is_one_person_or_has_a_refusal(
    world: list[IdentityLink], limits: IdentityLimits
) -> None:
    resolution = resolve(world, limits)
    refused = {(one.identity, one.other) for end in ends_of(world) for one in resolution.refused_of(identifier_of(end))}
    assert refused <= {(one.identity, one.other) for link_ in world for one in both(link_)}
    for one, other in pairs_of(one for one in world if one.kind in {"seen", "rotated"}):
        assert ((one, other) in refused) == ((other, one) in refused) == (not are_one(resolution, one, other))


def test_an_identifier_in_no_link_is_a_person_of_its_own() -> None:
    resolution = resolve([], IdentityLimits())
    assert resolution.person_key("f") == "f"
    assert resolution.members("f") == ("f",)
    assert resolution.refused_of("f") == ()
    assert resolution.placeholders == frozenset()


def test_a_refusal_names_the_touchpoint_that_brought_the_two_together_and_comes_in_its_order() -> None:
    anna, berta, carla = (identity("customer_no", number) for number in (1, 3, 2))
    mail = identity("email", 9)
    links = [
        link(mail, carla, MONDAY + 2, id_="c"),
        link(mail, anna, MONDAY, id_="a"),
        link(mail, berta, MONDAY + 5, id_="again"),
        link(mail, berta, MONDAY + 1, id_="b"),
    ]
    detail = "2 customer_no in one person, the limit is 1"
    assert resolve(links, IdentityLimits()).refused_of(identifier_of(mail)) == (
        RefusedLink(RefusalReason.LIMIT, mail, berta, detail, MONDAY + 1, "test", "b"),
        RefusedLink(RefusalReason.LIMIT, mail, carla, detail, MONDAY + 2, "test", "c"),
    )


# --- Limits ---


@given(worlds(kinds=PARTED), limits_of_worlds)
def test_without_statements_no_person_has_more_than_the_limits_allow(
    world: list[IdentityLink], limits: IdentityLimits
) -> None:
    attached = BruteForce(world, limits).attached
    resolution = resolve(world, limits)
    for person in {resolution.members(identifier_of(end)) for end in ends_of(world)}:
        ends = frozenset(end for end in ends_of(world) if identifier_of(end) in person)
        by_namespace: dict[str, list[str]] = {}
        for end in ends:
            by_namespace.setdefault(end.partition(":")[0], []).append(end)
        assert len(person) == 1 or "household" not in by_namespace
        assert len(by_namespace.get("customer_no", ())) <= 1
        assert len(by_namespace.get("email", ())) <= 2
        for namespace in ("cookie", "device", "unheard_of"):
            times = sorted(attached[ends][end] for end in by_namespace.get(namespace, ()) if len(person) > 1)
            assert all(third - first >= 7 * DAY for first, third in zip(times, times[2:], strict=False))


@given(worlds(), limits_of_worlds)
def test_what_was_only_seen_never_adds_to_a_count_beyond_limit_and_statements(
    world: list[IdentityLink], limits: IdentityLimits
) -> None:
    def most(links: Iterable[IdentityLink], namespace: str) -> int:
        resolution = resolve(links, limits)
        namespaces = {identifier_of(end): end.partition(":")[0] for end in ends_of(world)}
        return max(sum(namespaces[member] == namespace for member in resolution.members(name)) for name in namespaces)

    unrotated = [one for one in world if one.kind != ROTATED]
    # Companions count whatever is said of them, so who is a placeholder must not depend on what is left out.
    limits = msgspec.structs.replace(limits, max_companions=10**9)
    last: dict[object, IdentityLink] = {}
    for one in sorted(unrotated, key=lambda one: (one.order, one.kind == UNLINKED)):
        if one.kind in {"linked", "unlinked"}:
            last[frozenset((one.identity, one.other))] = one
    only_told = [one for one in unrotated if one.kind != "seen" or frozenset((one.identity, one.other)) in last]
    for namespace, limit in (("customer_no", 1), ("email", 2)):
        assert most(unrotated, namespace) <= max(limit, most(only_told, namespace))


@given(worlds(), limits_of_worlds)
def test_no_person_is_larger_than_the_cap_whatever_was_said(world: list[IdentityLink], limits: IdentityLimits) -> None:
    resolution = resolve(world, limits)
    assert all(len(resolution.members(identifier_of(end))) <= limits.max_identities for end in ends_of(world))


@given(worlds(), st.sampled_from([TIGHT, UNCROWDED, LIMITLESS]))
def test_two_that_were_unlinked_last_are_never_one_person_on_any_path(
    world: list[IdentityLink], limits: IdentityLimits
) -> None:
    resolution = resolve(world, limits)
    for one, other in pairs_of(world):
        explicit = [
            (said.order, said.kind == UNLINKED)
            for said in world
            if {said.identity, said.other} == {one, other} and said.kind in {"linked", "unlinked"}
        ]
        if explicit and max(explicit)[1]:
            assert not are_one(resolution, one, other)


@given(worlds(), limits_of_worlds)
def test_a_placeholder_links_nobody(world: list[IdentityLink], limits: IdentityLimits) -> None:
    resolution = resolve(world, limits)
    for end in ends_of(world):
        companions = {one.other if one.identity == end else one.identity for one in world if end in ends_of([one])}
        is_placeholder = identifier_of(end) in resolution.placeholders
        assert is_placeholder == (len(companions) > limits.max_companions)
        if is_placeholder:
            assert resolution.members(identifier_of(end)) == (identifier_of(end),)


# --- Linking, unlinking, linking again ---

LATER = MONDAY + MAX_DAYS * DAY


@given(worlds(), limits_of_worlds, st.data())
def test_unlinking_and_linking_again_restores_exactly(
    world: list[IdentityLink], limits: IdentityLimits, data: st.DataObject
) -> None:
    pair = data.draw(st.sampled_from(sorted(pairs_of(world))))
    before = [*world, link(*pair, MONDAY - DAY, id_="seen"), link(*pair, MONDAY + 99 * DAY, LINKED)]
    unlinked = [*before, link(*pair, LATER, UNLINKED)]
    again = [*unlinked, link(*pair, LATER + 1, LINKED)]
    assert not are_one(resolve(unlinked, limits), *pair)
    assert told(resolve(again, limits), ends_of(world)) == told(resolve(before, limits), ends_of(world))


@given(worlds(kinds=[LinkKind.SEEN, LINKED]), st.data())
def test_without_limits_any_link_is_restored_by_a_statement(world: list[IdentityLink], data: st.DataObject) -> None:
    pair = data.draw(st.sampled_from(sorted(pairs_of(one for one in world if follows(one)) or [("a:1", "b:2")])))
    unlinked = [*world, link(*pair, LATER, UNLINKED)]
    again = [*unlinked, link(*pair, LATER + 1, LINKED)]
    everybody = ends_of(world)
    assert told(resolve([*world, link(*pair)], LIMITLESS), everybody) == told(resolve(again, LIMITLESS), everybody)


@given(worlds(), st.data())
def test_linking_two_persons_and_unlinking_them_leaves_both_as_they_were(
    world: list[IdentityLink], data: st.DataObject
) -> None:
    before = resolve(world, UNCROWDED)
    apart = [pair for pair in combinations(sorted(ends_of(world)), 2) if not are_one(before, *pair)]
    pair = data.draw(st.sampled_from(apart or [("email:x", "email:y")]))
    after = resolve([*world, link(*pair, LATER, LINKED), link(*pair, LATER + 1, UNLINKED)], UNCROWDED)
    for name in map(identifier_of, ends_of(world)):
        assert after.members(name) == before.members(name)


def test_the_latest_statement_counts_and_of_two_at_once_the_one_that_parts() -> None:
    pair = (identity("email", 1), identity("phone", 2))
    linked, unlinked = link(*pair, MONDAY, LINKED, "x"), link(*pair, MONDAY, UNLINKED, "x")
    assert len(members([linked], IdentityLimits(), pair[0])) == 2
    assert len(members([linked, unlinked], IdentityLimits(), pair[0])) == 1
    assert len(members([unlinked, link(*pair, MONDAY + 1, LINKED)], IdentityLimits(), pair[0])) == 2
    assert len(members([linked, link(*pair, MONDAY - 1, UNLINKED)], IdentityLimits(), pair[0])) == 2


# --- What would become a mega-person, and what becomes of it ---


def test_a_placeholder_shared_by_500_makes_one_person_of_them_unless_companions_are_counted() -> None:
    hotline = identity("phone", 0)
    links = [link(identity("customer_no", number), hotline, MONDAY + number) for number in range(1, 501)]
    assert len(members(links, LIMITLESS, hotline)) == 501
    guarded = resolve(links, msgspec.structs.replace(LIMITLESS, max_companions=200))
    assert guarded.placeholders == {identifier_of(hotline)}
    assert all(len(guarded.members(identifier_of(one.identity))) == 1 for one in links)
    assert {one.reason for one in guarded.refused_of(identifier_of(hotline))} == {RefusalReason.PLACEHOLDER}


@pytest.mark.parametrize(("companions", "is_placeholder"), [(200, False), (201, True)])
def test_an_identity_is_a_placeholder_from_its_201st_companion(companions: int, is_placeholder: bool) -> None:
    phone = identity("phone", 0)
    namespaces = ["household", "customer_no"]
    links = [link(phone, identity(namespaces[number % 2], number), MONDAY) for number in range(1, companions + 1)]
    assert (identifier_of(phone) in resolve(links + links, IdentityLimits()).placeholders) == is_placeholder


def test_customers_who_use_one_mail_address_are_one_person_unless_a_customer_number_is_unique() -> None:
    mail = identity("email", 0)
    links = [link(identity("customer_no", number), mail, MONDAY + number) for number in range(1, 51)]
    assert len(members(links, LIMITLESS, mail)) == 51
    guarded = msgspec.structs.replace(LIMITLESS, unique=1)
    assert members(links, guarded, mail) == (identifier_of(mail), f"{1:032x}")
    assert reasons(links, guarded, mail) == [RefusalReason.LIMIT] * 49


def test_different_unique_namespaces_may_meet_in_one_person() -> None:
    links = [
        link(identity("customer_no", 1), identity(namespace, n))
        for n, namespace in enumerate(("account", "loyalty"), 2)
    ]
    assert len(members(links, IdentityLimits(), identity("customer_no", 1))) == 3


def test_a_form_with_ever_new_mail_addresses_makes_one_person_unless_logins_are_counted() -> None:
    clerk = identity("account", 0)
    links = [link(clerk, identity("email", number), MONDAY + number * DAY) for number in range(1, 51)]
    assert len(members(links, LIMITLESS, clerk)) == 51
    guarded = msgspec.structs.replace(LIMITLESS, login=5)
    assert members(links[:5], guarded, clerk) == tuple(f"{number:032x}" for number in range(6))
    assert members(links, guarded, clerk) == tuple(f"{number:032x}" for number in range(6))
    assert reasons(links, guarded, clerk) == [RefusalReason.LIMIT] * 45
    phone = link(clerk, identity("phone", 99), MONDAY + 99 * DAY)
    assert len(members([*links, phone], guarded, clerk)) == 7


def test_a_kiosk_with_a_new_cookie_every_hour_makes_one_person_unless_cookies_are_counted() -> None:
    kiosk = identity("messenger", 0)
    links = [link(kiosk, identity("cookie", number), MONDAY + number * DAY // 24) for number in range(1, 101)]
    assert len(members(links, LIMITLESS, kiosk)) == 101
    guarded = msgspec.structs.replace(LIMITLESS, volatile=5)
    assert members(links, guarded, kiosk) == tuple(f"{number:032x}" for number in range(6))
    assert reasons(links, guarded, kiosk) == [RefusalReason.LIMIT] * 95


@pytest.mark.parametrize("namespace", ["cookie", "device", "never_heard_of"])
@pytest.mark.parametrize(("distance", "size"), [(604_799_999, 6), (604_800_000, 7)])
def test_the_sixth_cookie_is_one_too_many_within_7_days_and_welcome_at_exactly_7_days(
    namespace: str, distance: int, size: int
) -> None:
    anna = identity("customer_no", 0)
    five = [link(anna, identity(namespace, number), MONDAY + number - 1) for number in range(1, 6)]
    sixth = link(anna, identity(namespace, 6), MONDAY + distance)
    assert len(members([*five, sixth], IdentityLimits(), anna)) == size


def test_windows_of_two_persons_count_together_when_they_join() -> None:
    anna, mail = identity("customer_no", 0), identity("email", 100)
    links = [link(anna, identity("cookie", number), MONDAY + number) for number in (1, 2, 3)]
    others = [link(mail, identity("cookie", number), MONDAY + number) for number in (4, 5, 6)]
    meeting = link(anna, mail, MONDAY + 50 * DAY)
    assert len(members([*links, *others, meeting], IdentityLimits(), anna)) == 4
    assert len(members([*links, *others[1:], meeting], IdentityLimits(), anna)) == 7


@pytest.mark.parametrize(("others_at", "size"), [(7 * DAY - 1, 3), (7 * DAY, 9)])
def test_windows_that_lie_apart_do_not_count_together_when_two_persons_join(others_at: int, size: int) -> None:
    anna, mail = identity("customer_no", 0), identity("email", 100)
    links = [link(anna, identity("cookie", number), MONDAY + (number - 1) * 30 * DAY) for number in (1, 2)]
    others = [link(mail, identity("cookie", number), MONDAY + others_at) for number in range(3, 8)]
    meeting = link(anna, mail, MONDAY + 50 * DAY)
    assert len(members([*links, *others, meeting], IdentityLimits(), anna)) == size


def test_a_household_makes_one_person_of_those_who_live_there_if_it_links() -> None:
    for namespace, size in (("email", 31), ("household", 1), ("case_contact", 1)):
        shared = identity(namespace, 0)
        links = [link(identity("customer_no", number), shared, MONDAY + number) for number in range(1, 31)]
        assert len(members(links, LIMITLESS, shared)) == size
        if size == 1:
            assert reasons(links, LIMITLESS, shared) == [RefusalReason.SHARED] * 30


def test_a_statement_links_a_household_too() -> None:
    anna, house = identity("customer_no", 1), identity("household", 2)
    assert len(members([link(anna, house, kind=LINKED)], IdentityLimits(), anna)) == 2


def test_two_who_use_one_device_stay_two_and_nobody_has_to_look_at_it() -> None:
    tablet = identity("device", 0)
    links = [link(identity("customer_no", number), tablet, MONDAY + number) for number in range(1, 21)]
    assert len(members(links, LIMITLESS, tablet)) == 21
    assert members(links, IdentityLimits(), tablet) == (identifier_of(tablet), f"{1:032x}")
    assert reasons(links, IdentityLimits(), tablet) == [RefusalReason.USER_SWITCH] * 19


def test_a_unique_number_too_many_is_named_before_other_limits() -> None:
    cookie, links = identity("cookie", 99), []
    for customer in (10, 20):
        anna = identity("customer_no", customer)
        links += [link(anna, identity("email", customer + number), MONDAY + number) for number in (1, 2, 3)]
        links += [link(anna, identity("card_token", customer + number), MONDAY + number) for number in (4, 5, 6)]
        links.append(link(anna, cookie, MONDAY + DAY + customer))
    (refused,) = resolve(links, IdentityLimits()).refused_of(identifier_of(cookie))
    assert refused.reason is RefusalReason.USER_SWITCH
    assert refused.detail == "2 customer_no in one person, the limit is 1"


def test_what_needs_a_look_is_everything_but_what_is_ordinary() -> None:
    assert [reason.value for reason in RefusalReason if not reason.is_for_review] == ["shared", "user_switch"]


@pytest.mark.parametrize(("identities", "size"), [(200, 200), (201, 200)])
@pytest.mark.parametrize("kind", [LinkKind.SEEN, LINKED])
def test_a_person_has_200_identities_and_not_201(identities: int, size: int, kind: LinkKind) -> None:
    chain = [identity("cookie", number) for number in range(identities)]
    links = [link(one, other, MONDAY + number * 7 * DAY, kind) for number, (one, other) in enumerate(pairwise(chain))]
    assert len(members(links, LIMITLESS, chain[0])) == identities
    assert len(members(links, IdentityLimits(), chain[0])) == size
    refused = resolve(links, IdentityLimits()).refused_of(identifier_of(chain[-1]))
    assert [(one.reason, one.detail) for one in refused] == [
        (RefusalReason.CAP, "201 identities in one person, the limit is 200")
    ] * (identities - size)


def test_two_that_were_unlinked_stay_apart_on_every_path_and_the_last_step_of_it_is_refused() -> None:
    anna, berta = identity("customer_no", 1), identity("loyalty", 2)
    between = [identity("email", 3), identity("phone", 4)]
    path = [anna, *between, berta]
    links = [link(one, other, MONDAY + number) for number, (one, other) in enumerate(pairwise(path))]
    assert len(members(links, IdentityLimits(), anna)) == 4
    parted = [*links, link(anna, berta, MONDAY + DAY, UNLINKED, "parted")]
    assert members(parted, IdentityLimits(), anna) == tuple(map(identifier_of, path[:3]))
    assert members(parted, IdentityLimits(), berta) == (identifier_of(berta),)
    assert [
        (one.other, one.reason, one.detail) for one in resolve(parted, IdentityLimits()).refused_of(f"{2:032x}")
    ] == [(between[1], RefusalReason.UNLINKED, f"{anna} and {berta} were unlinked by test/parted")]


# --- Statements and rotated keys against limits ---


def test_statements_are_exempt_from_limits_and_what_they_made_does_not_stop_the_rest() -> None:
    anna, berta, mail = identity("customer_no", 1), identity("customer_no", 2), identity("email", 3)
    told_so = link(anna, berta, MONDAY + DAY, LINKED)
    assert members([told_so, link(anna, mail)], IdentityLimits(), mail) == tuple(f"{n:032x}" for n in (1, 2, 3))
    third = link(mail, identity("customer_no", 4))
    assert reasons([told_so, link(anna, mail), third], IdentityLimits(), mail) == [RefusalReason.LIMIT]


def test_six_cookies_of_one_week_by_statement_are_as_many_as_another_week_may_have() -> None:
    anna = identity("customer_no", 0)
    told_so = [link(anna, identity("cookie", number), MONDAY + number, LINKED) for number in range(1, 7)]
    others = [link(anna, identity("cookie", number), MONDAY + 70 * DAY + number) for number in range(7, 14)]
    assert members([*told_so, *others], IdentityLimits(), anna) == tuple(f"{number:032x}" for number in range(13))
    assert len(members([*told_so, link(anna, identity("cookie", 7), MONDAY + DAY)], IdentityLimits(), anna)) == 7


def test_a_value_under_an_old_and_a_new_key_counts_once() -> None:
    old, new, mail = identity("customer_no", 1), identity("customer_no", 2), identity("email", 3)
    seen = [link(old, mail), link(new, mail, MONDAY + DAY)]
    assert len(members(seen, IdentityLimits(), mail)) == 2
    rotated = [*seen, link(old, new, MONDAY + DAY, ROTATED)]
    assert len(members(rotated, IdentityLimits(), mail)) == 3
    assert reasons([*rotated, link(mail, identity("customer_no", 4))], IdentityLimits(), mail) == [RefusalReason.LIMIT]


def test_rotating_the_key_does_not_bring_old_cookies_into_one_week() -> None:
    anna = identity("customer_no", 0)
    links = [link(anna, identity("cookie", number), MONDAY + number * 7 * DAY) for number in range(1, 11)]
    rotated = [
        link(identity("cookie", number), identity("cookie", 100 + number), LATER + number, ROTATED)
        for number in range(1, 11)
    ]
    assert len(members([*links, *rotated], IdentityLimits(), anna)) == 21


def test_a_value_linked_under_two_keys_was_linked_when_it_was_first() -> None:
    anna, mail, old, new = (
        identity("customer_no", 0),
        identity("email", 1),
        identity("cookie", 2),
        identity("cookie", 3),
    )
    links = [
        link(anna, old, MONDAY, LINKED),
        link(anna, identity("phone", 4), MONDAY, LINKED),
        link(mail, new, MONDAY + 100 * DAY, LINKED),
        link(old, new, MONDAY + 101 * DAY, ROTATED),
        *(link(anna, identity("cookie", number), MONDAY + 100 * DAY + number) for number in range(5, 11)),
    ]
    assert members(links, IdentityLimits(), anna) == tuple(f"{number:032x}" for number in range(10))


def test_a_value_linked_under_two_keys_makes_no_room_for_one_more() -> None:
    anna, mail = identity("customer_no", 0), identity("email", 1)
    links = [
        *(link(anna, identity("cookie", number), MONDAY, LINKED) for number in range(2, 7)),
        link(mail, identity("cookie", 7), MONDAY, LINKED),
        link(identity("cookie", 2), identity("cookie", 7), MONDAY + 1, ROTATED),
        link(anna, identity("cookie", 8), MONDAY + DAY),
    ]
    assert members(links, IdentityLimits(), anna) == tuple(f"{number:032x}" for number in range(8))


# --- What a touchpoint says ---

ANNA, MAIL, COOKIE = identity("customer_no", 3), identity("email", 2), identity("cookie", 1)


@pytest.mark.parametrize(
    ("verb", "kind"),
    [("page.viewed", "seen"), ("identity.linked", "linked"), ("identity.unlinked", "unlinked"), ("unheard.of", "seen")],
)
def test_a_touchpoint_links_its_strongest_identity_to_each_other(verb: str, kind: str) -> None:
    touch = happened(verb, MONDAY, id="7", source="crm", tenant="brand", identities=(ANNA, MAIL, COOKIE))
    touch = msgspec.structs.replace(touch, event_time=MONDAY + 5, ingestion_time=MONDAY + 9)
    assert links_of(touch) == [
        IdentityLink(
            tenant="brand",
            identity=ANNA,
            other=other,
            kind=LinkKind(kind),
            event_time=MONDAY + 5,
            source="crm",
            id="7",
            ingestion_time=MONDAY + 9,
        )
        for other in (MAIL, COOKIE)
    ]


def test_one_identity_says_nothing_about_others() -> None:
    assert links_of(happened("page.viewed", MONDAY, identities=(ANNA,))) == []


def test_an_identity_is_linked_with_itself_under_the_key_before() -> None:
    touch = happened("identity.unlinked", MONDAY, identities=(ANNA, MAIL))
    before = (identity("customer_no", 30), identity("email", 20))
    links = links_of(msgspec.structs.replace(touch, rotated=before))
    assert [(one.identity, one.other, one.kind) for one in links] == [
        (ANNA, MAIL, UNLINKED),
        (ANNA, before[0], ROTATED),
        (MAIL, before[1], ROTATED),
    ]
    # Who else was in the touchpoint may be erased: what stays does not name it.
    assert [(one.source, one.id, one.event_time, one.ingestion_time) for one in links[1:]] == [
        ("", "", MONDAY, MONDAY)
    ] * 2


def test_a_link_is_stored_under_either_end() -> None:
    one = link(ANNA, MAIL)
    assert both(one) == (one, link(MAIL, ANNA))


@pytest.mark.parametrize(
    ("other", "kind", "goes_on"),
    [
        ("email", "seen", True),
        ("email", "unlinked", True),
        ("unheard_of", "seen", True),
        ("household", "seen", False),
        ("case_contact", "unlinked", False),
        ("household", "linked", True),
        ("household", "rotated", True),
    ],
)
def test_a_walk_goes_on_unless_an_end_is_shared_and_nobody_said_so(other: str, kind: str, goes_on: bool) -> None:
    for one in both(link(ANNA, identity(other, 9), kind=LinkKind(kind))):
        assert follows(one) == goes_on


@pytest.mark.parametrize(
    ("placeholders", "at_home"), [((), ANNA), ((ANNA,), MAIL), ((MAIL,), ANNA), ((ANNA, MAIL), COOKIE)]
)
def test_a_touchpoint_is_at_home_with_its_strongest_identity_that_is_no_placeholder(
    placeholders: tuple[str, ...], at_home: str
) -> None:
    assert home((ANNA, MAIL, COOKIE), frozenset(map(identifier_of, placeholders))) == identifier_of(at_home)


def test_a_touchpoint_of_placeholders_alone_is_at_home_with_the_strongest() -> None:
    everybody = (ANNA, MAIL, COOKIE)
    assert home(everybody, set(map(identifier_of, everybody))) == identifier_of(ANNA)


# --- Cost ---


def steps(links: Sequence[IdentityLink], limits: IdentityLimits) -> int:
    """Lines of Python that resolving takes."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> "TraceFunction":
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        resolve(links, limits)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("limits", [IdentityLimits(), IdentityLimits(volatile=1_000)])
def test_four_times_the_links_take_about_four_times_the_steps(limits: IdentityLimits) -> None:
    def cluster(size: int) -> list[IdentityLink]:
        rng = random.Random(1)
        pairs = [rng.sample(range(size // 3), 2) for _ in range(size)]
        return [
            link(identity("cookie", one), identity("cookie", other), MONDAY + rng.randrange(MAX_DAYS) * DAY)
            for one, other in pairs
        ]

    assert steps(cluster(4_000), limits) < 6 * steps(cluster(1_000), limits)


# --- Owners that learn from each other ---


class Row(NamedTuple):
    person_key: str
    is_placeholder: bool
    refused: tuple[tuple[str, str], ...]


def row_of(resolution: Resolution, end: str) -> Row:
    name = identifier_of(end)
    is_placeholder = name in resolution.placeholders
    # Of a placeholder's companions an owner sees some, and all of them are refused.
    refused = () if is_placeholder else tuple((one.reason.value, one.other) for one in resolution.refused_of(name))
    return Row(resolution.person_key(name), is_placeholder, refused)


class Network:
    """Owners of identities, and messages to them that are late, doubled and out of order.

    A link is written in one step, and its clusters are read and woken in another, so anything may happen in between.
    """

    def __init__(self, limits: IdentityLimits, seed: int) -> None:
        self.limits = limits
        self.random = random.Random(seed)
        self.journal = Journal()
        self.names: dict[str, str] = {}
        self.rows: dict[str, Row] = {}
        self.waiting: list[Callable[[], None]] = []

    def run(self, links: Sequence[IdentityLink]) -> dict[str, Row]:
        """Rows as they are when all links were taken in and nothing is under way any more."""
        arriving = list(links)
        self.random.shuffle(arriving)
        while arriving or self.waiting:
            if arriving and (not self.waiting or self.random.random() < 0.2):
                self.take_in(arriving.pop())
                continue
            place = self.random.randrange(len(self.waiting))
            message = self.waiting[place]
            if self.random.random() < 0.8:
                self.waiting[place] = self.waiting[-1]
                self.waiting.pop()
            message()
        return self.rows

    def take_in(self, one: IdentityLink) -> None:
        self.journal.write(one)
        self.names |= {identifier_of(end): end for end in (one.identity, one.other)}
        self.waiting.append(lambda: self.wake(self.affected_by(one)))

    def affected_by(self, one: IdentityLink) -> set[str]:
        return {
            end for start in (one.identity, one.other) for end in self.journal.around(start, self.limits.max_companions)
        }

    def parted_by(self, placeholder: str) -> set[str]:
        return set(self.journal.around(placeholder, self.limits.max_companions, through_start=True))

    def wake(self, ends: Iterable[str]) -> None:
        self.waiting += [lambda end=end: self.decide(end) for end in sorted(ends)]  # type: ignore[misc]

    def decide(self, end: str) -> None:
        reached = self.journal.around(end, self.limits.max_companions)
        row = row_of(resolve([one for own in reached.values() for one in own], self.limits), end)
        before = self.rows.get(end)
        self.rows[end] = row
        if row != before and row.person_key != identifier_of(end):
            self.wake([self.names[row.person_key]])
        if row.is_placeholder and not (before is not None and before.is_placeholder):
            self.wake(self.parted_by(end) - {end})


def expected_rows(links: Sequence[IdentityLink], limits: IdentityLimits) -> dict[str, Row]:
    resolution = resolve(links, limits)
    return {end: row_of(resolution, end) for end in ends_of(links)}


@given(worlds(), limits_of_worlds, st.integers(0, 10**9))
def test_owners_agree_in_the_end_whatever_becomes_of_their_messages(
    world: list[IdentityLink], limits: IdentityLimits, seed: int
) -> None:
    assert Network(limits, seed).run(world) == expected_rows(world, limits)


def crowd(seed: int) -> list[IdentityLink]:
    """Links among 50 identities with statements in between, most of them among a few neighbours."""
    rng = random.Random(seed)
    namespaces = ["customer_no", "email", "email", "cookie", "cookie", "device", "household", "unheard_of"]
    numbers = rng.sample(range(1, 1000), 50)
    people = [identity(rng.choice(namespaces), number) for number in numbers]
    links = []
    for number in range(70):
        place = rng.randrange(50)
        one, other = people[place], people[(place + rng.randint(1, 8)) % 50]
        kind = rng.choice([*PARTED, LINKED])
        links.append(link(one, other, MONDAY + rng.randrange(60 * DAY), kind, f"{number}"))
    # Somebody whom nearly everybody was seen with.
    return [*links, *(link(people[0], other, MONDAY, id_=f"all {other}") for other in rng.sample(people[1:], 14))]


@pytest.mark.parametrize("seed", range(4))
def test_fifty_owners_agree_in_the_end(seed: int) -> None:
    world, limits = crowd(seed), msgspec.structs.replace(TIGHT, max_identities=12, max_companions=12)
    expected = expected_rows(world, limits)
    assert any(row.is_placeholder for row in expected.values())
    assert {reason for row in expected.values() for reason, _ in row.refused} >= {"limit", "unlinked", "placeholder"}
    assert Network(limits, seed).run(world) == expected


class OnlyTheEnds(Network):
    """Tells the two ends of a link, and nobody behind them."""

    def affected_by(self, one: IdentityLink) -> set[str]:
        return {one.identity, one.other}


class PlaceholdersTellNobody(Network):
    """Leaves those whom a placeholder had brought together as they are."""

    def parted_by(self, placeholder: str) -> set[str]:
        return {placeholder}


def is_ever_wrong(network: type[Network], links: Sequence[IdentityLink], limits: IdentityLimits) -> bool:
    return any(network(limits, seed).run(links) != expected_rows(links, limits) for seed in range(50))


def test_owners_do_not_agree_when_only_the_two_ends_of_a_link_are_woken() -> None:
    chain = [identity("email", 3), identity("phone", 2), identity("messenger", 1)]
    links = [link(chain[0], chain[1]), link(chain[1], chain[2])]
    assert is_ever_wrong(OnlyTheEnds, links, IdentityLimits())
    assert not is_ever_wrong(Network, links, IdentityLimits())


def test_owners_do_not_agree_when_a_new_placeholder_tells_nobody() -> None:
    # Three with one phone, and a fourth who is one too many.
    phone = identity("phone", 0)
    links = [link(phone, identity("email", number), MONDAY + number) for number in range(1, 5)]
    limits = msgspec.structs.replace(LIMITLESS, max_companions=3)
    assert is_ever_wrong(PlaceholdersTellNobody, links, limits)
    assert not is_ever_wrong(Network, links, limits)
