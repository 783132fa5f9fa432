"""A real HTTP server on loopback that speaks the image API, and misbehaves when told to."""

from __future__ import annotations

import base64
import io
import time

import numpy as np
from PIL import Image

from tests.loopback import Loopback


def png(seed=0, size=(32, 32)):
    """A picture of noise by seed, as bytes."""
    noise = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    image.putpixel((0, 0), (seed % 256, seed // 256 % 256, 7))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


class ImageServer(Loopback):
    """Answers POST /v1/images/generations with pictures; GET by ``pages`` (a turn for each path), /picture with one.

    ``refused``: gives the error of a 400 for a request's body, or None.
    """

    def __init__(self):
        self.delay_s, self.at_once, self.most_at_once = 0.0, 0, 0
        self.pages = {"/picture": (200, png(5), {"Content-Type": "image/png"})}
        self.refused = lambda body: None
        super().__init__()

    def turn_of(self, request, number, given):
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(self.delay_s)
        with self.lock:
            self.at_once -= 1
        if error := self.refused(request["body"]):
            return 400, {"error": error}
        return super().turn_of(request, number, given)

    def answer(self, path, body, number):
        return answer(png(body.get("seed", number)))

    def page(self, path):
        return self.pages.get(path, (404, {}))


def answer(content):
    """A whole answer with a picture's bytes in it."""
    return {"created": 0, "data": [{"b64_json": base64.b64encode(content).decode()}]}
