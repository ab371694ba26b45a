"""What the alerts agent asks of ClickHouse, and what people see of incidents, messages and actions."""

from typing import Any

import pytest

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.reader import Reader
from sinks.clickhouse.records import ActionRecord, AlertRecord, Tally
from sinks.clickhouse.rows import action_block, alert_block, incident_block, notice_block
from sinks.clickhouse.writer import Writer
from tests.support.any_block import a_notice_record, an_incident_record
from tests.support.touchpoints import MONDAY

pytestmark = pytest.mark.stack
WEEK = 604_800_000
MINUTE = 60_000


def a_member(friction: str, incident: str, **changes: Any) -> AlertRecord:
    fields: dict[str, Any] = {
        "tenant": incident, "friction_id": f"{incident}-{friction}", "channel": "desk", "state": "waiting",
        "incident_id": incident, "person_key": f"p-{friction}", "severity": 3, "minutes": 2.0,
        "joined_at": MONDAY, "recorded_at": MONDAY, "version": 1,
    }  # fmt: skip
    return AlertRecord(**{**fields, **changes})


@pytest.fixture
def incident(request: pytest.FixtureRequest) -> str:
    """An incident of its own for a test."""
    return str(request.node.name)


def test_members_are_counted_without_those_withdrawn_and_once_for_all_channels(
    writer: Writer, reader: Reader, incident: str
) -> None:
    members = [
        a_member("f1", incident), a_member("f1", incident, channel="floor"),
        a_member("f2", incident, person_key="p-f1"),
        a_member("f3", incident, severity=5, minutes=0.5), a_member("f4", incident),
        a_member("f4", incident, channel="", state="retracted", version=2),
    ]  # fmt: skip
    writer.insert(alert_block(members, token_prefix="t"))
    writer.insert(alert_block([a_member("f4", incident, state="retracted", version=2)], token_prefix="t"))
    assert reader.load_alert_tallies([incident, "none"]) == [
        Tally(incident_id=incident, frictions=3, customers=2, minutes=4.5, by_severity=(0, 0, 2, 0, 1))
    ]
    assert reader.load_alert_persons([incident], ["p-f1", "p-f4", "p-f3"]) == {
        (incident, "p-f1"): 2,
        (incident, "p-f3"): 1,
    }
    assert reader.load_alert_persons([], ["p-f1"]) == {}


def test_an_incident_comes_back_as_it_was_written_and_the_newest_version_counts(
    writer: Writer, reader: Reader, incident: str
) -> None:
    first = an_incident_record(incident, samples="[1]", person_keys=("a", "b"), team="care", content='{"x": 1}')
    over = an_incident_record(incident, is_over=True, phase="ended", ended_at=MONDAY + 1, version=2)
    writer.insert(incident_block([first], token_prefix="t"))
    assert reader.load_incidents([incident]) == [first]
    assert first in reader.load_open_incidents()
    assert reader.find_incidents(incident[:20])[0].incident_id == incident
    writer.insert(incident_block([over], token_prefix="t"))
    assert reader.load_incidents([incident]) == [over]
    assert over not in reader.load_open_incidents()
    assert over in reader.list_incidents(open_only=False, limit=1000)
    assert over not in reader.list_incidents(open_only=True, limit=1000)


def test_notices_that_wait_those_by_id_and_those_of_an_incident(writer: Writer, reader: Reader, incident: str) -> None:
    due = a_notice_record(f"{incident}-1", incident_ids=(incident, "other"), content="{}", person_keys=("a",))
    done = a_notice_record(f"{incident}-2", incident_ids=(incident,), state="delivered", settled_at=MONDAY, attempts=2)
    writer.insert(notice_block([due, done], token_prefix="t"))
    waiting = reader.load_unsettled_notices()
    assert due in waiting
    assert done not in waiting
    assert reader.load_notices([done.notice_id, "none"]) == [done]
    assert len(reader.list_notices(incident_id=incident)) == 2
    assert reader.list_notices(incident_id=incident, state="delivered") == [done]


def test_when_causes_were_told_and_how_many_messages_a_channel_had(
    writer: Writer, reader: Reader, incident: str
) -> None:
    channel = f"c-{incident}"
    notices = [
        a_notice_record(f"{incident}-{number}", channel=channel, incident_ids=(incident,), decided_at=at, **changes)
        for number, (at, changes) in enumerate(
            [(MONDAY, {}), (MONDAY + 5, {"kind": "updated", "state": "delivered"}), (MONDAY + 9, {"kind": "closed"}),
             (MONDAY + 7, {"state": "superseded"})]
        )
    ]  # fmt: skip
    writer.insert(notice_block(notices, token_prefix="t"))
    writer.insert(incident_block([an_incident_record(incident, cause=f"t {incident}")], token_prefix="t"))
    assert reader.load_told_causes(MONDAY)[channel, f"t {incident}"] == MONDAY + 5
    assert (channel, f"t {incident}") not in reader.load_told_causes(MONDAY + 6)
    assert reader.load_recent_notices(MONDAY + 1)[channel] == [MONDAY + 5, MONDAY + 9]


def test_actions_wait_until_they_are_applied_and_snoozes_are_found_while_they_hold(
    writer: Writer, reader: Reader, incident: str
) -> None:
    asked = ActionRecord(action_id=incident, kind="snooze", incident_id=incident, acted_at=MONDAY, until=MONDAY + WEEK)
    writer.insert(action_block([asked], token_prefix="t"))
    assert asked in reader.load_actions(pending_only=True)
    applied = ActionRecord(
        action_id=incident, kind="snooze", incident_id=incident, acted_at=MONDAY, until=MONDAY + WEEK,
        applied_at=MONDAY + 1, version=2,
    )  # fmt: skip
    writer.insert(action_block([applied], token_prefix="t"))
    assert applied not in reader.load_actions(pending_only=True)
    assert reader.load_actions(incident_id=incident) == [applied]
    assert applied in reader.load_actions(snoozed_at=MONDAY + WEEK - 1)
    assert applied not in reader.load_actions(snoozed_at=MONDAY + WEEK)


def test_frictions_of_a_cause_by_week(writer: Writer, reader: Reader, incident: str) -> None:
    cause = f"t {incident}"
    now = MONDAY + 5 * WEEK
    weeks = [0, 0, 1, 3, 3, 3]
    members = [a_member(f"f{number}", incident, joined_at=now - week * WEEK - 1) for number, week in enumerate(weeks)]
    writer.insert(alert_block([*members, a_member("f0", incident, channel="floor", joined_at=now)], token_prefix="t"))
    writer.insert(incident_block([an_incident_record(incident, cause=cause)], token_prefix="t"))
    assert reader.load_cause_weeks([cause, "none"], now) == {cause: (2, 1, 0, 3, 0)}


def test_how_many_customers_a_cause_had_and_since_when(writer: Writer, reader: Reader, incident: str) -> None:
    cause = f"t {incident}"
    starts = {"a": MONDAY - 1, "b": MONDAY, "c": MONDAY + 5}
    incidents = [
        an_incident_record(f"{incident}-{name}", cause=cause, customers=7, started_at=at) for name, at in starts.items()
    ]
    writer.insert(incident_block(incidents, token_prefix="t"))
    assert reader.load_cause_paces([cause, "none"], MONDAY) == {cause: (14, MONDAY)}


def test_what_became_of_every_friction_and_channel(writer: Writer, address: ClickHouseAddress, incident: str) -> None:
    members = [
        a_member("told", incident),
        a_member("joined", incident, joined_at=MONDAY + 20, state="silenced", reason="counted"),
        a_member("repeated", incident, joined_at=MONDAY + 8, state="silenced", reason="counted"),
        a_member("withdrawn", incident, state="retracted", reason="it did arrive", version=2),
        a_member("later", incident, joined_at=MONDAY + 30),
        *(a_member(name, incident, channel=name) for name in ("digest", "refused", "expired", "waiting")),
        a_member("slight", f"{incident}-over", tenant=incident),
        a_member("old", "", tenant=incident, friction_id=f"{incident}-old", state="delivered", joined_at=0),
    ]
    notices = [
        a_notice_record(f"{incident}-1", decided_at=MONDAY + 1, state="delivered", settled_at=MONDAY + 2, attempts=3),
        a_notice_record(f"{incident}-0", decided_at=MONDAY, state="superseded"),
        a_notice_record(f"{incident}-2", decided_at=MONDAY + 10, kind="updated", state="delivered"),
        a_notice_record(f"{incident}-3", channel="digest", decided_at=MONDAY, kind="digest", state="delivered"),
        a_notice_record(f"{incident}-4", channel="refused", decided_at=MONDAY, state="refused", reason="gone"),
        a_notice_record(f"{incident}-5", channel="expired", decided_at=MONDAY, kind="expired", state="delivered"),
        a_notice_record(f"{incident}-6", channel="waiting", decided_at=MONDAY, state="sending"),
        a_notice_record(f"{incident}-7", decided_at=MONDAY + 40, kind="closed", state="delivered"),
    ]
    of_it = [type(one)(**{**as_dict(one), "incident_ids": (incident,)}) for one in notices]
    over = an_incident_record(f"{incident}-over", is_over=True, phase="ended", because_en="nobody new for 24 h")
    writer.insert(alert_block(members, token_prefix="t"))
    writer.insert(notice_block(of_it, token_prefix="t"))
    writer.insert(incident_block([an_incident_record(incident), over], token_prefix="t"))
    rows = connect(address).execute(
        "SELECT friction_id, state, reason, attempts FROM v_alerts WHERE tenant = %(tenant)s", {"tenant": incident}
    )
    found = {friction.removeprefix(f"{incident}-").removeprefix("-over-"): rest for friction, *rest in rows}
    found = {name.removeprefix("over-"): rest for name, rest in found.items()}
    assert found == {
        "told": ["delivered", "", 3],
        "joined": ["silenced", "counted", 0],
        "repeated": ["delivered", "counted", 0],
        "withdrawn": ["retracted", "it did arrive", 3],
        "later": ["waiting", "", 0],
        "digest": ["digested", "", 0],
        "refused": ["refused", "gone", 0],
        "expired": ["expired", "", 0],
        "waiting": ["waiting", "", 0],
        "slight": ["silenced", "nobody new for 24 h", 0],
        "old": ["delivered", "", 0],
    }


def as_dict(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def test_how_long_it_took_to_take_and_to_close_an_incident(
    writer: Writer, address: ClickHouseAddress, incident: str
) -> None:
    taken = an_incident_record(
        incident,
        acknowledged_by="ann",
        acknowledged_at=MONDAY + 7 * MINUTE,
        phase="closed",
        ended_at=MONDAY + 62 * MINUTE,
    )
    never = an_incident_record(f"{incident}-never")
    told = a_notice_record(incident, incident_ids=(incident,), state="delivered", settled_at=MONDAY + 2 * MINUTE)
    writer.insert(incident_block([taken, never], token_prefix="t"))
    writer.insert(notice_block([told], token_prefix="t"))
    action = ActionRecord(action_id=incident, kind="comment", incident_id=incident, acted_at=MONDAY + 12 * MINUTE)
    writer.insert(action_block([action], token_prefix="t"))
    client = connect(address)
    sql = "SELECT messages, minutes_to_acknowledge, minutes_to_close FROM v_alert_incidents WHERE incident_id = %(id)s"
    assert client.execute(sql, {"id": incident}) == [(1, 5.0, 60.0)]
    assert client.execute(sql, {"id": f"{incident}-never"}) == [(0, None, None)]
    sql = "SELECT minutes_after_message FROM v_alert_actions WHERE action_id = %(id)s"
    assert client.execute(sql, {"id": incident}) == [(10.0,)]
