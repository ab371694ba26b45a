"""Every ready-made answer equals what is computed in Python over the rows of the base tables, read plainly.

On generated data of every pattern, made worse by hand: touchpoints that came twice, once with other content, facts in
older versions and withdrawn ones, persons with several identities, a placeholder. And on call-centre logs.
"""

import json
import math
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from clickhouse_driver import Client

from docs.questions_page import PAGE, answered, example_values, renewed, store_sample
from docs.sample import store_judged
from schemas.identity import PersonIdentifier
from schemas.touchpoint import AppliedTouchpoint
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.migrator import migrate
from sinks.clickhouse.ready_made.catalogue import READY_MADE, ReadyMade, literal, ready_made
from sinks.clickhouse.rollups.upkeep import ROLLUPS, differing_days, rebuild
from sinks.clickhouse.rows import identifier_block
from sinks.clickhouse.tables import PARAMETERISED_VIEWS, VIEWS
from sinks.clickhouse.writer import Writer
from streams.producing.importing import import_rows
from streams.producing.mapping_files import load_mapping
from streams.producing.table_rows import Table
from streams.producing.transfer import Refusal
from tests.support.answers_oracle import Oracle
from tests.support.callcenter import write_log
from tests.support.local_clickhouse import running_clickhouse
from tests.support.logs import log_file
from tests.support.touchpoints import DAY, applied

pytestmark = pytest.mark.stack

#: Answers whose rows are named by their first columns; how many these are, and what else is asked of the view.
ANSWERS = {
    "v_contacts": (2, "*"),
    "v_redirect_matrix": (3, "*"),
    "v_friction_ranking": (5, "* EXCEPT place"),
    "v_repeat_contact_rate": (2, "*"),
    "v_journey_funnel": (3, "*"),
    "v_time_to_able_again": (3, "*"),
    "v_reachability": (4, "*"),
    "v_promises": (3, "*"),
    "v_promise_kept_rate": (3, "*"),
    "v_effort_budgets": (3, "*"),
    "v_failure_demand": (3, "*"),
    "v_next_contact": (5, "*"),
    "v_claims_held": (3, "*"),
    "v_delivery_quality": (3, "*"),
    "v_team_effort_daily": (5, "*"),
    "v_channel_matrix_daily": (4, "*"),
    "activity_stream": (1, "* EXCEPT feature_json"),
}
#: What a log of calls and mails says nothing about.
NOT_IN_LOGS = {"v_redirect_matrix", "v_channel_matrix_daily", "v_promises", "v_promise_kept_rate", "v_claims_held"}


class Data:
    """One database: its tables as the oracle reads them, and its views."""

    def __init__(self, address: ClickHouseAddress) -> None:
        self.address = address
        self.client: Client = connect(address)
        self.oracle = Oracle(self.client)

    def answer(self, view: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        keys, columns = ANSWERS[view]
        rows = self.client.execute(f"SELECT {columns} FROM {view}")
        found = {tuple(row[:keys]): tuple(row[keys:]) for row in rows}
        assert len(found) == len(rows), "two rows have one name"
        return found


def spoiled(address: ClickHouseAddress) -> None:
    """Make the tables as bad as they may become: all of it must not be seen, or be seen as the rules say."""
    client = connect(address)
    client.execute("SYSTEM STOP MERGES")
    # A copy of a touchpoint that came later does not count, whatever it says.
    client.execute(
        "INSERT INTO touchpoints SELECT * REPLACE (ingest_version - 1 AS ingest_version, 'complaint.raised' AS kind,"
        " 'failed' AS outcome, '' AS thread_id) FROM touchpoints WHERE cityHash64(id) % 10 = 0"
    )
    client.execute("INSERT INTO touchpoints SELECT * FROM touchpoints WHERE cityHash64(id) % 7 = 0")
    for table in ("frictions", "journeys", "effort_postings"):
        key = client.execute(f"SELECT name FROM system.columns WHERE table = '{table}' AND position = 2")[0][0]
        older = "version - 1 AS version, concat(topic, 'x') AS topic" if table != "effort_postings" else "0 AS version"
        client.execute(f"INSERT INTO {table} SELECT * REPLACE ({older}) FROM {table} WHERE cityHash64({key}) % 3 = 0")
        withdrawn = "version + 1 AS version, 1 AS is_deleted"
        client.execute(
            f"INSERT INTO {table} SELECT * REPLACE ({withdrawn}) FROM {table} WHERE cityHash64({key}) % 11 = 0"
        )
    client.execute(
        "INSERT INTO touchpoints SELECT * REPLACE (concat(id, '-p') AS id, true AS probe) FROM touchpoints FINAL"
        " WHERE cityHash64(id) % 50 = 1"
    )
    client.execute(
        "INSERT INTO touchpoints SELECT * REPLACE (concat(id, '-s/%') AS id, true AS staff) FROM touchpoints FINAL"
        " WHERE cityHash64(id) % 50 = 2"
    )
    owners = [row[0] for row in client.execute("SELECT DISTINCT identity_hash FROM touchpoints ORDER BY 1 LIMIT 120")]
    nobody, *others = owners
    # Pairs of two, and one identity that is nobody's: its touchpoints are of whoever comes next in them.
    client.execute(
        "INSERT INTO touchpoints SELECT * REPLACE (concat(id, '-n') AS id, %(nobody)s AS identity_hash,"
        " [concat('customer_no:', %(nobody)s), concat('cookie:', identity_hash)] AS identities)"
        " FROM touchpoints FINAL WHERE cityHash64(id) %% 20 = 3",
        {"nobody": nobody},
    )
    known = [identifier(nobody, nobody, is_placeholder=True)]
    for one, other in zip(others[::2], others[1::2], strict=False):
        known += [identifier(one, one), identifier(other, one)]
    writer = Writer(address)
    writer.insert(identifier_block(known, token_prefix="known"))
    writer.close()
    client.disconnect()


def identifier(hashed: str, person: str, *, is_placeholder: bool = False) -> PersonIdentifier:
    return PersonIdentifier(
        tenant="default",
        identifier=hashed,
        identity=f"customer_no:{hashed}",
        person_key=person,
        epoch=1,
        is_placeholder=is_placeholder,
        companions=1,
        refused=(),
        version=1,
    )


def kept(address: ClickHouseAddress) -> Data:
    """What is there, after the keeper of rollups has looked."""
    for rollup in ROLLUPS:
        rebuild(address, rollup)
    return Data(address)


def stored_log(address: ClickHouseAddress, path: Path) -> None:
    """A call-centre log, imported and judged a year after its last line."""
    mapping = load_mapping("callcenter")
    touchpoints: dict[str, AppliedTouchpoint] = {}
    for item in import_rows(Table(path, mapping.format, mapping.csv), mapping):
        assert not isinstance(item, Refusal)
        touchpoints |= {touchpoint.id: applied(touchpoint) for touchpoint in item}
    store_judged(address, list(touchpoints.values()), max(one.event_time for one in touchpoints.values()) + 365 * DAY)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with running_clickhouse(tmp_path_factory.mktemp("clickhouse")) as ports:
        yield ports.native


def fresh(engine: int, name: str) -> ClickHouseAddress:
    address = ClickHouseAddress(port=engine, database=name)
    migrate(address)
    return address


@pytest.fixture(scope="module")
def sample(engine: int) -> ClickHouseAddress:
    """The sample company, as docs/questions.md asks it."""
    address = fresh(engine, "sample")
    store_sample(address)
    return address


@pytest.fixture(scope="module")
def generated(engine: int) -> Data:
    address = fresh(engine, "generated")
    store_sample(address)
    spoiled(address)
    return kept(address)


@pytest.fixture(scope="module")
def made_up(engine: int, tmp_path_factory: pytest.TempPathFactory) -> Data:
    """A log with the faults of real ones."""
    path = tmp_path_factory.mktemp("made_up") / "log.csv.gz"
    write_log(path, cases=200, seed=21, steps=(1, 3, 5, 9))
    address = fresh(engine, "made_up")
    stored_log(address, path)
    return kept(address)


@pytest.fixture(scope="module")
def real(engine: int) -> Data:
    """The real log, where it is."""
    path = log_file("callcenter/callcenter.csv.gz")
    address = fresh(engine, "real")
    stored_log(address, path)
    return kept(address)


@pytest.fixture(params=["generated", "made_up", pytest.param("real", marks=pytest.mark.logs)])
def data(request: pytest.FixtureRequest) -> Data:
    """Each of the three."""
    found: Data = request.getfixturevalue(request.param)
    return found


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same, fractions but for what rounding does."""
    if isinstance(one, float) or isinstance(other, float):
        return one is not None and other is not None and math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-4)
    return bool(one == other)


def differing(
    found: dict[tuple[Any, ...], tuple[Any, ...]], expected: dict[tuple[Any, ...], tuple[Any, ...]]
) -> list[Any]:
    """The first rows that are not the same, with both sides."""
    names = sorted({*found, *expected}, key=str)
    return [
        (name, found.get(name), expected.get(name))
        for name in names
        if name not in found
        or name not in expected
        or not all(is_same(one, other) for one, other in zip(found[name], expected[name], strict=True))
    ][:3]


@pytest.mark.parametrize("view", ANSWERS)
def test_an_answer_is_what_is_computed_from_plain_rows(data: Data, view: str) -> None:
    found = data.answer(view)
    expected = getattr(data.oracle, view)()
    assert differing(found, expected) == []
    assert found or (data.address.database != "generated" and view in NOT_IN_LOGS)


def test_frictions_are_ranked_by_minutes_within_the_tenant(data: Data) -> None:
    rows = data.client.execute(
        "SELECT place, minutes, frictions FROM v_friction_ranking WHERE tenant = 'default' ORDER BY place"
    )
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    assert rows == sorted(rows, key=lambda row: (-row[1], -row[2], row[0]))


def test_rollups_are_right_after_they_were_rebuilt(data: Data) -> None:
    for rollup in ROLLUPS:
        rebuild(data.address, rollup)
        assert differing_days(data.address, rollup) == []
    funnel = data.client.execute(
        "SELECT tenant, topic, step, sum(reached), sum(solved_here), sum(given_up_here), sum(open_here), sum(went_on)"
        " FROM v_funnel_daily GROUP BY ALL"
    )
    assert {tuple(row[:3]): tuple(row[3:]) for row in funnel} == {
        name: told[:5] for name, told in data.oracle.v_journey_funnel().items()
    }


def test_the_timeline_of_a_person_holds_everything_in_order(data: Data) -> None:
    persons = data.client.execute(
        "SELECT person_key FROM v_frictions GROUP BY person_key ORDER BY count() DESC, person_key LIMIT 4"
    )
    merged = data.client.execute(
        "SELECT person_key FROM v_person_identifiers WHERE NOT is_placeholder ORDER BY identifier LIMIT 4"
    )
    for (person,) in persons + merged:
        rows = data.client.execute(
            f"SELECT at, what, journey_id, name, reference FROM v_person_timeline(person_key = {literal(person)})"
        )
        assert rows == data.oracle.v_person_timeline(person)
        assert rows


def test_a_funnel_of_verbs_counts_persons(generated: Data) -> None:
    for steps, days in (
        (["order.placed", "order.confirmed", "order.shipped", "order.delivered"], 14),
        (["order.placed", "order.confirmed", "order.shipped", "order.delivered"], 2),
        (["page.viewed", "contact.started", "contact.ended"], 7),
        (["session.started", "session.ended"], 1),
    ):
        sql = ready_made("step_funnel").filled({"steps": steps, "days": days}).replace("SELECT", "SELECT tenant,")
        rows = generated.client.execute(
            sql.partition("round")[0] + "share_of_first, drop_off FROM" + sql.partition("FROM")[2]
        )
        assert (
            differing({tuple(row[:2]): tuple(row[2:]) for row in rows}, generated.oracle.v_step_funnel(steps, days))
            == []
        )
        assert rows[0][3] > 10


def test_sequence_functions_take_occurred_ms(generated: Data) -> None:
    sql = ready_made("sequence").sql
    persons, called, received = generated.client.execute(sql)[0]
    by_person: dict[str, list[Any]] = {}
    for row in generated.oracle.touchpoints:
        if not row["probe"] and not row["staff"]:
            by_person.setdefault(row["person"], []).append(row)
    helped = 0
    for rows in by_person.values():
        pages = [row["event_time"] for row in rows if row["touchpoint"].startswith("/help")]
        calls = [
            row["event_time"]
            for row in rows
            if row["kind"] in {"contact.started", "call.offered"} and row["channel"] == "phone"
        ]
        helped += any(page <= call <= page + timedelta(days=1) for page in pages for call in calls)
    assert (persons, called) == (len(by_person), helped)
    orders = generated.oracle.v_step_funnel(["order.placed", "order.delivered"], 14)
    assert received == orders["default", 2][1] > 10


def test_features_of_an_activity_are_what_the_touchpoint_tells(generated: Data) -> None:
    names = (
        "tenant", "source", "channel", "channel_detail", "touchpoint", "direction", "actor", "team", "topic", "reason",
        "outcome", "redirect_to", "campaign", "currency",
    )  # fmt: skip
    told = {row["key"]: row for row in generated.oracle.told}
    rows = generated.client.execute("SELECT activity_id, feature_json FROM activity_stream")
    assert len(rows) == len(told)
    for key, text in rows:
        features = json.loads(text)
        assert {name: features.pop(name) for name in names if name in features} == {
            name: told[key][name] for name in names if told[key][name]
        }
        assert set(features) <= {"objects", "score", "wait_minutes", "active_minutes"}


@pytest.mark.parametrize("one", READY_MADE, ids=lambda one: str(one.name))
def test_every_question_of_the_catalogue_is_answered(sample: ClickHouseAddress, one: ReadyMade) -> None:
    assert one.view in {*VIEWS, *PARAMETERISED_VIEWS}
    assert one.view in one.sql
    assert "{" not in one.filled(example_values(sample, one))
    assert answered(sample, one).rows


def test_a_value_stays_text_in_a_query(sample: ClickHouseAddress) -> None:
    nasty = "a' OR 1 = 1 -- \\' {person_key:String}\n"
    assert connect(sample).execute(f"SELECT {literal(nasty)}, {literal([nasty, ''])}, {literal(7)}") == [
        (nasty, [nasty, ""], 7)
    ]
    filled = ready_made("person_timeline").filled({"person_key": nasty})
    assert connect(sample).execute(filled) == []
    with pytest.raises(KeyError, match="no ready-made answer is called 'nothing'; there are redirect_matrix"):
        ready_made("nothing")


def test_every_view_for_analysts_is_compared_or_asked_elsewhere() -> None:
    asked = {*ANSWERS, *(one.view for one in READY_MADE)}
    # The views of one table each, and those of identities, are looked at in tests of their own.
    plain = {
        "v_persons", "v_sessions", "v_journeys", "v_frictions", "v_effort_postings",
        "v_effort_accounts", "v_person_identifiers", "v_identity_links", "v_identity_review", "v_incidents",
        "v_erasures", "v_rule_changes", "v_producers", "v_dead_letters", "v_alerts", "v_alert_incidents",
        "v_alert_notices", "v_alert_actions", "v_journey_daily",
    }  # fmt: skip
    assert {*VIEWS, *PARAMETERISED_VIEWS} - asked == plain


def test_a_question_is_one_that_can_be_sent_elsewhere() -> None:
    for one in READY_MADE:
        assert ";" not in one.sql
        assert one.pitfalls
        assert msgspec.json.decode(msgspec.json.encode(one), type=ReadyMade) == one


def test_the_page_of_questions_shows_exactly_what_is_answered(sample: ClickHouseAddress) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert renewed(text, sample) == text, "run make docs"
