"""Two questions about new people, kept apart: how well a personal estimator orders pictures that *others* have *rated*,
and *new* pictures, which is what steering makes. A figure for the one says nothing about the other.

Pictures are split several times, near-duplicates together; what is shared by all people is learnt without the pictures
held out and without the new people. Shapes: P pictures, n ratings given, m pictures asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from reward_models.evaluation.statistics import bootstrap, spearman
from reward_models.taste.learning import Rated

COUNTS = (1, 2, 5, 15, 27, 50, 100)
HELD_OUT = 0.3  # of the pictures
MINIMUM = 8  # pictures of a person to be judged on
CROWD = "crowd"
QUESTIONS = ("new", "rated")

Answer = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From rated pictures (n,), their likings (n,) and pictures asked (m,), as rows, to predictions (m,)."""

Interval = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""The same arguments to predictions (m,) and standard deviations of ratings around them (m,)."""


@dataclass
class Told:
    """By question, way and number of ratings: ``srocc``, the mean over people of Spearman within a person, ``gain``
    over the crowd with its 95 % interval over people, and ``people``. ``covered``: by number of ratings the share of
    ratings of new pictures inside 95 % intervals, and the 5th percentile of people.
    """

    ways: dict[str, dict[str, dict[int, dict[str, object]]]] = field(default_factory=dict)
    covered: dict[int, tuple[float, float]] = field(default_factory=dict)


def judge(
    rated: Rated,
    unseen: np.ndarray,
    learn: Callable[[Rated], tuple[Mapping[str, Answer], Interval | None]],
    splits: int = 4,
    draws: int = 2,
    counts: Sequence[int] = COUNTS,
) -> Told:
    """Every way on both questions. ``unseen`` (R,): which ratings are of new people; ``learn``: from everybody else's
    ratings of the pictures not held out to the ways, one of which is called ``crowd``, and to the intervals of one.
    """
    scores: dict[tuple[str, str, int], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    inside: dict[int, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    groups = np.unique(rated.group)
    for k in range(splits):
        held = np.isin(rated.group, groups[np.random.default_rng(k).random(len(groups)) < HELD_OUT])
        ways, interval = learn(rated.where(np.flatnonzero(~unseen & ~held[rated.picture])))
        for p in np.unique(rated.person[unseen]):
            rows = np.flatnonzero((rated.person == p) & unseen)
            new = rows[held[rated.picture[rows]]]
            for draw in range(draws):
                old = np.random.default_rng(1000 * k + draw).permutation(rows[~held[rated.picture[rows]]])
                for n in (n for n in counts if n <= len(old)):
                    pictures, liking = rated.picture[old[:n]], rated.liking[old[:n]]
                    for question, asked in (("new", new), ("rated", old[n:])):
                        if len(asked) < MINIMUM:
                            continue
                        for name, answer in ways.items():
                            value = spearman(answer(pictures, liking, rated.picture[asked]), rated.liking[asked])
                            scores[question, name, n][int(p)].append(value)
                    if interval and n > 1 and len(new) >= MINIMUM:
                        middle, spread = interval(pictures, liking, rated.picture[new])
                        inside[n][int(p)].append(float(np.mean(np.abs(rated.liking[new] - middle) < 1.96 * spread)))
    return _told(scores, inside)


def _told(
    scores: Mapping[tuple[str, str, int], Mapping[int, Sequence[float]]],
    inside: Mapping[int, Mapping[int, Sequence[float]]],
) -> Told:
    told = Told({q: {} for q in QUESTIONS})
    for (question, name, n), by_person in scores.items():
        crowd = scores[question, CROWD, n]
        own = np.array([np.mean(v) for v in by_person.values()])
        gain = bootstrap(np.array([np.mean(v) - np.mean(crowd[p]) for p, v in by_person.items()]))
        found = {"srocc": round(float(own.mean()), 4), "gain": [round(g, 4) for g in gain], "people": len(own)}
        told.ways[question].setdefault(name, {})[n] = found
    for n, people in inside.items():
        each = [np.mean(v) for v in people.values()]
        told.covered[n] = round(float(np.mean(each)), 4), round(float(np.percentile(each, 5)), 4)
    return told


def as_markdown(told: Told, intervals_of: str = "") -> str:
    """A table a question; a gain whose interval lies below 0 is followed by "hurts"."""
    lines: list[str] = []
    for question, title in zip(QUESTIONS, ("New pictures", "Pictures that others have rated"), strict=True):
        counts = list(next(iter(told.ways.get(question, {}).values()), {}))
        if not counts:
            continue
        lines += [f"\n**{title}**\n", "| way | " + " | ".join(f"{n}" for n in counts) + " |"]
        lines += ["|---|" + "---|" * len(counts)]
        for way, by_count in told.ways[question].items():
            cells = [_cell(way, by_count[n]) for n in counts]
            lines.append(f"| {way} | {' | '.join(cells)} |")
    if told.covered:
        held = "; ".join(
            f"{n}: {mean:.3f} (5th percentile of people {low:.2f})" for n, (mean, low) in told.covered.items()
        )
        lines.append(f"\n95 % intervals{intervals_of} hold, on new pictures, from so many ratings: {held}")
    return "\n".join([*lines, ""])


def _cell(way: str, found: Mapping[str, object]) -> str:
    gain = found["gain"]
    assert isinstance(gain, list)
    return f"{found['srocc']:.3f}" + ("" if way == CROWD else " " + gain_in_words(*gain))


def gain_in_words(mean: float, low: float, high: float) -> str:
    """A gain with its interval; "hurts" where all of it is below 0."""
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]" + (" hurts" if high < 0 else "")
