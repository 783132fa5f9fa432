"""ComfyUI finds the nodes here (its v3 schema)."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .nodes import KeepBestForPerson, RatePicture, RewriteForPerson


class SteerExtension(ComfyExtension):
    """The nodes of steer."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """All of them."""
        return [RewriteForPerson, KeepBestForPerson, RatePicture]


async def comfy_entrypoint() -> SteerExtension:
    """What ComfyUI calls."""
    return SteerExtension()
