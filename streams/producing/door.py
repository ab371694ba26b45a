"""The HTTP door: touchpoints as JSON in, acknowledged records in Kafka, and a clear answer to everything else."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from schemas.json_form import ContractError, touchpoint_from_json
from schemas.touchpoint import Touchpoint
from streams.producing.door_contract import Accepted, Health, ItemError, Rejected, openapi
from streams.producing.door_sender import DoorSender, Overloaded
from streams.producing.jsonl import parse_json
from streams.producing.producer import BrokerUnavailable, DeliveryFailed
from streams.settings import KafkaSettings

#: What collectors of this field take, so that their client libraries' batches fit.
MAX_BODY_BYTES: Final = 500_000
MAX_EVENTS: Final = 2_500
MAX_EVENT_BYTES: Final = 32_000

_SHOWN_ERRORS: Final = 100
_RETRY_AFTER_S: Final = 1
_SHUTDOWN_S: Final = 15.0
_NOTHING_ACCEPTED: Final = "nothing of the request was accepted"
_MAY_HAVE_ARRIVED: Final = "some of the request may have arrived, sending the same again is safe"

_encoder = msgspec.json.Encoder()
_raw_items = msgspec.json.Decoder(list[msgspec.Raw])
_raw_object = msgspec.json.Decoder(dict[str, msgspec.Raw])

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Rejection(Exception):
    """A request that is not accepted: HTTP status, and what to tell; `arrived` says what became of what it held."""

    def __init__(
        self,
        status: int,
        error: str,
        errors: Sequence[ItemError] = (),
        *,
        arrived: str = _NOTHING_ACCEPTED,
        retry_after_s: int = 0,
    ) -> None:
        super().__init__(error)
        self.status = status
        self.body = Rejected(error=f"{error}; {arrived}", errors=list(errors[:_SHOWN_ERRORS]))
        self.retry_after_s = retry_after_s


def make_app(sender: DoorSender, now_ms: Callable[[], int] | None = None) -> web.Application:
    """Application that hands what it takes to `sender`; `now_ms` is the clock for `received_at`, UTC milliseconds."""
    door = _Door(sender, now_ms or (lambda: time.time_ns() // 1_000_000))
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_answer_in_json])
    app.add_routes(
        [
            web.post("/v1/events", door.take_events),
            web.get("/openapi.json", door.show_contract),
            web.get("/healthz", door.show_health),
        ]
    )
    return app


async def serve(
    kafka: KafkaSettings, *, host: str, port: int, on_ready: Callable[[str], None], stop: asyncio.Event | None = None
) -> None:
    """Serve until SIGTERM or SIGINT (or `stop`), then answer what is open and return. `on_ready` gets the address.

    Raises:
        OSError: the port is taken, or the host is not ours.

    """
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_ in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_, stop.set)
    sender = DoorSender(kafka)
    runner = web.AppRunner(make_app(sender), access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        bound_port = runner.addresses[0][1]
        on_ready(f"http://{host}:{bound_port}")
        await stop.wait()
    finally:
        await runner.cleanup()
        await sender.close()


def parse_request(body: bytes, received_at: int) -> list[Touchpoint]:
    """Touchpoints of a request body: an object, an array of them, or `{"events": [...]}`.

    Raises:
        Rejection: not JSON, over a limit, or one is not a touchpoint; every wrong one is named by its place.

    """
    touchpoints: list[Touchpoint] = []
    errors: list[ItemError] = []
    items = _items(body)
    if len(items) > MAX_EVENTS:
        raise Rejection(413, f"{len(items)} touchpoints are more than the limit of {MAX_EVENTS} per request")
    for index, item in enumerate(items):
        if len(item) > MAX_EVENT_BYTES:
            reason = f"{len(item)} bytes are more than the limit of {MAX_EVENT_BYTES} per touchpoint"
            raise Rejection(413, reason, [ItemError(index, None, reason)])
        try:
            touchpoint = touchpoint_from_json(parse_json(item))
        except ContractError as error:
            errors.append(ItemError(index, error.field, error.reason))
        else:
            touchpoints.append(msgspec.structs.replace(touchpoint, received_at=received_at))
    if errors:
        raise Rejection(400, f"{len(errors)} of {len(items)} are no touchpoints", errors)
    return touchpoints


def _items(body: bytes) -> list[bytes]:
    text = body.strip()
    try:
        if not text.startswith(b"["):
            fields = _raw_object.decode(text)
            if "events" not in fields:
                return [text]
            if len(fields) > 1:
                other = next(name for name in fields if name != "events")
                raise Rejection(
                    400, f"{other!r} is unknown beside events; what holds for all goes into each touchpoint"
                )
            text = bytes(fields["events"])
        items = [bytes(item) for item in _raw_items.decode(text)]
    except RecursionError:
        raise Rejection(400, "the body is nested too deeply") from None
    except msgspec.ValidationError:
        raise Rejection(400, 'expected a touchpoint, an array of them, or {"events": [...]}') from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejection(400, f"the body is not valid JSON: {error}") from None
    if not items:
        raise Rejection(400, "there is no touchpoint in it")
    return items


class _Door:
    """The handlers, and what they share."""

    def __init__(self, sender: DoorSender, now_ms: Callable[[], int]) -> None:
        self._sender = sender
        self._now_ms = now_ms
        self._contract = _encoder.encode(
            openapi(max_body_bytes=MAX_BODY_BYTES, max_events=MAX_EVENTS, max_event_bytes=MAX_EVENT_BYTES)
        )

    async def take_events(self, request: web.Request) -> web.Response:
        """`POST /v1/events`."""
        if request.content_type != "application/json":
            raise Rejection(415, f"the content type is {request.content_type}, expected application/json")
        touchpoints = parse_request(await request.read(), self._now_ms())
        try:
            await self._sender.send(touchpoints)
        except Overloaded as error:
            raise Rejection(429, f"the broker lags: {error}", retry_after_s=_RETRY_AFTER_S) from None
        except BrokerUnavailable as error:
            raise Rejection(503, str(error), retry_after_s=_RETRY_AFTER_S) from None
        except DeliveryFailed as error:
            problem = f"the broker did not acknowledge: {error.reason}"
            raise Rejection(503, problem, arrived=_MAY_HAVE_ARRIVED, retry_after_s=_RETRY_AFTER_S) from None
        return _json(202, Accepted(len(touchpoints)))

    async def show_contract(self, _request: web.Request) -> web.Response:
        """`GET /openapi.json`."""
        return web.Response(body=self._contract, content_type="application/json")

    async def show_health(self, _request: web.Request) -> web.Response:
        """`GET /healthz`: tries to connect when there is no connection."""
        try:
            await self._sender.connect()
        except BrokerUnavailable:
            return _json(503, Health("broker down", self._sender.in_flight))
        return _json(200, Health("ok", self._sender.in_flight))


@web.middleware
async def _answer_in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Rejection as rejection:
        response = _json(rejection.status, rejection.body)
        if rejection.retry_after_s:
            response.headers["Retry-After"] = str(rejection.retry_after_s)
        return response
    except web.HTTPRequestEntityTooLarge:
        too_large = Rejection(413, f"the body is larger than the limit of {MAX_BODY_BYTES} bytes")
        return _json(too_large.status, too_large.body)
    except web.HTTPException as error:
        response = _json(error.status, Rejected(error=f"{request.method} {request.path}: {error.reason}"))
        if isinstance(error, web.HTTPMethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
        return response


def _json(status: int, body: Any) -> web.Response:
    return web.Response(status=status, body=_encoder.encode(body), content_type="application/json")
