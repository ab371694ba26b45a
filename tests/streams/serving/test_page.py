"""What the page's server answers, and to whom: every question as JSON and as CSV, and everything it refuses."""

import csv
import dataclasses
import io
import json
from collections import Counter
from collections.abc import Iterator

import pytest

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.binding import bound
from sinks.clickhouse.connection import connect
from sinks.clickhouse.page_questions import QUESTIONS
from tests.support.faulty_proxy import CutAnswer, faulty_proxy
from tests.support.local_clickhouse import ClickHousePorts
from tests.support.page_data import EVENTS, FORMULA, MANY, MARKUP, SOMEBODY
from tests.support.running_page import NO_CLICKHOUSE, Page, running_page

pytestmark = pytest.mark.stack

SINGLE = {"person", "person_touchpoints", "person_journeys", "person_frictions"}


@pytest.fixture(scope="module")
def person(page: Page) -> str:
    """The person who lost most minutes."""
    return str(page.ask("persons", limit=1).records[0]["person_key"])


@pytest.fixture(scope="module")
def friction(page: Page) -> str:
    return str(page.ask("frictions", rule="channel_redirect", order="severity", limit=1).records[0]["friction_id"])


def given(question: str, person: str, friction: str) -> dict[str, str]:
    return {"person": person} if question in SINGLE else {"friction": friction} if question == "friction" else {}


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_is_answered_with_the_sql_that_was_asked(
    page: Page, company: ClickHouseAddress, question: str, person: str, friction: str
) -> None:
    response = page.ask(question, **given(question, person, friction))
    assert response.status == 200, response.body
    answer = response.json
    assert answer["question"] == question
    assert answer["rows"], "the company has something for every question"
    values = {filled["name"]: filled["value"] for filled in answer["parameters"]}
    client = connect(company)
    # Whoever copies the query gets what the page shows.
    rows = client.execute(bound(answer["sql"], values))
    client.disconnect()
    assert len(rows) == len(answer["rows"])


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_answer_is_a_file_as_well(page: Page, question: str, person: str, friction: str) -> None:
    known = given(question, person, friction)
    response = page.get(f"/csv/{question}", known)
    assert response.status == 200
    assert response.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert response.headers["content-disposition"] == f'attachment; filename="{question}.csv"'
    rows = list(csv.reader(io.StringIO(response.body.decode(), newline="")))
    answer = page.ask(question, **known).json
    assert rows[0] == answer["columns"]
    assert len(rows) - 1 >= len(answer["rows"])


def test_the_numbers_are_those_of_the_views(page: Page, company: ClickHouseAddress) -> None:
    client = connect(company)
    causes = client.execute(
        "SELECT account, round(minutes, 1) FROM v_effort_accounts WHERE type = 'cause' AND minutes > 0"
    )
    matrix = client.execute("SELECT from_channel, to_channel, redirects, arrived, lost, solved FROM v_redirect_matrix")
    total, journeys, unrolled = client.execute(
        "SELECT round(sum(effort_minutes)), count(), sum(least(length(arrayCompact(channels)), 5) - 1) FROM v_journeys"
    )[0]
    client.disconnect()
    assert {(row["cause"], row["minutes"]) for row in page.ask("causes").records if row["minutes"]} == set(causes)
    columns = ("from_channel", "to_channel", "redirects", "arrived", "lost", "solved")
    shown = [tuple(row[column] for column in columns) for row in page.ask("redirects").records]
    assert sorted(shown) == sorted(matrix)
    totals = page.ask("totals").records[0]
    assert (totals["minutes"], totals["journeys"]) == (total, journeys)
    assert sum(row["journeys"] for row in page.ask("paths").records) == unrolled
    assert page.ask("span").records[0]["touchpoints"] >= EVENTS


def test_days_are_those_of_utc_and_the_most_severe_come_first(page: Page, company: ClickHouseAddress) -> None:
    client = connect(company)
    by_day: Counter[str] = Counter()
    for posted_at, minutes in client.execute("SELECT posted_at, minutes FROM v_effort_postings"):
        by_day[posted_at.date().isoformat()] += minutes
    client.disconnect()
    shown = {row["day"]: row["minutes"] for row in page.ask("trend").records}
    assert shown == pytest.approx(dict(by_day), abs=0.06)
    for order in ("severity", "minutes"):
        values = [row[order] for row in page.ask("frictions", order=order, limit=500).records]
        assert values == sorted(values, reverse=True), order


def test_periods_end_with_the_newest_event_in_the_data(page: Page) -> None:
    newest = page.ask("span").records[0]["newest_event_at"][:10]
    days = [row["day"] for row in page.ask("trend", days=7).records]
    assert days
    assert max(days) <= newest
    assert len(days) <= 8
    assert len(page.ask("trend", days=0).records) > len(days)
    week, month, all_ = (page.ask("friction_sums", days=days).records[0]["frictions"] for days in (7, 28, 0))
    assert 0 < week < month <= all_


def test_frictions_are_filtered_sorted_and_paged(page: Page) -> None:
    everything = page.ask("frictions", limit=500).records
    assert [row["anchor_at"] for row in everything] == sorted((row["anchor_at"] for row in everything), reverse=True)
    first, second = (page.ask("frictions", limit=10, offset=offset).records for offset in (0, 10))
    assert first + second == everything[:20]
    severe = page.ask("frictions", severity=5, limit=500).records
    assert severe == [row for row in everything if row["severity"] == 5]
    word = everything[3]["sentence_de"].split()[3]
    assert everything[3] in page.ask("frictions", text=word.upper(), limit=500).records
    by_minutes = [row["minutes"] for row in page.ask("frictions", order="minutes", limit=500).records]
    assert by_minutes == sorted(by_minutes, reverse=True)
    for column, value in (("rule", "rule_id"), ("team", "team")):
        wanted = next(row[value] for row in everything if row[value])
        rows = page.ask("frictions", **{column: wanted}, limit=500).records
        assert rows == [row for row in everything if row[value] == wanted]
    on_phone = page.ask("frictions", channel="phone", limit=500).records
    assert on_phone == [row for row in everything if "phone" in (row["from_channel"], row["to_channel"])]


def test_words_of_the_filters_are_counted_as_the_filters_count(page: Page) -> None:
    for row in page.ask("friction_words", days=28).records[::5]:
        sums = page.ask("friction_sums", days=28, **{row["column"]: row["value"]}).records[0]
        assert sums["frictions"] == row["frictions"], row


def test_a_word_that_the_local_engine_refuses_in_sql_can_be_looked_for(page: Page) -> None:
    for text in ("file", "'; DROP TABLE frictions; --", "\\zz", "%zz", "ü{days:UInt32}", "\x00"):
        assert page.ask("frictions", text=text).records == []


def test_a_story_is_what_the_command_line_tells(page: Page, person: str, company: ClickHouseAddress) -> None:
    from streams.timeline import load_story

    story = load_story(company, person)
    keys = [row["touchpoint_key"] for row in page.ask("person_touchpoints", person=person).records]
    assert keys == [row["touchpoint_key"] for row in story.touchpoints]
    for part, rows, id_ in (
        ("person_journeys", story.journeys, "journey_id"),
        ("person_frictions", story.frictions, "friction_id"),
    ):
        assert [row[id_] for row in page.ask(part, person=person).records] == [row[id_] for row in rows]
    assert page.ask("person_touchpoints", person="f" * 32).records == []


def test_of_a_topic_that_was_made_anew_the_life_that_was_written_last_counts(page: Page) -> None:
    rows = page.ask("checkpoints").records
    assert [(row["partition"], row["next_offset"]) for row in rows] == [(0, 7), (1, 107), (2, 207), (3, 307)]
    assert {row["minutes_behind_newest_event"] for row in rows} == {10}


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/api/causes?days=-1", "days is '-1', expected a whole number from 0 to 36500"),
        ("/api/causes?days=7.5", "days is '7.5', expected a whole number"),
        ("/api/causes?days=%D9%A3", "expected a whole number"),
        ("/api/causes?days=99999999999999999999", "expected a whole number"),
        ("/api/causes?days=7&days=8", "'days' is given twice"),
        ("/api/causes?weeks=1", "causes takes no 'weeks'; it takes days"),
        ("/api/span?days=1", "span takes no 'days'; it takes nothing"),
        ("/api/frictions?severity=0", "severity is '0', expected a whole number from 1 to 5"),
        ("/api/frictions?order=random()", "order is 'random()', expected one of newest, oldest, minutes, severity"),
        ("/api/frictions?limit=501", "limit is '501', expected a whole number from 1 to 500"),
        ("/api/frictions?text=" + "a" * 201, "text has 201 characters, at most 200 are taken"),
        ("/api/paths?steps=1", "steps is '1', expected a whole number from 2 to 8"),
        ("/api/person", "person needs person"),
        ("/api/person?person=4711", "person is '4711', expected 32 hexadecimal characters"),
        ("/csv/friction?friction=" + "A" * 32, "expected 32 hexadecimal characters"),
    ],
)
def test_a_wrong_parameter_is_400_and_says_what_is_expected(page: Page, path: str, problem: str) -> None:
    response = page.get(path)
    assert response.status == 400
    assert problem in response.json["error"]


@pytest.mark.parametrize("path", ["/api/nothing", "/csv/nothing", "/../secret", "/vendor", "/main.py", "/index.html/x"])
def test_what_is_not_there_is_404(page: Page, path: str) -> None:
    assert page.get(path).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/api/causes", "/nothing"])
def test_nothing_but_reading_is_answered(page: Page, method: str, path: str) -> None:
    response = page.get(path, method=method)
    assert response.status == 405
    assert response.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/", "/api/causes", "/csv/causes", "/nothing", "/api/causes?days=x", "/main.js"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_every_answer_tells_browsers_to_be_strict(page: Page, path: str, method: str) -> None:
    headers = page.get(path, method=method).headers
    policy = headers["content-security-policy"].split("; ")
    assert policy[0] == "default-src 'self'"
    assert not any("unsafe" in part or "http" in part or "*" in part for part in policy)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("path", ["/", "/api/causes", "/csv/causes"])
@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8088", "127.0.0.1.evil.example", "10.0.0.1", "", "localhost.evil", "[::1", "0"],
)
def test_a_name_that_is_not_this_machine_is_refused(page: Page, path: str, host: str) -> None:
    response = page.get(path, headers={"Host": host})
    assert response.status == 403
    assert "journeys serve --name HOST" in response.json["advice"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:8088", "LOCALHOST:80", "127.3.2.1"])
def test_loopback_names_are_answered(page: Page, host: str) -> None:
    assert page.get("/api", headers={"Host": host}).status == 200


def test_a_further_name_is_answered_when_it_was_given(company: ClickHouseAddress) -> None:
    with running_page(company, names=frozenset({"journeys.example"})) as named:
        assert named.get("/api", headers={"Host": "Journeys.example:443"}).status == 200
        assert named.get("/api", headers={"Host": "other.example"}).status == 403


def test_the_files_of_the_page_come_from_here_and_are_not_sent_twice(page: Page) -> None:
    first = page.get("/")
    assert first.headers["content-type"] == "text/html; charset=utf-8"
    assert page.get("/main.js").headers["content-type"] == "text/javascript; charset=utf-8"
    assert b"Mike Bostock" in page.get("/vendor/LICENSE.txt").body
    again = page.get("/", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


def test_it_tells_where_it_looks_and_nothing_else(page: Page, ports: ClickHousePorts) -> None:
    assert page.get("/api").json == {
        "version": "1.2.3",
        "database": "company",
        "clickhouse_http": f"http://127.0.0.1:{ports.http}",
    }
    assert page.get("/healthz").json == {"status": "ok"}


def test_no_answer_holds_an_identity(page: Page, person: str) -> None:
    for question in ("person", "person_touchpoints", "person_journeys", "person_frictions"):
        text = page.ask(question, person=person).body
        for namespace in (b"customer_no:", b"email:", b"phone:", b"cookie:"):
            assert namespace not in text


@pytest.fixture(scope="module")
def whole_file(full_page: Page) -> list[list[str]]:
    text = full_page.get("/csv/frictions").body.decode()
    return list(csv.reader(io.StringIO(text, newline="")))


def test_a_file_has_all_rows_where_the_page_has_fifty(full_page: Page, whole_file: list[list[str]]) -> None:
    assert len(full_page.ask("frictions").records) == 50
    assert len(whole_file) == 1 + MANY
    ids = {row[whole_file[0].index("friction_id")] for row in whole_file[1:]}
    assert len(ids) == MANY


def test_what_a_spreadsheet_would_run_is_defused_in_files_and_stays_as_it_is_in_json(
    full_page: Page, whole_file: list[list[str]]
) -> None:
    newest = dict(zip(whole_file[0], whole_file[1], strict=True))
    assert newest["team"] == f"'{FORMULA}"
    assert newest["sentence_en"] == MARKUP
    assert full_page.ask("frictions", limit=1).records[0]["team"] == FORMULA


def test_deep_pages_of_50000_frictions_are_answered(full_page: Page) -> None:
    page = full_page.ask("frictions", offset=MANY - 10, limit=50)
    assert len(page.records) == 10
    assert len(full_page.ask("frictions", text="number 4999", limit=500).records) == 11
    assert full_page.ask("friction_sums").records == [{"frictions": MANY, "minutes": 4.5 * MANY, "persons": 1}]
    assert len(full_page.ask("person_frictions", person=SOMEBODY).records) == MANY


def test_empty_tables_answer_every_question_without_an_error(empty_page: Page) -> None:
    for question in QUESTIONS:
        response = empty_page.ask(question, **given(question, "0" * 32, "0" * 32))
        assert response.status == 200, response.body
    assert empty_page.ask("span").records[0]["touchpoints"] == 0


@pytest.fixture(scope="module")
def lost_page() -> Iterator[Page]:
    with running_page(NO_CLICKHOUSE) as running:
        yield running


@pytest.mark.parametrize("path", ["/api/causes", "/csv/causes", "/healthz"])
def test_a_clickhouse_that_does_not_answer_is_503_with_advice(lost_page: Page, path: str) -> None:
    response = lost_page.get(path)
    assert response.status == 503
    assert response.json["error"].startswith("ClickHouse does not answer (asking 127.0.0.1:9/journeys: ")
    assert "journeys status" in response.json["advice"]
    assert lost_page.get("/").status == 200


def test_tables_that_are_not_there_are_told_with_what_to_do(engine: ClickHouseAddress) -> None:
    client = connect(engine, database="")
    client.execute("CREATE DATABASE IF NOT EXISTS bare")
    client.disconnect()
    with running_page(dataclasses.replace(engine, database="bare")) as bare:
        response = bare.ask("causes")
    assert response.status == 500
    assert response.json["advice"] == "this brings the tables up to date: journeys migrate"


def test_a_connection_that_was_lost_is_dialled_again(company: ClickHouseAddress) -> None:
    with faulty_proxy(company.port) as proxy, running_page(dataclasses.replace(company, port=proxy.port)) as page:
        proxy.order(CutAnswer(), on="touchpoints")
        assert page.ask("span").status == 200
        assert len(proxy.asked("touchpoints")) == 2


def test_json_is_what_it_says(page: Page) -> None:
    response = page.ask("trend", days=7)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert json.loads(response.body)["took_ms"] >= 0
