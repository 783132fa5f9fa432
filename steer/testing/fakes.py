"""Parts that need no models and say what they were asked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from PIL import Image

from steer.protocols import Proposer, Renderer
from steer.types import History, RenderFailure, Rewrite, SteerRequest


class FakeProposer(Proposer):
    """Appends a numbered word; gives ``queue`` first where there is one."""

    name = "fake proposer"

    def __init__(self, queue: Sequence[list[str]] = ()):
        self.queue = list(queue)
        self.asked: list[int] = []

    def fingerprint(self) -> str:
        """Always the same."""
        return "fake"

    def propose(self, request: SteerRequest, history: History, n: int) -> list[Rewrite]:
        """The next of the queue, or numbered variations."""
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
        """A flat colour each."""
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
        """Its kind."""
        return {"kind": "fake"}
