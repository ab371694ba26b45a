"""ClickHouse's native TCP protocol, as clickhouse-driver speaks it, over engine handles.

Revision 54429 is the last one before the wire gains parts this stack has no use for (interserver secret, tracing,
custom serialisation, addendum); a client of any newer revision falls back to it.

Protocol: https://clickhouse.com/docs/native-protocol
"""

import logging
import select
import socket
import struct
import threading
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from clickhouse_driver.block import BlockInfo
from clickhouse_driver.bufferedreader import BufferedSocketReader
from clickhouse_driver.reader import read_binary_str, read_binary_uint8
from clickhouse_driver.varint import read_varint, write_varint
from clickhouse_driver.writer import write_binary_str

from deploy.local.clickhouse.blocks import BlockHead, Reader, UnreadableTypeError, skip_block, split_blocks
from deploy.local.clickhouse.engine import UNKNOWN_SETTING, Engine, EngineError, Handle, Insert
from deploy.local.clickhouse.statements import (
    DataInsert,
    quoted,
    quoted_name,
    read_data_insert,
    without_format,
)

REVISION = 54429
SERVER_NAME = "ClickHouse"

NO_SUCH_COLUMN_IN_TABLE = 16
NOT_IMPLEMENTED = 48
UNEXPECTED_PACKET_FROM_CLIENT = 101
SUPPORT_IS_DISABLED = 344

_READ_BUFFER = 1 << 20
_NOT_INSERTABLE = frozenset({"MATERIALIZED", "ALIAS"})

logger = logging.getLogger(__name__)


class FromClient(IntEnum):
    """Packets of the client."""

    HELLO = 0
    QUERY = 1
    DATA = 2
    CANCEL = 3
    PING = 4


class ToClient(IntEnum):
    """Packets of the server."""

    HELLO = 0
    DATA = 1
    EXCEPTION = 2
    PONG = 4
    END_OF_STREAM = 5


class ProtocolError(Exception):
    """The client sent something that leaves no known place to read on from; the connection ends."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Query(NamedTuple):
    """A Query packet, as far as it matters here."""

    sql: str
    settings: dict[str, str]
    important: frozenset[str]  # settings whose refusal fails the query instead of being ignored
    is_compressed: bool


class _RecordingSocket:
    """What the buffered reader reads from; keeps the bytes of the block that is being read."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._kept: list[bytes] = []
        self._dropped = 0  # bytes received before those kept
        self.received = 0

    def recv_into(self, buffer: bytearray) -> int:
        size = self._connection.recv_into(buffer)
        self._kept.append(bytes(memoryview(buffer)[:size]))
        self.received += size
        return size

    def take(self, begin: int, end: int) -> bytes:
        """Return the bytes between two positions of the stream and forget all before ``end``."""
        kept = self._kept[0] if len(self._kept) == 1 else b"".join(self._kept)
        taken = kept[begin - self._dropped : end - self._dropped]
        self._kept = [kept[end - self._dropped :]]
        self._dropped = end
        return taken


class _Wire:
    """Reads and writes the parts packets are made of."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._recording = _RecordingSocket(connection)
        self.reader: Reader = BufferedSocketReader(self._recording, _READ_BUFFER)

    def _position(self) -> int:
        return self._recording.received - (self.reader.current_buffer_size - self.reader.position)

    def varint(self) -> int:
        value: int = read_varint(self.reader)
        return value

    def text(self) -> str:
        value: str = read_binary_str(self.reader)
        return value

    def byte(self) -> int:
        value: int = read_binary_uint8(self.reader)
        return value

    def block(self) -> tuple[BlockHead, bytes]:
        """Read a block and return its size and its bytes, without the block info before them."""
        BlockInfo().read(self.reader)
        begin = self._position()
        head = skip_block(self.reader)
        return head, self._recording.take(begin, self._position())

    def forget(self) -> None:
        """Drop what was kept of packets already read."""
        position = self._position()
        self._recording.take(position, position)

    def has_input(self) -> bool:
        """Tell whether the client sent something, or hung up."""
        if self.reader.position < self.reader.current_buffer_size:
            return True
        readable, _, _ = select.select([self._connection], [], [], 0)
        return bool(readable)

    def send(self, *parts: bytes) -> None:
        self._connection.sendall(b"".join(parts))


class _Output:
    """A buffer clickhouse-driver's writers write into."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        self._parts.append(bytes(data))

    def bytes(self) -> bytes:
        return b"".join(self._parts)


def _packed(*values: int | str) -> bytes:
    output = _Output()
    for value in values:
        if isinstance(value, str):
            write_binary_str(value, output)
        else:
            write_varint(value, output)
    return output.bytes()


def _block_info() -> bytes:
    output = _Output()
    BlockInfo().write(output)
    return output.bytes()


_DATA_HEAD = _packed(ToClient.DATA, "") + _block_info()
_EMPTY_BLOCK = _packed(0, 0)


def _header_block(columns: list[tuple[str, str]]) -> bytes:
    return _packed(len(columns), 0, *(part for column in columns for part in column))


def _exception(code: int, text: str) -> bytes:
    return b"".join([
        _packed(ToClient.EXCEPTION),
        struct.pack("<i", code),
        _packed("DB::Exception", text, ""),
        b"\x00",  # no nested exception
    ])


class Session:
    """One client connection, served by one thread from hello to hang-up."""

    def __init__(self, connection: socket.socket, engine: Engine) -> None:
        self._engine = engine
        self._wire = _Wire(connection)
        self._handle: Handle | None = None
        self.is_busy = False

    def serve(self) -> None:
        """Answer packets until the client hangs up or breaks the protocol."""
        try:
            handle = self._hello()
            if handle is None:
                return
            self._handle = handle
            while True:
                packet = self._wire.varint()
                if packet == FromClient.PING:
                    self._wire.send(_packed(ToClient.PONG))
                elif packet == FromClient.QUERY:
                    self.is_busy = True
                    self._answer(handle, self._read_query())
                    self.is_busy = False
                elif packet != FromClient.CANCEL:  # a cancel that came after the end of its query means nothing
                    message = f"unexpected packet {packet} from the client"
                    raise ProtocolError(UNEXPECTED_PACKET_FROM_CLIENT, message)
                self._wire.forget()
        except (EOFError, OSError):
            logger.debug("client hung up")
        except (ProtocolError, UnicodeDecodeError) as error:
            code = error.code if isinstance(error, ProtocolError) else UNEXPECTED_PACKET_FROM_CLIENT
            logger.warning("connection closed: %s", error)
            self._try_to_send(_exception(code, f"{error}. The connection is closed"))
        finally:
            if self._handle is not None:
                self._handle.close()

    def _hello(self) -> Handle | None:
        packet = self._wire.varint()
        if packet != FromClient.HELLO:
            message = "the first packet was no hello; is this client meant for the HTTP port?"
            raise ProtocolError(UNEXPECTED_PACKET_FROM_CLIENT, message)
        self._wire.text()  # client name
        self._wire.varint(), self._wire.varint(), self._wire.varint()  # client version and revision
        database = self._wire.text()
        self._wire.text(), self._wire.text()  # user and password: there are none here
        handle = self._engine.handle()
        if database:
            try:
                handle.run(f"USE {quoted_name(database)}")
            except EngineError as error:
                handle.close()
                self._wire.send(_exception(error.code, error.text))
                return None
        major, minor, patch = self._engine.version
        self._wire.send(
            _packed(
                ToClient.HELLO, SERVER_NAME, major, minor, REVISION, self._engine.timezone, "customer-journeys", patch
            )
        )
        return handle

    def _read_query(self) -> Query:
        wire = self._wire
        wire.text()  # query id
        if wire.byte():  # query kind: client info follows
            wire.text(), wire.text(), wire.text()  # initial user, query id and address
            wire.byte()  # interface
            wire.text(), wire.text(), wire.text()  # OS user, host and client name
            wire.varint(), wire.varint(), wire.varint()  # client version and revision
            wire.text()  # quota key
            wire.varint()  # client patch version
        settings: dict[str, str] = {}
        important: set[str] = set()
        while name := wire.text():
            if wire.byte() & 1:
                important.add(name)
            settings[name] = wire.text()
        wire.varint()  # stage
        is_compressed = bool(wire.varint())
        return Query(wire.text(), settings, frozenset(important), is_compressed)

    def _answer(self, handle: Handle, query: Query) -> None:
        if query.is_compressed:
            message = "compression is not offered here: connect with compression=False"
            raise ProtocolError(SUPPORT_IS_DISABLED, message)
        has_external_tables = self._read_external_tables()
        try:
            if has_external_tables:
                raise EngineError(NOT_IMPLEMENTED, "external tables are not offered here. (NOT_IMPLEMENTED)")
            with _QuerySettings(handle, query):
                insert = read_data_insert(query.sql)
                if insert is None:
                    self._send_result(handle, query.sql)
                else:
                    self._receive_rows(handle, insert)
        except EngineError as error:
            self._wire.send(_exception(error.code, error.text))
        else:
            self._wire.send(_packed(ToClient.END_OF_STREAM))

    def _read_external_tables(self) -> bool:
        has_tables = False
        while True:
            name, head, _ = self._read_data()
            if not name and not head.columns:
                return has_tables
            has_tables = True

    def _read_data(self) -> tuple[str, BlockHead, bytes]:
        """Read one Data packet: table name, size and bytes of the block."""
        packet = self._wire.varint()
        if packet != FromClient.DATA:
            message = f"unexpected packet {packet} from the client, data was due"
            raise ProtocolError(UNEXPECTED_PACKET_FROM_CLIENT, message)
        name = self._wire.text()
        try:
            head, data = self._wire.block()
        except UnreadableTypeError as error:
            raise ProtocolError(NOT_IMPLEMENTED, str(error)) from error
        return name, head, data

    def _send_result(self, handle: Handle, sql: str) -> None:
        sql = without_format(sql)
        stream = handle.blocks(sql)
        if stream is None:
            for block in split_blocks(handle.run(sql)):
                self._wire.send(_DATA_HEAD, block)
            return
        is_empty = True
        for block in stream:
            if self._wants_to_stop():
                stream.close()  # type: ignore[attr-defined]
                return
            is_empty = False
            self._wire.send(_DATA_HEAD, block)
        if is_empty:
            # The engine says nothing of a result without rows; clients still want its columns.
            self._wire.send(_DATA_HEAD, _header_block(_described(handle, f"({sql.rstrip(' ;')}\n)")))

    def _wants_to_stop(self) -> bool:
        if not self._wire.has_input():
            return False
        packet = self._wire.varint()  # EOFError when the client hung up
        if packet != FromClient.CANCEL:
            message = f"unexpected packet {packet} from the client while it was being answered"
            raise ProtocolError(UNEXPECTED_PACKET_FROM_CLIENT, message)
        return True

    def _receive_rows(self, handle: Handle, insert: DataInsert) -> None:
        columns = _insert_columns(handle, insert)
        open_insert = handle.insert(insert.sql)
        refusal: EngineError | None = None
        try:
            self._wire.send(_DATA_HEAD, _header_block(columns))
            while True:
                _, head, data = self._read_data()
                if not head.columns:
                    break
                # After a refusal the rest is read and dropped: a client that is still sending would not hear it.
                if head.rows and refusal is None:
                    refusal = _append(open_insert, data)
        except BaseException:
            open_insert.cancel()  # half an insert is none
            raise
        if refusal is not None:
            open_insert.cancel()
            raise refusal
        try:
            open_insert.finish()
        except RuntimeError as error:
            raise EngineError.read(error) from error

    def _try_to_send(self, packet: bytes) -> None:
        try:
            self._wire.send(packet)
        except OSError:
            logger.debug("client hung up before it could be told")


class _QuerySettings:
    """Settings that hold for one query on a handle that keeps its own."""

    def __init__(self, handle: Handle, query: Query) -> None:
        self._handle = handle
        self._query = query
        self._before: dict[str, str] = {}

    def __enter__(self) -> None:
        settings = self._query.settings
        if not settings:
            return
        names = ", ".join(quoted(name) for name in settings)
        changed = self._handle.run(
            f"SELECT name, value FROM system.settings WHERE changed AND name IN ({names}) FORMAT TSVRaw"  # noqa: S608
        )
        self._before = dict(line.split("\t", 1) for line in changed.decode().splitlines())
        for name, value in settings.items():
            try:
                self._handle.run(f"SET {quoted_name(name)} = {quoted(value)}")
            except EngineError as error:
                if error.code != UNKNOWN_SETTING or name in self._query.important:
                    self.__exit__()
                    raise

    def __exit__(self, *_: object) -> None:
        for name in self._query.settings:
            value = quoted(self._before[name]) if name in self._before else "DEFAULT"
            try:
                self._handle.run(f"SET {quoted_name(name)} = {value}")
            except EngineError:
                logger.debug("setting %s was ignored", name)


def _append(insert: Insert, data: bytes) -> EngineError | None:
    try:
        insert.append(data)
    except RuntimeError as error:
        return EngineError.read(error)
    return None


def _described(handle: Handle, what: str) -> list[tuple[str, str]]:
    return [(name, kind) for name, kind, _ in _description(handle, what)]


def _description(handle: Handle, what: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, type and kind of default of each column; nothing when ``what`` cannot be described."""
    for line in handle.run(f"DESCRIBE TABLE {what}", "TSVRaw").decode().splitlines():
        name, kind, default, *_ = line.split("\t")
        yield name, kind, default


def _insert_columns(handle: Handle, insert: DataInsert) -> list[tuple[str, str]]:
    description = list(_description(handle, insert.table))
    if not insert.columns:
        return [(name, kind) for name, kind, default in description if default not in _NOT_INSERTABLE]
    kinds = {name: kind for name, kind, _ in description}
    unknown = [name for name in insert.columns if name not in kinds]
    if unknown:
        text = f"No such column {unknown[0]} in table {insert.table}. (NO_SUCH_COLUMN_IN_TABLE)"
        raise EngineError(NO_SUCH_COLUMN_IN_TABLE, text)
    return [(name, kinds[name]) for name in insert.columns]


class NativePort:
    """Accepts native connections; one thread each."""

    def __init__(self, listener: socket.socket, engine: Engine) -> None:
        self._listener = listener
        self._engine = engine
        self._lock = threading.Lock()
        self._sessions: dict[threading.Thread, tuple[Session, socket.socket]] = {}
        self._is_closing = False

    def start(self) -> None:
        """Begin to accept, in a thread of its own."""
        threading.Thread(target=self._accept, name="native-accept", daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = Session(connection, self._engine)
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
            connection.close()
            with self._lock:
                self._sessions.pop(threading.current_thread(), None)
