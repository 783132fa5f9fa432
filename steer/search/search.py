"""The search as ask and tell: which text is rendered with which seed next, and when to stop.

Three phases. Baseline: the unchanged prompt on its first seeds, and beside it the text that a request starts from.
Rounds: a few rewrites, each on the first ``draft_seeds`` seeds, the same for all rivals, and the next seed for earlier
ones that promise to be the best.
Confirmation: the original and the leading rewrites on the remaining seeds, so that they are compared at equal seeds.
With ``drafts`` the first two phases draw drafts, and the confirmation all its pictures in full.

What is drawn, which picture wins and when the rest of the budget is not worth drawing follow from what the run believes
of its texts and pictures: :mod:`steer.search.belief`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping

from steer.config import ObjectiveConfig, SearchConfig
from steer.errors import ProposerBudgetSpent
from steer.search.allocation import second_looks, seed_count
from steer.search.belief import Belief, Prior, counting
from steer.search.funnel import Funnel
from steer.search.guard import explain
from steer.search.objective import fidelity_floor, objective
from steer.types import Candidate, Dropped, History, Rewrite, RewriteStats, State, SteerRequest, StopReason

AHEAD = 20  # pictures for which a run says what they would add

OnProposed = Callable[[int, list[Rewrite], list[Dropped]], None]


class Search:
    """State of one run without any rendering; deterministic given what it is told.

    ``funnel`` gives the texts of a round. ``recorded``: those of an earlier start of the same run, by round, and
    ``dropped`` what the guard held back; a recorded round is not proposed again. ``because``: more about why rounds
    ended, "" where ``stop`` says it all.
    """

    def __init__(
        self,
        request: SteerRequest,
        funnel: Funnel,
        config: SearchConfig,
        goal: ObjectiveConfig,
        recorded: dict[int, list[Rewrite]] | None = None,
        on_proposed: OnProposed | None = None,
        drafts: bool = False,
        dropped: dict[int, list[Dropped]] | None = None,
    ):
        self.request, self.funnel, self.config, self.goal = request, funnel, config, goal
        self.history, self.drafts = History(), drafts
        self.prior = funnel.prior if funnel else Prior(request.prompt)
        if config.learns:  # a resumed run would imagine for the person as known since; scores are kept, round by round
            self.prior = Prior(request.prompt, self.prior.space, earlier=self.prior.earlier)
        self.recorded, self.dropped, self.because = recorded or {}, dict(dropped or {}), ""
        self.on_proposed = on_proposed or (lambda *_: None)
        self.stop: StopReason | None = None
        self._floor = 0.0
        rng = random.Random(request.seed)
        self._every_seed = [rng.getrandbits(31) for _ in range(config.seeds if config.rewrite else request.budget)]
        if request.start:  # its picture first, as it was
            seeds = dict.fromkeys([request.start.seed, *self._every_seed])
            self._every_seed = list(seeds)[: len(self._every_seed)]
        self.seeds = self._every_seed[: seed_count(config.seeds, request.budget) if config.rewrite else None]
        self.original = Rewrite(request.prompt)
        self._first = [self.original]  # the texts of round 0
        if request.start and request.start.text != request.prompt:
            self._first.append(Rewrite(request.start.text, dict(request.start.changes), "where the run starts"))
        # what is drawn in full besides the original is all that can win after drafts, so it is never one text alone
        self._confirmed = max(2, config.confirm) if drafts and config.confirm else config.confirm
        self.round = -1
        self._stale, self._best = 0, -math.inf
        self._confirming = not config.rewrite
        self._why: StopReason | None = None  # set when rounds end before the budget
        self._barred: set[str] = set()  # texts that cannot win

    def left(self) -> int:
        """Pictures the budget still allows."""
        return self.request.budget - len(self.history.candidates)

    @property
    def goes_on(self) -> bool:
        """Whether texts may still be written: rounds have not ended, and the budget is not spent."""
        return self.stop is None and not self._confirming and self.left() > 0

    def ask(self) -> list[Candidate]:
        """The next candidates to render and score; empty when the search is over."""
        if self.stop or self.left() <= 0:
            self.stop = self.stop or StopReason.BUDGET
            return []
        self.round += 1
        if self.round == 0:
            return self._begun([(r, s) for s in self.seeds[: self.config.original_seeds] for r in self._first])
        if not self._confirming and (n := self._affordable(self.left()) or self._spare()):
            if rewrites := self._rewrites(n):
                if self.round > 1 and self._sated(rewrites):
                    return self._confirm()
                room = max(0, self.left() - self._cost(n, self._confirmed))
                most = min(self.config.second_looks, room)
                looks = second_looks(self.belief(), rewrites, self.seeds, most, self.request.prompt)
                drafts = self.seeds[: self.config.draft_seeds]
                return self._begun([*looks, *((r, s) for r in rewrites for s in drafts)])
            self._nothing_usable()
        return self._confirm()

    def tell(self, candidates: list[Candidate]) -> None:
        """Take back the candidates of the last ``ask``, SCORED or FAILED."""
        self.history.candidates += candidates
        first = self.round == 0
        if first or (self.drafts and self._confirming):  # a draft shows less of its prompt than a picture in full
            own = [c for c in candidates if c.rewrite.text == self.request.prompt and (first or c.tier == "full")]
            self._floor = fidelity_floor(own, self.goal, self.config.limits.fidelity_floor) if own else self._floor
        for c in candidates:
            if c.state is State.SCORED:
                c.objective = self.objective_of(c)
                if math.isnan(c.objective):
                    c.state, c.reason = State.FAILED, "the reward model gave no number"
        self._judge_progress()

    def end(self, why: StopReason) -> None:
        """Over at once: the time is up, or somebody interrupted."""
        self.stop = why

    def bar(self, texts: set[str]) -> None:
        """These texts cannot win, as a second judge says."""
        self._barred |= texts

    def advise(self, critique: str, wishes: Mapping[str, float] | None = None) -> None:
        """What a critic would change in the leading picture, in words and by phrase of the lexicon; the proposer reads
        it in the history.
        """
        self.history.critique, self.history.wishes = critique, dict(wishes or {})

    def weigh_again(self) -> None:
        """The objective of every scored candidate anew: their scores have changed, as the person is known better."""
        for prior in [self.prior, *([self.funnel.prior] if self.funnel else [])]:
            prior.forget()
        for candidate in self.history.scored():
            candidate.objective = self.objective_of(candidate)

    def objective_of(self, candidate: Candidate) -> float:
        """The objective of a candidate's scores; NaN where a part of them is.

        The prompt itself cannot leave the prompt, so its pictures pay no penalty for their fidelity.
        """
        floor = -math.inf if candidate.rewrite.text == self.request.prompt else self._floor
        return objective(candidate, floor, self.goal)

    def end_rounds(self, why: StopReason) -> None:
        """Nothing new from here on: original and leaders are confirmed, then it is over."""
        self._confirming, self._why = True, self._why or why

    def belief(self) -> Belief:
        """What the run believes now."""
        return self.prior.after(self.history)

    def winner(self) -> RewriteStats | None:
        """The text of :meth:`best`."""
        best = self.best()
        return next((s for s in self.history.stats() if best and s.rewrite.text == best.rewrite.text), None)

    def best(self) -> Candidate | None:
        """The picture that is believed to be worth most; one of the prompt that does not show it is no choice."""
        values = self._values()
        return max(values, key=lambda pair: pair[1])[0] if values else None

    def expected(self) -> float:
        """What the best picture is believed to be worth, which its being chosen for its score is allowed for; NaN
        before the first.
        """
        return max((value for _, value in self._values()), default=math.nan)

    def _values(self) -> list[tuple[Candidate, float]]:
        """Every picture that can win, and what it is believed to be worth."""
        open_ = [c for c in counting(self.history) if c.rewrite.text not in self._barred]
        worth = self.belief().pictures(open_)
        paid = [objective(c, self._floor, self.goal) - c.objective for c in open_]  # by pictures of the prompt alone
        return [(c, float(w) + (p if p < 0 else 0.0)) for c, w, p in zip(open_, worth, paid, strict=True)]

    def _sated(self, rewrites: list[Rewrite]) -> bool:
        """Whether drawing more is not worth it; then it is said what more would add."""
        promise = self.belief().promise(rewrites, AHEAD)
        if promise >= self.config.worth * AHEAD:
            return False
        self.because = f"{AHEAD} pictures more would add about {promise:.3f}"
        self._why = StopReason.WORTH
        return True

    def _affordable(self, left: int) -> int:
        """How many new rewrites leave enough of ``left`` pictures to confirm the leaders, or else one leader."""
        for leaders in range(self._confirmed, -1, -1):
            for n in range(self.config.rewrites, 0, -1):
                if self._cost(n, leaders) <= left:
                    return n
            if left <= self._cost(0, self._confirmed):
                break  # what is left is just what the confirmation takes
        return 0

    def _spare(self) -> int:
        """New rewrites out of what the confirmation of the present leaders does not take: they had second looks
        already.
        """
        left = self.left() - len(self._missing(self.seeds))
        return max(0, min(left // min(self.config.draft_seeds, len(self.seeds)), self.config.rewrites))

    def _cost(self, n: int, leaders: int) -> int:
        """Pictures of ``n`` new rewrites, and then of original and leaders on all seeds."""
        missing = len(self.seeds) if self.drafts else max(0, len(self.seeds) - self.config.draft_seeds)
        known = len({c.rewrite.text for c in self.history.candidates}) - 1
        original = len(self.seeds) if self.drafts else max(0, len(self.seeds) - self.config.original_seeds)
        return n * min(self.config.draft_seeds, len(self.seeds)) + original + min(leaders, known + n) * missing

    def _rewrites(self, n: int) -> list[Rewrite]:
        if self.round in self.recorded:
            self.funnel.recall(self.round, self.history)
            return self.recorded[self.round]
        try:
            good, dropped = self.funnel.texts(self.round, self.history, n)
        except ProposerBudgetSpent:
            self._why = StopReason.PROPOSER_BUDGET
            return []
        self.dropped[self.round] = dropped
        self.on_proposed(self.round, good, dropped)
        return good

    def _nothing_usable(self) -> None:
        """A round without texts ends the rounds: nothing new was written, or the guard held all of it back."""
        if self._why is None:
            self.because = explain(self.request.prompt, self.dropped.get(self.round, []))
            self._why = StopReason.GUARD if self.because else StopReason.NO_PROPOSALS

    def _confirm(self) -> list[Candidate]:
        """Original and leaders on the seeds they have not seen; then the search is over. What rounds left unspent buys
        seeds.
        """
        self._confirming = True
        self.stop = self._why or StopReason.BUDGET
        for many in range(len(self._every_seed), len(self.seeds), -1):
            if len(pairs := self._missing(self._every_seed[:many])) <= self.left():
                self.seeds = self._every_seed[:many]
                return self._candidates(pairs, "full")
        return self._candidates(self._missing(self.seeds, self.left()), "full")

    def _missing(self, seeds: list[int], most: float = math.inf) -> list[tuple[Rewrite, int]]:
        """What original and leaders have not seen of ``seeds``; a leader that would need more than ``most`` is passed
        over.
        """
        pairs = [(self.original, s) for s in seeds if s not in self._seen(self.request.prompt)]
        leaders = 0
        for stats in self._leaders():
            missing = [s for s in seeds if s not in self._seen(stats.rewrite.text)]
            if leaders == self._confirmed or stats.rewrite.text in (self.request.prompt, *self._barred):
                continue
            if len(pairs) + len(missing) <= most:
                pairs += [(stats.rewrite, s) for s in missing]
                leaders += 1
        return pairs

    def _leaders(self) -> list[RewriteStats]:
        """All texts, those of the most promising pictures first."""
        worth: dict[str, float] = {}
        for candidate, value in self._values():
            worth[candidate.rewrite.text] = max(value, worth.get(candidate.rewrite.text, -math.inf))
        return sorted(self.history.ranked(), key=lambda s: -worth.get(s.rewrite.text, -math.inf))

    def _seen(self, text: str) -> set[int]:
        """Seeds that a text was tried on in full."""
        tried = (c for c in self.history.candidates if c.state in (State.SCORED, State.FAILED) and c.tier == "full")
        return {c.seed for c in tried if c.rewrite.text == text}

    def _begun(self, pairs: list[tuple[Rewrite, int]]) -> list[Candidate]:
        """The candidates of a round; the texts of the next one may be written meanwhile."""
        candidates = self._candidates(pairs)
        if not self._confirming and (n := self._affordable(self.left() - len(candidates))):
            self.funnel.look_ahead(self.round + 1, self.history, candidates, n)
        return candidates

    def _candidates(self, pairs: list[tuple[Rewrite, int]], tier: str = "") -> list[Candidate]:
        start, tier = len(self.history.candidates), tier or ("draft" if self.drafts else "full")
        pairs = pairs[: self.left()]
        return [Candidate(start + i, self.round, r, s, tier=tier) for i, (r, s) in enumerate(pairs)]

    def _judge_progress(self) -> None:
        winner = self.history.ranked()[:1]
        top = winner[0].mean if winner else -math.inf
        self._stale = 0 if top > self._best + 1e-9 else self._stale + 1
        self._best = max(self._best, top)
        if self.config.target is not None and top >= self.config.target:
            self._confirming, self._why = True, StopReason.TARGET
        elif self._stale >= self.config.patience:
            self._confirming, self._why = True, StopReason.NO_IMPROVEMENT
