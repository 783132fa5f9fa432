"""How well a reward judges people it never met, from a few of their ratings: their own, the same with their scores
shuffled, somebody else's, and none.

People and pictures are both unseen. Several rewards are asked about the same people with the same ratings. SROCC within
each person, then the mean over people; differences are paired by person. Shapes: n ratings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from reward_models.base import Person, RewardError
from reward_models.evaluation.metrics import MINIMUM, Each, gain, per_person, summary
from reward_models.evaluation.pages import render
from reward_models.protocols import Evidence, RewardModel, Seen
from reward_models.ratings.sets import load_set
from reward_models.ratings.table import Ratings
from reward_models.teaching import teacher_of
from reward_models.zero_shot import CHUNK, SPLIT, data_of, opened

OWN, SHUFFLED, OTHERS, NONE = "their own", "shuffled scores", "someone else's", "none"
WAYS = (OWN, SHUFFLED, OTHERS, NONE)
FEWEST = MINIMUM  # ratings that are left to predict, of each person
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Drawn:
    """Of each unseen person the ratings that are told, and the ``asked`` ones: rows of a data set's table."""

    told: Mapping[str, pd.DataFrame]
    asked: pd.DataFrame


@dataclass(frozen=True)
class Row:
    """A reward on a data set, and which ratings it is told: ``each`` person's metrics."""

    data: str
    reward: str
    told: str
    each: Each


def drawn(ratings: Ratings, examples: int = 5, most: int | None = None, seed: int = 0) -> Drawn:
    """``examples`` ratings of each unseen person at random; ``most`` of their others are asked. Raises RewardError
    where fewer than two people have enough.
    """
    table = ratings.split(SPLIT)
    told: dict[str, pd.DataFrame] = {}
    asked = []
    for k, (person, own) in enumerate(table.groupby("person", sort=True)):
        if len(own) < examples + FEWEST:
            continue
        order = np.random.default_rng([seed, k]).permutation(len(own))
        told[str(person)] = own.iloc[order[:examples]]
        asked.append(own.iloc[order[examples:]][: most or None])
    if len(told) < 2:
        raise RewardError(
            f"the data set '{ratings.name}' has {len(told)} unseen people ({SPLIT}) with {examples + FEWEST} ratings "
            "each; two are needed"
        )
    return Drawn(told, pd.concat(asked).sort_values("picture", kind="stable").reset_index(drop=True))


def in_context(
    rewards: Mapping[str, RewardModel],
    ratings: Ratings,
    examples: int = 5,
    most: int | None = None,
    seed: int = 0,
    progress: Progress = lambda done, of: None,  # noqa: ARG005
) -> list[Row]:
    """A row for each reward and each of ``WAYS``. The rewards are taught people of new names, and keep them.

    Raises RewardError for a reward without a teacher, too few people, or a picture that gets no score.
    """
    of = drawn(ratings, examples, most, seed)
    rows: list[Row] = []
    for name, reward in rewards.items():
        people = _taught(reward, ratings, of, seed)
        found = _asked(reward, ratings, of.asked, people, progress)
        rated, who = of.asked["score"].to_numpy(float), of.asked["person"].to_numpy(str)
        rows += [Row(ratings.name, name, way, per_person(values, rated, who)) for way, values in found.items()]
    return rows


def _taught(reward: RewardModel, ratings: Ratings, of: Drawn, seed: int) -> dict[str, dict[str, Person]]:
    """By way and person, as whom the reward was taught them."""
    teacher = teacher_of(reward)
    ids = list(of.told)
    found: dict[str, dict[str, Person]] = {way: {} for way in WAYS}
    for k, person in enumerate(ids):
        own, other = of.told[person], of.told[ids[(k + 1) % len(ids)]]
        likings = own["score"].to_numpy(float)
        told = {
            OWN: (own, likings),
            SHUFFLED: (own, shuffled(likings, np.random.default_rng([seed, 1, k]))),
            OTHERS: (other, other["score"].to_numpy(float)),
        }
        for way, (rows, given) in told.items():
            kept = teacher.keep([opened(ratings.root / p) for p in rows["picture"]])
            prompts = rows["prompt"].fillna("").astype(str)
            id_ = f"in context {k} {way}"
            teacher.learn(id_, Evidence([Seen(b, p) for b, p in zip(kept, prompts, strict=True)], given.tolist()))
            found[way][person] = Person(id_)
        found[NONE][person] = Person()
    return found


def shuffled(likings: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same likings (n,) in another order; of 20 draws the one that says least of the order they had."""
    draws = [rng.permutation(likings) for _ in range(20)]
    return min(draws, key=lambda each: abs(float((each - likings.mean()) @ (likings - likings.mean()))))


def _asked(
    reward: RewardModel,
    ratings: Ratings,
    asked: pd.DataFrame,
    people: Mapping[str, Mapping[str, Person]],
    progress: Progress,
) -> dict[str, np.ndarray]:
    """Likings (n,) of the asked ratings by way."""
    pictures = list(asked["picture"].unique())
    found = {way: np.full(len(asked), np.nan) for way in people}
    for start in range(0, len(pictures), CHUNK):
        chunk = pictures[start : start + CHUNK]
        reading = reward.read([opened(ratings.root / p) for p in chunk], [""] * len(chunk))
        for person, own in asked[asked["picture"].isin(chunk)].groupby("person"):
            rows = reading.rows([chunk.index(p) for p in own["picture"]])
            scores = reward.judge_many(rows, [told[str(person)] for told in people.values()])
            for way, score in zip(people, scores, strict=True):
                found[way][own.index] = score.personal
        progress(min(start + CHUNK, len(pictures)), len(pictures))
    return found


def report(rows: Sequence[Row], examples: int, out: Path) -> str:
    """Write ``in_context.md`` and ``in_context.json`` to ``out``; returns the first."""
    told = [{"data": r.data, "reward": r.reward, "told": r.told, **summary(r.each)} for r in rows]
    pairs = [
        {"data": a.data, "first": _named(a), "second": _named(b), **gain(a.each, b.each)} for a, b in _compared(rows)
    ]
    text = render("in_context.md.j2", examples=examples, rows=told, pairs=pairs)
    out.mkdir(parents=True, exist_ok=True)
    (out / "in_context.md").write_text(text, encoding="utf-8")
    facts = {"examples": examples, "split": SPLIT, "rows": told, "pairs": pairs}
    (out / "in_context.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return text


def _compared(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """A person's own ratings with all else for one reward, others' with none, and own ratings for two rewards."""
    found = []
    for i, a in enumerate(rows):
        for j, b in enumerate(rows):
            if a.data != b.data:
                continue
            if a.reward == b.reward:
                wanted = (a.told == OWN and b.told != OWN) or (a.told in (SHUFFLED, OTHERS) and b.told == NONE)
            else:
                wanted = i < j and a.told == b.told == OWN
            if wanted:
                found.append((a, b))
    return found


def _named(row: Row) -> str:
    return f"{row.reward}, {row.told}"


def evaluate(
    rewards: Mapping[str, RewardModel],
    config: Path,
    out: Path,
    examples: int = 5,
    most: int | None = None,
    progress: Progress = lambda done, of: None,  # noqa: ARG005
) -> str:
    """:func:`report` on the data sets of a config."""
    rows: list[Row] = []
    for d in data_of(config):
        rows += in_context(rewards, load_set(d), examples, most, progress=progress)
    return report(rows, examples, out)
