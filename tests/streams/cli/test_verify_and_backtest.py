"""`journeys verify` and `journeys backtest` against a real engine: what they say, and their exit codes."""

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner, Result

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.connection import connect
from sinks.clickhouse.migrator import migrate
from sinks.clickhouse.writer import Writer
from streams.cli.main import app
from tests.streams.test_backtesting import redirected
from tests.support.local_clickhouse import running_clickhouse
from tests.support.rule_files import changed

pytestmark = pytest.mark.stack


class Desk(NamedTuple):
    """Tables that a worker has written, with one friction in them."""

    folder: Path
    address: ClickHouseAddress
    friction_id: str

    def run(self, *words: str) -> Result:
        where = ("--data-dir", str(self.folder), "--clickhouse", f"127.0.0.1:{self.address.port}")
        return CliRunner().invoke(app, [*words, *where])

    def backtest(self, *options: str, day: str = "2024-01-01") -> Result:
        return self.run("backtest", "--from", day, "--to", day, *options)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    log = redirected()
    (friction_id,) = log.store.live("friction")
    with running_clickhouse(folder / "clickhouse") as ports:
        address = ClickHouseAddress(port=ports.native)
        migrate(address)
        writer = Writer(address)
        for block in log.store.blocks:
            writer.insert(block)
        writer.close()
        yield Desk(folder, address, friction_id)


@pytest.fixture
def tampered(desk: Desk) -> Iterator[Desk]:
    """The same while somebody has changed the row of the friction by hand."""
    client = connect(desk.address)
    change = (
        "INSERT INTO frictions SELECT * REPLACE (%(team)s AS team, version + 1 AS version)"
        " FROM frictions FINAL WHERE friction_id = %(id)s"
    )
    client.execute(change, {"id": desk.friction_id, "team": "nobody"})
    yield desk
    client.execute(change, {"id": desk.friction_id, "team": "desk"})
    client.disconnect()


def test_what_follows_is_equal(desk: Desk) -> None:
    one = desk.run("verify", desk.friction_id)
    assert one.output == (f"{desk.friction_id} channel_redirect redirected: equal as of 2024-01-03T23:00:00.000Z\n")
    assert one.exit_code == 0
    everything = desk.run("verify", "--all")
    assert (everything.exit_code, everything.output) == (0, "1 equal, 0 differs, 0 due, 0 unknown rule\n")
    later = desk.run("verify", "--all", "--since", "2024-01-01T00:00:00.001Z")
    assert (later.exit_code, later.output) == (0, "0 equal, 0 differs, 0 due, 0 unknown rule\n")
    assert "no friction differs from what is live" in desk.backtest().output


def test_what_does_not_follow_is_said_with_exit_code_1(tampered: Desk) -> None:
    one = tampered.run("verify", tampered.friction_id)
    assert one.exit_code == 1
    assert one.output.splitlines()[1:] == ["  team: stored 'nobody', derived 'desk'"]
    everything = tampered.run("verify", "--all", "--json")
    assert everything.exit_code == 1
    told = json.loads(everything.output)
    assert told["counts"] == {"equal": 0, "differs": 1, "due": 0, "unknown_rule": 0}
    assert told["frictions"][0]["differences"] == [{"path": "team", "stored": "nobody", "derived": "desk"}]
    (example,) = json.loads(tampered.backtest("--json").stdout)["examples"]
    assert (example["change"], example["friction_id"]) == ("changed", tampered.friction_id)


def test_what_a_command_cannot_do_is_said(desk: Desk) -> None:
    unknown = desk.run("verify", "0000")
    assert (unknown.exit_code, "there is no friction 0000" in unknown.output) == (1, True)
    for words in ((), (desk.friction_id, "--all"), (desk.friction_id, "--since", "2024-01-01T00:00:00Z")):
        assert desk.run("verify", *words).exit_code == 2
    assert desk.run("verify", "--all", "--since", "yesterday").exit_code == 2
    assert desk.run("backtest", "--from", "2024-01-02", "--to", "2024-01-01").exit_code == 2
    assert desk.backtest("--as-of", "2024-01-02").exit_code == 2


def test_rules_that_had_nothing_to_judge_are_named_instead_of_a_zero(desk: Desk) -> None:
    empty = desk.backtest(day="2020-01-01")
    assert "WARNING: nothing can be said of channel_redirect: the period holds no contact.redirected" in empty.stderr
    assert empty.stdout == "2020-01-01 to 2020-01-01, persons judged: 0\n\nno friction differs from what is live\n"
    warned = desk.backtest().stderr
    assert "channel_redirect" not in warned


def test_labels_are_counted_and_lines_about_nobody_named(desk: Desk, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("touchpoint,rule_id\ndefault/test/sent,channel_redirect\ndefault/test/gone,channel_redirect\n")
    report = json.loads(desk.backtest("--labels", str(labels), "--json").stdout)
    assert report["labels"] == [
        {
            "rule_id": "channel_redirect", "labels": 2, "found": 1, "recall": 0.5, "frictions": 1, "right": 1,
            "precision": 1.0,
        }
    ]  # fmt: skip
    assert report["labels_about_nobody"] == [3]


def test_as_of_a_moment_is_as_it_was_then(desk: Desk) -> None:
    before = json.loads(desk.backtest("--as-of", "2023-12-31T00:00:00Z", "--json").stdout)
    assert {row["tested"] for row in before["rules"]} == {0}
    then = json.loads(desk.backtest("--as-of", "2024-01-04T00:00:00Z", "--json").stdout)
    assert [(row["variant"], row["live"], row["tested"]) for row in then["rules"][:1]] == [("lost", 1, 1)]


def test_rules_of_a_folder_take_the_place_of_live_rules_whenever_they_begin(desk: Desk, tmp_path: Path) -> None:
    shipped = (files("processors.friction.rules") / "channel_redirect.yaml").read_text(encoding="utf-8")
    begins_late = changed(shipped, ("effective_from: 2000", "effective_from: 2100"))

    def backtested(name: str, text: str) -> Result:
        (tmp_path / name).mkdir()
        (tmp_path / name / "channel_redirect.yaml").write_text(text)
        return desk.backtest("--rules", str(tmp_path / name), "--json")

    assert json.loads(backtested("same", begins_late).stdout)["examples"] == []
    in_shadow = backtested("shadow", changed(begins_late, ("title:", "shadow: true\ntitle:")))
    (example,) = json.loads(in_shadow.stdout)["examples"]
    assert (example["change"], [one["path"] for one in example["differences"]]) == (
        "changed",
        ["is_alertable", "silenced_by"],
    )
    wrong = backtested("wrong", changed(shipped, ("was sent to {to_channel}", "was sent to {nowhere}")))
    assert (wrong.exit_code, "nowhere" in wrong.output) == (1, True)
