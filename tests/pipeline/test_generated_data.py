"""From generated touchpoints to what analysts read: all that is planted is found, and of its rules nothing else."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from processors.friction.catalogue import rule_ids
from tests.support.generated import generated, of_planted_rules, true_persons
from tests.support.running_stack import Stack, without_versions

pytestmark = pytest.mark.stack

FOUND = """
SELECT rule_id, variant, status, is_alertable, silenced_by, toUnixTimestamp64Milli(anchor_at) AS at,
    evidence_touchpoints FROM v_frictions
"""


def as_found(row: dict[str, Any]) -> tuple[Any, ...]:
    return (row["rule_id"], row["variant"], row["status"], row["is_alertable"], row["silenced_by"] or None, row["at"])


def found_rows(stack: Stack, truth: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in of_planted_rules(stack.query(FOUND), truth)]


def found_frictions(stack: Stack, truth: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [as_found(row) for row in found_rows(stack, truth)]


def as_planted(friction: dict[str, Any]) -> tuple[Any, ...]:
    names = ("rule_id", "variant", "status", "alertable", "silenced_by", "anchor_at")
    return tuple(friction[name] for name in names)


def planted_frictions(truth: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [as_planted(friction) for friction in truth["frictions"]]


def test_what_is_planted_is_found_and_nothing_else_and_sending_twice_changes_nothing(
    stack: Stack, tmp_path: Path
) -> None:
    truth = generated(tmp_path)
    lines = (tmp_path / "events.jsonl").read_bytes()
    stack.produce(lines)
    stack.wait()

    assert sorted(found_frictions(stack, truth), key=str) == sorted(planted_frictions(truth), key=str)
    for row in found_rows(stack, truth):
        (planted,) = [
            friction
            for friction in truth["frictions"]
            if (friction["rule_id"], friction["anchor_at"]) == (row["rule_id"], row["at"])
            and f"default/{friction['anchor']['source']}/{friction['anchor']['id']}" in row["evidence_touchpoints"]
        ]
        assert planted["variant"] == row["variant"]
    counts = stack.counts()
    assert counts["touchpoints"] == truth["totals"]["touchpoints"]
    assert counts["dead_letters"] == 0
    facts = stack.facts()
    stack.wait_until_joined()
    told = stack.value("SELECT count() FROM v_alerts")
    assert told > 0

    stack.produce(lines)
    stack.wait()
    assert stack.counts() == counts
    assert without_versions(stack.facts()) == without_versions(facts)
    stack.wait_until_joined()
    assert stack.value("SELECT count() FROM v_alerts") == told


def test_every_rule_finds_what_is_planted_of_its_examples(stack: Stack, tmp_path: Path) -> None:
    truth = generated(tmp_path, "--catalogue", persons=410, events=2000)
    stack.produce((tmp_path / "events.jsonl").read_bytes())
    stack.wait()

    rule_of = {example["person"]: example["rule_id"] for example in truth["examples"]}
    lines = map(json.loads, (tmp_path / "events.jsonl").read_text().splitlines())
    persons = {f"default/{line['source']}/{line['id']}": line["identities"][0] for line in lines}
    found = [(persons[row["evidence_touchpoints"][0]], *as_found(row)) for row in stack.query(FOUND)]
    found = [friction for friction in found if rule_of.get(friction[0]) == friction[1]]
    planted = [(row["person"], *as_planted(row)) for row in truth["frictions"] if row["person"] in rule_of]
    assert {friction[1] for friction in planted} == set(rule_ids())
    assert sorted(found, key=str) == sorted(planted, key=str)


def found_persons(stack: Stack) -> set[frozenset[str]]:
    rows = stack.query("SELECT groupArray(touchpoint_key) AS touchpoints FROM v_touchpoints GROUP BY person_key")
    return {frozenset(row["touchpoints"]) for row in rows}


@pytest.mark.parametrize(
    "is_shuffled",
    [
        pytest.param(False, id="as sent", marks=pytest.mark.long),
        pytest.param(True, id="shuffled", marks=pytest.mark.long),
    ],
)
def test_people_of_many_names_are_one_person_each_whatever_the_order(
    stack: Stack, tmp_path: Path, *, is_shuffled: bool
) -> None:
    truth = generated(tmp_path, "--identities", persons=70, events=1500, seed=5)
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines(keepends=True)
    if is_shuffled:
        Random(5).shuffle(lines)
    stack.produce(b"".join(lines))
    stack.wait()

    persons = true_persons(tmp_path, truth)
    assert len(persons) == truth["totals"]["persons"]
    assert found_persons(stack) == persons
    assert sorted(found_frictions(stack, truth), key=str) == sorted(planted_frictions(truth), key=str)
    counts = stack.counts()
    assert counts["persons"] == len(persons)
    assert counts["touchpoints"] == truth["totals"]["touchpoints"]
    strangers = """
        SELECT count() FROM (
            SELECT person_key FROM v_sessions UNION ALL SELECT person_key FROM v_journeys
            UNION ALL SELECT person_key FROM v_frictions UNION ALL SELECT person_key FROM v_persons
        ) WHERE person_key NOT IN (SELECT person_key FROM v_touchpoints)
    """
    assert stack.value(strangers) == 0
    assert stack.value("SELECT countIf(is_placeholder) FROM v_person_identifiers") == 1
    facts = stack.facts()

    stack.produce(b"".join(lines[::-1]))
    stack.wait()
    assert stack.counts() == counts
    assert without_versions(stack.facts()) == without_versions(facts)
