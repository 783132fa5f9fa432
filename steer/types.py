"""The words of design.md as types: request, rewrite, candidate, history, result."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from reward_models import Scores
from steer.notebook import figures

SCORES = ("personal", "population", "fidelity", "uncertainty", "objective")
LIKED_BY = "liked by "  # and an id: the name in ``Candidate.others`` of one person's liking, in a run for several
PICTURE_NOISE = 0.12  # standard deviation of one picture's reward around its text's mean; measured on the miniature


class State(str, Enum):
    """Where a candidate is; FAILED and SKIPPED carry a reason."""

    PROPOSED = "PROPOSED"
    RENDERED = "RENDERED"
    SCORED = "SCORED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


class StopReason(str, Enum):
    """Why a run ended."""

    BUDGET = "the budget is spent"
    TIME = "the time is up"
    TARGET = "the target reward is reached"
    NO_IMPROVEMENT = "no improvement in the last rounds"
    NO_PROPOSALS = "the proposer had nothing new"
    GUARD = "the guard dropped every rewrite"
    PROPOSER_BUDGET = "the proposer's calls or tokens are spent"
    HELD_OUT = "the held-out judge no longer agrees"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class SteerRequest:
    """One prompt to steer for one user. ``budget`` counts pictures."""

    prompt: str
    user: str
    budget: int = 48
    seed: int = 0


@dataclass(frozen=True)
class Rewrite:
    """A text proposed in the prompt's place; ``changes`` are the phrases it adds, by kind."""

    text: str
    changes: dict[str, str] = field(default_factory=dict)
    note: str = ""


class Dropped(NamedTuple):
    """A text that the guard did not let through. ``by``: which part of it, see :mod:`steer.search.guard`."""

    text: str
    reason: str
    by: str = ""  # journals of earlier versions do not say


@dataclass(frozen=True)
class RenderFailure:
    """What a renderer returns for a picture it could not make."""

    reason: str


@dataclass(frozen=True)
class Stopped:
    """What a renderer returns for a picture that was stopped early: its preview, after so many ``steps``."""

    preview: Image.Image
    steps: int


@dataclass
class Candidate:
    """One rewrite, one seed, its picture and its reward."""

    index: int
    round: int
    rewrite: Rewrite
    seed: int
    state: State = State.PROPOSED
    picture: str = ""  # file name within the run folder
    reason: str = ""  # of FAILED or SKIPPED
    personal: float = math.nan  # [0, 1]
    population: float = math.nan
    fidelity: float = math.nan  # [0, 1], to the ORIGINAL prompt
    uncertainty: float = math.nan
    others: dict[str, float] = field(default_factory=dict)  # further scorers, [0, 1]
    objective: float = math.nan
    # or "draft", a cheaper picture that must be drawn in full before it can win, or "preview", of one stopped
    tier: str = "full"
    early: float = math.nan  # the objective of its preview
    image: Image.Image | None = field(default=None, repr=False, compare=False)

    def take(self, scores: Scores, row: int) -> None:
        """Become SCORED by one row. Rounded as the journal keeps it: a resumed run must not differ."""
        for name in ("personal", "population", "fidelity", "uncertainty"):
            setattr(self, name, round(float(getattr(scores, name)[row]), 6))
        self.others = {name: round(float(values[row]), 6) for name, values in scores.others.items()}
        self.state = State.SCORED

    def restore_scores(self, facts: dict[str, Any]) -> None:
        """From :meth:`facts`."""
        for name in SCORES:
            setattr(self, name, math.nan if facts.get(name) is None else facts[name])
        self.others = {k: math.nan if v is None else v for k, v in facts.get("others", {}).items()}

    def facts(self) -> dict[str, Any]:
        """Everything but the pixels, as JSON-ready values (NaN becomes None)."""
        facts: dict[str, Any] = {
            "index": self.index,
            "round": self.round,
            "text": self.rewrite.text,
            "changes": self.rewrite.changes,
            "seed": self.seed,
            "tier": self.tier,
            "state": self.state.value,
            "picture": self.picture,
            "reason": self.reason,
        }
        for name in SCORES:
            value = getattr(self, name)
            facts[name] = None if math.isnan(value) else round(value, 6)
        if not math.isnan(self.early):
            facts["early"] = round(self.early, 6)
        if self.others:
            facts["others"] = {name: None if math.isnan(v) else v for name, v in self.others.items()}
        return facts

    def components(self) -> dict[str, float]:
        """What the objective mixes."""
        return {
            "personal": self.personal,
            "population": self.population,
            "fidelity": self.fidelity,
            **self.others,
        }


@dataclass(frozen=True)
class RewriteStats:
    """All scored pictures of one text taken together. The tuples have one entry a picture, in the same order."""

    rewrite: Rewrite
    objectives: tuple[float, ...]
    seeds: tuple[int, ...]
    likings: tuple[float, ...] = ()  # personal, in [0, 1]
    fidelities: tuple[float, ...] = ()  # to the prompt as typed, in [0, 1]

    @classmethod
    def of(cls, pictures: Sequence[Candidate]) -> RewriteStats:
        """Of the scored pictures of one text; at least one."""
        return cls(
            pictures[0].rewrite,
            tuple(c.objective for c in pictures),
            tuple(c.seed for c in pictures),
            tuple(c.personal for c in pictures),
            tuple(c.fidelity for c in pictures),
        )

    @property
    def mean(self) -> float:
        """Mean objective over the pictures."""
        return statistics.fmean(self.objectives)

    @property
    def liking(self) -> float:
        """Mean liking over the pictures."""
        return statistics.fmean(self.likings)

    @property
    def fidelity(self) -> float:
        """Mean fidelity over the pictures; NaN where the encoder reads no texts."""
        return statistics.fmean(self.fidelities)

    @property
    def cautious(self) -> float:
        """The mean less its standard error for pictures of usual noise: a single lucky one is no leader."""
        return self.mean - PICTURE_NOISE / math.sqrt(len(self.objectives))

    @property
    def spread(self) -> float:
        """Standard deviation of the liking over seeds; 0 for a single one."""
        return statistics.stdev(self.likings) if len(self.likings) > 1 else 0.0


class History:
    """The candidates so far, in order; rewrites ranked by mean objective over their seeds."""

    def __init__(self, candidates: Iterable[Candidate] = (), critique: str = ""):
        self.candidates: list[Candidate] = list(candidates)
        self.critique = critique  # what a reward that can say so finds wanting in the leading picture

    def scored(self) -> list[Candidate]:
        """The candidates that have scores."""
        return [c for c in self.candidates if c.state is State.SCORED]

    def texts(self) -> set[str]:
        """Every text that was tried."""
        return {c.rewrite.text for c in self.candidates}

    def stats(self) -> list[RewriteStats]:
        """One entry a text, in the order first seen; where it was drawn in full its drafts no longer count."""
        groups: dict[str, list[Candidate]] = {}
        for c in self.scored():
            groups.setdefault(c.rewrite.text, []).append(c)
        counting = [[c for c in g if c.tier == "full"] or g for g in groups.values()]
        return [RewriteStats.of(g) for g in counting]

    def ranked(self) -> list[RewriteStats]:
        """The best first; of equals the earlier."""
        return sorted(self.stats(), key=lambda s: -s.mean)


@dataclass(frozen=True)
class Comparison:
    """The best of a run against the prompt as typed, as this person likes them: both in [0, 1].

    ``best`` and ``original`` are mean likings on the same ``seeds``. Where a run only chose among pictures of the
    prompt itself (``chosen``), ``best`` is the liking of the picture it chose, ``original`` the mean of all ``seeds``.
    ``error``: standard error of the gain; NaN where one seed, or a choice among pictures, gives none.
    """

    best: float
    original: float
    seeds: int
    error: float = math.nan
    chosen: bool = False

    @property
    def gain(self) -> float:
        """Liking of the best less that of the original."""
        return round(self.best - self.original, 6)

    @property
    def percent(self) -> float:
        """The gain in per cent of the original's liking; NaN where that is 0."""
        return 100 * self.gain / self.original if self.original > 0 else math.nan

    def __str__(self) -> str:
        """As the summary of a run prints it.

        >>> str(Comparison(best=0.9, original=0.5, seeds=4, error=0.05))
        '+0.40 ± 0.05 (+80 %) on the same 4 seeds'
        """
        gain = f"{self.gain:+.2f}" + ("" if math.isnan(self.error) else f" ± {self.error:.2f}")
        gain += "" if math.isnan(self.percent) else f" ({self.percent:+.0f} %)"
        if self.chosen:
            return f"{gain}, the best of {self.seeds} pictures against their mean"
        return gain + (f" on the same {self.seeds} seeds" if self.seeds > 1 else " on the same seed")


def compare(candidates: Iterable[Candidate], prompt: str, winner: str, best: Candidate) -> Comparison | None:
    """The pictures of the text ``winner`` against those of ``prompt``; None where they share no seed.

    Pictures in full count; drafts only where one of the two texts was never drawn in full.
    """
    groups: dict[str, dict[int, float]] = {}
    scored = [c for c in candidates if c.state is State.SCORED]
    in_full = {c.rewrite.text for c in scored if c.tier == "full"}
    for c in scored:
        if c.tier == "full" or not {prompt, winner} <= in_full:
            groups.setdefault(c.rewrite.text, {})[c.seed] = c.personal
    original, theirs = groups.get(prompt, {}), groups.get(winner, {})
    if winner == prompt and original and all(c.rewrite.text == prompt for c in scored):
        return Comparison(best.personal, statistics.fmean(original.values()), len(original), chosen=True)
    shared = [seed for seed in original if seed in theirs]
    if not shared:
        return None
    differences = [theirs[s] - original[s] for s in shared]
    return Comparison(
        statistics.fmean(theirs[s] for s in shared),
        statistics.fmean(original[s] for s in shared),
        len(shared),
        statistics.stdev(differences) / math.sqrt(len(shared)) if len(shared) > 1 else math.nan,
    )


@dataclass(frozen=True)
class Result:
    """What a run found. ``best`` is the best picture of the best rewrite at equal seeds."""

    request: SteerRequest
    folder: str
    stop: StopReason
    original: RewriteStats | None
    winner: RewriteStats | None
    best: Candidate | None
    candidates: list[Candidate]
    seconds: float
    explained: dict[str, dict[str, float]] = field(
        default_factory=dict
    )  # "original", "best": what each attribute adds, largest first
    because: str = ""  # more about ``stop``, where there is more to say
    warnings: list[str] = field(default_factory=list)  # what the renderer cannot draw of the prompt

    @property
    def first(self) -> Candidate | None:
        """The unchanged prompt's picture on the seed of ``best``, or any of it."""
        own = [c for c in self.candidates if c.rewrite.text == self.request.prompt and c.picture]
        same = [c for c in own if self.best and c.seed == self.best.seed]
        return next(iter(same or own), None)

    @property
    def comparison(self) -> Comparison | None:
        """The winner against the prompt as typed; None where one of them has no picture, or no seed in common."""
        if not self.winner or not self.original or not self.best:
            return None
        return compare(self.candidates, self.request.prompt, self.winner.rewrite.text, self.best)

    @property
    def gain(self) -> float:
        """Liking of the best less liking of the prompt as typed on the same seeds; NaN where nothing compares them."""
        return self.comparison.gain if self.comparison else math.nan

    @property
    def agreement(self) -> tuple[float, int]:
        """Rank correlation (Spearman) of drafts or previews and full pictures of the same text and seed, and of how
        many; NaN below 3.
        """
        scored = [c for c in self.candidates if c.state is State.SCORED]
        drafts = {(c.rewrite.text, c.seed): c.objective for c in scored if c.tier == "draft"}
        pairs = [
            (drafts[key], c.objective)
            for c in scored
            if c.tier == "full" and (key := (c.rewrite.text, c.seed)) in drafts
        ] or [(c.early, c.objective) for c in scored if c.tier == "full" and not math.isnan(c.early)]
        if len(pairs) < 3:
            return math.nan, len(pairs)
        from scipy.stats import spearmanr

        return float(spearmanr(*zip(*pairs, strict=True)).statistic), len(pairs)

    @property
    def why(self) -> str:
        """The stop reason in words; says so when a part of the budget could not be used."""
        unspent = self.request.budget - len(self.candidates)
        if self.stop is StopReason.BUDGET and unspent > 0:
            return f"{unspent} of {self.request.budget} pictures left are too few for a fair comparison"
        return self.because or self.stop.value

    def _repr_html_(self) -> str:
        """In a notebook: the unchanged prompt's picture beside the best one, with how much the person likes each."""
        shown = [("original", self.first), ("best", self.best)]
        return figures(
            [
                (Path(self.folder) / c.picture, f"{title}, liked {c.personal:.2f}", c.rewrite.text)
                for title, c in shown
                if c is not None and c.picture
            ]
        )
