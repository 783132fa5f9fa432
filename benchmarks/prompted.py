"""How well few ratings make a person known to the prompted reward, beside a ridge alone and PAMELA.

    python benchmarks/prompted.py [--people 40]

New simulated people, the same pictures and ratings for every row: Spearman correlation with what each person truly
likes of 100 pictures that they did not rate, with 95 % intervals over people, and differences paired by person. The
model that is asked is the miniature's Qwen3-VL, which was taught attributes and not this question: its own answers are
a habit, and what is measured is whether ratings correct it without making it worse. "noise": ratings at random.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer

import reward_models
from reward_models import Evidence, RewardModel, Seen
from reward_models.encoders.hidden_states import HiddenPools
from reward_models.evaluation.statistics import bootstrap, spearman
from reward_models.linear_hidden.reward import LinearHiddenReward
from reward_models.prompted.family import Settings, make
from steer.judging.prompted import background
from steer.miniature.eye import load_eye
from steer.miniature.painter import paint
from steer.miniature.raters import simulated_people
from steer.miniature.world import scene_at
from steer.resources import MINIATURE_LINEAR_HIDDEN, MINIATURE_WEIGHTS, miniature_weights

COUNTS = (0, 2, 5, 10, 25, 100)
TEST, SEED = 100, 4242


def measured(
    reward: RewardModel, kept: list[Seen], rated: np.ndarray, truth: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Spearman (people) on the last ``TEST`` pictures after ``n`` of the first were rated, and the share known."""
    assert reward.teacher is not None
    found, shares = [], []
    for own, true in zip(rated, truth, strict=True):
        lesson = reward.teacher.learn("new", Evidence(kept[:n], own[:n].tolist()))
        scores = reward.judge(reward.teacher.reading(kept[-TEST:]), "new").personal
        found.append(spearman(scores, true[-TEST:]))
        shares.append(1 - lesson.open)
    return np.array(found), np.array(shares)


def main(people: Annotated[int, typer.Option(help="New people.")] = 40) -> None:
    """See the module."""
    everybody = list(simulated_people(200 + people).values())[200:]
    scenes = [scene_at(SEED, i) for i in range(max(COUNTS) + TEST)]
    pictures = [paint(scene) for scene in scenes]
    read = load_eye(miniature_weights("eye")).read(pictures)
    rng = np.random.default_rng(SEED)
    truth = np.stack([p.satisfaction(read) for p in everybody])
    rated = np.stack([(p.rate(t, rng) - 1) / 4 for p, t in zip(everybody, truth, strict=True)])
    noise = rng.permuted(rated, axis=1)
    vlm = MINIATURE_WEIGHTS / "linear-hidden" / "vlm"
    prompted = make(Settings(str(vlm), size=128), background=background)
    alone = LinearHiddenReward.alone(HiddenPools(vlm, ["LT_4"], size=128), background(), estimator="direct")
    rewards: dict[str, RewardModel] = {
        "prompted, corrected": prompted,
        "ridge alone, leave-one-out": alone,
        "PAMELA": reward_models.load("miniature"),
        "Linear-Hidden, hierarchical": reward_models.load(MINIATURE_LINEAR_HIDDEN),
    }
    rows = {}
    for name, reward in rewards.items():
        assert reward.teacher is not None
        kept = [Seen(k) for k in reward.teacher.keep(pictures)]
        for n in COUNTS:
            scores, shares = measured(reward, kept, rated, truth, n)
            rows[f"{name}, {n}"] = {"srocc": bootstrap(scores), "known": round(float(shares.mean()), 3), "each": scores}
            if name in ("prompted, corrected", "ridge alone, leave-one-out"):
                of_noise, share = measured(reward, kept, noise, truth, n)
                rows[f"{name}, {n}, noise"] = {
                    "srocc": bootstrap(of_noise),
                    "known": round(float(share.mean()), 3),
                    "each": of_noise,
                }
    for name, row in rows.items():
        first = rows[f"{name.rsplit(', ', 1)[0]}, 0"] if name.count(", 0") == 0 and "noise" not in name else None
        gain = f"; over none {said(bootstrap(row['each'] - first['each']))}" if first else ""
        print(f"{name:40s} {said(row['srocc'])}  known {row['known']:.2f}{gain}", flush=True)


def said(interval: tuple[float, float, float]) -> str:
    """Mean and 95 % interval."""
    return "{:.3f} [{:.3f}, {:.3f}]".format(*interval)


if __name__ == "__main__":
    typer.run(main)
