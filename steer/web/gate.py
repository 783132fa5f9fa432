"""A token for pages that other machines reach."""

from __future__ import annotations

import secrets

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send


def new_token() -> str:
    """128 bits, as they are written into a URL."""
    return secrets.token_urlsafe(16)


class Gate:
    """Lets in whoever brings the token: once in the URL, from then on in a cookie. Everybody else gets a 403."""

    def __init__(self, app: ASGIApp, token: str, cookie: str):
        self.app, self.token, self.cookie = app, token, cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request of ASGI."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        connection = HTTPConnection(scope)
        brought = connection.query_params.get("token")
        if brought is None and self._right(connection.cookies.get(self.cookie)):
            return await self.app(scope, receive, send)
        answer: Response
        if self._right(brought):
            answer = RedirectResponse(connection.url.path, 303)  # the token leaves the address bar
            answer.set_cookie(self.cookie, self.token, httponly=True, samesite="lax")
        else:
            answer = PlainTextResponse("This page needs the link that steer printed, with its token.\n", 403)
        return await answer(scope, receive, send)

    def _right(self, brought: str | None) -> bool:
        return brought is not None and secrets.compare_digest(brought.encode(), self.token.encode())
