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
    assert shown[1].strip() == demo.stdout.strip()
