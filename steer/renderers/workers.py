"""Several cards of one machine: a renderer in a process of its own on each; batches go to whoever is free.

Processes and a queue rather than ``accelerate launch``, which starts the whole program once a card: there is one
search, one journal and one language model, and only the pictures are many.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.queues import SimpleQueue
from typing import Any

import torch
from PIL import Image

from steer.config import DiffusersConfig, DraftConfig
from steer.devices import only_card, pick_device
from steer.errors import RenderError
from steer.protocols import Renderer
from steer.renderers.diffusion import DiffusersRenderer
from steer.renderers.drafts import Drafts
from steer.renderers.together import Together
from steer.renderers.vocabulary import vocabulary_of
from steer.types import RenderFailure

_own: Any = None  # a worker's renderer
_everybody: Any = None  # a barrier of all workers
LONGEST_S = 3600.0  # that a worker waits for the others to begin: one may be loading its weights


def worker_count(config: DiffusersConfig) -> int:
    """How many processes render: as set, or one a CUDA card."""
    if config.workers != "auto":
        return config.workers
    if config.preview or pick_device(config.device) != "cuda":
        return 1
    return torch.cuda.device_count()


class Workers(Renderer):
    """As :class:`~steer.renderers.diffusion.DiffusersRenderer`, over ``n`` processes; order and pictures are the same.

    Batches are cut as one renderer would cut them, so that a picture has the same company.
    """

    def __init__(self, config: DiffusersConfig, n: int):
        context = multiprocessing.get_context("spawn")
        cards: SimpleQueue[int] = context.SimpleQueue()
        for card in range(n):
            cards.put(card)
        self.config, self.n, self.vocabulary = config, n, vocabulary_of(config)
        self.batch_size = config.batch_size * n  # what the loop asks for at once
        everybody = context.Barrier(n)
        self._pool = ProcessPoolExecutor(n, context, _start, (config.model_dump(), cards, n, everybody))
        name, self._description = self._ask(_facts)
        self.name = f"{name}, {n} processes"
        self.drafts = Drafts(self, config.draft) if config.draft else None

    def render(
        self, prompts: Sequence[str], seeds: Sequence[int], draft: DraftConfig | None = None
    ) -> list[Image.Image | RenderFailure]:
        """One result a prompt, in order."""
        size = self.config.batch_size
        try:
            futures = [
                self._pool.submit(_render, list(prompts[i : i + size]), list(seeds[i : i + size]), draft)
                for i in range(0, len(prompts), size)
            ]
            made = [future.result() for future in futures]
        except BrokenProcessPool as error:
            raise RenderError(_GONE) from error
        together = [n for _, n in made if n is not None]
        if together:
            self.drawn_together = min(together)
        return [picture for pictures, _ in made for picture in pictures]

    def prepare(self, prompts: Sequence[str]) -> None:
        """Each process reads all of them, as nobody knows yet who will draw which."""
        self._ask_each(_prepare, list(prompts))

    def narrow(self, batch_size: int) -> None:
        """In each process."""
        self._ask_each(_narrow, batch_size)
        self.drawn_together = min(batch_size, self.drawn_together or batch_size)

    def describe(self) -> dict[str, object]:
        """Of one of them: they are alike."""
        return self._description

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(cancel_futures=True)

    def _ask_each(self, question: Any, told: Any) -> None:
        """Every process once: each waits until all have begun."""
        try:
            for future in [self._pool.submit(question, told) for _ in range(self.n)]:
                future.result()
        except BrokenProcessPool as error:
            raise RenderError(_GONE) from error

    def _ask(self, question: Any) -> Any:
        try:
            return self._pool.submit(question).result()
        except BrokenProcessPool as error:
            raise RenderError(_GONE) from error


_GONE = "a process that renders has died: killed, or out of memory; fewer renderer.workers need less"


def _start(config: dict[str, Any], cards: SimpleQueue[int], n: int, everybody: Any) -> None:
    """In a new process: take a card, before CUDA is begun."""
    global _own, _everybody
    _everybody = everybody
    only_card(cards.get())
    if not torch.cuda.is_available():
        torch.set_num_threads(max(1, torch.get_num_threads() // n))
    _own = DiffusersConfig.model_validate(config)


def _renderer() -> Any:
    """Loaded at the first question, so that its errors are answers."""
    global _own
    if isinstance(_own, DiffusersConfig):
        _own = DiffusersRenderer(_own)
    return _own


def _facts() -> tuple[str, dict[str, object]]:
    renderer = _renderer()
    return renderer.name, renderer.describe()


Drawn = tuple[list[Image.Image | RenderFailure], int | None]


def _render(prompts: list[str], seeds: list[int], draft: DraftConfig | None) -> Drawn:
    renderer = _renderer()
    return renderer.render(prompts, seeds, draft), renderer.drawn_together


def _prepare(prompts: list[str]) -> None:
    _everybody.wait(LONGEST_S)
    _renderer().prepare(prompts)


def _narrow(batch_size: int) -> None:
    _everybody.wait(LONGEST_S)
    _renderer().narrow(batch_size)


def build(config: DiffusersConfig) -> Renderer:
    """One pipeline in this process, or one in each of several. Raises RenderError where it does not load."""
    if config.context_parallel:
        return Together(config)
    return Workers(config, n) if (n := worker_count(config)) > 1 else DiffusersRenderer(config)
