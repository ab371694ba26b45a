"""Ready-made answers about a handful of touchpoints each, in numbers that can be counted on fingers."""

from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest

from schemas.outputs import Check, Evidence, Friction
from schemas.touchpoint import AppliedTouchpoint
from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.rollups.upkeep import ROLLUPS, rebuild
from sinks.clickhouse.rows import effort_posting_block, friction_block, journey_block, touchpoint_block
from sinks.clickhouse.writer import Writer
from tests.support.facts import friction, journey, posting
from tests.support.touchpoints import DAY, HOUR, MINUTE, MONDAY, applied, touchpoint

pytestmark = pytest.mark.stack

ANNA, BERT = "a" * 32, "b" * 32
WEEK_1 = date(2024, 1, 1)
#: Long after everything.
LATER = MONDAY + 90 * DAY


def moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)


class Tenant:
    """Touchpoints and facts of one tenant, and what is answered about them."""

    def __init__(self, name: str, address: ClickHouseAddress, writer: Writer) -> None:
        self.name = name
        self._address = address
        self._writer = writer
        self._stories: list[AppliedTouchpoint] = []

    def happened(self, kind: str, at: int, id_: str, **told: Any) -> None:
        """A touchpoint of the customer; `who` if not Anna, `ingested` if not at once."""
        identity, ingested = f"customer_no:{told.pop('who', ANNA)}", told.pop("ingested", None)
        one = touchpoint(kind, at, id=id_, tenant=self.name, identities=(identity,), **told)
        self._stories.append(applied(one, ingestion_time=ingested))

    def answered(self, kind: str, at: int, id_: str, **told: Any) -> None:
        """A touchpoint of an agent."""
        self.happened(kind, at, id_, **{"actor": "agent", "direction": "outbound"} | told)

    def end(self, at: int = LATER) -> None:
        """So far event time has come; store all."""
        self.happened("page.viewed", at, "end", who="e" * 32, channel="web")
        self._writer.insert(touchpoint_block(self._stories, token_prefix=self.name))
        for rollup in ROLLUPS:
            rebuild(self._address, rollup)

    def found(self, *frictions: Friction) -> None:
        of_us = [msgspec.structs.replace(one, tenant=self.name) for one in frictions]
        self._writer.insert(friction_block([(one, 1) for one in of_us], token_prefix=self.name))

    def posted(self, *minutes: tuple[str, float]) -> None:
        rows = [
            posting(tenant=self.name, posting_id=str(number), friction_id=of, minutes=spent)
            for number, (of, spent) in enumerate(minutes)
        ]
        self._writer.insert(effort_posting_block([(one, 1) for one in rows], token_prefix=self.name))

    def journeys(self, *journeys: dict[str, Any]) -> None:
        rows = [journey(tenant=self.name, **told) for told in journeys]
        self._writer.insert(journey_block([(one, 1) for one in rows], token_prefix=self.name))

    def see(self, view: str, columns: str, order: str = "1, 2, 3") -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = connect(self._address).execute(
            f"SELECT {columns} FROM {view} WHERE tenant = '{self.name}' ORDER BY {order}"
        )
        return rows

    def ref(self, id_: str) -> str:
        return f"{self.name}/test/{id_}"


@pytest.fixture
def tenant(request: pytest.FixtureRequest, address: ClickHouseAddress, writer: Writer) -> Tenant:
    return Tenant(request.node.name, address, writer)


def proven(rule: str, at: int, *proofs: str, has_arrived: bool = False, **fields: Any) -> Friction:
    """A friction that hangs on a moment, with its proofs in order."""
    checks = (Check("arrival", "an hour after", "within 48 h", passed=has_arrived),)
    evidence = Evidence(
        rule_id=rule,
        rule_version=1,
        rule_hash="ab",
        touchpoints=proofs,
        checks=checks,
        guards=(),
        severity_parts=(Check("base", "2", "", passed=True),),
        nearest_miss="",
    )
    told = friction(rule_id=rule, friction_id=f"{rule}{at}{fields.get('variant', '')}", anchor_at=at, evidence=evidence)
    return msgspec.structs.replace(told, **fields)


def test_a_contact_is_a_conversation_with_its_answer_and_its_matters(tenant: Tenant) -> None:
    told = {"channel": "chat", "thread_id": "t"}
    tenant.answered("message.sent", MONDAY - HOUR, "0", team="early", **told)
    tenant.happened("attempt.blocked", MONDAY - MINUTE, "00", touchpoint="door", **told)
    tenant.happened("contact.started", MONDAY, "1", touchpoint="shop", objects=("case:7", "campaign:x"), **told)
    tenant.answered("case.waiting", MONDAY + MINUTE, "11", **told)
    tenant.answered("message.auto_ack", MONDAY + MINUTE, "2", **told)
    tenant.answered("message.sent", MONDAY + 3 * MINUTE, "3", team="care", topic="bill", **told)
    tenant.happened("message.received", MONDAY + 4 * MINUTE, "4", reason="price", outcome="pending", **told)
    tenant.answered("contact.ended", MONDAY + 5 * MINUTE, "5", outcome="ok", ended_at=MONDAY + 6 * MINUTE, **told)
    tenant.happened("message.received", MONDAY, "6", channel="email", reason="price")
    tenant.answered("message.sent", MONDAY + HOUR, "7", channel="email", reply_to="6")
    tenant.happened("attempt.blocked", MONDAY, "8", channel="phone")
    tenant.happened("call.offered", MONDAY, "9", channel="phone", actor_id="agent-7", who=BERT)
    tenant.happened("call.offered", MONDAY, "probe", channel="phone", probe=True)
    tenant.end()
    columns = (
        "contact_id, channel, ended_at, weekday, hour, team, touchpoint, topic, reason, matters, touches, is_blocked,"
        " is_answer_known, minutes_to_answer, outcome"
    )
    assert tenant.see("v_contacts", columns) == [
        (tenant.ref("1"), "chat", moment(MONDAY + 6 * MINUTE), 1, 0, "care", "shop", "bill", "bill",
         ["case:7", "topic:bill"], 8, False, True, 3.0, "ok"),
        (tenant.ref("6"), "email", moment(MONDAY), 1, 0, "", "", "", "price", [], 2, False, True, 60.0, ""),
        (tenant.ref("8"), "phone", moment(MONDAY), 1, 0, "", "", "", "", [], 1, True, True, None, ""),
        (tenant.ref("9"), "phone", moment(MONDAY), 1, 0, "", "", "", "", [], 1, False, True, 0.0, ""),
    ]  # fmt: skip


def test_redirects_channel_by_channel(tenant: Tenant) -> None:
    tenant.found(
        proven("channel_redirect", MONDAY, variant="followed", has_arrived=True),
        proven("channel_redirect", MONDAY + 1, variant="form", has_arrived=True, status="cleared", person_key=BERT),
        proven("channel_redirect", MONDAY + 2, variant="chain"),
        proven("channel_redirect", MONDAY + 3, variant="lost"),
        proven("channel_redirect", MONDAY + 4, variant="lost", to_channel="phone"),
        proven("repeat_contact", MONDAY, variant="repeat"),
    )
    tenant.posted(
        (f"channel_redirect{MONDAY}followed", 3.0), (f"channel_redirect{MONDAY}followed", 2.5), ("other", 9.0)
    )
    columns = "from_channel, to_channel, redirects, persons, arrived, arrival_rate, lost, solved, success_rate, minutes"
    assert tenant.see("v_redirect_matrix", columns) == [
        ("social", "phone", 1, 1, 0, 0.0, 1, 0, 0.0, 0.0),
        ("social", "web", 4, 2, 2, 0.5, 1, 1, 0.25, 5.5),
    ]


def test_frictions_are_ranked_by_the_minutes_of_the_ledger(tenant: Tenant) -> None:
    tenant.happened("form.started", MONDAY, "1", channel="web", touchpoint="/return")
    tenant.happened("form.started", MONDAY + DAY, "2", channel="web", touchpoint="/return")
    tenant.happened("call.offered", MONDAY, "3", channel="phone")
    tenant.end()
    tenant.found(
        proven("form_burden", MONDAY, tenant.ref("1"), minutes=1.0, severity=2),
        proven("form_burden", MONDAY + DAY, tenant.ref("1"), tenant.ref("2"), severity=4, person_key=BERT),
        proven("wait_sum", MONDAY, tenant.ref("3"), minutes=500.0, team=None),
        proven("loop", MONDAY, "gone/from/here", team=None),
    )
    tenant.posted((f"form_burden{MONDAY}", 4.0), (f"form_burden{MONDAY + DAY}", 5.0), (f"wait_sum{MONDAY}", 3.0))
    columns = "place, team, channel, touchpoint, cause, frictions, persons, severity, minutes, minutes_share"
    assert tenant.see("v_friction_ranking", columns) == [
        (1, "care", "web", "/return", "form_burden", 2, 2, 3.0, 9.0, 0.75),
        (2, "", "phone", "", "wait_sum", 1, 1, 3.0, 3.0, 0.25),
        (3, "", "", "", "loop", 1, 1, 3.0, 0.0, 0.0),
    ]


def test_repeats_belong_to_the_day_of_the_first_contact(tenant: Tenant) -> None:
    for day, id_ in ((0, "1"), (3, "2"), (0, "3"), (20, "4"), (28, "5")):
        tenant.happened("call.offered", MONDAY + day * DAY, id_, channel="phone")
    tenant.happened("call.offered", MONDAY + 7 * DAY, "6", channel="phone")
    tenant.happened("call.offered", MONDAY + 35 * DAY + 1, "7", channel="phone")
    tenant.end(MONDAY + 28 * DAY)
    tenant.found(
        proven("repeat_contact", MONDAY + 3 * DAY, tenant.ref("1"), tenant.ref("2")),
        proven("repeat_contact", MONDAY + 7 * DAY, tenant.ref("3"), tenant.ref("6")),
        proven("repeat_contact", MONDAY + 35 * DAY + 1, tenant.ref("5"), tenant.ref("7")),
    )
    rows = tenant.see("v_repeat_contact_rate", "day, first_contacts, repeated, rate, is_provisional")
    assert rows == [
        (date(2024, 1, 1), 2, 2, 1.0, False),
        (date(2024, 1, 21), 1, 0, 0.0, False),
        # Came again a millisecond after seven days.
        (date(2024, 1, 29), 1, 0, 0.0, True),
    ]


def test_a_week_is_over_when_its_last_contact_could_have_been_repeated(tenant: Tenant) -> None:
    tenant.happened("call.offered", MONDAY, "1", channel="phone")
    tenant.end(MONDAY + 8 * DAY - 1)
    assert tenant.see("v_repeat_contact_rate", "day, first_contacts, is_provisional") == [(WEEK_1, 1, True)]


def test_the_week_after_the_day_is_over_and_the_rate_stands(tenant: Tenant) -> None:
    tenant.happened("call.offered", MONDAY, "1", channel="phone")
    tenant.end(MONDAY + 8 * DAY)
    assert tenant.see("v_repeat_contact_rate", "day, first_contacts, is_provisional") == [(WEEK_1, 1, False)]


def test_a_funnel_counts_journeys_contact_by_contact(tenant: Tenant) -> None:
    ends = [(0, "unsolved"), (1, "solved"), (1, "solved"), (1, "open"), (2, "unsolved"), (7, "solved")]
    tenant.journeys(
        *({"journey_id": str(n), "contacts": contacts, "outcome": end} for n, (contacts, end) in enumerate(ends)),
        {"journey_id": "x", "contacts": 1, "outcome": "solved", "topic": "other"},
    )
    columns = "topic, step, reached, solved_here, given_up_here, open_here, went_on, solved_share, drop_off"
    assert tenant.see("v_journey_funnel", columns) == [
        ("billing", 0, 6, 0, 1, 0, 5, 0.0, 1 / 6),
        ("billing", 1, 5, 2, 0, 1, 2, 0.4, 0.0),
        ("billing", 2, 2, 0, 1, 0, 1, 0.0, 0.5),
        ("billing", 3, 1, 0, 0, 0, 1, 0.0, 0.0),
        ("billing", 4, 1, 0, 0, 0, 1, 0.0, 0.0),
        ("billing", 5, 1, 1, 0, 0, 0, 1.0, 0.0),
        ("other", 0, 1, 0, 0, 0, 1, 0.0, 0.0),
        ("other", 1, 1, 1, 0, 0, 0, 1.0, 0.0),
    ]


def test_steps_count_persons_who_took_them_in_order_in_time(tenant: Tenant) -> None:
    for who, steps in {
        ANNA: (("a", 0), ("b", DAY), ("c", 2 * DAY)),
        BERT: (("b", 0), ("a", HOUR), ("a", DAY), ("b", 3 * DAY)),
        "c" * 32: (("a", 0), ("b", 2 * DAY + 1)),
    }.items():
        for number, (kind, after) in enumerate(steps):
            tenant.happened(kind, MONDAY + after, f"{who[0]}{number}", who=who)
    tenant.end()
    rows = tenant.see(
        "v_step_funnel(steps = ['a', 'b', 'c'], days = 2)", "step, kind, persons, share_of_first, drop_off"
    )
    assert rows == [(1, "a", 3, 1.0, 0.0), (2, "b", 2, 2 / 3, 1 - 2 / 3), (3, "c", 1, 1 / 3, 0.5)]


def test_the_clock_runs_from_the_first_touchpoint_to_the_last_solution(tenant: Tenant) -> None:
    tenant.answered("case.resolved", MONDAY + 2 * HOUR, "1")
    tenant.answered("case.resolved", MONDAY + 5 * HOUR, "2")
    tenant.answered("message.sent", MONDAY + 9 * HOUR, "3")
    tenant.happened("call.offered", MONDAY, "4", outcome="ok", ended_at=MONDAY + HOUR)
    tenant.end()
    refs = tuple(tenant.ref(str(number)) for number in range(1, 5))
    told = {"opened_at": MONDAY, "contacts": 1}
    tenant.journeys(
        told | {"journey_id": "1", "outcome": "solved", "touchpoint_keys": refs[:3]},
        told | {"journey_id": "2", "outcome": "solved", "touchpoint_keys": refs[3:]},
        told | {"journey_id": "3", "outcome": "unsolved", "touchpoint_keys": refs[:1]},
        told | {"journey_id": "4", "outcome": "open", "touchpoint_keys": refs[:1]},
        told | {"journey_id": "5", "outcome": "solved", "touchpoint_keys": refs, "contacts": 0},
        told | {"journey_id": "6", "outcome": "unsolved", "touchpoint_keys": (), "topic": "other"},
    )
    rows = tenant.see("v_time_to_able_again", "week, topic, journeys, solved, unsolved, median_hours, p90_hours")
    assert rows == [(WEEK_1, "billing", 4, 2, 1, 3.0, 4.6), (WEEK_1, "other", 1, 0, 1, None, None)]


def test_somebody_is_there_or_not_by_the_hour_of_the_week(tenant: Tenant) -> None:
    for number, (at, answer) in enumerate([(0, 2), (HOUR - 1, 4), (1, None), (HOUR, None), (8 * DAY, 1)]):
        told = {"channel": "phone", "thread_id": str(number)}
        tenant.happened("call.offered", MONDAY + at, f"{number}", **told)
        if answer:
            tenant.answered("call.answered", MONDAY + at + answer * MINUTE, f"{number}-a", **told)
    tenant.happened("attempt.blocked", MONDAY, "b", channel="phone")
    tenant.happened("call.offered", MONDAY, "alone", channel="phone")
    tenant.end()
    columns = "channel, weekday, hour, attempts, blocked, reached, reach_rate, median_minutes, unknown"
    assert tenant.see("v_reachability", columns) == [
        ("phone", 1, 0, 4, 1, 2, 0.5, 3.0, 1),
        ("phone", 1, 1, 1, 0, 0, 0.0, None, 0),
        ("phone", 2, 0, 1, 0, 1, 1.0, 1.0, 0),
    ]


def test_promises_are_kept_late_broken_or_open(tenant: Tenant) -> None:
    due = {"promise_due": MONDAY + DAY}
    ends: dict[str, list[tuple[str, int, dict[str, Any]]]] = {
        "kept": [("promise.kept", DAY, {})],
        "late": [("promise.kept", DAY + 1, {})],
        "moved": [("promise.renegotiated", DAY, {"promise_due": MONDAY + 3 * DAY}), ("promise.kept", 3 * DAY, {})],
        "moved too late": [
            ("promise.renegotiated", DAY + 1, {"promise_due": MONDAY + 3 * DAY}), ("promise.kept", 3 * DAY, {}),
        ],
        "said to be broken": [("promise.broken", HOUR, {})],
        "forgotten": [],
    }  # fmt: skip
    for name, acts in ends.items():
        tenant.answered("promise.made", MONDAY, name, promise_id=name, **due)
        for kind, after, told in acts:
            tenant.answered(kind, MONDAY + after, f"{name}{after}", promise_id=name, **told)
    tenant.answered("callback.promised", MONDAY, "open", promise_id="open", promise_due=LATER + 1)
    tenant.answered("promise.made", MONDAY, "undated", promise_id="undated")
    tenant.answered("promise.kept", MONDAY, "nothing", promise_id="never made")
    tenant.end()
    assert dict(tenant.see("v_promises", "promise_id, result", "1")) == {
        "kept": "kept", "late": "late", "moved": "kept", "moved too late": "late", "said to be broken": "broken",
        "forgotten": "broken", "open": "open", "undated": "open",
    }  # fmt: skip
    assert tenant.see("v_promise_kept_rate", "week, kind, promises, kept, late, broken, open, kept_rate") == [
        (WEEK_1, "promise.made", 7, 2, 2, 2, 1, 2 / 6),
        (date(2024, 3, 25), "callback.promised", 1, 0, 0, 0, 1, None),
    ]


def test_failure_demand_counts_a_contact_once(tenant: Tenant) -> None:
    told = {"channel": "phone", "topic": "bill"}
    tenant.happened("call.offered", MONDAY, "1", **told)
    tenant.answered("contact.redirected", MONDAY + HOUR, "2", **told)
    tenant.happened("call.offered", MONDAY + 2 * HOUR, "3", **told)
    tenant.happened("complaint.raised", MONDAY + 3 * HOUR, "4", **told)
    tenant.happened("attempt.blocked", MONDAY, "5", **told)
    tenant.end()
    tenant.found(
        proven("channel_redirect", MONDAY + HOUR, tenant.ref("1"), tenant.ref("2"), tenant.ref("3")),
        proven("repeat_contact", MONDAY + 2 * HOUR, tenant.ref("1"), tenant.ref("3")),
        proven("wait_sum", MONDAY, tenant.ref("1")),
    )
    columns = "week, topic, contacts, failure_contacts, share, came_again, sent_on, asked_for_status, complained"
    assert tenant.see("v_failure_demand", columns) == [(WEEK_1, "bill", 3, 2, 2 / 3, 1, 1, 0, 1)]


def test_what_came_next_is_the_next_contact_for_whatever_reason(tenant: Tenant) -> None:
    tenant.happened("call.offered", MONDAY, "1", channel="phone", topic="bill", ended_at=MONDAY + HOUR)
    tenant.happened("message.received", MONDAY + 3 * HOUR, "2", channel="email", reason="status")
    tenant.happened("call.offered", MONDAY + 40 * DAY, "3", channel="phone", topic="bill")
    tenant.happened("call.offered", MONDAY, "4", channel="phone", topic="bill", who=BERT)
    tenant.end(MONDAY + 50 * DAY)
    columns = "reason, next, next_reason, next_channel, contacts, share, median_hours"
    assert tenant.see("v_next_contact", columns) == [
        ("bill", "contact", "status", "email", 1, 1 / 3, 2.0),
        ("bill", "not known yet", "", "", 1, 1 / 3, None),
        ("bill", "nothing", "", "", 1, 1 / 3, None),
        ("status", "nothing", "", "", 1, 1.0, None),
    ]


def test_claims_are_held_against_what_customers_did(tenant: Tenant) -> None:
    case = {"objects": ("case:1",)}
    tenant.answered("case.resolved", MONDAY, "1", **case)
    tenant.happened("call.offered", MONDAY + 7 * DAY, "2", objects=("case:1:x",))
    tenant.answered("case.resolved", MONDAY + DAY, "3", who=BERT, **case)
    tenant.happened("call.offered", MONDAY + 8 * DAY + 1, "4", who=BERT, **case)
    tenant.happened("call.offered", MONDAY + 2 * DAY, "5", who=BERT, objects=("case:2",))
    tenant.happened("survey.answered", MONDAY + 31 * DAY, "6", who=BERT, survey_type="csat", score=2.0, **case)
    tenant.happened("survey.answered", MONDAY + 3 * DAY, "7", survey_type="nps", score=4.0, **case)
    tenant.happened("survey.answered", MONDAY + 3 * DAY, "8", survey_type="stars", score=1.0, **case)
    chat = {"who": "d" * 32, "channel": "chat", "thread_id": "t", "topic": "bill"}
    tenant.answered("message.sent", MONDAY, "12", outcome="ok", **chat)
    tenant.happened("message.received", MONDAY + HOUR, "13", **chat)
    tenant.answered("message.sent", MONDAY, "9", outcome="ok", who="c" * 32)
    tenant.answered("contact.ended", LATER - 7 * DAY, "10", outcome="ok", topic="bill", who="c" * 32)
    tenant.answered("promise.made", MONDAY, "11", promise_id="p", promise_due=MONDAY + DAY)
    tenant.end()
    columns = "week, claim, claims, held, held_share, gap, undecided"
    assert tenant.see("v_claims_held", columns) == [
        (WEEK_1, "on_time", 1, 0, 0.0, 1.0, 0),
        (WEEK_1, "satisfied", 2, 1, 0.5, 0.5, 0),
        (WEEK_1, "solved", 3, 2, 2 / 3, 1 - 2 / 3, 0),
        (date(2024, 3, 18), "solved", 0, 0, None, None, 1),
    ]


def test_producers_by_how_late_and_topics_by_what_was_dead(tenant: Tenant, address: ClickHouseAddress) -> None:
    tenant.happened("page.viewed", MONDAY, "1", source="shop", ingested=MONDAY + HOUR)
    tenant.happened("page.viewed", MONDAY, "2", source="shop", ingested=MONDAY + HOUR + 1)
    tenant.happened("page.viewed", MONDAY, "3", source="shop", ingested=MONDAY + 91 * DAY)
    tenant.happened("page.viewed", MONDAY, "4", source="shop", ingested=MONDAY + 91 * DAY, backfill=True)
    tenant.end()
    columns = "name, records, live, late, late_share, very_late, corrected_share, dead_letters, dead_letter_share"
    assert tenant.see("v_delivery_quality", columns) == [
        ("shop", 4, 3, 2, 2 / 3, 1, 0.0, None, None),
        ("test", 1, 1, 0, 0.0, 0, 0.0, None, None),
    ]
    client = connect(address)
    rows = [("dead_topic", "i", 0, n, "decode", reason, state, 1) for n, (reason, state) in enumerate([
        ("truncated", "open"), ("truncated", "dropped"), ("missing_identity", "open"), ("truncated", "replayed"),
    ])]  # fmt: skip
    columns = "topic, topic_incarnation, `partition`, `offset`, stage, reason, `state`, version"
    client.execute(f"INSERT INTO dead_letters ({columns}) VALUES", rows)
    assert client.execute("SELECT * EXCEPT tenant FROM v_delivery_quality WHERE name = 'dead_topic'") == [
        ("topic", "dead_topic", 3, 0, 0, None, 0, None, 3, 1.0, "truncated")
    ]


def test_an_activity_stream_has_the_columns_of_the_standard_in_its_order(
    tenant: Tenant, address: ClickHouseAddress
) -> None:
    tenant.happened("order.placed", MONDAY, "1", amount=10.0, currency="EUR", channel="web", who=BERT)
    tenant.happened("order.placed", MONDAY + DAY, "2", amount=5.0, text_ref="s3://x", channel="web", who=BERT)
    tenant.happened("refund.posted", MONDAY + DAY, "3", amount=5.0, channel="web", who=BERT)
    tenant.happened("payment.succeeded", MONDAY, "4", amount=5.0, channel="web", who=BERT)
    tenant.end()
    client = connect(address)
    sql = "SELECT * FROM activity_stream WHERE customer = %(who)s AND startsWith(activity_id, %(us)s) ORDER BY 1"
    rows, described = client.execute(sql, {"who": BERT, "us": f"{tenant.name}/"}, with_column_types=True)
    assert [name for name, _ in described] == [
        "activity_id", "ts", "customer", "activity", "anonymous_customer_id", "feature_json", "revenue_impact", "link",
        "activity_occurrence", "activity_repeated_at",
    ]  # fmt: skip
    features = f'{{"tenant":"{tenant.name}","source":"test","channel":"web","direction":"inbound","actor":"customer"'
    first = (tenant.ref("1"), moment(MONDAY), BERT, "order.placed", None, features + ',"currency":"EUR"}', 10.0, None)
    assert rows[0] == (*first, 1, moment(MONDAY + DAY))
    assert rows[1][6:] == (5.0, "s3://x", 2, None)
    assert [row[6] for row in rows[2:]] == [-5.0, None]
