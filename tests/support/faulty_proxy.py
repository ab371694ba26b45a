"""A network and a ClickHouse that fail on order: a proxy on loopback before the native port of an engine.

It knows just enough of the protocol to see where a request begins and where the answer to it ends.
"""

import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from deploy.local.clickhouse.wire import FromClient, Wire

#: What the greeting of a client is called, in an order and among the requests.
GREETING: Final = "hello"
#: A server says so in a packet of one byte, in which the answers to inserts and to questions end.
_END_OF_STREAM: Final = b"\x05"
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_CHUNK: Final = 1 << 20
_POLL_S: Final = 0.05


@dataclass(frozen=True)
class CutRequest:
    """The server gets the first bytes of the request; then both sides are reset."""

    at_byte: int


@dataclass(frozen=True)
class CutAnswer:
    """The server gets the whole request and does what it says; the client is reset instead of hearing the end."""


@dataclass(frozen=True)
class Silence:
    """The request reaches nobody, the connection stays open, and nobody answers."""


@dataclass(frozen=True)
class Delay:
    """Every piece of the answer comes so much later."""

    seconds: float


@dataclass(frozen=True)
class Drip:
    """The answer comes byte by byte, with so much time between two of them."""

    seconds: float


@dataclass(frozen=True)
class Refusal:
    """The request reaches nobody, and is answered with an exception packet as a server writes it."""

    code: int
    text: str


Fault = CutRequest | CutAnswer | Silence | Delay | Drip | Refusal


@dataclass
class Request:
    """A greeting or a statement as it came from a client: its text, its bytes as far as they came, what befell it."""

    text: str
    fault: Fault | None
    sent: bytearray = field(default_factory=bytearray)


@dataclass
class _Order:
    fault: Fault
    on: str
    times: int | None


class FaultyProxy:
    """Passes everything on to `upstream`, a port on loopback, but for what is ordered. Used from any thread."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.requests: list[Request] = []
        self._orders: list[_Order] = []
        self._lock = threading.Lock()
        self._is_closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, name="proxy", daemon=True)]
        self._threads[0].start()

    def order(self, fault: Fault, on: str = "", times: int | None = 1) -> None:
        """Let a fault befall the next requests whose text holds `on`, so many of them, or all until `heal`."""
        with self._lock:
            self._orders.append(_Order(fault, on, times))

    def heal(self) -> None:
        """Take all orders back."""
        with self._lock:
            self._orders.clear()

    def asked(self, text: str) -> list[Request]:
        """Requests so far whose text holds this."""
        with self._lock:
            return [request for request in self.requests if text in request.text]

    def begin(self, data: bytes) -> Request:
        """Called by a link when a client begins to ask."""
        text = GREETING if data[0] == FromClient.HELLO else data.decode("utf-8", "replace")
        with self._lock:
            order = next((order for order in self._orders if order.on in text), None)
            if order is not None and order.times is not None:
                order.times -= 1
                if not order.times:
                    self._orders.remove(order)
            request = Request(text, order.fault if order is not None else None)
            self.requests.append(request)
        return request

    def close(self) -> None:
        """Hang up on everybody."""
        self._is_closing.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._is_closing.is_set():
            readable, _, _ = select.select([self._listener], [], [], _POLL_S)
            if readable and not self._is_closing.is_set():
                client, _ = self._listener.accept()
                link = _Link(self, client, self._is_closing)
                thread = threading.Thread(target=link.run, name="proxy-link", daemon=True)
                self._threads.append(thread)
                thread.start()


class _Link:
    """A client's connection and its own one to the server, both served by one thread."""

    def __init__(self, proxy: FaultyProxy, client: socket.socket, is_closing: threading.Event) -> None:
        self._proxy = proxy
        self._client = client
        self._server: socket.socket | None = None
        self._is_closing = is_closing
        self._request: Request | None = None
        self._has_server_spoken_last = True

    def run(self) -> None:
        try:
            self._server = socket.create_connection(("127.0.0.1", self._proxy.upstream), timeout=5)
            while not self._is_closing.is_set():
                readable, _, _ = select.select([self._client, self._server], [], [], _POLL_S)
                if self._client in readable and not self._from_client():
                    return
                if self._server in readable and not self._from_server():
                    return
        except OSError:
            self._reset()
        finally:
            for connection in (self._client, self._server):
                if connection is not None:
                    connection.close()

    def _from_client(self) -> bool:
        """Pass on what the client says; whether the link lives on."""
        assert self._server is not None
        data = self._client.recv(_CHUNK)
        if not data:
            return False
        if self._has_server_spoken_last and data[0] in (FromClient.HELLO, FromClient.QUERY):
            self._request = self._proxy.begin(data)
        elif self._has_server_spoken_last and data[0] == FromClient.PING:
            self._request = None
        is_new, self._has_server_spoken_last = self._has_server_spoken_last, False
        request = self._request
        if request is None:
            self._server.sendall(data)
            return True
        match request.fault:
            case CutRequest(at_byte) if len(request.sent) + len(data) >= at_byte:
                data = data[: at_byte - len(request.sent)]
                request.sent += data
                self._server.sendall(data)
                self._reset()
                return False
            case Refusal(code, text) if is_new:
                Wire(self._client).send_exception(code, text)
                request.sent += data
            case Silence() | Refusal():
                request.sent += data
            case _:
                request.sent += data
                self._server.sendall(data)
        return True

    def _from_server(self) -> bool:
        """Pass on what the server says; whether the link lives on."""
        assert self._server is not None
        data = self._server.recv(_CHUNK)
        if not data:
            return False
        self._has_server_spoken_last = True
        match self._request and self._request.fault:
            case CutAnswer() if data.endswith(_END_OF_STREAM):
                self._reset()
                return False
            case Delay(seconds):
                self._is_closing.wait(seconds)
                self._client.sendall(data)
            case Drip(seconds):
                for byte in data:
                    if self._is_closing.wait(seconds):
                        return False
                    self._client.sendall(bytes([byte]))
            case _:
                self._client.sendall(data)
        return True

    def _reset(self) -> None:
        """End both connections as a network does that forgot them: RST, not FIN."""
        for connection in (self._client, self._server):
            if connection is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                connection.close()


@contextmanager
def faulty_proxy(upstream: int) -> Iterator[FaultyProxy]:
    """A proxy before a port, that ends with the block."""
    proxy = FaultyProxy(upstream)
    try:
        yield proxy
    finally:
        proxy.close()
