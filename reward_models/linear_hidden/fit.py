"""Making a Linear-Hidden reward from data sets of ratings: features, the general score, a map to attributes. No training beyond ridges.

Shapes: P pictures, D features, A attributes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
import yaml
from pydantic import Field, ValidationError, field_validator

from reward_models.base import RewardError
from reward_models.datasets import Ratings, load_ratings
from reward_models.encoders import Encoder, load_encoder
from reward_models.features import FeatureCache, Progress
from reward_models.imagination import Imagination, fit_imagination
from reward_models.linear_hidden.layers import choose_layer
from reward_models.linear_hidden.people import Estimator
from reward_models.linear_hidden.pools import HiddenPools
from reward_models.linear_hidden.population import Population
from reward_models.linear_hidden.reward import LinearHiddenReward
from reward_models.linear_hidden.ridge import Affine, Scaler, Support, many_outputs
from reward_models.settings import DataSetting, _Strict


class LinearHiddenSettings(_Strict):
    """A YAML with ``family: linear-hidden``."""

    family: Literal["linear-hidden"]
    data: list[DataSetting] = Field(min_length=1, max_length=1)
    vlm: str
    revision: str | None = None
    pools: list[str] = Field(["LT_15"], min_length=1)  # "LT_auto" alone: the layer by inner cross-validation
    size: int = Field(448, ge=32, le=2048)
    prompt: str = "base"
    batch_size: int = Field(8, ge=1)
    fidelity: str | None = None  # an image-text encoder, for fidelity and to rank texts before they are drawn
    estimator: Estimator = "auto"
    alphas: Literal["paper", "wide"] = "wide"
    attributes: str | None = None  # a csv: column picture, a column an attribute
    people: Literal["train", "all"] = "all"  # whose ratings are kept; of the test splits none are
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    out: str

    @property
    def source(self) -> str | None:
        """V, LV or LT where its layer is to be found."""
        return self.pools[0].removesuffix("_auto") if self.pools[0].endswith("_auto") else None

    @field_validator("pools")
    @classmethod
    def _one_to_find(cls, pools: list[str]) -> list[str]:
        if any(p.endswith("_auto") for p in pools) and pools not in (["V_auto"], ["LV_auto"], ["LT_auto"]):
            raise ValueError(f"{', '.join(pools)}: V_auto, LV_auto and LT_auto stand alone")
        return pools


def load_settings(path: Path) -> LinearHiddenSettings:
    """Raises RewardError with the key that is wrong."""
    try:
        return LinearHiddenSettings.model_validate(yaml.safe_load(path.read_text()))
    except ValidationError as error:
        first = error.errors()[0]
        raise RewardError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def fit_linear_hidden(
    settings: LinearHiddenSettings, device: str, progress: Progress | None = None
) -> tuple[LinearHiddenReward, Ratings]:
    """The reward of a config, and the data set it is of. People of the test splits have none of their ratings in it; its
    ``layer_errors`` are those of :func:`~reward_models.linear_hidden.layers.choose_layer` where the layer was to be found."""
    encoder = _encoder(settings, device)
    by_pool, rows, ratings = all_pools(settings, device, settings.source or "", progress, encoder)
    pools, chosen = settings.pools, None
    if settings.source:
        train = ratings.table[(ratings.table["split"] == "train") & ratings.table["picture"].isin(list(rows))]
        chosen = choose_layer(train, by_pool, rows, settings.alphas)
        pools = [next(iter(chosen))]
    features = np.hstack([by_pool[p] for p in pools])
    encoder = encoder.with_pools(pools)
    table = ratings.table[ratings.table["picture"].isin(list(rows))]
    train = table[table["split"] == "train"]
    kept = train if settings.people == "train" else table[~table["split"].str.startswith("test")]
    support = Support()
    for person, own in kept.groupby("person", sort=False):
        support.rows[str(person)] = np.array([rows[p] for p in own["picture"]])
        support.likings[str(person)] = own["score"].to_numpy(float)
    used = sorted({rows[p] for p in train["picture"].unique()})
    scaler = Scaler.of(features[used])
    general = general_score(train, features, rows, scaler)
    named = read_attributes(Path(settings.attributes), features, rows, scaler) if settings.attributes else None
    fidelity = load_encoder(settings.fidelity, device=device) if settings.fidelity else None
    imagination = _imagination(fidelity, train, features, rows, general) if fidelity else None
    reward = LinearHiddenReward(
        encoder, features, support, general, fidelity, named, settings.estimator, settings.alphas, imagination,
        population_of(train, features, rows, general, settings.alphas),
    )  # fmt: skip
    reward.layer_errors = chosen
    return reward, ratings


def population_of(
    train: pd.DataFrame, features: np.ndarray, rows: dict[str, int], general: Affine, alphas: str
) -> Population | None:  # fmt: skip
    """How people differ from the general score; None for too few of them."""
    people = []
    for _, own in train.groupby("person", sort=True):
        at = np.array([rows[p] for p in own["picture"]])
        people.append((at, own["score"].to_numpy(float) - general(features[at])[:, 0]))
    return Population.of(features, people, general.scaler, alphas)


def features_of(
    encoder: HiddenPools, ratings: Ratings, cache: Path, progress: Progress | None = None
) -> tuple[np.ndarray, dict[str, int]]:
    """Features (P, D) of a data set's pictures, on disk once computed, and each picture's row; unreadable ones are left out."""
    found = FeatureCache(cache, encoder).pictures(ratings.root, sorted(ratings.table["picture"].unique()), progress)
    return found.vectors.double().numpy(), found.row


def general_score(train: pd.DataFrame, features: np.ndarray, rows: dict[str, int], scaler: Scaler) -> Affine:
    """Everybody's mean liking of a picture (the paper's GIAA), by a ridge over the training pictures."""
    means = train.groupby("picture", sort=True)["score"].mean()
    x = features[[rows[p] for p in means.index]]
    weight, bias, _ = many_outputs(x, means.to_numpy(float)[:, None], scaler)
    return Affine(scaler, weight, bias)


def attribute_values(path: Path, rows: dict[str, int]) -> tuple[list[str], list[str], np.ndarray]:
    """Pictures (n), names (A) and values (n, A) of a csv with a column ``picture``.

    Raises RewardError for a csv without pictures of the data set.
    """
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise RewardError(f"the attributes in '{path}' cannot be read: {error}") from error
    if "picture" not in table:
        raise RewardError(f"'{path}' has no column 'picture'")
    table = table[table["picture"].isin(list(rows))]
    names = [c for c in table.columns if c != "picture"]
    if len(table) < 2 or not names:
        raise RewardError(f"'{path}' names no attributes of pictures of this data set")
    return list(table["picture"]), names, table[names].to_numpy(float)


def read_attributes(path: Path, features: np.ndarray, rows: dict[str, int], scaler: Scaler) -> tuple[list[str], Affine]:
    """A map from features to the attributes of a csv, one ridge each with one penalty for all of them, as the paper has it."""
    pictures, names, values = attribute_values(path, rows)
    return names, attribute_map(features[[rows[p] for p in pictures]], values, scaler)


def _encoder(settings: LinearHiddenSettings, device: str) -> HiddenPools:
    pools = ["LT_1"] if settings.source else settings.pools  # where the layer is to be found, any
    return HiddenPools(
        settings.vlm, pools, device, settings.batch_size, settings.size, settings.prompt, settings.revision
    )


def all_pools(
    settings: LinearHiddenSettings,
    device: str,
    layers: str = "",
    progress: Progress | None = None,
    encoder: HiddenPools | None = None,
) -> tuple[dict[str, np.ndarray], dict[str, int], Ratings]:
    """Features (P, D) by pool, of the config's pools or of every layer of ``layers`` (sources, as "LT" or "V LV LT"), each picture's row, and
    the data set. All are computed in one pass. ``encoder``: the model where it is loaded already."""
    data = settings.data[0]
    ratings = load_ratings(data.source, data.kind, data.revision, scale=data.scale)
    encoder = encoder or _encoder(settings, device)
    if layers:
        depth = len(encoder.layout.decoder)
        numbers = {"V": range(len(encoder.layout.vision)), "LV": range(1, depth + 1), "LT": range(1, depth + 1)}
        every = [f"{s}_{i}" for s in layers.split() for i in numbers[s]]
        encoder = encoder.with_pools(every)
    features, rows = features_of(encoder, ratings, Path(settings.out).parent / "features", progress)
    ends = np.cumsum(encoder.widths)[:-1]
    return dict(zip(map(str, encoder.pools), np.split(features, ends, axis=1), strict=True)), rows, ratings


def attribute_map(x: np.ndarray, values: np.ndarray, scaler: Scaler) -> Affine:
    """From features (P, D) to attributes (P, A), all with one penalty."""
    weight, bias, _ = many_outputs(x, values, scaler)
    return Affine(scaler, weight, bias)


def _imagination(
    fidelity: Encoder, train: pd.DataFrame, features: np.ndarray, rows: dict[str, int], general: Affine
) -> Imagination | None:
    """Features of the picture that a text would give; None where the data set has no prompts. Its error is measured on a fifth of the pictures
    that it was not fitted to, in everybody's liking."""
    pairs = train.dropna(subset=["prompt"]).drop_duplicates("picture")
    if len(pairs) < 10:
        return None
    texts = fidelity.texts([str(p) for p in pairs["prompt"]]).float().cpu()
    pictures = torch.from_numpy(features[[rows[p] for p in pairs["picture"]]]).float()
    held = np.arange(len(pairs)) % 5 == 0
    first = fit_imagination(texts[~held], pictures[~held])
    imagined = (texts[held] @ first.weight.T + first.bias).double().numpy()
    error = float(np.sqrt(np.mean((general(imagined) - general(pictures[held].double().numpy())) ** 2)))
    whole = fit_imagination(texts, pictures)
    return Imagination(whole.weight, whole.bias, round(error, 4))
