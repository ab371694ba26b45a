"""What is erased is gone from every row on the disk; each test has identities of its own."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from schemas.erasure import ErasedIdentifier, ErasureReceipt
from schemas.identity import IdentityLink, LinkKind, PersonIdentifier, identifier_of
from schemas.touchpoint import TouchpointKey
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.eraser import STORES, Eraser
from sinks.clickhouse.reader import Reader
from sinks.clickhouse.records import AlertRecord
from sinks.clickhouse.rows import (
    PreparedBlock,
    alert_block,
    effort_posting_block,
    erased_block,
    friction_block,
    identifier_block,
    incident_block,
    journey_block,
    link_block,
    notice_block,
    person_block,
    receipt_block,
    session_block,
    touchpoint_block,
)
from sinks.clickhouse.writer import Writer
from tests.support.any_block import a_notice_record, an_incident_record
from tests.support.facts import friction, journey, person, posting, session
from tests.support.touchpoints import MONDAY, applied, touchpoint

pytestmark = pytest.mark.stack


@pytest.fixture
def eraser(address: ClickHouseAddress) -> Iterator[Eraser]:
    eraser = Eraser(address)
    yield eraser
    eraser.close()


class World:
    """Anna and Ben, who met once; the names of all they have begin with the test's."""

    def __init__(self, name: str, address: ClickHouseAddress) -> None:
        self.name = name
        self.anna, self.ben, self.crowd = (f"email:{name}-{who}" for who in ("anna", "ben", "crowd"))
        self._writer = Writer(address)
        self._client = connect(address)

    def write(self, *blocks: PreparedBlock) -> None:
        for block in blocks:
            self._writer.insert(block)

    def erased(self, identity: str, at: int = MONDAY, id_: str = "") -> ErasedIdentifier:
        return ErasedIdentifier(
            tenant=self.name,
            identifier=identifier_of(identity),
            identity=identity,
            requested_at=at,
            source="desk",
            id=id_ or self.name,
            version=at,
        )

    def erase(self, eraser: Eraser) -> None:
        """Erase Anna. Whoever holds the merges off holds mutations off as well."""
        self._client.execute("SYSTEM START MERGES")
        eraser.delete([self.erased(self.anna)])

    def touch(self, id_: str, *identities: str) -> PreparedBlock:
        happened = applied(touchpoint("page.viewed", MONDAY, id=id_, tenant=self.name, identities=identities))
        return touchpoint_block([happened], token_prefix="t")

    def link(self, one: str, other: str) -> PreparedBlock:
        links = [
            IdentityLink(
                tenant=self.name,
                identity=end,
                other=far,
                kind=LinkKind.SEEN,
                event_time=MONDAY,
                source="t",
                id="1",
                ingestion_time=MONDAY,
            )
            for end, far in ((one, other), (other, one))
        ]
        return link_block(links, token_prefix="t")

    def belongs(self, identity: str, to: str, *refused: str, **fields: bool) -> PreparedBlock:
        row = PersonIdentifier(
            tenant=self.name,
            identifier=identifier_of(identity),
            identity=identity,
            person_key=identifier_of(to),
            refused=refused,
            **fields,
        )
        return identifier_block([row], token_prefix="t")

    def facts(self, of: str, version: int, suffix: str = "") -> list[PreparedBlock]:
        """One fact of each kind, with an entry in the ledger of alerts."""
        names = {"tenant": self.name, "person_key": identifier_of(of)}
        id_ = f"{self.name}{suffix or identifier_of(of)}"
        told = AlertRecord(
            tenant=self.name, friction_id=f"f{id_}", channel="desk", state="delivered", recorded_at=1, version=version
        )
        return [
            session_block([(session(session_id=f"s{id_}", **names), version)], token_prefix="t"),
            journey_block([(journey(journey_id=f"j{id_}", **names), version)], token_prefix="t"),
            friction_block([(friction(friction_id=f"f{id_}", **names), version)], token_prefix="t"),
            effort_posting_block([(posting(posting_id=f"p{id_}", **names), version)], token_prefix="t"),
            alert_block([told], token_prefix="t"),
        ]

    def came(self, who: str, version: int, suffix: str = "") -> None:
        """A contact, as the keeper of rollups writes it."""
        row = (self.name, MONDAY // 1000, f"{self.name}/t/{suffix or who}", identifier_of(who), version)
        self._client.execute("INSERT INTO contacts (tenant, started_at, contact_id, person_key, version) VALUES", [row])

    def rows(self, table: str, columns: str) -> list[tuple[object, ...]]:
        sql = f"SELECT {columns} FROM {table} WHERE tenant = %(tenant)s ORDER BY ALL"
        found: list[tuple[object, ...]] = self._client.execute(sql, {"tenant": self.name})
        return found

    def tables_with(self, text: str) -> list[str]:
        """Tables of which any column of text holds this anywhere, in any row on the disk."""
        columns = self._client.execute(
            "SELECT table, name FROM system.columns WHERE database = 'journeys' AND type LIKE '%String%'"
            " AND table IN (SELECT name FROM system.tables WHERE database = 'journeys' AND engine != 'View')"
        )
        return sorted(
            {
                table
                for table, column in columns
                if self._client.execute(
                    f"SELECT count() FROM {table} WHERE position(toString({column}), %(text)s) > 0", {"text": text}
                )
                != [(0,)]
            }
        )


@pytest.fixture
def world(request: pytest.FixtureRequest, address: ClickHouseAddress, unmerged: None) -> Iterator[World]:
    world = World(request.node.name.removeprefix("test_"), address)
    yield world
    world._writer.close()
    world._client.disconnect()


def test_nothing_of_an_identity_is_left(world: World, eraser: Eraser) -> None:
    anna, ben = identifier_of(world.anna), identifier_of(world.ben)
    merged = person(tenant=world.name, person_key=anna, merged_into=ben)
    both = person(tenant=world.name, person_key=ben, identifiers=(anna, ben))
    alone = person(tenant=world.name, person_key=ben, identifiers=(ben,))
    world.write(
        world.touch("1", world.anna),
        world.touch("1", world.anna),
        world.touch("2", world.anna, world.ben),
        world.touch("3", world.ben, world.anna),
        world.link(world.anna, world.ben),
        world.belongs(world.anna, world.ben),
        world.belongs(world.ben, world.anna, f"limit {world.anna}", f"cap {world.crowd}"),
        person_block([(merged, 1, 0), (both, 1, 0)], token_prefix="t"),
        person_block([(alone, 2, 0)], token_prefix="t"),
        *world.facts(world.anna, 1),
        *world.facts(world.anna, 2),
        *world.facts(world.ben, 1),
        incident_block(
            [an_incident_record(f"i{world.name}", tenant=world.name, person_keys=(anna, ben), samples=f'["{anna}"]')],
            token_prefix="t",
        ),
        notice_block(
            [a_notice_record(f"n{world.name}", tenant=world.name, person_keys=(anna,), content=anna)], token_prefix="t"
        ),
    )
    for who, version in ((world.anna, 1), (world.anna, 2), (world.ben, 1)):
        world.came(who, version)
    gone = [world.erased(world.anna)]
    # The same block at once again is no new row.
    assert eraser.count(gone) == {
        anna: {
            "touchpoints": 3,
            "persons": 2,
            "sessions": 2,
            "journeys": 2,
            "frictions": 2,
            "effort_postings": 2,
            "contacts": 2,
            "alerts": 2,
            "alert_incidents": 1,
            "alert_notices": 1,
            "identity_links": 2,
            "person_identifiers": 2,
        }
    }
    world.erase(eraser)
    assert eraser.count(gone) == {anna: dict.fromkeys(STORES, 0)}
    assert world.tables_with(anna) == []
    assert world.rows("touchpoints", "id, identities") == [("3", [world.ben])]
    assert world.rows("persons", "person_key, identifiers, version") == [(ben, [ben], 2)]
    assert world.rows("person_identifiers", "identifier, person_key, epoch, refused") == [
        (ben, ben, 1, [f"cap {world.crowd}"])
    ]
    left = {table: len(world.rows(table, "tenant")) for table in ("sessions", "journeys", "frictions", "alerts")}
    assert left == {"sessions": 1, "journeys": 1, "frictions": 1, "alerts": 1}
    assert len(world.rows("effort_postings", "tenant")) == 1
    assert world.rows("contacts", "person_key") == [(ben,)]
    assert world.rows("alert_incidents", "samples, person_keys, customers") == [("[]", [], 1)]
    assert world.rows("alert_notices", "content, person_keys, customers") == [("", [], 1)]


def test_what_an_earlier_holder_published_does_not_come_to_light(world: World, eraser: Eraser) -> None:
    world.write(*world.facts(world.ben, 1, "same"), *world.facts(world.anna, 2, "same"))
    world.came(world.ben, 1, "same")
    world.came(world.anna, 2, "same")
    world.erase(eraser)
    for table in ("sessions", "journeys", "frictions", "effort_postings", "alerts", "contacts"):
        assert world.rows(table, "tenant") == []


def test_what_another_has_taken_over_stays(world: World, eraser: Eraser) -> None:
    world.write(*world.facts(world.anna, 1, "same"), *world.facts(world.ben, 2, "same"))
    world.erase(eraser)
    for table in ("sessions", "journeys", "frictions", "effort_postings"):
        assert world.rows(table, "person_key, version") == [(identifier_of(world.ben), 2)]
    assert len(world.rows("alerts", "DISTINCT friction_id")) == 1


def test_a_touchpoint_stored_under_a_placeholder_goes_with_the_person_whose_it_is(world: World, eraser: Eraser) -> None:
    world.write(
        world.belongs(world.crowd, world.crowd, is_placeholder=True),
        world.touch("annas", world.crowd, world.anna, world.ben),
        world.touch("bens", world.crowd, world.ben, world.anna),
        world.touch("nobodys", world.crowd),
    )
    world.erase(eraser)
    assert world.rows("touchpoints", "id, identities") == [
        ("bens", [world.crowd, world.ben]),
        ("nobodys", [world.crowd]),
    ]


def test_links_with_an_erased_end_are_read_only_when_asked_for(world: World, reader: Reader) -> None:
    anna, ben = identifier_of(world.anna), identifier_of(world.ben)
    world.write(world.link(world.anna, world.ben), world.link(world.ben, world.crowd))
    assert [link.other for link in reader.load_links([ben], 9)[ben]] == [world.anna, world.crowd]
    world.write(erased_block([world.erased(world.anna)], token_prefix="t"))
    assert [link.other for link in reader.load_links([ben], 9)[ben]] == [world.crowd]
    assert reader.load_links([anna], 9) == {anna: []}
    assert [link.other for link in reader.load_links([ben], 9, with_erased=True)[ben]] == [world.anna, world.crowd]


def test_the_last_request_counts(world: World, reader: Reader) -> None:
    anna = identifier_of(world.anna)
    first, last = world.erased(world.anna, MONDAY, "first"), world.erased(world.anna, MONDAY + 1, "last")
    world.write(erased_block([last], token_prefix="t"), erased_block([first], token_prefix="u"))
    assert reader.load_erased([anna, "somebody"]) == {anna: last}
    assert reader.load_erased_by([TouchpointKey(world.name, "desk", id_) for id_ in ("first", "last")]) == [last]


def test_requests_are_shown_with_what_they_took_out(world: World, reader: Reader) -> None:
    receipt = ErasureReceipt(
        tenant=world.name,
        source="desk",
        id=world.name,
        requested_at=MONDAY,
        identifier=identifier_of(world.anna),
        store="touchpoints",
        rows_before=3,
        rows_after=3,
        recorded_at=MONDAY,
        version=1,
    )
    view = "identifiers, rows_before, rows_after, is_done"
    erased = [world.erased(world.anna), world.erased(world.ben)]
    world.write(erased_block(erased, token_prefix="t"))
    assert [row[1:] for row in world.rows("v_erasures", view)] == [({}, 0, False)]
    world.write(receipt_block([receipt], token_prefix="t"))
    both = sorted(map(identifier_of, (world.anna, world.ben)))
    assert world.rows("v_erasures", view) == [(both, {"touchpoints": 3}, 3, False)]
    done = [
        replace(receipt, rows_after=0, version=2),
        replace(receipt, identifier=identifier_of(world.ben), rows_before=0, rows_after=0),
    ]
    world.write(receipt_block(done, token_prefix="t"))
    assert world.rows("v_erasures", view) == [(both, {"touchpoints": 3}, 0, True)]
    assert sorted(reader.load_receipts(both), key=lambda one: -one.rows_before) == done
