"""Processes under test: started from the repository, awaited by what they print, ended by what tests expect."""

import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
START_SECONDS = 60
STOP_SECONDS = 20


def first_line(process: subprocess.Popen[str]) -> str:
    """Return the first line of standard output; the process is killed when none comes."""
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], START_SECONDS)
    line = process.stdout.readline().rstrip("\n") if readable else ""
    if not line:
        process.kill()
        process.wait()
        message = f"{process.args!r} printed nothing and ended with {process.returncode}"
        raise AssertionError(message)
    return line


@contextmanager
def stopped(process: subprocess.Popen[str]) -> Iterator[None]:
    """End the process on leaving: SIGTERM first, SIGKILL when that is not enough."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
