"""What a picture of a text would look like to the encoder, before it is rendered: a ridge from text to picture features.

Its use is to rank texts before a picture is paid for. Texts and pictures of SigLIP live in one space but in different
parts of it, so a person's head cannot read a text's features in a picture's place; their conditional mean it can.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

PENALTIES = tuple(10.0**k for k in range(-4, 4))


@dataclass(frozen=True)
class TextToPicture:
    """E[picture | text] = weight text + bias; ``error``: RMS difference between the liking of an imagined picture and
    of the real one, in [0, 1], measured on pictures it was not fitted to."""

    weight: Tensor  # (D, D)
    bias: Tensor  # (D,)
    error: float

    def pictures(self, texts: Tensor) -> Tensor:
        """Unit picture features (n, D) imagined of unit text features (n, D)."""
        return torch.nn.functional.normalize(texts @ self.weight.T + self.bias, dim=-1)

    def to(self, device: torch.device | str) -> TextToPicture:
        """The same on another device."""
        return TextToPicture(self.weight.to(device), self.bias.to(device), self.error)


def fit_imagination(texts: Tensor, pictures: Tensor, error: float = 0.0) -> TextToPicture:
    """From pairs (n, D) each; the penalty of least generalised cross-validation error (Golub, Heath, Wahba 1979)."""
    x, y = texts.double(), pictures.double()
    x_mean, y_mean = x.mean(0), y.mean(0)
    u, s, v = torch.linalg.svd(x - x_mean, full_matrices=False)
    target = u.T @ (y - y_mean)  # (k, D)
    best, weight = float("inf"), torch.zeros(y.shape[1], x.shape[1], dtype=x.dtype)
    for penalty in PENALTIES:
        shrink = s**2 / (s**2 + penalty)
        residual = (y - y_mean) - u @ (shrink[:, None] * target)
        score = float((residual**2).sum()) / (1 - float(shrink.sum()) / len(x)) ** 2
        if score < best:
            best = score
            weight = ((shrink / s.clamp(min=1e-12))[:, None] * target).T @ v
    return TextToPicture(weight.float(), (y_mean - weight @ x_mean).float(), error)
