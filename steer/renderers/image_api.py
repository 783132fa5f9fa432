"""What OpenAI's images API takes, and the engines that extend it: SGLang-Diffusion and vLLM-Omni.

OpenAI's own models know few fields and sizes; other servers have more and say so. The fields of the engines are those
of sglang 0.5.23 and vllm-omni 0.30.0, see ``scripts/engine_fields.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import openai

from reward_models.remote import picture_of, said
from steer.config import RemoteConfig
from steer.renderers.dialect import Dialect, Server

REFUSED = ("moderation_blocked", "content_policy_violation", "content_filter", "sexual", "safety")
_GPT = ((1024, 1024), (1536, 1024), (1024, 1536))
_SIZES = {  # by the beginning of a model's name, the longest that fits; others are asked for any size
    "gpt-image-1": _GPT,
    "chatgpt-image": _GPT,
    "dall-e-3": ((1024, 1024), (1792, 1024), (1024, 1792)),
    "dall-e-2": ((256, 256), (512, 512), (1024, 1024)),
}
_ALWAYS_IN_THE_ANSWER = ("gpt-image", "chatgpt-image")  # they refuse a response_format


def size_of(config: RemoteConfig) -> tuple[int, int]:
    """Width and height that the model is asked for: with an ``aspect``, its own size of the nearest shape. Raises
    ValueError for a size that it is known not to draw.

    >>> size_of(RemoteConfig(model="gpt-image-1.5", aspect="3:2"))
    (1536, 1024)
    """
    known = next((sizes for name, sizes in _SIZES.items() if config.model.startswith(name)), ())
    width, height = config.size
    if not known or config.size in known:
        return config.size
    if config.aspect is None:
        sizes = ", ".join(f"{w} x {h}" for w, h in known)
        raise ValueError(
            f"'{config.model}' draws {sizes}, not {width} x {height}; set renderer.width and renderer.height"
        )
    shape = width / height
    return min(known, key=lambda size: (abs(size[0] / size[1] - shape), -size[0] * size[1]))


@dataclass
class OpenAI(Dialect):
    """The fields of a request. A ``response_format``, which keeps the picture in the answer, is left out for models
    that always do so, and once a server refuses it.
    """

    config: RemoteConfig
    left_out: set[str] = field(default_factory=set)

    health: ClassVar[str] = "v1/models"

    def __post_init__(self) -> None:
        c = self.config
        if not c.model:
            raise ValueError("it needs a model; add --set renderer.model=NAME")
        for name in ("steps", "guidance", "negative_prompt"):
            if getattr(c, name) not in (None, ""):
                raise ValueError(
                    f"OpenAI's images API has no {name}; set renderer.dialect to what the server speaks, "
                    "or put the server's own field into renderer.call"
                )
        self.size = "{}x{}".format(*size_of(c))
        self.seed_field = c.seed_field
        if c.model.startswith(_ALWAYS_IN_THE_ANSWER):
            self.left_out.add("response_format")

    def body(self, prompt: str, seed: int) -> dict[str, Any]:
        """A request for one picture."""
        c = self.config
        fields: dict[str, Any] = {"size": self.size, "response_format": "b64_json"}
        fields = {name: value for name, value in fields.items() if name not in self.left_out}
        seeds = {self.seed_field: seed} if self.seed_field else {}
        return {"model": c.model, "prompt": prompt, "n": 1, **fields, **c.call, **seeds}

    async def drawn(self, server: Server, sent: Mapping[str, Any]) -> bytes:
        """The picture in the answer, or behind its address."""
        content = picture_of(await server.post("images/generations", sent))
        return await server.file(content) if isinstance(content, str) else content

    def learned(self, error: openai.APIStatusError, sent: Mapping[str, Any]) -> bool:
        """Whether a 400 is about a field that a picture can do without; the next request does."""
        name = "response_format"
        if name not in sent or name in self.config.call or not (error.param == name or name in said(error)):
            return False
        self.left_out.add(name)
        return True


@dataclass
class Engine(OpenAI):
    """SGLang-Diffusion and vLLM-Omni: they take seed, steps, guidance and negative prompt beside OpenAI's fields.

    Noise is asked for from the CPU's generator, so that a seed means the same on any card. Without a seed, SGLang draws
    every picture with 42, and vLLM-Omni with one by chance.
    """

    health: ClassVar[str] = "health"

    def __post_init__(self) -> None:
        self.size = "{}x{}".format(*self.config.size)
        self.seed_field = "seed"

    def body(self, prompt: str, seed: int) -> dict[str, Any]:
        """A request for one picture."""
        c = self.config
        asked = {
            "model": c.model or None,
            "num_inference_steps": c.steps,
            "guidance_scale": c.guidance,
            "negative_prompt": c.negative_prompt or None,
        }
        return {
            "prompt": prompt,
            "n": 1,
            "size": self.size,
            "response_format": "b64_json",
            "generator_device": "cpu",
            **{name: value for name, value in asked.items() if value is not None},
            **c.call,
            "seed": seed,
        }

    def learned(self, error: openai.APIStatusError, sent: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Nothing: it takes all of these fields."""
        return False


def is_refusal(error: openai.APIStatusError, words: str) -> bool:
    """Whether a 400 speaks of the prompt's content and not of its form."""
    told = f"{error.code or ''} {getattr(error, 'type', '') or ''} {words}".lower()
    return any(word in told for word in REFUSED)
