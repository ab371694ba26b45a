"""A ClickHouse engine of one's own, as a process on loopback."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.processes import REPOSITORY, first_line, stopped

_READY = re.compile(r"^ready native=\S+:(?P<native>\d+) http=\S+:(?P<http>\d+)$")


class ClickHousePorts(NamedTuple):
    """Where the engine listens on 127.0.0.1."""

    native: int
    http: int


def start_clickhouse(data_dir: Path, *options: str) -> tuple[subprocess.Popen[str], ClickHousePorts]:
    """Start the engine on free ports and wait until it accepts; the caller ends the process."""
    command = [sys.executable, "-m", "deploy.local.clickhouse", "--data-dir", str(data_dir), "--native-port", "0"]
    process = subprocess.Popen(
        [*command, "--http-port", "0", *options], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    ready = _READY.match(first_line(process))
    assert ready is not None
    return process, ClickHousePorts(int(ready["native"]), int(ready["http"]))


@contextmanager
def running_clickhouse(data_dir: Path) -> Iterator[ClickHousePorts]:
    """Run the engine over ``data_dir`` and yield its ports; on leaving it is asked to stop, and made to after 20 s."""
    process, ports = start_clickhouse(data_dir)
    with stopped(process):
        yield ports
