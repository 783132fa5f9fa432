"""How crisp the miniature's pictures are, against the painter's of the same scenes.

    python benchmarks/crispness.py [--vae FOLDER] [--look 2] [--pictures 400] [--latents FILE] [--sheet PNG]

On combinations of attributes that were never trained on. ``reconstruction``: held-out paintings through encoder and
decoder, against the painting in ``--look``. ``generated``: the pipeline's pictures against the painter's, by the second
eye. ``--latents`` keeps what the transformer made, so that several decoders are compared on the same latents and only
the first call pays for them.
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from diffusers import AutoencoderKL
from PIL import Image
from safetensors.torch import load_file, save_file
from scipy.ndimage import binary_erosion, gaussian_filter

from steer.config import load_config
from steer.miniature.eye import load_eye
from steer.miniature.painter import paint
from steer.miniature.words import caption
from steer.miniature.world import ATTRIBUTES, Scene, scene_at
from steer.renderers.diffusion import DiffusersRenderer
from steer.resources import miniature_weights
from trainers.data import to_tensor

PATCH = 16  # px of one token of the transformer; its grid shows at this period
FLAT = 4.0  # grey levels a pixel; below it a smoothed picture counts as flat
GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def grey(pixels: np.ndarray) -> np.ndarray:
    """uint8 (n, H, W, 3) to grey levels (n, H, W) in [0, 255]."""
    return pixels.astype(np.float32) @ GREY


def reconstruction(pixels: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """Mean absolute error and mean absolute error of the differences between neighbours, in [0, 1]."""
    a, b = pixels.astype(np.float32) / 255, target.astype(np.float32) / 255
    edges = [np.abs(np.diff(a, axis=k) - np.diff(b, axis=k)).mean() for k in (1, 2)]
    return {"mean absolute error": float(np.abs(a - b).mean()), "edge error": float(np.mean(edges))}


def sharpness(pixels: np.ndarray) -> np.ndarray:
    """99th percentile (n) of the grey gradient, in levels a pixel."""
    dy, dx = np.gradient(grey(pixels), axis=(1, 2))
    return np.percentile(np.hypot(dy, dx), 99, axis=(1, 2))


def flat_areas(g: np.ndarray) -> np.ndarray:
    """Where a grey picture (H, W) has neither edges nor strokes: a gradient is flat, what is near an edge is not."""
    dy, dx = np.gradient(gaussian_filter(g, 2))
    return binary_erosion(np.hypot(dy, dx) < FLAT, iterations=3)


def grid_energy(pixels: np.ndarray) -> np.ndarray:
    """Energy (n) per flat pixel at the period of a patch and its first harmonic, along rows and columns.

    Of what a wide blur takes away, in flat areas alone. Pictures without flat areas are NaN.
    """
    energies = []
    for g in grey(pixels):
        weight = flat_areas(g).astype(np.float32)
        if weight.mean() < 0.05:
            energies.append(np.nan)
            continue
        around = gaussian_filter(g * weight, PATCH / 2) / np.maximum(gaussian_filter(weight, PATCH / 2), 1e-3)
        power = np.abs(np.fft.fft2((g - around) * weight)) ** 2 / (g.size * weight.sum())
        k = g.shape[0] // PATCH
        energies.append(sum(power[i * k, 0] + power[0, i * k] for i in (1, 2)))
    return np.array(energies)


def border_steps(pixels: np.ndarray) -> float:
    """Squared steps between neighbours across patch borders over the median of those elsewhere, in flat areas.

    1 without a grid. Unlike :func:`grid_energy` it does not count what the scene happens to repeat every 16 pixels.
    """
    sums, counts = np.zeros(PATCH), np.zeros(PATCH)
    for g in grey(pixels):
        for picture in (g, g.T):
            flat = flat_areas(picture)
            steps, both = np.diff(picture, axis=1) ** 2, flat[:, 1:] & flat[:, :-1]
            place = np.arange(steps.shape[1]) % PATCH  # the border lies behind the last pixel of a patch
            np.add.at(sums, place, (steps * both).sum(0))
            np.add.at(counts, place, both.sum(0))
    means = sums / counts
    return round(float(means[-1] / np.median(means[:-1])), 3)


def varied(scenes: list[Scene]) -> list[int]:
    """One scene in fog and one in another light for each style."""
    chosen = []
    for style in ATTRIBUTES["style"]:
        of_style = [i for i, s in enumerate(scenes) if s.style == style]
        chosen += [i for i in of_style if scenes[i].light == "fog"][:1]
        chosen += [i for i in of_style if scenes[i].light != "fog"][:1]
    return chosen


def sheet(rows: list[np.ndarray], path: Path) -> None:
    """Pictures one below the other, a column a scene, at their real size."""
    Image.fromarray(np.concatenate([np.concatenate(list(row), axis=1) for row in rows])).save(path)


def accuracy(read: dict[str, np.ndarray], scenes: list[Scene]) -> dict[str, object]:
    """Share that the eye reads as asked per attribute, and per style the subjects."""
    labels = np.array([s.indices() for s in scenes])
    hits = {a: read[a].argmax(1) == labels[:, k] for k, a in enumerate(ATTRIBUTES)}
    styles = np.array([s.style for s in scenes])
    subjects = {s: round(float(hits["subject"][styles == s].mean()), 3) for s in ATTRIBUTES["style"]}
    return {a: round(float(h.mean()), 3) for a, h in hits.items()} | {"subject by style": subjects}


@torch.inference_mode()
def generate(texts: list[str]) -> torch.Tensor:
    """Latents (n, 12, 16, 16) that the pipeline decodes, with the preset's steps and guidance and seeds 0 ... n - 1."""
    renderer = DiffusersRenderer(load_config("miniature").renderer)
    made, size = [], renderer.batch_size
    for start in range(0, len(texts), size):
        chunk = texts[start : start + size]
        packed = renderer.pipeline(
            **renderer.conditioning(chunk + [chunk[-1]] * (size - len(chunk))),
            generator=[torch.Generator().manual_seed(start + i) for i in range(size)],
            width=128,
            height=128,
            num_inference_steps=renderer.config.steps,
            output_type="latent",
            **renderer.call,
        ).images
        vae = renderer.pipeline.vae
        grid = renderer.pipeline._unpack_latents(packed, 128, 128, renderer.pipeline.vae_scale_factor)
        made.append((grid / vae.config.scaling_factor + vae.config.shift_factor)[: len(chunk)])
    return torch.cat(made)


@torch.inference_mode()
def decode(vae: AutoencoderKL, latents: torch.Tensor) -> tuple[np.ndarray, float]:
    """Pictures uint8 (n, 128, 128, 3) in batches as a run has them, and process milliseconds a picture."""
    rows, begun = [], time.process_time()
    for part in latents.split(4):
        pixels = vae.decode(part).sample.permute(0, 2, 3, 1)
        rows.append(((pixels / 2 + 0.5).clamp(0, 1) * 255).round().byte().numpy())
    return np.concatenate(rows), 1000 * (time.process_time() - begun) / len(latents)


def ratio(a: np.ndarray, b: np.ndarray) -> float:
    return round(float(np.nanmean(a) / np.nanmean(b)), 3)


def main(
    vae: Annotated[Path | None, typer.Option(help="Another autoencoder's folder.")] = None,
    look: Annotated[int, typer.Option(help="The painter's look that the pictures should have.")] = 1,
    pictures: int = 400,
    latents: Annotated[Path | None, typer.Option(help="Where the transformer's latents are kept.")] = None,
    path: Annotated[Path | None, typer.Option("--sheet", help="A PNG: shipped decoder, --vae, painter.")] = None,
) -> None:
    autoencoder = AutoencoderKL.from_pretrained(vae or miniature_weights("pipeline") / "vae").float().eval()
    rng = random.Random(0)
    scenes = [scene_at(4242, i, unseen=True) for i in range(pictures)]
    texts = [caption(s, rng, full=True) for s in scenes]
    if latents and latents.exists():
        made = load_file(latents)["latents"]
    else:
        made = generate(texts)
        if latents:
            save_file({"latents": made}, latents)
    painted = np.stack([np.asarray(paint(s, look=look)) for s in scenes])
    with torch.inference_mode():
        given = to_tensor(np.stack([np.asarray(paint(s)) for s in scenes]))
        encoded = torch.cat([autoencoder.encode(x).latent_dist.mode() for x in given.split(16)])
    rebuilt, _ = decode(autoencoder, encoded)
    generated, milliseconds = decode(autoencoder, made[:pictures])
    judge = load_eye(miniature_weights("judge"))
    styles = np.array([s.style for s in scenes])
    sharp, sharp_painted = sharpness(generated), sharpness(painted)
    grids, grids_painted = grid_energy(generated), grid_energy(painted)
    report = {
        "reconstruction": reconstruction(rebuilt, painted),
        "99th percentile of the grey gradient, generated / painted": {
            "all": ratio(sharp, sharp_painted),
            **{s: ratio(sharp[styles == s], sharp_painted[styles == s]) for s in ATTRIBUTES["style"]},
        },
        "grid energy in flat areas, generated / painted": {
            "all": ratio(grids, grids_painted),
            **{s: ratio(grids[styles == s], grids_painted[styles == s]) for s in ATTRIBUTES["style"]},
        },
        "steps across patch borders, over elsewhere": {
            # pixel art has a grid by nature
            name: border_steps(shown[styles != "pixel"])
            for name, shown in (("rebuilt", rebuilt), ("generated", generated), ("painted", painted))
        },
        "second eye": {
            name: accuracy(judge.read([Image.fromarray(p) for p in shown]), scenes)
            for name, shown in (("painted", painted), ("rebuilt", rebuilt), ("generated", generated))
        },
        "decoding, process ms a picture": round(milliseconds, 1),
    }
    print(json.dumps(report, indent=1))
    if path:
        shipped = AutoencoderKL.from_pretrained(miniature_weights("pipeline") / "vae").float().eval()
        chosen = varied(scenes)
        sheet([decode(shipped, made[chosen])[0], generated[chosen], painted[chosen]], path)


if __name__ == "__main__":
    typer.run(main)
