"""What analysts read about effort: accounts that agree, and budgets by week and topic, in numbers."""

import pytest

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.rows import effort_posting_block, journey_block
from sinks.clickhouse.writer import Writer
from tests.support.facts import journey, posting
from tests.support.touchpoints import DAY, MONDAY

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
