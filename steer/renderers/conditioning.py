"""Texts as a pipeline's denoiser reads them, each encoded once: a text is drawn with several seeds, a negative one
always.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from steer.renderers.placement import Place

Rows = dict[str, Tensor]  # call arguments of a batch, the first dimension its texts
REMEMBERED = 128  # texts; of FLUX 4 MB each, in the main memory


@dataclass(frozen=True)
class Family:
    """How one kind of pipeline is told a text: ``encode`` n texts, ``guided``: whether a call looks at a negative text.

    ``zeros``: where no negative text is given, zeros stand for it, as SDXL's weights want.
    """

    encode: Callable[[Any, dict[str, Any], list[str], str], Rows]
    guided: Callable[[Any, dict[str, Any], bool], bool]
    zeros: bool = False


class Conditioning:
    """Call arguments for texts, of the pipelines whose encoders are known here; of others the texts themselves.

    Texts are encoded in batches of exactly ``batch_size``, so that company changes nothing.
    """

    def __init__(self, place: Place, call: dict[str, Any], negative: str | None, batch_size: int):
        self.pipeline, self.place, self.call = place.pipeline, place, call
        self.negative, self.batch_size = negative, batch_size
        self.family = family_of(self.pipeline)
        self._known: OrderedDict[str, Rows] = OrderedDict()
        self._negative: Rows | None = None

    def __call__(self, prompts: Sequence[str]) -> dict[str, Any]:
        """Arguments of a call for these texts (n)."""
        if self.family is None:
            negative = {} if self.negative is None else {"negative_prompt": [self.negative] * len(prompts)}
            return {"prompt": list(prompts), **negative}
        self.read(prompts)
        for prompt in prompts:
            self._known.move_to_end(prompt)
        each = [self._known[p] for p in prompts]
        while len(self._known) > max(REMEMBERED, len(prompts)):
            self._known.popitem(last=False)
        device = self.place.device
        rows = {name: torch.stack([r[name] for r in each]).to(device) for name in each[0]}
        if self._guided():
            away = self._away(rows)
            rows |= {f"negative_{k}": v.expand(len(prompts), *v.shape[1:]).to(device) for k, v in away.items()}
        return rows

    def read(self, prompts: Sequence[str]) -> None:
        """Encode what is new among these texts: a round's at once, as the text encoders may have to come onto the
        card.
        """
        new = [p for p in dict.fromkeys(prompts) if p not in self._known]
        if self.family and new:
            with self.place.reading():
                self._encode(new)
                if self._negative is None and self._guided() and (self.negative is not None or not self.family.zeros):
                    self._negative = self._rows([self.negative or ""] * self.batch_size, 1)

    def _guided(self) -> bool:
        assert self.family
        return self.family.guided(self.pipeline, self.call, self.negative is not None)

    def _rows(self, texts: list[str], n: int) -> Rows:
        """Of the first ``n`` of a batch's texts, in the main memory."""
        assert self.family
        rows = self.family.encode(self.pipeline, self.call, texts, self.place.device)
        return {k: v[:n].cpu() for k, v in rows.items()}

    def _encode(self, texts: list[str]) -> None:
        for start in range(0, len(texts), self.batch_size):
            chunk = texts[start : start + self.batch_size]
            padded = chunk + [chunk[-1]] * (self.batch_size - len(chunk))
            rows = self._rows(padded, len(chunk))
            for i, text in enumerate(chunk):
                self._known[text] = {k: v[i].clone() for k, v in rows.items()}

    def _away(self, like: Rows) -> Rows:
        """Of the negative text, one row each."""
        if self._negative is None:
            self._negative = {k: torch.zeros_like(v[:1]).cpu() for k, v in like.items()}
        return self._negative


def _flux(p: Any, call: dict[str, Any], texts: list[str], device: str) -> Rows:
    length = int(call.get("max_sequence_length", 512))
    embeds, pooled, _ = p.encode_prompt(texts, None, device=device, max_sequence_length=length)
    return {"prompt_embeds": embeds, "pooled_prompt_embeds": pooled}


def _flux2(p: Any, call: dict[str, Any], texts: list[str], device: str) -> Rows:
    given = {k: call[k] for k in ("max_sequence_length", "text_encoder_out_layers") if k in call}
    return {"prompt_embeds": p.encode_prompt(prompt=texts, device=device, **given)[0]}


def _sdxl(p: Any, call: dict[str, Any], texts: list[str], device: str) -> Rows:
    embeds, _, pooled, _ = p.encode_prompt(
        prompt=texts,
        device=device,
        num_images_per_prompt=1,
        do_classifier_free_guidance=False,
        clip_skip=call.get("clip_skip"),
    )
    return {"prompt_embeds": embeds, "pooled_prompt_embeds": pooled}


def _flux_guided(p: Any, call: dict[str, Any], negative: bool) -> bool:  # noqa: ARG001
    return negative and float(call.get("true_cfg_scale", 1.0)) > 1


def _flux2_guided(p: Any, call: dict[str, Any], negative: bool) -> bool:  # noqa: ARG001
    takes = type(p).__name__ == "Flux2KleinPipeline"  # the big one is guided by a number alone
    return takes and not p.config.is_distilled and float(call.get("guidance_scale", 4.0)) > 1


def _sdxl_guided(p: Any, call: dict[str, Any], negative: bool) -> bool:  # noqa: ARG001
    return float(call.get("guidance_scale", 5.0)) > 1 and p.unet.config.time_cond_proj_dim is None


def family_of(pipeline: Any) -> Family | None:
    """How this kind of pipeline is told a text, where that is known here."""
    return family_named(type(pipeline).__name__)


def family_named(kind: str) -> Family | None:
    """As :func:`family_of`, by the name of the pipeline's class."""
    return next((f for name, f in FAMILIES if kind.startswith(name)), None)


FAMILIES: tuple[tuple[str, Family], ...] = (
    ("Flux2", Family(_flux2, _flux2_guided)),
    ("FluxPipeline", Family(_flux, _flux_guided)),
    ("StableDiffusionXLPipeline", Family(_sdxl, _sdxl_guided, zeros=True)),
)
