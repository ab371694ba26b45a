"""What analysts read about identities and producers, in numbers; each test has a tenant of its own."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from schemas.identity import IdentityLink, LinkKind, PersonIdentifier, identifier_of
from schemas.touchpoint import AppliedTouchpoint
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.binding import bound
from sinks.clickhouse.connection import connect
from sinks.clickhouse.page_questions import QUESTIONS
from sinks.clickhouse.rows import identifier_block, link_block, person_block, touchpoint_block
from sinks.clickhouse.writer import Writer
from tests.support.facts import person
from tests.support.touchpoints import DAY, HOUR, MONDAY, applied, touchpoint

pytestmark = pytest.mark.stack

# A namespace is any text of a producer.
A, B, C, D = "customer_no:0a", "email:0b", "old cookie:0c", "email:0d"


class Tenant:
    """Rows of one tenant, written and asked for."""

    def __init__(self, name: str, writer: Writer, address: ClickHouseAddress) -> None:
        self.name = name
        self._writer = writer
        self._client = connect(address)
        self._numbers = itertools.count()

    def decide(self, identity: str, person: str, *refused: str, **fields: Any) -> None:
        """Say whose an identity is."""
        row = PersonIdentifier(
            identifier=identifier_of(identity),
            tenant=self.name,
            identity=identity,
            person_key=identifier_of(person),
            refused=refused,
            **fields,
        )
        self._writer.insert(identifier_block([row], token_prefix=self.name))

    def link(self, one: str, other: str, at: int, kind: LinkKind = LinkKind.SEEN) -> None:
        """Say something about two identities, under either end."""
        rows = [
            IdentityLink(
                tenant=self.name,
                identity=end,
                other=far,
                kind=kind,
                event_time=MONDAY + at,
                source="crm/eu",
                id=str(at),
                ingestion_time=MONDAY,
            )
            for end, far in [(one, other), (other, one)]
        ]
        self._writer.insert(link_block(rows, token_prefix=f"{self.name} {next(self._numbers)}"))

    def touch(self, *identities: str, **fields: Any) -> AppliedTouchpoint:
        """Touchpoint of a tenant, written."""
        log = {name: fields.pop(name) for name in ("event_time", "ingestion_time") if name in fields}
        at, kind = fields.pop("at", MONDAY), fields.pop("kind", "page.viewed")
        named = {"tenant": self.name, "identities": identities} | fields
        happened = applied(touchpoint(kind, at, **named), **log)
        # A token of its own, so that what is written twice is stored twice.
        self._writer.insert(touchpoint_block([happened], token_prefix=f"{self.name} {next(self._numbers)}"))
        return happened

    def see(self, view: str, columns: str) -> list[tuple[Any, ...]]:
        """Rows of a view, sorted."""
        sql = f"SELECT {columns} FROM {view} WHERE tenant = %(tenant)s ORDER BY ALL"
        rows: list[tuple[Any, ...]] = self._client.execute(sql, {"tenant": self.name})
        return rows


@pytest.fixture
def tenant(request: pytest.FixtureRequest, writer: Writer, address: ClickHouseAddress) -> Iterator[Tenant]:
    tenant = Tenant(request.node.name, writer, address)
    yield tenant
    tenant._client.disconnect()


def test_persons_that_were_merged_into_others_are_not_shown(tenant: Tenant, writer: Writer) -> None:
    alone = person(tenant=tenant.name, person_key="1", identifiers=("1", "2"))
    merged = person(tenant=tenant.name, person_key="2", merged_into="1")
    writer.insert(person_block([(alone, 1, 0), (merged, 1, 0)], token_prefix="t"))
    assert tenant.see("v_persons", "person_key, identifiers") == [("1", ["1", "2"])]


@pytest.mark.usefixtures("unmerged")
def test_an_identifier_is_shown_as_last_decided(tenant: Tenant) -> None:
    tenant.decide(B, A, "limit email:0d", epoch=1, companions=2, version=2)
    tenant.decide(B, B)
    assert tenant.see("v_person_identifiers", "identifier, identity, person_key, epoch, companions, refused") == [
        ("0b", B, "0a", 1, 2, ["limit email:0d"])
    ]


@pytest.mark.usefixtures("unmerged")
def test_each_statement_about_a_pair_is_shown_once_the_smaller_hash_first(tenant: Tenant) -> None:
    tenant.link(C, A, 1)
    tenant.link(C, A, 1)
    tenant.link(A, C, 2, LinkKind.UNLINKED)
    assert tenant.see("v_identity_links", "identifier, other_identifier, identity, other, kind, touchpoint_key") == [
        ("0a", "0c", A, C, "seen", f"{tenant.name}/crm%2Feu/1"),
        ("0a", "0c", A, C, "unlinked", f"{tenant.name}/crm%2Feu/2"),
    ]


@pytest.mark.usefixtures("unmerged")
def test_each_refused_pair_that_a_person_should_look_at_is_shown_once(tenant: Tenant) -> None:
    tenant.decide(D, D, f"unlinked {A}", f"placeholder {B}", f"cap {C}")
    tenant.decide(A, A, f"unlinked {D}", f"shared {B}", f"user_switch {C}")
    # The other end of the last pair has noted a hundred others.
    tenant.decide(C, A, f"cap {D}", f"limit {B}", version=2)
    # Older than what C says now.
    tenant.decide(C, A, f"limit {A}")
    columns = "identifier, other_identifier, identity, other, reason, person_key, other_person_key"
    assert tenant.see("v_identity_review", columns) == [
        ("0a", "0d", A, D, "unlinked", "0a", "0d"),
        ("0b", "0c", B, C, "limit", "", "0a"),
        ("0b", "0d", B, D, "placeholder", "", "0d"),
        ("0c", "0d", C, D, "cap", "0a", "0d"),
    ]


def test_a_placeholder_is_an_incident(tenant: Tenant) -> None:
    tenant.decide(B, B, is_placeholder=True, companions=201)
    tenant.decide(A, A, companions=200)
    assert tenant.see("v_incidents", "kind, identifier, identity, size, sentence_en, sentence_de") == [
        (
            "placeholder",
            "0b",
            B,
            201,
            "The email 0b was seen with at least 201 other identities; it is taken for nobody's and joins no one.",
            "Die Kennung email 0b kam mit mindestens 201 anderen vor; sie gilt als niemandes und verbindet niemanden.",
        )
    ]


def test_a_person_that_may_not_grow_is_an_incident_and_whoever_was_kept_out_is_none(tenant: Tenant) -> None:
    # A and B are one person; C and D stay out of it.
    tenant.decide(A, A, f"cap {C}")
    tenant.decide(B, A, f"cap {D}")
    tenant.decide(C, C, f"cap {A}")
    tenant.decide(D, D, f"cap {B}")
    assert tenant.see("v_incidents", "kind, identifier, identity, size, sentence_en, sentence_de") == [
        (
            "component_cap",
            "0a",
            A,
            2,
            "The person 0a has 2 identities and was not joined with another, since it would have too many.",
            "Die Person 0a hat 2 Kennungen und wurde nicht mit einer anderen verbunden, weil es zu viele würden.",
        )
    ]


def test_a_cap_that_only_one_end_has_noted_is_an_incident_of_that_end(tenant: Tenant) -> None:
    tenant.decide(A, A, f"cap {C}")
    assert tenant.see("v_incidents", "kind, identifier, size") == [("component_cap", "0a", 1)]


@pytest.mark.usefixtures("unmerged")
def test_producers_are_shown_with_their_clocks_and_how_late_they_are(tenant: Tenant) -> None:
    tenant.touch(A, source="crm", id="on time", at=MONDAY, ingestion_time=MONDAY + HOUR)
    tenant.touch(A, source="crm", id="late", at=MONDAY + 1, ingestion_time=MONDAY + HOUR + 2)
    tenant.touch(A, source="crm", id="90 days", at=MONDAY + 2, ingestion_time=MONDAY + 90 * DAY + 2)
    tenant.touch(A, source="crm", id="very late", at=MONDAY + 3, ingestion_time=MONDAY + 90 * DAY + 4)
    tenant.touch(A, source="crm", id="very late", at=MONDAY + 3, ingestion_time=MONDAY + 90 * DAY + 4)
    tenant.touch(A, source="crm", id="history", at=MONDAY - DAY, ingestion_time=MONDAY + 90 * DAY + 4, backfill=True)
    tenant.touch(B, source="shop", id="wrong clock", at=MONDAY, event_time=MONDAY + HOUR)
    tenant.touch(B, source="shop", id="ahead", at=MONDAY + 5, ingestion_time=MONDAY)
    columns = (
        "source, touchpoints, toUnixTimestamp64Milli(first_event_time), toUnixTimestamp64Milli(last_event_time),"
        " corrected_share, late_touchpoints, very_late_touchpoints"
    )
    assert tenant.see("v_producers", columns) == [
        ("crm", 5, MONDAY - DAY, MONDAY + 3, 0.0, 3, 1),
        ("shop", 2, MONDAY + 5, MONDAY + HOUR, 0.5, 0, 0),
    ]


@pytest.mark.usefixtures("unmerged")
def test_a_touchpoint_belongs_to_the_person_of_its_first_identity_that_is_no_placeholder(tenant: Tenant) -> None:
    # Hashes of their own: the view looks whose an identity is by its hash alone.
    unlinked, joined, crowd, whole_crowd = (f"email:{tenant.name}{number}" for number in range(4))
    tenant.decide(joined, A, version=2)
    tenant.decide(crowd, crowd, is_placeholder=True)
    # What was once decided otherwise does not count.
    tenant.decide(joined, B)
    tenant.decide(unlinked, B, is_placeholder=True)
    tenant.decide(unlinked, unlinked, version=2)
    tenant.decide(whole_crowd, whole_crowd, is_placeholder=True)
    for number, identities in enumerate(
        [(unlinked, joined), (joined, unlinked), (crowd, joined), (crowd, whole_crowd, unlinked), (crowd, whole_crowd)]
    ):
        tenant.touch(*identities, id=str(number))
    assert tenant.see("v_touchpoints", "id, person_key") == [
        ("0", identifier_of(unlinked)),
        ("1", "0a"),
        ("2", "0a"),
        ("3", identifier_of(unlinked)),
        ("4", identifier_of(crowd)),
    ]


@pytest.mark.usefixtures("unmerged")
def test_the_page_finds_of_a_person_what_the_view_says_is_theirs(tenant: Tenant) -> None:
    alone, joined, merged, crowd, whole_crowd = (f"email:{tenant.name}{number}" for number in range(5))
    main = f"customer_no:{tenant.name}"
    tenant.decide(main, main)
    tenant.decide(joined, main)
    tenant.decide(merged, alone)
    tenant.decide(merged, main, version=2)
    tenant.decide(crowd, crowd, is_placeholder=True)
    tenant.decide(whole_crowd, whole_crowd, is_placeholder=True)
    stories = [(main,), (joined,), (merged,), (crowd, joined), (crowd, alone), (alone, joined), (crowd, whole_crowd)]
    for number, identities in enumerate(reversed(stories)):
        tenant.touch(*identities, id=f"a/{number}", at=MONDAY - number)
    tenant.touch(main, id="a/0", kind="identity.linked")
    question = QUESTIONS["person_touchpoints"]
    told = {}
    for identity in (main, alone, joined, merged, crowd):
        sql = bound(question.sql, {"person": identifier_of(identity), "limit": 100})
        told[identity] = [row[0] for row in tenant._client.execute(sql)]
    sql = (
        "SELECT touchpoint_key FROM v_touchpoints"
        " WHERE person_key = %(person)s AND kind != 'identity.linked' ORDER BY event_time, source, id"
    )
    for identity, keys in told.items():
        seen = tenant._client.execute(sql, {"person": identifier_of(identity)})
        assert keys == [key for (key,) in seen], identity
    assert [len(keys) for keys in told.values()] == [4, 2, 0, 0, 1]
    # In order of event time, oldest first.
    assert [key.rpartition("%2F")[2] for key in told[main]] == ["6", "5", "4", "3"]


@pytest.mark.usefixtures("unmerged")
def test_of_copies_of_a_touchpoint_under_a_placeholder_the_one_that_entered_the_log_first_counts(
    tenant: Tenant,
) -> None:
    crowd, early, late = (f"email:{tenant.name}{number}" for number in range(3))
    tenant.decide(crowd, crowd, is_placeholder=True)
    tenant.touch(crowd, late, id="0", ingestion_time=MONDAY + 1)
    tenant.touch(crowd, early, id="0", ingestion_time=MONDAY)
    assert tenant.see("v_touchpoints", "id, person_key, identities") == [("0", identifier_of(early), [crowd, early])]


@pytest.mark.usefixtures("unmerged")
def test_a_question_about_a_few_identities_finds_their_touchpoints_under_a_placeholder_and_not(tenant: Tenant) -> None:
    crowd, somebody, else_ = (f"email:{tenant.name}{number}" for number in range(3))
    tenant.decide(crowd, crowd, is_placeholder=True)
    for number, identities in enumerate([(somebody,), (crowd, somebody), (else_,), (crowd, else_)]):
        tenant.touch(*identities, id=str(number), at=MONDAY + number)
    for asked, found in [((somebody,), ["0"]), ((crowd,), ["1", "3"]), ((somebody, crowd), ["0", "1", "3"])]:
        hashes = tuple(identifier_of(identity) for identity in asked)
        sql = "SELECT id FROM v_touchpoints WHERE tenant = %(tenant)s AND identity_hash IN %(hashes)s ORDER BY id"
        rows = tenant._client.execute(sql, {"tenant": tenant.name, "hashes": hashes})
        assert [id_ for (id_,) in rows] == found
