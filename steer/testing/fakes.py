"""Parts that need no models and say what they were asked."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence

import numpy as np
from PIL import Image

from reward_models import Person, Scores, UnknownPerson
from steer.protocols import Proposer, Renderer
from steer.types import History, RenderFailure, Rewrite, SteerRequest


class FakeProposer(Proposer):
    """Appends a numbered word; gives ``queue`` first where there is one."""

    name = "fake proposer"

    def __init__(self, queue: Sequence[list[str]] = ()):
        self.queue = list(queue)
        self.asked: list[int] = []

    def fingerprint(self) -> str:
        return "fake"

    def propose(self, request: SteerRequest, history: History, n: int) -> list[Rewrite]:
        self.asked.append(n)
        if self.queue:
            return [Rewrite(t) for t in self.queue.pop(0)]
        start = len(history.candidates)
        return [Rewrite(f"{request.prompt} variation {start + i}") for i in range(n)]


class FakeRenderer(Renderer):
    """A flat colour made of prompt and seed; ``fail`` holds calls (counted per picture) that fail."""

    name = "fake renderer"

    def __init__(self, fail: Sequence[int] = (), interrupt_at: int | None = None, batch_size: int = 4):
        self.fail, self.interrupt_at, self.batch_size = set(fail), interrupt_at, batch_size
        self.rendered: list[tuple[str, int]] = []

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image.Image | RenderFailure]:
        results: list[Image.Image | RenderFailure] = []
        for prompt, seed in zip(prompts, seeds, strict=True):
            if len(self.rendered) == self.interrupt_at:
                self.interrupt_at = None
                raise KeyboardInterrupt
            number = len(self.rendered)
            self.rendered.append((prompt, seed))
            if number in self.fail:
                results.append(RenderFailure("the fake was told to fail"))
            else:
                colour = hashlib.sha256(f"{prompt}/{seed}".encode()).digest()[:3]
                results.append(Image.new("RGB", (32, 32), tuple(colour)))
        return results

    def describe(self) -> dict[str, object]:
        return {"kind": "fake"}


class FakeReward:
    """Likes red for everybody; a person ``blue`` likes blue."""

    name = "fake reward"

    def __init__(self, people: Sequence[str] = ("u1", "u17", "blue")):
        self._people = list(people)

    def fingerprint(self) -> str:
        return "fake"

    def people(self) -> list[str]:
        return self._people

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str], person: Person) -> Scores:
        if person.id is not None and person.id not in self._people:
            raise UnknownPerson(person.id)
        pixels = np.asarray([np.asarray(i.convert("RGB"))[0, 0] for i in images], dtype=float).reshape(-1, 3) / 255
        personal = pixels[:, 2 if person.id == "blue" else 0]
        return Scores(personal, pixels[:, 0], np.full(len(images), 0.8), np.full(len(images), 0.05))


def random_pictures(n: int, seed: int = 0, size: int = 128) -> list[Image.Image]:
    """Noise pictures for conformance tests."""
    rng = random.Random(seed)
    return [Image.frombytes("RGB", (size, size), rng.randbytes(3 * size * size)) for _ in range(n)]
