"""What a picture of a text would look like to the encoder, before it is rendered: a ridge from text to picture
features.

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
    of the real one, in [0, 1], measured on pictures it was not fitted to.
    """

    weight: Tensor  # (D, D)
    bias: Tensor  # (D,)
    error: float

    def pictures(self, texts: Tensor) -> Tensor:
        """Unit picture features (n, D) imagined of unit text features (n, D)."""
        return torch.nn.functional.normalize(texts @ self.weight.T + self.bias, dim=-1)


def fit_imagination(texts: Tensor, pictures: Tensor, error: float = 0.0) -> TextToPicture:
    """From pairs (n, D) each; the penalty of least leave-one-out error over all features."""
    from sklearn.linear_model import RidgeCV

    ridge = RidgeCV(PENALTIES, gcv_mode="svd").fit(texts.double().numpy(), pictures.double().numpy())
    weight, bias = (torch.from_numpy(v).float() for v in (ridge.coef_, ridge.intercept_))
    return TextToPicture(weight, bias, error)
