"""Where the subject of a picture is: told, found by a segmenter of transformers, or taken to be the centre."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from pydantic import Field
from transformers import AutoImageProcessor, AutoModelForSemanticSegmentation

from reward_models.base import RewardError
from reward_models.calm.augment import CENTRE, Box
from reward_models.encoders.base import first_line, precision_for
from reward_models.ratings.settings import Packaged, Strict
from reward_models.residency import settled
from reward_models.trusted import load


class SegmenterSetting(Strict):
    """A model that says which kind of thing is where."""

    name: Packaged
    """A folder or hub name of a model for semantic segmentation."""
    revision: str | None = None
    """Branch, tag or commit of a hub model."""
    labels: tuple[str, ...] = ()
    """Kinds of things that are a subject, as the model calls them. Empty: all but those that it calls background,
    wall, sky, floor and the like."""
    least: float = Field(0.01, ge=0, lt=1)
    """Share of the picture below which nothing counts as found."""


SURROUNDINGS = frozenset(
    ("background", "wall", "sky", "floor", "ceiling", "road", "grass", "sidewalk", "earth", "mountain", "sea", "water")
)


class Segmenter:
    """Raises RewardError for a model that does not load or has none of the labels."""

    def __init__(self, setting: SegmenterSetting, device: str = "cpu"):
        try:
            model = load(
                AutoModelForSemanticSegmentation,
                setting.name,
                revision=setting.revision,
                use_safetensors=True,
                dtype=precision_for(device),
            )
            self.processor = load(AutoImageProcessor, setting.name, revision=setting.revision)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise RewardError(f"cannot load the segmenter '{setting.name}': {first_line(error)}") from error
        self.model: Any = settled(model, device)
        self.device, self.least = device, setting.least
        names: dict[int, str] = {int(i): str(n) for i, n in model.config.id2label.items()}
        if missing := sorted(set(setting.labels) - set(names.values())):
            raise RewardError(f"the segmenter '{setting.name}' knows no '{missing[0]}'")
        wanted = set(setting.labels) or {n for n in names.values() if n.lower() not in SURROUNDINGS}
        self.wanted = np.array([i for i, name in names.items() if name in wanted])

    def __call__(self, image: Image.Image) -> Box:
        """The box around all that is a subject; the centre where there is none."""
        inputs = self.processor(images=[image.convert("RGB")], return_tensors="pt")
        pixels = inputs["pixel_values"].to(self.device, self.model.dtype)
        with torch.no_grad():
            logits = self.model(pixel_values=pixels).logits[0]  # (classes, h, w)
        return box_of(np.isin(logits.argmax(0).cpu().numpy(), self.wanted), self.least)


def box_of(mask: np.ndarray, least: float = 0.01) -> Box:
    """The box around what is True in (h, w); the centre where that is less than the share ``least``.

    >>> box_of(np.eye(4, dtype=bool)[:, :2])
    (0.0, 0.0, 1.0, 0.5)
    """
    if mask.mean() <= least:
        return CENTRE
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    h, w = mask.shape
    return tuple_of([columns[0] / w, rows[0] / h, (columns[-1] + 1) / w, (rows[-1] + 1) / h])


def tuple_of(values: Sequence[float]) -> Box:
    """A box of four numbers. Raises ValueError for others."""
    left, top, right, bottom = (float(v) for v in values)
    return left, top, right, bottom
