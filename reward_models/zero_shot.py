"""How well a reward judges people it never met, from what is said of them alone: people and pictures both unseen.

SROCC and PLCC within each person over their ratings, then the mean over people, by how much is said (see
:mod:`reward_models.cards`), and with the card of somebody else. Any reward can be asked: one that reads no traits is
told them nevertheless.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from reward_models import yaml12
from reward_models.base import Person, RewardError
from reward_models.cards import LEVELS, part_of
from reward_models.doors import Unreadable, read_text
from reward_models.evaluation.metrics import Each, gain, per_person, summary
from reward_models.evaluation.pages import render
from reward_models.pictures import FAULTS, read_picture
from reward_models.protocols import RewardModel
from reward_models.ratings.profiles import described_people
from reward_models.ratings.sets import load_set
from reward_models.ratings.settings import DataSetting
from reward_models.ratings.table import Ratings

SPLIT = "test_unseen"
NEUTRAL, OTHERS = "neutral", "someone else's"
CHUNK = 64  # pictures that are open at once


@dataclass(frozen=True)
class Row:
    """One way to tell a reward about people: ``each`` person's metrics."""

    data: str
    told: str
    each: Each


def data_of(config: Path) -> list[DataSetting]:
    """The data sets of a training's YAML, of any family. Raises RewardError."""
    try:
        values = yaml12.load(read_text(config, yaml12.MOST_CHARACTERS))
        return TypeAdapter(list[DataSetting]).validate_python(values["data"])
    except (yaml12.YAMLError, OSError, Unreadable, KeyError, TypeError) as error:
        raise RewardError(f"'{config}' names no data sets: {str(error).splitlines()[0]}") from error
    except ValidationError as error:
        raise RewardError(f"'{config}': data: {error.errors()[0]['msg']}") from error


def said_of(person: Person, parts: Collection[str]) -> Person:
    """A person of whom only some ``parts`` of a card are said."""
    fields = {name: value for name, value in person.demographics.items() if part_of(name) in parts}
    return Person(None, fields, person.profile if "words" in parts else "")


def zero_shot(
    reward: RewardModel, ratings: Ratings, most: int | None = None, progress: Callable[[int, int], None] | None = None
) -> list[Row]:
    """A row for each level of a card, and one for the whole card of the next person. ``most``: ratings of a person.

    Raises RewardError for a data set without unseen people, or a picture that gets no score.
    """
    table, people = ratings.split(SPLIT), described_people(ratings)
    if table.empty:
        raise RewardError(f"the data set '{ratings.name}' has no ratings of unseen people ({SPLIT})")
    if most:
        table = table.groupby("person", sort=False).head(most)
    ids = sorted(table["person"].unique())
    ways: dict[str, dict[str, Person]] = {
        level: {u: said_of(people[u], parts) for u in ids} for level, parts in LEVELS.items()
    }
    if len(ids) > 1:
        ways[OTHERS] = {u: said_of(people[v], LEVELS["words"]) for u, v in zip(ids, [*ids[1:], ids[0]], strict=True)}
    table = table.sort_values("picture", kind="stable").reset_index(drop=True)
    pictures = list(table["picture"].unique())
    found = {way: np.full(len(table), np.nan) for way in ways}
    for start in range(0, len(pictures), CHUNK):
        chunk = pictures[start : start + CHUNK]
        reading = reward.read([opened(ratings.root / p) for p in chunk], [""] * len(chunk))
        part = table[table["picture"].isin(chunk)]
        for u, own in part.groupby("person"):
            rows = [chunk.index(p) for p in own["picture"]]
            scores = reward.judge_many(reading.rows(rows), [told[str(u)] for told in ways.values()])
            for way, score in zip(ways, scores, strict=True):
                found[way][own.index] = score.personal
        if progress:
            progress(min(start + CHUNK, len(pictures)), len(pictures))
    rated, who = table["score"].to_numpy(float), table["person"].to_numpy(str)
    return [Row(ratings.name, way, per_person(values, rated, who)) for way, values in found.items()]


def report(rows: Sequence[Row], reward: RewardModel, out: Path) -> str:
    """Write ``zero_shot.md`` and ``zero_shot.json`` to ``out``; returns the first."""
    told = []
    for row in rows:
        neutral = next(r for r in rows if r.data == row.data and r.told == NEUTRAL)
        told.append(
            {"data": row.data, "told": row.told, **summary(row.each), "over_neutral": gain(row.each, neutral.each)}
        )
    text = render("zero_shot.md.j2", name=reward.name, fingerprint=reward.fingerprint(), rows=told)
    out.mkdir(parents=True, exist_ok=True)
    (out / "zero_shot.md").write_text(text, encoding="utf-8")
    about = {"reward": reward.name, "fingerprint": reward.fingerprint(), "split": SPLIT, "rows": told}
    (out / "zero_shot.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return text


def evaluate(
    reward: RewardModel,
    config: Path,
    out: Path,
    most: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> str:
    """:func:`report` on the data sets of a config."""
    rows: list[Row] = []
    for d in data_of(config):
        rows += zero_shot(reward, load_set(d), most, progress)
    return report(rows, reward, out)


def opened(path: Path) -> Image.Image:
    """A picture. Raises RewardError for one that does not open."""
    try:
        return read_picture(path)
    except FAULTS as error:
        raise RewardError(f"the picture '{path}' does not open: {error}") from error
