"""Frozen encoders: pictures and prompts to unit vectors, and how well they agree.

A reward model asks little of an encoder (:class:`Encoder`): SigLIP and SigLIP 2 of any size are one,
a vision model without a text tower is another, and a table of vectors computed elsewhere a third.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import AutoImageProcessor, AutoModel, AutoProcessor

from reward_models.base import RewardError

log = logging.getLogger(__name__)
Prepared = dict[str, Tensor]


def weights_hash(*models: nn.Module, dtype: torch.dtype = torch.float32) -> str:
    """Sixteen hex digits of all weights as ``dtype``, names included."""
    digest = hashlib.sha256()
    for model in models:
        for key, value in sorted(model.state_dict().items()):
            digest.update(key.encode())
            digest.update(value.detach().to("cpu", dtype).contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


@runtime_checkable
class Encoder(Protocol):
    """What training and scoring ask of an encoder of width D."""

    name: str
    width: int
    has_text: bool

    def images(self, images: Sequence[Image.Image]) -> Tensor:
        """Unit vectors (n, D) of pictures, each the same in any company."""
        ...

    def texts(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors (n, D) of texts; zeros, which reward models read as "no prompt", where ``has_text`` is false."""
        ...

    def agreement(self, images: Tensor, texts: Tensor) -> Tensor:
        """How well each picture fits its text, (n,) in [0, 1]; NaN where ``has_text`` is false."""
        ...

    def fingerprint(self) -> str:
        """Changes whenever the vectors would."""
        ...


class FrozenEncoder:
    """Pictures through any frozen model, in batches of one fixed shape (the last one is padded).

    A subclass gives ``prepare`` (one picture to the model's inputs, safe to call from threads) and
    ``encode`` (a batch of them to vectors).
    """

    has_text = False

    def __init__(self, name: str, model: nn.Module, width: int, device: str = "cpu", batch_size: int = 16):
        self.model = model.eval().requires_grad_(False).to(device)
        self.name, self.width, self.device, self.batch_size = name, width, device, batch_size

    def prepare(self, image: Image.Image) -> Prepared:
        """The model's inputs for one picture, without the batch dimension."""
        raise NotImplementedError

    def encode(self, batch: Prepared) -> Tensor:
        """Vectors (B, D) of a batch on ``device``; their length does not matter."""
        raise NotImplementedError

    def images(self, images: Sequence[Image.Image]) -> Tensor:
        """Unit vectors (n, D) of pictures."""
        return self.prepared([self.prepare(i) for i in images])

    @torch.inference_mode()
    def prepared(self, inputs: Sequence[Prepared]) -> Tensor:
        """Unit vectors (n, D) of pictures that :meth:`prepare` made ready."""
        return in_batches(list(inputs), self.batch_size, self.width, self._encode_list)

    def _encode_list(self, inputs: list[Prepared]) -> Tensor:
        batch = {k: torch.stack([i[k] for i in inputs]).to(self.device, non_blocking=True) for k in inputs[0]}
        return nn.functional.normalize(self.encode(batch).float(), dim=-1)

    def texts(self, texts: Sequence[str]) -> Tensor:
        """Zeros (n, D): there is no text tower."""
        return torch.zeros(len(texts), self.width, device=self.device)

    def agreement(self, images: Tensor, texts: Tensor) -> Tensor:
        """NaN (n,): pictures cannot be compared with texts."""
        return torch.full((len(images),), float("nan"))

    def fingerprint(self) -> str:
        """Hash of the weights, the same in bf16 and fp32: two encoders of one name are told apart. Taken once: they are frozen."""
        return self._weights_hash

    @cached_property
    def _weights_hash(self) -> str:
        return weights_hash(self.model, dtype=torch.bfloat16)


def in_batches(items: list[Any], size: int, width: int, encode: Callable[[list[Any]], Tensor]) -> Tensor:
    """``encode`` over ``items`` in batches of exactly ``size``, the last one filled up: (n, width)."""
    rows = []
    for start in range(0, len(items), size):
        chunk = items[start : start + size]
        rows.append(encode(chunk + [chunk[-1]] * (size - len(chunk)))[: len(chunk)])
    return torch.cat(rows) if rows else torch.zeros(0, width)


def encode_readable(encoder: Encoder, images: Sequence[Image.Image]) -> tuple[Tensor, np.ndarray]:
    """Vectors (n, D) and which pictures opened (n,); the row of one that did not is zeros."""
    readable = np.array([opens(image) for image in images], dtype=bool)
    found = encoder.images([image for image, good in zip(images, readable, strict=True) if good])
    vectors = found.new_zeros(len(images), encoder.width)
    vectors[torch.from_numpy(readable).to(found.device)] = found
    return vectors, readable


def opens(image: Image.Image) -> bool:
    """Whether a picture decodes to its last pixel; said where not."""
    try:
        image.load()  # files are opened lazily
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        log.warning("a picture does not open and gets no score: %s", _first_line(error))
        return False
    return True


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _precision(device: str) -> torch.dtype:
    return torch.bfloat16 if device.startswith("cuda") else torch.float32


def _vectors(output: Any) -> Tensor:
    return getattr(output, "pooler_output", output)


class SiglipEncoder(FrozenEncoder):
    """A SigLIP or SigLIP 2 by folder or hub name; bf16 on CUDA.

    Pictures are resized and normalised by the model's own processor.
    """

    has_text = True

    def __init__(
        self, name: str | Path, device: str = "cpu", batch_size: int = 16, revision: str | None = None,
        dtype: torch.dtype | None = None,
    ):  # fmt: skip
        try:
            model = AutoModel.from_pretrained(
                name, revision=revision, use_safetensors=True, dtype=dtype or _precision(device)
            )
            self.processor = AutoProcessor.from_pretrained(name, revision=revision)
        except (OSError, ValueError) as error:
            raise RewardError(f"cannot load the SigLIP '{name}': {_first_line(error)}") from error
        if not hasattr(model.config, "text_config") or not hasattr(model, "logit_bias"):
            raise RewardError(
                f"'{name}' is a {type(model).__name__}, not a SigLIP; for pictures alone use kind 'vision'"
            )
        super().__init__(str(name), model, model.config.vision_config.hidden_size, device, batch_size)
        self.revision: str | None = getattr(model.config, "_commit_hash", None)
        self.max_tokens: int = model.config.text_config.max_position_embeddings
        self._said_cut: set[str] = set()

    def prepare(self, image: Image.Image) -> Prepared:
        """``pixel_values`` (3, H, W); for NaFlex models patches and their mask."""
        inputs = self.processor.image_processor(images=[image.convert("RGB")], return_tensors="pt")
        return {k: v[0] for k, v in inputs.items()}

    def encode(self, batch: Prepared) -> Tensor:
        pixels = batch["pixel_values"].to(self.model.dtype)
        return _vectors(self.model.get_image_features(**batch | {"pixel_values": pixels}))

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors (n, D) of texts; a text beyond ``max_tokens`` is cut with a warning."""
        if not texts:
            return torch.zeros(0, self.width)
        unique = list(dict.fromkeys(texts))
        rows = dict(zip(unique, in_batches(unique, self.batch_size, self.width, self._text_batch), strict=True))
        return torch.stack([rows[t] for t in texts])

    def agreement(self, images: Tensor, texts: Tensor) -> Tensor:
        """The sigmoid of SigLIP's own logit for each pair: (n, D) and (n, D) to (n,).

        Zhai et al. 2023, eq. 1: sigmoid(exp(t') x.y + b).
        """
        logits = (images * texts).sum(-1) * self.model.logit_scale.float().exp() + self.model.logit_bias.float()
        return torch.sigmoid(logits).cpu()

    def count_tokens(self, text: str) -> int:
        """Tokens of ``text`` before any cut, end token included."""
        return len(self.processor.tokenizer(text).input_ids)

    def _text_batch(self, texts: list[str]) -> Tensor:
        for text in dict.fromkeys(texts):
            if text not in self._said_cut and (n := self.count_tokens(text)) > self.max_tokens:
                self._said_cut.add(text)
                log.warning("text of %d tokens is read only to token %d: %.60s...", n, self.max_tokens, text)
        tokens = self.processor(
            text=texts, padding="max_length", max_length=self.max_tokens, truncation=True,
            return_tensors="pt",
        ).to(self.device)  # fmt: skip
        features = _vectors(self.model.get_text_features(input_ids=tokens["input_ids"]))
        return nn.functional.normalize(features.float(), dim=-1)


class VisionEncoder(FrozenEncoder):
    """Pictures alone, through any vision model of transformers (DINOv2, ViT ...) by folder or hub name."""

    def __init__(self, name: str | Path, device: str = "cpu", batch_size: int = 16, revision: str | None = None):
        try:
            model = AutoModel.from_pretrained(name, revision=revision, use_safetensors=True, dtype=_precision(device))
            self.processor = AutoImageProcessor.from_pretrained(name, revision=revision)
        except (OSError, ValueError) as error:
            raise RewardError(f"cannot load the vision model '{name}': {_first_line(error)}") from error
        width = getattr(model.config, "hidden_size", None) or model.config.hidden_sizes[-1]  # of ConvNets by stage
        super().__init__(str(name), model, width, device, batch_size)

    def prepare(self, image: Image.Image) -> Prepared:
        return {"pixel_values": self.processor(images=[image.convert("RGB")], return_tensors="pt")["pixel_values"][0]}

    def encode(self, batch: Prepared) -> Tensor:
        output = self.model(pixel_values=batch["pixel_values"].to(self.model.dtype))
        pooled = getattr(output, "pooler_output", None)
        return output.last_hidden_state.mean(1) if pooled is None else pooled.flatten(1)


class FeatureTable:
    """Vectors computed elsewhere: a safetensors file with ``vectors`` (N, D) and, as metadata, ``ids``.

    ``ids`` is a JSON list of N names, the pictures' paths in the annotation files (or their file
    names). Good for training and evaluation; a new picture cannot be looked at.
    """

    has_text = False

    def __init__(self, path: str | Path):
        try:
            with safe_open(path, framework="pt") as file:
                vectors = file.get_tensor("vectors").float()
                ids = json.loads((file.metadata() or {})["ids"])
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise RewardError(f"'{path}' is no table of features ('vectors', metadata 'ids'): {error}") from error
        if vectors.ndim != 2 or len(ids) != len(vectors):
            raise RewardError(f"'{path}' has {len(ids)} ids for vectors of shape {tuple(vectors.shape)}")
        self.name, self.width = str(path), vectors.shape[1]
        self.vectors = nn.functional.normalize(vectors, dim=-1)
        self._row = {str(name): i for i, name in enumerate(ids)}

    def look_up(self, picture: str) -> Tensor | None:
        """The vector (D,) of a picture by path or file name, None where the table has none."""
        row = self._row.get(picture, self._row.get(Path(picture).name))
        return None if row is None else self.vectors[row]

    def images(self, images: Sequence[Image.Image]) -> Tensor:
        """Raises RewardError: a table cannot look at pictures."""
        raise RewardError(f"'{self.name}' is a table of features and cannot look at new pictures")

    def texts(self, texts: Sequence[str]) -> Tensor:
        """Zeros (n, D)."""
        return torch.zeros(len(texts), self.width)

    def agreement(self, images: Tensor, texts: Tensor) -> Tensor:
        """NaN (n,)."""
        return torch.full((len(images),), float("nan"))

    def fingerprint(self) -> str:
        """Sixteen hex digits of ids and vectors."""
        digest = hashlib.sha256(json.dumps(list(self._row)).encode())
        digest.update(self.vectors.numpy().tobytes())
        return digest.hexdigest()[:16]


def load_encoder(
    name: str | Path, kind: str = "siglip", device: str = "cpu", batch_size: int = 16, revision: str | None = None
) -> Encoder:
    """An encoder by kind: ``siglip``, ``vision`` (pictures alone) or ``table`` (computed features)."""
    if kind == "siglip":
        return SiglipEncoder(name, device, batch_size, revision)
    if kind == "vision":
        return VisionEncoder(name, device, batch_size, revision)
    if kind == "table":
        return FeatureTable(name)
    raise RewardError(f"unknown kind of encoder '{kind}'; known: siglip, vision, table")
