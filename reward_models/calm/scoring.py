"""Pictures to tokens and scores: everybody's, and behind a person's examples. Shapes: n pictures, P tokens, D width."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from reward_models.calm.model import CalmModel
from reward_models.calm.people import Shot
from reward_models.calm.reading import Read
from reward_models.calm.reading_out import digits, write
from reward_models.calm.turns import PERSONAL, Example, Turn, context, score_turn
from reward_models.encoders.base import Encoder, opens


class Scoring:
    """``encoder``: tells how well a picture fits a prompt; None: nobody does."""

    def __init__(self, model: CalmModel, encoder: Encoder | None = None, batch_size: int = 1):
        self.model, self.encoder, self.batch_size = model, encoder, batch_size
        tokens = sum(model.alignment.config.tokens(model.tower.patches).values())
        self.shape = (tokens, model.alignment.width)  # of a picture's tokens

    def read(self, images: Sequence[Image.Image], prompts: Sequence[str] | None = None) -> list[Read]:
        """Each picture's tokens and everybody's score, nothing of one that does not open."""
        prompts = prompts or [""] * len(images)
        open_ = [i for i, image in enumerate(images) if opens(image)]
        tokens = self.tokens([images[i] for i in open_])
        numbers = digits(self.model, [score_turn(each) for each in tokens], self.batch_size)
        fits = self._fits([images[i] for i in open_], [prompts[i] for i in open_])
        found = [Read()] * len(images)
        for i, own, number, fit in zip(open_, tokens, numbers, fits, strict=True):
            found[i] = Read(own, number.liking, number.spread, fit)
        return found

    @torch.no_grad()
    def tokens(self, images: Sequence[Image.Image]) -> list[Tensor]:
        """(P, D) of each picture, in half precision on the CPU, as they are kept."""
        made = self.model.run(lambda: self.model.tokens_of(images))
        return [each.half().cpu() for each in made]

    def behind(self, examples: Sequence[Shot], tokens: Sequence[Tensor]) -> list[float]:
        """Likings (n) of pictures by their tokens, as the person scores them who scored the examples."""
        written = self.model.scale.written
        before = context([Example(shot.tokens, written(shot.liking)) for shot in examples])
        turns = [Turn((each, PERSONAL)) for each in tokens]
        return [number.liking for number in digits(self.model, turns, self.batch_size, before)]

    def write(self, turn: Turn, most_tokens: int) -> str:
        """What the model answers."""
        return write(self.model, turn, most_tokens)

    def _fits(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> list[float]:
        if self.encoder is None or not images:
            return [math.nan] * len(images)
        texts = self.encoder.texts(list(prompts))
        vectors = self.encoder.images(images)
        fits = self.encoder.agreement(vectors, texts.to(vectors.device))
        return [float(fit) if prompt else math.nan for fit, prompt in zip(fits, prompts, strict=True)]
