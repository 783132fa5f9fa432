"""Features computed elsewhere, in a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from reward_models.base import RewardError
from reward_models.encoders.base import Encoder


class FeatureTable(Encoder):
    """Vectors computed elsewhere: a safetensors file with ``vectors`` (N, D) and, as metadata, ``ids``.

    ``ids`` is a JSON list of N names, the pictures' paths in the annotation files (or their file
    names). Good for training and evaluation; a new picture cannot be looked at.
    """

    kind = "table"
    by_name = True

    def __init__(self, path: str | Path, device: str = "cpu", batch_size: int = 1, revision: str | None = None):  # noqa: ARG002
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

    def images(self, images: Sequence[Image.Image]) -> Tensor:  # noqa: ARG002
        """Raises RewardError: a table cannot look at pictures."""
        raise RewardError(f"'{self.name}' is a table of features and cannot look at new pictures")

    def texts(self, texts: Sequence[str]) -> Tensor:
        """Zeros (n, D)."""
        return torch.zeros(len(texts), self.width)

    def agreement(self, images: Tensor, texts: Tensor) -> Tensor:  # noqa: ARG002
        """NaN (n,)."""
        return torch.full((len(images),), float("nan"))

    def fingerprint(self) -> str:
        """Sixteen hex digits of ids and vectors."""
        digest = hashlib.sha256(json.dumps(list(self._row)).encode())
        digest.update(self.vectors.numpy().tobytes())
        return digest.hexdigest()[:16]
