"""Joint training against training alone, on the miniature's data set split in two.

    python benchmarks/joint.py training/pamela --cache training/features --out outputs/joint

The first set has the people of even numbers and every other picture; the second the other people and pictures, and its
people use half the scale. Alone is trained on the first set, joint on both in equal shares, with the same settings and
seeds. All is judged on the first set's test splits; differences are paired by person.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from reward_models.encoders.load import load_encoder
from reward_models.evaluation.metrics import Each, gain, per_person, summary
from reward_models.evaluation.pages import as_interval
from reward_models.pamela.evaluation import judge
from reward_models.pamela.fit import fit_reward
from reward_models.pamela.settings import RewardTraining
from reward_models.ratings.corpus import build_corpus
from reward_models.ratings.sets import load_ratings
from reward_models.ratings.table import Ratings
from steer.resources import miniature_weights

SPLITS = ("test_seen", "test_unseen")
SHIFT, SPREAD = 0.25, 0.5  # the second set's scores, in the first's


def halves(whole: Ratings, share: float) -> tuple[Ratings, Ratings]:
    """Two data sets without a person or a picture in common. ``share``: of the first's training ratings, kept."""
    table = whole.table
    even = table["person"].str[1:].astype(int) % 2 == 0
    names = {p: i % 2 == 0 for i, p in enumerate(sorted(table["picture"].unique()))}
    mine = table["picture"].map(names).astype(bool)
    first, second = table[even & mine], table[~even & ~mine]
    train = first["split"] == "train"
    kept = first[train].groupby("person").sample(frac=share, random_state=0).index
    first = first[~train | first.index.isin(kept)]
    second = second.assign(score=SHIFT + SPREAD * second["score"])
    return (
        dataclasses.replace(whole, name="first", table=first.reset_index(drop=True)),
        dataclasses.replace(whole, name="second", table=second.reset_index(drop=True)),
    )


def main(
    data: Annotated[Path, typer.Argument()],
    cache: Annotated[Path, typer.Option()] = Path("outputs/features"),
    out: Annotated[Path, typer.Option()] = Path("outputs/joint"),
    epochs: Annotated[int, typer.Option()] = 6,
    share: Annotated[float, typer.Option(help="Of the first set's training ratings.")] = 1.0,
    seeds: Annotated[int, typer.Option()] = 1,
) -> None:
    first, second = halves(load_ratings(data), share)
    encoder = load_encoder(str(miniature_weights("siglip")), "siglip", "cpu", 16)
    found: dict[str, dict[str, Each]] = {}
    for name, sets in {"alone": [(first, 1.0)], "joint": [(first, 1.0), (second, 1.0)]}.items():
        corpus = build_corpus(sets, encoder, cache)
        settings = RewardTraining.model_validate(
            {
                "data": [{"source": str(data)}],
                "model": {"width": 96},
                # an epoch is as many steps as there are ratings: of both sets it would be about twice as many
                "training": {"epochs": epochs if name == "alone" else max(1, round(epochs / len(sets)))},
                "seeds": list(range(seeds)),
                "out": str(out / f"{name}-{epochs}-{share:g}"),
            }
        )
        reward = fit_reward(corpus, encoder, settings, "cpu")
        judged = {s: judge(corpus.first, reward.ensemble, s) for s in SPLITS}
        found[name] = {
            s: per_person(j.predictions[j.best], j.test.liking, [p.removeprefix("first-") for p in j.test.person])
            for s, j in judged.items()
            if j is not None
        }
    print("| split | alone | joint | joint above alone | people |\n|---|---|---|---|---|")
    for split in found["alone"]:
        cells = []
        for name in ("alone", "joint"):
            s = summary(found[name][split])
            cells.append(as_interval((s["srocc"], s["srocc_low"], s["srocc_high"])))
        more = gain(found["joint"][split], found["alone"][split])
        above = as_interval((more["gain"], more["low"], more["high"]), signed=True)
        print(f"| {split} | {' | '.join(cells)} | {above} | {more['n_people']} |")


if __name__ == "__main__":
    typer.run(main)
