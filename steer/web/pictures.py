"""The pictures a page shows, each under a name that tells nothing about where it came from."""

from __future__ import annotations

import io

from PIL import Image, ImageOps
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

QUALITY = 90  # of WebP


class Pictures:
    """WebP files in memory, served at ``pictures/NAME``."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        self.route = Route("/pictures/{name}", self._serve)

    def url(self, name: str) -> str:
        """Where the page finds it."""
        return f"pictures/{name}"

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def add(self, name: str, image: Image.Image, side: int) -> str:
        """Keep a picture, made smaller than ``side`` pixels if it is larger; its URL."""
        if name not in self._files:
            small = ImageOps.contain(image, (side, side)) if max(image.size) > side else image
            file = io.BytesIO()
            small.convert("RGB").save(file, "WEBP", quality=QUALITY)
            self._files[name] = file.getvalue()
        return self.url(name)

    async def _serve(self, request: Request) -> Response:
        content = self._files.get(request.path_params["name"])
        if content is None:
            return Response(status_code=404)
        return Response(content, media_type="image/webp", headers={"Cache-Control": "private, max-age=3600"})
