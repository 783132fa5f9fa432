"""A page of Gradio in a server of this process, until somebody is done with it."""

from __future__ import annotations

import secrets
import threading
import time
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from rich.console import Console
from starlette.background import BackgroundTask
from starlette.routing import Route

from steer.errors import SteerError
from steer.web.address import Address
from steer.web.gate import Gate, new_token
from steer.web.styled import Styled

HERE = Path(__file__).parent
FONTS = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
DONE = "<form method='post' action='goodbye'><button id='done'>Done</button></form>"
# how a page asks Python: no spinner, and no function that other programs can call by a name
QUIETLY: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
STARTS_WITHIN_S = 30.0


class Served:
    """A running page; ``url`` is where, with its token.

    Ends by :meth:`close`, or when its person presses Done and somebody waits for it. ``routes`` are served beside the
    page: its pictures, the report of a run; each is "/NAME/{...}". Raises UsageError where the address is taken.
    """

    def __init__(self, page: gr.Blocks, address: Address, routes: Sequence[Route] = ()):
        self.address, self.done = address, threading.Event()
        listening = address.bind()
        port = listening.getsockname()[1]
        token, room = new_token(), f"/{secrets.token_urlsafe(6)}/"
        self.url = f"http://{address.reachable}:{port}{room}?token={token}"
        app = FastAPI(openapi_url=None)
        for route in [Route("/goodbye", self._goodbye, methods=["POST"]), *routes]:
            app.add_route(room.rstrip("/") + route.path, route.endpoint, methods=list(route.methods or ["GET"]))
        gr.mount_gradio_app(
            app,
            page,
            room.rstrip("/"),
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            theme=gr.themes.Soft(**FONTS),
        )
        read = [route.path.lstrip("/").partition("{")[0] for route in routes]
        config = uvicorn.Config(
            Gate(Styled(app, room), token, room, address.host, read, ["goodbye"]),
            log_config=None,
            log_level="warning",
            timeout_graceful_shutdown=1,  # an open tab holds a connection for ever
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listening],), daemon=True)
        self._thread.start()
        begun = time.monotonic()
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() - begun > STARTS_WITHIN_S:
                raise SteerError(f"the page at {self.url} did not start")
            time.sleep(0.01)

    async def _goodbye(self, _: Any) -> HTMLResponse:
        """The last page; nothing on it needs the server, which ends when it has been sent."""
        return HTMLResponse(
            (HERE / "goodbye.html").read_text(encoding="utf-8"), background=BackgroundTask(self.done.set)
        )

    def announce(self, console: Console, ends: str) -> None:
        """Print where the page is, who reaches it and how it ``ends``, and open it in the browser."""
        who = "this machine" if self.address.private else "your network"
        who = f"whoever on {who} has this link can open it"
        console.print(f"open {self.url}", soft_wrap=True, highlight=False)
        console.print(f"  {who}; {ends}")
        if self.address.browser:
            webbrowser.open(self.url)

    def wait(self) -> None:
        """Until done, or Ctrl-C."""
        try:
            while not self.done.wait(0.2):
                pass
        except KeyboardInterrupt:
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Stop serving."""
        self._server.should_exit = True
        self._thread.join(timeout=5)
