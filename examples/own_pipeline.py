"""Steer a pipeline of diffusers that your script has loaded already.

    python examples/own_pipeline.py "a fox in the snow" u17

The pipeline is the miniature's here. With another one, say whose size, steps and reward to use: config="sdxl".
"""

import sys

from diffusers import DiffusionPipeline

import steer
from steer.resources import miniature_weights


def main(prompt: str = "a fox in the snow", user: str = "u17", budget: str = "6") -> None:
    """Draw a prompt for a user with a budget of pictures, and save the one they should like best."""
    pipe = DiffusionPipeline.from_pretrained(miniature_weights("pipeline"))
    image = steer.steer(pipe, prompt, user, budget=int(budget))
    image.save("best.png")
    print(f"best.png: {image.width} x {image.height} pixels for {user}")


if __name__ == "__main__":
    main(*sys.argv[1:])
