from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.running_stack import Stack, running_stack


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack for one test."""
    with running_stack(tmp_path) as running:
        yield running
