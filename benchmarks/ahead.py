"""Is a chat model's time hidden behind the rendering?

    python benchmarks/ahead.py [--answer-s 1.0] [--runs 3]

The main job with rewrites by a server on loopback that takes ``answer-s`` to answer (the scripted writer behind real
HTTP): without and with ``search.ahead``, in turns, and with a server that answers at once.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import typer

from steer import Steerer
from steer.config import load_config
from steer.lexicon import Lexicon
from steer.proposers.scripted import ScriptedWriter


def serve(answer_s: list[float]) -> str:
    """Base URL of a chat server that answers after ``answer_s[0]``."""
    writer = ScriptedWriter(Lexicon.load("miniature"))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            (answer,) = writer.ask([body["messages"]], {}, 0.0, [body["seed"]], 0)
            time.sleep(answer_s[0])
            message = {"role": "assistant", "content": answer}
            reply = {
                "id": "1",
                "object": "chat.completion",
                "created": 0,
                "model": "m",
                "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            }
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(reply).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/v1"


def main(answer_s: float = 1.0, runs: int = 3, budget: int = 48) -> None:
    delay = [answer_s]
    chat = [
        "proposer=chat",
        "proposer.model=m",
        f"proposer.base_url={serve(delay)}",
        "search.patience=99",
        "search.worth=0",
    ]
    base = Steerer("miniature")
    base.run("a fox", "u17", 8, out=Path(tempfile.mkdtemp()) / "warm")
    seconds: dict[str, list[tuple[float, float]]] = {}
    for _ in range(runs):
        for name, ahead, wait in (
            ("at once", "false", 0.0),
            ("in turn", "false", answer_s),
            ("ahead", "true", answer_s),
        ):
            delay[0] = wait
            config = load_config("miniature", [*chat, f"search.ahead={ahead}"])
            steerer = Steerer(config, renderer=base.parts.renderer, reward=base.parts.reward)
            folder = Path(tempfile.mkdtemp()) / "run"
            result = steerer.run("a lighthouse by the sea", "u17", budget, out=folder)
            usage = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["usage"]["proposer"]
            seconds.setdefault(name, []).append((result.seconds, usage["seconds"]))
    for name, rows in seconds.items():
        run, writing = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"{name:8s} run {run:5.1f} s, of writing {writing:5.1f} s")
    plain, turn, beside = (statistics.median(r for r, _ in seconds[k]) for k in ("at once", "in turn", "ahead"))
    print(f"hidden: {(turn - beside) / (turn - plain):.0%} of the time that writing adds")


if __name__ == "__main__":
    typer.run(main)
