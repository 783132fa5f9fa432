"""The encoder of the reward that only judges in studies: a ResNet without a text tower, on its own pictures and seed.

Nothing of it is shared with the SigLIP that steers: not the architecture, not the loss, not the painted pictures.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from transformers import ResNetConfig, ResNetModel, SiglipImageProcessorPil

from steer.miniature.eye import load_eye
from steer.miniature.world import ATTRIBUTES
from steer.resources import miniature_weights
from trainers.common import Trainer, batches
from trainers.data import N_CLASSES, Pictures, mirror, to_tensor
from trainers.eyes import augment
from trainers.text import attribute_loss

WIDTHS, SEED = (32, 64, 128, 224), 31


class _Named(nn.Module):
    """The encoder with a throw-away linear head that names the attributes."""

    def __init__(self, model: ResNetModel):
        super().__init__()
        self.model, self.head = model, nn.Linear(WIDTHS[-1], sum(N_CLASSES))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.head(self.model(pixels).pooler_output.flatten(1))


def generated(dataset: Path) -> tuple[np.ndarray, torch.Tensor]:
    """The pictures of the rated data set that the pipeline drew (m, 128, 128, 3), and what the first eye reads in them
    (m, 6)."""
    files = json.loads((dataset / "generated.json").read_text(encoding="utf-8"))
    images = [Image.open(dataset / f).convert("RGB") for f in files]
    read = load_eye(miniature_weights("eye")).read(images)
    labels = torch.stack([torch.from_numpy(read[name].argmax(1)) for name in ATTRIBUTES], dim=1)
    return np.stack([np.asarray(i) for i in images]), labels


def train(data: Pictures, dataset: Path, folder: Path, minutes: float, batch: int = 48, lr: float = 2e-3) -> None:
    """Write the encoder to ``folder``/model; a third of each batch is generated pictures."""
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    config = ResNetConfig(
        embedding_size=32, hidden_sizes=list(WIDTHS), depths=[1, 2, 2, 2], layer_type="basic", hidden_act="relu"
    )
    both = _Named(ResNetModel(config)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    trainer = Trainer(folder, both, 10**6, lr, minutes=minutes)
    pictures_of, labels_of = generated(dataset)
    index, m = batches(len(data), batch, generator), batch // 3

    def loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        rows = next(index).sort().values
        pictures, labels = data.batch(rows.numpy()), data.labels[rows].clone()
        chosen = torch.randint(len(pictures_of), (m,), generator=generator)
        pictures[:m], labels[:m] = to_tensor(pictures_of[chosen.numpy()]), labels_of[chosen]
        pictures, labels = mirror(pictures, labels, generator)
        pictures = augment(pictures, generator).contiguous(memory_format=torch.channels_last)
        value, hit = attribute_loss(both(pictures), labels, N_CLASSES)
        return value, {"accuracy": hit}

    trainer.run(loss)
    finished = _Named(ResNetModel(config))
    finished.load_state_dict(trainer.best_weights())
    finished.model.half().save_pretrained(folder / "model")
    SiglipImageProcessorPil(
        size={"height": 128, "width": 128}, image_mean=[0.5] * 3, image_std=[0.5] * 3
    ).save_pretrained(folder / "model")
