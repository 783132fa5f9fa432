"""What a run found, and the best of it against the prompt as typed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from reward_models.doors import Unreadable, inside
from reward_models.pictures import read_picture
from reward_models.plural import counted
from steer.errors import StorageError, UsageError
from steer.notebook import figures
from steer.types import SCORES, Candidate, Comment, RewriteStats, State, SteerRequest, StopReason

if TYPE_CHECKING:
    import pandas


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
class Outlook:
    """What is to be expected of the picture that was chosen.

    ``expected``: its objective, less what it owes to being the best of many. ``better``: probability that the person
    likes it more than the prompt's own pictures; NaN where the reward cannot say.
    """

    expected: float
    better: float = math.nan

    def __str__(self) -> str:
        """As the summary of a run prints it.

        >>> str(Outlook(0.871, 0.934)), str(Outlook(0.871))
        ('expected 0.87; better than the prompt as typed with a probability of 93 %', 'expected 0.87')
        """
        sure = (
            ""
            if math.isnan(self.better)
            else f"; better than the prompt as typed with a probability of {_percent(self.better)}"
        )
        return f"expected {self.expected:.2f}{sure}"


def _percent(probability: float) -> str:
    """Never 0 or 100 %, which nobody knows.

    >>> _percent(0.9999), _percent(0.5)
    ('99 %', '50 %')
    """
    return f"{min(99, max(1, round(100 * probability)))} %"


@dataclass(frozen=True)
class Taste:
    """What the reward knew of one of one's own users: from how many ratings and choices, and which share in [0, 1] of
    what people differ by.
    """

    user: str
    ratings: int
    known: float

    def __str__(self) -> str:
        """As the summary of a run prints it.

        >>> str(Taste("me", 12, 0.304)), str(Taste("me", 0, 0.0))
        ('30 % of it known from 12 ratings', 'nothing rated yet')
        """
        if not self.ratings:
            return "nothing rated yet"
        return f"{100 * self.known:.0f} % of it known from {counted(self.ratings, 'rating')}"


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
    warnings: list[str] = field(
        default_factory=list
    )  # what the renderer cannot draw of the prompt, and where a critic failed
    comments: dict[int, Comment] = field(default_factory=dict)  # a critic's, by round
    tastes: list[Taste] = field(default_factory=list)  # what the reward knew of one's own users
    outlook: Outlook | None = None  # what is to be expected of ``best``

    @property
    def first(self) -> Candidate | None:
        """The unchanged prompt's picture on the seed of ``best``, or any of it."""
        own = [c for c in self.candidates if c.rewrite.text == self.request.prompt and c.picture]
        same = [c for c in own if self.best and c.seed == self.best.seed]
        return next(iter(same or own), None)

    @property
    def image(self) -> Image.Image:
        """The best picture, from the run's folder. Raises UsageError for a run that made none, StorageError where it is
        gone.
        """
        if self.best is None:
            raise UsageError(f"the run in '{self.folder}' made no picture: {self.why}")
        return self.picture_of(self.best)

    def picture_of(self, candidate: Candidate) -> Image.Image:
        """A candidate's picture, from the run's folder. Raises StorageError where it is gone."""
        try:
            return read_picture(inside(Path(self.folder), candidate.picture), ("PNG",))
        except (OSError, Unreadable) as error:
            raise StorageError(f"the picture '{Path(self.folder) / candidate.picture}': {error}") from error

    def table(self) -> pandas.DataFrame:
        """A row per picture in the order drawn: text, seed, liking, fidelity and the other scores, and its file.

        Likings and fidelities are in [0, 1]; NaN where a picture has no score. Raises UsageError without pandas.
        """
        try:
            import pandas
        except ModuleNotFoundError as error:
            raise UsageError("result.table() needs the package 'pandas': pip install pandas") from error
        rows = [_row(c, self.folder) for c in self.candidates]
        return pandas.DataFrame(rows, columns=None if rows else COLUMNS).set_index("index")

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


SHOWN = {"personal": "liking"}  # the name of a score in the table, where it is another
COLUMNS = ["index", "round", "text", "seed", "tier", "state", *(SHOWN.get(n, n) for n in SCORES), "picture", "reason"]


def _row(candidate: Candidate, folder: str) -> dict[str, object]:
    """A candidate in the columns of the table; those of other scorers come before the picture."""
    scores = {SHOWN.get(name, name): getattr(candidate, name) for name in SCORES}
    return {
        "index": candidate.index,
        "round": candidate.round,
        "text": candidate.rewrite.text,
        "seed": candidate.seed,
        "tier": candidate.tier,
        "state": candidate.state.value,
        **scores,
        **candidate.others,
        "picture": str(Path(folder) / candidate.picture) if candidate.picture else "",
        "reason": candidate.reason,
    }
