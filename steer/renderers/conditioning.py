"""Texts as a pipeline's denoiser reads them, each encoded once: a text is drawn with several seeds, a negative one always."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Rows = dict[str, Tensor]  # call arguments of a batch, the first dimension its texts
REMEMBERED = 128  # texts; of FLUX 4 MB each, in the main memory


@dataclass(frozen=True)
class Family:
    """How one kind of pipeline is told a text: ``encode`` n texts, ``guided``: whether a call looks at a negative text.

    ``zeros``: where no negative text is given, zeros stand for it, as SDXL's weights want.
    """

    encode: Callable[[Any, dict[str, Any], list[str]], Rows]
    guided: Callable[[Any, dict[str, Any], bool], bool]
    zeros: bool = False


class Conditioning:
    """Call arguments for texts, of the pipelines whose encoders are known here; of others the texts themselves.

    Texts are encoded in batches of exactly ``batch_size``, so that company changes nothing.
    """

    def __init__(self, pipeline: Any, call: dict[str, Any], negative: str | None, batch_size: int):
        self.pipeline, self.call, self.negative, self.batch_size = pipeline, call, negative, batch_size
        self.family = next((f for name, f in FAMILIES if type(pipeline).__name__.startswith(name)), None)
        self._known: OrderedDict[str, Rows] = OrderedDict()
        self._negative: Rows | None = None

    def __call__(self, prompts: Sequence[str]) -> dict[str, Any]:
        """Arguments of a call for these texts (n)."""
        if self.family is None:
            negative = {} if self.negative is None else {"negative_prompt": [self.negative] * len(prompts)}
            return {"prompt": list(prompts), **negative}
        self._encode([p for p in dict.fromkeys(prompts) if p not in self._known])
        for prompt in prompts:
            self._known.move_to_end(prompt)
        each = [self._known[p] for p in prompts]
        while len(self._known) > max(REMEMBERED, len(prompts)):
            self._known.popitem(last=False)
        device = self.pipeline._execution_device
        rows = {name: torch.stack([r[name] for r in each]).to(device) for name in each[0]}
        if self.family.guided(self.pipeline, self.call, self.negative is not None):
            away = self._away(rows)
            rows |= {f"negative_{k}": v.expand(len(prompts), *v.shape[1:]).to(device) for k, v in away.items()}
        return rows

    def _encode(self, texts: list[str]) -> None:
        assert self.family
        for start in range(0, len(texts), self.batch_size):
            chunk = texts[start : start + self.batch_size]
            padded = chunk + [chunk[-1]] * (self.batch_size - len(chunk))
            rows = self.family.encode(self.pipeline, self.call, padded)
            for i, text in enumerate(chunk):
                self._known[text] = {k: v[i].cpu() for k, v in rows.items()}

    def _away(self, like: Rows) -> Rows:
        """Of the negative text, one row each."""
        assert self.family
        if self._negative is None:
            if self.negative is None and self.family.zeros:
                self._negative = {k: torch.zeros_like(v[:1]).cpu() for k, v in like.items()}
            else:
                rows = self.family.encode(self.pipeline, self.call, [self.negative or ""] * self.batch_size)
                self._negative = {k: v[:1].cpu() for k, v in rows.items()}
        return self._negative


def _flux(p: Any, call: dict[str, Any], texts: list[str]) -> Rows:
    length = int(call.get("max_sequence_length", 512))
    embeds, pooled, _ = p.encode_prompt(texts, None, device=p._execution_device, max_sequence_length=length)
    return {"prompt_embeds": embeds, "pooled_prompt_embeds": pooled}


def _flux2(p: Any, call: dict[str, Any], texts: list[str]) -> Rows:
    given = {k: call[k] for k in ("max_sequence_length", "text_encoder_out_layers") if k in call}
    return {"prompt_embeds": p.encode_prompt(prompt=texts, device=p._execution_device, **given)[0]}


def _sdxl(p: Any, call: dict[str, Any], texts: list[str]) -> Rows:
    embeds, _, pooled, _ = p.encode_prompt(
        prompt=texts, device=p._execution_device, num_images_per_prompt=1, do_classifier_free_guidance=False,
        clip_skip=call.get("clip_skip"),
    )  # fmt: skip
    return {"prompt_embeds": embeds, "pooled_prompt_embeds": pooled}


def _flux_guided(p: Any, call: dict[str, Any], negative: bool) -> bool:
    return negative and float(call.get("true_cfg_scale", 1.0)) > 1


def _flux2_guided(p: Any, call: dict[str, Any], negative: bool) -> bool:
    takes = type(p).__name__ == "Flux2KleinPipeline"  # the big one is guided by a number alone
    return takes and not p.config.is_distilled and float(call.get("guidance_scale", 4.0)) > 1


def _sdxl_guided(p: Any, call: dict[str, Any], negative: bool) -> bool:
    return float(call.get("guidance_scale", 5.0)) > 1 and p.unet.config.time_cond_proj_dim is None


FAMILIES: tuple[tuple[str, Family], ...] = (
    ("Flux2", Family(_flux2, _flux2_guided)),
    ("FluxPipeline", Family(_flux, _flux_guided)),
    ("StableDiffusionXLPipeline", Family(_sdxl, _sdxl_guided, zeros=True)),
)
