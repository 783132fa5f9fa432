"""A folder of diffusers read into a pipeline.

Only safetensors are read and no code of a model's repository runs.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline
from transformers import AutoTokenizer

from reward_models.trusted import load
from steer.config import DiffusersConfig
from steer.errors import RenderError
from steer.renderers.fetching import first_line
from steer.renderers.fitting import eight_bits, loads_apart
from steer.renderers.plan import Plan
from steer.renderers.speed import quantise
from steer.renderers.weights import index_of, parts_of, settings_of

PACKAGES = {"sdnq": "sdnq", "nunchaku": "kernels", "torchao": "torchao", "bitsandbytes": "bitsandbytes"}


def read_pipeline(folder: Path, config: DiffusersConfig, dtype: torch.dtype, plan: Plan) -> Any:
    """The pipeline of a folder. Raises RenderError, with the way out, where it does not load."""
    told: dict[str, Any] = {"dtype": dtype, "use_safetensors": True}
    if config.variant:
        told["variant"] = config.variant
    try:
        _check_packages(folder)
        readers = text_readers(folder)
        ready = {**dict.fromkeys(readers), **_light_parts(folder, config, told, plan)}
        pipeline: Any = load(DiffusionPipeline, folder, **told, **ready)
        pipeline.register_modules(**readers)  # not handed in, as diffusers looks for the hidden classes then
        return pipeline
    except RenderError:
        raise
    except Exception as error:  # the library raises many kinds for one thing: it does not load
        raise RenderError(
            f"cannot load the pipeline '{config.model}': {first_line(error)}; "
            "give a diffusers folder or a hub name you have access to"
        ) from error


def text_readers(folder: Path) -> dict[str, Any]:
    """The tokenizers of parts that are processors, as FLUX.2-dev's is, where torchvision is missing: these processors
    cannot be loaded without it, and what they make of texts alone is what their tokenizers make of them.
    """
    if find_spec("torchvision") is not None:
        return {}
    hidden = [part for part, (_, kind) in index_of(folder).items() if kind.endswith("Processor")]
    return {part: load(AutoTokenizer, folder / part) for part in hidden}


def _light_parts(folder: Path, config: DiffusersConfig, told: dict[str, Any], plan: Plan) -> dict[str, Any]:
    """The parts that get eight bits, so that no two of them are ever whole in the main memory."""
    if not loads_apart(config, plan):
        return {}
    found = {}
    index = index_of(folder)
    sizes = {name: part.size for name, part in parts_of(folder, told["dtype"], config.variant).items()}
    for name in sorted((n for n in sizes if eight_bits(n, plan)), key=lambda n: -sizes[n]):
        library, kind = index[name]
        found[name] = load(getattr(importlib.import_module(library), kind), folder / name, **told)
        quantise(found[name], "int8")
    return found


def _check_packages(folder: Path) -> None:
    """Raises RenderError where weights of few bits need a package that is not here. Some packages tell transformers of
    their kind only once they are imported.
    """
    for name in index_of(folder):
        method = settings_of(folder, name).get("quantization_config", {}).get("quant_method")
        if (package := PACKAGES.get(method)) is None:
            continue
        if find_spec(package) is None:
            raise RenderError(f"the weights are in {method}'s format and need its package: pip install {package}")
        importlib.import_module(package)
