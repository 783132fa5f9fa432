"""How the pictures of a budget are shared out: one for each new text, more for the promising, all seeds for the
leaders.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from steer.search.belief import Belief
from steer.types import Rewrite

PICTURES_A_SEED = 8  # a seed more for the comparison of leaders needs so many pictures of budget more


def seed_count(wanted: int, budget: int) -> int:
    """Seeds on which leaders and original are compared: fewer than ``wanted`` where the budget is small.

    >>> [seed_count(4, budget) for budget in (1, 8, 16, 48)]
    [1, 1, 2, 4]
    """
    return max(1, min(wanted, budget // PICTURES_A_SEED))


def second_looks(
    belief: Belief, rewrites: Sequence[Rewrite], seeds: Sequence[int], most: int, prompt: str
) -> list[tuple[Rewrite, int]]:
    """The next seed for up to ``most`` texts of which one picture more is expected to gain more than the least
    promising of the new ``rewrites``: a lucky picture costs one more, a bad one nothing.
    """
    left = {s.rewrite.text: [seed for seed in seeds if seed not in s.seeds] for s in belief.seen}
    texts = [s.rewrite for s in belief.seen if left[s.rewrite.text] and s.rewrite.text != prompt]
    if not texts or not rewrites:
        return []
    gains, bar = belief.gains(texts), float(belief.gains(rewrites).min())
    order = [i for i in np.argsort(-gains, kind="stable") if gains[i] > bar][:most]
    return [(texts[i], left[texts[i].text][0]) for i in order]
