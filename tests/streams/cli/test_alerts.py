"""`journeys alerts`: what people see and do, with a real ClickHouse and the agent that takes it up."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.migrator import migrate
from sinks.clickhouse.rows import incident_block, notice_block
from sinks.clickhouse.writer import Writer
from streams.cli.main import app
from tests.support.any_block import a_notice_record, an_incident_record
from tests.support.local_clickhouse import running_clickhouse

pytestmark = pytest.mark.stack
INCIDENT = "1c" * 16
Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Run a command against an engine with two incidents, one of them over, and three messages."""
    folder = tmp_path_factory.mktemp("alerts")
    with running_clickhouse(folder / "clickhouse") as ports:
        address = ClickHouseAddress(port=ports.native)
        migrate(address)
        writer = Writer(address)
        over = an_incident_record("2d" * 16, is_over=True, phase="ended", because_en="nobody new for 24 h")
        writer.insert(incident_block([an_incident_record(INCIDENT, team="care", severity=4), over], token_prefix="t"))
        notices = [
            a_notice_record("n1", incident_ids=(INCIDENT,), state="delivered"),
            a_notice_record("n2", incident_ids=(INCIDENT,), state="refused", reason="answered 404", content="{}"),
            a_notice_record("n3", incident_ids=(INCIDENT,), state="expired"),
        ]
        writer.insert(notice_block(notices, token_prefix="t"))
        writer.close()

        def run(*words: str, code: int = 0) -> Any:
            options = ["--clickhouse", f"127.0.0.1:{ports.native}", "--data-dir", str(folder)]
            result = CliRunner().invoke(app, ["alerts", *words, *options])
            assert result.exit_code == code, result.output
            return json.loads(result.stdout) if "--json" in words else result.output

        yield run


def test_incidents_that_are_open_are_listed_and_with_all_the_others_too(ask: Ask) -> None:
    assert [one["incident_id"] for one in ask("list", "--json")] == [INCIDENT]
    assert len(ask("list", "--all", "--json")) == 2
    assert "1c1c1c1c" in ask("list")
    assert "rule=wait_sum" in ask("list")


def test_what_somebody_does_is_written_down_with_who_did_it(ask: Ask) -> None:
    done = ask("ack", "1c1c", "--by", "ann", "--json")
    assert (done["kind"], done["incident_id"], done["acted_by"]) == ("acknowledge", INCIDENT, "ann")
    ask("assign", "1c1c", "bob", "--by", "ann")
    ask("comment", "1c1c", "the form is back", "--by", "bob")
    snoozed = ask("snooze", "1c1c", "--for", "2h", "--by", "bob", "--json")
    assert snoozed["until"] - snoozed["acted_at"] in range(7_199_000, 7_200_001)
    ask("close", "1c1c", "--by", "bob")
    story = ask("show", "1c1c1c1c", "--json")
    assert [(one["kind"], one["acted_by"], one["text"]) for one in story["actions"]] == [
        ("acknowledge", "ann", ""), ("assign", "ann", "bob"), ("comment", "bob", "the form is back"),
        ("snooze", "bob", ""), ("close", "bob", ""),
    ]  # fmt: skip
    assert len(story["messages"]) == 3
    assert "the form is back" in ask("show", "1c1c")


def test_who_is_logged_in_did_it_when_nobody_says_otherwise(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "carla")
    assert ask("ack", "1c1c", "--json")["acted_by"] == "carla"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("ack", "ffff"), 1, "no incident begins with ffff"),
        (("snooze", "1c1c", "--for", "soon"), 2, "is no duration"),
        (("replay",), 2, "name one message, or --all"),
        (("replay", "n1"), 1, "n1 is no failed message"),
    ],
)
def test_what_cannot_be_done_says_why(ask: Ask, words: tuple[str, ...], code: int, says: str) -> None:
    assert says in ask(*words, code=code)


def test_failed_messages_are_listed_and_asked_for_again(ask: Ask) -> None:
    assert sorted(one["notice_id"] for one in ask("failed", "--json")) == ["n2", "n3"]
    assert "answered 404" in ask("failed")
    assert ask("replay", "n2", "--json") == {"replayed": ["n2"]}
    assert sorted(ask("replay", "--all", "--json")["replayed"]) == ["n2", "n3"]


def test_a_sample_is_printed_or_sent(tmp_path: Path) -> None:
    def run(*words: str) -> Any:
        return CliRunner().invoke(app, ["alerts", "test", "--data-dir", str(tmp_path), *words])

    dry = run("--channel", "console", "--dry-run", "--json")
    assert (dry.exit_code, json.loads(dry.stdout)["outcome"]) == (0, None)
    sent = run("--channel", "console")
    assert sent.exit_code == 0
    assert "delivered" in sent.output
    unknown = run("--channel", "nowhere")
    assert (unknown.exit_code, "there are: console" in unknown.output) == (1, True)


def test_a_channel_is_tried_though_the_secret_of_another_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_text(
        "channels: {desk: {type: slack, url_env: DESK}, floor: {type: slack, url_env: FLOOR}}\n"
        "routes: [{channels: [desk, floor]}]\n"
    )
    monkeypatch.setenv("JOURNEYS_ALERT_ROUTING", str(file))
    monkeypatch.setenv("DESK", "https://hooks.slack.com/services/T00/B00/part")

    def run(channel: str) -> Any:
        return CliRunner().invoke(
            app, ["alerts", "test", "--data-dir", str(tmp_path), "--dry-run", "--channel", channel]
        )

    assert (run("desk").exit_code, '"blocks"' in run("desk").output) == (0, True)
    missing = run("floor")
    assert (missing.exit_code, "FLOOR is not set" in missing.output) == (1, True)
