"""A TCP proxy on loopback that can hold back the answer to a statement: written, perhaps, but nobody knows."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

_CHUNK = 65536


class HoldingProxy:
    """Forwards to a port on this machine. After `hold(text)`, answers stop once a client has sent that text."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._text: bytes | None = None
        self._open = threading.Event()
        self._open.set()
        self.is_holding = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self, text: bytes) -> None:
        """Hold back all answers from the moment at which somebody sends this text."""
        self._text = text

    def release(self) -> None:
        """Let all answers go, those that were held back first."""
        self._text = None
        self._open.set()

    def close(self) -> None:
        self.release()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                for work in (self._ask, self._answer):
                    threading.Thread(target=work, args=(client, server), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError), closing(server):
            while data := client.recv(_CHUNK):
                if self._text is not None and self._text in data:
                    self._open.clear()
                    self.is_holding.set()
                server.sendall(data)

    def _answer(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError), closing(client):
            while data := server.recv(_CHUNK):
                self._open.wait()
                client.sendall(data)


@contextmanager
def holding_proxy(target: int) -> Iterator[HoldingProxy]:
    """Run a proxy to a port on this machine."""
    proxy = HoldingProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
