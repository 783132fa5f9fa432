"""The two eyes, on painted pictures and on pictures as the autoencoder gives them back."""

from __future__ import annotations

import contextlib
from pathlib import Path

import torch
import torch.nn.functional as F

from reward_models.encoders.precision import mixed
from steer.miniature.eye import Eye
from trainers.common import Trainer, batches
from trainers.data import N_CLASSES, Pictures, mirror, to_tensor
from trainers.text import attribute_loss

SHAPES = {"eye": ("plain", (24, 48, 96, 128), 11), "judge": ("wide", (32, 64, 128, 160), 23)}


def augment(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Half of the batches blurred by resizing, noise and contrast: generated pictures are soft."""
    if torch.rand((), generator=generator) < 0.5:
        size = int(torch.randint(40, 112, (), generator=generator))
        small = F.interpolate(pictures, size=size, mode="bilinear", antialias=True)
        pictures = F.interpolate(small, size=128, mode="bilinear")
    contrast = 1 + 0.15 * torch.randn(len(pictures), 1, 1, 1, generator=generator)
    noise = torch.randn(pictures.shape, generator=generator)
    return pictures * contrast + 0.04 * torch.rand((), generator=generator) * noise


def train(
    name: str,
    data: Pictures,
    folder: Path,
    minutes: float,
    decoded: torch.Tensor | None = None,
    batch: int = 32,
    lr: float = 2e-3,
) -> None:
    """Train the eye ``name``; ``decoded`` (m, 128, 128, 3) uint8 are the first m pictures decoded."""
    shape, widths, seed = SHAPES[name]
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = Eye(shape, widths).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    trainer = Trainer(folder, model, 10**6, lr, ema=0.995, minutes=minutes)
    # each eye sees its own half of the data, so that they err apart
    half = torch.arange(len(data))[int(name == "judge") :: 2]
    index = batches(len(half), batch, generator)

    def loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        rows = half[next(index)].sort().values
        pictures = data.batch(rows.numpy())
        if decoded is not None:
            with_copy = (rows < len(decoded)) & (torch.rand(len(rows), generator=generator) < 0.7)
            pictures[with_copy] = to_tensor(decoded[rows[with_copy]].numpy())
        pictures, labels = mirror(pictures, data.labels[rows], generator)
        pictures = augment(pictures, generator).contiguous(memory_format=torch.channels_last)
        # in the other eye's depthwise layers fp32 is twice as fast anyway
        with mixed() if name == "eye" else contextlib.nullcontext():
            logits = model(pictures).float()
        value, hit = attribute_loss(logits, labels, N_CLASSES)
        return value, {"accuracy": hit}

    trainer.run(loss)
    finished = Eye(shape, widths)
    finished.load_state_dict(trainer.best_weights())
    finished.save(folder / "model")
