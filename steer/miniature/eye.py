"""Eyes: small ConvNets that read a picture's attributes.

The first eye looks at pictures for the simulated people; the second, of another shape, data
and seed, only judges. Neither ever steers.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from steer.errors import MissingWeights
from steer.miniature.world import ATTRIBUTES


class _Plain(nn.Module):
    """Convolution, group norm, ReLU, with a skip where shapes agree."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm = nn.GroupNorm(8, outputs)
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.norm(self.conv(x)))
        return x + y if self.skip else y


class _Wide(nn.Module):
    """Depthwise 5 x 5, then two pointwise layers: few weights, a wide view."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.spread = nn.Conv2d(inputs, inputs, 5, stride, 2, groups=inputs, bias=False)
        self.norm = nn.GroupNorm(4, inputs)
        self.up = nn.Conv2d(inputs, 2 * outputs, 1)
        self.down = nn.Conv2d(2 * outputs, outputs, 1)
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.down(F.gelu(self.up(self.norm(self.spread(x)))))
        return x + y if self.skip else y


_BLOCKS = {"plain": _Plain, "wide": _Wide}


class Eye(nn.Module):
    """Pictures (B, 3, 128, 128) in [-1, 1] to logits, one (B, classes) per attribute."""

    def __init__(self, shape: str, widths: Sequence[int]):
        super().__init__()
        self.shape, self.widths = shape, tuple(widths)
        block = _BLOCKS[shape]
        layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 5, 2, 2)]
        for inputs, outputs in itertools.pairwise(widths):
            layers += [block(inputs, outputs, 2), block(outputs, outputs, 1)]
        self.body = nn.Sequential(*layers)
        # a 4 x 4 grid of pooled features keeps where things are
        self.head = nn.Linear(widths[-1] * 16, sum(len(v) for v in ATTRIBUTES.values()))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """All logits side by side, (B, sum of classes)."""
        return self.head(F.adaptive_avg_pool2d(self.body(pixels), 4).flatten(1))

    @torch.inference_mode()
    def read(self, images: Sequence[Image.Image], batch: int = 32) -> dict[str, np.ndarray]:
        """Probabilities per attribute, each (n, classes), in the order of ``ATTRIBUTES``."""
        self.eval()
        rows = []
        for start in range(0, len(images), batch):
            chunk = images[start : start + batch]
            pixels = np.stack([np.asarray(i.convert("RGB").resize((128, 128))) for i in chunk])
            x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
            rows.append(self(x))
        logits = torch.cat(rows).split([len(v) for v in ATTRIBUTES.values()], dim=1)
        return {n: p.softmax(1).numpy() for n, p in zip(ATTRIBUTES, logits, strict=True)}

    def save(self, folder: Path) -> None:
        """Write ``config.json`` and fp16 ``model.safetensors``."""
        folder.mkdir(parents=True, exist_ok=True)
        config = {"shape": self.shape, "widths": self.widths}
        (folder / "config.json").write_text(json.dumps(config) + "\n", encoding="utf-8")
        save_file({k: v.half().contiguous() for k, v in self.state_dict().items()}, folder / "model.safetensors")


def load_eye(folder: Path) -> Eye:
    """The eye saved in ``folder``; MissingWeights names the folder when it cannot be read."""
    try:
        eye = Eye(**json.loads((folder / "config.json").read_text(encoding="utf-8")))
        weights = load_file(folder / "model.safetensors")
        eye.load_state_dict({k: v.float() for k, v in weights.items()})
    except (OSError, SafetensorError, RuntimeError, KeyError) as error:
        raise MissingWeights(folder, error) from error
    return eye.eval()


def named(probabilities: dict[str, np.ndarray]) -> list[dict[str, str]]:
    """The most likely value per attribute, one dict a picture."""
    n = len(next(iter(probabilities.values())))
    best = {name: p.argmax(1) for name, p in probabilities.items()}
    return [{name: ATTRIBUTES[name][best[name][i]] for name in ATTRIBUTES} for i in range(n)]
