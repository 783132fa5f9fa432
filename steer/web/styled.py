"""The style sheet and the keyboard's script, in the head of the page itself."""

from __future__ import annotations

from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HERE = Path(__file__).parent


class Styled:
    """Adds them to what Gradio answers for ``path``, its page. What Gradio is given as ``css`` and ``head`` comes with
    its script, a second later: until then the page would be white, and jump.
    """

    def __init__(self, app: ASGIApp, path: str):
        self.app, self.path = app, path
        style, keys = (HERE / "page.css").read_text(encoding="utf-8"), (HERE / "keys.js").read_text(encoding="utf-8")
        self._added = f"<head><style id='steer'>{style}</style><script>{keys}</script>".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request of ASGI."""

        async def styled(message: Message) -> None:
            if message["type"] == "http.response.start":  # the length is another one now
                headers = [(k, v) for k, v in message["headers"] if k.lower() != b"content-length"]
                message = {**message, "headers": headers}
            elif message["type"] == "http.response.body":
                message = {**message, "body": message.get("body", b"").replace(b"<head>", self._added, 1)}
            await send(message)

        await self.app(scope, receive, styled if scope.get("path") == self.path else send)
