"""How a model's own image processor makes pixels of a picture: with Pillow, on every machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers.models.auto.image_processing_auto import AutoImageProcessor  # the top level may want torchvision

from reward_models.trusted import load

BACKEND = "pil"
SETTINGS = (
    "do_resize",
    "size",
    "resample",
    "do_center_crop",
    "crop_size",
    "do_rescale",
    "rescale_factor",
    "do_normalize",
    "image_mean",
    "image_std",
    "do_pad",
    "do_pan_and_scan",
    "patch_size",
    "temporal_patch_size",
    "merge_size",
    "max_num_patches",
)


def load_image_processor(name: str | Path, revision: str | None = None) -> Any:
    """The image processor of a model, with Pillow whether or not torchvision is installed: its pixels differ a little.

    Raises what transformers raises.
    """
    return load(AutoImageProcessor, name, revision=revision, backend=BACKEND)


def pixel_facts(processor: Any) -> str:
    """What changes the pixels, as JSON. A processor that Pillow cannot stand in for says so."""
    told = processor.to_dict()
    facts = {name: _plain(told[name]) for name in SETTINGS if told.get(name) is not None}
    if processor.backend != BACKEND:
        facts["backend"] = processor.backend
    return json.dumps(facts, sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return round(value, 6) if isinstance(value, float) else value
