"""How well the miniature's parts see: eyes, SigLIP, and the pipeline by the second eye.

    python benchmarks/world_models.py [--pictures 400]

On combinations of attributes that were never trained on, painted and generated.
"""

from __future__ import annotations

import json
import random
import time
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image

from reward_models.encoders.siglip import SiglipEncoder
from steer.config import load_config
from steer.miniature.eye import Eye, load_eye
from steer.miniature.painter import paint
from steer.miniature.words import caption
from steer.miniature.world import ATTRIBUTES
from steer.renderers.diffusion import DiffusersRenderer
from steer.resources import miniature_weights
from trainers.data import scene_at


def accuracy(eye: Eye, pictures: list[Image.Image], labels: np.ndarray) -> dict[str, float]:
    """Share read rightly per attribute."""
    read = eye.read(pictures)
    return {a: round(float((read[a].argmax(1) == labels[:, k]).mean()), 3) for k, a in enumerate(ATTRIBUTES)}


def retrieval(encoder: SiglipEncoder, pictures: list[Image.Image], texts: list[str]) -> float:
    """R@1 of texts among pictures, 100 at a time."""
    hits = []
    for start in range(0, len(pictures) - 99, 100):
        images = encoder.images(pictures[start : start + 100])
        words = encoder.texts(texts[start : start + 100])
        hits.append(float(((words @ images.T).argmax(1) == torch.arange(100)).float().mean()))
    return round(float(np.mean(hits)), 3)


def probe(
    encoder: SiglipEncoder, pictures: list[Image.Image], labels: np.ndarray, seen: int = 2000
) -> dict[str, float]:
    """Share of each attribute that a ridge on the picture features, fitted on ``seen`` other scenes, names rightly."""
    scenes = [scene_at(777, i) for i in range(seen)]
    known = np.array([s.indices() for s in scenes])
    x, new = encoder.images([paint(s) for s in scenes]).numpy(), encoder.images(pictures).numpy()
    mean, spread = x.mean(0), x.std(0)
    x, new = (np.c_[(v - mean) / spread, np.ones(len(v))] for v in (x, new))
    result = {}
    for k, (name, values) in enumerate(ATTRIBUTES.items()):
        weight = np.linalg.solve(x.T @ x + 20 * np.eye(x.shape[1]), x.T @ np.eye(len(values))[known[:, k]])
        result[name] = round(float(((new @ weight).argmax(1) == labels[:, k]).mean()), 3)
    return result


def fidelity(encoder: SiglipEncoder, n: int = 60) -> dict[str, float]:
    """Mean agreement of "a fox" and the like with the right picture, another light, style and subject."""
    sums: dict[str, list[float]] = {"right": [], "other light": [], "other style": [], "other subject": []}
    for i in range(n):
        scene = scene_at(98, i, unseen=True).with_(style="photo", framing="medium")
        shown = (
            scene,
            scene.with_(light="dawn" if scene.light != "dawn" else "day"),
            scene.with_(style="watercolour"),
            scene.with_(subject="teapot" if scene.subject != "teapot" else "fox"),
        )
        values = encoder.agreement(encoder.images([paint(s) for s in shown]), encoder.texts([f"a {scene.subject}"] * 4))
        for name, value in zip(sums, values.tolist(), strict=True):
            sums[name].append(value)
    return {k: round(float(np.mean(v)), 3) for k, v in sums.items()}


def main(pictures: Annotated[int, typer.Option(help="A multiple of 100.")] = 400) -> None:
    rng = random.Random(0)
    scenes = [scene_at(4242, i, unseen=True) for i in range(pictures)]
    labels = np.array([s.indices() for s in scenes])
    texts = [caption(s, rng, full=True) for s in scenes]
    painted = [paint(s) for s in scenes]
    renderer = DiffusersRenderer(load_config("miniature").renderer)
    begun = time.monotonic()
    generated = [p for p in renderer.render(texts, list(range(pictures))) if isinstance(p, Image.Image)]
    seconds = time.monotonic() - begun
    eyes = {name: load_eye(miniature_weights(name)) for name in ("eye", "judge")}
    encoder = SiglipEncoder(miniature_weights("siglip"))
    agree = {
        kind: {a: round(float((one[a].argmax(1) == two[a].argmax(1)).mean()), 3) for a in ATTRIBUTES}
        for kind, shown in (("painted", painted), ("generated", generated))
        for one, two in [(eyes["eye"].read(shown), eyes["judge"].read(shown))]
    }
    report = {
        "painted": {name: accuracy(eye, painted, labels) for name, eye in eyes.items()},
        "generated as asked": {name: accuracy(eye, generated, labels) for name, eye in eyes.items()},
        "eyes agree": agree,
        "R@1 of 100": {k: retrieval(encoder, v, texts) for k, v in (("painted", painted), ("generated", generated))},
        "SigLIP, linear probe on painted": probe(encoder, painted, labels),
        "fidelity": fidelity(encoder),
        "seconds for 48 pictures": round(48 * seconds / pictures, 1),
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    typer.run(main)
