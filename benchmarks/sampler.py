"""How many steps and how much guidance the miniature's pictures need, by the second eye.

    python benchmarks/sampler.py [--pictures 160]

Held-out prompts that say everything; the share read as asked, and seconds for 48 pictures.
"""

from __future__ import annotations

import random
import time
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from steer.config import load_config
from steer.miniature.eye import load_eye
from steer.miniature.words import caption
from steer.miniature.world import ATTRIBUTES
from steer.renderers.diffusion import DiffusersRenderer
from steer.resources import miniature_weights
from trainers.data import scene_at

SETTINGS = ((4, 3.0), (6, 3.0), (8, 3.0), (10, 3.0), (16, 3.0), (6, 1.5), (6, 5.0))  # steps, guidance


def main(pictures: Annotated[int, typer.Option(help="Prompts for each setting.")] = 160) -> None:
    rng = random.Random(0)
    scenes = [scene_at(4242, i, unseen=True) for i in range(pictures)]
    texts, labels = [caption(s, rng, full=True) for s in scenes], np.array([s.indices() for s in scenes])
    judge = load_eye(miniature_weights("judge"))
    for steps, guidance in SETTINGS:
        config = load_config("miniature", [f"renderer.steps={steps}", f"renderer.call.true_cfg_scale={guidance}"])
        renderer = DiffusersRenderer(config.renderer)
        renderer.render(texts[:4], [0] * 4)  # loads
        begun = time.monotonic()
        shown = [p for p in renderer.render(texts, list(range(pictures))) if isinstance(p, Image.Image)]
        seconds = 48 * (time.monotonic() - begun) / pictures
        read = judge.read(shown)
        hits = {a: round(float((read[a].argmax(1) == labels[:, k]).mean()), 3) for k, a in enumerate(ATTRIBUTES)}
        print(f"steps {steps:2d} guidance {guidance}: {hits}, 48 pictures {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    typer.run(main)
