"""The README shows what the demo prints."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.processes import REPOSITORY

pytestmark = pytest.mark.stack

#: Answers are due in opening hours, so what is judged of them differs by which of the days are weekends and holidays.
BY_WEEKDAY = (
    (re.compile(r"(?<=journeys with )\d+(?= frictions\.)"), "#"),
    (re.compile(r"(?<=other patterns found )\d+(?= more)"), "#"),
    (re.compile(r"^((?:unanswered_contact +unanswered|effort_budget_exceeded +exceeded) ).*$", re.MULTILINE), r"\1"),
    (re.compile(r"^(email  +)[a-z-]+ +(?=1 )", re.MULTILINE), r"\1#"),
)
SHOWN = re.compile(r"<!-- demo output -->\n```text\n(.*?)```\n<!-- end demo output -->", re.DOTALL)


def test_the_demo_prints_what_the_readme_shows_and_leaves_nothing_behind(tmp_path: Path) -> None:
    demo = subprocess.run(
        [sys.executable, "-m", "streams.cli.main", "demo"],
        capture_output=True, text=True, cwd=REPOSITORY, timeout=180, check=False,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert demo.returncode == 0, demo.stderr
    assert list(tmp_path.iterdir()) == []
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not any(str(tmp_path) in word for words in commands for word in words)
    assert "50 frictions were planted: 50 found, 0 missed, 0 found that were not planted." in demo.stdout
    shown = SHOWN.search((REPOSITORY / "README.md").read_text(encoding="utf-8"))
    assert shown is not None
    assert on_any_day(shown[1]) == on_any_day(demo.stdout)


def on_any_day(text: str) -> str:
    for varying, mark in BY_WEEKDAY:
        text, changed = varying.subn(mark, text)
        assert changed, varying.pattern
    return text.strip()
