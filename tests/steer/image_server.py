"""A real HTTP server on loopback that speaks the image API, and misbehaves when told to."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image


def png(seed=0, size=(32, 32)):
    """A picture of noise by seed, as bytes."""
    noise = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    image.putpixel((0, 0), (seed % 256, seed // 256 % 256, 7))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


class ImageServer:
    """Answers POST /v1/images/generations from ``queue`` (status, body, headers), then with pictures; GET /picture with
    one."""

    def __init__(self):
        outer = self
        self.queue, self.requests = [], []
        self.lock = threading.Lock()
        self.delay_s, self.at_once, self.most_at_once = 0.0, 0, 0

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer.lock:
                    outer.requests.append({"path": self.path, "body": body, "at": time.monotonic()})
                    outer.at_once += 1
                    outer.most_at_once = max(outer.most_at_once, outer.at_once)
                    turn = outer.queue.pop(0) if outer.queue else None
                time.sleep(outer.delay_s)
                with outer.lock:
                    outer.at_once -= 1
                picture = base64.b64encode(png(body.get("seed", len(outer.requests)))).decode()
                status, content, headers = (*(turn or (200, {"created": 0, "data": [{"b64_json": picture}]})), {})[:3]
                if status == "hang":
                    time.sleep(content)
                    return
                self.reply(status, content if isinstance(content, bytes) else json.dumps(content).encode(), headers)

            def do_GET(self):
                self.reply(200, png(5), {})

            def reply(self, status, data, headers):
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
    def root(self):
        return f"http://127.0.0.1:{self.server.server_port}"
