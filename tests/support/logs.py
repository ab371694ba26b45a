"""Real event logs: they may not be part of this repository, so tests that need them skip without."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data"


def log_file(name: str) -> Path:
    """Path of a log, e.g. `callcenter/callcenter.csv.gz`; the test is skipped when it is not there."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"the log {name} is not in ../shared/data")
    return path
