"""Weights from the hub: asked for, measured against the disk, fetched, and what goes wrong in one line each."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from typing import Any

from diffusers import DiffusionPipeline
from huggingface_hub import hf_hub_download
from huggingface_hub.constants import HF_HUB_CACHE
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from steer.config import DiffusersConfig, LoraConfig
from steer.errors import RenderError
from steer.hub import needed
from steer.resources import miniature_weights

LOCAL_FAULTS = {
    errno.ENOSPC: "no space is left; free some, or set HF_HOME to a folder on another disk",
    errno.EDQUOT: "your quota is used up; free some, or set HF_HOME to a folder on another disk",
    errno.EACCES: "permission denied; set HF_HOME to a folder that you may write to",
    errno.EROFS: "it is read-only; set HF_HOME to a folder that you may write to",
}
GB = 1e9
Identity = dict[str, object]


def pipeline_folder(config: DiffusersConfig) -> tuple[Path, Identity]:
    """Where a pipeline's weights lie, fetched where they must be, and their identity. Raises RenderError."""
    if config.model == "miniature":
        folder = miniature_weights("pipeline")
        hashes = json.loads((folder.parent / "hashes.json").read_text(encoding="utf-8"))
        return folder, {path: h for path, h in hashes.items() if path.startswith("pipeline/")}
    if (folder := Path(config.model)).is_dir():
        return folder, {str(p.relative_to(folder)): p.stat().st_size for p in sorted(folder.rglob("*.safetensors"))}
    if folder.is_absolute() or config.model.count("/") != 1:
        raise RenderError(
            f"there is no pipeline in '{config.model}'; give a diffusers folder or a hub name (owner/name)"
        )
    check_before_fetching(config)
    try:
        fetched = DiffusionPipeline.download(
            config.model,
            revision=config.revision,
            use_safetensors=True,
            trust_remote_code=False,
            **({"variant": config.variant} if config.variant else {}),
        )
    except Exception as error:  # the libraries raise many kinds for one thing
        raise RenderError(hub_fault(config.model, config.revision, error)) from error
    return Path(fetched), {"hub": config.model, "commit": Path(fetched).name}  # snapshots/<commit>


def check_before_fetching(config: DiffusersConfig) -> None:
    """Raises RenderError where the disk is too small or the licence not accepted, before hours of fetching. A hub that
    cannot be asked is no fault yet: the cache may hold all.
    """
    asked = needed(config.model, config.revision, config.variant, pipeline=True)
    if asked.fault or not asked.to_fetch:
        return
    if asked.gated and asked.allowed is False:
        raise RenderError(licence_line(config.model))
    cache = Path(HF_HUB_CACHE)
    free = shutil.disk_usage(next(p for p in (cache, *cache.parents) if p.exists())).free
    if asked.to_fetch > free:
        raise RenderError(
            f"'{config.model}' takes {asked.to_fetch / GB:.1f} GB and {cache} has {free / GB:.1f} GB left: "
            "free some, or set HF_HOME to a folder on another disk"
        )


def lora_file(lora: LoraConfig) -> tuple[Path, object]:
    """A LoRA's file, fetched where it must be, and its identity. Raises RenderError."""
    if (path := Path(lora.path)).is_file():
        return path, {"bytes": path.stat().st_size}
    if path.is_absolute() or lora.path.count("/") != 1 or lora.file is None:
        raise RenderError(
            f"there is no LoRA file '{lora.path}'; give a safetensors file, or a hub name with `file` beside it"
        )
    try:
        fetched = Path(hf_hub_download(lora.path, lora.file))
    except EntryNotFoundError as error:
        if isinstance(error, LocalEntryNotFoundError):  # this one is said when the hub cannot be reached
            raise RenderError(hub_fault(lora.path, None, error)) from error
        raise RenderError(f"'{lora.path}' has no file '{lora.file}' (renderer.loras)") from error
    except Exception as error:
        raise RenderError(hub_fault(lora.path, None, error)) from error
    commit = fetched.parts[fetched.parts.index("snapshots") + 1]
    return fetched, {"hub": lora.path, "file": lora.file, "commit": commit}


def licence_line(name: str) -> str:
    """What to do where a licence must be accepted first."""
    return (
        f"the weights of '{name}' are given only to who accepted their licence: accept it on the model's page, "
        "then 'hf auth login' or set HF_TOKEN"
    )


def hub_fault(name: str, revision: str | None, error: BaseException) -> str:
    """Why a hub model cannot be had, and the way out, in one line."""
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__

    def among(*kinds: Any) -> bool:
        return any(isinstance(c, kinds) for c in causes)

    if among(GatedRepoError):
        return licence_line(name)
    if among(RevisionNotFoundError):
        return f"'{name}' has no revision '{revision}' (renderer.revision)"
    if among(RepositoryNotFoundError):
        return f"the hub has no '{name}', or it is private: check the name, or 'hf auth login' or set HF_TOKEN"
    number = next((c.errno for c in causes if isinstance(c, OSError) and c.errno in LOCAL_FAULTS), None)
    if number is not None:
        return f"'{name}' cannot be kept on this disk: {LOCAL_FAULTS[number]}"
    if among(LocalEntryNotFoundError, OfflineModeIsEnabled, OSError):
        return f"'{name}' is not in the local cache and the hub cannot be reached (offline, or HF_HUB_OFFLINE is set)"
    return f"cannot fetch '{name}' from the hub: {first_line(error)}"


def first_line(error: BaseException) -> str:
    """The first line of an error's text that says anything, or its name."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
