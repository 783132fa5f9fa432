"""Which model it is: its weights by content, hashed once a checkpoint."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import platformdirs
import torch
from torch import Tensor, nn
from transformers.utils import cached_file

log = logging.getLogger(__name__)


def weights_hash(*models: nn.Module, dtype: torch.dtype = torch.float32) -> str:
    """Sixteen hex digits of all weights as ``dtype``: what shapes and values there are, not what they are called.

    So it stays the same where another release of a library renames, reorders or ties parameters.
    """
    kept = {_tensor_hash(v, dtype) for m in models for v in m.state_dict().values() if v.is_floating_point()}
    return hashlib.sha256(b"".join(sorted(kept))).hexdigest()[:16]


def _tensor_hash(value: Tensor, dtype: torch.dtype) -> bytes:
    digest = hashlib.sha256(repr(tuple(value.shape)).encode())
    values: Any = value.detach().cpu().to(dtype).contiguous().reshape(-1).view(torch.uint8).numpy()
    digest.update(values)
    return digest.digest()


def digest_of(weights: str, *told: Any) -> str:
    """Sixteen hex digits of a model and of all else that changes what it answers."""
    return hashlib.sha256(" ".join([weights, *map(str, told)]).encode()).hexdigest()[:16]


def checkpoint_files(name: str | Path, revision: str | None = None) -> list[Path]:
    """The weights that transformers has loaded a model from, on this machine; empty where they are not found."""
    try:
        config = cached_file(str(name), "config.json", revision=revision, local_files_only=True)
    except (OSError, ValueError):
        return []
    return sorted(Path(config).parent.glob("*.safetensors")) if config else []


def remembered_hash(model: nn.Module, files: Sequence[Path]) -> str:
    """:func:`weights_hash` in bf16 of a ``model`` as loaded from ``files``, the same in bf16 and fp32.

    Nine gigabytes take seven seconds, so it is remembered on this machine by the files' places, sizes and times, by the
    model's class, as one may be a part of what the files hold, and by the release of transformers, as another may load
    the same files wrongly.
    """
    kept = _kept_at(files, type(model).__qualname__)
    if kept is not None and kept.is_file() and len(found := kept.read_text(encoding="utf-8")) == 16:
        return found
    found = weights_hash(model, dtype=torch.bfloat16)
    if kept is not None:
        _keep(kept, found)
    return found


def _kept_at(files: Sequence[Path], kind: str) -> Path | None:
    """Where the hash of a model of these files is remembered; None without files."""
    if not files:
        return None
    facts = [(str(f.resolve()), (s := f.stat()).st_size, s.st_mtime_ns) for f in files]
    key = hashlib.sha256(repr((facts, kind, version("transformers"))).encode()).hexdigest()[:32]
    own = os.environ.get("REWARD_MODELS_CACHE")
    return Path(own or platformdirs.user_cache_dir("reward_models")) / "weights" / f"{key}.txt"


def _keep(path: Path, found: str) -> None:
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(found, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        log.debug("the hash of the weights is taken again next time: %s", error)
