"""Search without an LLM: learns which phrases help this user, and combines, drops and swaps them.

Rewards are modelled as a sum of one effect per phrase (saying nothing of a kind is one of its phrases) and one per pair
of phrases: a Gaussian process, see :mod:`steer.search.belief`. Asked for few texts, the proposer gives those of which a
picture is expected to gain most. Asked for many, which a screen will rank, it samples the posterior of the single
phrases: each rewrite is the best combination under one draw (Thompson 1933), so that uncertain phrases are tried and
bad ones dropped.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from steer.config import LexicalConfig
from steer.config.strength import STRENGTHS, StrengthName
from steer.lexicon import Group, Lexicon
from steer.protocols import Proposer
from steer.search.belief import Belief, Prior, said_of
from steer.search.regression import PRIOR_STD, posterior
from steer.types import History, Remembered, Rewrite, SteerRequest

FEW = 24  # texts, up to which each is chosen for what it is expected to gain
POOL = 384  # combinations that are looked at for them
VARIED = 4  # good texts, every variation of which is looked at too


class LexicalProposer(Proposer):
    """Proposes ``prompt`` plus phrases of a :class:`Lexicon`."""

    reads_wishes = True

    def __init__(self, lexicon: Lexicon):
        self.lexicon = lexicon
        self.name = f"lexical search, lexicon '{lexicon.name}'"

    @classmethod
    def from_name(cls, name: str) -> LexicalProposer:
        """With the lexicon of a name or path."""
        return cls(Lexicon.load(name))

    def compose(self, prompt: str, changes: Mapping[str, str]) -> str:
        """The text of a prompt with phrases of the lexicon."""
        return self.lexicon.compose(prompt, changes)

    def fingerprint(self) -> str:
        """Of the words, which may be edited under one name."""
        return hashlib.sha256(repr(self.lexicon).encode()).hexdigest()[:16]

    def propose(self, request: SteerRequest, history: History, n: int) -> list[Rewrite]:
        """Up to ``n`` untried combinations; the same history gives the same rewrites. None where the prompt itself
        speaks of everything that could be added.
        """
        if not (groups := self.lexicon.open_groups(request.prompt)):
            return []
        key = f"{request.prompt}\0{len(history.candidates)}".encode()
        rng = np.random.default_rng([request.seed, zlib.crc32(key)])
        if n <= FEW and not history.wishes:
            return self._promising(request, groups, history, n, rng)
        return self._drawn(request, groups, history, n, rng)

    def variations(self, prompt: str, rewrite: Rewrite) -> list[Rewrite]:
        """Every text with one phrase of a kind set, swapped or dropped."""
        found = []
        for group in self.lexicon.open_groups(prompt):
            others = {k: v for k, v in rewrite.changes.items() if k != group.name}
            for phrase in ("", *group.phrases):
                if phrase != rewrite.changes.get(group.name, ""):
                    changes = others | ({group.name: phrase} if phrase else {})
                    found.append(Rewrite(self.lexicon.compose(prompt, changes), changes))
        return found

    def _promising(
        self, request: SteerRequest, groups: Sequence[Group], history: History, n: int, rng: np.random.Generator
    ) -> list[Rewrite]:
        """The untried combinations of which a picture is expected to gain most, of a random pool and the variations of
        the best.
        """
        prompt = request.prompt
        near = [v for s in history.ranked()[:VARIED] for v in self.variations(prompt, s.rewrite)]
        pool = {r.text.casefold(): r for r in (*near, *self._random(prompt, groups, rng))}
        tried = {t.casefold() for t in (prompt, *history.texts())}
        left = [r for key, r in pool.items() if key not in tried]
        prior = Prior(prompt, earlier=said_of(request, self.compose))
        return [left[row] for row in Belief(prior, history).choose(left, n)]

    def _random(self, prompt: str, groups: Sequence[Group], rng: np.random.Generator) -> list[Rewrite]:
        """``POOL`` combinations: all, where they are no more."""
        options = [("", *g.phrases) for g in groups]
        sizes = [len(o) for o in options]
        if math.prod(sizes) <= POOL:
            rows = list(np.indices(sizes).reshape(len(sizes), -1))
        else:
            rows = [rng.integers(size, size=POOL) for size in sizes]
        found = []
        for picks in zip(*rows, strict=True):
            said = {g.name: o[int(k)] for g, o, k in zip(groups, options, picks, strict=True)}
            changes = {name: phrase for name, phrase in said.items() if phrase}
            found.append(Rewrite(self.lexicon.compose(prompt, changes), changes))
        return found

    def _drawn(
        self, request: SteerRequest, groups: Sequence[Group], history: History, n: int, rng: np.random.Generator
    ) -> list[Rewrite]:
        mean, covariance = effects_of(groups, history, request.earlier)
        tried = {t.casefold() for t in history.texts()}
        leader = next((s.rewrite.changes for s in history.ranked()), {})
        rewrites: list[Rewrite] = []
        boldness = 1.0  # of the draws; grows while all that is drawn has been tried, so that a sure search goes on
        spread = np.linalg.cholesky(covariance)
        for attempt in range(max(40 * min(n, 24), 8 * n)):
            if len(rewrites) == n:
                break
            effects = mean + boldness * (spread @ rng.standard_normal(len(mean)))
            changes = best_choice(groups, effects)
            if attempt % 2 and leader:  # every other one stays near the leader: one group changed
                changes = self._neighbour(groups, leader, changes, rng)
            text = self.lexicon.compose(request.prompt, changes)
            if text.casefold() not in tried:
                tried.add(text.casefold())
                rewrites.append(Rewrite(text, changes))
                boldness = 1.0
            else:
                boldness *= 1.1
        return rewrites

    def _neighbour(
        self, groups: Sequence[Group], leader: dict[str, str], drawn: dict[str, str], rng: np.random.Generator
    ) -> dict[str, str]:
        """The leader with one group set as drawn (swapped, added or dropped)."""
        differing = [g.name for g in groups if leader.get(g.name) != drawn.get(g.name)]
        if not differing:
            return drawn
        name = differing[rng.integers(len(differing))]
        changes = {k: v for k, v in leader.items() if k != name}
        return changes | ({name: drawn[name]} if name in drawn else {})


def build(config: LexicalConfig, strength: StrengthName = "free") -> LexicalProposer:
    """The lexical search with the phrases that ``strength`` allows. Raises UsageError where there is no such
    lexicon.
    """
    return LexicalProposer(Lexicon.load(config.lexicon).only(STRENGTHS[strength].kinds))


def columns(groups: Sequence[Group]) -> list[tuple[str, str]]:
    """(group, phrase) per regression column; the phrase "" means nothing said."""
    return [(g.name, phrase) for g in groups for phrase in ("", *g.phrases)]


def effects_of(
    groups: Sequence[Group], history: History, earlier: Sequence[Remembered] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Mean (k,) and covariance (k, k) of the phrases' effects on the deviation of a text's mean reward from the
    overall mean. What a critic wishes for counts as a few pictures on which the phrase alone had a usual effect, and
    a text of an ``earlier`` run as so many pictures as it weighs.
    """
    names, stats = columns(groups), history.stats()
    x = np.array([[float(s.rewrite.changes.get(g, "") == phrase) for g, phrase in names] for s in stats])
    means = np.array([s.mean for s in stats])
    weight = np.array([len(s.objectives) for s in stats], dtype=float)
    x, y = x.reshape(-1, len(names)), means - (means.mean() if len(means) else 0.0)
    if wanted := [(i, history.wishes[p]) for i, (_, p) in enumerate(names) if history.wishes.get(p)]:
        x = np.vstack([x, np.eye(len(names))[[i for i, _ in wanted]]])
        y = np.append(y, [math.copysign(PRIOR_STD, wish) for _, wish in wanted])
        weight = np.append(weight, [abs(wish) for _, wish in wanted])
    if earlier:
        weights = np.array([e.weight for e in earlier])
        gains = np.array([e.gain for e in earlier])
        said = [[float(e.changes.get(g, "") == phrase) for g, phrase in names] for e in earlier]
        x, y = np.vstack([x, said]), np.append(y, gains - np.average(gains, weights=weights))
        weight = np.append(weight, weights)
    return posterior(x, y, weight)


def best_choice(groups: Sequence[Group], effects: np.ndarray) -> dict[str, str]:
    """The phrase of highest effect in each group; groups where saying nothing wins are left out."""
    changes, start = {}, 0
    for group in groups:
        options = ("", *group.phrases)
        phrase = options[int(np.argmax(effects[start : start + len(options)]))]
        start += len(options)
        if phrase:
            changes[group.name] = phrase
    return changes
