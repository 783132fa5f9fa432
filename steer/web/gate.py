"""Who gets in to a page: whoever has the printed link, in a page of this server, and nobody else.

Against whom: other websites in the same browser, by a name that they point at this machine (Host), by requests from
their pages (Origin, the cookie's SameSite) or by a frame around this one; other programs and people of this machine,
and their servers on other ports, to which browsers send a cookie too unless it is for a path that they do not know.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from steer.web.hosts import OwnNames

COOKIE = "steer"
# what Gradio's page asks its server for; the rest (uploads, files, named functions, proxies) is closed
READ = (
    "config",
    "theme.css",
    "assets/",
    "static/",
    "favicon.ico",
    "manifest.json",
    "gradio_api/startup-events",
    "gradio_api/heartbeat/",
    "gradio_api/queue/data",
)
WRITTEN = ("gradio_api/queue/join", "gradio_api/reset", "gradio_api/cancel")
HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def new_token() -> str:
    """128 bits, as they are written into a URL."""
    return secrets.token_urlsafe(16)


class Gate:
    """Lets in whoever brings the token: once in the URL, from then on in a cookie. Everybody else gets a 403.

    ``room``: the path below which everything is, as "/x/". ``host``: where it listens. ``read`` and ``written``: paths
    below ``room`` beside those of Gradio's page; one that ends in "/" stands for all that begin with it.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: str,
        room: str,
        host: str,
        read: Sequence[str] = (),
        written: Sequence[str] = (),
    ):
        self.app, self.token, self.room = app, token, room
        self.read, self.written = (*READ, *read), (*WRITTEN, *written)
        self._names = OwnNames(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request of ASGI."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        connection = HTTPConnection(scope)
        answer = self._answer(connection)
        if answer is None:
            return await self.app(scope, receive, with_headers(send, HEADERS))
        return await answer(scope, receive, with_headers(send, HEADERS))

    def _answer(self, asked: HTTPConnection) -> Response | None:
        """What to say in place of the page; None to let in."""
        host, origin = asked.headers.get("host", ""), asked.headers.get("origin")
        if host not in self._names:
            return _refused("This page is not at this address; use the link that steer printed.")
        if origin is not None and urlsplit(origin).netloc != host:
            return _refused("This page answers no other page.")
        brought = asked.query_params.get("token")
        if brought is not None and asked.scope.get("method") == "GET" and asked.scope["path"] == self.room:
            return self._welcome() if self._right(brought) else _refused(NEEDED)
        if not self._right(asked.cookies.get(COOKIE, "")):
            return _refused(NEEDED)
        return None if self._open(asked) else _refused("This is not a part of the page.")

    def _open(self, asked: HTTPConnection) -> bool:
        """Whether this is something that the page itself asks for."""
        if asked.scope["type"] != "http" or not asked.scope["path"].startswith(self.room):
            return False
        path, method = asked.scope["path"].removeprefix(self.room), asked.scope["method"]
        if method in ("GET", "HEAD"):
            return path == "" or _among(path, self.read)
        return method == "POST" and _among(path, self.written)

    def _welcome(self) -> Response:
        """Hand over the cookie, and go on without the token in the address bar. By a page rather than a redirect: after
        a link on another site, a browser takes no strict cookie along on a redirect.
        """
        answer = HTMLResponse(WELCOME.format(escape(self.room)))
        answer.set_cookie(COOKIE, self.token, path=self.room, httponly=True, samesite="strict")
        return answer

    def _right(self, brought: str) -> bool:
        return secrets.compare_digest(brought.encode(), self.token.encode())


NEEDED = "This page needs the link that steer printed, with its token."
WELCOME = """<!doctype html><meta charset="utf-8"><title>steer</title><meta http-equiv="refresh" content="0; url={0}">
<p><a href="{0}">Go on</a></p>
"""


def _among(path: str, paths: Sequence[str]) -> bool:
    return any(path.startswith(p) if p.endswith("/") else path == p for p in paths)


def _refused(why: str) -> Response:
    return PlainTextResponse(f"{why}\n", 403)


def with_headers(send: Send, headers: Mapping[str, str]) -> Send:
    """Add these to an answer, but for those that it has already."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            there = {name.lower() for name, _ in message["headers"]}
            more = [(k.lower().encode(), v.encode()) for k, v in headers.items() if k.lower().encode() not in there]
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    return sent
