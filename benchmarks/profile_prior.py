"""From a profile to ratings: when does PAMELA overtake P-MLLM, and does P-MLLM help as its prior?

    python -m trainers profile-mllm
    python benchmarks/profile_prior.py [--reward training/profile-mllm/many/reward] [--people 34] [--pictures 120]

The miniature's people that no reward was trained on rate so many validation pictures, everybody other ones, with their
noise; each reward is then asked about test pictures. Spearman with what each person truly likes, mean [95 % bootstrap
over people]; the last columns are paired by person.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image

import reward_models
from reward_models import Evidence, RewardModel, Seen
from reward_models.evaluation.pages import as_interval
from reward_models.evaluation.statistics import bootstrap, spearman
from reward_models.pictures import read_picture
from reward_models.prior_mean import WithPrior
from reward_models.protocols import Teacher
from reward_models.ratings.sets import load_ratings
from reward_models.teaching import teacher_of
from steer.miniature.crowd import read_pictures
from steer.miniature.dataset import N_SEEN, N_VAL_UNSEEN
from steer.miniature.person import SimulatedPerson
from steer.miniature.profiles import self_report
from steer.miniature.raters import simulated_people
from steer.miniature.world import WORLD
from steer.resources import REWARDS, miniature_weights

RATINGS = (0, 2, 5, 10, 15, 40)
POOL = 60  # pictures that are rated
PAIRS = (
    ("PAMELA with the prior", "PAMELA"),
    ("PAMELA with the prior", "P-MLLM"),
    ("Linear-Hidden with the prior", "Linear-Hidden"),
)
Told = Callable[[SimulatedPerson], tuple[dict[str, str], str]]


def by_card(person: SimulatedPerson) -> tuple[dict[str, str], str]:
    """Demographics, traits and words."""
    report = self_report(person)
    return {**person.demographics, **report.fields()}, report.words()


def by_what_it_reads(person: SimulatedPerson) -> tuple[dict[str, str], str]:
    """What PAMELA understands: demographics, and words as statements."""
    return dict(person.demographics), self_report(person).words()


class Learner:
    """A reward, and what its teacher keeps of the pictures that are rated."""

    def __init__(self, model: RewardModel, told: Told, pool: list[Image.Image], test: list[Image.Image]):
        self.model, self.told = model, told
        self.teacher: Teacher = teacher_of(model)
        self.kept = [Seen(kept) for kept in self.teacher.keep(pool)]
        self.reading = model.read(test, [""] * len(test))

    def asked(self, people: list[SimulatedPerson], rated: np.ndarray, likings: np.ndarray) -> np.ndarray:
        """Likings (people, pictures) after each rated the pool's pictures ``rated`` (people, n)."""
        names = [f"new {p.id}" for p in people]
        for name, person, rows, own in zip(names, people, rated, likings, strict=True):
            about, words = self.told(person)
            seen = [self.kept[i] for i in rows]
            self.teacher.learn(name, Evidence(seen, own.tolist(), demographics=about, profile=words))
        return np.stack([s.personal for s in self.model.judge_many(self.reading, names)])


def main(
    reward: Path = Path("training/profile-mllm/many/reward"),
    people: Annotated[int, typer.Option(help="Unseen people.")] = 34,
    pictures: Annotated[int, typer.Option(help="Test pictures.")] = 120,
    dataset: Path = Path("training/pamela"),
    world: int = WORLD,
    out: Path = Path("training/profile-mllm/prior.json"),
) -> None:
    """See the module."""
    everybody = list(simulated_people(world=world).values())[N_SEEN + N_VAL_UNSEEN :][:people]
    ratings = load_ratings(dataset)
    files = sorted(ratings.split("test_unseen")["picture"].unique())[:pictures]
    pool = sorted(ratings.split("val_seen")["picture"].unique())[:POOL]
    images, rated = ([read_picture(dataset / f, ("PNG",)) for f in each] for each in (files, pool))
    truth, liking = (
        np.stack([p.satisfaction(read_pictures(dataset, each)) for p in everybody]) for each in (files, pool)
    )
    rng = np.random.default_rng(11)
    order = np.stack([rng.permutation(len(pool)) for _ in everybody])
    said = np.stack([(p.rate(y, rng) - 1) / 4 for p, y in zip(everybody, liking, strict=True)])

    prior = reward_models.load(reward)
    prior.batch_size = 16
    shipped = {name: miniature_weights(folder.split("/")[0]).parent / folder for name, folder in REWARDS.items()}
    pamela, hidden = shipped["miniature"], shipped["miniature/linear-hidden"]
    learners = {
        "P-MLLM": Learner(prior, by_card, rated, images),
        "PAMELA": Learner(reward_models.load(pamela), by_what_it_reads, rated, images),
        "PAMELA with the prior": Learner(WithPrior(reward_models.load(pamela), prior), by_card, rated, images),
        "Linear-Hidden": Learner(reward_models.load(hidden), by_what_it_reads, rated, images),
        "Linear-Hidden with the prior": Learner(WithPrior(reward_models.load(hidden), prior), by_card, rated, images),
    }
    found: dict[str, dict[int, list[float]]] = {name: {} for name in learners}
    print(f"| ratings | {' | '.join(learners)} | {' | '.join(f'{a} less {b}' for a, b in PAIRS)} |")
    print("|---" * (1 + len(learners) + len(PAIRS)) + "|")
    for n in RATINGS:
        rows = order[:, :n]
        own = np.take_along_axis(said, rows, axis=1)
        for name, learner in learners.items():
            guesses = learner.asked(everybody, rows, own)
            found[name][n] = [spearman(g, t) for g, t in zip(guesses, truth, strict=True)]
        cells = [as_interval(bootstrap(np.array(found[name][n]))) for name in learners]
        cells += [as_interval(bootstrap(np.array(found[a][n]) - np.array(found[b][n])), signed=True) for a, b in PAIRS]
        print(f"| {n} | {' | '.join(cells)} |", flush=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"reward": str(reward), "each": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
