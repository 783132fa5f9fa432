"""What everybody makes of a picture, which the members' own common answer is brought to.

    base(x) = h(x) + share * (c(x) - h(x)), and from there towards the others' mean where others rated the picture

h is the members' answer for nobody in particular, c a kernel ridge on picture means (:mod:`reward_models.taste.crowd`).
On real ratings a network's common answer is no better on new pictures than such a ridge, and often worse. A person's
answer is then base(x) + f(x, person) - f(x, nobody). Shapes: n pictures, P rated pictures, D features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reward_models.folder import check_shape, number
from reward_models.taste.crowd import Crowd
from reward_models.taste.folder import crowd_from, crowd_parts
from reward_models.taste.known import NONE, KnownPictures, PictureMeans

NO_FOLD = -1
DIGITS = 6  # answers are rounded to, so that they do not depend on what is asked beside them


@dataclass(frozen=True)
class Anchor:
    """``share`` in [0, 1] of the ``crowd``'s answer; ``pictures`` (P, D) that were rated and the ``means`` of their
    ratings; ``effect``: standard deviation of what the base misses of a picture; ``fold`` (P,): which member (in the
    order of training) did not see a picture, ``NO_FOLD`` for none.
    """

    crowd: Crowd
    share: float
    pictures: np.ndarray
    means: PictureMeans
    effect: float
    fold: np.ndarray

    @cached_property
    def _known(self) -> KnownPictures:
        return KnownPictures(self.pictures)

    def find(self, x: np.ndarray) -> np.ndarray:
        """Which rated picture each row (n, D) is, ``NONE`` for a new one, (n,)."""
        return self._known.find(x)

    def new(self, x: np.ndarray, head: np.ndarray) -> np.ndarray:
        """The base of pictures (n, D) as if nobody had rated them; ``head`` (n,): the members' common answer."""
        if not self.share:
            return head
        found: np.ndarray = head + self.share * (self.crowd(x) - head)
        return found

    def __call__(self, x: np.ndarray, head: np.ndarray) -> np.ndarray:
        """The base (n,) of pictures (n, D)."""
        base, at = self.new(x, head), self.find(x)
        known = at != NONE
        base = base.copy()
        base[known] = self.means.expected(base[known], at[known], self.effect)
        return base.round(DIGITS)


def anchor_parts(anchor: Anchor) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Settings and tensors of a reward's folder."""
    about, weights = crowd_parts(anchor.crowd)
    means = anchor.means
    about |= {"share": anchor.share, "effect": anchor.effect, "level": means.level, "noise": means.noise}
    weights |= {
        "pictures": torch.from_numpy(anchor.pictures).half(),
        "mean": torch.from_numpy(means.mean).float(),
        "count": torch.from_numpy(means.count.astype(np.float32)),
        "fold": torch.from_numpy(anchor.fold.astype(np.float32)),
    }
    return about, {f"anchor.{n}": w for n, w in weights.items()}


def anchor_from(saved: Mapping[str, Any], weights: Mapping[str, Tensor], wide: int) -> Anchor:
    """Raises ValueError or KeyError where something is missing or does not fit."""
    own = {n.removeprefix("anchor."): w for n, w in weights.items()}
    pictures = check_shape("anchor.pictures", own["pictures"], None, wide)
    mean, count, fold = (
        check_shape(f"anchor.{n}", own[n], len(pictures)).double().numpy() for n in ("mean", "count", "fold")
    )
    if not 0 <= (share := number(saved, "share")) <= 1:
        raise ValueError("'share' is not in [0, 1]")
    means = PictureMeans(mean, count.clip(min=0).round(), number(saved, "level"), number(saved, "noise"))
    crowd = crowd_from(saved, own, wide)
    return Anchor(crowd, share, pictures.double().numpy(), means, number(saved, "effect"), fold.round().astype(int))
