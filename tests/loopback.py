"""A real HTTP server on loopback, and every way in which it may misbehave."""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MB = 2**20


def packed(data: bytes, times: int = 1) -> tuple[int, bytes, dict[str, str]]:
    """A turn whose body is ``data``, so many ``times``, under gzip."""
    return 200, gzip.compress(data * times), {"Content-Encoding": "gzip"}


class Loopback:
    """Answers POST and GET by the next turn of ``queue``, then by :meth:`answer` and :meth:`page`.

    A turn is (status, body) or (status, body, headers): bytes are sent as they are, other things as JSON, None means a
    proper answer. In place of a status, "hang" is silent for ``body`` seconds, "drip" sends the body a byte each .05 s,
    "endless" sends it again and again in chunks, "cut" closes before its end, "reset" at once. ``requests``: what came,
    each with path, body, key, headers and when.
    """

    def __init__(self) -> None:
        self.queue: list[Any] = []
        self.requests: list[dict[str, Any]] = []
        self.fetched: list[str] = []  # the paths of every GET
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # nobody waits any more
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, path: str, body: Any, number: int) -> Any:
        """The proper answer, or turn, to the ``number``-th POST."""
        raise NotImplementedError

    def page(self, path: str) -> Any:
        """The turn of a GET."""
        return 404, {}

    def turn_of(self, request: dict[str, Any], number: int, given: Any) -> Any:
        """The turn of a POST, of which the queue has ``given`` one or None."""
        return given or self.answer(request["path"], request["body"], number)

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def url(self) -> str:
        return f"{self.root}/v1"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def _handler(outer: Loopback) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            request = {
                "path": self.path,
                "body": body,
                "key": self.headers.get("Authorization", ""),
                "headers": dict(self.headers),
                "at": time.monotonic(),
            }
            with outer.lock:
                outer.requests.append(request)
                number = len(outer.requests)
                given = outer.queue.pop(0) if outer.queue else None
            self.play(outer.turn_of(request, number, given))

        def do_GET(self) -> None:
            with outer.lock:
                outer.fetched.append(self.path)
            self.play(outer.page(self.path))

        def play(self, turn: Any) -> None:
            self.close_connection = True
            status, content, headers = (*(turn if isinstance(turn, tuple) else (200, turn)), {})[:3]
            if status == "hang":
                return time.sleep(content)
            if status == "reset":
                return None
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            ways: dict[Any, Callable[[bytes], Any]] = {"drip": self.drip, "endless": self.endless, "cut": self.cut}
            self.send_response(status if isinstance(status, int) else 200)
            for name, value in {"Content-Type": "application/json", "Connection": "close", **headers}.items():
                self.send_header(name, value)
            with contextlib.suppress(OSError):  # the client has read enough
                return ways.get(status, self.whole)(data)

        def whole(self, data: bytes) -> None:
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def cut(self, data: bytes) -> None:
            self.send_header("Content-Length", str(2 * len(data) + 1))
            self.end_headers()
            self.wfile.write(data)

        def drip(self, data: bytes) -> None:
            self.end_headers()
            for i in range(len(data)):
                self.wfile.write(data[i : i + 1])
                self.wfile.flush()
                time.sleep(0.05)

        def endless(self, data: bytes) -> None:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            chunk = data * max(1, 65536 // max(1, len(data)))
            while True:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
