"""A crowd and a prior of taste as tensors and settings of a reward's folder. Shapes: D features, L landmarks, F
directions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reward_models.folder import check_shape, number
from reward_models.taste.crowd import Crowd
from reward_models.taste.prior import Amount, TastePrior
from reward_models.taste.scale import Scale


def crowd_parts(crowd: Crowd) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Settings and tensors."""
    about = {"crowd_offset": crowd.offset, "crowd_width": crowd.width, "crowd_r2": round(crowd.r2, 4)}
    return about, {
        "crowd.centre": _single(crowd.scale.centre),
        "crowd.factor": _single(crowd.scale.factor),
        "crowd.landmarks": _single(crowd.landmarks),
        "crowd.dual": _single(crowd.dual),
    }


def crowd_from(saved: Mapping[str, Any], weights: Mapping[str, Tensor], wide: int) -> Crowd:
    """Raises ValueError or KeyError where something is missing or does not fit."""
    landmarks = check_shape("crowd.landmarks", weights["crowd.landmarks"], None, wide)
    check_shape("crowd.dual", weights["crowd.dual"], len(landmarks))
    width = None if saved["crowd_width"] is None else number(saved, "crowd_width")
    if width is not None and width <= 0:
        raise ValueError("'crowd_width' is not above 0")
    return Crowd(
        _scale("crowd", weights, wide),
        _double(landmarks),
        _double(weights["crowd.dual"]),
        number(saved, "crowd_offset"),
        width,
        number(saved, "crowd_r2"),
    )


def prior_parts(prior: TastePrior) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Settings and tensors."""
    amounts = [[a.ratings, a.strength, round(a.noise, 4)] for a in prior.amounts]
    return {"taste_amounts": amounts, "taste_rated": round(prior.rated, 4)}, {
        "taste.centre": _single(prior.scale.centre),
        "taste.factor": _single(prior.scale.factor),
        "taste.directions": _single(prior.directions),
    }


def prior_from(saved: Mapping[str, Any], weights: Mapping[str, Tensor], wide: int) -> TastePrior:
    """Raises ValueError or KeyError where something is missing or does not fit."""
    directions = check_shape("taste.directions", weights["taste.directions"], None, wide)
    amounts = []
    for each in saved["taste_amounts"]:
        ratings, strength, noise = (float(v) for v in each)
        if not (0 <= strength < 1e6 and 0 < noise < 10):
            raise ValueError("'taste_amounts' are not strengths and noises")
        amounts.append(Amount(int(ratings), strength, noise))
    if not amounts or [a.ratings for a in amounts] != sorted(a.ratings for a in amounts):
        raise ValueError("'taste_amounts' do not rise")
    return TastePrior(_scale("taste", weights, wide), _double(directions), tuple(amounts), number(saved, "taste_rated"))


def _scale(name: str, weights: Mapping[str, Tensor], wide: int) -> Scale:
    parts = (check_shape(f"{name}.{n}", weights[f"{name}.{n}"], wide) for n in ("centre", "factor"))
    return Scale(*(_double(p) for p in parts))


def _single(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def _double(values: Tensor) -> np.ndarray:
    found: np.ndarray = values.double().numpy()
    return found
