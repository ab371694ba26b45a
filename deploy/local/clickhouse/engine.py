"""The embedded ClickHouse engine: one per process and data directory, one handle per connection."""

import fcntl
import re
from collections.abc import Generator
from pathlib import Path
from typing import IO, Protocol

import chdb.state.sqlitelike as chdb_state

from deploy.local.starting import EXIT_DATA_DIR, StartError

UNKNOWN_EXCEPTION = 1002

# "Code: 47. DB::Exception: text. (NAME)"; an error raised while another is prepared carries the head twice.
_ERROR_HEAD = re.compile(r"^(?:Streaming query failed: )?(?:Code: (?P<code>\d+)\. DB::Exception: )+")
# The engine's own defaults suit a shell: there `1 + 1` is a statement, and addresses can be looked up in the binary.
_SERVER_DEFAULTS = "SET implicit_select = 0, allow_introspection_functions = 0"
_NO_STREAM = "Streaming query is not supported for query"


class EngineError(Exception):
    """A statement the engine refused, with ClickHouse's own error code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    @classmethod
    def read(cls, error: BaseException) -> "EngineError":
        """Read code and text from what chdb raised."""
        text = str(error)
        head = _ERROR_HEAD.match(text)
        if head is None:
            return cls(UNKNOWN_EXCEPTION, text)
        return cls(int(head["code"]), text[head.end() :])


class _Result(Protocol):
    def bytes(self) -> bytes:
        """Return the output, or one piece of it."""


class _Stream(Protocol):
    def fetch(self) -> _Result | None:
        """Return the next piece of output."""

    def close(self) -> None:
        """End the query."""


class Handle:
    """One connection into the engine, with a current database and settings of its own. Used by one thread."""

    def __init__(self, path: str) -> None:
        try:
            self._connection = chdb_state.Connection(path)
        except RuntimeError as error:
            raise EngineError.read(error) from error
        self.run(_SERVER_DEFAULTS)

    def run(self, sql: str, output_format: str = "Native", params: dict[str, str] | None = None) -> bytes:
        """Run one statement to its end and return its whole output.

        Raises:
            EngineError: the engine refused it.

        """
        try:
            return bytes(self._connection.query(sql, output_format, params=params or {}).bytes())
        except RuntimeError as error:
            raise EngineError.read(error) from error

    def blocks(self, sql: str) -> Generator[bytes] | None:
        """Run a SELECT and yield its Native blocks, one at a time; ``None`` when the statement is no SELECT.

        Until the iterator is exhausted or closed the handle answers nothing else.

        Raises:
            EngineError: the engine refused the statement, here or at any block.

        """
        try:
            stream = self._connection.send_query(sql, "Native")
        except RuntimeError as error:
            if _NO_STREAM in str(error):
                return None
            raise EngineError.read(error) from error
        return _drain(stream)

    def is_single_read(self, sql: str) -> bool | None:
        """Ask the engine's parser whether ``sql`` is one statement that only reads; ``None`` when it is no SQL."""
        answer = self._connection._conn.classify_query(sql)
        if not answer["statement_count"]:
            return None
        return bool(answer["query_class"].name == "READ_ONLY" and answer["statement_count"] == 1)

    def insert(self, target: str, settings: str, rows: IO[bytes]) -> None:
        """Write the Native blocks in a file of the operating system.

        The engine's own way to take blocks piece by piece (``send_insert``) is not used: in 26.9 it reports success
        when the rows were refused after parsing, by a constraint or for their number of partitions.

        Args:
            target: the statement up to, without, SETTINGS, VALUES or FORMAT.
            settings: its SETTINGS clause, or nothing.
            rows: whole blocks, flushed; read from the beginning.

        Raises:
            EngineError: nothing was written, or, of more rows than fit in a part, not all.

        """
        rows.seek(0)  # where /dev/fd duplicates instead of opening anew, the position comes along
        self.run(f"{target} FROM INFILE '/dev/fd/{rows.fileno()}' {settings} FORMAT Native")

    def close(self) -> None:
        """Give the handle back."""
        self._connection.close()


def _drain(stream: _Stream) -> Generator[bytes]:
    try:
        while True:
            try:
                piece = stream.fetch()
            except RuntimeError as error:
                raise EngineError.read(error) from error
            block = bytes(piece.bytes()) if piece is not None else b""
            if not block:
                return
            yield block
    finally:
        stream.close()


def _why_not_opened(data_dir: Path, error: OSError | EngineError) -> str:
    # The engine itself only says that it failed. It keeps an advisory lock on this file while it runs.
    status = data_dir / "status"
    try:
        with status.open("rb+") as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = re.search(r"PID: (\d+)", status.read_text())
        return (
            f"the data directory {data_dir} is in use by process {owner[1] if owner else 'unknown'}: only one can use "
            "it at a time. Stop that one, or choose another directory with --data-dir"
        )
    except OSError:
        pass  # not held by anyone: the engine's own words are all there is
    return f"cannot open the data directory {data_dir}: {error}"


class Engine:
    """The engine over one data directory. Thread-safe."""

    def __init__(self, data_dir: Path) -> None:
        """Open the directory, made when it is missing.

        Raises:
            StartError: it cannot be opened.

        """
        self.data_dir = data_dir.absolute()
        self._path = str(self.data_dir)
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            # The engine lives as long as a handle is open: this one keeps it from restarting between connections.
            self._keeper = Handle(self._path)
        except (OSError, EngineError) as error:
            raise StartError(EXIT_DATA_DIR, _why_not_opened(data_dir, error)) from error
        version = self._keeper.run("SELECT version()", "TSVRaw").decode().strip()
        major, minor, patch, *_ = (int(part) for part in version.split("."))
        self.timezone = self._keeper.run("SELECT timezone()", "TSVRaw").decode().strip()
        self.version = (major, minor, patch)

    def handle(self) -> Handle:
        """Open a handle with the engine's default settings."""
        return Handle(self._path)

    def close(self) -> None:
        """Close the engine once all other handles are closed."""
        self._keeper.close()
