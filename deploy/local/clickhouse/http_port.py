"""ClickHouse's HTTP interface for readers: curl, Grafana, notebooks. Every query runs on a locked handle of its own.

Interface: https://clickhouse.com/docs/interfaces/http
"""

import asyncio
import ipaddress
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from urllib.parse import urlsplit

from aiohttp import web

from deploy.local.clickhouse.engine import Engine, EngineError
from deploy.local.clickhouse.reading import ReadLimits, lock, refuse_unless_reading
from deploy.local.clickhouse.statements import quoted_name, trailing_format

BAD_ARGUMENTS = 36
UNKNOWN_FORMAT = 73
SUPPORT_IS_DISABLED = 344

DEFAULT_FORMAT = "TabSeparated"
MAX_QUERY_BYTES = 1 << 20
CONCURRENT_QUERIES = 4
# Names chdb answers with Python objects instead of bytes.
_PYTHON_FORMATS = frozenset({"arrowtable", "dataframe", "datastore"})

_CONTENT_TYPES = {
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TSV": "text/tab-separated-values; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "JSONCompactEachRow": "application/x-ndjson; charset=UTF-8",
    "JSONLines": "application/x-ndjson; charset=UTF-8",
    "JSON": "application/json; charset=UTF-8",
    "XML": "application/xml; charset=UTF-8",
}
_BINARY_FORMATS = ("Native", "RowBinary", "Parquet", "Arrow", "ORC", "Avro", "Protobuf", "MsgPack", "BSON")

# The engine's codes as HTTP says them; every other code is 500. After exceptionCodeToHTTPStatus in ClickHouse's source,
# except that READONLY is 403 here: trying again with POST changes nothing.
_STATUS = {
    **dict.fromkeys((6, 26, 27, 36, 38, 41, 42, 43, 53, 62, 69, 72, 117, 386, 427, 456, 457), 400),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 81, 115), 404),
    **dict.fromkeys((164, 344, 497), 403),
    48: 501,
    159: 408,
    202: 503,
}


class _Question(NamedTuple):
    sql: str
    database: str
    output_format: str  # for a statement that names none
    parameters: dict[str, str]


class HttpPort:
    """Serves HTTP on a listener, in a thread of its own."""

    def __init__(self, listener: socket.socket, engine: Engine, limits: ReadLimits) -> None:
        self._listener = listener
        self._engine = engine
        self._limits = limits
        self._pool = ThreadPoolExecutor(CONCURRENT_QUERIES, thread_name_prefix="http-query")
        self._loop = asyncio.new_event_loop()

    def start(self) -> None:
        """Begin to accept."""
        threading.Thread(target=self._loop.run_forever, name="http", daemon=True).start()
        asyncio.run_coroutine_threadsafe(self._set_up(), self._loop).result()

    async def _set_up(self) -> None:
        application = web.Application(client_max_size=MAX_QUERY_BYTES)
        application.router.add_route("*", "/", self._answer)
        for path in ("/ping", "/replicas_status"):
            application.router.add_get(path, _ok)
        runner = web.AppRunner(application, access_log=None, handler_cancellation=False)
        await runner.setup()
        await web.SockSite(runner, self._listener).start()

    def close(self) -> None:
        """Stop to accept and let go of queries that wait for their turn."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _answer(self, request: web.Request) -> web.Response:
        if request.method not in {"GET", "POST", "HEAD"}:
            raise web.HTTPMethodNotAllowed(request.method, ["GET", "HEAD", "POST"])
        if not _is_from_here(request):
            # A page in a browser can make its own name resolve to 127.0.0.1; it cannot change what these headers say.
            return web.Response(status=403, text="Only clients on this machine are answered, under a loopback name.\n")
        try:
            question = await _read_question(request)
            if not question.sql.strip():
                return _text("Ok.\n")
            body = await self._loop.run_in_executor(self._pool, self._ask, question)
        except EngineError as error:
            return self._error(error)
        output_format = trailing_format(question.sql) or question.output_format
        response = web.Response(body=body, headers=self._headers(output_format))
        if request.query.get("enable_http_compression") == "1":
            response.enable_compression()
        return response

    def _ask(self, question: _Question) -> bytes:
        handle = self._engine.handle()
        try:
            if question.database:
                handle.run(f"USE {quoted_name(question.database)}")
            lock(handle, self._limits)
            refuse_unless_reading(handle, question.sql)
            return handle.run(question.sql, question.output_format, question.parameters)
        finally:
            handle.close()

    def _headers(self, output_format: str) -> dict[str, str]:
        return {
            "Content-Type": _content_type(output_format),
            "X-ClickHouse-Format": output_format,
            "X-ClickHouse-Timezone": self._engine.timezone,
            "X-ClickHouse-Server-Display-Name": "customer-journeys",
            "X-Content-Type-Options": "nosniff",
        }

    def _error(self, error: EngineError) -> web.Response:
        version = ".".join(str(part) for part in self._engine.version)
        return web.Response(
            status=_STATUS.get(error.code, 500),
            text=f"Code: {error.code}. DB::Exception: {error.text} (version {version})\n",
            headers={"X-ClickHouse-Exception-Code": str(error.code)},
        )


async def _ok(_: web.Request) -> web.Response:
    return _text("Ok.\n")


def _text(text: str) -> web.Response:
    return web.Response(text=text, headers={"X-Content-Type-Options": "nosniff"})


def _is_from_here(request: web.Request) -> bool:
    origin = request.headers.get("Origin", "")
    return _is_loopback(urlsplit(f"//{request.host}").hostname) and (
        not origin or _is_loopback(urlsplit(origin).hostname)
    )


def _is_loopback(name: str | None) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name or "").is_loopback
    except ValueError:
        return False


async def _read_question(request: web.Request) -> _Question:
    options = request.query
    for option in ("compress", "decompress"):
        if options.get(option, "0") not in {"0", "false", ""}:
            text = f"ClickHouse's own compression is not offered here: leave out '{option}'. (SUPPORT_IS_DISABLED)"
            raise EngineError(SUPPORT_IS_DISABLED, text)
    try:
        body = (await request.read()).decode()
    except UnicodeDecodeError as error:
        raise EngineError(BAD_ARGUMENTS, "the query is not UTF-8. (BAD_ARGUMENTS)") from error
    parts = [part for part in (options.get("query", ""), body) if part]
    output_format = options.get("default_format") or request.headers.get("X-ClickHouse-Format") or DEFAULT_FORMAT
    if not re.fullmatch(r"\w+", output_format) or output_format.lower() in _PYTHON_FORMATS:
        text = f"Unknown format {output_format}. (UNKNOWN_FORMAT)"
        raise EngineError(UNKNOWN_FORMAT, text)
    return _Question(
        sql="\n".join(parts),
        database=options.get("database") or request.headers.get("X-ClickHouse-Database") or "",
        output_format=output_format,
        parameters={name[6:]: value for name, value in options.items() if name.startswith("param_")},
    )


def _content_type(output_format: str) -> str:
    if output_format in _CONTENT_TYPES:
        return _CONTENT_TYPES[output_format]
    if output_format.startswith(_BINARY_FORMATS):
        return "application/octet-stream"
    for family in ("CSV", "JSON", "TabSeparated", "TSV"):
        if output_format.startswith(family):
            return _CONTENT_TYPES[family]
    return "text/plain; charset=UTF-8"
