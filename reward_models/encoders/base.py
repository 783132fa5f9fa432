"""Frozen encoders: pictures and prompts to unit vectors, and how well they agree.

A reward model asks little of an encoder (:class:`Encoder`): SigLIP and SigLIP 2 of any size are one,
a vision model without a text tower is another, and a table of vectors computed elsewhere a third.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from reward_models.encoders.identity import digest_of, remembered_hash
from reward_models.residency import Guest, settled

log = logging.getLogger(__name__)
Prepared = dict[str, Any]  # what a model reads of one picture, without the batch dimension


class Encoder(Protocol):
    """What training and scoring ask of an encoder of width D. Subclass it: what is optional has a default.

    ``kind``: the name by which :func:`~reward_models.encoders.load.load_encoder` finds the class again; "own" is not
    found. ``revision``: the commit of a hub model. ``batch_size``: how many pictures it reads at once.
    ``precision``: of its weights. ``by_name``: it knows pictures by name alone, through :meth:`look_up`.
    """

    kind: str = "own"
    name: str
    width: int
    has_text: bool = False
    device: str = "cpu"
    batch_size: int = 1
    revision: str | None = None
    precision: str = "float32"
    by_name: bool = False

    def images(self, images: Sequence[Image.Image]) -> Tensor:
        """Unit vectors (n, D) of pictures, each the same in any company."""
        ...

    def prepare(self, image: Image.Image) -> Prepared:
        """What :meth:`prepared` wants of one picture; safe to call from threads. The picture itself by default."""
        return {"picture": image.copy()}

    def prepared(self, inputs: Sequence[Prepared]) -> Tensor:
        """Unit vectors (n, D) of pictures that :meth:`prepare` made ready."""
        return self.images([each["picture"] for each in inputs])

    def look_up(self, picture: str) -> Tensor | None:  # noqa: ARG002
        """The vector (D,) of a picture by its name, None where it is not known."""
        return None

    def why_missing(self, picture: str) -> str:  # noqa: ARG002
        """Why :meth:`look_up` finds nothing."""
        return "not known by name"

    def texts(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors (n, D) of texts; zeros, which reward models read as "no prompt", where ``has_text`` is false."""
        ...

    def agreement(self, images: Tensor, texts: Tensor) -> Tensor:
        """How well each picture fits its text, (n,) in [0, 1]; NaN where ``has_text`` is false."""
        ...

    def fingerprint(self) -> str:
        """Changes whenever the vectors would."""
        ...


class FrozenEncoder(Encoder):
    """Pictures through any frozen model, in batches of one fixed shape (the last one is filled up), so that a picture
    has the same vector in any company.

    ``batch_size``: 1 for scoring, where a picture alone must not cost more than a picture; more for a data set.
    ``files``: the weights that ``model`` was loaded from, where their hash may be remembered.

    A subclass gives ``prepare`` (one picture to the model's inputs, safe to call from threads) and
    ``encode`` (a batch of them to vectors), and says in ``told`` what else changes vectors.
    """

    def __init__(
        self,
        name: str,
        model: nn.Module,
        width: int,
        device: str = "cpu",
        batch_size: int = 1,
        files: Sequence[Path] = (),
    ):
        self.model: Any = settled(model, device)
        self.guest = Guest(f"the encoder '{name}'", device, lambda: [model])
        self.name, self.width, self.device, self.batch_size = name, width, device, batch_size
        self.files = files

    @property
    def precision(self) -> str:  # type: ignore[override]
        """Of the first of the model's weights: "float32", "bfloat16"."""
        weights = (p.dtype for p in self.model.parameters() if p.is_floating_point())
        return str(next(weights, torch.float32)).removeprefix("torch.")

    @abstractmethod
    def prepare(self, image: Image.Image) -> Prepared:
        """The model's inputs for one picture, without the batch dimension."""

    @abstractmethod
    def encode(self, batch: Prepared) -> Tensor:
        """Vectors (B, D) of a batch on ``device``; their length does not matter."""

    def images(self, images: Sequence[Image.Image]) -> Tensor:
        """Unit vectors (n, D) of pictures."""
        return self.prepared([self.prepare(i) for i in images])

    @torch.inference_mode()
    def prepared(self, inputs: Sequence[Prepared]) -> Tensor:
        """Unit vectors (n, D) of pictures that :meth:`prepare` made ready."""
        return in_batches(list(inputs), self.batch_size, self.width, self._encode_list)

    def _encode_list(self, inputs: list[Prepared]) -> Tensor:
        def encoded() -> Tensor:
            batch = {k: torch.stack([i[k] for i in inputs]).to(self.device, non_blocking=True) for k in inputs[0]}
            return nn.functional.normalize(self.encode(batch).float(), dim=-1)

        return self.guest.run(encoded)

    def texts(self, texts: Sequence[str]) -> Tensor:
        """Zeros (n, D): there is no text tower."""
        return torch.zeros(len(texts), self.width, device=self.device)

    def agreement(self, images: Tensor, texts: Tensor) -> Tensor:  # noqa: ARG002
        """NaN (n,): pictures cannot be compared with texts."""
        return torch.full((len(images),), float("nan"))

    def fingerprint(self) -> str:
        """Of the weights, the same in bf16 and fp32, and of what is :meth:`told`."""
        return digest_of(self._weights_hash, *self.told())

    def told(self) -> list[str]:
        """What changes vectors beside the weights."""
        return []

    @cached_property
    def _weights_hash(self) -> str:
        return remembered_hash(self.model, self.files)


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
        log.warning("a picture does not open and gets no score: %s", first_line(error))
        return False
    return True


def first_line(error: Exception) -> str:
    """The first line with text of what an error says, or its name."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def precision_for(device: str) -> torch.dtype:
    """fp32 on the CPU, bf16 on a CUDA card or an Apple GPU ("mps"): half the memory, as in rendering."""
    return torch.float32 if device == "cpu" else torch.bfloat16
