"""Making a Linear-Hidden reward from data sets of ratings: features, the general score, a map to attributes. No
training beyond ridges.

Shapes: P pictures, D features, A attributes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from reward_models.base import RewardError
from reward_models.encoders.base import Encoder
from reward_models.encoders.cache import FeatureCache, Progress
from reward_models.encoders.hidden_states import HiddenPools
from reward_models.encoders.imagination import TextToPicture, fit_imagination
from reward_models.encoders.load import load_encoder
from reward_models.linear_hidden.known import Shared
from reward_models.linear_hidden.layers import choose_layer
from reward_models.linear_hidden.reward import LinearHiddenReward
from reward_models.linear_hidden.settings import LinearHiddenSettings
from reward_models.ratings.groups import COLUMN
from reward_models.ratings.sets import load_set
from reward_models.ratings.table import Ratings
from reward_models.taste.crowd import Crowd
from reward_models.taste.learning import LEAST_PEOPLE, Everybody, Rated, learn
from reward_models.taste.prior import TastePrior
from reward_models.taste.ridge import Affine, Scaler, Support, many_outputs


def fit_linear_hidden(
    settings: LinearHiddenSettings, device: str, progress: Progress | None = None
) -> tuple[LinearHiddenReward, Ratings]:
    """The reward of a config, and the data set it is of. People of the test splits have none of their ratings in it;
    its
    ``layer_errors`` are those of :func:`~reward_models.linear_hidden.layers.choose_layer` where the layer was to be
    found.
    """
    encoder = encoder_of(settings, device)
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
    general, population = shared(train, features, rows)
    named = read_attributes(Path(settings.attributes), features, rows, scaler) if settings.attributes else None
    fidelity = load_encoder(settings.fidelity, device=device) if settings.fidelity else None
    imagination = _imagination(fidelity, train, features, rows, general) if fidelity else None
    reward = LinearHiddenReward(
        encoder,
        features,
        support,
        Shared(general, scaler, population),
        fidelity,
        named,
        settings.estimator,
        settings.alphas,
        imagination,
    )
    reward.layer_errors = chosen
    return reward, ratings


def shared(train: pd.DataFrame, features: np.ndarray, rows: dict[str, int]) -> tuple[Crowd, TastePrior | None]:
    """What people like on average, and how they differ from it; None for too few of them. Both from ``person``,
    ``picture``, ``score`` and, where it is there, ``picture_group``.
    """
    rated = as_rated(train, features, rows)
    if len(np.unique(rated.person)) < 2 * LEAST_PEOPLE:
        return Everybody.of(rated).crowd, None
    everybody, prior, _ = learn(rated)
    return everybody.crowd, prior


def as_rated(table: pd.DataFrame, features: np.ndarray, rows: dict[str, int]) -> Rated:
    """Ratings of pictures with features (P, D); see :func:`shared`."""
    picture = np.array([rows[p] for p in table["picture"]])
    _, person = np.unique(table["person"].astype(str), return_inverse=True)
    group = np.arange(len(features))
    if COLUMN in table:
        named = table[COLUMN].astype("string").fillna(table["picture"].astype("string"))
        group[picture] = len(features) + np.unique(named.to_numpy(str), return_inverse=True)[1]
    return Rated(features, picture, person, table["score"].to_numpy(float), group)


def features_of(
    encoder: HiddenPools, ratings: Ratings, cache: Path, progress: Progress | None = None
) -> tuple[np.ndarray, dict[str, int]]:
    """Features (P, D) of a data set's pictures, on disk once computed, and each picture's row; unreadable ones are left
    out.
    """
    found = FeatureCache(cache, encoder).pictures(ratings.root, sorted(ratings.table["picture"].unique()), progress)
    return found.vectors.double().numpy(), found.row


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
    """A map from features to the attributes of a csv, one ridge each with one penalty for all of them, as the paper has
    it.
    """
    pictures, names, values = attribute_values(path, rows)
    return names, attribute_map(features[[rows[p] for p in pictures]], values, scaler)


def encoder_of(settings: LinearHiddenSettings, device: str) -> HiddenPools:
    """The model of a configuration and its pools."""
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
    """Features (P, D) by pool, of the config's pools or of every layer of ``layers`` (sources, as "LT" or "V LV LT"),
    each picture's row, and the data set. All are computed in one pass. ``encoder``: the model where it is loaded
    already.
    """
    ratings = load_set(settings.data[0])
    encoder = encoder or encoder_of(settings, device)
    if layers:
        depth = encoder.depth
        numbers = {"V": range(len(encoder.layout.vision)), "LV": range(1, depth + 1), "LT": range(1, depth + 1)}
        every = [f"{s}_{i}" for s in layers.split() for i in numbers[s]]
        encoder = encoder.with_pools(every)
    pools, rows = pools_of(encoder, ratings.root, ratings.table["picture"].unique(), settings, progress)
    return pools, rows, ratings


def pools_of(
    encoder: HiddenPools,
    root: Path,
    pictures: Iterable[str],
    settings: LinearHiddenSettings,
    progress: Progress | None = None,
) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Features (P, D) of pictures below ``root`` by pool, and each picture's row; unreadable ones are left out."""
    store = FeatureCache(Path(settings.out).parent / "features", encoder)
    found = store.pictures(root, sorted(pictures), progress)
    ends = np.cumsum(encoder.widths)[:-1]
    parts = np.split(found.vectors.double().numpy(), ends, axis=1)
    return dict(zip(map(str, encoder.pools), parts, strict=True)), found.row


def attribute_map(x: np.ndarray, values: np.ndarray, scaler: Scaler) -> Affine:
    """From features (P, D) to attributes (P, A), all with one penalty."""
    weight, bias, _ = many_outputs(x, values, scaler)
    return Affine(scaler, weight, bias)


def _imagination(
    fidelity: Encoder, train: pd.DataFrame, features: np.ndarray, rows: dict[str, int], general: Crowd
) -> TextToPicture | None:
    """Features of the picture that a text would give; None where the data set has no prompts. Its error is measured on
    a fifth of the pictures that it was not fitted to, in everybody's liking.
    """
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
    return TextToPicture(whole.weight, whole.bias, round(error, 4))
