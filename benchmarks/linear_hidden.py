"""Linear-Hidden against PAMELA: how well new people are known from n ratings, and what a picture and a person cost.

    python benchmarks/linear_hidden.py [--config configs/train/linear-hidden.yaml] [--pamela steer/miniature/weights/reward]

The miniature's 34 new people (test_unseen), ratings in their order; all counts are judged on the same later ratings. PAMELA is the shipped reward with its Bayesian
fit; the general score of ``residual`` is a ridge on everybody's mean. SROCC [95 % bootstrap over people].
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from reward_models.fit import load_corpus
from reward_models.linear_hidden.fit import fit_linear_hidden, load_settings
from reward_models.linear_hidden.people import PersonModel
from reward_models.metrics import per_person, summary
from reward_models.newcomers import with_enough
from reward_models.pamela_reward import PamelaReward
from reward_models.settings import load_training

COUNTS = (2, 5, 10, 15, 25, 40, 60, 100)


def main(
    config: Annotated[Path, typer.Option()] = Path("configs/train/linear-hidden.yaml"),
    pamela: Annotated[Path, typer.Option()] = Path("steer/miniature/weights/reward"),
) -> None:
    hidden, ratings = fit_linear_hidden(load_settings(config), "cpu")
    settings = load_training(Path("configs/train/miniature.yaml"))
    corpus, encoder = load_corpus(settings, "cpu", print, lambda *_: None)
    reward = PamelaReward.from_folder(pamela, encoder)
    corpus = corpus.for_config(reward.config)
    new = with_enough(corpus, reward, "test_unseen")
    rows_of = {p: i for i, p in enumerate(sorted(ratings.table["picture"].unique()))}
    frame = corpus.frames["test_unseen"]
    x = hidden.pictures[[rows_of[p] for p in frame["picture"]]]
    liking = frame["score"].to_numpy(float)
    most = max(n for n in COUNTS if n <= min(map(len, new.rows.values())) - 5)
    later, _ = new.later(most)
    print(f"{len(new.rows)} people, judged on what they rated after the first {most}")
    known = dict(new.curve([0, *[n for n in COUNTS if n <= most]], ["fitted"])["fitted"])
    print("| ratings | PAMELA | residual | direct |\n|---|---|---|---|")
    for n in [c for c in COUNTS if c <= most]:
        cells = [_told(summary(known[n]))]
        for way in ("residual", "direct"):
            predicted = np.concatenate(
                [
                    PersonModel(x[r[:n]], liking[r[:n]], hidden.general, way, "wide", None, hidden.scaler).raw(
                        x[r[most:]]
                    )
                    for r in new.rows.values()
                ]
            )
            cells.append(_told(summary(per_person(predicted, later.liking, later.person))))
        print(f"| {n} | {' | '.join(cells)} |")
    general = np.concatenate([hidden.general(x[r[most:]]) for r in new.rows.values()])
    print(
        f"nothing of the person: {_told(summary(per_person(general, later.liking, later.person)))}; PAMELA {_told(summary(known[0]))}"
    )
    cost(hidden, reward, x, liking)


def cost(hidden, reward, x: np.ndarray, liking: np.ndarray) -> None:  # type: ignore[no-untyped-def]
    images = [
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (128, 128, 3), dtype=np.uint8)) for i in range(64)
    ]
    for name, encoder in (("VLM", hidden.hidden), ("SigLIP", reward.encoder)):
        encoder.images(images[:16])
        begun = time.perf_counter()
        encoder.images(images)
        print(f"{name}: {1000 * (time.perf_counter() - begun) / 64:.1f} ms a picture")
    for n in (10, 100):
        begun = time.perf_counter()
        for k in range(20):
            PersonModel(x[k : k + n], liking[k : k + n], hidden.general, "auto", "wide", None, hidden.scaler)
        print(f"a person from {n} ratings: {1000 * (time.perf_counter() - begun) / 20:.2f} ms, {x.shape[1]} features")
    model = PersonModel(x[:100], liking[:100], hidden.general, "direct", "wide", None, hidden.scaler)
    begun = time.perf_counter()
    for k in range(20):
        model.add(x[100 + k], float(liking[100 + k]))
    print(f"one rating more, after 100: {1000 * (time.perf_counter() - begun) / 20:.2f} ms")


def _told(row: dict[str, float]) -> str:
    return f"{row['srocc']:.3f} [{row['srocc_low']:.3f}, {row['srocc_high']:.3f}]"


if __name__ == "__main__":
    typer.run(main)
