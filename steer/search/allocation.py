"""How the pictures of a budget are shared out: one for each new text, more for the promising, all seeds for the
leaders.
"""

from __future__ import annotations

from collections.abc import Sequence

from steer.types import History, Rewrite

PICTURES_A_SEED = 8  # a seed more for the comparison of leaders needs so many pictures of budget more


def seed_count(wanted: int, budget: int) -> int:
    """Seeds on which leaders and original are compared: fewer than ``wanted`` where the budget is small.

    >>> [seed_count(4, budget) for budget in (1, 8, 16, 48)]
    [1, 1, 2, 4]
    """
    return max(1, min(wanted, budget // PICTURES_A_SEED))


def second_looks(history: History, seeds: Sequence[int], most: int, prompt: str) -> list[tuple[Rewrite, int]]:
    """The next seed for up to ``most`` texts that were seen less often than others and still look better than all of
    these.

    The rule of successive halving (Jamieson and Talwalkar 2016), asynchronous as new texts keep coming: a lucky picture
    costs one more, a bad one nothing.
    """
    stats = history.ranked()
    looks = []
    for s in stats:
        surer = [o.mean for o in stats if len(o.objectives) > len(s.objectives)]
        left = [seed for seed in seeds if seed not in s.seeds]
        if left and surer and s.mean > max(surer) and s.rewrite.text != prompt:
            looks.append((s.rewrite, left[0]))
    return looks[:most]
