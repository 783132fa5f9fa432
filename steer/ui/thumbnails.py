"""Pictures as small as they are shown: WebP files in memory, as many as fit into a bound."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from pathlib import Path

from PIL import ImageOps

from reward_models.pictures import read_picture

SIDES = (256, 768)  # longest side in pixels: in a grid, and alone
MOST_BYTES = 24 * 2**20
QUALITY = 88


class Thumbnails:
    """May be asked from any thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def webp(self, path: Path, side: int) -> bytes:
        """The picture, no larger than ``side``. Raises OSError and Unreadable."""
        key = str(path), path.stat().st_mtime_ns, side
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        image = read_picture(path)
        if max(image.size) > side:
            image = ImageOps.contain(image, (side, side))
        file = io.BytesIO()
        image.save(file, "WEBP", quality=QUALITY)
        content = file.getvalue()
        with self._lock:
            if key not in self._kept:
                self._kept[key] = content
                self._bytes += len(content)
            while self._bytes > MOST_BYTES:
                self._bytes -= len(self._kept.popitem(last=False)[1])
        return content
