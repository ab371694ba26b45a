"""`journeys verify` and `journeys backtest` on a real stack: what is live follows from what is stored, row for row."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.generated import generated
from tests.support.logs import log_file
from tests.support.running_stack import Stack

pytestmark = pytest.mark.stack


def backtested(stack: Stack, *options: str) -> dict[str, Any]:
    """Report over all days that have frictions, and the day before and after them."""
    (days,) = stack.query(
        "SELECT toDate(min(anchor_at)) - 1 AS first, toDate(max(anchor_at)) + 1 AS last FROM v_frictions"
    )
    words = ("backtest", "--from", days["first"], "--to", days["last"], "--json", *options)
    report: dict[str, Any] = json.loads(stack.run(*words, within_s=600).stdout)
    return report


def assert_all_follows(stack: Stack) -> Mapping[str, Any]:
    """Every friction is equal when it is verified, and the live rules find these and no others."""
    by_variant = stack.query("SELECT rule_id, variant, count() AS frictions FROM v_frictions GROUP BY ALL ORDER BY ALL")
    live = {(row["rule_id"], row["variant"]): int(row["frictions"]) for row in by_variant}
    verified = json.loads(stack.run("verify", "--all", "--json", within_s=600).stdout)
    assert verified["frictions"] == []
    assert verified["counts"] == {"equal": sum(live.values()), "differs": 0, "due": 0, "unknown_rule": 0}

    report = backtested(stack)
    assert report["examples"] == []
    rows = {(row["rule_id"], row["variant"]): row for row in report["rules"] if row["variant"]}
    assert {names: row["same"] for names, row in rows.items()} == live
    for row in rows.values():
        assert row["live"] == row["tested"] == row["same"]
        assert row["added"] == row["gone"] == row["changed"] == 0
    minutes = stack.value("SELECT sum(minutes) FROM v_frictions")
    assert sum(row["live"] for row in report["minutes"]) == pytest.approx(minutes)
    return report


def settle(stack: Stack) -> None:
    for _ in range(3):
        stack.run("wait", "--timeout", "900", within_s=920)


@pytest.mark.long
@pytest.mark.timeout(2400)
def test_what_is_live_follows_from_the_touchpoints_and_what_is_planted_is_found(stack: Stack, tmp_path: Path) -> None:
    truth = generated(tmp_path, "--identities", persons=30, events=400, seed=8)
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines(keepends=True)
    # Backwards and in two parts: what is found in the first is changed and withdrawn in the second.
    for part in (lines[::-1][: len(lines) // 2], lines[::-1][len(lines) // 2 :]):
        stack.produce(b"".join(part))
        settle(stack)
    withdrawn = "SELECT count() FROM (SELECT max(is_deleted) AS was FROM frictions GROUP BY friction_id HAVING was)"
    assert stack.value(withdrawn) > 0
    assert stack.value("SELECT count() FROM v_person_identifiers WHERE person_key != identifier") > 0
    report = assert_all_follows(stack)
    assert sum(row["live"] for row in report["alerts"]) == stack.value("SELECT countIf(is_alertable) FROM v_frictions")

    labels = tmp_path / "labels.csv"
    with labels.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("touchpoint", "rule_id", "variant"))
        for planted in truth["frictions"]:
            anchor = f"default/{planted['anchor']['source']}/{planted['anchor']['id']}"
            writer.writerow((anchor, planted["rule_id"], planted["variant"]))
    agreed = backtested(stack, "--labels", str(labels))
    assert {(row["precision"], row["recall"]) for row in agreed["labels"]} == {(1.0, 1.0)}
    assert sum(row["labels"] for row in agreed["labels"]) == len(truth["frictions"])
    assert agreed["labels_about_nobody"] == []

    stack.run("erase", truth["people"][0]["identities"][0], "--yes")
    settle(stack)
    assert stack.run("erasures").stdout != "nobody asked to be forgotten\n"
    assert_all_follows(stack)


@pytest.mark.logs
@pytest.mark.timeout(2400)
def test_what_is_live_of_the_real_log_follows_from_its_touchpoints(stack: Stack) -> None:
    log = log_file("callcenter/callcenter.csv.gz")
    summary = json.loads(stack.run("import", str(log), "--mapping", "callcenter", "--json").stdout)
    assert summary["refused"] == 0
    settle(stack)
    report = assert_all_follows(stack)
    assert report["without_data"]["channel_redirect"] == ["contact.redirected"]
    assert "repeat_contact" not in report["without_data"]
