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
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from reward_models.encoders.table import FeatureTable
from reward_models.evaluation.statistics import bootstrap, spearman
from reward_models.taste.learning import Everybody, Rated, learn
from reward_models.taste.prior import TastePrior
from reward_models.taste.ridge import Ridge

COUNTS = (1, 2, 5, 15, 27, 50, 100)
HELD_OUT = 0.3  # of the pictures
MINIMUM = 8  # pictures of a person to be judged on
Answer = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # rated pictures, likings, pictures asked


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


def ways(rated: Rated, train: np.ndarray) -> tuple[dict[str, Answer], Callable[[np.ndarray, np.ndarray], object]]:
    """Every estimator learnt from the ``train`` rows, and ours as a ridge, for its intervals."""
    known = rated.where(train)
    everybody, prior, worth = learn(known)
    even = TastePrior.even(rated.x[everybody.means.rated])
    linear = _linear(known, everybody)
    print(
        f"  crowd: {'linear' if everybody.crowd.width is None else f'Gaussian, width {everybody.crowd.width:g}'}, "
        f"R2 {everybody.crowd.r2:.2f}; taste: axes {worth.kind[0]:.0%}, strength "
        + ", ".join(f"{a.strength:g} from {a.ratings}" for a in prior.amounts),
        flush=True,
    )

    def base(asked: np.ndarray) -> np.ndarray:
        return everybody.others(asked)  # the crowd's answer where nobody rated it

    def tasted(of: TastePrior) -> Answer:
        def answer(given: np.ndarray, liking: np.ndarray, asked: np.ndarray) -> np.ndarray:
            if len(given) < 2:
                return base(asked)
            ridge = of.ridge(rated.x[given], liking - base(given))
            return base(asked) + ridge(of(rated.x[asked]))

        return answer

    def naive(given: np.ndarray, liking: np.ndarray, asked: np.ndarray) -> np.ndarray:
        if len(given) < 2:
            return base(asked)
        z = prior.scale
        return base(asked) + Ridge(z(rated.x[given]), liking - base(given), "wide")(z(rated.x[asked]))

    def alone(given: np.ndarray, liking: np.ndarray, asked: np.ndarray) -> np.ndarray:
        z = prior.scale
        return Ridge(z(rated.x[given]), liking, "wide")(z(rated.x[asked])) if len(given) > 1 else np.zeros(len(asked))

    found: dict[str, Answer] = {
        "crowd": lambda given, liking, asked: base(asked),
        "linear crowd": lambda given, liking, asked: linear[asked],
        "own ratings alone, ridge": alone,
        "crowd + ridge, own penalty": naive,
        "residual": tasted(even),
        "hierarchical": tasted(prior),
    }
    return found, lambda given, liking: (prior, prior.ridge(rated.x[given], liking - base(given)), base)


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
    new_people = np.unique(rated.person[unseen])
    scores: dict[tuple[str, str, int], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    inside: dict[int, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    print(f"{folder.name}: {len(rated.x)} pictures, {len(people)} people, {len(new_people)} of them new")
    for k in range(splits):
        rng = np.random.default_rng(k)
        groups = np.unique(rated.group)
        held = np.isin(rated.group, groups[rng.random(len(groups)) < HELD_OUT])
        found, ours = ways(rated, np.flatnonzero(~unseen & ~held[rated.picture]))
        for p in new_people:
            rows = np.flatnonzero((rated.person == p) & unseen)
            new = rows[held[rated.picture[rows]]]
            for draw in range(draws):
                old = np.random.default_rng(1000 * k + draw).permutation(rows[~held[rated.picture[rows]]])
                for n in (n for n in COUNTS if n <= len(old)):
                    given, rest = old[:n], old[n:]
                    pictures, liking = rated.picture[given], rated.liking[given]
                    for question, asked in (("new", new), ("rated", rest)):
                        if len(asked) < MINIMUM:
                            continue
                        for name, answer in found.items():
                            value = spearman(answer(pictures, liking, rated.picture[asked]), rated.liking[asked])
                            scores[question, name, n][int(p)].append(value)
                    if n > 1 and len(new) >= MINIMUM:
                        prior, ridge, base = ours(pictures, liking)  # type: ignore[misc]
                        along = prior(rated.x[rated.picture[new]])
                        spread = ridge.noise * np.sqrt(1 + ridge.leverage(along))
                        apart = np.abs(rated.liking[new] - base(rated.picture[new]) - ridge(along))
                        inside[n][int(p)].append(float(np.mean(apart < 1.96 * spread)))
    told = _told(scores, inside)
    text = as_markdown(folder.name, told)
    print(text)
    if out:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{folder.name}.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        (out / f"{folder.name}.md").write_text(text, encoding="utf-8")
        plot(told, out / f"{folder.name}.png")


def _told(scores: dict, inside: dict) -> dict:
    """Means and paired gains over the crowd by question, way and number of ratings."""
    told: dict = {"new": {}, "rated": {}, "coverage": {}}
    for (question, name, n), by_person in scores.items():
        crowd = scores[question, "crowd", n]
        own = np.array([np.mean(v) for v in by_person.values()])
        gain = bootstrap(np.array([np.mean(v) - np.mean(crowd[p]) for p, v in by_person.items()]))
        told[question].setdefault(name, {})[n] = {"srocc": float(own.mean()), "gain": gain, "people": len(own)}
    for n, by_person in inside.items():
        each = [np.mean(v) for v in by_person.values()]
        told["coverage"][n] = [float(np.mean(each)), float(np.percentile(each, 5))]
    return told


def as_markdown(name: str, told: dict) -> str:
    """Two tables, gains that hurt in words, and what intervals hold."""
    lines = []
    for question, title in (("new", "New pictures"), ("rated", "Pictures that others have rated")):
        counts = list(next(iter(told[question].values()), {}))
        if not counts:
            continue
        lines += [f"\n**{name}: {title}**\n", "| way | " + " | ".join(f"{n}" for n in counts) + " |"]
        lines += ["|---|" + "---|" * len(counts)]
        for way, by_count in told[question].items():
            cells = []
            for n in counts:
                mean, low, high = by_count[n]["gain"]
                word = " hurts" if high < 0 else ""
                paired = "" if way == "crowd" else f" {mean:+.3f} [{low:+.3f}, {high:+.3f}]{word}"
                cells.append(f"{by_count[n]['srocc']:.3f}{paired}")
            lines.append(f"| {way} | {' | '.join(cells)} |")
    held = "; ".join(
        f"{n}: {mean:.3f} (5th percentile of people {low:.2f})" for n, (mean, low) in told["coverage"].items()
    )
    return "\n".join(
        [*lines, f"\n95 % intervals of `hierarchical` hold, on new pictures, from so many ratings: {held}\n"]
    )


def plot(told: dict, path: Path) -> None:
    """Gain over the crowd by number of ratings, both questions."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    for axis, (question, title) in zip(axes, (("new", "new pictures"), ("rated", "rated pictures")), strict=True):
        for way in ("crowd + ridge, own penalty", "residual", "hierarchical"):
            by_count = told[question].get(way, {})
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
