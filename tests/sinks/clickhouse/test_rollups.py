"""Rollups are what their bases say: whatever changed and whenever, and a look says where they are not."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from clickhouse_driver import Client
from typer.testing import CliRunner

from schemas.erasure import ErasedIdentifier
from schemas.identity import PersonIdentifier
from schemas.outputs import Check, Friction
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.errors import StoreUnavailable
from sinks.clickhouse.migrator import migrate
from sinks.clickhouse.rollups.upkeep import ROLLUPS, Differing, Rollup, differing_days, rebuild
from sinks.clickhouse.rows import (
    effort_posting_block,
    erased_block,
    friction_block,
    identifier_block,
    journey_block,
    touchpoint_block,
)
from sinks.clickhouse.writer import Writer
from streams.cli.main import app
from tests.support.facts import Withdrawn, friction, journey, posting
from tests.support.touchpoints import DAY, HOUR, MINUTE, MONDAY, applied, touchpoint

FRICTIONS, JOURNEYS, CONTACTS = ROLLUPS
ANNA, BEN = "a" * 32, "b" * 32


@pytest.fixture(scope="module")
def apart(engine: ClickHouseAddress) -> ClickHouseAddress:
    """A database in which nobody else writes."""
    address = ClickHouseAddress(port=engine.port, database="rollups")
    migrate(address)
    return address


@pytest.fixture
def client(apart: ClickHouseAddress) -> Iterator[Client]:
    """Empty tables."""
    client = connect(apart)
    for table in (
        "touchpoints", "person_identifiers", "erased_identifiers", "frictions", "journeys", "effort_postings",
        "friction_hourly", "journey_daily", "contacts",
    ):  # fmt: skip
        client.execute(f"TRUNCATE TABLE {table}")
    yield client
    client.disconnect()


@pytest.fixture
def writer(apart: ClickHouseAddress) -> Iterator[Writer]:
    writer = Writer(apart)
    yield writer
    writer.close()


def redirect(**fields: Any) -> Friction:
    """A redirect after which the customer arrived."""
    told = friction(**fields)
    arrival = Check("arrival", "3 h 30 min after", "within 48 h", passed=True)
    return msgspec.structs.replace(told, evidence=msgspec.structs.replace(told.evidence, checks=(arrival,)))


def store(writer: Writer, *frictions: Any, version: int = 1) -> None:
    writer.insert(friction_block([(one, version) for one in frictions], token_prefix=f"v{version}"))


def happened(writer: Writer, kind: str, at: int, id_: str, who: str = ANNA, **told: Any) -> None:
    """A touchpoint of Anna, by phone, if nothing else is said."""
    one = touchpoint(kind, at, id=id_, identities=(f"customer_no:{who}",), **{"channel": "phone"} | told)
    writer.insert(touchpoint_block([applied(one)], token_prefix=f"{id_}-{kind}"))


def contacts(client: Client) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = client.execute(
        "SELECT contact_id, person_key, touches, minutes_to_answer FROM v_contacts ORDER BY contact_id"
    )
    return found


def identifier(hashed: str, person: str) -> PersonIdentifier:
    return PersonIdentifier(
        tenant="default", identifier=hashed, identity=f"customer_no:{hashed}", person_key=person, epoch=1,
        is_placeholder=False, companions=1, refused=(), version=1,
    )  # fmt: skip


def contact_days(apart: ClickHouseAddress) -> list[tuple[str, int, int, int]]:
    return [(told.day, told.missing, told.other, told.too_many) for told in rebuild(apart, CONTACTS)]


def cells(client: Client) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = client.execute(
        "SELECT toString(hour), variant, status, frictions, severities, arrivals, minutes FROM v_friction_hourly"
        " ORDER BY hour, variant"
    )
    return found


def plainly(client: Client) -> dict[tuple[Any, ...], list[int]]:
    """What the rollup of frictions should hold, added up here over the rows of the base."""
    minutes: defaultdict[str, int] = defaultdict(int)
    for id_, spent in client.execute("SELECT friction_id, minutes FROM effort_postings FINAL WHERE is_deleted = 0"):
        minutes[id_] += round(spent * 60_000)
    sums: defaultdict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
    for id_, at, severity, *cell in client.execute(
        "SELECT friction_id, toUnixTimestamp(anchor_at), severity, rule_id, variant, status, team, topic, from_channel,"
        " to_channel FROM frictions FINAL WHERE is_deleted = 0"
    ):
        counted = sums[at // 3600, *cell]
        counted[0] += 1
        counted[1] += severity
        counted[2] += minutes[id_]
    return dict(sums)


def rolled_up(client: Client) -> dict[tuple[Any, ...], list[int]]:
    rows = client.execute(
        "SELECT intDiv(toUnixTimestamp(hour), 3600), rule_id, variant, status, team, topic, from_channel, to_channel,"
        " frictions, severities, toInt64(round(minutes * 60000)) FROM v_friction_hourly"
    )
    return {tuple(row[:8]): list(row[8:]) for row in rows}


def test_a_rollup_holds_what_its_base_says_in_numbers(apart: ClickHouseAddress, client: Client, writer: Writer) -> None:
    store(
        writer,
        redirect(friction_id="1", anchor_at=MONDAY),
        redirect(friction_id="2", anchor_at=MONDAY + HOUR - 1, severity=5),
        friction(friction_id="3", anchor_at=MONDAY + HOUR),
        redirect(friction_id="4", anchor_at=MONDAY, rule_id="wait_sum", variant="waited"),
    )
    postings = [posting(posting_id=id_, friction_id=of, minutes=spent) for id_, of, spent in (
        ("a", "1", 3.0), ("b", "1", 0.5), ("c", "2", 1.0), ("d", "9", 7.0),
    )]  # fmt: skip
    writer.insert(effort_posting_block([(one, 1) for one in postings], token_prefix="numbers"))
    assert rebuild(apart, FRICTIONS) == [Differing("friction_hourly", "default", "2024-01-01", 3, 0, 0)]
    assert cells(client) == [
        ("2024-01-01 00:00:00", "followed", "open", 2, 8, 2, 4.5),
        ("2024-01-01 00:00:00", "waited", "open", 1, 3, 0, 0.0),
        ("2024-01-01 01:00:00", "followed", "open", 1, 3, 0, 0.0),
    ]
    assert rebuild(apart, FRICTIONS) == []


def test_what_comes_three_weeks_late_corrects_the_day_on_which_it_happened(
    apart: ClickHouseAddress, client: Client, writer: Writer
) -> None:
    today = MONDAY + 21 * DAY
    store(writer, friction(friction_id="old", anchor_at=MONDAY), friction(friction_id="new", anchor_at=today))
    rebuild(apart, FRICTIONS)
    before = client.execute("SELECT * FROM friction_hourly FINAL WHERE hour >= '2024-01-22'")
    store(writer, redirect(friction_id="late", anchor_at=MONDAY + HOUR), version=2)
    store(writer, friction(friction_id="old", anchor_at=MONDAY, status="cleared", variant="form"), version=2)
    late = Differing("friction_hourly", "default", "2024-01-01", 2, 0, 1)
    assert differing_days(apart, FRICTIONS) == [late]
    assert rebuild(apart, FRICTIONS) == [late]
    assert cells(client)[:2] == [
        ("2024-01-01 00:00:00", "form", "cleared", 1, 3, 0, 0.0),
        ("2024-01-01 01:00:00", "followed", "open", 1, 3, 1, 0.0),
    ]
    # Today did not change, and was not written again.
    assert client.execute("SELECT * FROM friction_hourly FINAL WHERE hour >= '2024-01-22'") == before


def test_what_is_withdrawn_leaves_and_may_come_back(apart: ClickHouseAddress, client: Client, writer: Writer) -> None:
    one = friction(friction_id="1", anchor_at=MONDAY)
    for version in (1, 3, 5):
        store(writer, one, version=version)
        rebuild(apart, FRICTIONS)
        assert [row[3] for row in cells(client)] == [1]
        gone = friction_block([], [(Withdrawn("1", one.tenant, one.person_key), version + 1)], token_prefix="gone")
        writer.insert(gone)
        assert rebuild(apart, FRICTIONS) == [Differing("friction_hourly", "default", "2024-01-01", 0, 0, 1)]
        assert cells(client) == []
        assert differing_days(apart, FRICTIONS) == []


def test_what_somebody_changed_by_hand_is_found_and_put_right(
    apart: ClickHouseAddress, client: Client, writer: Writer
) -> None:
    store(writer, friction(friction_id="1", anchor_at=MONDAY), friction(friction_id="2", anchor_at=MONDAY + DAY))
    rebuild(apart, FRICTIONS)
    right = cells(client)
    columns = "tenant, hour, rule_id, variant, status, team, topic, from_channel, to_channel, severities, effort_ms"
    client.execute(
        f"INSERT INTO friction_hourly ({columns}, frictions, version) SELECT {columns}, 1000, 1000 FROM friction_hourly"
        " WHERE hour < '2024-01-02'"
    )
    client.execute("INSERT INTO friction_hourly (tenant, hour, version) VALUES", [("nobody", MONDAY // 1000, 1)])
    found = [
        Differing("friction_hourly", "default", "2024-01-01", 0, 1, 0),
        Differing("friction_hourly", "nobody", "2024-01-01", 0, 0, 1),
    ]
    assert differing_days(apart, FRICTIONS) == found
    assert rebuild(apart, FRICTIONS) == found
    assert cells(client) == right


@pytest.mark.parametrize("rollup", ROLLUPS, ids=lambda rollup: str(rollup.name))
def test_a_rollup_that_was_lost_is_made_anew(
    apart: ClickHouseAddress, client: Client, writer: Writer, rollup: Rollup
) -> None:
    store(writer, friction(friction_id="1", anchor_at=MONDAY))
    writer.insert(journey_block([(journey(journey_id="1"), 1)], token_prefix="lost"))
    happened(writer, "call.offered", MONDAY, "1")
    for _ in range(3):
        # The same rows again: ClickHouse must not take them for a repetition of an insert.
        assert [day.missing for day in rebuild(apart, rollup)] == [1]
        assert differing_days(apart, rollup) == []
        client.execute(f"TRUNCATE TABLE {rollup.name}")


def test_journeys_by_day_and_the_funnel_over_them_in_numbers(
    apart: ClickHouseAddress, client: Client, writer: Writer
) -> None:
    told = [
        ("1", MONDAY, 1, "solved", 12.25),
        ("2", MONDAY + DAY - 1, 2, "unsolved", 31.0),
        ("3", MONDAY, 9, "open", 0.1),
        ("4", MONDAY, 0, "unsolved", 0.0),
        ("5", MONDAY + DAY, 1, "solved", 0.0),
    ]
    rows = [
        journey(journey_id=id_, opened_at=at, last_event_at=at + 90_000, contacts=n, outcome=outcome, effort_minutes=e)
        for id_, at, n, outcome, e in told
    ]
    writer.insert(journey_block([(one, 1) for one in rows], token_prefix="days"))
    rebuild(apart, JOURNEYS)
    days = client.execute(
        "SELECT toString(day), sum(journeys), sum(journeys_over_budget), sum(contacts), sum(duration_minutes),"
        " sum(effort_minutes) FROM v_journey_daily GROUP BY day ORDER BY day"
    )
    assert days == [("2024-01-01", 4, 1, 12, 6.0, 43.35), ("2024-01-02", 1, 0, 1, 1.5, 0.0)]
    funnel = client.execute(
        "SELECT step, reached, solved_here, given_up_here, open_here, went_on FROM v_funnel_daily"
        " WHERE day = '2024-01-01' ORDER BY step"
    )
    assert funnel == [
        (0, 4, 0, 1, 0, 3),
        (1, 3, 1, 0, 0, 2),
        (2, 2, 0, 1, 0, 1),
        (3, 1, 0, 0, 0, 1),
        (4, 1, 0, 0, 0, 1),
        (5, 1, 0, 0, 1, 0),
    ]
    # Day by day it is the funnel over all days.
    whole = client.execute("SELECT step, reached, solved_here, given_up_here, open_here, went_on FROM v_journey_funnel")
    summed: Counter[tuple[int, int]] = Counter()
    for step, *numbers in client.execute(
        "SELECT step, reached, solved_here, given_up_here, open_here, went_on FROM v_funnel_daily"
    ):
        for place, number in enumerate(numbers):
            summed[step, place] += number
    assert {(step, place): number for step, *numbers in whole for place, number in enumerate(numbers)} == summed


def test_contacts_follow_what_comes_late_from_the_middle_of_a_conversation_and_from_before_it(
    apart: ClickHouseAddress, client: Client, writer: Writer
) -> None:
    happened(writer, "call.offered", MONDAY + HOUR, "2", thread_id="t")
    assert contact_days(apart) == [("2024-01-01", 1, 0, 0)]
    assert contacts(client) == [("default/test/2", ANNA, 1, None)]
    happened(
        writer, "message.sent", MONDAY + HOUR + 5 * MINUTE, "3", thread_id="t", actor="agent", direction="outbound"
    )
    assert contact_days(apart) == [("2024-01-01", 0, 1, 0)]
    assert contacts(client) == [("default/test/2", ANNA, 2, 5.0)]
    # What began it the day before comes last: the contact is another one then, in another month.
    happened(writer, "call.offered", MONDAY - HOUR, "1", thread_id="t")
    assert contact_days(apart) == [("2023-12-31", 1, 0, 0), ("2024-01-01", 0, 0, 1)]
    assert contacts(client) == [("default/test/1", ANNA, 3, 125.0)]
    assert contact_days(apart) == []


def test_contacts_follow_persons_who_turn_out_to_be_one(
    apart: ClickHouseAddress, client: Client, writer: Writer
) -> None:
    happened(writer, "message.received", MONDAY, "1", thread_id="t", channel="chat")
    happened(writer, "message.received", MONDAY + MINUTE, "2", who=BEN, thread_id="t", channel="chat")
    happened(writer, "call.offered", MONDAY, "3", who=BEN)
    assert contact_days(apart) == [("2024-01-01", 3, 0, 0)]
    writer.insert(identifier_block([identifier(ANNA, ANNA), identifier(BEN, ANNA)], token_prefix="one"))
    assert contact_days(apart) == [("2024-01-01", 0, 2, 1)]
    assert contacts(client) == [("default/test/1", ANNA, 2, None), ("default/test/3", ANNA, 1, None)]


def test_who_is_erased_while_contacts_are_put_together_is_in_none(
    apart: ClickHouseAddress, client: Client, writer: Writer
) -> None:
    happened(writer, "call.offered", MONDAY, "1")
    happened(writer, "call.offered", MONDAY, "2", who=BEN)
    # Noted, and not taken out of the touchpoints: so it looks to who began to read before.
    gone = ErasedIdentifier(
        tenant="default", identifier=ANNA, identity=f"customer_no:{ANNA}", requested_at=MONDAY, source="desk", id="1",
        version=1,
    )  # fmt: skip
    writer.insert(erased_block([gone], token_prefix="gone"))
    rebuild(apart, CONTACTS)
    assert client.execute("SELECT person_key FROM contacts") == [(BEN,)]


def test_a_contact_that_is_gone_is_under_the_key_of_its_person_until_that_one_is_erased(
    apart: ClickHouseAddress, client: Client, writer: Writer
) -> None:
    happened(writer, "call.offered", MONDAY, "1")
    rebuild(apart, CONTACTS)
    client.execute("TRUNCATE TABLE touchpoints")
    rebuild(apart, CONTACTS)
    assert client.execute("SELECT DISTINCT person_key FROM contacts WHERE is_deleted") == [(ANNA,)]
    assert contacts(client) == []


def test_after_any_changes_the_rollup_is_what_is_added_up_here(
    apart: ClickHouseAddress, client: Client, writer: Writer
) -> None:
    for version in range(1, 6):
        changed = [
            friction(
                friction_id=str(number),
                anchor_at=MONDAY + (number * version * 7 % 100) * HOUR,
                severity=1 + (number + version) % 5,
                variant=("lost", "followed")[(number // version) % 2],
                status=("open", "cleared")[number * version % 3 == 0],
            )
            for number in range(0, 40, version)
        ]
        store(writer, *changed, version=version)
        spent = [posting(posting_id=f"{n}", friction_id=f"{n}", minutes=n * version / 7) for n in range(0, 40, version)]
        writer.insert(effort_posting_block([(one, version) for one in spent], token_prefix=f"v{version}"))
        gone = [(Withdrawn(str(number), "default", "a"), version) for number in range(1, 40, version + 7)]
        writer.insert(friction_block([], gone, token_prefix=f"gone{version}"))
        rebuild(apart, FRICTIONS)
        assert rolled_up(client) == plainly(client)
    assert len(plainly(client)) > 10


@pytest.mark.usefixtures("client")
def test_commands_say_where_rollups_differ_and_put_it_right(apart: ClickHouseAddress, writer: Writer) -> None:
    def run(command: str, *options: str) -> Any:
        environment = {"JOURNEYS_CLICKHOUSE__DATABASE": apart.database}
        told = [command, "--clickhouse", f"127.0.0.1:{apart.port}", *options]
        return CliRunner().invoke(app, told, env=environment)

    store(writer, friction(friction_id="1", anchor_at=MONDAY))
    found = run("check-aggregates")
    assert found.exit_code == 1
    assert found.stdout.splitlines()[:2] == [
        "rollup           tenant   day         missing  other  too_many",
        "friction_hourly  default  2024-01-01  1        0      0",
    ]
    assert run("refresh-aggregates").stdout.splitlines()[-1] == "rebuilt 1 day"
    right = run("check-aggregates")
    assert right.exit_code == 0
    assert right.stdout == "friction_hourly, journey_daily and contacts say what their base tables say\n"
    assert run("refresh-aggregates").stdout == "nothing differed\n"
    assert run("check-aggregates", "--json").stdout == ""


def test_a_store_that_does_not_answer_is_said_to_be_unavailable() -> None:
    with pytest.raises(StoreUnavailable, match="friction_hourly"):
        rebuild(ClickHouseAddress(port=1), FRICTIONS)
