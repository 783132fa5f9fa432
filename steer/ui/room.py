"""Who gets in to the page: whoever brings a token, by a link or by typing it; from then on by a cookie.

The page and all that it asks for lie below a path that other servers of this machine do not know, because a browser
sends cookies to every port. Below that path the cookie stands for the header ``Authorization`` of the server's own
gate, which checks everything else; requests to other paths need the header, as without the page.
"""

from __future__ import annotations

import secrets
from html import escape
from urllib.parse import parse_qs

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from steer.server.tokens import Tokens
from steer.web.gate import with_headers
from steer.web.hosts import OwnNames

COOKIE = "steer-ui"
MOST_TYPED = 4096  # bytes of the form with a token
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
OWN = ("same-origin", "none")  # Sec-Fetch-Site of what the page, or its person, asks for


class Room:
    """``app``: the server with its gate. ``host``: where it listens."""

    def __init__(self, app: ASGIApp, tokens: Tokens, host: str, path: str = ""):
        self.app, self.tokens = app, tokens
        self.path = path or f"/{secrets.token_urlsafe(6)}/"
        self._names = OwnNames(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request of ASGI."""
        if scope["type"] != "http" or not scope["path"].startswith(self.path):
            return await self.app(scope, receive, send)
        request = Request(scope, receive)
        answer = self._foreign(request)
        if answer is None and self.tokens.find(request.cookies.get(COOKIE, "")) is None:
            answer = await self._at_the_door(request)
        elif answer is None and "token" in request.query_params:
            answer = self._welcome(request.query_params["token"])  # of another person, or again
        if answer is not None:
            return await answer(scope, receive, with_headers(send, HEADERS))
        return await self.app(self._inside(scope, request), receive, with_headers(send, HEADERS))

    def _inside(self, scope: Scope, request: Request) -> Scope:
        """The request as the server knows it: without the room, with a header in the cookie's place."""
        path = "/" + scope["path"].removeprefix(self.path)
        headers = [(k, v) for k, v in scope["headers"] if k not in (b"authorization", b"cookie")]
        headers.append((b"authorization", b"Bearer " + request.cookies[COOKIE].encode()))
        return {**scope, "path": "/ui/" if path == "/" else path, "raw_path": path.encode(), "headers": headers}

    def _foreign(self, asked: HTTPConnection) -> Response | None:
        """What to say to another name or website; None for this machine's own. Origin is for the server's gate."""
        if asked.headers.get("host", "") not in self._names:
            return _line("This page is not at this address; use the link that steer printed.")
        there = asked.headers.get("sec-fetch-site", "none")
        navigates = asked.headers.get("sec-fetch-mode") == "navigate" and asked.scope["method"] == "GET"
        return None if there in OWN or navigates else _line("This page answers no other page.")

    async def _at_the_door(self, request: Request) -> Response:
        """Somebody without the cookie: by the link, by the form, or not at all."""
        if request.scope["path"] != self.path:
            return _line("This page needs the link that steer printed, with its token.")
        if request.method == "POST":
            typed = b""
            async for chunk in request.stream():
                typed += chunk
                if len(typed) > MOST_TYPED:
                    return _line("That is no token.")
            return self._welcome(parse_qs(typed.decode("latin-1")).get("token", [""])[0].strip())
        brought = request.query_params.get("token")
        return _page(FORM, 401) if brought is None else self._welcome(brought)

    def _welcome(self, secret: str) -> Response:
        """Hand over the cookie, and go on without the token in the address bar. By a page rather than a redirect: after
        a link on another site, a browser takes no strict cookie along on a redirect.
        """
        if self.tokens.find(secret) is None:
            return _page(f"<p>That token is none of this server's.</p>{FORM}", 403)
        answer = _page(f'<meta http-equiv="refresh" content="0; url={self.path}"><a href="{self.path}">Go on</a>')
        answer.set_cookie(COOKIE, secret, path=self.path, httponly=True, samesite="strict")
        return answer


FORM = """<form method="post"><label for="token">This page needs the link that steer printed, or its token:</label>
<p><input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Open</button></p>
</form>"""
PLAIN = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark">
<meta name="viewport" content="width=device-width"><title>steer</title><link rel="icon" href="data:,">
<main><h1>steer</h1>{}</main></html>
"""


def _page(markup: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(PLAIN.format(markup), status)


def _line(said: str, status: int = 403) -> HTMLResponse:
    return _page(f"<p>{escape(said)}</p>", status)
