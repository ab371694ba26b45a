"""The shipped mappings: on rows of the logs' shape always, on the logs themselves where they are."""

import csv
import gzip
import io
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.identities import strongest_identity
from schemas.touchpoint import Touchpoint
from streams.producing.importing import import_rows
from streams.producing.mapping_files import load_mapping
from streams.producing.table_rows import Table
from streams.producing.transfer import Refusal
from tests.support.logs import log_file

CALLCENTER = """ServiceID,Operation,Start Date,End Date,AgentPosition,Customer ID,Product,Service Type,Agent
Case 5,Inbound Call,18.3.10 10:54,18.3.10 11:01,FL,Customer 5,MacBook Pro,Product Assistance,Kenny
Case 6,Inbound Email,25.3.10 17:09,27.3.10 9:13,FL,Customer 6,iPhone,Referred to Servicer,Harold
Case 5,Call Outbound,18.03.2010 12:00,18.03.2010 11:50,BL,Customer 5,MacBook Pro,Product Assistance,Nancy
Case 5,Inbound Call,18.3.10 10:54,18.3.10 11:01,FL,Customer 5,MacBook Pro,Product Assistance,Kenny
Case 6,Handle Case,25.3.10 17:16,,FL,Customer 6,iPhone,Referred to Servicer,Elena
Case 7,Inbound Call,31.2.10 8:00,31.2.10 8:10,FL,Customer 7,iPhone,Product Assistance,Elena
Case 7,Telepathy,1.2.10 8:00,1.2.10 8:10,FL,Customer 7,iPhone,Product Assistance,Elena
"""
SESSIONS = """id_visitor|id_session|dim_session_number|dim_user_agent|dim_device_app_combo|ds|ts_min|ts_max|did_search|\
sent_message|sent_booking_request
v1|s1|1|App "6.0" iPhone|iPhone - iOS|2015-02-16|2015-02-16 21:50:41|2015-02-16 22:13:42|1|0|1
v1|s2|2|NULL|Desktop - Chrome|2015-02-18|2015-02-18 11:57:15|2015-02-18 12:12:48|0|1|0
v2|s3|1|App "6.1" iPhone|iPhone - iOS|2015-02-18|2015-02-18 11:57:15|2015-02-18 12:12:48|0|0|0
v1|s4|3|App "6.1" iPhone|iPhone - iOS|2015-02-19|2015-02-19 11:57:15|2015-02-19 12:12:48|0|0|0
"""
COMPLAINTS = """Date received,Product,Sub-product,Issue,Sub-issue,Company,State,ZIP code,Consumer consent provided?,\
Submitted via,Date sent to company,Company response to consumer,Timely response?,Consumer disputed?
7/29/2013,Consumer Loan,Vehicle loan,"Managing, or not",,Bank & Co,VA,24540,N/A,Phone,7/30/2013,Closed,Yes,No
7/29/2013,Mortgage,,Fees,,Bank & Co,CA,95992,N/A,Postal mail,7/31/2013,Closed,Yes,
7/29/2013,Mortgage,,Fees,,Bank & Co,CA,95992,N/A,Postal mail,7/31/2013,Closed,Yes,
"""


def imported(path: Path, name: str) -> tuple[list[Touchpoint], list[Refusal]]:
    mapping = load_mapping(name)
    table = Table(path, mapping.format, mapping.csv)
    table.require(mapping.used_columns())
    touchpoints: list[Touchpoint] = []
    refusals: list[Refusal] = []
    for item in import_rows(table, mapping):
        if isinstance(item, Refusal):
            refusals.append(item)
        else:
            touchpoints.extend(item)
    return touchpoints, refusals


def at(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1000  # type: ignore[arg-type,misc]


def test_callcenter_rows_become_contacts_and_work(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(CALLCENTER)
    touchpoints, refusals = imported(path, "callcenter")
    call, mail, back, again, work = touchpoints
    assert (call.kind, call.channel, call.direction, call.actor) == ("contact.started", "phone", "inbound", "customer")
    assert (call.identities, call.topic, call.objects) == (("customer_no:Customer 5",), "MacBook Pro", ("case:Case 5",))
    assert (call.occurred_at, call.ended_at) == (at(2010, 3, 18, 10, 54), at(2010, 3, 18, 11, 1))
    assert (call.team, call.actor_id, call.backfill) == ("front-line", "Kenny", True)
    assert (mail.kind, mail.channel, mail.direction) == ("contact.started", "email", "inbound")
    assert (back.direction, back.actor, back.team) == ("outbound", "agent", "back-line")
    assert back.ended_at is not None
    assert back.ended_at < back.occurred_at
    assert again == call
    assert (work.kind, work.direction, work.actor, work.ended_at) == ("case.updated", "internal", "agent", None)
    assert [(refusal.number, refusal.field) for refusal in refusals] == [(7, "occurred_at"), (8, None)]


def test_a_web_session_becomes_its_beginning_its_end_and_what_its_flags_say(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text(SESSIONS)
    touchpoints, refusals = imported(path, "web-sessions")
    assert not refusals
    assert [(touchpoint.thread_id, touchpoint.kind, touchpoint.channel) for touchpoint in touchpoints] == [
        ("s1", "session.started", "app"),
        ("s1", "search.performed", "app"),
        ("s1", "order.placed", "app"),
        ("s1", "session.ended", "app"),
        ("s2", "session.started", "web"),
        ("s2", "message.received", "web"),
        ("s2", "session.ended", "web"),
        ("s3", "session.started", "app"),
        ("s3", "session.ended", "app"),
        ("s4", "session.started", "app"),
        ("s4", "session.ended", "app"),
    ]
    started, *_, ended = touchpoints[:4]
    assert (started.occurred_at, started.ended_at) == (at(2015, 2, 16, 21, 50, 41), ended.occurred_at)
    assert started.identities == ("account:v1", "cookie:v1/iPhone - iOS")
    assert started.ext == '{"dim_session_number":"1","dim_user_agent":"App \\"6.0\\" iPhone"}'
    assert touchpoints[4].ext == '{"dim_session_number":"2"}'
    assert touchpoints[4].identities == ("account:v1", "cookie:v1/Desktop - Chrome")
    # The same kind of device is another one in other hands, and the same one after an update.
    assert touchpoints[7].identities == ("account:v2", "cookie:v2/iPhone - iOS")
    assert touchpoints[9].identities == started.identities


def test_every_complaint_is_a_person_of_its_own_and_an_exact_duplicate_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(COMPLAINTS)
    touchpoints, refusals = imported(path, "complaints")
    assert not refusals
    phone, letter, same = touchpoints
    assert (phone.kind, phone.channel, phone.topic, phone.reason) == (
        "complaint.raised",
        "phone",
        "Consumer Loan",
        "Managing, or not",
    )
    assert phone.occurred_at == at(2013, 7, 29)
    assert letter.channel == "letter"
    assert letter == same
    assert phone.identities != letter.identities
    assert phone.identities[0].startswith("case_contact:")
    assert strongest_identity(phone.identities) == phone.identities[0]


def distinct_rows(path: Path, delimiter: str) -> list[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as file:
        rows = csv.DictReader(io.StringIO(file.read()), delimiter=delimiter)
        return [dict(items) for items in {tuple(row.items()) for row in rows}]


@pytest.mark.logs
def test_callcenter_log_gives_one_touchpoint_for_every_distinct_row() -> None:
    path = log_file("callcenter/callcenter.csv.gz")
    touchpoints, refusals = imported(path, "callcenter")
    rows = distinct_rows(path, ",")
    assert not refusals
    assert len({touchpoint.key for touchpoint in touchpoints}) == len(rows)
    inbound = Counter(
        (touchpoint.identities[0].partition(":")[2], touchpoint.topic)
        for touchpoint in {touchpoint.key: touchpoint for touchpoint in touchpoints}.values()
        if touchpoint.direction == "inbound"
    )
    assert inbound == Counter(
        (row["Customer ID"], row["Product"]) for row in rows if row["Operation"].startswith("Inbound")
    )


@pytest.mark.logs
def test_web_sessions_log_gives_two_touchpoints_for_every_session_and_one_for_every_flag() -> None:
    path = log_file("web-sessions/sessions.txt.gz")
    touchpoints, refusals = imported(path, "web-sessions")
    rows = distinct_rows(path, "|")
    assert not refusals
    assert Counter(touchpoint.kind for touchpoint in touchpoints) == {
        "session.started": len(rows),
        "session.ended": len(rows),
        "search.performed": sum(row["did_search"] == "1" for row in rows),
        "message.received": sum(row["sent_message"] == "1" for row in rows),
        "order.placed": sum(row["sent_booking_request"] == "1" for row in rows),
    }
    assert len({touchpoint.key for touchpoint in touchpoints}) == len(touchpoints)
    cookies = {touchpoint.identities[1]: touchpoint.identities[0] for touchpoint in touchpoints}
    assert cookies.items() == {touchpoint.identities[::-1] for touchpoint in touchpoints}
    assert set(cookies.values()) == {f"account:{row['id_visitor']}" for row in rows}
    assert len(cookies) == len({(row["id_visitor"], row["dim_device_app_combo"]) for row in rows})


@pytest.mark.logs
def test_complaints_log_gives_one_touchpoint_and_one_person_for_every_distinct_row() -> None:
    path = log_file("complaints/complaints.csv.gz")
    touchpoints, refusals = imported(path, "complaints")
    rows = distinct_rows(path, ",")
    assert not refusals
    assert len({touchpoint.key for touchpoint in touchpoints}) == len(rows) < len(touchpoints)
    assert len({touchpoint.identities for touchpoint in touchpoints}) == len(rows)
