"""A small real HTTP server in place of a chat service or webhook receiver: records requests, answers as told.

In a running event loop: `async with ChatEndpoint() as endpoint`. From synchronous code, e.g. while workers of other
processes post to it: `with chat_endpoint_in_thread() as endpoint`. Bound to 127.0.0.1 on a free port.
"""

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web


@dataclass(frozen=True)
class Answer:
    """How to answer one request.

    `hangs` never answers; `cuts` takes the request and closes the connection; `drips` sends a body byte by byte that
    never ends; `streams_bytes` sends a body of that size in pieces.
    """

    status: int = 200
    body: str = "ok"
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False
    cuts: bool = False
    drips: bool = False
    streams_bytes: int = 0


@dataclass(frozen=True)
class Received:
    """One request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    #: When, as UTC milliseconds, and how it was answered.
    at: int
    answer: Answer

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class ChatEndpoint:
    """Answers with `answers` in turn, then with `usual`. `received` may be read from any thread."""

    def __init__(self, *answers: Answer, usual: Answer | None = None, port: int = 0) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self.bytes_streamed = 0
        self._answers = deque(answers)
        self._usual = usual or Answer()
        self._port = port
        self._runner: web.ServerRunner | None = None
        self._stopping = asyncio.Event()
        self._arrived = threading.Condition()

    @property
    def port(self) -> int:
        return self._port

    def url(self, path: str = "/services/T00/B00/secret-part") -> str:
        return f"http://127.0.0.1:{self._port}{path}"

    def answer_next(self, *answers: Answer) -> None:
        """Queue answers for the next requests."""
        self._answers.extend(answers)

    def answer_always(self, answer: Answer) -> None:
        """From now on answer like this whatever no other answer is queued for."""
        self._usual = answer

    def wait_for(self, count: int, deadline_s: float = 30.0) -> list[Received]:
        """Requests received, as soon as there are `count`; fewer when the deadline comes first. Not for the loop."""
        until = time.monotonic() + deadline_s
        with self._arrived:
            while len(self.received) < count and (left := until - time.monotonic()) > 0:
                self._arrived.wait(left)
            return list(self.received)

    async def start(self) -> None:
        self._runner = web.ServerRunner(_CountingServer(self), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        self._stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        answer = self._answers.popleft() if self._answers else self._usual
        with self._arrived:
            now = time.time_ns() // 1_000_000
            self.received.append(Received(request.method, request.path, headers, body, now, answer))
            self._arrived.notify_all()
        if answer.hangs:
            await self._stopping.wait()
        if answer.cuts:
            assert request.transport is not None
            request.transport.abort()
        if answer.drips:
            return await self._drip(request, answer)
        if answer.streams_bytes:
            return await self._stream(request, answer)
        return web.Response(status=answer.status, text=answer.body, headers=answer.headers)

    async def _drip(self, request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        await response.prepare(request)
        while not self._stopping.is_set():
            await response.write(b"x")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 0.05)
        return response

    async def _stream(self, request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        await response.prepare(request)
        piece = b"x" * 65_536
        while self.bytes_streamed < answer.streams_bytes and not self._stopping.is_set():
            await response.write(piece)
            self.bytes_streamed += len(piece)
        return response


class _CountingServer(web.Server):
    """Counts connections too, also those over which no request comes."""

    def __init__(self, endpoint: ChatEndpoint) -> None:
        super().__init__(endpoint.handle, access_log=None)
        self._endpoint = endpoint

    def __call__(self) -> web.RequestHandler:
        self._endpoint.connections += 1
        return super().__call__()


@contextmanager
def chat_endpoint_in_thread(*answers: Answer, usual: Answer | None = None, port: int = 0) -> Iterator[ChatEndpoint]:
    """A chat endpoint with an event loop and a thread of its own."""
    endpoint = ChatEndpoint(*answers, usual=usual, port=port)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="chat-endpoint", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(endpoint.start(), loop).result(10)
        yield endpoint
    finally:
        asyncio.run_coroutine_threadsafe(endpoint.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
