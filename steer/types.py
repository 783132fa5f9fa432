"""The words of design.md as types: request, rewrite, candidate, history."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from PIL import Image

from reward_models import Scores

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
    WORTH = "more pictures would add too little"
    GUARD = "the guard dropped every rewrite"
    PROPOSER_BUDGET = "the proposer's calls or tokens are spent"
    HELD_OUT = "the held-out judge no longer agrees"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Start:
    """A text and a seed to draw at first beside the prompt itself, such as those of a picture that was made before.
    ``changes``: the phrases that the text adds, by kind, where they are known.
    """

    text: str
    seed: int
    changes: dict[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Remembered:
    """A text of an earlier run of the same person. ``gain``: how much more its pictures are liked than those of its
    own unchanged ``prompt``. ``weight``: as how many pictures of the present run it counts.
    """

    prompt: str
    text: str
    changes: dict[str, str] = field(hash=False)
    gain: float
    weight: float


@dataclass(frozen=True)
class SteerRequest:
    """One prompt to steer for one user. ``budget`` counts pictures.

    ``taste``: the users' own words, for a proposer that reads them; they are no part of what identifies a request.
    ``start``: what to begin with. ``earlier``: what earlier runs of the user taught, no part of the identity either.
    """

    prompt: str
    user: str
    budget: int = 48
    seed: int = 0
    taste: str = field(default="", repr=False, compare=False)
    start: Start | None = None
    earlier: tuple[Remembered, ...] = field(default=(), repr=False, compare=False)


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
class Comment:
    """What a critic said in a round. ``text``: as chat models are told it. ``filtered``: how many remarks were left
    out, by reason. ``picture``: what it was about. ``failed``: why nothing was said, "" where the critic answered.
    ``about``: who the critic was told about, "" for the one that the run is for.
    """

    text: str = ""
    picture: str = ""
    filtered: dict[str, int] = field(default_factory=dict)
    failed: str = ""
    about: str = ""


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
        """Become SCORED by one row, or FAILED where it says why there is no score. Rounded as the journal keeps it: a
        resumed run must not differ.
        """
        for name in ("personal", "population", "fidelity", "uncertainty"):
            setattr(self, name, round(float(getattr(scores, name)[row]), 6))
        self.others = {name: round(float(values[row]), 6) for name, values in scores.others.items()}
        self.state = State.SCORED
        if row in scores.reasons:
            self.state, self.reason = State.FAILED, f"no score: {scores.reasons[row]}"

    def restore_scores(self, facts: Mapping[str, Any]) -> None:
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

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Candidate:
        """Back from :meth:`facts`, which were checked already."""
        candidate = cls(
            facts["index"],
            facts["round"],
            Rewrite(facts["text"], dict(facts.get("changes", {}))),
            facts["seed"],
            State(facts["state"]),
            facts["picture"],
            facts["reason"],
            tier=facts["tier"],
            early=math.nan if facts.get("early") is None else facts["early"],
        )
        candidate.restore_scores(facts)
        return candidate

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
    """The candidates so far, in order; rewrites ranked by mean objective over their seeds.

    ``critique``: what a critic would change in the leading picture. ``wishes``: the same by phrase of the lexicon, for
    a search that reads no sentences; a wish is the number of pictures it counts as, below 0 for what is not wanted.
    """

    def __init__(
        self, candidates: Iterable[Candidate] = (), critique: str = "", wishes: Mapping[str, float] | None = None
    ):
        self.candidates: list[Candidate] = list(candidates)
        self.critique, self.wishes = critique, dict(wishes or {})

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
