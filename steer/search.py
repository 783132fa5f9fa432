"""The search as ask and tell: which text is rendered with which seed next, and when to stop.

Three phases. Baseline: the unchanged prompt on all seeds. Rounds: a few rewrites, each on the
first ``draft_seeds`` seeds, the same for all rivals. Confirmation: the leading rewrites on the
remaining seeds, so that the winner is compared with the original at equal seeds.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from steer.config import ObjectiveConfig, SearchConfig
from steer.errors import ProposerBudgetSpent
from steer.guard import guard
from steer.objective import fidelity_floor, objective
from steer.protocols import Proposer
from steer.strategy.screen import Screen
from steer.types import Candidate, History, Rewrite, RewriteStats, State, SteerRequest, StopReason

OnProposed = Callable[[int, list[Rewrite], list[tuple[str, str]]], None]


class Search:
    """State of one run without any rendering; deterministic given what it is told.

    ``recorded``: rewrites by round from an earlier start of the same run; a recorded round is
    not proposed again. With ``screen`` more texts are asked for than are rendered, and the most promising are.
    """

    def __init__(
        self, request: SteerRequest, proposer: Proposer, config: SearchConfig, goal: ObjectiveConfig,
        recorded: dict[int, list[Rewrite]] | None = None, on_proposed: OnProposed | None = None,
        screen: Screen | None = None,
    ):  # fmt: skip
        self.request, self.proposer, self.config, self.goal = request, proposer, config, goal
        self.history, self.screen = History(), screen
        self.recorded = recorded or {}
        self.on_proposed = on_proposed or (lambda *_: None)
        self.stop: StopReason | None = None
        self.floor = 0.0
        rng = random.Random(request.seed)
        self.seeds = [rng.getrandbits(31) for _ in range(min(config.seeds, request.budget))]
        self.original = Rewrite(request.prompt)
        self.round = -1
        self._stale, self._best = 0, -math.inf
        self._confirming = False
        self._why: StopReason | None = None  # set when rounds end before the budget

    def left(self) -> int:
        """Pictures the budget still allows."""
        return self.request.budget - len(self.history.candidates)

    def ask(self) -> list[Candidate]:
        """The next candidates to render and score; empty when the search is over."""
        if self.stop or self.left() <= 0:
            self.stop = self.stop or StopReason.BUDGET
            return []
        self.round += 1
        if self.round == 0:
            return self._candidates([(self.original, s) for s in self.seeds])
        drafts = self.seeds[: self.config.draft_seeds]
        n = self._affordable(len(drafts))
        if n > 0 and not self._confirming:
            rewrites = self._rewrites(n)
            if rewrites:
                return self._candidates([(r, s) for r in rewrites for s in drafts])
            self._confirming, self._why = True, self._why or StopReason.NO_PROPOSALS
        return self._confirm()

    def tell(self, candidates: list[Candidate]) -> None:
        """Take back the candidates of the last ``ask``, SCORED or FAILED."""
        self.history.candidates += candidates
        if self.round == 0:
            self.floor = fidelity_floor(candidates, self.goal)
        for c in candidates:
            if c.state is State.SCORED:
                c.objective = objective(c, self.floor, self.goal)
                if math.isnan(c.objective):
                    c.state, c.reason = State.FAILED, "the reward model gave no number"
        self._judge_progress()

    def winner(self) -> RewriteStats | None:
        """The best rewrite among those rendered on the most seeds."""
        ranked = self.history.ranked()
        if not ranked:
            return None
        most = max(len(s.objectives) for s in ranked)
        return next(s for s in ranked if len(s.objectives) == most)

    def best(self) -> Candidate | None:
        """The winner's best picture."""
        winner = self.winner()
        if winner is None:
            return None
        own = [c for c in self.history.scored() if c.rewrite.text == winner.rewrite.text]
        return max(own, key=lambda c: c.objective)

    def _affordable(self, drafts: int) -> int:
        """How many new rewrites leave enough to confirm the leaders, or else one leader."""
        known = len({c.rewrite.text for c in self.history.candidates}) - 1
        for leaders in range(self.config.confirm, -1, -1):
            for n in range(self.config.rewrites, 0, -1):
                if n * drafts + self._reserve(min(leaders, known + n)) <= self.left():
                    return n
            if self.left() <= self._reserve(min(self.config.confirm, known)):
                break  # what is left is just what the confirmation takes
        return 0

    def _reserve(self, leaders: int) -> int:
        """Pictures it takes to bring ``leaders`` texts to all seeds."""
        return leaders * max(0, len(self.seeds) - self.config.draft_seeds)

    def _rewrites(self, n: int) -> list[Rewrite]:
        if self.round in self.recorded:
            return self.recorded[self.round]
        try:
            asked = n
            if self.screen:  # a proposer that pays for its texts says how many are enough
                asked = max(n, min(n * self.config.screen, getattr(self.proposer, "most", n * self.config.screen)))
            proposed = self.proposer.propose(self.request, self.history, asked)
        except ProposerBudgetSpent:
            self._why = StopReason.PROPOSER_BUDGET
            return []
        good, dropped = guard(self.request.prompt, proposed, self.history.texts(), self.config.min_kept)
        if self.screen:
            good = self.screen.choose(good, self.history, n)
        self.on_proposed(self.round, good[:n], dropped)
        return good[:n]

    def _confirm(self) -> list[Candidate]:
        """The leaders on the seeds they have not seen; then the search is over."""
        self._confirming = True
        pairs: list[tuple[Rewrite, int]] = []
        for stats in self.history.ranked():
            missing = [s for s in self.seeds if s not in stats.seeds]
            if stats.rewrite.text != self.request.prompt and len(missing) <= self.left() - len(pairs):
                pairs += [(stats.rewrite, s) for s in missing]
            if len(pairs) >= self._reserve(self.config.confirm):
                break
        self.stop = self._why or StopReason.BUDGET
        return self._candidates(pairs)

    def _candidates(self, pairs: list[tuple[Rewrite, int]]) -> list[Candidate]:
        start = len(self.history.candidates)
        pairs = pairs[: self.left()]
        return [Candidate(start + i, self.round, r, s) for i, (r, s) in enumerate(pairs)]

    def _judge_progress(self) -> None:
        winner = self.history.ranked()[:1]
        top = winner[0].mean if winner else -math.inf
        self._stale = 0 if top > self._best + 1e-9 else self._stale + 1
        self._best = max(self._best, top)
        if self.config.target is not None and top >= self.config.target:
            self._confirming, self._why = True, StopReason.TARGET
        elif self._stale >= self.config.patience:
            self._confirming, self._why = True, StopReason.NO_IMPROVEMENT
