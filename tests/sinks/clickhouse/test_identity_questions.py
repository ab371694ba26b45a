"""Questions about identities: the real engine and the store in memory give the same answers, and the right ones."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.identity import IdentityLink, LinkKind, PersonIdentifier, identifier_of
from schemas.touchpoint import AppliedTouchpoint
from sinks.clickhouse import connection
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.reader import Reader
from sinks.clickhouse.rows import (
    PreparedBlock,
    effort_posting_block,
    friction_block,
    identifier_block,
    journey_block,
    link_block,
    person_block,
    session_block,
    touchpoint_block,
)
from sinks.clickhouse.writer import Writer
from tests.support.facts import Withdrawn, friction, journey, person, posting, session
from tests.support.memory_store import MemoryStore
from tests.support.touchpoints import MONDAY, TENANT, applied, happened, touchpoint

pytestmark = pytest.mark.stack

_T = TypeVar("_T")
#: Each test and each example has identifiers of its own, so that it meets nothing of the others.
_UNIVERSES = itertools.count()
#: As many examples as there is time for; each costs a few inserts.
_random = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Stores:
    """The real store and the one in memory, written alike and asked alike."""

    def __init__(self, address: ClickHouseAddress) -> None:
        self._writer, self._reader, self._memory = Writer(address), Reader(address), MemoryStore()

    def write(self, *blocks: PreparedBlock) -> None:
        for block in blocks:
            self._writer.insert(block)
            self._memory.take(block)

    def answer(self, question: Callable[[Reader], _T]) -> _T:
        """What both say, which must be the same."""
        real = question(self._reader)
        assert asyncio.run(self._memory.read(question)) == real
        return real

    def close(self) -> None:
        self._writer.close()
        self._reader.close()


@pytest.fixture
def stores(address: ClickHouseAddress) -> Iterator[Stores]:
    stores = Stores(address)
    yield stores
    stores.close()


def identity(universe: int, number: int) -> str:
    """Identity of an example: number 0 is `customer_no:00...`, and smaller numbers have smaller hashes."""
    return f"{('customer_no', 'email', 'cookie')[number % 3]}:{universe:016x}{number:016x}"


def link(one: str, other: str, at: int, kind: LinkKind = LinkKind.SEEN, **fields: object) -> IdentityLink:
    """Statement at a time after Monday, in milliseconds; its id tells the time unless one is given."""
    named: dict[str, object] = {"source": "crm", "id": str(at), "ingestion_time": MONDAY + at}
    return IdentityLink(
        tenant=TENANT, identity=one, other=other, kind=kind, event_time=MONDAY + at, **(named | fields)  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
def abc() -> tuple[str, str, str]:
    """Three identities that no other test uses."""
    universe = next(_UNIVERSES)
    return identity(universe, 0), identity(universe, 1), identity(universe, 2)


def test_links_are_loaded_for_the_end_they_are_stored_under(stores: Stores, abc: tuple[str, str, str]) -> None:
    a, b, _ = abc
    stores.write(link_block([link(a, b, 1)], token_prefix="t"))
    keys = [identifier_of(a), identifier_of(b)]
    assert stores.answer(lambda reader: reader.load_links(keys, 200)) == {keys[0]: [link(a, b, 1)], keys[1]: []}
    assert stores.answer(lambda reader: reader.load_links([], 200)) == {}


def test_of_a_pair_the_first_sightings_and_the_last_statement_are_loaded(
    stores: Stores, abc: tuple[str, str, str]
) -> None:
    a, b, _ = abc
    matter = [
        link(a, b, 2),
        link(a, b, 5, LinkKind.ROTATED),
        link(a, b, 9, LinkKind.UNLINKED),
    ]
    rest = [
        link(a, b, 2, source="shop"),  # the same moment; source and id break the tie
        link(a, b, 3),
        link(a, b, 6, LinkKind.ROTATED),
        link(a, b, 1, LinkKind.UNLINKED),
        link(a, b, 8, LinkKind.LINKED),
    ]
    stores.write(link_block(rest, token_prefix="t"), link_block(matter[::-1], token_prefix="t"))
    key = identifier_of(a)
    assert stores.answer(lambda reader: reader.load_links([key], 1)) == {key: matter}
    # Somebody takes the separation back, a moment later.
    taken_back = link(a, b, 10, LinkKind.LINKED)
    stores.write(link_block([taken_back], token_prefix="t"))
    assert stores.answer(lambda reader: reader.load_links([key], 1)) == {key: [*matter[:2], taken_back]}


def test_of_a_crowd_of_companions_the_first_are_loaded(stores: Stores) -> None:
    universe = next(_UNIVERSES)
    a, *others = (identity(universe, number) for number in range(6))
    first, second, third, fourth, last = others
    # `second` and `third` came in one touchpoint; of the two the smaller text is first: cookie before customer_no.
    crowd = [
        link(a, last, 7),
        link(a, first, 1, LinkKind.UNLINKED),
        link(a, third, 4, id="x"),
        link(a, second, 4, id="x"),
        link(a, fourth, 5),
        link(a, first, 9),
    ]
    stores.write(link_block(crowd, token_prefix="t"))
    key = identifier_of(a)
    found = [stores.answer(lambda reader, n=n: reader.load_links([key], n))[key] for n in (1, 2, 3, 4)]  # type: ignore[misc]
    assert [[said.other for said in links] for links in found] == [
        [first, first],
        [first, second, first],
        [first, second, third, first],
        [first, second, third, fourth, first],
    ]


def test_an_identifier_that_everybody_shares_costs_little_memory(
    address: ClickHouseAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = f"{next(_UNIVERSES):016x}c0"
    connection.connect(address).execute(
        "INSERT INTO identity_links (identifier, other_identifier, identity, other, kind, event_time, source, id)"
        " SELECT %(key)s, lower(hex(MD5(toString(number)))) AS hash, concat('email:', %(key)s),"
        " concat('customer_no:', hash), 'seen', fromUnixTimestamp64Milli(toInt64(%(start)s + modulo(number, 300000))),"
        " 'crm', toString(number) FROM numbers(600000)",
        {"key": key, "start": MONDAY},
    )
    # Ordinary aggregation and sorting take several times as much.
    monkeypatch.setitem(connection._SETTINGS, "max_memory_usage", 100_000_000)
    reader = Reader(address)
    links = reader.load_links([key], 201)[key]
    reader.close()
    # Two at a moment, and one of the last two.
    assert [said.event_time - MONDAY for said in links] == [*sorted([*range(100)] * 2), 100]


def test_of_copies_of_a_statement_the_one_that_entered_the_log_first_counts(
    stores: Stores, address: ClickHouseAddress, abc: tuple[str, str, str]
) -> None:
    a, b, _ = abc
    first = link(a, b, 5, id="same", ingestion_time=MONDAY + 10)
    # Earlier by its own account, and of another kind; both would count if it were no copy.
    second = link(a, b, 1, LinkKind.UNLINKED, id="same", ingestion_time=MONDAY + 11)
    stores.write(link_block([first], token_prefix="t"), link_block([second], token_prefix="t"))
    key = identifier_of(a)
    assert stores.answer(lambda reader: reader.load_links([key], 200)) == {key: [first]}
    connection.connect(address).execute("OPTIMIZE TABLE identity_links FINAL")
    assert stores.answer(lambda reader: reader.load_links([key], 200)) == {key: [first]}


@st.composite
def journals(draw: st.DrawFn) -> list[list[IdentityLink]]:
    """Blocks of statements about few identities at few moments, so that everything coincides with something."""
    universe = next(_UNIVERSES)
    numbers = st.integers(0, 5)
    drawn = draw(
        st.lists(
            st.tuples(numbers, numbers, st.sampled_from(LinkKind), *[st.integers(0, 3)] * 3, st.booleans()), max_size=40
        )
    )
    links = [
        msgspec.structs.replace(
            link(identity(universe, one), identity(universe, other), at, kind),
            source="ab"[id_ % 2],
            id=str(id_),
            ingestion_time=MONDAY + ingested,
        )
        for one, other, kind, at, id_, ingested, _ in drawn
        if one != other
    ]
    cuts = [0, *sorted(draw(st.lists(st.integers(0, len(links)), max_size=3))), len(links)]
    return [links[start:stop] for start, stop in itertools.pairwise(cuts)]


@_random
@given(journal=journals(), at_most=st.integers(1, 6))
def test_links_of_any_journal_are_the_same_in_both_stores(
    stores: Stores, journal: list[list[IdentityLink]], at_most: int
) -> None:
    stores.write(*(link_block(links, token_prefix=str(number)) for number, links in enumerate(journal)))
    keys = sorted({identifier_of(said.identity) for links in journal for said in links})
    stores.answer(lambda reader: reader.load_links(keys, at_most))


def decided(identity: str, **fields: object) -> PersonIdentifier:
    """Decision that an identity is a person of its own."""
    named: dict[str, object] = {"tenant": TENANT, "person_key": identifier_of(identity)}
    return PersonIdentifier(identifier=identifier_of(identity), identity=identity, **(named | fields))  # type: ignore[arg-type]


@pytest.mark.usefixtures("unmerged")
def test_the_last_decision_about_an_identifier_is_loaded(stores: Stores, abc: tuple[str, str, str]) -> None:
    a, b, c = abc
    newer = decided(a, person_key="0", epoch=4095, refused=("cap 1", "limit 2"), companions=3, version=2)
    placeholder = decided(b, is_placeholder=True, companions=201, version=2**63)
    # The older rows come again, late, from a worker that no longer owns the identifiers.
    for number, rows in enumerate([(decided(a), decided(b)), (newer, placeholder), (decided(a), decided(b))]):
        stores.write(identifier_block(rows, token_prefix=str(number)))
    keys = [identifier_of(one) for one in abc]
    assert stores.answer(lambda reader: reader.load_identifiers(keys)) == {keys[0]: newer, keys[1]: placeholder}
    assert stores.answer(lambda reader: reader.load_identifiers([identifier_of(c)])) == {}


def version_in(epoch: int, *, anchor: int = 1023, rest: int = 2**42 - 1) -> int:
    """A row's version: anchor epoch, person epoch, and what counts touchpoints and deadlines."""
    return anchor << 54 | epoch << 42 | rest


def test_the_version_of_a_person_is_the_highest_of_any_of_its_rows(stores: Stores, abc: tuple[str, str, str]) -> None:
    a, b, c = (identifier_of(one) for one in abc)
    stores.write(
        session_block([(session(session_id=a, person_key=a), version_in(3))], token_prefix="t"),
        journey_block([(journey(journey_id=a, person_key=a), version_in(4, anchor=0, rest=0))], token_prefix="t"),
        friction_block([(friction(friction_id=a, person_key=a), version_in(0))], token_prefix="t"),
        effort_posting_block([(posting(posting_id=b, person_key=b), version_in(4095))], token_prefix="t"),
        person_block([(person(person_key=a), version_in(2), 0)], token_prefix="t"),
    )
    asked = [a, b, c]
    assert stores.answer(lambda reader: reader.load_highest_versions(asked)) == {
        a: version_in(4, anchor=0, rest=0),
        b: version_in(4095, anchor=0),
    }


@pytest.mark.usefixtures("unmerged")
def test_rows_withdrawn_and_superseded_have_versions_too(stores: Stores, abc: tuple[str, str, str]) -> None:
    a, b, c = (identifier_of(one) for one in abc)
    retraction = (Withdrawn(a, TENANT, a), version_in(7))
    stores.write(session_block([(session(session_id=a, person_key=a), version_in(6))], [retraction], token_prefix="t"))
    # The session moved from b to c, in an anchor epoch that makes the row newer though its person epoch is lower.
    stores.write(
        session_block([(session(session_id=b, person_key=b), version_in(5, anchor=0))], token_prefix="t"),
        session_block([(session(session_id=b, person_key=c), version_in(1, anchor=1))], token_prefix="t"),
    )
    asked = [a, b, c]
    assert stores.answer(lambda reader: reader.load_highest_versions(asked)) == {
        key: version_in(epoch, anchor=0) for key, epoch in ((a, 7), (b, 5), (c, 1))
    }


def test_members_are_those_of_the_row_that_counts(stores: Stores, abc: tuple[str, str, str]) -> None:
    a, b, c = (identifier_of(one) for one in abc)
    stores.write(
        person_block([(person(person_key=a, identifiers=(a,)), 1, 0), (person(person_key=b), 1, 0)], token_prefix="t"),
        person_block([(person(person_key=a, identifiers=(a, b)), 2, 0)], token_prefix="t"),
        person_block([(person(person_key=c, identifiers=(c,)), 1, 0)], token_prefix="t"),
        person_block([], [(Withdrawn(c, TENANT, c), 2)], token_prefix="t"),
    )
    asked = [a, b, c]
    assert stores.answer(lambda reader: reader.load_members(asked)) == {a: (a, b), b: ()}


def shared(owner: str, at: int, *others: str, **fields: object) -> AppliedTouchpoint:
    """Touchpoint that `owner` owns and that names others as well."""
    return happened("page.viewed", MONDAY + at, identities=(owner, *others), **fields)


def test_touchpoints_of_placeholders_are_found_by_who_else_they_name(stores: Stores, abc: tuple[str, str, str]) -> None:
    a, b, c = abc
    late, early = shared(a, 2, b), shared(a, 1, c, b)
    foreign, alone, elsewhere = shared(a, 3, c), shared(a, 4), shared(b, 5, c)
    stores.write(touchpoint_block([late, early, foreign, alone, elsewhere], token_prefix="t"))
    owners = [identifier_of(a)]
    assert stores.answer(lambda reader: reader.load_rehomed(owners, [b])) == [early, late]
    assert stores.answer(lambda reader: reader.load_rehomed(owners, [b, c])) == [early, late, foreign]
    # The text counts, not the hash: the same hash of another namespace is another identity.
    assert stores.answer(lambda reader: reader.load_rehomed(owners, [f"x:{identifier_of(b)}"])) == []
    assert stores.answer(lambda reader: reader.load_rehomed(owners, [])) == []
    assert stores.answer(lambda reader: reader.load_rehomed([], [b])) == []


def test_a_touchpoint_of_a_placeholder_is_what_its_first_copy_says(stores: Stores, abc: tuple[str, str, str]) -> None:
    a, b, c = abc
    first, second = (
        applied(touchpoint("page.viewed", MONDAY, id="copied", identities=(a, other)), ingestion_time=at)
        for other, at in [(b, 10), (c, 11)]
    )
    stores.write(touchpoint_block([second], token_prefix="t"), touchpoint_block([first], token_prefix="t"))
    owners = [identifier_of(a)]
    assert stores.answer(lambda reader: reader.load_rehomed(owners, [b, c])) == [first]
    assert stores.answer(lambda reader: reader.load_rehomed(owners, [c])) == []


def test_more_placeholders_and_identities_than_one_statement_holds_are_asked_in_parts(
    stores: Stores, abc: tuple[str, str, str]
) -> None:
    a, b, _ = abc
    found = shared(a, 1, b)
    stores.write(touchpoint_block([found], token_prefix="t"))
    many = [f"customer_no:{number:032x}" for number in range(2**64, 2**64 + 2_500)]
    owners = [*map(identifier_of, many), identifier_of(a)]
    assert stores.answer(lambda reader: reader.load_rehomed(owners, [*many, b])) == [found]
