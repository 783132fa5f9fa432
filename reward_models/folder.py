"""A reward on disk: ``config.json`` and ``model.safetensors``, with its encoders by relative path or hub name."""

from __future__ import annotations

import importlib.util
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from reward_models.base import RewardError
from reward_models.doors import check_regular, read_object, shown


def read_folder(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The config and the tensors. Raises RewardError where either does not open."""
    with reading(folder):
        check_regular(folder / "model.safetensors")
        return read_object(folder / "config.json"), _finite(load_file(folder / "model.safetensors"))


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Any fault of a folder's content as one RewardError that names the folder."""
    try:
        yield
    except (OSError, SafetensorError, RuntimeError, LookupError, TypeError, ValueError, AttributeError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0][:300]
        raise RewardError(f"the reward model in '{folder}' does not load: {said}") from error


def _finite(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Raises ValueError for weights that are no numbers, which would silently change every score."""
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ValueError(f"'{name[:80]}' has values that are no finite numbers")
    return weights


def check_shape(name: str, tensor: Tensor, *shape: int | None) -> Tensor:
    """``tensor`` as it is, if it has this shape; None: any length. Raises ValueError that says what it should be."""
    fits = tensor.dim() == len(shape) and all(w in (None, n) for w, n in zip(shape, tensor.shape, strict=True))
    if not fits:
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"'{name}' has the shape {tuple(tensor.shape)}, not ({wanted})")
    return tensor


def check_text(saved: Mapping[str, Any], key: str) -> str:
    """A text of a config. Raises ValueError for another thing, KeyError for nothing."""
    value = saved[key]
    if not isinstance(value, str) or not value or len(value) > 4096 or "\0" in value:
        raise ValueError(f"'{key}' is {shown(value)}, not a name")
    return value


def number(saved: Mapping[str, Any], key: str) -> float:
    """A finite number of a config, 0 or more. Raises ValueError for another thing, KeyError for nothing."""
    value = saved[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise ValueError(f"'{key}' is {shown(value)}, not a number of 0 or more")
    return float(value)


def write_folder(folder: Path, config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Write both files."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.cpu().contiguous() for k, v in weights.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def relative_name(name: str, folder: Path) -> str:
    """An encoder's name as the config keeps it: a path relative to ``folder``, or the hub name as it is."""
    return os.path.relpath(name, folder) if Path(name).exists() else name


def resolved_name(name: str, folder: Path) -> str:
    """The reverse of :func:`relative_name`."""
    local = folder / name
    return str(local.resolve()) if local.exists() else name


def shown_name(name: str) -> str:
    """A model's name for people: a hub name as it is, of a folder the last two parts of its path."""
    return "/".join(Path(name).parts[-2:]) if Path(name).is_absolute() else name


def packaged(name: str) -> str:
    """``name``, or where there is no such folder here, the folder of that name inside an installed package.

    So that "steer/miniature/weights/siglip" means the same in a clone and anywhere else.
    """
    first, _, rest = name.partition("/")
    if not rest or not first.isidentifier() or Path(name).exists():
        return name
    spec = importlib.util.find_spec(first)
    inside = [Path(root) / rest for root in (spec.submodule_search_locations or ())] if spec else []
    return next((str(path) for path in inside if path.exists()), name)


def check_encoder(folder: Path, saved: str, name: str, found: str) -> None:
    """Raises RewardError where the encoder ``name`` is not the one whose fingerprint the config ``saved``."""
    if found != saved:
        raise RewardError(
            f"the reward model in '{folder}' was made with the encoder {saved}, "
            f"but '{name}' is {found}; use the encoder it names or make the reward again"
        )
