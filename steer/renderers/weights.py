"""What a diffusers folder's weights take, read from the heads of its files; nothing is loaded. Sizes in GiB."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from reward_models.doors import read_object
from reward_models.residency import tensor_bytes
from steer.config import DiffusersConfig
from steer.errors import RenderError
from steer.hub import pipeline_files
from steer.renderers.plan import DECODING, Part, Work

GIB = 2**30
FLOATS = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"}  # become the number format that is asked for
BYTES = {"I64": 8, "U64": 8, "I32": 4, "U32": 4, "I16": 2, "U16": 2, "I8": 1, "U8": 1, "BOOL": 1}
UNET_WIDTH = 1650  # what a UNet's activations amount to as a transformer's width, with guidance
Tensors = Iterable[tuple[str, tuple[int, ...], float]]  # name, shape, bytes


def parts_of(folder: Path, dtype: torch.dtype, variant: str | None = None) -> dict[str, Part]:
    """Of a folder with a pipeline, by the names of its parts; what else lies there is left."""
    names = index_of(folder)
    files = [p for p in folder.glob("*/*") if p.is_file() and p.parent.name in names]
    wanted = pipeline_files([str(p.relative_to(folder).as_posix()) for p in files], variant)
    found: dict[str, list[tuple[str, tuple[int, ...], float]]] = {}
    for name in wanted:
        if name.endswith(".safetensors"):
            found.setdefault(name.partition("/")[0], []).extend(_tensors(folder / name, dtype))
    settings = {name: settings_of(folder, name) for name in found}
    return {
        name: part(tensors, dtype, name != "vae" and "quantization_config" not in settings[name])
        for name, tensors in found.items()
    }


def parts_of_modules(modules: dict[str, nn.Module], dtype: torch.dtype) -> dict[str, Part]:
    """Of a pipeline that is loaded already."""

    def tensors(module: nn.Module) -> Tensors:
        both = (*module.named_parameters(), *module.named_buffers())
        return ((name, tuple(t.shape), float(tensor_bytes(t))) for name, t in both)

    return {name: part(tensors(module), dtype, name != "vae") for name, module in modules.items()}


def part(tensors: Tensors, dtype: torch.dtype, lighter: bool) -> Part:
    """``lighter``: whether it may have fewer bits: the matrices of its repeated blocks, then a byte a number."""
    size = light = 0.0
    for name, shape, n_bytes in tensors:
        size += n_bytes / GIB
        whole = n_bytes / GIB
        light += whole / dtype.itemsize if lighter and quantisable(name, shape) else whole
    return Part(size, light)


def quantisable(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a weight is a matrix of a repeated block, with sides that eight-bit kernels take."""
    repeated = any(word in name for word in ("transformer_blocks.", "layers.", ".block."))
    return repeated and len(shape) == 2 and shape[0] % 16 == 0 and shape[1] % 16 == 0


def work_of(config: DiffusersConfig, dtype: torch.dtype, denoiser: dict[str, Any], vae: dict[str, Any]) -> Work:
    """What drawing takes; ``denoiser`` and ``vae`` are the settings of these parts."""
    heads, head = denoiser.get("num_attention_heads"), denoiser.get("attention_head_dim")
    width = heads * head if isinstance(heads, int) and isinstance(head, int) else denoiser.get("dim", UNET_WIDTH)
    upcast = dtype is torch.float16 and bool(vae.get("force_upcast", False))
    return Work(
        math.prod(config.size) / 2**20,
        config.batch_size,
        width,
        DECODING[4 if upcast else max(2, dtype.itemsize)],
        0.31 if upcast else 0.0,
    )


def number_format(name: str, device: str) -> torch.dtype:
    """Of the weights: fp32 on a CPU and bf16 elsewhere, unless the config says which."""
    if name == "auto":
        return torch.float32 if device == "cpu" else torch.bfloat16
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]


def pipeline_kind(folder: Path) -> str:
    """The name of a folder's pipeline class; "" where the folder does not say, which diffusers will."""
    return str(_read_index(folder).get("_class_name", ""))


def index_of(folder: Path) -> dict[str, tuple[str, str]]:
    """A pipeline's parts: library and class by name."""
    found = {}
    for name, about in _read_index(folder).items():
        if isinstance(about, list) and len(about) == 2 and all(isinstance(each, str) for each in about):
            found[name] = (about[0], about[1])
    return found


def settings_of(folder: Path, name: str) -> dict[str, Any]:
    """A part's config.json; {} where it has none."""
    return _object(folder / name / "config.json")


def _tensors(path: Path, dtype: torch.dtype) -> Iterator[tuple[str, tuple[int, ...], float]]:
    try:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118  # no mapping
                about = file.get_slice(name)
                shape, kind = tuple(about.get_shape()), about.get_dtype()
                each = dtype.itemsize if kind in FLOATS else BYTES.get(kind, 1)
                yield name, shape, float(math.prod(shape) * each)
    except SafetensorError as error:
        raise RenderError(f"'{path}' is no whole file of weights: {error}") from error


def _read_index(folder: Path) -> dict[str, Any]:
    return _object(folder / "model_index.json")


def _object(path: Path) -> dict[str, Any]:
    """The object in a JSON file; {} where there is none, which diffusers will say."""
    try:
        return read_object(path)
    except (OSError, ValueError):
        return {}
