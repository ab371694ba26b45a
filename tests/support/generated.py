"""Generated data in a folder, made through the command line, and who is who in it."""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from schemas.identities import usable_identities
from tests.support.processes import REPOSITORY


class TrueOwners:
    """Whose touchpoints are, by the truth alone: persons are named by the first of their raw identities."""

    def __init__(self, people: Iterable[Iterable[str]], placeholders: Iterable[str]) -> None:
        self._names = {identity: next(iter(person)) for person in map(list, people) for identity in person}
        self._placeholders = frozenset(placeholders)

    def of(self, identities: Iterable[str]) -> str:
        """Person of a touchpoint with these raw identities: the owner of the strongest that is somebody's."""
        strongest_first = [":".join(parts) for parts in usable_identities(identities)]
        home = next(identity for identity in strongest_first if identity not in self._placeholders)
        return self._names.get(home, home)


def true_persons(folder: Path, truth: Mapping[str, Any]) -> set[frozenset[str]]:
    """Touchpoints of every person, as tenant/source/id, from the lines and the truth in a folder."""
    owners = TrueOwners((person["identities"] for person in truth["people"]), truth["placeholders"])
    persons: dict[str, set[str]] = {}
    with (folder / "events.jsonl").open() as lines:
        for line in map(json.loads, lines):
            persons.setdefault(owners.of(line["identities"]), set()).add(f"default/{line['source']}/{line['id']}")
    return {frozenset(keys) for keys in persons.values()}


def generated(folder: Path, *options: str, persons: int = 150, events: int = 4000, seed: int = 3) -> dict[str, Any]:
    """Write `events.jsonl` and `truth.json` into a folder; returns the truth."""
    numbers = ("--persons", str(persons), "--events", str(events), "--seed", str(seed), *options)
    command = [sys.executable, "-m", "streams.cli.main", "generate", *numbers, "--out", str(folder / "events.jsonl")]
    subprocess.run(command, check=True, capture_output=True, cwd=REPOSITORY)
    truth: dict[str, Any] = json.loads((folder / "truth.json").read_text())
    return truth


def of_planted_rules(rows: Iterable[Mapping[str, Any]], truth: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Frictions of the rules that a truth is complete about: everyday life holds some of others."""
    rules = {friction["rule_id"] for friction in truth["frictions"]}
    return [row for row in rows if row["rule_id"] in rules]
