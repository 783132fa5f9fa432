"""From what a proposer writes to the few texts that are rendered: write, recombine, guard, screen.

What a slow proposer has written stays in the pool until it is rendered: it is never asked for a text twice.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from steer.protocols import Proposer
from steer.search.ahead import Ahead
from steer.search.belief import Prior
from steer.search.guard import Guard
from steer.search.recombination import recombine
from steer.search.screen import Screen
from steer.types import Candidate, Dropped, History, Rewrite, SteerRequest

OnWritten = Callable[[int, list[Rewrite]], None]
PARENTS = 8  # texts that are recombined: the best rendered, and as many of the most promising
VARIED = 3  # texts whose variations are looked at
GENERATIONS = 3  # of recombinations or of variations in a round


class Funnel:
    """``screen``: texts to be ranked for each one rendered, by ``ranks``; without it every usable text is rendered.

    ``written``: what the proposer wrote, by round, in an earlier start of the same run; it is not asked again.
    ``ahead``: the texts of the next round are asked for while this one is rendered, so without its rewards. ``prior``:
    what is believed of texts before a picture.
    """

    def __init__(
        self,
        request: SteerRequest,
        proposer: Proposer,
        guard: Guard,
        ranks: Screen | None = None,
        screen: int = 1,
        ahead: bool = False,
        written: Mapping[int, list[Rewrite]] | None = None,
        on_written: OnWritten | None = None,
        prior: Prior | None = None,
    ):
        self.prior = prior or Prior(request.prompt)
        self.request, self.proposer, self.guard, self.ranks, self.screen = request, proposer, guard, ranks, screen
        self.written, self.on_written = dict(written or {}), on_written or (lambda *_: None)
        self._ahead = Ahead() if ahead else None
        self._pool: list[Rewrite] = []

    def texts(self, round_: int, history: History, n: int) -> tuple[list[Rewrite], list[Dropped]]:
        """Up to ``n`` rewrites for a round, and what was written for it and dropped.

        Raises ProposerError and ProposerBudgetSpent of the proposer.
        """
        tried = self._tried(history)
        pool, dropped = self._pooled(self._write(round_, history, n), tried)
        if self.ranks is None:
            return pool[:n], dropped
        return self.ranks.choose([*pool, *self._children(round_, history, pool, n, tried)], history, n), dropped

    def recall(self, round_: int, history: History) -> None:
        """A round of an earlier start, whose texts are known already: what it left in the pool is there again."""
        if self.proposer.slow and round_ in self.written:
            self._pooled(self.written[round_], self._tried(history))

    def _tried(self, history: History) -> list[str]:
        return [self.request.prompt, *dict.fromkeys(c.rewrite.text for c in history.candidates)]

    def _pooled(self, fresh: list[Rewrite], tried: Sequence[str]) -> tuple[list[Rewrite], list[Dropped]]:
        """All usable texts that were not rendered yet, and what of ``fresh`` is not usable."""
        good, dropped = self.guard.check(fresh, [*tried, *(r.text for r in self._pool)])
        pool = [r for r in self._pool if r.text not in tried] + good
        if self.proposer.slow:
            self._pool = pool
        return pool, dropped

    def imagined(self, most: int) -> list[str]:
        """The texts whose pictures promise most so far, by the screen; none without one."""
        return self.ranks.promising(most) if self.ranks else []

    def look_ahead(self, round_: int, history: History, pending: Sequence[Candidate], n: int) -> None:
        """Have the texts of a coming round written while ``pending`` is rendered."""
        if self._ahead is None or n < 1 or round_ in self.written:
            return
        known = History(
            [*history.candidates, *(Candidate(c.index, c.round, c.rewrite, c.seed, tier=c.tier) for c in pending)],
            history.critique,
            history.wishes,
        )
        self._ahead.start(round_, lambda: self._ask(round_, known, n))

    def _write(self, round_: int, history: History, n: int) -> list[Rewrite]:
        if round_ in self.written:
            return self.written[round_]
        if self._ahead and self._ahead.has(round_):
            return self._ahead.take(round_)
        return self._ask(round_, history, n)

    def _ask(self, round_: int, history: History, n: int) -> list[Rewrite]:
        many = n * self.screen if self.ranks else n
        most = many if self.proposer.most is None else self.proposer.most
        texts = self.proposer.propose(self.request, history, max(n, min(many, most)))
        if self.proposer.slow:
            self.on_written(round_, texts)
        return texts

    def _children(
        self, round_: int, history: History, pool: list[Rewrite], n: int, tried: Sequence[str]
    ) -> list[Rewrite]:
        """Recombinations, as many as the screen could still rank; each generation of the most promising so far. Of a
        proposer that can vary a text, variations.
        """
        if self.ranks is None:
            return []
        if not self.proposer.slow:
            return self._variations(self.ranks, history, pool, tried)
        room = (n * self.screen - len(pool)) // GENERATIONS
        if room < 1:
            return []
        rng = random.Random(f"{self.request.seed}/{round_}/{self.request.prompt}")
        rendered = [s.rewrite for s in history.ranked() if s.rewrite.text != self.request.prompt][:PARENTS]
        children: list[Rewrite] = []
        for _ in range(GENERATIONS):
            living = [*pool, *children]
            parents = [*rendered, *self.ranks.choose(living, history, PARENTS)]
            born = recombine(self.request.prompt, parents, room, rng, self.proposer.compose)
            children += self.guard.check(born, [*tried, *(r.text for r in living)])[0]
        return children

    def _variations(self, ranks: Screen, history: History, pool: list[Rewrite], tried: Sequence[str]) -> list[Rewrite]:
        """Texts one phrase away from the most promising ones, and from those of them that are better still."""
        found: list[Rewrite] = []
        varied: set[str] = set()
        rendered = [s.rewrite for s in history.ranked()[:PARENTS]]
        for _ in range(GENERATIONS):
            parents = [r for r in ranks.leading([*rendered, *pool, *found], history, VARIED) if r.text not in varied]
            near = [v for r in parents for v in self.proposer.variations(self.request.prompt, r)]
            varied |= {r.text for r in parents}
            living = [*tried, *(r.text for r in (*pool, *found))]
            if not (new := self.guard.check(near, living)[0]):
                break
            found += new
        return found
