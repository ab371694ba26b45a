"""Rules published to a stack that runs: they hold from their moment on, without a restart, and in a replay."""

import json
import time
from pathlib import Path

import pytest

from schemas.json_form import iso_time
from sinks.clickhouse.connection import connect
from sinks.clickhouse.tables import SCHEMA_MIGRATIONS, TABLES
from streams.settings import load_settings
from streams.store import clickhouse_address
from tests.support.deadline import wait_until
from tests.support.rule_files import CALLED_AGAIN, changed
from tests.support.running_stack import Stack, without_versions
from tests.support.touchpoints import DAY, HOUR

pytestmark = pytest.mark.stack

#: Three days ago: neither too late to be judged nor in the future.
BEGINNING = time.time_ns() // 1_000_000 - 3 * DAY

_FOUND = (
    "SELECT toUnixTimestamp64Milli(anchor_at) - {beginning} AS at, rule_version AS version FROM v_frictions"
    " WHERE rule_id = 'called_again' ORDER BY ALL"
)


def call(customer: str, at: int) -> bytes:
    """A call of a customer, milliseconds after the beginning."""
    fields = {
        "id": f"{customer}@{at}",
        "source": "test",
        "kind": "contact.started",
        "channel": "phone",
        "thread_id": f"{customer}@{at}",
        "identities": [f"customer_no:{customer}"],
        "occurred_at": iso_time(BEGINNING + at),
    }
    return json.dumps(fields).encode() + b"\n"


def rule_file(folder: Path, version: int, *changes: tuple[str, str]) -> str:
    path = folder / f"called_again_{version}.yaml"
    path.write_text(changed(CALLED_AGAIN, ("version: 3", f"version: {version}"), *changes))
    return str(path)


def found(stack: Stack) -> list[tuple[int, int]]:
    """Anchors of the rule, milliseconds after the beginning, and the versions that found them."""
    return [(int(row["at"]), int(row["version"])) for row in stack.query(_FOUND.format(beginning=BEGINNING))]


def produced(stack: Stack, *calls: bytes) -> None:
    stack.produce(b"".join(calls))
    stack.wait()


def taken(stack: Stack, version: int) -> None:
    """Wait until a worker has taken a version."""
    sql = f"SELECT count() FROM v_rule_changes WHERE version = {version}"
    wait_until(lambda: stack.value(sql) in (1, "1"), seconds=60)


def test_published_rules_hold_from_their_moment_on_without_a_restart_and_in_a_replay(
    stack: Stack, tmp_path: Path
) -> None:
    workers = {one["name"]: one["pid"] for one in stack.status()["processes"]}
    produced(stack, call("4711", 0), call("4711", HOUR))
    assert found(stack) == []

    moment = iso_time(BEGINNING)
    said = stack.run("rules", "publish", rule_file(tmp_path, 3), "--from", moment).stdout
    assert f"called_again version 3 judges what begins at {moment} or later" in said
    # What happened before it was published, and since its moment, is judged though nothing comes.
    wait_until(lambda: found(stack) == [(HOUR, 3)], seconds=60)

    from_30h = iso_time(BEGINNING + 30 * HOUR)
    stack.run("rules", "publish", rule_file(tmp_path, 4, ("within: 7d", "within: 24h")), "--from", from_30h)
    taken(stack, 4)
    produced(
        stack,
        call("4712", 0), call("4712", 30 * HOUR - 1),
        call("4713", 0), call("4713", 30 * HOUR),
        call("4714", 6 * HOUR), call("4714", 30 * HOUR),
    )  # fmt: skip
    assert found(stack) == [(HOUR, 3), (30 * HOUR - 1, 3), (30 * HOUR, 4)]

    stack.run("rules", "retire", "called_again", "--from", iso_time(BEGINNING + 40 * HOUR))
    taken(stack, 5)
    produced(stack, call("4715", 0), call("4715", 40 * HOUR - 1), call("4716", 30 * HOUR), call("4716", 40 * HOUR))
    live = [(HOUR, 3), (30 * HOUR - 1, 3), (30 * HOUR, 4)]
    assert found(stack) == live, "4715 called again after more than 24 hours, 4716 after the end of the rule"

    listed = json.loads(stack.run("rules", "published", "--json").stdout)
    assert [(one["version"], one["is_retired"], one["state"]) for one in listed] == [
        (3, False, "taken"), (4, False, "taken"), (5, True, "taken"),
    ]  # fmt: skip
    verified = json.loads(stack.run("verify", "--all", "--json").stdout)
    assert verified["counts"]["unknown_rule"] == verified["counts"]["differs"] == 0
    assert verified["counts"]["equal"] >= len(live)
    assert {one["name"]: one["pid"] for one in stack.status()["processes"]} == workers

    before = without_versions(stack.facts())
    stack.kill("worker")
    _forget_all_tables(stack)
    stack.up()
    wait_until(lambda: found(stack) == live, seconds=120)
    stack.wait()
    assert without_versions(stack.facts()) == before


def _forget_all_tables(stack: Stack) -> None:
    """As after a disk that was lost: the log has to tell everything again."""
    address = clickhouse_address(load_settings(stack.data_dir).clickhouse)
    client = connect(address)
    for table in TABLES:
        if table is not SCHEMA_MIGRATIONS:
            client.execute(f"TRUNCATE TABLE {table.name}")
    client.disconnect()


def test_a_rule_whose_examples_fail_or_whose_version_is_known_is_not_published(stack: Stack, tmp_path: Path) -> None:
    fails = stack.run("rules", "publish", rule_file(tmp_path, 3, ("within: 7d", "within: 23h")), code=1)
    assert "called_again@3: 1 of its 2 examples fail: a second call: expected again, fired nothing" in fails.stderr
    wrong = stack.run("rules", "publish", rule_file(tmp_path, 3, ("within: 7d", "within: soon")), code=1)
    assert "called_again_3.yaml:12:15: patterns[0].sequence.within: 'soon' is no duration" in wrong.stderr
    assert stack.run("rules", "published").stdout == "nothing was published: the shipped rules hold\n"

    stack.run("rules", "publish", rule_file(tmp_path, 3))
    known = stack.run("rules", "publish", rule_file(tmp_path, 3), code=1)
    assert "version 3 of called_again is known already" in known.stderr
    assert "set version: 4 in its file" in known.stderr
    nobody = stack.run("rules", "retire", "called_agian", code=1)
    assert "there is no rule called_agian; there are: " in nobody.stderr
