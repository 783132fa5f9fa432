"""Who is evaluated in the paper's protocol.

The numbers (Spearman, R2, intervals over people) are those of :mod:`reward_models.evaluation.statistics`; only the draw
of people has the authors' seed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import pandas as pd

from reward_models.base import RewardError
from reward_models.evaluation.statistics import rounded as interval  # noqa: F401  (read from here by layers.py)
from reward_models.evaluation.statistics import spearman as spearman

SEED = 42
SUPPORTS = {10: slice(0, 10), 100: slice(10, 110)}
HELD_OUT = slice(110, 160)


@dataclass(frozen=True)
class Drawn:
    """``people``: id to the rows of their ratings in the table, 160 each in the order of the supports; ``rest``: the
    other people's rows.
    """

    people: dict[str, pd.DataFrame]
    rest: pd.DataFrame


def draw(table: pd.DataFrame, people: int = 200) -> Drawn:
    """Those evaluated: people with at least 160 ratings, drawn and shuffled as the authors do. Raises RewardError where
    there are none.
    """
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
