"""What personal estimators are worth on real people's ratings: FOLDER holds ``ratings.csv`` (picture, score, person,
split) and ``features.safetensors`` (``vectors``, metadata ``ids``).

Two questions are kept apart. *Rated*: new people, pictures that others have rated. *New*: new people and pictures that
nobody has rated, which is what steering makes; three pictures in ten are held out of everything, near-duplicates
together (--prefix N: pictures whose names share N characters). People of the unseen splits are given n of their ratings
of rated pictures, drawn at random, and are judged on the rest and on the new pictures. Every gain is paired with the
crowd's own answer, with a 95 % bootstrap interval over people.

    python benchmarks/real_people.py FOLDER --scale 1 7 --draws 3 --splits 4 --out outputs/real_people
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from reward_models.encoders.table import FeatureTable
from reward_models.linear_hidden.new_people import our_ways
from reward_models.prompted.correction import Correction, Prior
from reward_models.taste.learning import Everybody, Rated, learn
from reward_models.taste.ridge import Ridge
from reward_models.taste.scale import Scale
from reward_models.two_questions import Answer, Interval, Told, as_markdown, judge


def read(folder: Path, scale: Sequence[float], prefix: int) -> tuple[Rated, np.ndarray, list[str]]:
    """Ratings of all people, which of the ratings are of new people, and people's ids."""
    table = pd.read_csv(folder / "ratings.csv")
    features = FeatureTable(folder / "features.safetensors")
    pictures = sorted(table["picture"].unique())
    vectors = [features.look_up(p) for p in pictures]
    if lost := [p for p, v in zip(pictures, vectors, strict=True) if v is None]:
        raise SystemExit(f"'{folder}' has no features of {len(lost)} pictures, '{lost[0]}' among them")
    x = np.stack([v.numpy() for v in vectors if v is not None]).astype(np.float64)
    row = {p: i for i, p in enumerate(pictures)}
    people, person = np.unique(table["person"].astype(str), return_inverse=True)
    names = np.array([p[:prefix] if prefix else p for p in pictures])
    liking = (table["score"].to_numpy(float) - scale[0]) / (scale[1] - scale[0])
    group = np.unique(names, return_inverse=True)[1]
    rated = Rated(x, table["picture"].map(row).to_numpy(), person, liking, group)
    return rated, table["split"].str.endswith("unseen").to_numpy(), people.tolist()


def ways(rated: Rated, known: Rated) -> tuple[dict[str, Answer], Interval]:
    """Every estimator learnt from the ``known`` ratings, and the intervals of `hierarchical`."""
    everybody, prior, worth = learn(known)
    linear = _linear(known, everybody)
    print(
        f"  crowd: {'linear' if everybody.crowd.width is None else f'Gaussian, width {everybody.crowd.width:g}'}, "
        f"R2 {everybody.crowd.r2:.2f}; taste: axes {worth.kind[0]:.0%}, strength "
        + ", ".join(f"{a.strength:g} from {a.ratings}" for a in prior.amounts),
        flush=True,
    )

    def base(asked: np.ndarray) -> np.ndarray:
        return everybody.others(asked)  # the crowd's answer where nobody rated it

    def naive(given: np.ndarray, liking: np.ndarray, asked: np.ndarray) -> np.ndarray:
        if len(given) < 2:
            return base(asked)
        z = prior.scale
        return base(asked) + Ridge(z(rated.x[given]), liking - base(given), "wide")(z(rated.x[asked]))

    def alone(given: np.ndarray, liking: np.ndarray, asked: np.ndarray) -> np.ndarray:
        z = prior.scale
        return Ridge(z(rated.x[given]), liking, "wide")(z(rated.x[asked])) if len(given) > 1 else np.zeros(len(asked))

    scale, corrections = Scale.of(rated.x[everybody.means.rated]), Prior()

    def averaged(given: np.ndarray, liking: np.ndarray, asked: np.ndarray) -> np.ndarray:
        return base(asked) + Correction(rated.x[given], liking - base(given), scale, corrections)(rated.x[asked])

    found: dict[str, Answer] = {
        "linear crowd": lambda given, liking, asked: linear[asked],
        "own ratings alone, ridge": alone,
        "crowd + ridge, own penalty": naive,
        "crowd + correction of `prompted`": averaged,
    }
    ours, interval = our_ways(rated, everybody, prior)
    return found | ours, interval


def _linear(known: Rated, everybody: Everybody) -> np.ndarray:
    """The mean of others where they rated a picture, else a ridge of it on the features, (P,)."""
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    at, means = everybody.means.rated, everybody.means
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 6, 22))).fit(known.x[at], means.mean[at])
    return np.where(means.count > 0, means.mean, model.predict(known.x))


def main(folder: Path, scale: Sequence[float], prefix: int, splits: int, draws: int, out: Path | None) -> None:
    rated, unseen, people = read(folder, scale, prefix)
    new = len(np.unique(rated.person[unseen]))
    print(f"{folder.name}: {len(rated.x)} pictures, {len(people)} people, {new} of them new")
    told = judge(rated, unseen, partial(ways, rated), splits, draws)
    text = as_markdown(told, " of `hierarchical`")
    print(text)
    if out:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{folder.name}.json").write_text(json.dumps(asdict(told), indent=1) + "\n", encoding="utf-8")
        (out / f"{folder.name}.md").write_text(text, encoding="utf-8")
        plot(told, out / f"{folder.name}.png")


def plot(told: Told, path: Path) -> None:
    """Gain over the crowd by number of ratings, both questions."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    for axis, (question, title) in zip(axes, (("new", "new pictures"), ("rated", "rated pictures")), strict=True):
        for way in ("crowd + ridge, own penalty", "residual", "hierarchical"):
            by_count = told.ways[question].get(way, {})
            counts = list(by_count)
            gains = np.array([by_count[n]["gain"] for n in counts]).reshape(-1, 3)
            axis.plot(counts, gains[:, 0], marker="o", label=way)
            axis.fill_between(counts, gains[:, 1], gains[:, 2], alpha=0.15)
        axis.axhline(0, color="grey", linewidth=0.8)
        axis.set(title=title, xlabel="ratings given", xscale="log", xticks=counts or [1], xticklabels=counts or [1])
    axes[0].set_ylabel("Spearman above the crowd's")
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=float, nargs=2, default=(1, 5), help="lowest and highest score")
    parser.add_argument(
        "--prefix", type=int, default=0, help="pictures whose names share so many characters go together"
    )
    parser.add_argument("--splits", type=int, default=4, help="splits of the pictures")
    parser.add_argument("--draws", type=int, default=3, help="draws of the ratings given")
    parser.add_argument("--out", type=Path)
    a = parser.parse_args()
    main(a.folder, a.scale, a.prefix, a.splits, a.draws, a.out)
