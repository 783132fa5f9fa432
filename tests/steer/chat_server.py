"""A real HTTP server on loopback that speaks the chat API, and misbehaves when told to."""

from __future__ import annotations

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ChatServer:
    """Answers POST /v1/chat/completions from ``queue`` (status and content, or a function of the request), then
    plainly.

    ``refuse``: forms of question it answers with 400. ``refused``: gives the error of a 400 for a request's body, or
    None. Each of ``requests`` holds path, body, key and when it came.
    """

    def __init__(self):
        outer = self
        self.queue, self.requests, self.refuse = [], [], set()
        self.lock = threading.Lock()
        self.refused = lambda body, number: None
        self.together: threading.Barrier | None = None  # requests that must be under way at once

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer.lock:
                    outer.requests.append(
                        {
                            "path": self.path,
                            "body": body,
                            "key": self.headers["Authorization"],
                            "at": time.monotonic(),
                            "mode": mode_of(body),
                        }
                    )
                    turn = outer.queue.pop(0) if outer.queue else None
                    number = len(outer.requests)
                if outer.together:
                    outer.together.wait(60)
                if mode_of(body) in outer.refuse:
                    turn = 400, b'{"error": {"message": "response_format is not supported"}}'
                if error := outer.refused(body, number):
                    turn = 400, json.dumps({"error": error}).encode()
                status, content, headers = (*(turn or (200, outer.plain(body, number))), {})[:3]
                if status == "hang":
                    time.sleep(content)
                    return
                data = content if isinstance(content, bytes) else json.dumps(outer.reply(content, body)).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(data)
                except OSError:  # nobody waits any more
                    return

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}/v1"

    @staticmethod
    def plain(body, number):
        """As many rewrites as are asked for, other ones in every answer."""
        n = int(re.findall(r"Write (\d+) ", body["messages"][1]["content"])[-1])
        return json.dumps({"rewrites": [f"a fox in a forest at dawn {number}.{i}" for i in range(n)]})

    @staticmethod
    def reply(content, body):
        message = {"role": "assistant", "content": content}
        if "tools" in body:
            call = {"id": "1", "type": "function", "function": {"name": "rewrites", "arguments": content}}
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        return {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
        }


def mode_of(body):
    if "tools" in body:
        return "tool"
    return body.get("response_format", {}).get("type", "text")
