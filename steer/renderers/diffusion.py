"""Any text-to-image pipeline of diffusers, loaded once, safetensors only, no remote code."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline
from PIL import Image

from steer.config import RendererConfig
from steer.devices import pick_device
from steer.errors import RenderError
from steer.renderers.checks import as_picture
from steer.resources import miniature_weights
from steer.types import RenderFailure

log = logging.getLogger(__name__)


class DiffusersRenderer:
    """Renders in batches of one fixed shape, so that company changes nothing.

    Each candidate has its own generator, seeded on the CPU: a seed means the same noise on any
    card. The last batch is padded by repeating its last prompt. On CUDA running out of memory
    halves the batch, for good.
    """

    def __init__(self, config: RendererConfig):
        self.config = config
        self.device = pick_device(config.device)
        folder = miniature_weights("pipeline") if config.model == "miniature" else config.model
        self.name = f"{'the miniature' if config.model == 'miniature' else config.model} on {self.device}"
        try:
            self.pipeline: Any = DiffusionPipeline.from_pretrained(
                folder, torch_dtype=_dtype(config.dtype, self.device), use_safetensors=True,
                trust_remote_code=False, revision=config.revision,
            )  # fmt: skip
        except Exception as error:  # the library raises many kinds for one thing: it does not load
            raise RenderError(
                f"cannot load the pipeline '{config.model}': {str(error).splitlines()[0]}; "
                "give a diffusers folder or a hub name you have access to"
            ) from error
        self.pipeline.to(self.device)
        self.pipeline.set_progress_bar_config(disable=True)
        self.batch_size = config.batch_size
        self.accepted = set(inspect.signature(self.pipeline.__call__).parameters)
        if unknown := sorted(set(config.call) - self.accepted):
            raise RenderError(f"{type(self.pipeline).__name__} takes no {unknown} (renderer.call)")
        self._said_cut: set[str] = set()

    def describe(self) -> dict[str, object]:
        return {
            "pipeline": type(self.pipeline).__name__,
            "scheduler": type(self.pipeline.scheduler).__name__,
            "weights": _weights_identity(self.config.model),
            **self.config.model_dump(mode="json"),
        }

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Image.Image | RenderFailure]:
        """One result a prompt, in order; ``seeds`` (n) are their noise."""
        jobs = list(zip(prompts, seeds, strict=True))
        for prompt in dict.fromkeys(prompts):
            self._say_if_cut(prompt)
        results: list[Image.Image | RenderFailure] = []
        while len(results) < len(jobs):
            chunk = jobs[len(results) : len(results) + self.batch_size]
            try:
                results += self._batch(chunk)
            except torch.cuda.OutOfMemoryError as error:
                torch.cuda.empty_cache()
                if self.batch_size == 1:
                    raise RenderError(
                        "the card is too small for a single picture; use a smaller size or model"
                    ) from error
                self.batch_size //= 2
        return results

    def _say_if_cut(self, prompt: str) -> None:
        """Warn once about a text that the pipeline's last text encoder does not read to its end."""
        tokenizer = getattr(self.pipeline, "tokenizer_2", None) or getattr(self.pipeline, "tokenizer", None)
        if tokenizer is None or prompt in self._said_cut:
            return
        limit = min(self.config.call.get("max_sequence_length", 10**9), tokenizer.model_max_length)
        if "max_sequence_length" in self.accepted and "max_sequence_length" not in self.config.call:
            limit = inspect.signature(self.pipeline.__call__).parameters["max_sequence_length"].default
        if (n := len(tokenizer(prompt, truncation=False, verbose=False).input_ids)) > limit:
            self._said_cut.add(prompt)
            log.warning("the pipeline reads %d of %d tokens of: %.60s...", limit, n, prompt)

    @torch.inference_mode()
    def _batch(self, jobs: list[tuple[str, int]]) -> list[Image.Image | RenderFailure]:
        padded = jobs + [jobs[-1]] * (self.batch_size - len(jobs))
        prompts = [p for p, _ in padded]
        call = dict(self.config.call)
        if isinstance(call.get("negative_prompt"), str):
            call["negative_prompt"] = [call["negative_prompt"]] * len(prompts)
        output = self.pipeline(
            prompt=prompts,
            generator=[torch.Generator("cpu").manual_seed(s) for _, s in padded],
            width=self.config.width,
            height=self.config.height,
            num_inference_steps=self.config.steps,
            output_type="np",
            **call,
        )
        flagged = getattr(output, "nsfw_content_detected", None) or [False] * len(padded)
        return [as_picture(output.images[i], bool(flagged[i])) for i in range(len(jobs))]


def _dtype(name: str, device: str) -> torch.dtype:
    if name == "auto":
        return torch.float32 if device == "cpu" else torch.bfloat16
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]


def _weights_identity(model: str) -> dict[str, object]:
    """Hashes of the shipped weights; sizes of a local folder's weight files; a hub name stands for itself."""
    if model == "miniature":
        return json.loads((miniature_weights("pipeline").parent / "hashes.json").read_text())
    return {str(p.relative_to(model)): p.stat().st_size for p in sorted(Path(model).rglob("*.safetensors"))} or {
        "hub": model
    }
