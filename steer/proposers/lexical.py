"""Search without an LLM: learns which phrases help this user, and combines, drops and swaps them.

Rewards are modelled as a sum of one effect per phrase (and a small one for "nothing said"), a
Bayesian linear regression whose posterior is sampled: each rewrite is the best combination
under one draw (Thompson 1933), so that uncertain phrases are tried and bad ones dropped.
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
from steer.search.regression import PRIOR_STD, posterior
from steer.types import History, Remembered, Rewrite, SteerRequest


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
