"""The server of stable-diffusion.cpp, by the interface of AUTOMATIC1111's web UI, ``/sdapi/v1/txt2img``.

Its OpenAI interface takes neither seed nor steps. Other programs that have this interface were not tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from reward_models.remote import SENSELESS, Malformed, bytes_of
from steer.config import RemoteConfig
from steer.renderers.dialect import Dialect, Server

COMMAND = "<sd_cpp_extra_args>"  # the server takes what follows in a prompt for settings


class StableDiffusionCpp(Dialect):
    """Guidance is ``cfg_scale``; without a seed every picture would be drawn with the server's own."""

    seed_field = "seed"
    health: ClassVar[str] = "sdapi/v1/options"

    def __init__(self, config: RemoteConfig):
        self.config = config

    def body(self, prompt: str, seed: int) -> dict[str, Any]:
        """A request for one picture. Raises ValueError for a text with settings in it."""
        c = self.config
        if COMMAND in prompt:
            raise ValueError(f"the text has {COMMAND} in it, which the server would obey")
        width, height = c.size
        asked = {"steps": c.steps, "cfg_scale": c.guidance}
        return {
            "prompt": prompt,
            "negative_prompt": c.negative_prompt,
            "width": width,
            "height": height,
            "batch_size": 1,
            **{name: value for name, value in asked.items() if value is not None},
            **c.call,
            "seed": seed,
        }

    async def drawn(self, server: Server, sent: Mapping[str, Any]) -> bytes:
        """The first picture of the answer."""
        answer = await server.post("/sdapi/v1/txt2img", sent)
        pictures = answer.get("images") if isinstance(answer, Mapping) else None
        if not isinstance(pictures, list) or not pictures or not isinstance(pictures[0], str):
            raise Malformed(SENSELESS)
        return bytes_of(pictures[0])
