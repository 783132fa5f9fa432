"""Who is evaluated in the paper's protocol, and by what numbers.

A Spearman that is undefined, of a constant prediction or constant ratings, counts as 0: a predictor that says nothing must not look better for it. R2 is
1 - squared error / variance of the held-out ratings. Intervals: 95 % bootstrap over people.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reward_models.base import RewardError

SEED = 42
SUPPORTS = {10: slice(0, 10), 100: slice(10, 110)}
HELD_OUT = slice(110, 160)


@dataclass(frozen=True)
class Drawn:
    """``people``: id to the rows of their ratings in the table, 160 each in the order of the supports; ``rest``: the other people's rows."""

    people: dict[str, pd.DataFrame]
    rest: pd.DataFrame


def draw(table: pd.DataFrame, people: int = 200) -> Drawn:
    """Those evaluated: people with at least 160 ratings, drawn and shuffled as the authors do. Raises RewardError where there are none."""
    counts = table.groupby("person", sort=False)["picture"].count()
    able = [str(p) for p in counts.index if counts[p] >= HELD_OUT.stop]
    if not able:
        raise RewardError(f"nobody has {HELD_OUT.stop} ratings; the protocol needs as many")
    chosen = random.Random(SEED).sample(able, min(people, len(able)))
    groups = {str(p): g for p, g in table.groupby("person", sort=False)}
    shuffled = {
        p: groups[p].sample(frac=1, random_state=SEED).drop_duplicates("picture").iloc[: HELD_OUT.stop] for p in chosen
    }
    return Drawn(shuffled, table[~table["person"].astype(str).isin(chosen)])


def spearman(predicted: np.ndarray, rated: np.ndarray) -> float:
    """Rank correlation; 0 where it is undefined."""
    from scipy.stats import rankdata

    a, b = rankdata(predicted), rankdata(rated)
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def r2(predicted: np.ndarray, rated: np.ndarray) -> float:
    """Coefficient of determination; NaN for constant ratings."""
    spread = ((rated - rated.mean()) ** 2).sum()
    return float(1 - ((rated - predicted) ** 2).sum() / spread) if spread else float("nan")


def interval(values: np.ndarray, times: int = 2000) -> tuple[float, float, float]:
    """Mean and 95 % percentile bootstrap interval over people; NaN people are left out."""
    values = values[~np.isnan(values)]
    drawn = np.random.default_rng(SEED).integers(0, len(values), (times, len(values)))
    low, high = np.percentile(values[drawn].mean(1), [2.5, 97.5])
    return round(float(values.mean()), 4), round(float(low), 4), round(float(high), 4)
