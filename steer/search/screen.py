"""Many cheap texts in, the few worth a picture out: what the reward imagines, corrected by what was really seen.

So the first round already leans on the person's taste, and every rendered picture corrects the texts like it; see
:mod:`steer.search.belief`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steer.search.belief import Prior
from steer.types import History, Rewrite


@dataclass
class Screen:
    """``prior``: what is believed of texts before a picture."""

    prior: Prior

    def choose(self, rewrites: Sequence[Rewrite], history: History, n: int) -> list[Rewrite]:
        """The n of whose pictures most is expected, the most promising first."""
        if len(rewrites) <= n:
            return list(rewrites)
        return [rewrites[row] for row in self.prior.after(history).choose(rewrites, n)]

    def leading(self, rewrites: Sequence[Rewrite], history: History, n: int) -> list[Rewrite]:
        """The n of highest mean, the best first: what is worth varying."""
        if len(rewrites) <= 1:
            return list(rewrites)
        mean, _ = self.prior.after(history).texts(rewrites)
        return [rewrites[row] for row in np.argsort(-mean, kind="stable")[:n]]

    def promising(self, most: int) -> list[str]:
        """The texts of highest imagined worth, of all that were ranked."""
        return self.prior.promising(most)
