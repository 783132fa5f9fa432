"""Ratings of pictures by people as one table, whatever files they came from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from reward_models.base import RewardError

COLUMNS = ("person", "picture", "score", "prompt", "split")
Duplicates = Literal["average", "first"]
SPLITS = ("train", "val_seen", "val_unseen", "test_seen", "test_unseen")


@dataclass(frozen=True)
class Profile:
    """What a person says of themselves beside demographics. ``fields``: traits by name. ``words``: their taste."""

    fields: dict[str, str] = field(default_factory=dict)
    words: str = ""


class DataError(RewardError):
    """A data set that cannot be used; the message names the file and what is wrong."""


class NoDataSet(DataError):
    """There is no data set of the name ``source``, here or on the hub."""

    def __init__(self, message: str, source: str):
        super().__init__(message)
        self.source = source


@dataclass(frozen=True)
class Ratings:
    """One data set.

    ``table`` has a row a rating: ``person`` and ``picture`` (str; the picture's path below ``root``),
    ``score`` in [0, 1], ``prompt`` (str or missing), ``split`` (one of ``SPLITS``), then one column for each of
    ``demographics`` and ``metadata`` (str or missing). ``dropped`` counts the rows left out, by reason. ``scale``:
    lowest and highest score as they were written. ``profiles``: what else is known of people, by id. ``ages``: in
    years, by person, where the set has them.
    """

    name: str
    root: Path
    table: pd.DataFrame
    demographics: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    dropped: dict[str, int] = field(default_factory=dict)
    scale: tuple[float, float] = (0.0, 1.0)
    profiles: dict[str, Profile] = field(default_factory=dict)
    ages: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.table)

    def split(self, *names: str) -> pd.DataFrame:
        """The rows of these splits."""
        return self.table[self.table["split"].isin(names)]

    def paths(self) -> list[Path]:
        """Every picture once, in order of name."""
        return [self.root / p for p in sorted(self.table["picture"].unique())]

    def without(self, reason: str, keep: pd.Series) -> Ratings:
        """The rows where ``keep`` holds; the others are counted under ``reason``."""
        lost = int((~keep).sum())
        if not lost:
            return self
        table = self.table[keep].reset_index(drop=True)
        return replace(self, table=table, dropped=self.dropped | {reason: self.dropped.get(reason, 0) + lost})

    def fingerprint(self) -> str:
        """Sixteen hex digits of every row."""
        rows = pd.util.hash_pandas_object(self.table.astype("string"), index=False)
        return hashlib.sha256(rows.to_numpy().tobytes()).hexdigest()[:16]


def cleaned(
    ratings: Ratings, scale: tuple[float, float], need_pictures: bool = True, duplicates: Duplicates = "average"
) -> Ratings:
    """Scores read as numbers on ``scale`` and brought to [0, 1]; what cannot be used is dropped and counted.

    In this order: scores that are no number, scores outside the scale, rows without person or
    picture, pictures that are not there (where they are needed). Several ratings of one picture by one person in one
    split become their mean, or the ``first`` of them is taken.
    """
    low, high = scale
    score = pd.to_numeric(ratings.table["score"], errors="coerce")
    table = ratings.table.assign(score=score)
    result = replace(ratings, table=table, scale=(float(low), float(high))).without(
        "score is missing or no number", score.notna()
    )
    inside = result.table["score"].between(low, high)
    result = result.without(f"score outside {low:g} ... {high:g}", inside)
    named = result.table[["person", "picture"]].notna().all(axis=1)
    result = result.without("person or picture is missing", named)
    if need_pictures:
        there = {p: (result.root / p).is_file() for p in result.table["picture"].unique()}
        result = result.without("picture file is missing", result.table["picture"].map(there).astype(bool))
    if result.table.empty:
        raise DataError(f"no usable rating in '{ratings.root}' ({reasons(result.dropped)})")
    table = result.table.assign(score=(result.table["score"] - low) / (high - low))
    keys = ["person", "picture", "split"]
    double = table.duplicated(keys, keep="first")
    if double.any() and duplicates == "first":
        result = replace(result, table=table).without(
            "second rating of a picture by one person (the first is taken)", ~double
        )
        table = result.table
    elif double.any():
        means = table.groupby(keys, sort=False)["score"].mean()
        result = replace(result, table=table).without("second rating of a picture by one person (averaged)", ~double)
        index = pd.MultiIndex.from_frame(result.table[keys])
        table = result.table.assign(score=means.reindex(index).to_numpy())
    return replace(result, table=table.reset_index(drop=True))


def reasons(dropped: dict[str, int]) -> str:
    """``dropped`` in words."""
    return "; ".join(f"{n} x {reason}" for reason, n in dropped.items()) or "nothing dropped"


def tidy(values: pd.Series) -> pd.Series:
    """Text without blanks at the ends; empty and null-like values are missing."""
    text = values.astype("string").str.strip()
    return text.mask(text.str.lower().isin(["", "nan", "none", "null", "n/a"]))


def split_by_hash(table: pd.DataFrame, unseen: float = 0.15, val: float = 0.1, test: float = 0.2) -> pd.Series:
    """Splits for a set that has none, stable under added rows.

    A share ``unseen`` of people is kept out of training; pictures fall into train, val and test by
    name, so that no picture is in two of them. Unseen people's ratings of training pictures count as
    validation, since they could never be trained on.
    """
    person = table["person"].map(_unit("person"))
    picture = table["picture"].map(_unit("picture"))
    part = pd.Series("train", index=table.index)
    part[picture < val + test] = "val"
    part[picture < test] = "test"
    new = person < unseen
    split = part.where(part == "train", part + "_seen")
    split[new] = part[new].replace("train", "val") + "_unseen"
    return split


def _unit(kind: str) -> Callable[[object], float]:
    """A stable number in [0, 1) for each value."""
    return lambda value: int(hashlib.sha256(f"{kind}/{value}".encode()).hexdigest()[:8], 16) / 2**32
