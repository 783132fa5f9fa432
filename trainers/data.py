"""Painted pictures on disk: scenes as attribute indices, pixels as one memory-mapped array."""

from __future__ import annotations

import itertools
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

from steer.miniature.painter import LOOK, SIZE, paint
from steer.miniature.world import ATTRIBUTES, Scene, scene_at


def _paint_range(path: str, seed: int, start: int, stop: int, steady: bool, look: int) -> None:
    pixels = np.lib.format.open_memmap(path, mode="r+")
    for i in range(start, stop):
        pixels[i] = np.asarray(paint(scene_at(seed, i), steady, look))


def paint_dataset(folder: Path, n: int, seed: int, steady: bool = False, workers: int = 2, look: int = LOOK) -> None:
    """Write ``pictures.npy`` (n, 128, 128, 3) uint8 of the stream ``seed`` unless it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    path, partial = folder / "pictures.npy", folder / "pictures.partial.npy"
    if path.exists():
        return
    np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=(n, SIZE, SIZE, 3))
    edges = np.linspace(0, n, workers * 4 + 1, dtype=int)
    with ProcessPoolExecutor(workers) as pool:
        jobs = [
            pool.submit(_paint_range, str(partial), seed, int(a), int(b), steady, look)
            for a, b in itertools.pairwise(edges)
        ]
        for job in jobs:
            job.result()
    partial.rename(path)


class Pictures:
    """The painted dataset: ``pixels`` (n, 128, 128, 3) uint8 and their scenes."""

    def __init__(self, folder: Path, seed: int):
        self.pixels = np.load(folder / "pictures.npy", mmap_mode="r")
        self.scenes = [scene_at(seed, i) for i in range(len(self.pixels))]
        self.labels = torch.tensor([s.indices() for s in self.scenes])  # (n, attributes)

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, index: np.ndarray) -> torch.Tensor:
        """Pictures (B, 3, 128, 128) in [-1, 1]."""
        return to_tensor(self.pixels[np.sort(index)])


def mirror(
    pictures: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """A random half of pictures (B, 3, H, W) mirrored, with left and right exchanged in labels (B, attributes)."""
    turned = torch.rand(len(pictures), generator=generator) < 0.5
    pictures, labels = pictures.clone(), labels.clone()
    pictures[turned] = pictures[turned].flip(-1)
    k, last = list(ATTRIBUTES).index("position"), len(ATTRIBUTES["position"]) - 1
    labels[turned, k] = last - labels[turned, k]  # left, centre, right
    return pictures, labels


def scene_of(labels: torch.Tensor) -> Scene:
    """A scene with these class indices (attributes,)."""
    values = {name: options[int(i)] for (name, options), i in zip(ATTRIBUTES.items(), labels, strict=True)}
    return Scene(**values, seed=0)


def to_tensor(pixels: np.ndarray) -> torch.Tensor:
    """uint8 (B, H, W, 3) to float (B, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


N_CLASSES = [len(values) for values in ATTRIBUTES.values()]
