"""The dashboards that come with the compose file: every query runs and says something, every panel explains itself."""

import hashlib
import json
import os
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.questions import Answer, ask
from sinks.clickhouse.records import AlertRecord, Checkpoint, DeadLetterRecord
from sinks.clickhouse.rows import alert_block, checkpoint_block, dead_letter_block, journey_block, touchpoint_block
from sinks.clickhouse.writer import Writer
from tests.support.facts import journey
from tests.support.grafana_macros import ALL, View, expanded
from tests.support.stored_company import stored_company
from tests.support.touchpoints import DAY, HOUR, MONDAY, happened

ROOT = Path(__file__).parents[2]
GRAFANA = ROOT / "deploy/grafana"
BOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((GRAFANA / "dashboards").glob("*.json"))
}
TITLED: dict[str, dict[str, Any]] = {
    f"{name}: {panel['title']}": panel
    for name, board in BOARDS.items()
    for panel in board["panels"]
    if panel["type"] != "row"
}
PANELS = [pytest.param(panel, id=title) for title, panel in TITLED.items()]
VARIABLES = {one["name"]: one for board in BOARDS.values() for one in board["templating"]["list"]}
DATASOURCE = yaml.safe_load((GRAFANA / "provisioning/datasources/clickhouse.yaml").read_text())["datasources"][0]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
EVERYTHING = View(MONDAY, MONDAY + 29 * DAY, DAY, dict.fromkeys(VARIABLES, ALL))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseAddress]:
    with stored_company(tmp_path_factory.mktemp("grafana"), identities=True) as company:
        _add_what_a_pipeline_leaves(company.address)
        yield company.address


def _add_what_a_pipeline_leaves(address: ClickHouseAddress) -> None:
    """Dead letters, alerts, checkpoints, a promise that was kept, a queue, a matter that was handed over."""
    frictions = ask(address, "SELECT friction_id, team FROM v_frictions ORDER BY friction_id LIMIT 3").rows
    told = [
        AlertRecord(
            tenant="default", friction_id=id_, channel="care", state=state, team=team, recorded_at=MONDAY + DAY,
            version=1,
        )
        for (id_, team), state in zip(frictions, ("delivered", "refused", "retracted"), strict=True)
    ]  # fmt: skip
    letter = DeadLetterRecord(
        topic="touchpoints", topic_incarnation="", partition=0, offset=7, appended_at=MONDAY, stage="decode",
        reason="truncated", field=None, detail="", raw_bytes=3, raw_sha256="", key_hash="", code_version="0",
        recorded_at=MONDAY + HOUR,
    )  # fmt: skip
    reached = Checkpoint(
        consumer_group="journeys", topic="touchpoints", topic_incarnation="", partition=0, next_offset=9,
        watermark=MONDAY, watermark_state="", written_at=MONDAY,
    )  # fmt: skip
    promise: dict[str, Any] = {"promise_id": "p", "actor": "agent", "direction": "outbound", "team": "billing"}
    happenings = [
        happened("promise.made", MONDAY + DAY, promise_due=MONDAY + 2 * DAY, channel="phone", **promise),
        happened("promise.kept", MONDAY + DAY + HOUR, channel="phone", **promise),
        happened("queue.left", MONDAY + DAY, channel="phone", team="billing", touchpoint="hotline-2", wait_ms=540_000),
    ]
    writer = Writer(address)
    writer.insert(alert_block(told, token_prefix="grafana"))
    writer.insert(dead_letter_block([letter], token_prefix="grafana"))
    writer.insert(checkpoint_block([reached], token_prefix="grafana"))
    writer.insert(touchpoint_block(happenings, token_prefix="grafana"))
    writer.insert(journey_block([(journey(handoff_chain=("care", "billing")), 1)], token_prefix="grafana"))
    writer.close()


def answer(address: ClickHouseAddress, panel: dict[str, Any], view: View) -> Answer:
    return ask(address, expanded(panel["targets"][0]["rawSql"], view))


def is_number(kind: str) -> bool:
    return kind.removeprefix("Nullable(").startswith(("UInt", "Int", "Float"))


@pytest.mark.stack
@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_has_the_columns_and_rows_that_it_draws(address: ClickHouseAddress, panel: dict[str, Any]) -> None:
    found = answer(address, panel, EVERYTHING)
    assert found.rows, "nothing to draw"
    kinds = dict(zip(found.columns, found.types, strict=True))
    match panel["type"]:
        case "timeseries":
            assert found.columns[0] == "time"
            assert kinds["time"].startswith("DateTime")
            assert [row[0] for row in found.rows] == sorted(row[0] for row in found.rows)
            assert is_number(found.types[-1])
            # A third column makes each value of the second a line of its own.
            assert len(found.columns) == 2 or not is_number(found.types[1]) or all(map(is_number, found.types[1:]))
        case "stat":
            assert len(found.rows) == 1
            assert [is_number(kind) for kind in found.types] == [True]
            assert found.rows[0][0] is not None
        case "barchart":
            assert [is_number(kind) for kind in found.types] == [False, True]
        case "table":
            named = {one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]}
            assert named <= set(found.columns)
        case other:
            pytest.fail(f"nobody knows what a {other} needs")


@pytest.mark.stack
def test_every_query_follows_the_variables_that_it_names(address: ClickHouseAddress) -> None:
    chosen = {
        name: [row[0] for row in ask(address, one["query"]["rawSql"]).rows][:2] for name, one in VARIABLES.items()
    }
    assert all(chosen.values()), "a variable offers nothing"
    nobodys = dict.fromkeys(VARIABLES, ("nobody's ' team",))
    for panel in TITLED.values():
        named = [name for name in VARIABLES if f"${{{name}:" in panel["targets"][0]["rawSql"]]
        answer(address, panel, EVERYTHING._replace(variables=chosen))
        for name in named:
            variables = {**EVERYTHING.variables, name: nobodys[name]}
            rows = answer(address, panel, EVERYTHING._replace(variables=variables)).rows
            is_empty = not any(isinstance(value, float | int) and value > 0 for row in rows for value in row)
            assert is_empty or panel["title"] in _NOT_EMPTIED, f"{panel['title']} does not follow {name}"


#: Topics are shared by all tenants; the clock of a store without touchpoints stands at 1970.
_NOT_EMPTIED = {"How well sources and topics deliver, of all time", "Since the last touchpoint"}


@pytest.mark.stack
def test_the_overview_counts_what_the_ledger_holds(address: ClickHouseAddress) -> None:
    panels = {panel["title"]: panel for panel in BOARDS["overview"]["panels"]}
    ((minutes,),) = ask(address, "SELECT sum(minutes) FROM v_effort_postings").rows
    assert answer(address, panels["Customer minutes lost"], EVERYTHING).rows == [(round(minutes),)]
    by_team = answer(address, panels["Customer minutes by team"], EVERYTHING).rows
    assert sum(row[1] for row in by_team) == pytest.approx(minutes, abs=len(by_team))
    by_cause = answer(address, panels["Customer minutes by cause"], EVERYTHING).rows
    assert sum(row[2] for row in by_cause) == pytest.approx(minutes)
    before = answer(address, panels["Frictions"], EVERYTHING._replace(since=MONDAY - DAY, until=MONDAY - 1)).rows
    assert before == [(0,)]


def test_there_are_four_dashboards_that_link_to_each_other() -> None:
    assert {name: board["uid"] for name, board in BOARDS.items()} == {
        "overview": "journeys-overview",
        "channels": "journeys-channels",
        "teams": "journeys-teams",
        "pipeline": "journeys-pipeline",
    }
    for board in BOARDS.values():
        (link,) = board["links"]
        assert (link["type"], link["includeVars"], link["keepTime"]) == ("dashboards", True, True)
        assert set(link["tags"]) <= set(board["tags"])
        assert board["description"]
        assert board["schemaVersion"] == 41
        assert (board["timezone"], board["id"]) == ("utc", None)


@pytest.mark.parametrize("name", BOARDS)
def test_panels_have_ids_and_places_of_their_own(name: str) -> None:
    panels = BOARDS[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_shows_in_which_unit_and_asks_the_one_data_source(panel: dict[str, Any]) -> None:
    assert len(panel["description"]) > 40
    assert panel["description"].endswith(".")
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"] in {"short", "m", "s", "h", "percentunit"}
    steps = defaults["thresholds"]["steps"]
    assert steps[0]["value"] is None
    levels = [step["value"] for step in steps[1:]]
    assert levels == sorted(levels)
    (target,) = panel["targets"]
    expected = {"type": "grafana-clickhouse-datasource", "uid": DATASOURCE["uid"]}
    assert panel["datasource"] == target["datasource"] == expected
    assert (target["queryType"], target["format"]) == (
        ("timeseries", 0) if panel["type"] == "timeseries" else ("table", 1)
    )


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_has_the_variables_that_its_queries_name_and_no_other(name: str) -> None:
    board = BOARDS[name]
    queries = " ".join(target["rawSql"] for panel in board["panels"] for target in panel.get("targets", []))
    declared = {one["name"] for one in board["templating"]["list"]}
    assert declared == {one for one in ("tenant", "team", "channel") if f"${{{one}:" in queries}
    for one in board["templating"]["list"]:
        assert (one["type"], one["multi"], one["includeAll"]) == ("query", True, True)
        assert one["datasource"]["uid"] == DATASOURCE["uid"]
        assert one["current"]["value"] == list(ALL)


def test_grafana_is_given_the_data_source_and_the_dashboards() -> None:
    service = COMPOSE["services"]["grafana"]
    mounted = dict(volume.split(":")[:2] for volume in service["volumes"] if volume.startswith("./"))
    assert mounted == {
        "./deploy/grafana/provisioning": "/etc/grafana/provisioning",
        "./deploy/grafana/dashboards": "/etc/grafana/dashboards",
    }
    provider = yaml.safe_load((GRAFANA / "provisioning/dashboards/journeys.yaml").read_text())["providers"][0]
    assert provider["options"]["path"] == mounted["./deploy/grafana/dashboards"]
    home = service["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == "/etc/grafana/dashboards/overview.json"
    assert DATASOURCE["type"] in service["environment"]["GF_PLUGINS_PREINSTALL"].split(",")
    assert DATASOURCE["jsonData"]["host"] in COMPOSE["services"]
    assert DATASOURCE["jsonData"]["protocol"] == "native"
    assert DATASOURCE["secureJsonData"] == {"password": "$__file{/run/secrets/grafana_password}"}
    assert "grafana_password" in service["secrets"]


def started(folder: Path, *words: str, secret: str | None) -> subprocess.CompletedProcess[str]:
    """What the script that starts ClickHouse does, with `echo` in the place of the server."""
    if secret is not None:
        (folder / "secret").write_text(secret)
    places = {
        "GRAFANA_SECRET": str(folder / "secret"),
        "CLICKHOUSE_USERS": str(folder),
        "CLICKHOUSE_START": "/bin/echo",
    }
    script = ROOT / "deploy/docker/clickhouse.sh"
    return subprocess.run(
        ["/bin/bash", str(script), *words], env={**os.environ, **places}, capture_output=True, text=True, check=True
    )


def test_clickhouse_gets_a_user_who_can_only_read(tmp_path: Path) -> None:
    done = started(tmp_path, "--an-option", secret="s3cret\n")
    assert (done.stdout, done.stderr) == ("--an-option\n", "")
    users = ET.parse(tmp_path / "grafana.xml").getroot()  # noqa: S314 - our own file
    assert users.findtext("users/grafana/password_sha256_hex") == hashlib.sha256(b"s3cret").hexdigest()
    assert users.findtext("users/grafana/grants/query") == "GRANT SELECT ON journeys.*"
    assert users.findtext("profiles/grafana/readonly") == "2"
    assert users.findtext("users/grafana/profile") == "grafana"
    assert "users/grafana" in f"users/{DATASOURCE['jsonData']['username']}"
    service = COMPOSE["services"]["clickhouse"]
    (config,) = service["configs"]
    assert service["entrypoint"] == ["/bin/bash", config["target"]]
    assert COMPOSE["configs"][config["source"]]["file"] == "./deploy/docker/clickhouse.sh"
    assert "grafana_password" in service["secrets"]


@pytest.mark.parametrize("secret", [None, ""])
def test_clickhouse_starts_without_that_user_where_there_is_no_secret(tmp_path: Path, secret: str | None) -> None:
    done = started(tmp_path, "--an-option", secret=secret)
    assert (done.stdout, "no user grafana" in done.stderr) == ("--an-option\n", True)
    assert not (tmp_path / "grafana.xml").exists()
