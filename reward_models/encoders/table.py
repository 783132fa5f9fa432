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
        vectors, ids = _read(Path(path))
        self.name, self.width = str(path), vectors.shape[1]
        usable = torch.isfinite(vectors).all(dim=1) & (vectors != 0).any(dim=1)
        self.vectors = nn.functional.normalize(vectors.nan_to_num(), dim=-1)
        self.names = ids
        self._row = {name: i for i, name in enumerate(ids) if usable[i]}
        self.unusable = {name for i, name in enumerate(ids) if not usable[i]}

    def look_up(self, picture: str) -> Tensor | None:
        """The vector (D,) of a picture by path or file name, None where the table has none that is all numbers."""
        row = self._row.get(picture, self._row.get(Path(picture).name))
        return None if row is None else self.vectors[row]

    def why_missing(self, picture: str) -> str:
        """Why :meth:`look_up` finds nothing."""
        if {picture, Path(picture).name} & self.unusable:
            return "its features are not all numbers, or all 0"
        return (
            f"not in the table of features, whose names are like '{self.names[0]}'" if self.names else "an empty table"
        )

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


def _read(path: Path) -> tuple[Tensor, list[str]]:
    """Vectors (N, D) and their N names. Raises RewardError with what is missing."""
    told = (
        "a table of features is a safetensors file with 'vectors' (N, D) and the metadata 'ids', a JSON list of N names"
    )
    if path.suffix in (".npy", ".npz", ".csv", ".parquet", ".pt"):
        raise RewardError(f"'{path}' is a {path.suffix} file; {told}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if "vectors" not in file.keys():  # noqa: SIM118  (not a dict)
                raise RewardError(f"'{path}' holds no 'vectors'; {told}")
            vectors = file.get_tensor("vectors").float()
    except (OSError, SafetensorError) as error:
        raise RewardError(f"'{path}' does not open ({str(error).splitlines()[0]}); {told}") from error
    if "ids" not in metadata:
        raise RewardError(f"'{path}' does not say which picture each vector is of; {told}")
    try:
        ids = json.loads(metadata["ids"])
    except ValueError as error:
        raise RewardError(f"the 'ids' of '{path}' are no JSON; {told}") from error
    if vectors.ndim != 2 or not isinstance(ids, list) or len(ids) != len(vectors):
        raise RewardError(f"'{path}' has {len(ids)} ids for vectors of shape {tuple(vectors.shape)}; {told}")
    return vectors, [str(name) for name in ids]
