"""Three nodes over ``steer.Steerer``: before the sampler, after it, and afterwards.

``config`` is a preset or file of steer; only its reward and proposer are used, as ComfyUI draws itself.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from comfy_api.latest import io
from PIL import Image

from steer import Steerer

CATEGORY = "steer"


@cache
def steerer(config: str) -> Steerer:
    """One set of models for each config."""
    return Steerer(config)


def as_pictures(images: torch.Tensor) -> list[Image.Image]:
    """ComfyUI's pictures (n, height, width, 3), in [0, 1], as PIL's."""
    pixels = (images.detach().cpu().clamp(0, 1).numpy() * 255).round().astype(np.uint8)
    return [Image.fromarray(each) for each in pixels]


def _who() -> list[io.Input]:
    return [
        io.String.Input("user", tooltip="A user of steer: steer user list"),
        io.String.Input("config", default="miniature", tooltip="A preset of steer, or a YAML file"),
    ]


class RewriteForPerson(io.ComfyNode):
    """A prompt in, the texts out that this person should like most; nothing is drawn."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return io.Schema(
            node_id="SteerRewriteForPerson",
            display_name="Rewrite for a person",
            category=CATEGORY,
            description="Rewrites a prompt for one person's taste, as their reward model expects it.",
            inputs=[
                io.String.Input("prompt", multiline=True),
                *_who(),
                io.Int.Input("count", default=1, min=1, max=16),
                io.Int.Input("seed", default=0, min=0, max=2**31 - 1, control_after_generate=True),
            ],
            outputs=[
                io.String.Output(display_name="prompt", is_output_list=True),
                io.Float.Output(display_name="expected liking", is_output_list=True),
            ],
        )

    @classmethod
    def execute(cls, prompt: str, user: str, config: str, count: int, seed: int) -> io.NodeOutput:
        """The texts, the most promising first; the prompt itself where none is usable."""
        found = steerer(config).enhance(prompt, user, count, seed)
        texts = [each.text for each in found] or [prompt]
        return io.NodeOutput(texts, [each.expected or 0.0 for each in found] or [0.0])


class KeepBestForPerson(io.ComfyNode):
    """Pictures in, those out that this person should like most."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return io.Schema(
            node_id="SteerKeepBestForPerson",
            display_name="Score and keep the best",
            category=CATEGORY,
            description="Predicts how much one person likes each picture of a batch and keeps the best.",
            inputs=[
                io.Image.Input("images"),
                io.String.Input("prompt", multiline=True, tooltip="The prompt as it was typed, not its rewrite"),
                *_who(),
                io.Int.Input("keep", default=1, min=1, max=64),
            ],
            outputs=[
                io.Image.Output(display_name="best"),
                io.Float.Output(display_name="liking", is_output_list=True),
            ],
        )

    @classmethod
    def execute(cls, images: torch.Tensor, prompt: str, user: str, config: str, keep: int) -> io.NodeOutput:
        """The best pictures, and the liking of every picture in the order it came, in [0, 1]."""
        liking = steerer(config).judge(as_pictures(images), prompt, user).personal
        best = np.argsort(-liking, kind="stable")[:keep]
        return io.NodeOutput(images[torch.from_numpy(best.copy())], [float(v) for v in liking])


class RatePicture(io.ComfyNode):
    """Keeps what a person says about a picture; the next rewrites for them go by it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Inputs and outputs."""
        return io.Schema(
            node_id="SteerRatePicture",
            display_name="Rate",
            category=CATEGORY,
            description="Saves a person's rating of a picture, from which their reward model learns.",
            is_output_node=True,
            inputs=[
                io.Image.Input("image"),
                io.String.Input("prompt", multiline=True),
                *_who(),
                io.Float.Input("score", default=3.0, min=1.0, max=5.0, step=1.0),
            ],
            outputs=[],
        )

    @classmethod
    def execute(cls, image: torch.Tensor, prompt: str, user: str, config: str, score: float) -> io.NodeOutput:
        """Saves the rating for every picture of the batch."""
        for picture in as_pictures(image):
            steerer(config).rate(picture, prompt, user, score)
        return io.NodeOutput()
