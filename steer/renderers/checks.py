"""Pictures that are none: black, not numbers, refused. They become FAILED candidates and never "best"."""

from __future__ import annotations

import numpy as np
from PIL import Image

from steer.types import RenderFailure

FLAT = 2.0  # of 255: below this spread of brightness a picture shows nothing


def as_picture(pixels: np.ndarray, flagged: bool = False) -> Image.Image | RenderFailure:
    """A picture of pixels (H, W, 3) in [0, 1], or why it is none. ``flagged``: the pipeline's safety checker spoke."""
    if flagged:
        return RenderFailure("the pipeline's safety checker refused the picture")
    if not np.isfinite(pixels).all():
        return RenderFailure("the pipeline gave pixels that are not numbers")
    return checked(Image.fromarray((pixels * 255).round().astype(np.uint8)))


def checked(image: Image.Image) -> Image.Image | RenderFailure:
    """The picture in RGB, or why it shows nothing: safety filters and overflows give black or plain ones."""
    image = image.convert("RGB")
    low, high = (float(v) for v in np.quantile(np.asarray(image.convert("L")), (0.01, 0.99)))
    if high <= FLAT:
        return RenderFailure("the picture is black")
    if high - low <= FLAT:
        return RenderFailure("the picture is one plain colour")
    return image
