"""A text-to-image pipeline of diffusers, ready: weights, scheduler, LoRAs, and its place in memory.

Only safetensors are read and no code of a model's repository runs.
"""

from __future__ import annotations

import errno
import json
import logging
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import DiffusionPipeline
from diffusers.loaders.lora_base import LoraBaseMixin
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from reward_models.trusted import load
from steer.config import DiffusersConfig
from steer.errors import RenderError, unknown
from steer.renderers.conditioning import family_of
from steer.renderers.placement import Place, modules, place
from steer.renderers.speed import compile_blocks, lighten
from steer.resources import miniature_weights

log = logging.getLogger(__name__)

LOCAL_FAULTS = {
    errno.ENOSPC: "no space is left; free some, or set HF_HOME to a folder on another disk",
    errno.EDQUOT: "your quota is used up; free some, or set HF_HOME to a folder on another disk",
    errno.EACCES: "permission denied; set HF_HOME to a folder that you may write to",
    errno.EROFS: "it is read-only; set HF_HOME to a folder that you may write to",
}


def load_pipeline(config: DiffusersConfig, device: str) -> tuple[Any, dict[str, object]]:
    """The pipeline, and what its weights are: part of a run's fingerprint.

    Raises RenderError with the way out: a name that is not there, a licence not accepted, a token missing.
    """
    folder, identity = _folder(config)
    try:
        pipeline: Any = load(
            DiffusionPipeline,
            folder,
            dtype=_dtype(config.dtype, device),
            use_safetensors=True,
            **({"variant": config.variant} if config.variant else {}),
        )
    except Exception as error:  # the library raises many kinds for one thing: it does not load
        raise RenderError(
            f"cannot load the pipeline '{config.model}': {_first_line(error)}; "
            "give a diffusers folder or a hub name you have access to"
        ) from error
    return pipeline, identity


def identity_of(pipeline: Any) -> dict[str, object]:
    """Of a pipeline that a script brings along: its kind and size, as nobody can say where it came from."""
    size = {name: sum(p.numel() for p in part.parameters()) for name, part in modules(pipeline).items()}
    return {"given": type(pipeline).__name__, "parameters": size}


def make_ready(pipeline: Any, config: DiffusersConfig, device: str) -> tuple[Place, dict[str, object]]:
    """Scheduler, LoRAs, speed and place in memory as ``config`` says; where its parts live and what was added to the
    weights.
    """
    added: dict[str, object] = {}
    pipeline.set_progress_bar_config(disable=True)
    if config.scheduler or config.scheduler_settings:
        pipeline.scheduler = _scheduler(config, pipeline.scheduler)
    for lora in config.loras:
        added[f"lora {lora.path}"] = _add_lora(pipeline, lora)
    lighten(pipeline, config)
    found = place(pipeline, device, config, family_of(pipeline) is not None)
    compile_blocks(pipeline, config)
    return found, added  # the place is no part of a run's identity: a resumed run may find another amount free


def _folder(config: DiffusersConfig) -> tuple[Path | str, dict[str, object]]:
    """Where the weights lie, fetched from the hub where they must be, and their identity."""
    if config.model == "miniature":
        folder = miniature_weights("pipeline")
        hashes = json.loads((folder.parent / "hashes.json").read_text())
        return folder, {path: h for path, h in hashes.items() if path.startswith("pipeline/")}
    if Path(config.model).is_dir():
        return config.model, _sizes(Path(config.model))
    if Path(config.model).is_absolute() or config.model.count("/") != 1:
        raise RenderError(
            f"there is no pipeline in '{config.model}'; give a diffusers folder or a hub name (owner/name)"
        )
    try:
        fetched = DiffusionPipeline.download(
            config.model,
            revision=config.revision,
            use_safetensors=True,
            trust_remote_code=False,
            **({"variant": config.variant} if config.variant else {}),
        )
    except Exception as error:
        raise RenderError(hub_fault(config.model, config.revision, error)) from error
    return fetched, {"hub": config.model, "commit": Path(fetched).name}  # snapshots/<commit>


def hub_fault(name: str, revision: str | None, error: BaseException) -> str:
    """Why a hub model cannot be had, and the way out, in one line."""
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    if any(isinstance(c, GatedRepoError) for c in causes):
        return (
            f"the weights of '{name}' are given only to who accepted their licence: accept it on the model's page, "
            "then 'hf auth login' or set HF_TOKEN"
        )
    if any(isinstance(c, RevisionNotFoundError) for c in causes):
        return f"'{name}' has no revision '{revision}' (renderer.revision)"
    if any(isinstance(c, RepositoryNotFoundError) for c in causes):
        return f"the hub has no '{name}', or it is private: check the name, or 'hf auth login' or set HF_TOKEN"
    number = next((c.errno for c in causes if isinstance(c, OSError) and c.errno in LOCAL_FAULTS), None)
    if number is not None:
        return f"'{name}' cannot be kept on this disk: {LOCAL_FAULTS[number]}"
    if any(isinstance(c, (LocalEntryNotFoundError, OfflineModeIsEnabled, OSError)) for c in causes):
        return f"'{name}' is not in the local cache and the hub cannot be reached (offline, or HF_HUB_OFFLINE is set)"
    return f"cannot fetch '{name}' from the hub: {_first_line(error)}"


def _scheduler(config: DiffusersConfig, own: Any) -> Any:
    """The scheduler by its class's name, with the pipeline's own settings where none are given."""
    name = config.scheduler or type(own).__name__
    if not (name.endswith("Scheduler") and hasattr(diffusers, name)):
        known = sorted(n for n in dir(diffusers) if n.endswith("Scheduler") and not n.startswith(("Flax", "_")))
        raise unknown("scheduler", name, known)
    try:
        return getattr(diffusers, name).from_config(own.config, **config.scheduler_settings)
    except (ImportError, TypeError, ValueError) as error:
        raise RenderError(
            f"the scheduler {name} does not take the pipeline's settings: {_first_line(error)}"
        ) from error


def _add_lora(pipeline: Any, lora: Any) -> object:
    """Fuse a LoRA into the weights, so that it costs nothing; its identity."""
    if not isinstance(pipeline, LoraBaseMixin):
        raise RenderError(f"{type(pipeline).__name__} takes no LoRA files")
    path = Path(lora.path)
    source, file = (str(path.parent), path.name) if path.is_file() else (lora.path, lora.file)
    try:
        pipeline.load_lora_weights(source, weight_name=file, use_safetensors=True)
        pipeline.fuse_lora(lora_scale=lora.scale)
        pipeline.unload_lora_weights()
    except ImportError as error:
        raise RenderError("LoRA files need the package peft: pip install peft") from error
    except Exception as error:
        raise RenderError(f"cannot load the LoRA '{lora.path}': {_first_line(error)}") from error
    return {"scale": lora.scale, "bytes": path.stat().st_size if path.is_file() else file}


def _dtype(name: str, device: str) -> torch.dtype:
    if name == "auto":
        return torch.float32 if device == "cpu" else torch.bfloat16
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]


def _sizes(folder: Path) -> dict[str, object]:
    """Sizes of a local folder's weight files."""
    return {str(p.relative_to(folder)): p.stat().st_size for p in sorted(folder.rglob("*.safetensors"))}


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
