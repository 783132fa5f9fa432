"""Mean pools of the hidden states of a frozen vision-language model: one forward pass a batch, no generation.

After Ryu and Yanaka 2026 (arXiv 2604.11374): ``V`` vision blocks over all patches, ``LV`` decoder states at the
picture's tokens, ``LT`` decoder states at all other tokens that are no padding, those before the picture included.
Decoder layer 0 is the embeddings, i the state after block i, the last one normalised. Nothing after the last wanted
layer is computed.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from transformers import AutoModelForImageTextToText, AutoTokenizer

from reward_models.base import RewardError
from reward_models.encoders.base import FrozenEncoder, Prepared, first_line, precision_for
from reward_models.encoders.identity import checkpoint_files, remembered_hash
from reward_models.encoders.pixels import load_image_processor, pixel_facts
from reward_models.trusted import load

PROMPTS = {  # what is asked about each picture; the words are ours, their kinds the paper's
    "base": "Assess the aesthetics of this image.",
    "format": "How good is this image, from 1 to 5? Answer with the number alone.",
    "attributes": (
        "Assess this image: its balance, colour harmony, content, depth of field, light, motion blur, main object, "
        "repetition, rule of thirds, symmetry and vivid colour."
    ),
    "unrelated": "What is the weather like today?",
}


@dataclass(frozen=True)
class Pool:
    """One representation: ``source`` V, LV or LT, and its layer."""

    source: str
    layer: int

    @classmethod
    def parse(cls, text: str) -> Pool:
        """``LT_15``. Raises RewardError for anything else."""
        source, _, layer = text.partition("_")
        if source not in ("V", "LV", "LT") or not layer.isdecimal():
            raise RewardError(f"'{text}' is no pool; write V_3, LV_15 or LT_15")
        return cls(source, int(layer))

    def __str__(self) -> str:
        return f"{self.source}_{self.layer}"


class _Stop(Exception):
    """The last wanted layer is there."""


class HiddenPools(FrozenEncoder):
    """A VLM of transformers (Qwen3-VL, Gemma 3 and those of their layout) by folder or hub name; in bf16 but on the
    CPU.

    ``pools``: what its vectors consist of, one behind the other; they are not normalised. ``size``: side in pixels to
    which every picture is brought, so that features do not drift with resolution. ``whole``: keep the layers that no
    pool wants, for :meth:`with_pools`; of Qwen3-VL-4B's 36 they are nearly half of its memory. Raises RewardError
    where the model does not load or has no such layer.
    """

    kind = "hidden-states"

    def __init__(
        self,
        name: str | Path,
        pools: Sequence[str] = ("LT_15",),
        device: str = "cpu",
        batch_size: int = 1,
        size: int = 448,
        prompt: str = "base",
        revision: str | None = None,
        whole: bool = True,
    ):
        try:
            model = load(
                AutoModelForImageTextToText, name, revision=revision, use_safetensors=True, dtype=precision_for(device)
            )
            self.images_in = load_image_processor(name, revision)
            self.tokenizer = load(AutoTokenizer, name, revision=revision)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise RewardError(f"cannot load the vision-language model '{name}': {first_line(error)}") from error
        self.size, self.prompt = size, PROMPTS.get(prompt, prompt)
        self.revision = getattr(model.config, "_commit_hash", None)
        self.layout = _layout(model, str(name))
        self.depth = len(self.layout.decoder)
        self._wide = model.config.get_text_config().hidden_size
        self.name = str(name)
        self._take(pools)
        self._alone = Lock()  # hooks hear every thread's pass
        files = checkpoint_files(name, self.revision or revision)
        if not whole:
            self._weights_hash = remembered_hash(model, files)  # of all of it
            self._drop_unwanted(model)
        super().__init__(str(name), model, sum(self.widths), device, batch_size, files)

    def _drop_unwanted(self, model: Any) -> None:
        """Before it comes to a device: the layers above the last wanted one, and what makes words of states."""
        last = max((p.layer for p in self.pools if p.source != "V"), default=0)
        if last < self.depth:
            del self.layout.decoder[max(1, last) :]  # type: ignore[attr-defined]
        model.lm_head = nn.Identity()

    def _take(self, pools: Sequence[str]) -> None:
        self.pools = [Pool.parse(p) for p in pools]
        for pool in self.pools:
            most = len(self.layout.vision) - 1 if pool.source == "V" else self.depth
            if pool.layer > most:
                raise RewardError(f"'{self.name}' has no {pool}: its last is {pool.source}_{most}")
            kept = len(self.layout.decoder)
            if pool.source != "V" and pool.layer > kept:
                raise RewardError(f"'{self.name}' was loaded without its layers after {kept}; load it whole for {pool}")
        self.widths = [self.layout.vision_width if p.source == "V" else self._wide for p in self.pools]
        self.width = sum(self.widths)

    def with_pools(self, pools: Sequence[str]) -> HiddenPools:
        """Other pools of the same loaded model."""
        other = copy.copy(self)
        other._take(pools)
        return other

    def prepare(self, image: Image.Image) -> Prepared:
        """The picture's own inputs and ``input_ids`` (T,) of the one user turn: picture first, then the text."""
        square = image.convert("RGB").resize((self.size, self.size), Image.Resampling.BICUBIC)
        given = self.images_in(images=[square], return_tensors="pt", **self.layout.picture_arguments)
        pictures = {k: v for k, v in given.items() if isinstance(v, Tensor)}
        tokens = self._tokens(self.layout.tokens_of(pictures))
        return {"input_ids": tokens, **{k: v if k == "pixel_values" else v[0] for k, v in pictures.items()}}

    def _tokens(self, pictures: int) -> Tensor:
        """The turn with as many picture tokens as the model's vision part gives."""
        message = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": self.prompt}]}]
        text = self.tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=False)
        marker = self.layout.marker
        if text.count(marker) != 1:
            raise RewardError(f"the chat template of '{self.name}' has no single picture marker {marker!r}")
        whole = text.replace(marker, self.layout.expanded(pictures))
        return torch.tensor(self.tokenizer(whole, add_special_tokens=False)["input_ids"])

    @torch.inference_mode()
    def encode(self, batch: Prepared) -> Tensor:
        """Pools (B, D), float32."""
        pixels = batch["pixel_values"].to(self.model.dtype).flatten(0, 1)  # patches or pictures of the whole batch
        inputs = {k: v for k, v in batch.items() if k not in ("pixel_values", "num_crops")}
        at_picture = inputs["input_ids"] == self.layout.picture_token
        inputs[self.layout.kinds] = at_picture.int()
        found: dict[Pool, Tensor] = {}
        with (
            self._alone,
            _listening(self, at_picture, found),
            contextlib.suppress(_Stop),
        ):
            mask = torch.ones_like(batch["input_ids"])
            self.model(**inputs, pixel_values=pixels, attention_mask=mask, use_cache=False)
        return torch.cat([found[p] for p in self.pools], dim=-1)

    def _encode_list(self, inputs: list[Prepared]) -> Tensor:
        batch = {k: torch.stack([i[k] for i in inputs]).to(self.device) for k in inputs[0]}
        return self.encode(batch).float()

    def told(self) -> list[str]:
        """Pools, size, question, and how pixels are made; of Gemma that its picture's tokens see each other, as they
        once did not.
        """
        told = [str([str(p) for p in self.pools]), str(self.size), self.prompt, pixel_facts(self.images_in)]
        return [*told, *([self.layout.kinds] if self.layout.kinds == "token_type_ids" else [])]

    def split(self, vectors: Tensor) -> dict[str, Tensor]:
        """Vectors (n, D) by pool."""
        return dict(zip(map(str, self.pools), vectors.split(self.widths, dim=-1), strict=True))


@dataclass
class _Layout:
    """Where a family of models keeps its parts."""

    vision: Sequence[nn.Module]
    vision_width: int
    decoder: Sequence[nn.Module]
    norm: nn.Module
    picture_token: int
    marker: str  # what the chat template writes for a picture
    merge: int  # patches a token, by side
    fixed_tokens: int | None
    kinds: str  # the input that tells picture tokens from others: by it Qwen counts positions, and in Gemma they attend
    before: str = ""  # around the picture tokens, where the template does not write it
    after: str = ""
    picture_arguments: dict[str, Any] = None  # type: ignore[assignment]
    token: str = ""

    def tokens_of(self, pictures: dict[str, Tensor]) -> int:
        if self.fixed_tokens is not None:
            return self.fixed_tokens
        return int(pictures["image_grid_thw"].prod()) // self.merge**2

    def expanded(self, n: int) -> str:
        return self.before + self.token * n + self.after


def _layout(model: Any, name: str) -> _Layout:
    """Raises RewardError for a model of another layout."""
    inner, config = model.model, model.config
    decoder = inner.language_model
    if hasattr(inner, "visual"):  # Qwen3-VL, Qwen2.5-VL, Qwen2-VL, whose vision part calls its own width embed_dim
        wide = getattr(config.vision_config, "embed_dim", None) or config.vision_config.hidden_size
        return _Layout(
            inner.visual.blocks,
            wide,
            decoder.layers,
            decoder.norm,
            config.image_token_id,
            "<|image_pad|>",
            config.vision_config.spatial_merge_size,
            None,
            "mm_token_type_ids",
            token="<|image_pad|>",
            picture_arguments={},
        )
    if hasattr(inner, "vision_tower") and hasattr(config, "mm_tokens_per_image"):  # Gemma 3
        blocks = inner.vision_tower.encoder.layers
        return _Layout(
            blocks,
            config.vision_config.hidden_size,
            decoder.layers,
            decoder.norm,
            config.image_token_id,
            "<start_of_image>",
            1,
            config.mm_tokens_per_image,
            "token_type_ids",
            "\n\n<start_of_image>",
            "<end_of_image>\n\n",
            {},
            "<image_soft_token>",
        )
    raise RewardError(f"'{name}' is a {type(model).__name__}; known are models of the layout of Qwen3-VL and Gemma 3")


class _listening:
    """Hooks for one forward pass: fills ``found`` and stops behind the last wanted layer."""

    def __init__(self, encoder: HiddenPools, at_picture: Tensor, found: dict[Pool, Tensor]):
        self.encoder, self.found = encoder, found
        self.handles: list[Any] = []
        self.weights = {"LV": at_picture.float(), "LT": (~at_picture).float()}

    def __enter__(self) -> None:
        layout, pools = self.encoder.layout, self.encoder.pools
        self.last = max((p.layer for p in pools if p.source != "V"), default=-1)
        for layer in {p.layer for p in pools if p.source == "V"}:
            self._hook(layout.vision[layer], lambda states, layer=layer: self._vision(layer, states))
        depth = self.encoder.depth
        first = layout.decoder[0].register_forward_pre_hook(self._embeddings, with_kwargs=True)
        self.handles.append(first)
        for layer in range(1, min(depth, len(layout.decoder) + 1)):
            self._hook(layout.decoder[layer - 1], lambda states, layer=layer: self._take(layer, states))
        self._hook(layout.norm, lambda states: self._take(depth, states))

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()

    def _hook(self, module: nn.Module, do: Any) -> None:
        self.handles.append(module.register_forward_hook(lambda _m, _i, output: do(_tensor(output))))

    def _vision(self, layer: int, states: Tensor) -> None:
        """All patches of the batch in one row (Qwen), or (B, P, W)."""
        batch = len(self.weights["LV"])
        self.found[Pool("V", layer)] = states.reshape(batch, -1, states.shape[-1]).float().mean(1)

    def _embeddings(self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._take(0, args[0] if args else kwargs["hidden_states"])

    def _take(self, layer: int, states: Tensor) -> None:
        """States (B, T, W); nothing is computed after the last that is wanted."""
        for source, weight in self.weights.items():
            if (pool := Pool(source, layer)) in self.encoder.pools:
                share = (weight / weight.sum(1, keepdim=True)).unsqueeze(-1).to(states.device)
                self.found[pool] = (states.float() * share).sum(1)
        if layer >= self.last:
            raise _Stop


def _tensor(output: Any) -> Tensor:
    return output[0] if isinstance(output, tuple) else output
