"""The page's server: its files, and each question of the catalogue as JSON and as CSV. It can only read."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from aiohttp import web

from sinks.clickhouse.address import ClickHouseAddress
from sinks.clickhouse.binding import Value, bound
from sinks.clickhouse.errors import SchemaMismatch, StoreUnavailable
from sinks.clickhouse.page_questions import QUESTIONS, BadParameter, Question, file_values, types
from sinks.clickhouse.questions import QuestionRefused
from streams.serving.csv_rows import csv_lines
from streams.serving.desk import Desk
from streams.serving.files import page_files
from streams.serving.guarding import HEADERS, Refusal, guard

_SHUTDOWN_S: Final = 3.0
_IS_IT_UP: Final = "is the stack up? See: journeys status"
_MIGRATE: Final = "this brings the tables up to date: journeys migrate"
#: Codes of ClickHouse: a column, a table or the database is not there; a query took too long.
_NOT_THERE: Final = (47, 60, 81)
_TOO_SLOW: Final = 159
_encoder = msgspec.json.Encoder(enc_hook=str)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What the page tells about where it looks: version, and ClickHouse's database and HTTP address if it has one."""

    version: str
    database: str
    clickhouse_http: str | None


class Filled(msgspec.Struct, frozen=True):
    """A parameter of a question with its value; ClickHouse knows it as `param_` and its name."""

    name: str
    type: str
    value: Value


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A question and its answer; `rows` are lists in the order of `columns`, times ISO 8601."""

    question: str
    comment: str
    sql: str
    parameters: list[Filled]
    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: Any
    took_ms: int


def make_app(address: ClickHouseAddress, place: Place, names: frozenset[str] = frozenset()) -> web.Application:
    """Application that asks ClickHouse at `address`; it answers to loopback names, and to `names`."""
    page = _Page(Desk(address), place)
    app = web.Application(middlewares=[guard(names)])
    app.add_routes(
        [
            web.get("/api", page.show_place),
            web.get("/api/{question}", page.answer),
            web.get("/csv/{question}", page.send_file),
            web.get("/healthz", page.show_health),
            web.get("/{path:.*}", page.show_file),
        ]
    )
    app.on_cleanup.append(page.close)
    return app


async def serve(
    app: web.Application,
    *,
    host: str,
    port: int,
    on_ready: Callable[[str], None],
    stop: asyncio.Event,
) -> None:
    """Serve until `stop` is set, then return. `on_ready` gets the address.

    Raises:
        OSError: the port is taken, or the host is not ours.

    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        on_ready(f"http://{f'[{host}]' if ':' in host else host}:{runner.addresses[0][1]}")
        await stop.wait()
    finally:
        await runner.cleanup()


class _Page:
    """The handlers, and what they share."""

    def __init__(self, desk: Desk, place: Place) -> None:
        self._desk = desk
        self._place = _encoder.encode(place)
        self._files = page_files()

    async def close(self, _app: web.Application) -> None:
        """Let go of ClickHouse."""
        await asyncio.get_running_loop().run_in_executor(None, self._desk.close)

    async def show_file(self, request: web.Request) -> web.Response:
        """A file of the page."""
        file = self._files.get(request.match_info["path"])
        if file is None:
            raise Refusal(404, f"there is nothing at {request.path[:80]}", "the page is at /")
        headers = {"ETag": f'"{file.tag}"', "Cache-Control": "no-cache"}
        if any(tag.value == file.tag for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=file.content, content_type=file.content_type, charset="utf-8", headers=headers)

    async def show_place(self, _request: web.Request) -> web.Response:
        """`GET /api`: where the page looks."""
        return _json(self._place)

    async def show_health(self, _request: web.Request) -> web.Response:
        """`GET /healthz`: whether ClickHouse answers."""
        with _told():
            await self._desk.ask("SELECT 1")
        return _json(b'{"status":"ok"}')

    async def answer(self, request: web.Request) -> web.Response:
        """`GET /api/QUESTION`: the answer with the question as it was asked."""
        question, values = _asked(request)
        began = time.monotonic()
        with _told():
            answer = await self._desk.ask(bound(question.sql, values))
        return _json(
            _encoder.encode(
                Answered(
                    question=question.name,
                    comment=question.comment,
                    sql=question.sql,
                    parameters=[Filled(name, type_, values[name]) for name, type_ in types(question).items()],
                    columns=answer.columns,
                    types=answer.types,
                    rows=answer.rows,
                    took_ms=round((time.monotonic() - began) * 1000),
                )
            )
        )

    async def send_file(self, request: web.Request) -> web.StreamResponse:
        """`GET /csv/QUESTION`: all rows of the answer, as they come."""
        question, values = _asked(request)
        parts = self._desk.ask_in_parts(bound(question.sql, file_values(question, values)))
        with _told():
            first = await anext(parts)
        response = web.StreamResponse(
            headers={
                **HEADERS,
                "Content-Type": "text/csv; charset=utf-8; header=present",
                "Content-Disposition": f'attachment; filename="{question.name}.csv"',
                "Cache-Control": "no-store",
            }
        )
        await response.prepare(request)
        try:
            if request.method == "HEAD":
                return response
            await response.write(csv_lines([first.columns, *first.rows]).encode())
            async for part in parts:
                await response.write(csv_lines(part.rows).encode())
        except ConnectionError:
            return response  # Whoever asked has gone.
        except (QuestionRefused, StoreUnavailable):
            # What was sent is no whole file: the connection breaks off, and the browser says that it failed.
            if request.transport is not None:
                request.transport.abort()
            return response
        finally:
            await parts.aclose()
        await response.write_eof()
        return response


def _asked(request: web.Request) -> tuple[Question, Mapping[str, Value]]:
    name = request.match_info["question"]
    question = QUESTIONS.get(name)
    if question is None:
        raise Refusal(404, f"there is no question {name[:40]!r}", f"there are: {', '.join(QUESTIONS)}")
    given: dict[str, str] = {}
    for key, value in request.query.items():
        if key in given:
            raise Refusal(400, f"{key[:40]!r} is given twice")
        given[key] = value
    try:
        return question, question.values(given)
    except BadParameter as error:
        raise Refusal(400, str(error)) from None


@contextmanager
def _told() -> Iterator[None]:
    """Say what is wrong with ClickHouse, as an answer."""
    try:
        yield
    except StoreUnavailable as error:
        raise Refusal(503, f"ClickHouse does not answer ({error})", _IS_IT_UP) from error
    except SchemaMismatch as error:
        raise Refusal(500, str(error), _MIGRATE) from error
    except QuestionRefused as error:
        if f"(code {_TOO_SLOW})" in str(error):
            raise Refusal(504, "ClickHouse did not finish in time", "choose a shorter period, and try again") from error
        is_old = any(f"(code {code})" in str(error) for code in _NOT_THERE)
        raise Refusal(500, str(error), _MIGRATE if is_old else "") from error


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})
