"""Which pictures are stopped early: those whose preview says that they can no longer matter."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace

from PIL import Image

from steer.judging.judge import Judge
from steer.search.search import Search
from steer.types import Candidate, State

LEARNED = 6  # pictures seen both early and whole before any is stopped
SURE = 2.0  # standard deviations of what a picture gains between its preview and its end


class EarlyStop:
    """Stops the first picture of a new text when even ``SURE`` deviations above what its preview promises it would not
    be among the leaders. What is to be expected between preview and end is learnt from the run's own pictures.
    """

    def __init__(self, search: Search, judge: Judge):
        self.search, self.judge = search, judge

    def watches(self, candidate: Candidate) -> bool:
        """Whether this picture may be stopped: original, second looks and confirmation are drawn to their end."""
        return candidate.round > 0 and candidate.rewrite.text not in self.search.history.texts()

    def goes_on(self, candidate: Candidate, preview: Image.Image) -> bool:
        """Notes the preview's objective in the candidate."""
        twin = replace(candidate)
        twin.take(self.judge.score([preview], self.search.request.prompt), 0)
        candidate.early = round(self.search.objective_of(twin), 6)
        return math.isnan(candidate.early) or candidate.early + self._upward() >= self._leading()

    def _upward(self) -> float:
        """What a preview may still gain."""
        done = [c for c in self.search.history.scored() if c.tier == "full" and not math.isnan(c.early)]
        gains = [c.objective - c.early for c in done if c.state is State.SCORED]
        if len(gains) < LEARNED:
            return math.inf
        return statistics.fmean(gains) + SURE * statistics.stdev(gains)

    def _leading(self) -> float:
        """The mean that a text needs to be looked at again or confirmed."""
        places = self.search.config.confirm + self.search.config.second_looks
        means = [s.mean for s in self.search.history.ranked()]
        return means[places - 1] if 0 < places <= len(means) else -math.inf
