"""Pictures no larger than they are shown: made smaller once, and kept in memory, as many as fit into a bound."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from pathlib import Path

from PIL import ImageOps
from starlette.responses import Response

from reward_models.doors import read_bytes
from reward_models.pictures import open_picture, read_picture

SIDES = (256, 768)  # longest side in pixels: in a grid, and alone
MOST_BYTES = 24 * 2**20
QUALITY = 88


class Thumbnails:
    """May be asked from any thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def answer(self, path: Path, side: int, seconds: int) -> Response:
        """A picture as it is, where it is a PNG and small enough; else WebP with ``side`` pixels at most. A browser may
        keep it for so many ``seconds``. Raises OSError and Unreadable.
        """
        headers = {"Cache-Control": f"private, max-age={seconds}"}
        with open_picture(path) as image:
            small = max(image.size) <= side and image.format == "PNG"
        if small:
            return Response(read_bytes(path), media_type="image/png", headers=headers)
        return Response(self._webp(path, side), media_type="image/webp", headers=headers)

    def _webp(self, path: Path, side: int) -> bytes:
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
