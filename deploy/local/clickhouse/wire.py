"""ClickHouse's native TCP protocol as a server sees it: packets in, packets out.

Revision 54429 is the last one before the wire gains parts this stack has no use for (interserver secret, tracing,
custom serialisation, addendum); a client of any newer revision falls back to it.

Protocol: https://clickhouse.com/docs/native-protocol
"""

import select
import socket
import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from clickhouse_driver.block import BlockInfo
from clickhouse_driver.bufferedreader import BufferedSocketReader
from clickhouse_driver.reader import read_binary_str, read_binary_uint8
from clickhouse_driver.varint import read_varint, write_varint
from clickhouse_driver.writer import write_binary_str

from deploy.local.clickhouse.blocks import BlockHead, Reader, UnreadableBlockError, skip_block

REVISION = 54429

NOT_IMPLEMENTED = 48
UNEXPECTED_PACKET_FROM_CLIENT = 101

_READ_BUFFER = 1 << 20
_SETTING_IS_IMPORTANT = 1


class FromClient(IntEnum):
    """Packets of the client."""

    HELLO = 0
    QUERY = 1
    DATA = 2
    CANCEL = 3
    PING = 4


class _ToClient(IntEnum):
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


class Hello(NamedTuple):
    """A Hello packet, as far as it matters here."""

    database: str  # empty: the engine's default
    user: str


class Query(NamedTuple):
    """A Query packet, as far as it matters here."""

    sql: str
    settings: dict[str, str]
    important: frozenset[str]  # settings that fail the query when they are unknown, instead of being ignored
    is_compressed: bool


class Data(NamedTuple):
    """A Data packet: the bytes of its block, as the engine takes them."""

    table: str  # of an external table; empty for the rows of an INSERT
    head: BlockHead
    block: bytes


class _RecordingSocket:
    """What the buffered reader reads from; keeps the bytes of the packet that is being read."""

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


class Wire:
    """Packets over one connection.

    Reading raises ``EOFError`` or ``OSError`` when the client is gone and ``UnicodeDecodeError`` for text that is not
    UTF-8; sending raises ``OSError``.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._recording = _RecordingSocket(connection)
        self._reader: Reader = BufferedSocketReader(self._recording, _READ_BUFFER)

    def read_packet_type(self) -> int:
        """Wait for a packet and return its type."""
        position = self._position()
        self._recording.take(position, position)
        return self._varint()

    def read_hello(self) -> Hello:
        """Read the rest of a Hello packet."""
        self._text()  # client name
        for _ in range(3):
            self._varint()  # client version and revision
        database, user, _ = self._text(), self._text(), self._text()
        return Hello(database, user)

    def read_query(self) -> Query:
        """Read the rest of a Query packet."""
        self._text()  # query id
        if self._byte():  # query kind; none means no client info
            self._skip_client_info()
        settings: dict[str, str] = {}
        important: set[str] = set()
        while name := self._text():
            if self._byte() & _SETTING_IS_IMPORTANT:
                important.add(name)
            settings[name] = self._text()
        self._varint()  # stage
        is_compressed = bool(self._varint())
        return Query(self._text(), settings, frozenset(important), is_compressed)

    def read_data(self) -> Data:
        """Wait for a Data packet.

        Raises:
            ProtocolError: another packet came, or a column whose end cannot be found.

        """
        packet = self.read_packet_type()
        if packet != FromClient.DATA:
            raise unexpected(packet)
        table = self._text()
        BlockInfo().read(self._reader)
        begin = self._position()
        try:
            head = skip_block(self._reader)
        except UnreadableBlockError as error:
            raise ProtocolError(NOT_IMPLEMENTED, str(error)) from error
        return Data(table, head, self._recording.take(begin, self._position()))

    def has_input(self) -> bool:
        """Tell, without waiting, whether the client sent something or hung up."""
        if self._reader.position < self._reader.current_buffer_size:
            return True
        readable, _, _ = select.select([self._connection], [], [], 0)
        return bool(readable)

    def send_hello(self, version: tuple[int, int, int], timezone: str) -> None:
        """Accept the client."""
        major, minor, patch = version
        self._send(_packed(_ToClient.HELLO, "ClickHouse", major, minor, REVISION, timezone, "customer-journeys", patch))

    def send_pong(self) -> None:
        """Answer a ping."""
        self._send(_packed(_ToClient.PONG))

    def send_block(self, block: bytes) -> None:
        """Send rows."""
        self._send(_DATA_HEAD + block)

    def send_header(self, columns: Sequence[tuple[str, str]]) -> None:
        """Send names and types of columns, without rows."""
        self._send(_DATA_HEAD + _packed(len(columns), 0, *(part for column in columns for part in column)))

    def send_end(self) -> None:
        """Say that a query is answered."""
        self._send(_packed(_ToClient.END_OF_STREAM))

    def send_exception(self, code: int, text: str) -> None:
        """Say that a query failed."""
        head = _packed(_ToClient.EXCEPTION) + struct.pack("<i", code)
        self._send(head + _packed("DB::Exception", text, "") + b"\x00")  # no stack trace, no nested exception

    def _skip_client_info(self) -> None:
        for _ in range(3):
            self._text()  # initial user, query id and address
        self._byte()  # interface
        for _ in range(3):
            self._text()  # user, host and client name
        for _ in range(3):
            self._varint()  # client version and revision
        self._text()  # quota key
        self._varint()  # client patch version

    def _position(self) -> int:
        return self._recording.received - (self._reader.current_buffer_size - self._reader.position)

    def _varint(self) -> int:
        value: int = read_varint(self._reader)
        return value

    def _text(self) -> str:
        value: str = read_binary_str(self._reader)
        return value

    def _byte(self) -> int:
        value: int = read_binary_uint8(self._reader)
        return value

    def _send(self, data: bytes) -> None:
        self._connection.sendall(data)


def unexpected(packet: int) -> ProtocolError:
    """Return the error for a packet that has no place where it came."""
    return ProtocolError(UNEXPECTED_PACKET_FROM_CLIENT, f"unexpected packet {packet} from the client")


class _Output(bytearray):
    """A buffer clickhouse-driver's writers write into."""

    write = bytearray.extend


def _packed(*values: int | str) -> bytes:
    output = _Output()
    for value in values:
        if isinstance(value, str):
            write_binary_str(value, output)
        else:
            write_varint(value, output)
    return bytes(output)


def _block_info() -> bytes:
    output = _Output()
    BlockInfo().write(output)
    return bytes(output)


_DATA_HEAD = _packed(_ToClient.DATA, "") + _block_info()
