"""The door through which teams answer messages: links that ask before they act, and buttons pressed in Slack.

To open a link changes nothing, because mail filters and chats open links to look at them: it shows a page with a
button, and only what that sends back acts. Who may answer is who got the link; the name is what they say of themselves.
"""

import html
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiohttp import web

from sinks.alerts.action_links import TOKEN_CHARACTERS, ActionLinkError, AskedAction, check_action
from sinks.alerts.answering import PATH, SLACK_PATH, Answering
from sinks.alerts.fitting import one_line
from sinks.alerts.slack_actions import BODY_BYTES, SlackRequestError, pressed_buttons, verify_slack_request

_log = structlog.get_logger()
_NAME_CHARACTERS: Final = 80
_FORM_BYTES: Final = 4_096
#: What is asked for, in words: an infinitive, and what was done.
_WORDS: Final = {"acknowledge": ("Take this incident", "It is yours."), "snooze": ("Snooze this cause", "It is quiet.")}
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="robots" content="noindex">
<meta name="viewport" content="width=device-width"><title>{title}</title>
<style>body{{font:1.1rem system-ui;margin:3rem auto;max-width:28rem;padding:0 1rem}}input,button{{font:inherit;
padding:.5rem;width:100%;margin:.4rem 0;box-sizing:border-box}}</style><h1>{title}</h1>{body}</html>"""

#: Writes an action down: its name, the incident, and who did it. False when there is no such incident.
Acted = Callable[[str, str, str], Awaitable[bool]]


class AlertDoor:
    """An HTTP server with two addresses; `acted` is told of what somebody did."""

    def __init__(self, answering: Answering, acted: Acted, now_s: Callable[[], float]) -> None:
        self._answering = answering
        self._acted = acted
        self._now_s = now_s
        self._runner: web.AppRunner | None = None
        #: Where it listens, once it is open.
        self.port = 0

    async def open(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.

        """
        app = web.Application(client_max_size=BODY_BYTES)
        app.router.add_get(PATH, self._ask)
        app.router.add_post(PATH, self._act)
        if self._answering.slack_key is not None:
            app.router.add_post(SLACK_PATH, self._act_in_slack)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        settings = self._answering.settings
        await web.TCPSite(self._runner, settings.host, settings.port).start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Listen no longer."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _ask(self, request: web.Request) -> web.Response:
        token = request.query.get("token", "")
        try:
            asked = self._checked(token)
        except ActionLinkError as error:
            return _page("This cannot be done", html.escape(str(error)) + ".", status=403)
        title, _ = _WORDS[asked.action]
        body = (
            f"<p>Incident {html.escape(asked.incident_id[:8])}</p><form method=post>"
            f'<input type=hidden name=token value="{html.escape(token)}">'
            f"<label>Your name<input name=by required maxlength={_NAME_CHARACTERS} autofocus></label>"
            f"<button>{title}</button></form>"
        )
        return _page(title, body)

    async def _act(self, request: web.Request) -> web.Response:
        if (request.content_length or 0) > _FORM_BYTES:
            return _page("This cannot be done", "That is too long.", status=413)
        form = await request.post()
        try:
            asked = self._checked(str(form.get("token", "")))
        except ActionLinkError as error:
            return _page("This cannot be done", html.escape(str(error)) + ".", status=403)
        by = one_line(str(form.get("by", "")))[:_NAME_CHARACTERS]
        if not by:
            return _page("This cannot be done", "Say who you are.", status=400)
        if not await self._acted(asked.action, asked.incident_id, by):
            return _page("This cannot be done", "There is no such incident any more.", status=404)
        return _page(_WORDS[asked.action][1], f"<p>Noted for {html.escape(by)}.</p>")

    async def _act_in_slack(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = request.headers
        timestamp, signature = headers.get("X-Slack-Request-Timestamp"), headers.get("X-Slack-Signature")
        assert self._answering.slack_key is not None  # noqa: S101 - there is no such address without one
        try:
            verify_slack_request(self._answering.slack_key, timestamp, signature, body, self._now_s())
            pressed = pressed_buttons(body)
        except SlackRequestError as error:
            _log.warning("slack_request_refused", reason=str(error))
            return web.Response(status=403)
        for button in pressed:
            await self._acted(button.action, button.incident_id, button.user_name)
        return web.Response()

    def _checked(self, token: str) -> AskedAction:
        asked = check_action(token[: TOKEN_CHARACTERS + 1], self._answering.keys, self._now_s())
        if asked.action not in _WORDS:
            raise ActionLinkError("this link asks for something that is not known here")
        return asked


def _page(title: str, body: str, *, status: int = 200) -> web.Response:
    text = _PAGE.format(title=html.escape(title), body=body)
    return web.Response(text=text, status=status, content_type="text/html", headers=_HEADERS)
