"""How well autoencoders give paintings back: the shipped one, the deeper decoder, the finer one, and any others.

    python benchmarks/autoencoders.py [FOLDER=LOOK ...] [--pictures 400] [--sheet PNG]

On paintings of combinations that were never trained on, each in the look that the autoencoder learnt. The second eye
says which subject it sees in what comes back, and in the painting itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from crispness import grid_energy, reconstruction, sharpness
from diffusers import AutoencoderKL
from PIL import Image

from steer.miniature.eye import load_eye
from steer.miniature.painter import paint
from steer.miniature.world import ATTRIBUTES, scene_at
from steer.resources import miniature_weights
from trainers.data import to_tensor

SEED = 31337
KNOWN = ("steer/miniature/weights/pipeline/vae=1", "trainers/weights/crisp=2", "trainers/weights/finer=2")


@torch.inference_mode()
def rebuilt(vae: AutoencoderKL, paintings: np.ndarray) -> np.ndarray:
    """uint8 (n, 128, 128, 3) through encoder and decoder."""
    found = []
    for start in range(0, len(paintings), 16):
        latents = vae.encode(to_tensor(paintings[start : start + 16])).latent_dist.mode()
        pixels = ((vae.decode(latents).sample + 1) * 127.5).clamp(0, 255).round().byte()
        found.append(pixels.permute(0, 2, 3, 1).numpy())
    return np.concatenate(found)


def main(
    folders: Annotated[list[str] | None, typer.Argument(metavar="FOLDER=LOOK")] = None,
    pictures: int = 400,
    sheet: Annotated[Path | None, typer.Option(help="Paintings above what the last one makes of them.")] = None,
) -> None:
    """See the module."""
    scenes = [scene_at(SEED, i, unseen=True) for i in range(pictures)]
    wanted = np.array([s.indices()[list(ATTRIBUTES).index("subject")] for s in scenes])
    ink = np.array([s.style == "ink" for s in scenes])
    eye = load_eye(miniature_weights("judge"))
    for each in folders or KNOWN:
        folder, _, look = each.rpartition("=")
        paintings = np.stack([np.asarray(paint(s, True, int(look))) for s in scenes])
        again = rebuilt(AutoencoderKL.from_pretrained(folder).float().eval(), paintings)
        errors = ", ".join(f"{name} {value:.4f}" for name, value in reconstruction(again, paintings).items())
        sharp = sharpness(again).mean() / sharpness(paintings).mean()
        grid = np.nanmean(grid_energy(again)) / np.nanmean(grid_energy(paintings))
        seen = [
            eye.read([Image.fromarray(p) for p in some])["subject"].argmax(1) == wanted for some in (again, paintings)
        ]
        read = ", ".join(f"subject {hit.mean():.3f}, in ink {hit[ink].mean():.3f}" for hit in seen)
        print(f"{folder}: {errors}, gradient {sharp:.3f}, patch energy {grid:.2f}; {read} (painted)", flush=True)
        if sheet:
            rows = [np.concatenate(list(some[:12]), axis=1) for some in (paintings, again)]
            Image.fromarray(np.concatenate(rows)).save(sheet)


if __name__ == "__main__":
    typer.run(main)
