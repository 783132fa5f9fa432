"""What a server costs, on this machine: its share of a request, 64 requests of 8 users at once, and their memory.

    python benchmarks/server.py              the painter: pictures take no time, so that the server is seen
    python benchmarks/server.py --config miniature

Overhead is the client's time of a request less the time that its run took in the models' thread: HTTP, queue, reading
the picture, base64. The client is OpenAI's own, in the same process; its time counts too. On a machine that does other
work the time of waiting for a core is in it; the processor time of the server's thread has none of that.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import openai
import psutil
from PIL import Image

from reward_models import Person
from steer.config import load_config
from steer.parts import Parts
from steer.server.app import create_app
from steer.server.service import Service
from steer.server.serving import Serving
from steer.server.settings import ServerSettings
from steer.server.tokens import Token, Tokens, digest_of
from steer.users.store import UserStore
from steer.web.address import Address

USERS = ["u3", "u8", "u17", "u25", "u42", "u64", "u99", "u120"]
PROMPT, SECRET = "a lighthouse by the sea", "a-token-for-a-benchmark"


def started(config: str, settings: list[str], folder: Path) -> tuple[Serving, Service]:
    """A server on a free port."""
    parts = Parts(load_config(config, settings), store=UserStore(folder / "users.db"))
    service = Service(parts, ServerSettings(out=folder / "runs", queue=128))
    serving = Serving(create_app(service, Tokens([Token("all", digest_of(SECRET))])), service, Address().bind())
    serving.start()
    return serving, service


def busy_s(serving: Serving) -> float:
    """Processor time of the server's own thread so far."""
    assert serving._thread is not None
    native = serving._thread.native_id
    return sum(t.user_time + t.system_time for t in psutil.Process().threads() if t.id == native)


def overheads(service: Service, client: openai.OpenAI, requests: int) -> list[float]:
    """Seconds of each request that are not the run's, sorted."""
    found: list[float] = []
    took: list[float] = []
    run = service._run

    def timed(*args):
        begun = time.perf_counter()
        result = run(*args)
        took.append(time.perf_counter() - begun)
        return result

    service._run = timed
    for i in range(requests):
        begun = time.perf_counter()
        client.images.generate(prompt=PROMPT, user=USERS[i % len(USERS)], quality="low")
        found.append(time.perf_counter() - begun - took[-1])
    service._run = run
    return sorted(found)


async def at_once(url: str, wishes: list[dict[str, str]]) -> list[openai.types.ImagesResponse]:
    """All wishes at the same time."""
    async with openai.AsyncOpenAI(base_url=url, api_key=SECRET, max_retries=20, timeout=1800) as client:
        return await asyncio.gather(*(client.images.generate(**wish) for wish in wishes))


def pictures(answers: list[openai.types.ImagesResponse]) -> list[Image.Image]:
    """Of the answers, in order."""
    return [Image.open(io.BytesIO(base64.b64decode(a.data[0].b64_json))).convert("RGB") for a in answers]


def drawn_for(answer: openai.types.ImagesResponse) -> str:
    """The user in a picture's metadata."""
    with Image.open(io.BytesIO(base64.b64decode(answer.data[0].b64_json))) as image:
        return str(json.loads(image.info["steer"])["user"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="")
    parser.add_argument("--requests", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=4)
    options = parser.parse_args()
    settings = ["search.budget=24"] + ([] if options.config else ["renderer=painter"])
    with tempfile.TemporaryDirectory() as folder:
        serving, service = started(options.config or "miniature", settings, Path(folder))
        url = f"http://127.0.0.1:{serving.port}/v1"
        client = openai.OpenAI(base_url=url, api_key=SECRET, timeout=600)
        overheads(service, client, 3)  # warm
        before = busy_s(serving)
        extra = overheads(service, client, options.requests)
        own_ms = 1000 * (busy_s(serving) - before) / options.requests
        print(f"overhead of a request, ms: median {1000 * statistics.median(extra):.1f}, ", end="")
        print(f"95 % {1000 * extra[int(0.95 * len(extra))]:.1f}, most {1000 * extra[-1]:.1f}  ({len(extra)} requests)")
        print(f"processor time of the server's own thread in a request, ms: {own_ms:.1f}", flush=True)
        process, memory, seconds = psutil.Process(), [], []
        for _ in range(options.repeats):
            wishes = [{"prompt": PROMPT, "user": user, "quality": "low"} for user in USERS * 8]
            begun = time.perf_counter()
            answers = asyncio.run(at_once(url, wishes))
            seconds.append(time.perf_counter() - begun)
            memory.append(process.memory_info().rss / 2**20)
        reward = service.parts.reward
        images = pictures(answers)
        reading = reward.read(images, [PROMPT] * len(images))
        matrix = np.stack([reward.judge(reading, Person(user)).personal for user in USERS])
        own = np.array([matrix[i % len(USERS), i] for i in range(len(images))])
        first = np.mean([matrix[:, i].argmax() == i % len(USERS) for i in range(len(images))])
        users = [
            json.loads(Image.open(io.BytesIO(base64.b64decode(a.data[0].b64_json))).info["steer"])["user"]
            for a in answers
        ]
        serving.stop()
        print(f"64 at once of 8 users, s: {', '.join(f'{s:.1f}' for s in seconds)}; answered {len(answers)} of 64")
        print(f"memory after each, MB: {', '.join(f'{m:.0f}' for m in memory)}")
        print(f"crossed: {sum(u != w['user'] for u, w in zip(users, wishes, strict=True))}")
        print(
            f"liking by the own user {own.mean():.3f}, by the other seven {(matrix.sum(0) - own).mean() / 7:.3f}; ",
            end="",
        )
        print(f"the own user likes it most of the eight: {first:.0%}")


if __name__ == "__main__":
    main()
