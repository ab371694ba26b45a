"""What every request to the page has to pass, and what every answer of it says to browsers.

A page on the web can make its own name resolve to 127.0.0.1 and would then read what is here under that name; it
cannot change what the Host header says.
"""

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from aiohttp.typedefs import Middleware

from streams.settings import is_loopback

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

METHODS: Final = ("GET", "HEAD")
#: Nothing but what this server itself sends: no inline script or style, no other site, no frame around it.
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Problem(msgspec.Struct, frozen=True):
    """What an answer says that is none: what is wrong, and what to do about it."""

    error: str
    advice: str = ""


class Refusal(Exception):
    """A request that is not answered: HTTP status, and what to tell."""

    def __init__(self, status: int, error: str, advice: str = "") -> None:
        super().__init__(error)
        self.status = status
        self.problem = Problem(error, advice)


def guard(names: frozenset[str]) -> Middleware:
    """Middleware that answers requests to loopback, or to one of these names; lower case, without ports."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            _refuse_strangers(request, names)
            response = await handler(request)
        except Refusal as refusal:
            response = problem_response(refusal.status, refusal.problem)
        except web.HTTPException as error:
            response = problem_response(error.status, Problem(f"{request.path}: {error.reason}"))
        if not response.prepared:
            response.headers.update(HEADERS)
        if response.status == web.HTTPMethodNotAllowed.status_code:
            response.headers["Allow"] = ", ".join(METHODS)
        return response

    return answer


def problem_response(status: int, problem: Problem) -> web.Response:
    """The problem as JSON."""
    return web.Response(status=status, body=msgspec.json.encode(problem), content_type="application/json")


def _refuse_strangers(request: web.Request, names: frozenset[str]) -> None:
    if request.method not in METHODS:
        raise Refusal(405, f"{request.method} is not answered here: the page only reads")
    host = _host(request.headers.get("Host", ""))
    if host not in names and not is_loopback(host):
        raise Refusal(
            403,
            f"this page answers on this machine alone, and not under the name {host[:80]!r}",
            "open it as http://127.0.0.1, or start it with: journeys serve --name HOST",
        )


def _host(header: str) -> str:
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""
