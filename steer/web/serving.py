"""A page of Gradio on loopback, until somebody is done with it."""

from __future__ import annotations

import threading
import webbrowser
from pathlib import Path
from typing import Any

import gradio as gr

from steer.errors import UsageError

HERE = Path(__file__).parent
HOST = "127.0.0.1"


class Served:
    """A running page; ``url`` is where. Ends by :meth:`close`, or when ``done`` is set and somebody waits for it."""

    def __init__(self, page: gr.Blocks, port: int):
        self.page, self.done = page, threading.Event()
        try:
            _, url, _ = page.launch(
                server_name=HOST,
                server_port=port or None,
                prevent_thread_lock=True,
                quiet=True,
                share=False,
                footer_links=[],
                css_paths=HERE / "page.css",
                head=f"<script>{(HERE / 'keys.js').read_text()}</script>",
                ssr_mode=False,
                theme=gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
            )
        except OSError as error:
            raise UsageError(f"port {port} is taken; give another --port, or none for any free one") from error
        self.url = url

    def wait(self) -> None:
        """Until done, or Ctrl-C."""
        try:
            while not self.done.wait(0.2):
                pass
        except KeyboardInterrupt:
            pass
        finally:
            self.close()

    def open(self) -> None:
        """In the person's browser."""
        webbrowser.open(self.url)

    def close(self) -> None:
        """Stop serving."""
        self.page.close(verbose=False)


def announce(served: Served, browser: bool, console: Any) -> None:
    """Print where the page is, and open it."""
    console.print(f"open {served.url} (this machine only; Ctrl-C ends, every answer is kept at once)")
    if browser:
        served.open()
