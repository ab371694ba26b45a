"""What analysts read about effort: accounts that agree, and budgets by week and topic, in numbers."""

from random import Random
from typing import Any

import pytest

from processors.friction.catalogue import default_rules
from processors.person import judge, restore
from processors.settings import CoreSettings
from schemas.touchpoint import AppliedTouchpoint
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.migrator import migrate
from sinks.clickhouse.rows import effort_posting_block, friction_block, journey_block, person_block, touchpoint_block
from sinks.clickhouse.writer import Writer
from tests.support.facts import journey, posting
from tests.support.sql_oracle import SqlOracle, published_chains, published_overspent
from tests.support.touchpoints import DAY, HOUR, MINUTE, MONDAY, TENANT, happened

pytestmark = pytest.mark.stack


def test_every_posting_is_in_four_accounts(writer: Writer, address: ClickHouseAddress) -> None:
    told = {"tenant": "accounts", "person_key": "anna", "journey_id": "j"}
    postings = [
        posting(posting_id="1", **told),
        posting(posting_id="2", cause="wait", friction_id=None, team=None, minutes=0.1, is_measured=True, **told),
        posting(posting_id="3", minutes=0.2, is_measured=True, **told | {"person_key": "bert", "journey_id": "k"}),
        posting(posting_id="4", minutes=99.0, **told),
    ]
    writer.insert(effort_posting_block([(one, 1) for one in postings], token_prefix="accounts"))
    gone = "INSERT INTO effort_postings (tenant, posting_id, version, is_deleted) VALUES"
    connect(address).execute(gone, [("accounts", "4", 2, 1)])
    rows = connect(address).execute(
        "SELECT side, type, account, minutes, measured_minutes, postings, customers FROM v_effort_accounts"
        " WHERE tenant = 'accounts' ORDER BY type, account"
    )
    assert rows == [
        ("credit", "cause", "channel_redirect", 3.2, 0.2, 2, 2),
        ("credit", "cause", "wait", 0.1, 0.1, 1, 1),
        ("debit", "customer", "anna", 3.1, 0.1, 2, 1),
        ("debit", "customer", "bert", 0.2, 0.2, 1, 1),
        ("debit", "journey", "j", 3.1, 0.1, 2, 1),
        ("debit", "journey", "k", 0.2, 0.2, 1, 1),
        ("credit", "team", "", 0.1, 0.1, 1, 1),
        ("credit", "team", "care", 3.2, 0.2, 2, 2),
    ]


def test_budgets_by_week_and_topic(writer: Writer, address: ClickHouseAddress) -> None:
    spent = [
        ("1", MONDAY, "a", 30.0, 30.0),
        ("2", MONDAY + 7 * DAY - 1, "a", 45.0, 30.0),
        ("3", MONDAY + 7 * DAY, "a", 60.0, 30.0),
        ("4", MONDAY, "b", 12.0, 40.0),
        ("5", MONDAY, "c", 12.0, 0.0),
    ]
    journeys = [
        journey(tenant="budgets", journey_id=id_, opened_at=at, topic=topic, effort_minutes=e, effort_budget_minutes=b)
        for id_, at, topic, e, b in spent
    ]
    writer.insert(journey_block([(one, 1) for one in journeys], token_prefix="budgets"))
    client = connect(address)
    rows = client.execute(
        "SELECT toString(week), topic, journeys, journeys_over, share_over, effort_minutes, budget_minutes, burn"
        " FROM v_effort_budgets WHERE tenant = 'budgets' ORDER BY week, topic"
    )
    assert rows == [
        ("2024-01-01", "a", 2, 1, 0.5, 75.0, 60.0, 1.25),
        ("2024-01-01", "b", 1, 0, 0.0, 12.0, 40.0, 0.3),
        ("2024-01-08", "a", 1, 1, 1.0, 60.0, 30.0, 2.0),
    ]
    burns = client.execute("SELECT effort_burn FROM v_journeys WHERE tenant = 'budgets' ORDER BY journey_id")
    assert burns == [(1.0,), (1.5,), (2.0,), (0.3,), (None,)]


class Views:
    """The views of one database, for an oracle."""

    def __init__(self, address: ClickHouseAddress) -> None:
        self._client = connect(address)

    def query(self, sql: str) -> list[dict[str, Any]]:
        rows, described = self._client.execute(sql, with_column_types=True)
        return [dict(zip([name for name, _ in described], row, strict=True)) for row in rows]

    def value(self, sql: str) -> Any:
        ((value,),) = self._client.execute(sql)
        return value


def life(rng: Random, number: int) -> list[AppliedTouchpoint]:
    """Touchpoints of one person that make no sense: waits, redirects, transfers and data asked for, on two matters."""
    kinds = "contact.started call.offered contact.redirected contact.transferred form.submitted data.requested".split()
    at = MONDAY
    story = []
    for place in range(rng.randint(1, 14)):
        at += rng.choice((0, MINUTE, HOUR, DAY))
        kind = rng.choice(kinds)
        is_company = kind in {"contact.redirected", "contact.transferred", "data.requested"}
        story.append(
            happened(
                kind,
                at,
                id=f"{number}-{place}",
                identities=(f"customer_no:{number:032x}",),
                channel=rng.choice(("phone", "web", "email")),
                topic=rng.choice((None, "a", "a", "b")),
                actor="agent" if is_company else "customer",
                direction="outbound" if is_company else "inbound",
                team=rng.choice((None, "x", "y")),
                from_team=rng.choice((None, "x")) if is_company else None,
                to_team=rng.choice((None, "y", "z")) if is_company else None,
                redirect_to=rng.choice(("web", "phone")) if kind == "contact.redirected" else None,
                items_requested=("iban",) if kind == "data.requested" else (),
                wait_ms=rng.choice((None, 1, 7 * MINUTE)),
                active_ms=rng.choice((None, 9 * MINUTE)),
            )
        )
    return story


def test_sql_agrees_with_the_ledger_of_lives_that_make_no_sense(engine: ClickHouseAddress) -> None:
    address = ClickHouseAddress(port=engine.port, database="ledger")
    migrate(address)
    writer = Writer(address)
    rng = Random(1)
    for number in range(60):
        story = life(rng, number)
        state = restore(TENANT, f"{number:032x}", story)
        facts = judge(state, default_rules(), MONDAY + 60 * DAY, CoreSettings())
        prefix = str(number)
        writer.insert(touchpoint_block(story, token_prefix=prefix))
        writer.insert(friction_block([(one, 1) for one in facts.frictions], token_prefix=prefix))
        writer.insert(journey_block([(one, 1) for one in facts.journeys], token_prefix=prefix))
        writer.insert(effort_posting_block([(one, 1) for one in facts.postings], token_prefix=prefix))
        writer.insert(person_block([(facts.person, 1, 0)], token_prefix=prefix))
    writer.close()
    views = Views(address)
    oracle = SqlOracle(views)
    ledger = oracle.ledger()
    assert ledger.postings > 200
    assert ledger[1:] == (1, 4, 0, 0, 0)
    assert oracle.overspent() == published_overspent(views)
    assert {variant for _, variant in oracle.overspent()} == {"exceeded", "doubled"}
    assert oracle.chains() == published_chains(views)
    assert max(len(teams) for teams, _ in oracle.chains().values()) > 2
