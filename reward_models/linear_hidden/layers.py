"""Which layer: the curve, the choice by inner cross-validation, and two layers beside each other.

Shapes: P pictures, D features of a pool.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from reward_models.base import RewardError
from reward_models.linear_hidden.drawn import HELD_OUT, Drawn, interval, spearman
from reward_models.taste.ridge import Ridge

MOST = 100  # ratings of a person that take part in choosing a layer for everybody


def by_layer(name: str) -> tuple[str, int]:
    """``LT_15`` as its source and number, for sorting."""
    source, _, layer = name.partition("_")
    return source, int(layer)


def choose_layer(
    train: pd.DataFrame, pools: Mapping[str, np.ndarray], rows: Mapping[str, int], alphas: str
) -> dict[str, float]:
    """Mean leave-one-out error of everybody's own ridge by pool (P, D), the best pool first: inner cross-validation, as
    no held-out rating is looked at. Raises RewardError where nobody has 2 ratings.
    """
    errors: dict[str, list[float]] = {p: [] for p in pools}
    for _, own in train.groupby("person", sort=True):
        own = own.iloc[:MOST]
        if len(own) < 2:
            continue
        at, y = [rows[p] for p in own["picture"]], own["score"].to_numpy(float)
        for pool, features in pools.items():
            errors[pool].append(float(Ridge(features[at], y, alphas).errors.min()))
    if not all(errors.values()):
        raise RewardError("nobody has 2 ratings for training; name a layer instead of leaving it to be found")
    return dict(sorted(((p, float(np.mean(e))) for p, e in errors.items()), key=lambda kv: kv[1]))


def inner_choice(
    drawn: Drawn, pools: Mapping[str, np.ndarray], rows: Mapping[str, int], support: slice, alphas: str
) -> dict[str, Any]:
    """Spearman when each person's LT layer is chosen by leave-one-out on their own support, and how often which was."""
    layers = sorted((p for p in pools if p.startswith("LT_")), key=by_layer)
    found, chosen = [], Counter[str]()
    for own in drawn.people.values():
        at, y = np.array([rows[p] for p in own["picture"]]), own["score"].to_numpy(float)
        ridges = {p: Ridge(pools[p][at[support]], y[support], alphas) for p in layers}
        best = min(layers, key=lambda p: float(ridges[p].errors.min()))
        chosen[best] += 1
        found.append(spearman(ridges[best](pools[best][at[HELD_OUT]]), y[HELD_OUT]))
    return {"spearman": interval(np.array(found)), "chosen": {p: chosen[p] for p in layers if chosen[p]}}


def pair_grid(
    drawn: Drawn, pools: Mapping[str, np.ndarray], rows: Mapping[str, int], support: slice, alphas: str, step: int
) -> dict[str, dict[str, Any]]:
    """Any two pools, or one with itself alone, whose layers are multiples of ``step`` (the paper's figure: 5):
    Spearman, and the mean leave-one-out error by which one may choose.
    """
    names = [p for p in sorted(pools, key=by_layer) if by_layer(p)[1] % step == 0]
    found: dict[str, dict[str, Any]] = {}
    for a, b in itertools.combinations_with_replacement(names, 2):
        features = pools[a] if a == b else np.hstack([pools[a], pools[b]])
        scores, errors = [], []
        for own in drawn.people.values():
            at, y = np.array([rows[p] for p in own["picture"]]), own["score"].to_numpy(float)
            ridge = Ridge(features[at[support]], y[support], alphas)
            scores.append(spearman(ridge(features[at[HELD_OUT]]), y[HELD_OUT]))
            errors.append(float(ridge.errors.min()))
        found[f"{a} + {b}"] = {"spearman": interval(np.array(scores)), "inner": round(float(np.mean(errors)), 5)}
    return found
