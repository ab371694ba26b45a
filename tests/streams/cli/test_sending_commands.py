"""The commands that send: what they print, what they send, and how they end."""

import gzip
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from processors.friction.catalogue import rule_ids
from schemas.json_form import iso_time, touchpoint_from_json
from streams.cli.main import app
from streams.settings import KafkaSettings
from tests.support.kafka_records import broker_with_topics, touchpoints_in
from tests.support.processes import REPOSITORY, first_line, stopped

GOOD = '{"id":"%s","source":"cli","kind":"page.viewed","occurred_at":1704067200000,"identities":["account:7"]}'
MAPPING = """
fields:
  source: till
  kind: visit.started
  occurred_at: {column: When}
  identities: [{column: Card, prefix: "loyalty:"}]
"""


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaSettings]:
    with broker_with_topics() as settings:
        yield settings


def journeys(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, arguments, input=stdin)


def ids_in(kafka: KafkaSettings) -> set[str]:
    return {touchpoint.id for _, touchpoint in touchpoints_in(kafka)}


@pytest.mark.stack
def test_produce_sends_a_file_and_says_how_many(kafka: KafkaSettings, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join(GOOD % f"a{number}" for number in range(3)))
    result = journeys("produce", str(file), "--kafka", kafka.bootstrap)
    assert (result.exit_code, result.stdout) == (0, "3 touchpoints produced from 3 lines\n")
    assert {"a0", "a1", "a2"} <= ids_in(kafka)


@pytest.mark.stack
def test_produce_reports_bad_lines_sends_the_others_and_ends_with_3(kafka: KafkaSettings) -> None:
    lines = "\n".join([GOOD % "b1", "nope", GOOD % "b2", "{}"])
    result = journeys("produce", "-", "--kafka", kafka.bootstrap, "--json", stdin=lines)
    assert result.exit_code == 3
    assert result.stderr.splitlines() == [
        "standard input: line 2: not valid JSON: JSON is malformed: invalid character (byte 4)",
        "standard input: line 4: id: id is missing or empty",
    ]
    summary = json.loads(result.stdout)
    assert (summary["read"], summary["produced"], summary["refused"]) == (4, 2, 2)
    assert summary["refusals"][1] == {"number": 4, "field": "id", "reason": "id is missing or empty"}
    assert {"b1", "b2"} <= ids_in(kafka)


def test_produce_of_a_file_that_is_not_there_ends_with_1(tmp_path: Path) -> None:
    result = journeys("produce", str(tmp_path / "none.jsonl"))
    assert result.exit_code == 1
    assert "none.jsonl: No such file or directory" in result.stderr


def test_a_wrong_address_ends_with_1_and_names_it(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text(GOOD % "c1")
    result = journeys("produce", str(file), "--kafka", "nonsense")
    assert result.exit_code == 1
    assert "expected host:port, got 'nonsense'" in result.stderr


@pytest.mark.stack
def test_import_sends_rows_and_exact_duplicates_have_one_id(kafka: KafkaSettings, tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(MAPPING)
    log = tmp_path / "log.csv.gz"
    log.write_bytes(gzip.compress(b"When,Card\n2024-01-01,7\n2024-01-01,7\nsoon,8\n2024-01-02,7\n"))
    before = ids_in(kafka)
    result = journeys("import", str(log), "--mapping", str(tmp_path / "map.yaml"), "--kafka", kafka.bootstrap, "--json")
    assert result.exit_code == 3
    assert f"{log}: row 4: occurred_at: column 'When': 'soon' fits none of the formats iso" in result.stderr
    summary = json.loads(result.stdout)
    assert (summary["read"], summary["produced"], summary["refused"]) == (4, 3, 1)
    assert len(ids_in(kafka) - before) == 2


def test_a_dry_run_prints_touchpoints_and_needs_no_broker(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text(MAPPING)
    log = tmp_path / "log.csv"
    log.write_text("When,Card\n" + "2024-01-01T10:00:00,7\n" * 20)
    result = journeys("import", str(log), "--mapping", str(tmp_path / "map.yaml"), "--dry-run")
    assert result.exit_code == 0
    printed = [touchpoint_from_json(json.loads(line)) for line in result.stdout.splitlines()]
    assert len(printed) == 5
    assert iso_time(printed[0].occurred_at) == "2024-01-01T10:00:00.000Z"


@pytest.mark.parametrize(
    ("mapping", "content", "message"),
    [
        ("nowhere", "When,Card\n", "nowhere: no such file, and no mapping of that name is shipped"),
        ("map.yaml", "Date,Card\n", "log.csv: no column 'When'; the file has: Date, Card"),
        ("bad.yaml", "When,Card\n", "bad.yaml: unknown key 'nonsense'; allowed: description, format"),
    ],
)
def test_import_ends_with_1_for_what_is_wrong_before_the_first_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mapping: str, content: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("map.yaml").write_text(MAPPING)
    Path("bad.yaml").write_text(MAPPING + "nonsense: 1\n")
    Path("log.csv").write_text(content)
    result = journeys("import", "log.csv", "--mapping", mapping)
    assert result.exit_code == 1
    assert f"error: {message}" in result.stderr


def test_generate_writes_lines_and_the_truth_beside_them(tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    options = ["--persons", "40", "--events", "900", "--seed", "7", "--start", "2024-01-01"]
    result = journeys("generate", *options, "--out", str(out))
    assert result.exit_code == 0
    lines = out.read_text().splitlines()
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert len(lines) == truth["totals"]["lines"] == 904
    assert truth["start"] == "2024-01-01T00:00:00.000Z"
    assert truth["frictions"]
    assert "904 lines of 40 persons" in result.stderr

    again = journeys("generate", *options, "--truth", str(tmp_path / "again.json"))
    assert again.stdout.splitlines() == lines
    assert (tmp_path / "again.json").read_text() == (tmp_path / "truth.json").read_text()


def test_generate_plants_the_catalogue_when_asked_to(tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    result = journeys("generate", "--persons", "410", "--events", "2000", "--catalogue", "--out", str(out))
    assert result.exit_code == 0
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert {"rule_id", "says", "person"} == truth["examples"][0].keys()
    assert {example["rule_id"] for example in truth["examples"]} == set(rule_ids())
    assert {friction["rule_id"] for friction in truth["frictions"]} == {one["rule_id"] for one in truth["examples"]}


def test_generate_by_default_ends_before_now() -> None:
    result = journeys("generate", "--persons", "5", "--events", "50")
    assert (result.exit_code, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == 50


def test_generate_notes_what_lies_in_the_future_and_refuses_impossible_numbers() -> None:
    assert (
        "lies in the future" in journeys("generate", "--persons", "2", "--events", "2", "--start", "2200-01-01").stderr
    )
    result = journeys("generate", "--persons", "20", "--events", "10")
    assert result.exit_code == 1
    assert "20 persons, but only 10 events" in result.stderr


def test_a_reader_that_has_had_enough_ends_generate_quietly() -> None:
    command = f"{sys.executable} -m streams.cli.main generate --persons 100 --events 20000 | head -n 1"
    done = subprocess.run(["bash", "-c", command], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


@pytest.mark.stack
def test_the_door_listens_on_loopback_and_ends_with_0_on_sigterm(kafka: KafkaSettings) -> None:
    command = [sys.executable, "-m", "streams.cli.main", "door", "--port", "0", "--kafka", kafka.bootstrap]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with stopped(process):
        address = first_line(process).removeprefix("door ready ")
        assert address.startswith("http://127.0.0.1:")
        door = HTTPConnection(address.removeprefix("http://"))
        door.request("POST", "/v1/events", GOOD % "door-1", {"Content-Type": "application/json"})
        response = door.getresponse()
        assert (response.status, json.load(response)) == (202, {"accepted": 1})
        door.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
        process.stderr.close()
    assert "door-1" in ids_in(kafka)


def test_a_taken_port_ends_with_4_and_names_port_and_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = journeys("door", "--port", str(port))
    assert result.exit_code == 4
    assert result.stderr == f"error: port {port} on 127.0.0.1 is taken; choose another with --port\n"
