"""What the pages share: one layout, one stylesheet, pictures carried inside the page."""

from __future__ import annotations

import base64
import io
from dataclasses import asdict
from pathlib import Path

from PIL import Image

from reward_models.doors import read_bytes
from reward_models.evaluation.pages import render
from reward_models.pictures import open_picture
from reward_models.plural import counted
from steer.report.theme import DARK, LIGHT

JPEG_QUALITY = 88


def render_html(template: str, **values: object) -> str:
    """A page of ``steer/report/templates``, filled in; all text is escaped."""
    return render(template, "steer.report", light=asdict(LIGHT), dark=asdict(DARK), counted=counted, **values)


def embedded(path: Path, longest: int) -> str:
    """A picture as a data URI, at most ``longest`` pixels on its longer side.

    The file as it is where it is small enough, or else a JPEG.
    """
    with open_picture(path) as image:
        if max(image.size) <= longest:
            return as_uri(read_bytes(path), Image.MIME[image.format or "PNG"])
        small = image.convert("RGB")
    small.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    small.save(data, "JPEG", quality=JPEG_QUALITY)
    return as_uri(data.getvalue(), "image/jpeg")


def as_uri(data: bytes, kind: str) -> str:
    """Bytes of a media type as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
