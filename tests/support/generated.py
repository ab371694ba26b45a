"""Generated data in a folder, made through the command line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.processes import REPOSITORY


def generated(folder: Path, *, persons: int = 150, events: int = 4000, seed: int = 3) -> dict[str, Any]:
    """Write `events.jsonl` and `truth.json` into a folder; returns the truth."""
    numbers = ("--persons", str(persons), "--events", str(events), "--seed", str(seed))
    command = [sys.executable, "-m", "streams.cli.main", "generate", *numbers, "--out", str(folder / "events.jsonl")]
    subprocess.run(command, check=True, capture_output=True, cwd=REPOSITORY)
    truth: dict[str, Any] = json.loads((folder / "truth.json").read_text())
    return truth
