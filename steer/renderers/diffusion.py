"""Any text-to-image pipeline of diffusers, loaded once, rendering in batches of one fixed shape."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from steer.config import DiffusersConfig, DraftConfig
from steer.devices import pick_device
from steer.errors import RenderError
from steer.protocols import Renderer
from steer.renderers.checks import as_picture
from steer.renderers.conditioning import Conditioning
from steer.renderers.drafts import Drafts
from steer.renderers.loading import identity_of, load_pipeline, make_ready
from steer.renderers.previews import EulerPreviews, OnStep
from steer.renderers.vocabulary import vocabulary_of
from steer.types import RenderFailure

log = logging.getLogger(__name__)


class DiffusersRenderer(Renderer):
    """Renders in batches of one fixed shape, so that company changes nothing.

    Each candidate has its own generator, seeded on the CPU: a seed means the same noise on any
    card. The last batch is padded by repeating its last prompt. On CUDA running out of memory
    halves the batch, for good. ``pipeline``: one that is loaded already, in place of ``config.model``.
    """

    def __init__(self, config: DiffusersConfig, pipeline: Any = None):
        self.config = config
        self.device = pick_device(config.device)
        name = "the miniature" if config.model == "miniature" else config.model
        self.name = f"{type(pipeline).__name__ if pipeline else name} on {self.device}"
        self.vocabulary = None if pipeline else vocabulary_of(config)
        self.pipeline, weights = (pipeline, identity_of(pipeline)) if pipeline else load_pipeline(config, self.device)
        self.place, added = make_ready(self.pipeline, config, self.device)
        self.weights = {**weights, **added}
        self.batch_size = config.batch_size
        self.accepted = set(inspect.signature(self.pipeline.__call__).parameters)
        if unknown := sorted(set(config.call) - self.accepted):
            raise RenderError(f"{type(self.pipeline).__name__} takes no {unknown} (renderer.call)")
        self.call = {k: v for k, v in config.call.items() if k != "negative_prompt"}
        self.conditioning = self._conditioning()
        self._said_cut = False
        self.drafts = Drafts(self, config.draft) if config.draft else None
        self.previews = (
            EulerPreviews(self.pipeline, config.size, config.preview, self.draw_one) if config.preview else None
        )

    def describe(self) -> dict[str, object]:
        """Pipeline, scheduler, weights and settings."""
        return {
            "pipeline": type(self.pipeline).__name__,
            "scheduler": type(self.pipeline.scheduler).__name__,
            "weights": self.weights,
            **self.config.model_dump(mode="json"),
        }

    def prepare(self, prompts: Sequence[str]) -> None:
        """Texts that will be drawn next, to be read at once."""
        with torch.inference_mode():
            self.conditioning.read(prompts)

    def render(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        draft: DraftConfig | None = None,
        on_step: OnStep | None = None,
    ) -> list[Image.Image | RenderFailure]:
        """One result a prompt, in order; ``seeds`` (n) are their noise. ``on_step`` is diffusers'
        ``callback_on_step_end``.
        """
        jobs = list(zip(prompts, seeds, strict=True))
        for prompt in dict.fromkeys(prompts):
            self._say_if_cut(prompt)
        results: list[Image.Image | RenderFailure] = []
        while len(results) < len(jobs):
            chunk = jobs[len(results) : len(results) + self.batch_size]
            try:
                results += self._batch(chunk, draft, on_step)
            except torch.cuda.OutOfMemoryError as error:
                torch.cuda.empty_cache()
                if self.batch_size == 1:
                    raise RenderError(
                        "the card is too small for a single picture; use a smaller size or model"
                    ) from error
                self.batch_size //= 2
                self.conditioning = self._conditioning()
        return results

    def draw_one(self, prompt: str, seed: int, on_step: OnStep) -> Image.Image | RenderFailure:
        """A picture that is watched while it is made; ``on_step`` is diffusers' ``callback_on_step_end``."""
        return self.render([prompt], [seed], on_step=on_step)[0]

    def _conditioning(self) -> Conditioning:
        """How texts come to the denoiser, the negative prompt among them. Raises RenderError where there is none."""
        negative = self.config.negative_prompt or self.config.call.get("negative_prompt")
        if self.config.negative_prompt and "negative_prompt" not in self.accepted:
            raise RenderError(f"{type(self.pipeline).__name__} takes no negative prompt (renderer.negative_prompt)")
        return Conditioning(self.place, self.call, negative, self.batch_size)

    def _say_if_cut(self, prompt: str) -> None:
        """Warn about the first text that the pipeline's last text encoder does not read to its end."""
        parts = self.pipeline.components
        tokenizer = parts.get("tokenizer_2") or parts.get("tokenizer")
        if tokenizer is None or self._said_cut:
            return
        limit = min(self.config.call.get("max_sequence_length", 10**9), tokenizer.model_max_length)
        if "max_sequence_length" in self.accepted and "max_sequence_length" not in self.config.call:
            limit = inspect.signature(self.pipeline.__call__).parameters["max_sequence_length"].default
        if (n := len(tokenizer(prompt, truncation=False, verbose=False).input_ids)) > limit:
            self._said_cut = True  # once, as a search may write hundreds of such texts
            log.warning("the pipeline reads %d of %d tokens of: %.60s...", limit, n, prompt)

    @torch.inference_mode()
    def _batch(
        self, jobs: list[tuple[str, int]], draft: DraftConfig | None, on_step: OnStep | None
    ) -> list[Image.Image | RenderFailure]:
        padded = jobs + [jobs[-1]] * (self.batch_size - len(jobs))
        width, height = self.config.size
        steps = self.config.steps
        if draft:
            width, height = (max(16, round(side * draft.scale / 16) * 16) for side in (width, height))
            steps = draft.steps or steps
        output = self.pipeline(
            **self.conditioning([p for p, _ in padded]),
            generator=[torch.Generator("cpu").manual_seed(s) for _, s in padded],
            width=width,
            height=height,
            num_inference_steps=steps,
            output_type="np",
            **({"callback_on_step_end": on_step} if on_step else {}),
            **self.call,
        )
        flagged = getattr(output, "nsfw_content_detected", None) or [False] * len(padded)
        return [as_picture(output.images[i], bool(flagged[i])) for i in range(len(jobs))]
