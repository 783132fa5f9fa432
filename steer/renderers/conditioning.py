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
from torch.nn.utils.rnn import pad_sequence

from steer.renderers.placement import Place

Rows = dict[str, Tensor]  # call arguments of a text; of a batch, the first dimension its texts
REMEMBERED = 128  # texts; of FLUX 4 MB each, in the main memory


def stacked(rows: Sequence[Rows], device: str) -> dict[str, Any]:
    """Rows of one length."""
    return {name: torch.stack([r[name] for r in rows]).to(device) for name in rows[0]}


def padded(rows: Sequence[Rows], device: str) -> dict[str, Any]:
    """Rows of several lengths, each padded to the longest; the mask says where they end."""
    return {name: pad_sequence([r[name] for r in rows], batch_first=True).to(device) for name in rows[0]}


def ragged(rows: Sequence[Rows], device: str) -> dict[str, Any]:
    """Rows of several lengths, as a list."""
    return {"prompt_embeds": [r["prompt_embeds"].to(device) for r in rows]}


@dataclass(frozen=True)
class Family:
    """How one kind of pipeline is told a text: ``encode`` n texts, ``guided``: whether a call looks at a negative text.

    ``zeros``: where no negative text is given, zeros stand for it, as SDXL's weights want. ``join``: the rows of
    several texts, one each, into arguments of a call; those of Qwen-Image and Z-Image differ in length.
    """

    encode: Callable[[Any, dict[str, Any], list[str], str], Rows]
    guided: Callable[[Any, dict[str, Any], bool], bool]
    zeros: bool = False
    join: Callable[[Sequence[Rows], str], dict[str, Any]] = stacked


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
        given = self.family.join(each, device)
        if self._guided():
            away = self.family.join([self._away(each[0])] * len(prompts), device)
            given |= {f"negative_{name}": value for name, value in away.items()}
        return given

    def read(self, prompts: Sequence[str]) -> None:
        """Encode what is new among these texts: a round's at once, as the text encoders may have to come onto the
        card.
        """
        new = [p for p in dict.fromkeys(prompts) if p not in self._known]
        if self.family and new:
            with self.place.reading():
                self._encode(new)
                if self._negative is None and self._guided() and (self.negative is not None or not self.family.zeros):
                    (self._negative,) = self._rows([self.negative or ""] * self.batch_size, 1)

    def _guided(self) -> bool:
        assert self.family
        return self.family.guided(self.pipeline, self.call, self.negative is not None)

    def _rows(self, texts: list[str], n: int) -> list[Rows]:
        """Of each of the first ``n`` of a batch's texts, in the main memory."""
        assert self.family
        rows = self.family.encode(self.pipeline, self.call, texts, self.place.device)
        each = [{name: value[i].cpu().clone() for name, value in rows.items()} for i in range(n)]
        if self.family.join is stacked:
            return each
        ends = [int(row.pop("mask").sum()) for row in each]
        return [{name: value[:end] for name, value in row.items()} for row, end in zip(each, ends, strict=True)]

    def _encode(self, texts: list[str]) -> None:
        for start in range(0, len(texts), self.batch_size):
            chunk = texts[start : start + self.batch_size]
            filled = chunk + [chunk[-1]] * (self.batch_size - len(chunk))
            self._known.update(zip(chunk, self._rows(filled, len(chunk)), strict=True))

    def _away(self, like: Rows) -> Rows:
        """Of the negative text."""
        if self._negative is None:
            self._negative = {name: torch.zeros_like(value) for name, value in like.items()}
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


def _sd3(p: Any, call: dict[str, Any], texts: list[str], device: str) -> Rows:
    given = {k: call[k] for k in ("max_sequence_length", "clip_skip") if k in call}
    embeds, _, pooled, _ = p.encode_prompt(texts, None, None, device=device, do_classifier_free_guidance=False, **given)
    return {"prompt_embeds": embeds, "pooled_prompt_embeds": pooled}


def _qwen(p: Any, call: dict[str, Any], texts: list[str], device: str) -> Rows:
    length = int(call.get("max_sequence_length", 512))
    embeds, mask = p.encode_prompt(texts, device=device, max_sequence_length=length)
    mask = torch.ones(embeds.shape[:2], dtype=torch.long) if mask is None else mask
    return {"prompt_embeds": embeds, "prompt_embeds_mask": mask, "mask": mask}


def _z_image(p: Any, call: dict[str, Any], texts: list[str], device: str) -> Rows:
    given = {k: call[k] for k in ("max_sequence_length",) if k in call}
    embeds, _ = p.encode_prompt(list(texts), device=device, do_classifier_free_guidance=False, **given)
    mask = pad_sequence([torch.ones(len(row)) for row in embeds], batch_first=True)
    return {"prompt_embeds": pad_sequence(embeds, batch_first=True), "mask": mask}


def _sd3_guided(p: Any, call: dict[str, Any], negative: bool) -> bool:  # noqa: ARG001
    return float(call.get("guidance_scale", 7.0)) > 1


def _qwen_guided(p: Any, call: dict[str, Any], negative: bool) -> bool:  # noqa: ARG001
    return negative and float(call.get("true_cfg_scale", 4.0)) > 1


def _z_image_guided(p: Any, call: dict[str, Any], negative: bool) -> bool:  # noqa: ARG001
    return float(call.get("guidance_scale", 5.0)) > 0


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
    ("StableDiffusion3Pipeline", Family(_sd3, _sd3_guided)),
    ("QwenImagePipeline", Family(_qwen, _qwen_guided, join=padded)),
    ("ZImagePipeline", Family(_z_image, _z_image_guided, join=ragged)),
)
