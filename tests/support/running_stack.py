"""A whole local stack of one's own on free ports, driven through the command line as users drive it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from sinks.clickhouse.errors import SchemaMismatch, StoreUnavailable
from sinks.clickhouse.questions import QuestionRefused, ask
from streams.lag import committed_offsets, end_offsets
from streams.settings import load_settings
from streams.stack.local import load_state, status
from streams.store import reading_address
from streams.topics import OUTBOX
from tests.support.deadline import wait_until
from tests.support.processes import REPOSITORY, stopped

FREE_PORTS = tuple(
    word for part in ("kafka", "clickhouse", "clickhouse-http", "door", "page") for word in (f"--{part}-port", "0")
)


class Stack:
    """Runs `journeys` commands against the stack in `data_dir`."""

    def __init__(self, data_dir: Path, environment: Mapping[str, str]) -> None:
        self.data_dir = data_dir
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("JOURNEYS_")},
            "PYTHONPATH": str(REPOSITORY),
            # Whether Apache Kafka was fetched on this machine makes no difference, but where a test says so.
            "XDG_CACHE_HOME": str(data_dir.parent / "cache"),
            **environment,
        }

    def run(
        self, *words: str, stdin: bytes | None = None, code: int | None = 0, within_s: float = 150
    ) -> subprocess.CompletedProcess[str]:
        """Run a command, by default expecting success; `code=None` takes any exit code."""
        done = subprocess.run(  # noqa: PLW1510 - the exit code is judged below
            [sys.executable, "-m", "streams.cli.main", *words, "--data-dir", str(self.data_dir)],
            input=stdin,
            capture_output=True,
            timeout=within_s,
            env=self.environment,
            cwd=self.data_dir.parent,
        )
        result = subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )
        assert code is None or result.returncode == code, (
            f"{words}: {result.returncode}\n{result.stdout}{result.stderr}"
        )
        return result

    def up(self, *options: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        return self.run("up", "--detach", *FREE_PORTS, *options, code=code)

    @contextmanager
    def foreground(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """A command that stays; its output as text in pipes. Ended on leaving, whatever happens."""
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli.main", *words, "--data-dir", str(self.data_dir)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
            cwd=self.data_dir.parent,
        )
        with stopped(process):
            yield process

    def status(self) -> dict[str, Any]:
        """What `journeys status --json` prints, without the process that takes longer than the answer."""
        return status(self.data_dir.resolve())

    def process(self, name: str) -> dict[str, Any]:
        return next(process for process in self.status()["processes"] if process["name"] == name)

    def kill(self, name: str) -> None:
        """SIGKILL one process of this stack, which is gone afterwards."""
        os.kill(self.process(name)["pid"], signal.SIGKILL)
        wait_until(lambda: self.process(name)["state"] == "stopped")

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Rows as `journeys query` prints them, without the process that takes longer than the answer."""
        settings = load_settings(self.data_dir.resolve(), clickhouse=self._clickhouse())
        try:
            answer = ask(reading_address(settings), sql)
        except (QuestionRefused, StoreUnavailable, SchemaMismatch) as error:
            raise AssertionError(f"{sql}: {error}") from error
        return [json.loads(msgspec.json.encode(record, enc_hook=str)) for record in answer.records()]

    def _clickhouse(self) -> str:
        """Where it is; that of another user or database has to be asked by a command."""
        assert not any(name.startswith("JOURNEYS_CLICKHOUSE__DATABASE") for name in self.environment)
        state = load_state(self.data_dir.resolve())
        assert state is not None, f"no stack runs in {self.data_dir}"
        return state.clickhouse

    def value(self, sql: str) -> Any:
        (row,) = self.query(sql)
        (value,) = row.values()
        return value

    def produce(self, lines: bytes, *, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        return self.run("produce", "-", stdin=lines, code=code)

    def wait(self) -> None:
        self.run("wait", "--timeout", "120")

    def wait_until_joined(self) -> None:
        """Wait until whoever tells teams has taken in all that there is to tell; sending may go on for longer."""
        settings = load_settings(self.data_dir.resolve(), clickhouse=self._clickhouse())
        ends = end_offsets(settings.kafka, OUTBOX)
        group = f"{settings.group_prefix}-alerts"
        wait_until(
            lambda: committed_offsets(settings.kafka, group, OUTBOX).items() >= ends.items() or not any(ends.values()),
            seconds=120,
        )

    def counts(self) -> dict[str, int]:
        """Rows of every view that analysts read, and of what was told."""
        views = ("touchpoints", "persons", "sessions", "journeys", "frictions", "effort_postings", "dead_letters")
        columns = ", ".join(f"(SELECT count() FROM v_{view}) AS {view}" for view in views)
        return dict(self.query(f"SELECT {columns}")[0])

    def facts(self) -> dict[str, list[dict[str, Any]]]:
        """Everything the views say about people, but for what names the run."""
        orders = {
            "sessions": "session_id",
            "journeys": "journey_id",
            "frictions": "friction_id",
            "effort_postings": "posting_id",
            "persons": "person_key",
        }
        return {view: self.query(f"SELECT * FROM v_{view} ORDER BY {order}") for view, order in orders.items()}


def without_versions(facts: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Versions count the touchpoints and deadlines behind a row; what a row says must not differ."""
    return {view: [{**row, "version": None} for row in rows] for view, rows in facts.items()}


@contextmanager
def running_stack(folder: Path, *options: str, environment: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """Bring a stack up in a folder, and down in the end whatever happens."""
    stack = Stack(folder / "data", environment or {})
    try:
        stack.up(*options)
        yield stack
    finally:
        stack.run("down", code=None)
