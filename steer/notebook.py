"""How a result shows itself in a notebook: pictures side by side, as HTML that needs no other file."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

WIDTH = 256  # pixels on the page


def figures(pictures: Sequence[tuple[Path, str, str]]) -> str:
    """HTML of (PNG file, title, text) side by side; titles and texts are escaped, a file that is gone is left out."""
    return f'<div style="display:flex;gap:16px;flex-wrap:wrap">{"".join(_figure(*each) for each in pictures)}</div>'


def _figure(path: Path, title: str, text: str) -> str:
    if not path.is_file():
        return ""
    data = base64.b64encode(path.read_bytes()).decode()
    return (
        f'<figure style="margin:0;width:{WIDTH}px"><img src="data:image/png;base64,{data}" alt="{escape(text)}" '
        f'style="width:{WIDTH}px"><figcaption><b>{escape(title)}</b><br>{escape(text)}</figcaption></figure>'
    )
