"""A page of one's own on loopback, in a thread, over a ClickHouse that is there; and what to ask it."""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from sinks.clickhouse.address import ClickHouseAddress
from streams.serving.page import Place, make_app, serve

#: A closed port: whatever listens there, it is no ClickHouse.
NO_CLICKHOUSE = ClickHouseAddress(port=9)
STARTS_WITHIN_S = 20


class Response(NamedTuple):
    """What came back; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def records(self) -> list[dict[str, Any]]:
        answer = self.json
        assert "rows" in answer, answer
        return [dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"]]


class Page:
    """Talks to the page at `url` as a browser would."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(
        self,
        path: str,
        query: Mapping[str, object] | None = None,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        try:
            connection.request(method, f"{path}?{urlencode(query)}" if query else path, headers=dict(headers or {}))
            response = connection.getresponse()
            return Response(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
            )
        finally:
            connection.close()

    def ask(self, question: str, **given: object) -> Response:
        return self.get(f"/api/{question}", given)


@contextmanager
def running_page(
    address: ClickHouseAddress, *, clickhouse_http: str | None = None, names: frozenset[str] = frozenset()
) -> Iterator[Page]:
    """Serve the page on a free port; it ends on leaving."""
    ready = threading.Event()
    found: list[str] = []
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    place = Place(version="1.2.3", database=address.database, clickhouse_http=clickhouse_http)

    def tell(url: str) -> None:
        found.append(url)
        ready.set()

    def run() -> None:
        app = make_app(address, place, names)
        loop.run_until_complete(serve(app, host="127.0.0.1", port=0, on_ready=tell, stop=stop))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        assert ready.wait(STARTS_WITHIN_S)
        yield Page(found[0])
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(STARTS_WITHIN_S)
        loop.close()
