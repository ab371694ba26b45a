"""The commands that look, wait and check: what they print, how they end, and how they say what went wrong."""

import csv
import io
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from processors.admission import owner_hash
from sinks.clickhouse.tables import PARAMETERISED_VIEWS, TABLES, VIEWS
from streams.cli.main import app
from tests.support.command_line import known_commands, one_line, parts_without_help
from tests.support.deadline import wait_until
from tests.support.local_broker import free_port, running_broker
from tests.support.running_stack import Stack, running_stack

ANNA = "customer_no:4711"
BERT = "account:bert"
HOSTILE = "=cmd|' /C calc'!A0"
EVENTS: list[dict[str, Any]] = [
    {
        "id": "1",
        "source": "desk",
        "kind": "contact.started",
        "channel": "social",
        "topic": "delivery",
        "occurred_at": "2026-03-02T09:00:00Z",
        "identities": [ANNA, "cookie:c1"],
        "objects": ["order:A-1"],
    },
    {
        "id": "2",
        "source": "desk",
        "kind": "contact.redirected",
        "actor": "agent",
        "team": "social",
        "channel": "social",
        "redirect_to": "form",
        "topic": "delivery",
        "occurred_at": "2026-03-02T09:20:00Z",
        "identities": [ANNA],
        "objects": ["order:A-1"],
    },
    {
        "id": "3",
        "source": "web",
        "kind": "form.submitted",
        "channel": "form",
        "topic": "delivery",
        "occurred_at": "2026-03-02T12:00:00Z",
        "identities": [ANNA],
        "objects": ["order:A-1"],
        "fields_required": 12,
    },
    *(
        {
            "id": f"call-{number}",
            "source": "hotline",
            "kind": "contact.started",
            "channel": "phone",
            "topic": HOSTILE,
            "occurred_at": f"2026-03-0{number + 3}T10:00:00Z",
            "ended_at": f"2026-03-0{number + 3}T10:10:00Z",
            "identities": [BERT],
            "objects": ["=order:1+1"],
        }
        for number in range(2)
    ),
]


def as_lines(events: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps({"backfill": True} | event).encode() + b"\n" for event in events)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two people's stories are in."""
    with running_stack(tmp_path_factory.mktemp("commands")) as running:
        running.produce(as_lines(EVENTS))
        running.wait()
        yield running


@pytest.fixture(scope="module")
def halted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose processes have all died: addresses are known, nobody answers."""
    with running_stack(tmp_path_factory.mktemp("halted")) as running:
        processes = running.status()["processes"]
        for process in processes:
            os.kill(process["pid"], signal.SIGKILL)
        wait_until(lambda: {process["state"] for process in running.status()["processes"]} == {"stopped"})
        yield running


@pytest.fixture
def nothing(tmp_path: Path) -> Stack:
    """No stack at all, and nobody at the addresses that are given."""
    return Stack(tmp_path / "data", {})


def csv_rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


# --- query


@pytest.mark.stack
def test_query_prints_a_table_json_lines_or_csv(stack: Stack) -> None:
    sql = "SELECT id, channel, ended_at FROM v_touchpoints WHERE source = 'desk' ORDER BY id"
    pretty = stack.run("query", sql).stdout.splitlines()
    assert [line.split() for line in pretty] == [["id", "channel", "ended_at"], ["1", "social"], ["2", "social"]]
    as_json = stack.run("query", sql, "--format", "JSONEachRow").stdout.splitlines()
    assert [json.loads(line) for line in as_json] == [
        {"id": "1", "channel": "social", "ended_at": None},
        {"id": "2", "channel": "social", "ended_at": None},
    ]
    as_csv = stack.run("query", sql, "--format", "CSV").stdout
    assert as_csv == "id,channel,ended_at\n1,social,\n2,social,\n"


@pytest.mark.stack
def test_query_prints_every_kind_of_value_as_json(stack: Stack) -> None:
    sql = (
        "SELECT toDateTime64('2026-03-02 09:00:00.123', 3, 'UTC') AS moment, toDate('2026-03-02') AS day,"
        " [1, 2] AS list, map('a', 1) AS pairs, 0 / 0 AS nan, toUInt64(18446744073709551615) AS big, true AS yes"
    )
    assert stack.query(sql) == [
        {
            "moment": "2026-03-02T09:00:00.123000Z",
            "day": "2026-03-02",
            "list": [1, 2],
            "pairs": {"a": 1},
            "nan": None,
            "big": 18446744073709551615,
            "yes": True,
        }
    ]


@pytest.mark.stack
def test_csv_defuses_what_a_spreadsheet_would_run(stack: Stack) -> None:
    sql = "SELECT topic, objects, id AS \"+id\" FROM v_touchpoints WHERE id = 'call-0'"
    assert csv_rows(stack.run("query", sql, "--format", "CSV").stdout) == [
        ["topic", "objects", "'+id"],
        [f"'{HOSTILE}", "'=order:1+1", "call-0"],
    ]
    sql = r"SELECT '@a' AS a, '-1+1' AS b, '\t=1' AS c, '\r=1' AS d, '\n=1' AS e, -1 AS number, 'a=1' AS harmless"
    rows = csv_rows(stack.run("query", sql, "--format", "CSV").stdout)
    assert [cell[:2] for cell in rows[1][:5]] == ["'@", "'-", "'\t", "'\r", "'\n"]
    assert rows[1][5:] == ["-1", "a=1"]


@pytest.mark.stack
@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO persons SELECT * FROM persons",
        "DROP TABLE persons",
        "ALTER TABLE persons DELETE WHERE 1",
        "TRUNCATE TABLE touchpoints",
        "CREATE TABLE extra (a Int8) ENGINE = Memory",
        "SET readonly = 0",
        "SELECT 1; DROP TABLE persons",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT file('/etc/passwd')",
        "SELECT * FROM url('http://127.0.0.1:1/x', 'CSV', 'a String')",
        "SELECT 1 INTO OUTFILE '/tmp/taken-away.csv'",
        "SYSTEM FLUSH LOGS",
    ],
)
def test_query_refuses_all_but_reading_in_one_line(stack: Stack, sql: str) -> None:
    done = stack.run("query", sql, code=1)
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "Cannot execute query in readonly mode" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.stack
def test_query_left_everything_as_it_was(stack: Stack) -> None:
    counts = stack.counts()
    assert (counts["touchpoints"], counts["persons"]) == (len(EVENTS), 2)


@pytest.mark.stack
@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELEC 1", "Syntax error: failed at position 1 (SELEC)"),
        ("SELECT * FROM nothere", "nothere"),
        ("SELECT nothere FROM v_persons", "nothere"),
        ("", "Empty query"),
    ],
)
def test_query_says_what_is_wrong_with_a_question(stack: Stack, sql: str, message: str) -> None:
    done = stack.run("query", sql, code=1)
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "Stack trace" not in done.stderr


@pytest.mark.stack
def test_query_takes_percent_signs_and_semicolons_as_they_are(stack: Stack) -> None:
    assert stack.query("SELECT 7 % 4 AS rest, '%(x)s %d' AS text;") == [{"rest": 3, "text": "%(x)s %d"}]


@pytest.mark.stack
def test_every_column_of_every_view_says_what_it_means(stack: Stack) -> None:
    sql = "SELECT table, name, comment FROM system.columns WHERE database = 'journeys'"
    tables = {table.name for table in TABLES}
    columns = [column for column in stack.query(sql) if column["table"] not in tables]
    assert {column["table"] for column in columns} == set(VIEWS)
    assert [column for column in columns if not column["comment"]] == []


def test_query_says_which_views_there_are() -> None:
    shown = one_line(CliRunner().invoke(app, ["query", "--help"]).stdout)
    assert [view for view in (*VIEWS, *PARAMETERISED_VIEWS) if view not in shown] == []


# --- frictions


@pytest.mark.stack
def test_frictions_are_listed_the_latest_first_with_a_sentence(stack: Stack) -> None:
    lines = stack.run("frictions").stdout.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("when")
    assert lines[1].startswith("2026-03-04 10:00:00  ")
    assert "repeat_contact" in lines[1]
    assert lines[2].startswith("2026-03-02 09:20:00  ")
    expected = "A customer asked on social media about delivery and was sent to the form to fill in a form."
    found = json.loads(stack.run("frictions", "--rule", "channel_redirect", "--json").stdout)
    assert [(friction["rule_id"], friction["variant"], friction["team"]) for friction in found] == [
        ("channel_redirect", "form", "social")
    ]
    assert found[0]["sentence_en"] in lines[2]
    assert found[0]["sentence_en"].startswith(expected[: expected.index(" to the form")])
    assert "default/desk/2" in found[0]["evidence_touchpoints"]


@pytest.mark.stack
def test_frictions_since_a_moment_include_that_moment(stack: Stack) -> None:
    def rules(since: str) -> list[str]:
        return [
            friction["rule_id"] for friction in json.loads(stack.run("frictions", "--since", since, "--json").stdout)
        ]

    assert rules("2026-03-02T09:20:00Z") == ["repeat_contact", "channel_redirect"]
    assert rules("2026-03-02T10:20:00.001+01:00") == ["repeat_contact"]
    assert rules("2026-03-05T00:00:00Z") == []
    assert stack.run("frictions", "--since", "2026-03-05T00:00:00Z").stdout == "no frictions found\n"
    assert len(json.loads(stack.run("frictions", "--limit", "1", "--json").stdout)) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--rule", "nonsense"),
            "--rule: there is no rule nonsense; there are: channel_redirect, unprompted_switch, repeat_contact, ",
        ),
        (("--since", "yesterday"), "--since: expected a time such as 2026-03-02T09:20:00Z, got 'yesterday'"),
        (("--since", "2026-03-02T09:20:00"), "the zone is missing; add Z or an offset such as +01:00"),
        (("--limit", "0"), "'--limit': Input should be greater than or equal to 1"),
    ],
)
def test_frictions_names_mistakes(nothing: Stack, words: tuple[str, ...], message: str) -> None:
    assert message in one_line(nothing.run("frictions", *words, code=2).stderr).replace("Invalid value for ", "")


# --- timeline


@pytest.mark.stack
def test_a_timeline_tells_the_story_with_waits_and_frictions(stack: Stack) -> None:
    lines = stack.run("timeline", ANNA).stdout.splitlines()
    assert re.fullmatch(r"Person [0-9a-f]{32}: 3 touchpoints, 2 sessions, 1 journey, 1 friction", lines[0])
    assert lines[2].startswith("Journey 1: delivery, social > form, ")
    told = [line.strip() for line in lines[3:] if line.strip()]
    assert told[0] == "2026-03-02 09:00  social    -> contact.started, order:A-1"
    assert told[1].startswith("2026-03-02 09:20  social    ")
    assert "contact.redirected, to form, by social, order:A-1" in told[1]
    assert told[2].startswith("! severity ")
    assert "channel_redirect (form)" in told[2]
    assert told[3] == "... 2 h 40 min"
    assert told[4].startswith("2026-03-02 12:00  form      -> form.submitted")
    assert len(told) == 5


@pytest.mark.stack
def test_a_timeline_is_found_by_any_identity_and_by_the_person_key(stack: Stack) -> None:
    story = json.loads(stack.run("timeline", ANNA, "--json").stdout)
    assert list(story) == ["person_key", "touchpoints", "sessions", "journeys", "frictions"]
    assert [touchpoint["kind"] for touchpoint in story["touchpoints"]] == [
        "contact.started",
        "contact.redirected",
        "form.submitted",
    ]
    pepper = (stack.data_dir / "pepper").read_bytes().strip()
    hashes = [owner_hash(pepper, "default", identity, 4) for identity in (ANNA, "cookie:c1")]
    assert story["person_key"] == min(hash_ for hash_ in hashes if hash_ is not None)
    for name in (story["person_key"], "cookie:c1", " Customer_No: 4711 "):
        assert json.loads(stack.run("timeline", name, "--json").stdout) == story


@pytest.mark.stack
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("customer_no:4712",), "nobody with this identity has touchpoints yet"),
        ((ANNA, "--tenant", "other"), "nobody with this identity has touchpoints yet"),
        (("f" * 32,), "nobody with this identity has touchpoints yet"),
        (("4711",), "'4711' identifies nobody; expected namespace:value such as customer_no:4711"),
        (("customer_no:null",), "'customer_no:null' identifies nobody"),
        (("x' OR '1'='1:y",), "nobody with this identity has touchpoints yet"),
    ],
)
def test_a_timeline_of_nobody_says_so(stack: Stack, words: tuple[str, ...], message: str) -> None:
    done = stack.run("timeline", *words, code=1)
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {message}")
    assert len(done.stderr.splitlines()) == 1


# --- wait


@pytest.mark.stack
def test_wait_ends_with_2_when_no_worker_takes_what_is_there_and_with_0_when_one_did(stack: Stack) -> None:
    assert stack.run("wait", "--timeout", "60").stdout == ""
    before = stack.counts()["touchpoints"]
    stack.kill("worker")
    stack.produce(as_lines([{**EVENTS[0], "id": "late"}]))
    late = stack.run("wait", "--timeout", "1", code=2)
    assert late.stderr == "not everything is queryable after 1 s; is a worker running? see: journeys status\n"
    assert stack.counts()["touchpoints"] == before
    stack.up()
    stack.run("wait", "--timeout", "60")
    assert stack.counts()["touchpoints"] == before + 1


# --- produce


@pytest.mark.stack
def test_produce_names_each_bad_line_sends_the_others_and_ends_with_3(stack: Stack) -> None:
    good = json.dumps(EVENTS[0] | {"backfill": True})
    bad = [
        "nonsense",
        json.dumps({**EVENTS[0], "occurred_at": "yesterday"}),
        json.dumps({**EVENTS[0], "identities": ["customer_no:null"]}),
        json.dumps({**EVENTS[0], "colour": "red"}),
    ]
    done = stack.produce("\n".join([bad[0], good, *bad[1:], "", good]).encode(), code=3)
    told = done.stderr.splitlines()
    assert [line.split(":")[1].strip() for line in told] == ["line 1", "line 3", "line 4", "line 5"]
    assert "occurred_at" in told[1]
    assert "identities" in told[2]
    assert "colour" in told[3]
    assert done.stdout == "2 touchpoints produced from 6 lines, 4 refused\n"


# --- check-config


def test_check_config_masks_secrets_wherever_they_come_from(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    pepper = tmp_path / "data" / "pepper"
    pepper.write_text("only-for-this-test-and-long-enough")
    pepper.chmod(0o600)
    environment = {
        "JOURNEYS_CLICKHOUSE__PASSWORD": "hunter2",
        "JOURNEYS_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
        "JOURNEYS_KAFKA__USERNAME": "writer",
        "JOURNEYS_KAFKA__PASSWORD": "hunter2",
    }
    configured = Stack(tmp_path / "data", environment)
    for words in ((), ("--json",)):
        done = configured.run("check-config", *words)
        assert "hunter2" not in done.stdout + done.stderr
        assert "only-for-this-test" not in done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["problems"] == []
    assert found["keys"] == ["the beginning"]
    assert found["settings"]["clickhouse.password"] == found["settings"]["kafka.password"] == "**********"
    assert found["settings"]["kafka.username"] == "writer"


def test_a_wrong_setting_is_named_without_the_secrets_beside_it(tmp_path: Path) -> None:
    environment = {
        "JOURNEYS_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "JOURNEYS_KAFKA__BOOTSTRAP": "kafka.example.com:9092",
        "JOURNEYS_KAFKA__USERNAME": "writer",
        "JOURNEYS_KAFKA__PASSWORD": "hunter2",
        "JOURNEYS_PARTITIONS": "many",
    }
    done = Stack(tmp_path / "data", environment).run("check-config", code=1)
    assert "hunter2" not in done.stdout + done.stderr
    assert "setting kafka: SASL without TLS is for loopback only; use SASL_SSL" in done.stderr
    assert "setting partitions: Input should be a valid integer" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_check_config_names_every_problem_and_ends_with_1(tmp_path: Path) -> None:
    routing = tmp_path / "alerts.yaml"
    routing.write_text("channels: {desk: {type: slack, url_env: DESK_WEBHOOK}}\nroutes: [{channels: [desk]}]\n")
    environment = {"JOURNEYS_ALERT_ROUTING": str(routing), "JOURNEYS_KAFKA_BOOTSTRAP": "typo:9092"}
    stack = Stack(tmp_path / "data", environment)
    done = stack.run("check-config", "--json", code=1)
    found = json.loads(done.stdout)
    assert len(found["problems"]) == 2
    assert found["problems"][0].startswith(f"no pepper at {tmp_path / 'data' / 'pepper'}")
    assert "alerts.yaml" in found["problems"][1]
    assert "DESK_WEBHOOK" in found["problems"][1]
    assert found["notes"] == ["JOURNEYS_KAFKA_BOOTSTRAP is no setting; between levels stand two underscores"]
    told = stack.run("check-config", code=1).stderr.splitlines()
    assert [line.partition(":")[0] for line in told] == ["note", "problem", "problem"]


def test_options_win_over_the_environment(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "data", {"JOURNEYS_KAFKA__BOOTSTRAP": "one:1", "JOURNEYS_CLICKHOUSE__HOST": "one"})
    words = ("check-config", "--json", "--kafka", "two:2", "--clickhouse", "two:3")
    settings = json.loads(stack.run(*words, code=1).stdout)["settings"]
    assert (settings["kafka.bootstrap"], settings["clickhouse.host"], settings["clickhouse.port"]) == (
        "two:2",
        "two",
        3,
    )
    settings = json.loads(stack.run(*words[:2], code=1).stdout)["settings"]
    assert (settings["kafka.bootstrap"], settings["clickhouse.host"]) == ("one:1", "one")


# --- when nobody answers


@pytest.mark.stack
@pytest.mark.parametrize(
    "words",
    [
        ("query", "SELECT 1"),
        ("frictions",),
        ("timeline", ANNA),
        ("dead-letters", "list"),
        ("dead-letters", "show", "touchpoints/0/0"),
        ("dead-letters", "replay", "--all"),
        ("migrate",),
    ],
    ids=" ".join,
)
def test_without_clickhouse_commands_end_in_one_line_that_says_what_to_do(
    halted: Stack, words: tuple[str, ...]
) -> None:
    done = halted.run(*words, code=1, within_s=30)
    assert done.stdout == ""
    address = halted.status()["clickhouse"]
    assert done.stderr.startswith("error: ")
    assert address in done.stderr
    assert "is the stack up (journeys up), or is another address meant (--clickhouse)?" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.stack
@pytest.mark.parametrize("words", [("produce", "-"), ("wait", "--timeout", "2"), ("topics", "create")], ids=" ".join)
def test_without_a_broker_commands_end_in_one_line_that_says_what_to_do(halted: Stack, words: tuple[str, ...]) -> None:
    done = halted.run(*words, stdin=as_lines(EVENTS), code=1, within_s=45)
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert halted.status()["kafka"] in done.stderr
    assert "is the stack up (journeys up), or is another address meant (--kafka)?" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.stack
def test_a_broker_without_the_topics_is_told_from_one_that_is_away(nothing: Stack) -> None:
    with running_broker() as port:
        address = ("--kafka", f"127.0.0.1:{port}")
        waited = nothing.run("wait", "--timeout", "5", *address, code=1)
        assert waited.stderr == f"error: 127.0.0.1:{port} has no topic touchpoints; run: journeys topics create\n"
        assert "touchpoints.dead   1           created" in nothing.run("topics", "create", *address).stdout
        assert "touchpoints.dead   1           exists" in nothing.run("topics", "create", *address).stdout


@pytest.mark.parametrize("option", ["--kafka", "--clickhouse"])
def test_an_address_that_is_none_is_named(nothing: Stack, option: str) -> None:
    done = nothing.run("check-config", option, "host:port:x", code=1)
    assert "expected host:port, got 'host:port:x'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_closed_port_is_told_at_once(nothing: Stack) -> None:
    done = nothing.run("query", "SELECT 1", "--clickhouse", f"127.0.0.1:{free_port()}", code=1, within_s=20)
    assert "Connection refused" in done.stderr
    assert len(done.stderr.splitlines()) == 1


# --- help


@pytest.mark.parametrize("words", [(), *known_commands()], ids=" ".join)
def test_every_command_and_everything_it_takes_has_a_help_text(words: tuple[str, ...]) -> None:
    assert parts_without_help(words) == []
    shown = CliRunner().invoke(app, [*words, "--help"])
    assert shown.exit_code == 0
    assert "Usage: " in shown.output
