"""`journeys rules`: what it prints, and how it ends."""

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from processors.friction.catalogue import definitions
from streams.cli.main import app
from tests.support.rule_files import CALLED_AGAIN, STATUS_CHASING, changed

SECOND_CALL = "{at: 24h, kind: contact.started, thread_id: b}"
SEQUENCE = """sequence:
      first: {kind: contact.started}
      then: {kind: contact.started}
      within: 7d
"""
UNANSWERED = """absence:
      after: {kind: message.received}
      expected: {kind: message.sent}
      within: 1h
      clock: business
"""
CALLS = """      - {at: 0h, kind: contact.started, thread_id: a}
      - {at: 24h, kind: contact.started, thread_id: b}
"""
#: Answered after two hours, of a Monday night.
LETTER = """      - {at: 12h, kind: message.received, channel: letter}
      - {at: 14h, kind: message.sent, channel: letter, actor: agent, direction: outbound}
"""
CALENDARS = "calendars:\n  always: {}\notherwise: always\n"


def journeys(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["rules", *map(str, arguments)])


def rule_file(folder: Path, text: str, name: str = "rule.yaml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_list_names_the_rules_of_a_folder_in_the_order_of_the_catalogue(tmp_path: Path) -> None:
    rule_file(tmp_path, CALLED_AGAIN, "a.yaml")
    rule_file(tmp_path, STATUS_CHASING, "b.yml")
    rule_file(tmp_path, "no rule", "c.txt")
    result = journeys("list", "--dir", tmp_path)
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()[1:]] == [
        ["status_chasing", "F20", "The", "customer", "has", "to", "ask", "where", "it", "is", "1", "count", "1"],
        ["called_again", "The", "customer", "calls", "again", "3", "sequence", "2", "desk", "shadow"],
    ]
    assert json.loads(journeys("list", "--dir", tmp_path, "--json").stdout)[1] == {
        "id": "called_again",
        "catalogue": "",
        "title": "The customer calls again",
        "version": 3,
        "classes": ["sequence"],
        "bases": [2],
        "owner": "desk",
        "shadow": True,
    }


def test_list_knows_the_shipped_rules() -> None:
    shipped = json.loads(journeys("list", "--json").stdout)
    assert [rule["id"] for rule in shipped] == [definition.id for definition in definitions()]


def test_show_tells_a_rule_in_plain_words(tmp_path: Path) -> None:
    rule_file(tmp_path, STATUS_CHASING)
    result = journeys("show", "status_chasing", "--dir", tmp_path)
    assert result.exit_code == 0
    assert "at least 3 page.viewed or screen.viewed with reason status on one matter within 24 h" in result.stdout
    shown = json.loads(journeys("show", "status_chasing", "--dir", tmp_path, "--json").stdout)
    assert shown["patterns"][0]["count"]["within"] == 86_400_000


def test_show_says_which_rules_there_are(tmp_path: Path) -> None:
    rule_file(tmp_path, STATUS_CHASING)
    result = journeys("show", "status_chase", "--dir", tmp_path)
    assert result.exit_code == 1
    said = "error: there is no rule status_chase (did you mean status_chasing?); there are: status_chasing\n"
    assert result.stderr == said


def test_check_names_every_problem_of_every_file(tmp_path: Path) -> None:
    good = rule_file(tmp_path, CALLED_AGAIN, "good.yaml")
    bad = rule_file(tmp_path, changed(STATUS_CHASING, ("version: 1", "version: 0"), ("matter", "mater")), "bad.yaml")
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"id: \xe9")
    result = journeys("check", good, bad, latin)
    assert (result.exit_code, result.stdout) == (1, "")
    lines = result.stderr.splitlines()
    assert lines[0] == f"{latin}:1:1: is not text in UTF-8"
    assert lines[1] == f"{bad}:4:10: version: must be at least 1"
    assert lines[2].startswith(f"{bad}:12:12: patterns[0].count.per: 'mater' is none of person, matter")
    assert lines[3] == "3 problems"
    problems = json.loads(journeys("check", good, bad, "--json").stdout)["problems"]
    assert problems[0] == {
        "source": str(bad), "line": 4, "column": 10, "path": "version", "problem": "must be at least 1",
    }  # fmt: skip


def test_check_is_content_with_what_is_right(tmp_path: Path) -> None:
    file = rule_file(tmp_path, STATUS_CHASING)
    result = journeys("check", file)
    assert (result.exit_code, result.stdout) == (0, "1 rule as it should be: status_chasing\n")
    assert json.loads(journeys("check", file, "--json").stdout) == {"rules": ["status_chasing"], "problems": []}
    assert journeys("check").exit_code == 0


def test_an_empty_folder_is_a_problem_and_no_success(tmp_path: Path) -> None:
    result = journeys("check", "--dir", tmp_path)
    assert result.exit_code == 1
    assert f"{tmp_path}:1:1: has no rule files, which end in .yaml or .yml" in result.stderr


def test_a_file_that_is_not_there_is_a_wrong_command(tmp_path: Path) -> None:
    assert journeys("check", tmp_path / "none.yaml").exit_code == 2


def test_test_runs_the_examples(tmp_path: Path) -> None:
    result = journeys("test", rule_file(tmp_path, CALLED_AGAIN))
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        [
            "ok     called_again: a second call",
            "ok     called_again: one call is none",
            "2 examples of 1 rule, 0 failed",
        ],
    )


def test_test_says_what_kept_an_example_silent(tmp_path: Path) -> None:
    agreed = SECOND_CALL.replace("}", ", reason: scheduled}")
    file = rule_file(tmp_path, changed(CALLED_AGAIN, (SECOND_CALL, agreed)))
    result = journeys("test", file)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "FAILED called_again: a second call",
        "         expected again, fired nothing",
        "         kept silent by a guard, for which this must hold: it was not agreed",
        "ok     called_again: one call is none",
        "2 examples of 1 rule, 1 failed",
    ]
    failed, _ = json.loads(journeys("test", file, "--json").stdout)
    assert failed == {
        "rule": "called_again", "example": "a second call", "passed": False, "expected": ["again"], "fired": [],
        "checks": [], "objecting": ["it was not agreed"],
    }  # fmt: skip


def test_test_says_which_checks_made_an_example_fire(tmp_path: Path) -> None:
    one = "touchpoints:\n      - {at: 0h, kind: contact.started, thread_id: a}\n"
    text = changed(
        CALLED_AGAIN, ("one call is none\n    " + one, "one call is none\n    " + one + f"      - {SECOND_CALL}\n")
    )
    result = journeys("test", "--dir", rule_file(tmp_path, text).parent)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1:] == [
        "FAILED called_again: one call is none",
        "         expected nothing, fired again",
        "         again: gap 24 h (at most 7 d) holds",
        "         again: agreed reason absent (it was not agreed) holds",
        "         again: brief active_ms absent (it took more than a second) holds",
        "2 examples of 1 rule, 1 failed",
    ]


def test_test_says_why_no_rule_can_be_made_of_a_file(tmp_path: Path) -> None:
    file = rule_file(
        tmp_path, changed(CALLED_AGAIN, ("sentence_en: A second call.", 'sentence_en: "A {second} call."'))
    )
    result = journeys("test", file)
    assert result.exit_code == 1
    failed, summary = result.stdout.splitlines()
    assert failed.startswith("FAILED called_again: ")
    assert "{second}" in failed
    assert summary == "0 examples of 1 rule, 1 failed"


def test_test_takes_calendars_of_ones_own(tmp_path: Path) -> None:
    file = rule_file(tmp_path, changed(CALLED_AGAIN, (SEQUENCE, UNANSWERED), (CALLS, LETTER)))
    hours = rule_file(tmp_path, CALENDARS, "hours.txt")
    assert journeys("test", file, "--calendars", hours).exit_code == 0
    assert "expected again, fired nothing" in journeys("test", file).stdout
    rule_file(tmp_path, CALENDARS.replace("always\n", "never\n"), "hours.txt")
    result = journeys("test", file, "--calendars", hours)
    assert (result.exit_code, result.stderr.splitlines()[0]) == (
        1,
        f"{hours}:3:12: there is no calendar 'never'; there are always",
    )
