"""One or several data sets as the arrays that training reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from reward_models.encoders.base import Encoder
from reward_models.encoders.cache import FeatureCache, Progress
from reward_models.ratings.arrays import RatingTable
from reward_models.ratings.classes import on_one_scale, sentence, with_unseen
from reward_models.ratings.groups import COLUMN
from reward_models.ratings.table import SPLITS, DataError, Ratings


class Fields(Protocol):
    """What a trained model knows of people and pictures: ids, fields and their values."""

    people: list[str]
    demographics: list[str]
    metadata: list[str]
    vocabularies: dict[str, list[str]]


@dataclass
class Corpus:
    """Features of every picture (P, D) and prompt (Q, D; row 0 is zeros, no prompt) and a table a split.

    ``people``: ids in train; ``vocabularies``: values of every field seen in train; ``frame``: all
    ratings as one table, row for row what the split tables hold, for baselines and reports;
    ``unreadable``: pictures skipped, with the reason; ``datasets``: names of the data sets, in the order told;
    ``said``: features (V, D) of each class of a demographic field in words, where the encoder reads texts; ``groups``
    (P,): a number each, the same for pictures that are nearly the same.
    """

    pictures: Tensor
    prompts: Tensor
    tables: dict[str, RatingTable]
    frames: dict[str, pd.DataFrame]
    people: list[str]
    demographics: list[str]
    metadata: list[str]
    vocabularies: dict[str, list[str]]
    unreadable: dict[str, str]
    fingerprint: str
    scales: dict[str, tuple[float, float]] = field(default_factory=dict)
    datasets: list[str] = field(default_factory=list)
    said: dict[str, Tensor] = field(default_factory=dict)
    groups: np.ndarray = field(default_factory=lambda: np.zeros(0, int))

    def __post_init__(self) -> None:
        if not len(self.groups):
            self.groups = np.arange(len(self.pictures))

    def of(self, dataset: str) -> Corpus:
        """The ratings of one data set, with the features and vocabularies of all."""
        kept = {s: (f["dataset"] == dataset).to_numpy(bool) for s, f in self.frames.items()}
        return replace(
            self,
            tables={s: t.where(kept[s]) for s, t in self.tables.items()},
            frames={s: f[kept[s]].reset_index(drop=True) for s, f in self.frames.items()},
            datasets=[dataset],
        )

    @property
    def first(self) -> Corpus:
        """The data set that decides when a training stops: the first one."""
        return self.of(self.datasets[0]) if len(self.datasets) > 1 else self

    def with_fields(self, config: Fields) -> Corpus:
        """The same ratings with the fields and vocabularies of a trained model."""
        fields, words = [*config.demographics, *config.metadata], config.vocabularies
        frames = {s: f.assign(**{n: pd.NA for n in fields if n not in f}) for s, f in self.frames.items()}
        return replace(
            self,
            tables={s: _table(f, fields, words) for s, f in frames.items()},
            frames=frames,
            people=list(config.people),
            demographics=list(config.demographics),
            metadata=list(config.metadata),
            vocabularies=words,
        )

    def demographics_of(self, split: str = "train") -> dict[str, dict[str, str]]:
        """What is known of each person in a split."""
        rows = self.frames[split].drop_duplicates("person").set_index("person")
        return {
            str(person): {name: str(row[name]) for name in self.demographics if pd.notna(row[name])}
            for person, row in rows.iterrows()
        }


def build_corpus(
    sets: Sequence[tuple[Ratings, float]], encoder: Encoder, cache: Path, progress: Progress | None = None
) -> Corpus:
    """Data sets with their shares of the training batches; features are computed or found under ``cache``.

    With several sets a person's id is ``set-id``, the set's name becomes one more metadata field, and ages and genders
    are brought to one scale (:mod:`reward_models.ratings.classes`).
    Raises DataError where nothing is left to train on, and for two sets of one name.
    """
    several = len(sets) > 1
    names = _names([r.name for r, _ in sets])
    frames, vectors = [], []
    unreadable: dict[str, str] = {}
    demographics = list(dict.fromkeys(d for r, _ in sets for d in r.demographics))
    metadata = list(dict.fromkeys(m for r, _ in sets for m in r.metadata)) + (["dataset"] if several else [])
    store = FeatureCache(cache, encoder)
    offset = 0
    for name, (ratings, share) in zip(names, sets, strict=True):
        features = store.pictures(ratings.root, sorted(ratings.table["picture"].unique()), progress)
        unreadable |= features.unreadable
        frame = ratings.table[~ratings.table["picture"].isin(list(features.unreadable))].copy()
        frame["picture_row"] = [features.row[p] + offset for p in frame["picture"]]
        offset += len(features.vectors)
        vectors.append(features.vectors)
        if several:
            frame = on_one_scale(frame, ratings.ages)
            frame["person"] = f"{name}-" + frame["person"].astype(str)
        frame["dataset"] = name
        frame["root"] = str(ratings.root)
        frame["weight"] = share / max(1, frame.loc[frame["split"] == "train", "person"].nunique())
        frames.append(frame)
    whole = pd.concat(frames, ignore_index=True)
    for name in (*demographics, *metadata):
        if name not in whole:
            whole[name] = pd.NA
    train = whole[whole["split"] == "train"]
    if train.empty:
        example = next(
            (f"; {len(unreadable)} pictures are left out, such as '{p}': {why}" for p, why in unreadable.items()), ""
        )
        raise DataError(f"no training rating is left{example}")
    prompts, whole["prompt_row"] = _prompts(whole["prompt"], store, encoder)
    vocabularies = {name: sorted(train[name].dropna().astype(str).unique()) for name in (*demographics, *metadata)}
    vocabularies |= {name: with_unseen(vocabularies[name]) for name in demographics}
    frames_by_split = {s: whole[whole["split"] == s].reset_index(drop=True) for s in SPLITS}
    return Corpus(
        pictures=torch.cat(vectors),
        prompts=prompts,
        tables={s: _table(f, [*demographics, *metadata], vocabularies) for s, f in frames_by_split.items()},
        frames=frames_by_split,
        people=sorted(train["person"].astype(str).unique(), key=_natural),
        demographics=demographics,
        metadata=metadata,
        vocabularies=vocabularies,
        unreadable=unreadable,
        fingerprint="-".join(r.fingerprint() for r, _ in sets),
        scales={name: r.scale for name, (r, _) in zip(names, sets, strict=True)},
        datasets=names,
        said=_said({name: vocabularies[name] for name in demographics}, store, encoder),
        groups=_groups(whole, offset),
    )


def _names(given: Sequence[str]) -> list[str]:
    """The sets' names as parts of ids. Raises DataError for two that are the same."""
    names = [re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-_") or "data" for name in given]
    if doubled := [n for n in names if names.count(n) > 1]:
        raise DataError(f"two data sets are called '{doubled[0]}'; give one of them another name in 'data: name: ...'")
    return names


def _said(classes: dict[str, list[str]], store: FeatureCache, encoder: Encoder) -> dict[str, Tensor]:
    """Features (V, D) of every class in words; nothing where the encoder reads no texts."""
    if not encoder.has_text:
        return {}
    texts = {name: [sentence(name, value) for value in values] for name, values in classes.items() if values}
    return {name: store.texts(each).vectors for name, each in texts.items()}


def _groups(whole: pd.DataFrame, pictures: int) -> np.ndarray:
    groups = np.arange(pictures)
    if COLUMN in whole:
        named = whole[whole[COLUMN].notna()]
        names = named["dataset"].astype(str) + "/" + named[COLUMN].astype(str)
        groups[named["picture_row"].to_numpy(int)] = pictures + np.unique(names.to_numpy(str), return_inverse=True)[1]
    return groups


def _prompts(texts: pd.Series, store: FeatureCache, encoder: Encoder) -> tuple[Tensor, pd.Series]:
    """Features of the distinct prompts after a row of zeros, and each rating's row."""
    none = torch.zeros(1, encoder.width)
    distinct = [str(t) for t in texts.dropna().unique()]
    if not encoder.has_text or not distinct:
        return none, pd.Series(0, index=texts.index)
    features = store.texts(distinct)
    rows = texts.map(lambda t: 0 if pd.isna(t) else features.row[str(t)] + 1)
    return torch.cat([none, features.vectors]), rows.astype(int)


def _table(frame: pd.DataFrame, fields: list[str], vocabularies: dict[str, list[str]]) -> RatingTable:
    index = {name: {v: i + 1 for i, v in enumerate(vocabularies[name])} for name in fields}
    columns = [frame[name].map(index[name]).fillna(0).to_numpy(int) for name in fields]
    return RatingTable(
        picture=frame["picture_row"].to_numpy(int),
        prompt=frame["prompt_row"].to_numpy(int),
        person=frame["person"].astype(str).to_numpy(str),
        liking=frame["score"].to_numpy(float, copy=True),
        fields=np.stack(columns, axis=1) if columns else np.zeros((len(frame), 0), int),
        weight=frame["weight"].to_numpy(float, copy=True),
    )


def _natural(text: str) -> tuple[str, int, str]:
    """Sorts u2 before u10."""
    head = text.rstrip("0123456789")
    tail = text[len(head) :]
    return head, int(tail) if tail else -1, text
