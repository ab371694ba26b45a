"""The native port: what a ClickHouse server does for clickhouse-driver, done with engine handles.

The worker and the migrator write through it. Whoever says hello as user ``reader`` gets the readers' lock instead.
"""

import logging
import socket
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from tempfile import TemporaryFile
from typing import IO

from deploy.local.clickhouse.blocks import BlockHead, UnreadableBlockError, split_blocks
from deploy.local.clickhouse.engine import Engine, EngineError, Handle
from deploy.local.clickhouse.reading import ReadLimits, lock, refuse_unless_reading
from deploy.local.clickhouse.statements import DataInsert, quoted, quoted_name, read_data_insert, without_format
from deploy.local.clickhouse.wire import (
    NOT_IMPLEMENTED,
    UNEXPECTED_PACKET_FROM_CLIENT,
    FromClient,
    ProtocolError,
    Query,
    Wire,
    unexpected,
)

READER = "reader"

NO_SUCH_COLUMN_IN_TABLE = 16
UNKNOWN_SETTING = 115
NOT_ENOUGH_SPACE = 243
SUPPORT_IS_DISABLED = 344

_NOT_INSERTABLE = frozenset({"MATERIALIZED", "ALIAS"})

logger = logging.getLogger(__name__)


class Session:
    """One client connection, served by one thread from hello to hang-up."""

    def __init__(self, connection: socket.socket, engine: Engine, limits: ReadLimits) -> None:
        self._engine = engine
        self._limits = limits
        self._wire = Wire(connection)
        self._is_reader = False
        self.is_busy = False  # read by the thread that shuts down

    def serve(self) -> None:
        """Answer packets until the client hangs up or breaks the protocol."""
        try:
            with closing(self._engine.handle()) as handle:
                if self._welcome(handle):
                    self._answer_packets(handle)
        except (EOFError, OSError):
            logger.debug("client hung up")
        except (ProtocolError, UnicodeDecodeError) as error:
            code = error.code if isinstance(error, ProtocolError) else UNEXPECTED_PACKET_FROM_CLIENT
            logger.warning("connection closed: %s", error)
            self._say_last(code, f"{error}; the connection is closed")

    def _welcome(self, handle: Handle) -> bool:
        if self._wire.read_packet_type() != FromClient.HELLO:
            message = "the first packet was no hello; is this client meant for the HTTP port?"
            raise ProtocolError(UNEXPECTED_PACKET_FROM_CLIENT, message)
        hello = self._wire.read_hello()
        try:
            if hello.database:
                handle.run(f"USE {quoted_name(hello.database)}")
            if hello.user == READER:
                lock(handle, self._limits)
                self._is_reader = True
        except EngineError as error:
            self._wire.send_exception(error.code, error.text)
            return False
        self._wire.send_hello(self._engine.version, self._engine.timezone)
        return True

    def _answer_packets(self, handle: Handle) -> None:
        while True:
            match self._wire.read_packet_type():
                case FromClient.PING:
                    self._wire.send_pong()
                case FromClient.QUERY:
                    self.is_busy = True
                    self._answer_query(handle, self._wire.read_query())
                    self.is_busy = False
                case FromClient.CANCEL:
                    pass  # it came after the end of its query
                case packet:
                    raise unexpected(packet)

    def _answer_query(self, handle: Handle, query: Query) -> None:
        if query.is_compressed:
            message = "compression is not offered here: connect with compression=False"
            raise ProtocolError(SUPPORT_IS_DISABLED, message)
        has_external_tables = self._read_external_tables()
        try:
            if has_external_tables:
                raise EngineError(NOT_IMPLEMENTED, "external tables are not offered here. (NOT_IMPLEMENTED)")
            if self._is_reader or query.settings.get("readonly", "0") != "0":
                refuse_unless_reading(handle, query.sql)
            if self._is_reader:
                self._send_result(handle, query.sql)  # settings of the client would be refused, and are left out
            else:
                with _settings_of(query, handle):
                    self._run(handle, query.sql)
        except EngineError as error:
            self._wire.send_exception(error.code, error.text)
        else:
            self._wire.send_end()

    def _run(self, handle: Handle, sql: str) -> None:
        insert = read_data_insert(sql)
        if insert is None:
            self._send_result(handle, sql)
        else:
            self._receive_rows(handle, insert)

    def _read_external_tables(self) -> bool:
        has_tables = False
        while True:
            data = self._wire.read_data()
            if not data.table and not data.head.columns:
                return has_tables
            has_tables = True

    def _send_result(self, handle: Handle, sql: str) -> None:
        sql = without_format(sql)
        stream = handle.blocks(sql)
        if stream is not None:
            self._send_stream(handle, sql, stream)
            return
        # Clients take names and types from a first block without rows, as a server sends it.
        for position, (head, block) in enumerate(_split(handle.run(sql))):
            if position == 0:
                self._wire.send_header(head.columns)
            self._wire.send_block(block)

    def _send_stream(self, handle: Handle, sql: str, stream: Generator[bytes]) -> None:
        is_empty = True
        with closing(stream):
            for block in stream:
                if self._wants_to_stop():
                    return
                if is_empty:
                    is_empty = False
                    ((head, _),) = _split(block)
                    self._wire.send_header(head.columns)
                self._wire.send_block(block)
        if is_empty:
            # The engine says nothing of a result without rows.
            subquery = sql.rstrip(" \t\r\n;")
            self._wire.send_header([(name, kind) for name, kind, _ in _described(handle, f"({subquery}\n)")])

    def _wants_to_stop(self) -> bool:
        if not self._wire.has_input():
            return False
        packet = self._wire.read_packet_type()
        if packet != FromClient.CANCEL:
            raise unexpected(packet)
        return True

    def _receive_rows(self, handle: Handle, insert: DataInsert) -> None:
        columns = _insert_columns(handle, insert)
        try:
            # Without a name, so that nothing is left of it when this process is killed.
            rows = TemporaryFile(dir=self._engine.data_dir)  # noqa: SIM115  # closed below
        except OSError as error:
            raise _no_space(error) from error
        try:
            self._wire.send_header(columns)
            row_count = self._keep_rows(rows)
            # Only now does the engine hear of it: of a client that is cut off before, nothing is stored.
            if row_count:
                handle.insert(insert.target, insert.settings, rows)
        finally:
            # What the disk did not take is offered to it once more, and refused again.
            with suppress(OSError):
                rows.close()

    def _keep_rows(self, rows: IO[bytes]) -> int:
        """Write the blocks that come into a file and return how many rows they have."""
        row_count = 0
        failure: OSError | None = None
        while (data := self._wire.read_data()).head.columns:
            # After a failure the rest is read and dropped: a client that is still sending would not hear of it.
            if not data.head.rows or failure is not None:
                continue
            row_count += data.head.rows
            try:
                rows.write(data.block)
                rows.flush()
            except OSError as error:
                failure = error
        if failure is not None:
            raise _no_space(failure) from failure
        return row_count

    def _say_last(self, code: int, text: str) -> None:
        try:
            self._wire.send_exception(code, text)
        except OSError:
            logger.debug("client hung up before it could be told")


def _no_space(error: OSError) -> EngineError:
    return EngineError(NOT_ENOUGH_SPACE, f"the rows could not be kept: {error.strerror}. (NOT_ENOUGH_SPACE)")


def _split(output: bytes) -> list[tuple[BlockHead, bytes]]:
    try:
        return list(split_blocks(output))
    except UnreadableBlockError as error:
        raise EngineError(NOT_IMPLEMENTED, f"{error}. (NOT_IMPLEMENTED)") from error


@contextmanager
def _settings_of(query: Query, handle: Handle) -> Iterator[None]:
    """Let the settings of a query hold for it alone, on a handle that keeps those set by SET."""
    settings = {name: value for name, value in query.settings.items() if name != "readonly"}
    if not settings:
        yield
        return
    before = _changed_settings(handle, settings)
    applied = _apply(handle, settings, query.important)
    try:
        yield
    finally:
        if applied:
            _set(handle, {name: quoted(before[name]) if name in before else "DEFAULT" for name in applied})


def _apply(handle: Handle, settings: dict[str, str], important: frozenset[str]) -> list[str]:
    """Set what the engine knows and return its names; a setting it does not know counts only if it is important."""
    try:
        _set(handle, {name: quoted(value) for name, value in settings.items()})
    except EngineError as error:
        if error.code != UNKNOWN_SETTING:
            raise
    else:
        return list(settings)
    applied = []
    for name, value in settings.items():
        try:
            _set(handle, {name: quoted(value)})
        except EngineError as error:
            if error.code != UNKNOWN_SETTING or name in important:
                raise
        else:
            applied.append(name)
    return applied


def _set(handle: Handle, values: dict[str, str]) -> None:
    handle.run("SET " + ", ".join(f"{quoted_name(name)} = {value}" for name, value in values.items()))


def _changed_settings(handle: Handle, names: dict[str, str]) -> dict[str, str]:
    listed = ", ".join(quoted(name) for name in names)
    sql = f"SELECT name, value FROM system.settings WHERE changed AND name IN ({listed})"  # noqa: S608  # quoted
    changed: dict[str, str] = {}
    for row in handle.run(sql, "TSVRaw").decode().splitlines():
        name, _, value = row.partition("\t")
        changed[name] = value
    return changed


def _described(handle: Handle, what: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, type and kind of default of each column."""
    for row in handle.run(f"DESCRIBE TABLE {what}", "TSVRaw").decode().splitlines():
        name, kind, default, *_ = row.split("\t")
        yield name, kind, default


def _insert_columns(handle: Handle, insert: DataInsert) -> list[tuple[str, str]]:
    description = list(_described(handle, insert.table))
    if not insert.columns:
        return [(name, kind) for name, kind, default in description if default not in _NOT_INSERTABLE]
    kinds = {name: kind for name, kind, _ in description}
    for name in insert.columns:
        if name not in kinds:
            text = f"No such column {name} in table {insert.table}. (NO_SUCH_COLUMN_IN_TABLE)"
            raise EngineError(NO_SUCH_COLUMN_IN_TABLE, text)
    return [(name, kinds[name]) for name in insert.columns]


class NativePort:
    """Accepts native connections; one thread each."""

    def __init__(self, listener: socket.socket, engine: Engine, limits: ReadLimits) -> None:
        self._listener = listener
        self._engine = engine
        self._limits = limits
        self._lock = threading.Lock()
        self._sessions: dict[threading.Thread, tuple[Session, socket.socket]] = {}
        self._is_closing = False

    def start(self) -> None:
        """Begin to accept, in a thread of its own."""
        threading.Thread(target=self._accept, name="native-accept", daemon=True).start()

    def close(self, grace_seconds: float) -> None:
        """Stop to accept, let queries end for so long, then hang up on everyone."""
        with self._lock:
            self._is_closing = True
            sessions = dict(self._sessions)
        _hang_up(self._listener)
        deadline = time.monotonic() + grace_seconds
        for thread, (session, connection) in sessions.items():
            while session.is_busy and thread.is_alive() and time.monotonic() < deadline:
                time.sleep(0.01)
            _hang_up(connection)
        for thread in sessions:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                if self._is_closing:
                    return
                logger.exception("a connection could not be accepted")
                time.sleep(0.1)  # out of file descriptors: others must end first
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            session = Session(connection, self._engine, self._limits)
            thread = threading.Thread(target=self._serve, args=(session, connection), name="native", daemon=True)
            with self._lock:
                if self._is_closing:
                    connection.close()
                    return
                self._sessions[thread] = (session, connection)
            thread.start()

    def _serve(self, session: Session, connection: socket.socket) -> None:
        try:
            session.serve()
        except Exception:
            logger.exception("a connection ended by a fault of this program")
        finally:
            with self._lock:
                del self._sessions[threading.current_thread()]
            connection.close()


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        logger.debug("already hung up")
