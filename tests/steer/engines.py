"""Rendering engines on loopback, each a process of its own that draws one picture at a time in a fixed time.

python -m tests.steer.engines SECONDS [wrong | constant]

It prints its port, speaks as SGLang-Diffusion and vLLM-Omni do, and ends with its standard input. ``wrong``: it draws
another picture than others for a seed; ``constant``: it does not heed the seed. Standard library alone, so that it is
there at once. GET /drawn answers what it drew and sent, in order.
"""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time
import urllib.request
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class EngineProcess:
    """One engine. ``url``: its address; ``drawn()``: [seed, text] of every picture that it sent."""

    def __init__(self, seconds, *way):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.steer.engines", str(seconds), *way],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            text=True,
        )
        self.port = None

    @property
    def name(self):
        self.port = self.port or int(self.process.stdout.readline())
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"http://{self.name}/v1"

    def drawn(self):
        with urllib.request.urlopen(f"http://{self.name}/drawn", timeout=10) as answer:
            return [tuple(each) for each in json.load(answer)]

    def pause(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def goes_on(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.process.kill()
        self.process.communicate()


def picture(seed, text, size=32):
    """A PNG of noise that the seed and the text decide."""
    rows = random.Random(f"{seed} {text}")
    pixels = b"".join(b"\0" + rows.randbytes(3 * size) for _ in range(size))

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(pixels, 1)) + chunk(b"IEND", b"")


def main(seconds, way):
    card, drawn = threading.Lock(), []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.say(drawn if self.path == "/drawn" else {"status": "healthy"})

        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            text, seed = asked["prompt"], asked["seed"]
            with card:
                time.sleep(seconds)
            told = {"wrong": f"another {text}"}.get(way, text)
            content = picture(0 if way == "constant" else seed, told)
            self.say({"created": 0, "data": [{"b64_json": base64.b64encode(content).decode()}]})
            drawn.append((seed, text))

        def say(self, value):
            data = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # nobody waits any more
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(float(sys.argv[1]), (sys.argv[2:] or [""])[0])
