"""Any text-to-image pipeline of diffusers, loaded once, rendering in batches of one fixed shape."""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from PIL import Image
from transformers import ProcessorMixin

from reward_models.residency import empty_cache, out_of_memory
from steer.config import DiffusersConfig, DraftConfig
from steer.devices import pick_device
from steer.errors import RenderError
from steer.protocols import Renderer
from steer.renderers.caches import Caches, Wanted
from steer.renderers.checks import as_picture
from steer.renderers.conditioning import REMEMBERED, Conditioning
from steer.renderers.decoders import decoding_by, small_decoder
from steer.renderers.drafts import Drafts
from steer.renderers.previews import EulerPreviews, OnStep
from steer.renderers.ready import Loaded
from steer.renderers.vocabulary import vocabulary_of
from steer.types import RenderFailure

log = logging.getLogger(__name__)
T = TypeVar("T")


class DiffusersRenderer(Renderer):
    """Renders in batches of one fixed shape, so that company changes nothing.

    Each candidate has its own generator, seeded on the CPU: a seed means the same noise on any
    card. The last batch is padded by repeating its last prompt. Running out of memory halves the batch, for good.
    ``pipeline``: one that is loaded already, in place of ``config.model``.
    """

    def __init__(self, config: DiffusersConfig, pipeline: Any = None):
        self.config = config
        self.device = pick_device(config.device)
        name = "the miniature" if config.model == "miniature" else config.model
        self.name = f"{type(pipeline).__name__ if pipeline else name} on {self.device}"
        self.vocabulary = None if pipeline else vocabulary_of(config)
        loaded = Loaded(config, self.device, pipeline)
        self.pipeline, self.place, self.weights = loaded.pipeline, loaded.place, loaded.identity
        self.batch_size = config.batch_size
        self.accepted = set(inspect.signature(self.pipeline.__call__).parameters)
        if unknown := sorted(set(config.call) - self.accepted):
            raise RenderError(f"{type(self.pipeline).__name__} takes no {unknown} (renderer.call)")
        self.call = {k: v for k, v in config.call.items() if k != "negative_prompt"}
        self.conditioning = self._conditioning()
        self.caches = Caches(self.pipeline)
        for tier in (None, config.draft):
            self.caches.check(self._cache(tier).kind)
        self._said_cut = False
        self._look_sooner()

    def _look_sooner(self) -> None:
        """Drafts and previews, where the settings have them."""
        c = self.config
        self.drafts = Drafts(self, c.draft) if c.draft else None
        self.previews = EulerPreviews(self.pipeline, c.size, c.preview, self.draw_one) if c.preview else None
        if self.previews is not None and c.preview is not None and c.preview.decoder:
            self.previews.decoder = small_decoder(c.preview.decoder, self.pipeline, self.device)
        self._decoder = (
            small_decoder(c.draft.decoder, self.pipeline, self.device) if c.draft and c.draft.decoder else None
        )

    def variant(self, size: tuple[int, int] | None = None, negative: str | None = None) -> DiffusersRenderer:
        """The same pipeline; texts that are encoded already are shared."""
        other = copy.copy(self)
        changes: dict[str, Any] = {}
        if size is not None:
            changes |= {"width": size[0], "height": size[1], "aspect": None}
        if negative is not None:
            changes |= {"negative_prompt": negative}
        other.config = self.config.model_copy(update=changes)
        if negative is not None and negative != self.config.negative_prompt:
            other.conditioning = other._conditioning()
        other._look_sooner()
        return other

    def describe(self) -> dict[str, object]:
        """Pipeline, scheduler, weights and settings."""
        return {
            **self.config.model_dump(mode="json"),
            "pipeline": type(self.pipeline).__name__,
            "scheduler": type(self.pipeline.scheduler).__name__,
            "weights": self.weights,
            **self._own_guidance(),
        }

    def _own_guidance(self) -> dict[str, object]:
        """The guidance that the pipeline takes where the settings name none."""
        if (
            not {"guidance_scale", "true_cfg_scale"}.isdisjoint(self.config.call)
            or "guidance_scale" not in self.accepted
        ):
            return {}
        own = inspect.signature(self.pipeline.__call__).parameters
        true = own["true_cfg_scale"].default if "true_cfg_scale" in own else 1.0  # 1 is none, as FLUX has it
        return {"guidance": true if true > 1 else own["guidance_scale"].default}

    def prepare(self, prompts: Sequence[str]) -> None:
        """Texts that will be drawn next, to be read at once."""
        self._within_memory(lambda: self.conditioning.read(prompts[:REMEMBERED]))

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
        self.prepare(prompts)
        results: list[Image.Image | RenderFailure] = []
        while len(results) < len(jobs):
            rest = jobs[len(results) :]
            results += self._within_memory(
                lambda rest=rest: self._batch(rest[: self._together(draft)], draft, on_step)  # type: ignore[misc]
            )
        return results

    def _cache(self, draft: DraftConfig | None) -> Wanted:
        """Of this kind of picture."""
        c = self.config
        steps = (draft.steps if draft else None) or c.steps
        if draft and draft.cache is not None:
            return Wanted(draft.cache, draft.cache_settings, steps)
        return Wanted(c.cache, c.cache_settings, steps)

    def _size(self, draft: DraftConfig | None) -> tuple[int, int]:
        """Width and height of this kind of picture, in pixels."""
        width, height = self.config.size
        if draft is None:
            return width, height
        return max(16, round(width * draft.scale / 16) * 16), max(16, round(height * draft.scale / 16) * 16)

    def _together(self, draft: DraftConfig | None) -> int:
        """How many pictures of this kind are drawn in a call."""
        return 1 if self._cache(draft).alone else self.batch_size

    def narrow(self, batch_size: int) -> None:
        """Draw at most so many pictures together from now on."""
        if batch_size < self.batch_size:
            self.batch_size = self.drawn_together = batch_size
            self.conditioning = self._conditioning()

    def _within_memory(self, work: Callable[[], T]) -> T:
        """``work``; where the card's memory does not suffice, once more without the other models on it, then with half
        the batch, for good. Raises RenderError where not even one picture fits.
        """
        while True:
            try:
                with torch.no_grad():  # and no inference mode, in which quantised weights cannot change their device
                    return work()
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
            # past the handler, as the error keeps what was on the card alive
            if self.place.recover():
                continue
            empty_cache()
            if self.batch_size == 1:
                raise RenderError("the memory does not suffice for a single picture; use a smaller size or model")
            self.narrow(self.batch_size // 2)
            log.warning("the memory did not suffice: from here on, %d pictures are drawn together", self.batch_size)

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
        reader = tokenizer.tokenizer if isinstance(tokenizer, ProcessorMixin) else tokenizer
        limit = min(self.config.call.get("max_sequence_length", 10**9), reader.model_max_length)
        if "max_sequence_length" in self.accepted and "max_sequence_length" not in self.config.call:
            limit = inspect.signature(self.pipeline.__call__).parameters["max_sequence_length"].default
        if (n := len(reader(prompt, truncation=False, verbose=False).input_ids)) > limit:
            self._said_cut = True  # once, as a search may write hundreds of such texts
            log.warning("the pipeline reads %d of %d tokens of: %.60s...", limit, n, prompt)

    def _stepped(self, on_step: OnStep | None) -> OnStep:
        """Whoever waits between steps, then ``on_step``; both in one ``callback_on_step_end``."""

        def stepped(pipeline: Any, step: int, time: Any, given: dict[str, Any]) -> dict[str, Any]:
            self.between()
            return on_step(pipeline, step, time, given) if on_step else {}

        return stepped

    def _batch(
        self, jobs: list[tuple[str, int]], draft: DraftConfig | None, on_step: OnStep | None
    ) -> list[Image.Image | RenderFailure]:
        padded = jobs + [jobs[-1]] * (self._together(draft) - len(jobs))
        width, height = self._size(draft)
        cache = self._cache(draft)
        told = self.conditioning([p for p, _ in padded])
        with decoding_by(self.pipeline, self._decoder if draft else None), self.place.drawing():

            def call(told: dict[str, Any], seeds: Sequence[int], on_step: OnStep | None) -> Any:
                told = told | self.call
                if "callback_on_step_end" in self.accepted:
                    told["callback_on_step_end"] = self._stepped(on_step)
                return self.pipeline(
                    generator=[torch.Generator("cpu").manual_seed(s) for s in seeds],
                    width=width,
                    height=height,
                    num_inference_steps=cache.steps,
                    output_type="np",
                    **told,
                )

            with self.caches.on(cache, lambda text, look: call(self.conditioning([text]), [0], look)):
                output = call(told, [s for _, s in padded], on_step)
        flagged = getattr(output, "nsfw_content_detected", None) or [False] * len(padded)
        return [as_picture(output.images[i], bool(flagged[i])) for i in range(len(jobs))]
