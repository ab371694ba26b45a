"""The team that is told: a webhook endpoint that may be closed, and opened again at the same address."""

from contextlib import ExitStack

from tests.support.chat_endpoint import Answer, ChatEndpoint, Received, chat_endpoint_in_thread
from tests.support.local_broker import free_port


class Desk:
    """An endpoint at one port of 127.0.0.1; remembers what it received in all its lives."""

    def __init__(self) -> None:
        self._port = free_port()
        self._lives: list[ChatEndpoint] = []
        self._running = ExitStack()
        self.open()

    @property
    def url(self) -> str:
        """Where to post."""
        return self._lives[0].url()

    @property
    def received(self) -> list[Received]:
        """Every request so far."""
        return [request for life in self._lives for request in life.received]

    def answer_always(self, answer: Answer) -> None:
        """From now on answer like this."""
        self._lives[-1].answer_always(answer)

    def open(self) -> None:
        """Listen, and answer that all is well."""
        self._lives.append(self._running.enter_context(chat_endpoint_in_thread(port=self._port)))

    def close(self) -> None:
        """Listen no longer: connections are refused."""
        self._running.close()
