"""A configuration for a pipeline that has no preset: its name on the hub, or its folder, and what its class says."""

from __future__ import annotations

import inspect
import json
import os
import re
from pathlib import Path
from typing import Any

from steer.errors import UsageError

INDEX = "model_index.json"
CLIP = ("StableDiffusionPipeline", "StableDiffusionXLPipeline", "LatentConsistencyModelPipeline")  # read tags best
SIDE = 1024  # pixels, where the class does not say
MOST_STEPS = 200
_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def names_pipeline(name: str) -> bool:
    """Whether ``--config`` is given a pipeline: a folder, or a name such as ORG/NAME that is no file.

    >>> names_pipeline("stabilityai/sdxl-turbo"), names_pipeline("my.yaml"), names_pipeline("sdxl")
    (True, False, False)
    """
    if os.path.isdir(name):
        return True
    return bool(_NAME.fullmatch(name)) and not name.endswith((".yaml", ".yml")) and not os.path.exists(name)


def pipeline_values(name: str) -> dict[str, Any]:
    """Plain values upon a preset ("base"), from the pipeline's ``model_index.json`` and the signature of its class.

    Raises UsageError for what is no text-to-image pipeline of diffusers, or cannot be had.
    """
    index = _index(name)
    kind = str(index.get("_class_name", ""))
    call = _signature(name, kind)
    side = _side(name, index)
    renderer: dict[str, Any] = {
        "kind": "diffusers",
        "model": name,
        "width": side,
        "height": side,
        "steps": min(MOST_STEPS, int(call["num_inference_steps"].default)),
        "batch_size": 1,
    }
    if "true_cfg_scale" in call and call["true_cfg_scale"].default > 1 and "negative_prompt" in call:
        renderer["call"] = {"negative_prompt": " "}  # without one, such a pipeline draws without guidance
    return {
        "name": name.rstrip("/").rpartition("/")[2],
        "about": f"{kind}, {renderer['steps']} steps",
        "base": "sdxl" if kind in CLIP else "flux2-klein",
        "renderer": renderer,
    }


def _index(name: str) -> dict[str, Any]:
    """Of a folder, or fetched from the hub."""
    if os.path.isdir(name):
        path = Path(name) / INDEX
    else:
        path = _fetched(name, INDEX, f"'{name}' is no config file, and on the hub it holds no pipeline of diffusers")
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"the folder '{name}' holds no pipeline of diffusers (no {INDEX})") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{INDEX} of '{name}' does not read: {error}") from error
    if not isinstance(index, dict):
        raise UsageError(f"{INDEX} of '{name}' does not describe a pipeline")
    return index


def _fetched(name: str, file: str, missing: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        return Path(hf_hub_download(name, file))
    except GatedRepoError as error:
        raise UsageError(
            f"'{name}' is given only to who accepted its licence: accept it on the model's page, "
            "then 'hf auth login' or set HF_TOKEN"
        ) from error
    except RepositoryNotFoundError as error:
        raise UsageError(f"there is no config file '{name}', and the hub has no model of that name") from error
    except LocalEntryNotFoundError as error:
        raise UsageError(
            f"there is no config file '{name}'; as a model, it is not in the local cache and the hub cannot be reached"
        ) from error
    except EntryNotFoundError as error:
        raise UsageError(missing) from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise UsageError(f"'{name}' cannot be asked for on the hub: {str(error).splitlines()[0]}") from error


def _signature(name: str, kind: str) -> dict[str, inspect.Parameter]:
    """Arguments of the class's call. Raises UsageError unless a text makes a picture of it."""
    import diffusers
    from diffusers.pipelines.auto_pipeline import AUTO_TEXT2IMAGE_PIPELINES_MAPPING

    made = getattr(diffusers, kind, None) if kind.endswith("Pipeline") else None
    if made is None:
        raise UsageError(f"'{name}' is of the class '{kind}', which diffusers {diffusers.__version__} does not have")
    call = dict(inspect.signature(made.__call__).parameters)
    asks = [k for k, p in call.items() if p.default is inspect.Parameter.empty and k not in ("self", "prompt")]
    needs = [k for k in asks if call[k].kind not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)]
    pictures = {"prompt", "num_inference_steps", "width", "height", "generator"} <= set(call)
    other = {"num_frames", "video", "audio_length_in_s", "mask_image", "control_image"} & set(call)
    looks = "image" in call and made not in AUTO_TEXT2IMAGE_PIPELINES_MAPPING.values()  # it changes a picture
    if not pictures or needs or other or looks or "ControlNet" in kind:
        raise UsageError(f"'{name}' is a {kind}, which does not draw pictures from texts alone")
    return call


def _side(name: str, index: dict[str, Any]) -> int:
    """Of its square pictures: a UNet knows the size of its latents; all others of today draw a megapixel."""
    if "unet" not in index or "vae" not in index:
        return SIDE
    try:
        path = Path(name) / "unet" / "config.json"
        if not os.path.isdir(name):
            path = _fetched(name, "unet/config.json", f"the UNet of '{name}' has no settings")
        size = json.loads(path.read_text(encoding="utf-8")).get("sample_size")
    except (OSError, ValueError, UsageError):
        return SIDE
    return 8 * size if isinstance(size, int) and 16 <= 8 * size <= 2048 else SIDE
